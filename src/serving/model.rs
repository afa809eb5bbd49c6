//! One loaded model.

use std::path::PathBuf;
use std::sync::Arc;

use super::batcher::Batcher;
use super::classifier::{Classifier, FirstAnswers, NotAClassifier};
use crate::network::Network;
use crate::telemetry::ModelInstruments;

/// A network that is loaded, warm and ready to answer.
#[derive(Debug)]
pub struct Model {
    /// The name clients ask for.
    pub name: String,
    /// The version clients ask for.
    pub version: String,
    /// The file it was read from; none if it is built in.
    pub file: Option<PathBuf>,
    /// The network; the batcher runs it.
    pub network: Arc<Network>,
    /// Requests go in here.
    pub batcher: Batcher,
    /// The model as a classifier of pictures, or why it is none.
    pub classifier: Result<Classifier, NotAClassifier>,
    /// Where what its pixels become was guessed, and it tells no digits: whether its answers look as if that was wrong.
    pub(crate) first_answers: Option<FirstAnswers>,
    /// Where its answers are counted.
    pub instruments: ModelInstruments,
}
