//! The gRPC door: transport, what every call has in common, services, and the server that puts them together.

mod call;
pub mod proto;
mod server;
mod services;
mod transport;

pub use server::{Config, Server};
