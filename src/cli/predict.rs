//! `kiln predict`

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use futures_util::{StreamExt, stream};
use tonic::transport::{Channel, Endpoint};

use super::args::PixelArgs;
use super::output::print;
use super::pictures;
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

/// Where a server listens unless told otherwise.
pub(super) const LOCAL_SERVER: &str = "http://127.0.0.1:50051";
/// Requests on their way at once.
const WINDOW: usize = 16;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Pictures, folders of pictures, or `-` for standard input
    #[arg(required = true, value_name = "PICTURE")]
    pictures: Vec<PathBuf>,
    /// The server's gRPC address
    #[arg(long, value_name = "URL", env = "KILN_ADDR", default_value = LOCAL_SERVER)]
    addr: String,
    /// Compute here, without a server
    #[arg(long)]
    local: bool,
    /// A model the server has; with --local a model file or a built-in network
    #[arg(long)]
    model: Option<String>,
    /// How a picture becomes the model's input
    #[arg(long, value_enum, default_value_t)]
    fit: FitArg,
    #[command(flatten)]
    pixels: PixelArgs,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum FitArg {
    /// As it is if it has the model's size, else as `digit`
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
    Remote(MnistServiceClient<Channel>),
    Local(Box<Serving>),
}

pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let pictures = pictures::find(&args.pictures)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(predict_all(&args, pictures))
}

async fn predict_all(args: &Args, pictures: Vec<PathBuf>) -> anyhow::Result<()> {
    let predictor = &if args.local {
        Predictor::local(args)?
    } else {
        Predictor::remote(&args.addr).await?
    };
    let width = pictures
        .iter()
        .map(|path| path.display().to_string().chars().count())
        .chain(["picture".len()])
        .max()
        .unwrap_or(0);
    if !args.json {
        print(&format!("{:<width$}  digit  confidence\n", "picture"))?;
    }
    let mut failed = 0;
    let total = pictures.len();
    let mut answers = stream::iter(&pictures)
        .map(|path| async move { (path, predictor.predict(path, args).await) })
        .buffered(WINDOW);
    while let Some((path, answer)) = answers.next().await {
        match answer {
            Ok(prediction) if args.json => print(&prediction.json(path))?,
            Ok(prediction) => print(&prediction.row(path, width))?,
            Err(error) => {
                failed += 1;
                eprintln!("error: {}: {error:#}", path.display());
            }
        }
    }
    anyhow::ensure!(failed == 0, "{failed} of {total} pictures have no answer");
    Ok(())
}

impl Predictor {
    async fn remote(addr: &str) -> anyhow::Result<Self> {
        let endpoint = endpoint(addr)?
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_mins(1));
        let channel = endpoint.connect().await.with_context(|| {
            format!("no server at {addr}: start one with `kiln serve`, or use --local")
        })?;
        Ok(Self::Remote(MnistServiceClient::new(channel)))
    }

    fn local(args: &Args) -> anyhow::Result<Self> {
        let source = match &args.model {
            Some(model) => {
                let Ok(source) = model.parse::<Source>();
                source
            }
            None => Source::BuiltInCnn,
        };
        let telemetry = Arc::new(Telemetry::new()?);
        let options = serving::Options {
            backend: Backend::default(),
            pixel_range: args.pixels.pixel_range,
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
            Self::Remote(client) => {
                let request = pb::PredictRequest {
                    input: Some(pb::predict_request::Input::Image(image)),
                    model: args.model.clone().unwrap_or_default(),
                    version: String::new(),
                    fit: args.fit.into_proto().into(),
                };
                match client.clone().predict(request).await {
                    Ok(answer) => Ok(answer.into_inner().into()),
                    Err(status) => anyhow::bail!("{}", status.message()),
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
    fn row(&self, path: &Path, width: usize) -> String {
        let name = path.display().to_string();
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

/// The server at an address, for which `host:port` is enough.
pub(super) fn endpoint(addr: &str) -> anyhow::Result<Endpoint> {
    let url = match addr.split_once("://") {
        None => format!("http://{addr}"),
        Some(("http", _)) => addr.to_owned(),
        Some((scheme, _)) => anyhow::bail!(
            "{addr}: kiln speaks plain gRPC and no {scheme}; use http://, or put a proxy in front"
        ),
    };
    Endpoint::from_shared(url).with_context(|| format!("'{addr}' is no address: write host:port"))
}
