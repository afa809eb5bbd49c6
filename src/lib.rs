//! Kiln serves Keras image classifiers in pure Rust.
//!
//! A request goes one way: bytes, [`preprocess`], [`serving::repository`] (which model),
//! [`serving::batcher`], [`network`], answer; [`serving::classify`] is that path. [`keras`] reads a
//! Keras file into a [`description`], and [`network`] makes a network in Burn of that; they stand on
//! their own.
//!
//! ```
//! use kiln::keras;
//! use kiln::network::{Backend, Network};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let model = keras::read_file("weights/mnist-mlp.keras".as_ref())?;
//! let network = Network::new(model, Backend::default())?;
//! let probabilities = network.infer(vec![0.0; network.input_len()], 1)?;
//! assert_eq!(probabilities.len(), 10);
//! # Ok(())
//! # }
//! ```

pub mod cli;
pub mod description;
pub mod grpc;
pub mod http;
pub mod idx;
pub mod keras;
pub mod network;
pub mod npy;
pub mod preprocess;
pub mod readiness;
pub mod serving;
pub mod source;
pub mod telemetry;
