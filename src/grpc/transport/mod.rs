//! Connections and the order in which they are read; knows nothing of gRPC.

pub(super) mod backpressure;
pub(super) mod connections;
pub(super) mod pulse;
