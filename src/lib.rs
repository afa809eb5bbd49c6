//! Kiln serves Keras models in pure Rust. The map of the crate, from the ground up:
//!
//! - [`description`]: what a network is. [`keras`] reads a Keras file into one, [`source`] also what was converted or is
//!   built in.
//! - [`network`] (feature `network`): that → a network in Burn; a batch of inputs → a batch of outputs.
//! - [`telemetry`], [`readiness`], [`preprocess`] (a picture's bytes → a model's input), and all below: feature `server`.
//! - [`serving`]: which model, which batch; the one path of every request.
//! - [`grpc`] and [`http`]: the doors. They translate, and do nothing else. [`server`] has the listeners and threads, and
//!   hands them requests.
//! - [`cli`]: one file a subcommand. [`npy`], [`npz`] and [`idx`]: small file formats of theirs.
//!
//! Features: `network` and `server`, which has `network` with it, are both on by default. Without them the crate reads
//! Keras files, and brings neither Burn nor tonic. `ndarray` adds Burn's older CPU backend.
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

// They panic when nobody takes what they print; see cli/output.rs.
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[cfg(feature = "server")]
pub mod cli;
pub mod description;
#[cfg(feature = "server")]
pub mod grpc;
#[cfg(feature = "server")]
pub mod http;
pub mod idx;
pub mod keras;
#[cfg(feature = "network")]
pub mod network;
pub mod npy;
#[cfg(feature = "server")]
pub mod npz;
#[cfg(feature = "server")]
pub mod preprocess;
#[cfg(feature = "server")]
pub mod readiness;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
pub mod serving;
pub mod source;
#[cfg(feature = "server")]
pub mod telemetry;
#[cfg(feature = "server")]
mod thread_time;
#[cfg(feature = "server")]
mod transport;
