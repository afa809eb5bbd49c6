//! A server that a command asks, and why it does not answer.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

/// Where a server listens unless told otherwise.
pub(super) const LOCAL_SERVER: &str = "http://127.0.0.1:50051";
/// The port of gRPC unless told otherwise.
pub(super) const PORT: u16 = 50051;
/// How long whoever does not speak gRPC may take to show what it speaks.
const PATIENCE: Duration = Duration::from_secs(2);

/// A server's address, checked.
pub(super) struct Remote {
    endpoint: Endpoint,
    /// Found out when it is asked for.
    speaks_http1: OnceLock<bool>,
}

/// Nobody there who speaks gRPC.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreachable(String);

impl Remote {
    /// A URL, `host:port`, a host, or a port of this machine.
    pub fn new(addr: &str) -> anyhow::Result<Self> {
        let place = match addr.split_once("://") {
            None => addr,
            Some(("http", place)) => place.trim_end_matches('/'),
            Some((scheme, _)) => bail!(
                "{addr}: kiln speaks plain gRPC and no {scheme}; use http://, or put a proxy in front"
            ),
        };
        let port = place.strip_prefix(':').unwrap_or(place);
        let url = if place.is_empty() {
            LOCAL_SERVER.to_owned()
        } else if port.parse::<u16>().is_ok() {
            format!("http://127.0.0.1:{port}")
        } else if place
            .rsplit(']')
            .next()
            .is_some_and(|end| end.contains(':'))
        {
            format!("http://{place}")
        } else {
            format!("http://{place}:{PORT}")
        };
        let endpoint = Endpoint::from_shared(url)
            .with_context(|| format!("'{addr}' is no address: write host:port"))?;
        Ok(Self {
            endpoint,
            speaks_http1: OnceLock::new(),
        })
    }

    /// A connection, on which each call has its time.
    pub async fn connect(&self, connecting: Duration, call: Duration) -> anyhow::Result<Channel> {
        let endpoint = self.endpoint.clone();
        let endpoint = endpoint.connect_timeout(connecting).timeout(call);
        let channel = endpoint.connect().await;
        Ok(channel.map_err(|error| self.explain(&error))?)
    }

    /// What a call's status says, or else why none came.
    pub fn failed(&self, status: &Status) -> anyhow::Error {
        match status.source() {
            // The server's own words.
            None if status.message().is_empty() => anyhow!("{}", status.code()),
            None => anyhow!("{}", status.message()),
            Some(_) => self.explain(status).into(),
        }
    }

    /// `host:port`
    fn place(&self) -> &str {
        self.endpoint
            .uri()
            .authority()
            .map_or("", |place| place.as_str())
    }

    fn explain(&self, error: &dyn Error) -> Unreachable {
        let place = self.place();
        if *self.speaks_http1.get_or_init(|| speaks_http1(place)) {
            let host = self.endpoint.uri().host().unwrap_or_default();
            return Unreachable(format!(
                "{place} answers HTTP/1.1 and no gRPC, as `kiln serve` does on 8000; \
                 gRPC is on {host}:{PORT} unless --grpc-listen says otherwise"
            ));
        }
        let mut cause = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        Unreachable(format!(
            "no server answers at {place} ({cause}): is `kiln serve` running there? --addr names another place"
        ))
    }
}

/// Whether what listens there answers a request of the web.
fn speaks_http1(place: &str) -> bool {
    let answer = || {
        let addr = place.to_socket_addrs().ok()?.next()?;
        let mut stream = TcpStream::connect_timeout(&addr, PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(
            stream,
            "GET /livez HTTP/1.1\r\nhost: {place}\r\nconnection: close\r\n\r\n"
        )
        .ok()?;
        let mut begin = [0; 7];
        stream.read_exact(&mut begin).ok()?;
        Some(begin)
    };
    answer() == Some(*b"HTTP/1.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_url_a_host_a_port_or_both() {
        for (addr, place) in [
            ("http://10.0.0.1:9/", "10.0.0.1:9"),
            ("kiln:9", "kiln:9"),
            ("kiln", "kiln:50051"),
            ("[::1]", "[::1]:50051"),
            ("[::1]:9", "[::1]:9"),
            ("9", "127.0.0.1:9"),
            (":9", "127.0.0.1:9"),
            ("", "127.0.0.1:50051"),
        ] {
            assert_eq!(Remote::new(addr).unwrap().place(), place);
        }
        for wrong in ["https://kiln:9", "a b"] {
            assert!(Remote::new(wrong).is_err(), "{wrong}");
        }
    }
}
