//! From a request to an answer: who is let in, which model, which batch.

mod admission;
pub mod batcher;
pub mod classify;
mod meaning;
pub mod repository;

pub use admission::{Admission, Permit};
pub use meaning::Meaning;
