//! The gRPC door: tonic services, one file a service, and the server that carries them.

mod connections;
mod mnist;
mod observe;
pub mod proto;
mod server;
mod status;

pub use mnist::Mnist;
pub use server::{Config, Server};
