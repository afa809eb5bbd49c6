//! What bounds the calls of a thread.

use std::sync::Arc;
use std::time::Duration;

use super::memory::Memory;
use crate::telemetry::Telemetry;

/// What bounds the calls of a thread, and where they are counted.
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
}
