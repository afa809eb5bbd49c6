//! Every instrument of the server in one struct, and their text for Prometheus; logs beside them.
//!
//! Instruments are OpenTelemetry's, bridged into a registry of our own by `opentelemetry-prometheus`. Call sites
//! speak of what happened (`predicted`, `rejected`) and never see a metric's name or a label. `process_*` follows a
//! convention of Prometheus and not of OpenTelemetry, so it goes straight into the text (see `process`).
//!
//! The bridge builds the exported name: dots become underscores, a unit `s` adds `_seconds`, a counter gets `_total`.
//! `tests/golden/metrics.txt` holds what a scrape sees.

mod calls;
mod clients;
pub mod logs;
mod model;
mod process;

use std::net::IpAddr;
use std::time::Duration;

use opentelemetry::metrics::{BoundCounter, Counter, Histogram, Meter, MeterProvider as _};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream};
use prometheus::{Registry, TextEncoder};

use calls::Calls;
pub use calls::Method;
use clients::Clients;
use model::ModelMeters;
pub use model::{ModelInfo, ModelInstruments, QueuePlace};

/// The `Content-Type` of [`Telemetry::exposition`]: Prometheus text format 0.0.4.
pub const EXPOSITION_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What stands in a label for a method or route that the server does not know, as OpenTelemetry's conventions have it.
pub const OTHER: &str = "_OTHER";

/// Seconds; a prediction takes tens of microseconds, a queue under load milliseconds.
const CALL_SECONDS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];
/// Seconds; from a digit network built in to one of hundreds of megabytes on a slow disk.
const LOAD_SECONDS: [f64; 12] = [
    0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
];

/// Why the instruments could not be set up or read.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The bridge could not be put into its registry.
    #[error("cannot bridge OpenTelemetry metrics to Prometheus: {0}")]
    Bridge(#[from] OTelSdkError),
    /// The gathered metrics do not make valid exposition text.
    #[error("cannot write the metrics as Prometheus text: {0}")]
    Encode(#[from] prometheus::Error),
}

/// Why a request was turned away before it was computed: the label `reason` of `kiln_rejections_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The bounded queue had no room.
    QueueFull,
    /// Its deadline had passed.
    Deadline,
    /// Its client had gone.
    Cancelled,
    /// No model was warm yet.
    Loading,
    /// The server was shutting down.
    Draining,
    /// The request could not be understood or was out of bounds.
    Invalid,
    /// The picture shows no digit, or several.
    NoDigit,
    /// It asked for a model or version that is not loaded.
    UnknownModel,
}

impl Rejection {
    /// Every reason, in the order of the discriminants.
    const ALL: [Self; 8] = [
        Self::QueueFull,
        Self::Deadline,
        Self::Cancelled,
        Self::Loading,
        Self::Draining,
        Self::Invalid,
        Self::NoDigit,
        Self::UnknownModel,
    ];

    /// The reason, as the label has it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Deadline => "deadline",
            Self::Cancelled => "cancelled",
            Self::Loading => "loading",
            Self::Draining => "draining",
            Self::Invalid => "invalid",
            Self::NoDigit => "no_digit",
            Self::UnknownModel => "unknown_model",
        }
    }
}

/// All instruments. One per process, shared in an `Arc`; every method takes `&self` and may be called from any thread.
#[derive(Debug)]
pub struct Telemetry {
    registry: Registry,
    meter: Meter,
    /// Dropping the provider shuts its instruments down.
    _provider: SdkMeterProvider,
    calls: Calls,
    http_duration: Histogram<f64>,
    read_wait: Histogram<f64>,
    loop_delay: Histogram<f64>,
    rejections: [BoundCounter<u64>; Rejection::ALL.len()],
    models: ModelMeters,
    model_loads: Counter<u64>,
    model_load_duration: Histogram<f64>,
    clients: Clients,
}

