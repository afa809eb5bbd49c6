//! One loaded model and what the path of a request needs to know about it.

use std::sync::Arc;

use crate::network::Network;
use crate::preprocess::Size;
use crate::serving::Meaning;
use crate::serving::batcher::Batcher;
use crate::telemetry::ModelInstruments;

/// A network that is loaded, warm and ready to answer.
#[derive(Debug)]
pub struct Model {
    /// The name clients ask for.
    pub name: String,
    /// The version clients ask for.
    pub version: String,
    /// The network; the batcher runs it.
    pub network: Arc<Network>,
    /// Requests go in here.
    pub batcher: Batcher,
    /// What its outputs are.
    pub meaning: Meaning,
    /// The names of its classes, where a file beside the model gives them.
    pub labels: Option<Vec<String>>,
    /// The grey picture that fills its input.
    pub picture: Size,
    /// From a grey value 0..=255 to an input value.
    pub pixel_scale: f32,
    /// Where its predictions are counted.
    pub instruments: ModelInstruments,
}
