//! What bounds the requests of a thread.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::client;
use super::connections::Peer;
use super::cors::Cors;
use super::memory::Memory;
use crate::telemetry::Telemetry;

/// What bounds the requests of a thread, and where they are counted.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    pub telemetry: Arc<Telemetry>,
    pub memory: Memory,
    /// Largest message of a request.
    pub max_message_bytes: usize,
    /// Longest until an answer begins, the request's arrival included.
    pub request_timeout: Duration,
    /// Whether `x-forwarded-for` tells who the client is.
    pub trust_forwarded_for: bool,
    /// Which pages elsewhere may ask.
    pub cors: Cors,
}

/// How many times the largest message is thrown away of what nobody reads, before the connection is closed.
const DISCARDED: usize = 4;

impl Bounds {
    /// Bytes that are thrown away over HTTP/1.1 of a request that is refused, so that its client sees the answer.
    pub fn discarded(&self) -> usize {
        self.max_message_bytes.saturating_mul(DISCARDED)
    }

    /// Who a request with these headers comes from.
    pub fn client(&self, headers: &HeaderMap, peer: &Peer) -> IpAddr {
        let forwarded = self
            .trust_forwarded_for
            .then(|| client::forwarded(headers))
            .flatten();
        forwarded.unwrap_or(peer.address)
    }
}
