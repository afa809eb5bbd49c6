//! The services, one file each.

pub(super) mod mnist;
