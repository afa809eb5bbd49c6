//! What every call has in common, whichever service it is for.

pub(super) mod client;
pub(super) mod codec;
pub(super) mod memory;
pub(super) mod record;
pub(super) mod status;
pub(super) mod unary;
