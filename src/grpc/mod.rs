//! The gRPC door: what every call has in common, and the services.

mod call;
mod door;
pub mod proto;
mod services;

pub(crate) use door::Door;
pub use services::Error;
pub(crate) use services::health::Health;
pub(crate) use services::{Parts, names};
