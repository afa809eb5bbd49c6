//! Connections, and when each of them is read; knows nothing of gRPC.

pub(super) mod backpressure;
pub(super) mod connections;
pub(super) mod http2;
pub(super) mod pulse;
