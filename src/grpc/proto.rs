//! What the protos in `proto/` compile to, and what reflection tells of each.

/// `mnist.v1`: which digit a picture shows.
#[allow(missing_docs, clippy::pedantic)]
pub mod mnist {
    tonic::include_proto!("mnist.v1");
}

/// `kiln.v1`: what a picture shows.
#[allow(missing_docs, clippy::pedantic)]
pub mod kiln {
    tonic::include_proto!("kiln.v1");
}

/// The descriptors of `mnist.v1`.
pub const MNIST: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/mnist.bin"));
/// The descriptors of `kiln.v1`.
pub const CLASSIFIER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/classifier.bin"));
