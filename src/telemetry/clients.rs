//! The three metrics of the project that Kiln replaces, under that project's own names, one series a client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundCounter, BoundGauge, Counter, Gauge, Meter};

/// Addresses that get series of their own; every later one counts as `other`.
const MAX_CLIENTS: usize = 100;

#[derive(Debug)]
pub(super) struct Clients {
    requests: Counter<u64>,
    runtime: Gauge<f64>,
    time_per_value: Gauge<f64>,
    known: RwLock<HashMap<IpAddr, Arc<Client>>>,
    /// Bound when it is first needed: a gauge that is bound is exported, as 0 until it is set.
    other: OnceLock<Client>,
}

#[derive(Debug)]
struct Client {
    requests: BoundCounter<u64>,
    runtime: BoundGauge<f64>,
    time_per_value: BoundGauge<f64>,
}

impl Clients {
    pub(super) fn new(meter: &Meter) -> Self {
        let requests = meter
            .u64_counter("api.requests")
            .with_description("Predictions answered, by client.")
            .build();
        let runtime = meter
            .f64_gauge("api.runtime")
            .with_unit("s")
            .with_description("How long the client's last prediction took.")
            .build();
        let time_per_value = meter
            .f64_gauge("processing_time_per_char")
            .with_unit("us")
            .with_description("How long the client's last prediction took, for each input value.")
            .build();
        Self {
            requests,
            runtime,
            time_per_value,
            known: RwLock::default(),
            other: OnceLock::new(),
        }
    }

    pub(super) fn request(&self, peer: IpAddr, values: usize, elapsed: Duration) {
        // A dual-stack listener sees an IPv4 client as ::ffff:a.b.c.d.
        let peer = peer.to_canonical();
        match self.known(peer).or_else(|| self.meet(peer)) {
            Some(client) => client.record(values, elapsed),
            None => self.other().record(values, elapsed),
        }
    }

    fn other(&self) -> &Client {
        self.other.get_or_init(|| self.bind("other".to_owned()))
    }

    fn bind(&self, ip: String) -> Client {
        let labels = [KeyValue::new("client_ip", ip)];
        Client {
            requests: self.requests.bind(&labels),
            runtime: self.runtime.bind(&labels),
            time_per_value: self.time_per_value.bind(&labels),
        }
    }

    fn known(&self, peer: IpAddr) -> Option<Arc<Client>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&peer).cloned()
    }

    /// The series of a client seen for the first time; none when there are enough.
    fn meet(&self, peer: IpAddr) -> Option<Arc<Client>> {
        let full = |known: &HashMap<_, _>| known.len() >= MAX_CLIENTS;
        if full(&self.known.read().unwrap_or_else(PoisonError::into_inner)) {
            return None;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if full(&known) {
            return known.get(&peer).cloned();
        }
        let client = known
            .entry(peer)
            .or_insert_with(|| Arc::new(self.bind(peer.to_string())));
        Some(Arc::clone(client))
    }
}

impl Client {
    #[expect(
        clippy::cast_precision_loss,
        reason = "an input has far fewer than 2^52 values"
    )]
    fn record(&self, values: usize, elapsed: Duration) {
        self.requests.add(1);
        self.runtime.record(elapsed.as_secs_f64());
        if values > 0 {
            self.time_per_value
                .record(elapsed.as_secs_f64() * 1e6 / values as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::super::Telemetry;
    use super::*;

    #[test]
    fn clients_beyond_the_bound_count_as_other_and_the_known_go_on() {
        let telemetry = Telemetry::new().unwrap();
        let clients = u32::try_from(MAX_CLIENTS).unwrap() + 7;
        for _ in 0..2 {
            for client in 0..clients {
                let peer = Ipv4Addr::from_bits(0x0a00_0000 + client);
                telemetry.client_request(peer.into(), 784, Duration::from_millis(1));
            }
        }
        let text = telemetry.exposition().unwrap();
        let series = text
            .lines()
            .filter(|line| line.starts_with("api_requests_total{"));
        assert_eq!(series.count(), MAX_CLIENTS + 1);
        assert!(text.contains("api_requests_total{client_ip=\"10.0.0.0\"} 2\n"));
        assert!(text.contains("api_requests_total{client_ip=\"other\"} 14\n"));
    }

    #[test]
    fn an_ipv4_client_is_one_client_on_a_dual_stack_listener() {
        let telemetry = Telemetry::new().unwrap();
        let v4 = Ipv4Addr::new(192, 0, 2, 7);
        telemetry.client_request(v4.into(), 1, Duration::ZERO);
        telemetry.client_request(v4.to_ipv6_mapped().into(), 1, Duration::ZERO);
        telemetry.client_request(Ipv6Addr::LOCALHOST.into(), 1, Duration::ZERO);
        let text = telemetry.exposition().unwrap();
        assert!(text.contains("api_requests_total{client_ip=\"192.0.2.7\"} 2\n"));
        assert!(text.contains("api_requests_total{client_ip=\"::1\"} 1\n"));
    }

    #[test]
    fn the_time_for_each_value_is_in_microseconds() {
        let telemetry = Telemetry::new().unwrap();
        let peer = Ipv4Addr::LOCALHOST.into();
        telemetry.client_request(peer, 500, Duration::from_millis(1));
        // Without values there is no time for each: the gauge keeps its last value.
        telemetry.client_request(peer, 0, Duration::from_millis(3));
        let text = telemetry.exposition().unwrap();
        assert!(
            text.contains("processing_time_per_char_microseconds{client_ip=\"127.0.0.1\"} 2\n")
        );
        assert!(text.contains("api_runtime_seconds{client_ip=\"127.0.0.1\"} 0.003\n"));
    }
}
