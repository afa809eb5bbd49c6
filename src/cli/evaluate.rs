//! `kiln evaluate`

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use super::args::{ModelArgs, PixelArgs};
use super::output::{plural, print, print_raw, shown, tuple};
use crate::idx;
use crate::network::Network;
use crate::serving::best;
use crate::serving::classifier::{Classifier, Pictures};

/// Examples computed at once.
const BATCH: usize = 32;
const MAX_CLASSES: usize = 1000;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kiln evaluate --images t10k-images-idx3-ubyte.gz \\
      --labels t10k-labels-idx1-ubyte.gz --model model.keras")]
pub(super) struct Args {
    /// Images, an IDX file, gzipped or not
    #[arg(long, value_name = "IDX")]
    images: PathBuf,
    /// Their labels, an IDX file, gzipped or not
    #[arg(long, value_name = "IDX")]
    labels: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    pixels: PixelArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let source = args.model.source();
    let (model, _) = source.read()?;
    let pictures = Pictures {
        pixel_range: args.pixels.pixel_range,
        ..Pictures::default()
    };
    let classifier = Classifier::of(&model, pictures);
    let classifier = classifier.map_err(|reason| anyhow::anyhow!("the model {reason}"))?;
    let network = Network::new(model, args.model.backend)?;
    // A confusion matrix has as many cells as classes squared.
    ensure!(
        classifier.classes <= MAX_CLASSES,
        "the model gives {}; evaluate wants one score for each of at most {MAX_CLASSES} classes",
        tuple(network.description().output_shape())
    );
    let data = Data::read(&args.images, &args.labels, &network, classifier.classes)?;
    let started = Instant::now();
    let confusion = confusion(&network, &classifier, &data)?;
    let result = Evaluation {
        model: source.name(),
        confusion,
        elapsed: started.elapsed(),
    };
    if args.json {
        print_raw(&result.json())
    } else {
        print(&result.table())
    }
}

/// Labelled examples that fit the network.
struct Data {
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Data {
    fn read(
        images: &Path,
        labels: &Path,
        network: &Network,
        output: usize,
    ) -> anyhow::Result<Self> {
        let read = |path: &Path| idx::read_file(path).with_context(|| path.display().to_string());
        let (pixels, classes) = (read(images)?, read(labels)?);
        ensure!(
            pixels.shape.len() != 1 || classes.shape.len() < 2,
            "{} has labels and {} has images: the two are swapped",
            images.display(),
            labels.display()
        );
        let input = network.input_len();
        let [count, shape @ ..] = &pixels.shape[..] else {
            anyhow::bail!("{}: no images", images.display());
        };
        ensure!(
            *count > 0 && shape.iter().product::<usize>() == input,
            "{}: {count} images of {}; the model takes {}",
            images.display(),
            tuple(shape),
            tuple(network.description().input_shape())
        );
        ensure!(
            classes.shape == [*count],
            "{}: labels of shape {} for {count} {}",
            labels.display(),
            tuple(&classes.shape),
            plural(*count, "image", "images")
        );
        if let Some(class) = classes
            .values
            .iter()
            .find(|&&class| usize::from(class) >= output)
        {
            anyhow::bail!(
                "{}: label {class}, and the model has {output} {}",
                labels.display(),
                plural(output, "class", "classes")
            );
        }
        Ok(Self {
            pixels: pixels.values,
            labels: classes.values,
        })
    }
}

/// `[label][answer]` counts, computed on every core.
fn confusion(
    network: &Network,
    classifier: &Classifier,
    data: &Data,
) -> anyhow::Result<Vec<Vec<usize>>> {
    let bar = bar(data.labels.len());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = data.labels.len().div_ceil(threads).next_multiple_of(BATCH);
    let parts: anyhow::Result<Vec<_>> = thread::scope(|scope| {
        let shares = data
            .pixels
            .chunks(share * network.input_len())
            .zip(data.labels.chunks(share));
        let workers: Vec<_> = shares
            .map(|(pixels, labels)| {
                let bar = bar.clone();
                scope.spawn(move || count(network, classifier, pixels, labels, &bar))
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| match worker.join() {
                Ok(counts) => counts,
                Err(_) => anyhow::bail!("a worker panicked"),
            })
            .collect()
    });
    bar.finish_and_clear();
    let classes = classifier.classes;
    let mut sum = vec![vec![0; classes]; classes];
    for counts in parts? {
        for (label, answer) in counts {
            sum[label][answer] += 1;
        }
    }
    Ok(sum)
}

/// `(label, answer)` of each example.
fn count(
    network: &Network,
    classifier: &Classifier,
    pixels: &[u8],
    labels: &[u8],
    bar: &ProgressBar,
) -> anyhow::Result<Vec<(usize, usize)>> {
    let mut counted = Vec::with_capacity(labels.len());
    let batches = pixels.chunks(BATCH * network.input_len());
    for (pixels, labels) in batches.zip(labels.chunks(BATCH)) {
        let mut input = Vec::with_capacity(pixels.len());
        for picture in pixels.chunks(network.input_len()) {
            classifier.encoding.encode(picture, &mut input);
        }
        let output = network.infer(input, labels.len())?;
        for (scores, &label) in output.chunks(network.output_len()).zip(labels) {
            let mut scores = scores.to_vec();
            classifier.meaning.apply(&mut scores);
            let (answer, _) =
                best(&scores).context("the model gave an answer that is no number")?;
            counted.push((usize::from(label), answer));
        }
        bar.inc(labels.len() as u64);
    }
    Ok(counted)
}

/// Draws on a terminal only.
fn bar(len: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} images, {eta} left");
    ProgressBar::new(len as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

struct Evaluation {
    model: String,
    /// `[label][answer]`
    confusion: Vec<Vec<usize>>,
    elapsed: Duration,
}

impl Evaluation {
    fn images(&self) -> usize {
        self.confusion.iter().flatten().sum()
    }

    fn correct(&self) -> usize {
        (0..self.confusion.len())
            .map(|class| self.confusion[class][class])
            .sum()
    }

    fn accuracy(&self) -> f64 {
        self.correct() as f64 / self.images() as f64
    }

    fn json(&self) -> String {
        let result = serde_json::json!({
            "model": self.model,
            "images": self.images(),
            "correct": self.correct(),
            "accuracy": self.accuracy(),
            "confusion": self.confusion,
            "seconds": self.elapsed.as_secs_f64(),
        });
        format!("{result}\n")
    }

    fn table(&self) -> String {
        // As narrow as the largest number allows, for a terminal's sake.
        let largest = self.confusion.iter().flatten().max();
        let numbers = [self.confusion.len(), largest.copied().unwrap_or(0)];
        let digits = numbers.map(|number| number.to_string().len());
        let width = 1 + digits[0].max(digits[1]);
        let mut text = format!(
            "{}: {} of {} correct, accuracy {:.2} %, in {:.2} s\n\n\
             Rows are labels, columns are answers.\n\n{:width$}",
            shown(&self.model),
            self.correct(),
            self.images(),
            self.accuracy() * 100.0,
            self.elapsed.as_secs_f64(),
            ""
        );
        // Writing to a String cannot fail.
        for class in 0..self.confusion.len() {
            let _ = write!(text, "{class:>width$}");
        }
        for (label, answers) in self.confusion.iter().enumerate() {
            let _ = write!(text, "\n{label:>width$}");
            for &count in answers {
                let _ = match count {
                    0 => write!(text, "{:>width$}", "·"),
                    _ => write!(text, "{count:>width$}"),
                };
            }
        }
        text.push('\n');
        text
    }
}
