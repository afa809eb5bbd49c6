//! Kiln serves Keras image classifiers in pure Rust.
//!
//! A request goes one way: bytes, [`preprocess`], [`repository`] (which model),
//! [`batcher`], [`network`], answer; [`classify`] is that path. [`keras`] and
//! [`network`] stand on their own: together they read a Keras file into Burn.

pub mod batcher;
pub mod classify;
pub mod cli;
pub mod grpc;
pub mod http;
pub mod idx;
pub mod keras;
pub mod network;
pub mod npy;
pub mod preprocess;
pub mod readiness;
pub mod repository;
pub mod telemetry;
