//! Where a model comes from: a file that Keras saved, one that `kiln convert` made of it, or what is built in.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::description::{self, Model};
use crate::keras;

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

/// What kind of file a model comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One that Keras saved.
    Keras,
    /// One that `kiln convert` made of it.
    Safetensors,
}

impl Format {
    /// The name used in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Keras => "keras",
            Self::Safetensors => "safetensors",
        }
    }
}

/// Why a model cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {reason}")]
pub struct SourceError {
    /// The file, or the name of a built-in network.
    pub name: String,
    /// What was wrong; shown with the name, so it is no `source` of its own.
    pub reason: Box<Reason>,
}

/// What was wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The file cannot be read as a Keras model.
    #[error(transparent)]
    Keras(#[from] keras::Error),
    /// There is no such file.
    #[error("no such file; built in are mnist and mnist-mlp{}", .0.as_ref().map_or(String::new(), |name| format!(": is it {name}?")))]
    NotThere(Option<Source>),
    /// The file cannot be read at all.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The file cannot be read as a converted model.
    #[error(transparent)]
    Safetensors(#[from] description::Error),
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

impl fmt::Display for Source {
    /// The path, or the name of a built-in network.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            built_in => f.write_str(&built_in.name()),
        }
    }
}

impl Source {
    /// The name the model is served under: the file's name without its ending.
    #[must_use]
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

    /// Reads the model, and says what kind of file it came from.
    ///
    /// # Errors
    /// [`SourceError`], with the path or name in it.
    pub fn read(&self) -> Result<(Model, Format), SourceError> {
        let built_in = |bytes| Ok((description::from_safetensors(bytes)?, Format::Safetensors));
        let read = match self {
            Self::BuiltInCnn => built_in(include_bytes!("../weights/mnist.safetensors")),
            Self::BuiltInMlp => built_in(include_bytes!("../weights/mnist-mlp.safetensors")),
            Self::File(path) => read_file(path),
        };
        read.map_err(|reason| SourceError {
            name: self.to_string(),
            reason: Box::new(reason),
        })
    }
}

/// The built-in network that a name comes nearest to, by the letters that both begin and end with.
fn meant(path: &Path) -> Option<Source> {
    let name = path.to_string_lossy().to_lowercase();
    let alike = |built_in: &Source| {
        let other = built_in.name();
        let begin = name.chars().zip(other.chars()).take_while(|(a, b)| a == b);
        let end = name
            .chars()
            .rev()
            .zip(other.chars().rev())
            .take_while(|(a, b)| a == b);
        let alike = begin.count() + end.count();
        (2 * alike >= name.len().max(other.len())).then_some(alike)
    };
    let built_in = [Source::BuiltInCnn, Source::BuiltInMlp];
    built_in
        .into_iter()
        .filter(|source| alike(source).is_some())
        .max_by_key(alike)
}

/// Content and not the name decides: in safetensors JSON comes after eight bytes of length.
fn read_file(path: &Path) -> Result<(Model, Format), Reason> {
    let begin = keras::begin(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Reason::NotThere(meant(path)),
        _ => error.into(),
    })?;
    Ok(if begin.get(8) == Some(&b'{') {
        let bytes = keras::read_bytes(path)?;
        (description::from_safetensors(&bytes)?, Format::Safetensors)
    } else {
        (keras::read_file(path)?, Format::Keras)
    })
}
