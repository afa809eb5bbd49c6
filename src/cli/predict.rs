//! `kiln predict`

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, ValueEnum};
use futures_util::{StreamExt, stream};
use tonic::Code;
use tonic::transport::Channel;

use super::args::PictureArgs;
use super::output::{self, columns, print, print_raw, shown};
use super::pictures;
use super::remote::{LOCAL_SERVER, Remote, Unreachable};
use super::usage;
use crate::grpc::proto::mnist as pb;
use crate::grpc::proto::mnist::mnist_service_client::MnistServiceClient;
use crate::network::Backend;
use crate::preprocess::{self, Fit};
use crate::serving::batcher;
use crate::serving::{
    self, Answer, Caller, Entry, Limits, Picture, PictureRequest, Repository, Serving,
};
use crate::source::Source;
use crate::telemetry::Telemetry;

/// Requests on their way at once.
const WINDOW: usize = 16;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kiln predict seven.png
  kiln predict photos --json
  kiln predict - < seven.png
  kiln predict --local --model model.keras --fit resize cat.jpg")]
pub(super) struct Args {
    /// Pictures, folders of pictures, or `-` for standard input
    #[arg(required = true, value_name = "PICTURE")]
    pictures: Vec<PathBuf>,
    /// The server's gRPC address
    #[arg(long, value_name = "ADDR", env = "KILN_ADDR", default_value = LOCAL_SERVER)]
    addr: String,
    /// Compute here, without a server
    #[arg(long)]
    local: bool,
    /// A model the server has; with --local a model file or a built-in network
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// How a picture becomes the model's input
    #[arg(long, value_enum, default_value_t)]
    fit: FitArg,
    #[command(flatten)]
    made: PictureArgs,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum FitArg {
    /// As `digit`, unless it is one already; as `resize` for a model of other classes
    #[default]
    Auto,
    /// The whole picture, resized
    Resize,
    /// Cut out, scaled and centred as MNIST digits are, whatever the paper
    Digit,
}

/// What is printed of an answer.
struct Prediction {
    class: usize,
    /// Empty where the model's classes have no names.
    label: String,
    confidence: f32,
    probabilities: Vec<f32>,
    model: String,
    version: String,
}

/// Who answers.
enum Predictor {
    Remote(Box<Remote>, MnistServiceClient<Channel>),
    Local(Box<Serving>),
}

pub(super) fn run(args: Args, given: &ArgMatches) -> anyhow::Result<()> {
    args.check(given)?;
    let pictures = pictures::find(&args.pictures)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(predict_all(&args, pictures))
}

impl Args {
    /// Refuses a flag that would be ignored, and tells of a variable that is.
    fn check(&self, given: &ArgMatches) -> anyhow::Result<()> {
        let source = |id| given.value_source(id);
        let refused = match self.local {
            true if source("addr") == Some(ValueSource::CommandLine) => {
                "--local asks no server: leave it or --addr out"
            }
            false if source("pixel_range") == Some(ValueSource::CommandLine) => {
                "the server was told its own --pixel-range: give it to `kiln serve`, or use --local"
            }
            false if source("resize") == Some(ValueSource::CommandLine) => {
                "the server was told its own --resize: give it to `kiln serve`, or use --local"
            }
            false if source("keep_aspect_ratio") == Some(ValueSource::CommandLine) => {
                "the server was told its own --keep-aspect-ratio: give it to `kiln serve`, or use --local"
            }
            _ => "",
        };
        if !refused.is_empty() {
            return Err(usage::conflict("predict", refused).into());
        }
        let ignored = [
            (
                "KILN_MODEL",
                self.model.is_none() && from_env("KILN_MODEL").is_some(),
            ),
            (
                "KILN_PIXEL_RANGE",
                source("pixel_range") == Some(ValueSource::EnvVariable),
            ),
            (
                "KILN_RESIZE",
                source("resize") == Some(ValueSource::EnvVariable),
            ),
            (
                "KILN_KEEP_ASPECT_RATIO",
                source("keep_aspect_ratio") == Some(ValueSource::EnvVariable),
            ),
        ];
        for (name, _) in ignored.into_iter().filter(|(_, set)| *set && !self.local) {
            output::warn(format_args!(
                "{name} is for the server and for --local; it is ignored here"
            ));
        }
        Ok(())
    }
}

/// A variable that is set to something.
fn from_env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

async fn predict_all(args: &Args, pictures: Vec<PathBuf>) -> anyhow::Result<()> {
    let predictor = &if args.local {
        Predictor::local(args)?
    } else {
        Predictor::remote(&args.addr).await?
    };
    let width = width(&pictures);
    let (mut answered, mut failed) = (0, 0);
    let total = pictures.len();
    let mut answers = stream::iter(&pictures)
        .map(|path| async move { (path, predictor.predict(path, args).await) })
        .buffered(WINDOW);
    while let Some((path, answer)) = answers.next().await {
        match answer {
            Ok(prediction) => {
                if args.json {
                    print_raw(&prediction.json(path))?;
                } else {
                    if answered == 0 {
                        print(&prediction.header(width))?;
                    }
                    print(&prediction.row(path, width))?;
                }
                answered += 1;
            }
            // The next picture will fare no better.
            Err(error) if answered == 0 && error.is::<Unreachable>() => return Err(error),
            // Of one picture there is no more to say.
            Err(error) if total == 1 => return Err(error.context(path.display().to_string())),
            Err(error) => {
                failed += 1;
                output::error(format_args!("{}: {error:#}", path.display()));
            }
        }
    }
    anyhow::ensure!(failed == 0, "no answer for {failed} of {total} pictures");
    Ok(())
}

/// Characters for the names: the longest of them, or what the other columns leave of a terminal.
fn width(pictures: &[PathBuf]) -> usize {
    const OTHERS: usize = "  digit  confidence".len();
    let names = pictures
        .iter()
        .map(|path| shown(path.display()).chars().count());
    let longest = names.max().unwrap_or(0).max("picture".len());
    columns().map_or(longest, |columns| {
        longest.min(columns.saturating_sub(OTHERS).max(8))
    })
}

impl Predictor {
    async fn remote(addr: &str) -> anyhow::Result<Self> {
        let remote = Remote::new(addr)?;
        let channel = remote.connect(Duration::from_secs(5), Duration::from_mins(1));
        let channel = channel.await;
        let channel = channel.map_err(|error| anyhow::anyhow!("{error}; --local needs none"))?;
        let client = MnistServiceClient::new(channel);
        Ok(Self::Remote(Box::new(remote), client))
    }

