//! The files that Keras writes, taken apart: the zip archive, and the HDF5 data in it or by itself.
//!
//! Every size is bounded before memory is taken, and so is how much is read in all. Nothing here knows
//! what a model is.

pub(super) mod archive;
pub(super) mod bytes;
mod groups;
pub(super) mod hdf5;
mod headers;
mod metered;
mod texts;
