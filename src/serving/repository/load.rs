//! From a file, or from what is built in, to a warm model.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use super::labels::{self, LabelsError};
use super::pixels::picture_size;
use super::{Model, PixelRange};
use crate::network::{self, Backend, Network};
use crate::preprocess::Size;
use crate::serving::Meaning;
use crate::serving::batcher::{self, Batcher};
use crate::telemetry::{ModelInfo, Telemetry};
use crate::{description, keras};

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The convolutional MNIST network in the binary.
    BuiltInCnn,
    /// The small fast MNIST network in the binary.
    BuiltInMlp,
    /// A Keras file or a converted `.safetensors` file.
    File(PathBuf),
}

/// How models are loaded.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Burn's backend.
    pub backend: Backend,
    /// What input values the model was trained on.
    pub pixel_range: PixelRange,
    /// How requests become batches.
    pub batcher: batcher::Config,
}

/// Why a model cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {reason}")]
pub struct LoadError {
    /// The file, or the name of a built-in network.
    pub name: String,
    /// What was wrong; shown with the name, so it is no `source` of its own.
    pub reason: Box<Reason>,
}

/// What was wrong with a model.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The file cannot be read as a Keras model.
    #[error(transparent)]
    Keras(#[from] keras::Error),
    /// The file cannot be read at all.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The converted file cannot be read.
    #[error(transparent)]
    Description(#[from] description::Error),
    /// The network cannot be built or run.
    #[error(transparent)]
    Network(#[from] network::Error),
    /// What computes it cannot be started.
    #[error(transparent)]
    Batcher(#[from] batcher::StartError),
    /// It answers with something that is no number.
    #[error("it answers zeros with a number that is not finite; its weights are out of range")]
    NotFinite,
    /// The file of its labels does not fit.
    #[error(transparent)]
    Labels(#[from] LabelsError),
    /// It is a network, but no classifier of grey pictures.
    #[error("it {0}")]
    NotAClassifier(String),
}

/// What kind of file a network comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One that Keras saved.
    Keras,
    /// One that `kiln convert` made of it.
    Safetensors,
}

impl FromStr for Source {
    type Err = std::convert::Infallible;

    /// The name of a built-in network, or a path.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok([Self::BuiltInCnn, Self::BuiltInMlp]
            .into_iter()
            .find(|built_in| built_in.name() == text)
            .unwrap_or_else(|| Self::File(text.into())))
    }
}

impl Source {
    /// The name the model is served under: the file's name without its ending.
    pub fn name(&self) -> String {
        match self {
            Self::BuiltInCnn => "mnist".to_owned(),
            Self::BuiltInMlp => "mnist-mlp".to_owned(),
            Self::File(path) => path.file_stem().map_or_else(
                || "model".into(),
                |stem| stem.to_string_lossy().into_owned(),
            ),
        }
    }

    /// Reads the network and builds it.
    ///
    /// # Errors
    /// [`LoadError`], with the path or name in it.
    pub fn network(&self, backend: Backend) -> Result<Network, LoadError> {
        self.read()
            .and_then(|(model, _)| Ok(Network::new(model, backend)?))
            .map_err(|reason| self.error(reason))
    }

    /// Reads the model, and says what kind of file it came from.
    ///
    /// # Errors
    /// [`LoadError`], with the path or name in it.
    pub fn model(&self) -> Result<(description::Model, Format), LoadError> {
        self.read().map_err(|reason| self.error(reason))
    }

    fn read(&self) -> Result<(description::Model, Format), Reason> {
        let built_in = |bytes| Ok((description::from_safetensors(bytes)?, Format::Safetensors));
        match self {
            Self::BuiltInCnn => built_in(include_bytes!("../../../weights/mnist.safetensors")),
            Self::BuiltInMlp => built_in(include_bytes!("../../../weights/mnist-mlp.safetensors")),
            Self::File(path) => from_file(path),
        }
    }

    fn error(&self, reason: Reason) -> LoadError {
        LoadError {
            name: match self {
                Self::File(path) => path.display().to_string(),
                built_in => built_in.name(),
            },
            reason: Box::new(reason),
        }
    }
}

/// Content and not the name decides: in safetensors JSON comes after eight bytes of length.
fn from_file(path: &Path) -> Result<(description::Model, Format), Reason> {
    let bytes = keras::read_bytes(path)?;
    Ok(if bytes.get(8) == Some(&b'{') {
        (description::from_safetensors(&bytes)?, Format::Safetensors)
    } else {
        (keras::read(&bytes)?, Format::Keras)
    })
}

/// Loads `source`, runs it once so that the first request finds it warm, and
/// records how it went.
///
/// # Errors
/// [`LoadError`]; nothing is left behind.
pub fn load(
    source: &Source,
    options: Options,
    telemetry: &Arc<Telemetry>,
) -> Result<Model, LoadError> {
    let started = Instant::now();
    let name = source.name();
    let loaded = warm(source, options, telemetry).map_err(|reason| source.error(reason));
    match &loaded {
        Ok(model) => {
            telemetry.model_loaded(&name, started.elapsed());
            tracing::info!(
                model = name,
                version = model.version,
                backend = %options.backend,
                parameters = model.network.description().parameters(),
                pixels = if model.pixel_scale == 1.0 { "0-255" } else { "0-1" },
                labels = model.labels.is_some(),
                elapsed = ?started.elapsed(),
                "model loaded"
            );
        }
        Err(_) => telemetry.model_load_failed(&name),
    }
    loaded
}

fn warm(source: &Source, options: Options, telemetry: &Arc<Telemetry>) -> Result<Model, Reason> {
    let (model, format) = source.read()?;
    let pixel_scale = options.pixel_range.scale(&model);
    let network = Network::new(model, options.backend)?;
    let outputs = network.infer(vec![0.0; network.input_len()], 1)?;
    if !outputs.iter().all(|value| value.is_finite()) {
        return Err(Reason::NotFinite);
    }
    let network = Arc::new(network);

    let description = network.description();
    let (picture, classes) = classifier(description).map_err(Reason::NotAClassifier)?;
    let labels = match source {
        Source::File(path) => labels::beside(path, classes)?,
        Source::BuiltInCnn | Source::BuiltInMlp => None,
    };
    let numbers = || (0..classes).map(|class| class.to_string()).collect();
    let classes = labels.clone().unwrap_or_else(numbers);
    let (name, version) = (source.name(), "1".to_owned());
    let instruments = telemetry.model(&ModelInfo {
        name: &name,
        version: &version,
        backend: options.backend.name(),
        format: match format {
            Format::Keras => "keras",
            Format::Safetensors => "safetensors",
        },
        keras_version: description.keras_version(),
        parameters: description.parameters() as u64,
        classes: &classes,
    });
    let batcher = Batcher::start(
        Arc::clone(&network),
        instruments.clone(),
        Arc::clone(telemetry),
        options.batcher,
    )?;
    Ok(Model {
        name,
        version,
        meaning: Meaning::of(description),
        labels,
        picture,
        pixel_scale,
        batcher,
        network,
        instruments,
    })
}

/// The picture that fills a classifier's input, and the number of its classes.
fn classifier(description: &description::Model) -> Result<(Size, usize), String> {
    let input = description.input_shape();
    let picture = picture_size(input).ok_or_else(|| {
        format!(
            "takes {input:?}; a model for grey pictures takes (height, width), \
             (height, width, 1) or one row of a square"
        )
    })?;
    match *description.output_shape() {
        [classes] if classes >= 2 => Ok((picture, classes)),
        ref other => Err(format!(
            "gives {other:?}; a classifier gives one score for each of at least 2 classes"
        )),
    }
}