    fn local(args: &Args) -> anyhow::Result<Self> {
        let from_env = from_env("KILN_MODEL");
        let Ok(source) = match args.model.as_ref().or(from_env.as_ref()) {
            Some(model) => model.parse(),
            None => Ok(Source::BuiltInCnn),
        };
        let telemetry = Arc::new(Telemetry::new()?);
        let options = serving::Options {
            backend: Backend::default(),
            pictures: args.made.pictures(),
            batcher: batcher::Config {
                threads: std::thread::available_parallelism().map_or(1, usize::from),
                max_batch_size: WINDOW,
                delay: Duration::ZERO,
            },
            in_background: false,
        };
        let model = serving::load(&Entry::of(source), options, &telemetry)?;
        let limits = Limits {
            requests: WINDOW,
            picture: preprocess::Limits::default(),
        };
        let repository = Arc::new(Repository::new()?);
        repository.add([model]);
        let serving = Serving::new(repository, telemetry, limits);
        Ok(Self::Local(Box::new(serving)))
    }

    async fn predict(&self, path: &Path, args: &Args) -> anyhow::Result<Prediction> {
        let image = pictures::read(path)?.into();
        match self {
            Self::Remote(remote, client) => {
                let request = pb::PredictRequest {
                    input: Some(pb::predict_request::Input::Image(image)),
                    model: args.model.clone().unwrap_or_default(),
                    version: String::new(),
                    fit: args.fit.into_proto().into(),
                };
                match client.clone().predict(request).await {
                    Ok(answer) => Ok(answer.into_inner().into()),
                    Err(status) => {
                        let named = args.model.as_deref().unwrap_or_default();
                        let is_file = status.code() == Code::NotFound && Path::new(named).exists();
                        let error = remote.failed(&status);
                        anyhow::ensure!(
                            !is_file,
                            "{error}; a model file is read with --local only"
                        );
                        Err(error)
                    }
                }
            }
            Self::Local(serving) => {
                let request = PictureRequest {
                    input: Some(Picture::Image(image)),
                    model: String::new(),
                    version: String::new(),
                    fit: args.fit.into_fit(),
                    show_input: false,
                };
                let permit = serving.wait_for_place().await;
                let answer = serving.classify(request, permit, Caller::default());
                Ok(answer.await?.into())
            }
        }
    }
}

impl FitArg {
    fn into_fit(self) -> Fit {
        match self {
            Self::Auto => Fit::Auto,
            Self::Resize => Fit::Resize,
            Self::Digit => Fit::Digit,
        }
    }

    fn into_proto(self) -> pb::Fit {
        match self {
            Self::Auto => pb::Fit::Unspecified,
            Self::Resize => pb::Fit::Resize,
            Self::Digit => pb::Fit::Digit,
        }
    }
}

impl From<pb::PredictResponse> for Prediction {
    fn from(answer: pb::PredictResponse) -> Self {
        Self {
            class: answer.digit as usize,
            label: answer.label,
            confidence: answer.confidence,
            probabilities: answer.probabilities,
            model: answer.model,
            version: answer.version,
        }
    }
}

impl From<Answer> for Prediction {
    fn from(answer: Answer) -> Self {
        Self {
            label: answer.label.unwrap_or_default(),
            class: answer.class,
            confidence: answer.confidence,
            probabilities: answer.probabilities,
            model: answer.model.name.clone(),
            version: answer.model.version.clone(),
        }
    }
}

impl Prediction {
    /// Whether its model tells the ten digits, as far as an answer shows: what is not named is called by its number.
    fn is_digit(&self) -> bool {
        let named = !self.label.is_empty() && self.label != self.class.to_string();
        self.probabilities.len() == 10 && !named
    }

    /// Over the rows of all answers, which one model gives.
    fn header(&self, width: usize) -> String {
        let class = if self.is_digit() { "digit" } else { "class" };
        format!("{:<width$}  {class}  confidence\n", "picture")
    }

    fn row(&self, path: &Path, width: usize) -> String {
        let name = shown(path.display());
        let too_many = name.chars().count().saturating_sub(width);
        let name = match too_many {
            0 => name,
            // Of a long one the end tells more.
            _ => "…".chars().chain(name.chars().skip(too_many + 1)).collect(),
        };
        format!(
            "{name:<width$}  {:>5}  {:>8.2} %  {}",
            self.class,
            self.confidence * 100.0,
            self.label
        )
        .trim_end()
        .to_owned()
            + "\n"
    }

    fn json(&self, path: &Path) -> String {
        let line = serde_json::json!({
            "picture": path.display().to_string(),
            "digit": self.class,
            "label": self.label,
            "confidence": self.confidence,
            "probabilities": self.probabilities,
            "model": self.model,
            "version": self.version,
        });
        format!("{line}\n")
    }
}
