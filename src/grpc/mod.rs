//! The gRPC door: what every call has in common, gRPC-Web, and the services.

mod call;
mod door;
pub mod proto;
mod services;
mod web;

pub(crate) use door::{Answer, Door};
pub use services::Error;
pub(crate) use services::health::Health;
pub(crate) use services::{Parts, names};
pub(crate) use web::is_web;