impl Telemetry {
    /// Sets every instrument up in a registry of its own: two of these never share a number.
    ///
    /// # Errors
    /// [`TelemetryError::Bridge`] if the bridge cannot be registered.
    pub fn new() -> Result<Self, TelemetryError> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()?;
        let provider = SdkMeterProvider::builder()
            .with_reader(exporter)
            .with_resource(resource())
            .with_view(room_for_classes)
            .build();
        let meter = provider.meter_with_scope(InstrumentationScope::builder("kiln").build());
        Ok(Self {
            registry,
            calls: Calls::new(&meter),
            http_duration: http_duration(&meter),
            read_wait: read_wait(&meter),
            loop_delay: loop_delay(&meter),
            rejections: rejections(&meter),
            models: ModelMeters::new(&meter),
            model_loads: model_loads(&meter),
            model_load_duration: model_load_duration(&meter),
            clients: Clients::new(&meter),
            meter,
            _provider: provider,
        })
    }

    /// All metrics in the format of [`EXPOSITION_CONTENT_TYPE`].
    ///
    /// # Errors
    /// [`TelemetryError::Encode`] if what was gathered is not valid exposition text.
    pub fn exposition(&self) -> Result<String, TelemetryError> {
        let mut families = self.registry.gather();
        families.extend(process::families());
        Ok(TextEncoder::new().encode_to_string(&families)?)
    }

    /// A gRPC call has ended; `code` is the number of its gRPC status.
    pub fn rpc_finished(&self, method: Method, code: i32, elapsed: Duration) {
        self.calls.finished(method, code, elapsed);
    }

    /// An HTTP request has been answered. `method` and `route` are ones the server knows, or [`OTHER`].
    pub fn http_finished(
        &self,
        method: &'static str,
        route: &'static str,
        status: u16,
        elapsed: Duration,
    ) {
        let labels = [
            KeyValue::new("method", method),
            KeyValue::new("route", route),
            KeyValue::new("status", i64::from(status)),
        ];
        self.http_duration.record(elapsed.as_secs_f64(), &labels);
    }

    /// A request was turned away.
    pub fn rejected(&self, reason: Rejection) {
        self.rejections[reason as usize].add(1);
    }

    /// A connection had to wait until its thread read from it again.
    pub fn connection_waited(&self, elapsed: Duration) {
        self.read_wait.record(elapsed.as_secs_f64(), &[]);
    }

    /// A thread took this long to turn to a socket that had something to read.
    pub fn loop_delayed(&self, elapsed: Duration) {
        self.loop_delay.record(elapsed.as_secs_f64(), &[]);
    }

    /// From now on scrapes show the requests that are inside, as `inside` counts them, and how many may be.
    pub fn watch_requests(&self, limit: usize, inside: impl Fn() -> usize + Send + Sync + 'static) {
        self.meter
            .u64_observable_gauge("kiln.requests.in_flight")
            .with_description("Requests that are inside: read, decoded, waiting or computed.")
            .with_callback(move |observer| observer.observe(inside() as u64, &[]))
            .build();
        self.meter
            .u64_observable_gauge("kiln.requests.limit")
            .with_description("Requests that may be inside at once; more are turned away.")
            .with_callback(move |observer| observer.observe(limit as u64, &[]))
            .build();
    }

    /// The instruments of one loaded model, its labels resolved once. `kiln_model_info` lists the model until the
    /// last clone of the answer is dropped; its counters stay, as a counter that vanished would be a reset.
    #[must_use]
    pub fn model(&self, info: &ModelInfo<'_>) -> ModelInstruments {
        self.models.bind(info)
    }

    /// A model was read, built and warmed in `elapsed`. The name is the repository's, never the request's.
    pub fn model_loaded(&self, model: &str, elapsed: Duration) {
        let model = model::label("model", model);
        self.model_load_duration
            .record(elapsed.as_secs_f64(), std::slice::from_ref(&model));
        self.model_loads
            .add(1, &[model, KeyValue::new("outcome", "success")]);
    }

    /// A model could not be loaded. The name is the repository's, never the request's.
    pub fn model_load_failed(&self, model: &str) {
        let labels = [
            model::label("model", model),
            KeyValue::new("outcome", "failure"),
        ];
        self.model_loads.add(1, &labels);
    }

    /// A prediction was answered: the three metrics of the project that Kiln replaces. `peer` is the address at the
    /// other end of the connection, `values` the count of input values (one of them is its "char").
    pub fn client_request(&self, peer: IpAddr, values: usize, elapsed: Duration) {
        self.clients.request(peer, values, elapsed);
    }
}

