//! The ground that every door stands on: connections, when each of them is read, and what a request may hold before it is
//! whole. Knows no door.

pub(crate) mod backpressure;
pub(crate) mod bounds;
pub(crate) mod client;
pub(crate) mod connections;
pub(crate) mod cors;
pub(crate) mod growing;
pub(crate) mod http1;
pub(crate) mod http2;
mod impatient;
pub(crate) mod memory;
pub(crate) mod pace;
pub(crate) mod places;
pub(crate) mod pulse;
pub(crate) mod refused;
mod shares;
pub(crate) mod upload;
