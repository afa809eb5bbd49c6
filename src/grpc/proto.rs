//! What the protos in `proto/` compile to.

/// `mnist.v1`: Kiln's own service.
#[allow(missing_docs, clippy::pedantic)]
pub mod mnist {
    tonic::include_proto!("mnist.v1");
}

/// Every service's descriptors, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
