//! The gRPC door: tonic services, one file a service, and the server that carries them.

mod answering;
mod backpressure;
mod codec;
mod connections;
mod memory;
mod mnist;
mod observe;
mod peer;
pub mod proto;
mod pulse;
mod server;
mod status;
mod unary;

pub use codec::Codec;
pub use memory::Memory;
pub use mnist::Mnist;
pub use server::{Config, Server};
