//! From a source to a warm model, beside whatever is served meanwhile.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::Model;
use super::batcher::{self, Batcher, Measured};
use super::classifier::{
    Classifier, FirstAnswers, LabelsError, NotAClassifier, Pictures, labels_beside,
};
use crate::network::{self, Backend, Network};
use crate::preprocess::Size;
use crate::source::{Format, Source, SourceError};
use crate::telemetry::{ModelInfo, ModelInstruments, Telemetry};

/// A model to load, and what it is to be called.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The name clients will ask for.
    pub name: String,
    /// The version clients will ask for.
    pub version: String,
    /// Where it comes from.
    pub source: Source,
}

impl Entry {
    /// Version 1, under the name of the source.
    #[must_use]
    pub fn of(source: Source) -> Self {
        Self {
            name: source.name(),
            version: "1".to_owned(),
            source,
        }
    }
}

/// How models are loaded.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Burn's backend.
    pub backend: Backend,
    /// What is said of the pictures that the model was trained on.
    pub pictures: Pictures,
    /// How requests become batches.
    pub batcher: batcher::Config,
    /// Whether requests are answered meanwhile: what loads then gives way to them.
    pub in_background: bool,
}

/// Why a model cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It was read, but cannot be served.
    #[error("{name}: {reason}")]
    Model {
        /// The file, or the name of a built-in network.
        name: String,
        /// What was wrong; shown with the name, so it is no `source` of its own.
        reason: Box<Reason>,
    },
}