/// What `target_info` says. Fixed, so that no variable of the environment adds a label to it.
fn resource() -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", "kiln"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ])
        .build()
}

/// Lets the one metric that grows with the classes of a model pass OpenTelemetry's default of 2000 label sets.
/// Past a limit the SDK goes on counting, under the single label `otel_metric_overflow="true"`.
fn room_for_classes(instrument: &Instrument) -> Option<Stream> {
    if instrument.name() != model::PREDICTIONS {
        return None;
    }
    Stream::builder()
        .with_cardinality_limit(20_000)
        .build()
        .ok()
}

fn http_duration(meter: &Meter) -> Histogram<f64> {
    meter
        .f64_histogram("http.server.request.duration")
        .with_unit("s")
        .with_description(
            "How long HTTP requests took, from their headers to an answer ready to be sent.",
        )
        .with_boundaries(CALL_SECONDS.to_vec())
        .build()
}

fn read_wait(meter: &Meter) -> Histogram<f64> {
    meter
        .f64_histogram("kiln.read_wait.duration")
        .with_unit("s")
        .with_description(
            "How long connections with something to read stood in line until their thread had computed enough to read it.",
        )
        .with_boundaries(CALL_SECONDS.to_vec())
        .build()
}

fn loop_delay(meter: &Meter) -> Histogram<f64> {
    meter
        .f64_histogram("kiln.event_loop.delay")
        .with_unit("s")
        .with_description(
            "How long a serving thread took to turn to a socket that had something to read, felt ten times a second.",
        )
        .with_boundaries(CALL_SECONDS.to_vec())
        .build()
}

fn rejections(meter: &Meter) -> [BoundCounter<u64>; Rejection::ALL.len()] {
    let counter = meter
        .u64_counter("kiln.rejections")
        .with_description("Requests turned away before they were computed.")
        .build();
    Rejection::ALL.map(|reason| counter.bind(&[KeyValue::new("reason", reason.label())]))
}

fn model_loads(meter: &Meter) -> Counter<u64> {
    meter
        .u64_counter("kiln.model.loads")
        .with_description("Attempts to load a model.")
        .build()
}

fn model_load_duration(meter: &Meter) -> Histogram<f64> {
    meter
        .f64_histogram("kiln.model.load.duration")
        .with_unit("s")
        .with_description("How long a model took to be read, built and warmed.")
        .with_boundaries(LOAD_SECONDS.to_vec())
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rejection_counts_under_its_own_reason() {
        let telemetry = Telemetry::new().unwrap();
        for (times, reason) in (1..).zip(Rejection::ALL) {
            (0..times).for_each(|_| telemetry.rejected(reason));
        }
        let text = telemetry.exposition().unwrap();
        for (times, reason) in (1..).zip(Rejection::ALL) {
            let line = format!(
                "kiln_rejections_total{{reason=\"{}\"}} {times}\n",
                reason.label()
            );
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn two_telemetries_share_no_number() {
        let (one, two) = (Telemetry::new().unwrap(), Telemetry::new().unwrap());
        one.rejected(Rejection::Invalid);
        let line = "kiln_rejections_total{reason=\"invalid\"} ";
        assert!(one.exposition().unwrap().contains(&format!("{line}1\n")));
        assert!(two.exposition().unwrap().contains(&format!("{line}0\n")));
    }
}