/// What was wrong with a model that was read.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The network cannot be built or run.
    #[error(transparent)]
    Network(#[from] network::Error),
    /// The system gives no more threads.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// It is a classifier that answers with something that is no number.
    #[error("its scores for an empty picture are not all finite numbers: a weight is out of range")]
    NotFinite,
    /// The file of its labels does not fit.
    #[error(transparent)]
    Labels(#[from] LabelsError),
    /// The network has a bug.
    #[error("loading failed; please report the file")]
    Panicked,
}

/// Loads a model, runs it so that the first request finds it warm and its cost is known, and
/// records how it went.
///
/// # Errors
/// [`LoadError`]; nothing is left behind.
pub fn load(
    entry: &Entry,
    options: Options,
    telemetry: &Arc<Telemetry>,
) -> Result<Model, LoadError> {
    let started = Instant::now();
    let loaded = prepare_apart(entry, options)
        .and_then(|prepared| prepared.start(entry, options, telemetry));
    match &loaded {
        Ok(model) => {
            telemetry.model_loaded(&entry.name, started.elapsed());
            announce(model, options, started);
        }
        Err(_) => telemetry.model_load_failed(&entry.name),
    }
    loaded
}

fn announce(model: &Model, options: Options, started: Instant) {
    let parameters = model.network.description().parameters();
    let (backend, elapsed) = (options.backend, started.elapsed());
    match &model.classifier {
        Ok(classifier) => tracing::info!(
            model = model.name,
            version = model.version,
            %backend,
            parameters,
            picture = picture(model, classifier),
            pixels = %classifier.chosen.range,
            because = classifier.chosen.why,
            resize = %classifier.picture.filter,
            outputs = classifier.meaning.name(),
            labels = classifier.labels.is_some(),
            ?elapsed,
            "model loaded"
        ),
        Err(reason) => tracing::warn!(
            model = model.name,
            version = model.version,
            %backend,
            parameters,
            ?elapsed,
            "model loaded; it does not classify pictures, as it {reason}"
        ),
    }
}

/// What of its input is taken for a picture.
fn picture(model: &Model, classifier: &Classifier) -> String {
    let Size { width, height } = classifier.picture.size;
    match *model.network.description().input_shape() {
        [len] => format!("a row of {len} values, served as {width}x{height} pictures"),
        _ => format!("{width}x{height}"),
    }
}

/// A model that was read, built and run.
struct Prepared {
    format: Format,
    measured: Measured,
    network: Arc<Network>,
    classifier: Result<Classifier, NotAClassifier>,
}

/// Prepares a model on a thread of its own, whose priority alone is lowered where others are served meanwhile: the
/// threads that will compute are not its children, who would inherit that.
fn prepare_apart(entry: &Entry, options: Options) -> Result<Prepared, LoadError> {
    let prepared = thread::scope(|scope| {
        let loader = thread::Builder::new().name("kiln-load".to_owned());
        let loading = loader.spawn_scoped(scope, || {
            if options.in_background {
                give_way();
            }
            prepare(entry, options)
        });
        let loading = loading.map_err(|error| entry.error(error))?;
        loading.join().map_err(|_| entry.error(Reason::Panicked))
    });
    prepared?
}

fn prepare(entry: &Entry, options: Options) -> Result<Prepared, LoadError> {
    let (model, format) = entry.source.read()?;
    let mut classifier = Classifier::of(&model, options.pictures);
    let network = Network::new(model, options.backend).map_err(|error| entry.error(error))?;
    if let Ok(classifier) = &mut classifier {
        check_scores(&network).map_err(|reason| entry.error(reason))?;
        if let Source::File(path) = &entry.source {
            let labels = labels_beside(path, classifier.classes);
            classifier.labels = labels.map_err(|error| entry.error(error))?;
        }
    }
    let network = Arc::new(network);
    let measured = Measured::new(Arc::clone(&network)).map_err(|error| entry.error(error))?;
    Ok(Prepared {
        format,
        measured,
        network,
        classifier,
    })
}

fn check_scores(network: &Network) -> Result<(), Reason> {
    let scores = network.infer(vec![0.0; network.input_len()], 1)?;
    let all_finite = scores.iter().all(|score| score.is_finite());
    all_finite.then_some(()).ok_or(Reason::NotFinite)
}

impl Prepared {
    fn start(
        self,
        entry: &Entry,
        options: Options,
        telemetry: &Arc<Telemetry>,
    ) -> Result<Model, LoadError> {
        let instruments = self.instruments(entry, options.backend, telemetry);
        let batcher = Batcher::start(
            self.measured,
            instruments.clone(),
            Arc::clone(telemetry),
            options.batcher,
        );
        Ok(Model {
            name: entry.name.clone(),
            version: entry.version.clone(),
            file: match &entry.source {
                Source::File(path) => Some(path.clone()),
                Source::BuiltInCnn | Source::BuiltInMlp => None,
            },
            network: self.network,
            batcher: batcher.map_err(|error| entry.error(error))?,
            first_answers: FirstAnswers::of(self.classifier.as_ref().ok()),
            classifier: self.classifier,
            instruments,
        })
    }

    fn instruments(
        &self,
        entry: &Entry,
        backend: Backend,
        telemetry: &Telemetry,
    ) -> ModelInstruments {
        let description = self.network.description();
        let classifier = self.classifier.as_ref();
        telemetry.model(&ModelInfo {
            name: &entry.name,
            version: &entry.version,
            backend: backend.name(),
            format: self.format.name(),
            keras_version: description.keras_version(),
            parameters: description.parameters() as u64,
            classes: &classifier.map_or(Vec::new(), Classifier::class_labels),
        })
    }
}

impl Entry {
    fn error(&self, reason: impl Into<Reason>) -> LoadError {
        LoadError::Model {
            name: self.source.to_string(),
            reason: Box::new(reason.into()),
        }
    }
}

/// Lowers this thread's priority, so that those who serve come first. It never can be raised again.
fn give_way() {
    /// Of 19: a third of what a thread of ordinary priority gets beside it is left.
    #[cfg(target_os = "linux")]
    const NICENESS: i32 = 5;
    // Elsewhere it would be the whole process that gives way.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "loading takes the priority of serving");
    }
}
