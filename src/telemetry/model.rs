//! The instruments of one loaded model: its labels are resolved once, when it is loaded, so that a prediction
//! costs a few atomic operations and no look-up.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{
    BoundCounter, BoundHistogram, BoundUpDownCounter, Counter, Histogram, Meter, UpDownCounter,
};

/// The OpenTelemetry name of the counter that grows with the classes.
pub(super) const PREDICTIONS: &str = "kiln.predictions";

/// Classes that get a series of their own; the rest of a model's classes count together as `other`.
const MAX_CLASSES: usize = 1000;
/// Longest label value that comes out of a model file, in characters.
const MAX_LABEL_CHARS: usize = 128;

/// Seconds; a small network answers in about 10 µs.
const STEP_SECONDS: [f64; 17] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025,
    0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];
const BATCH_SIZES: [f64; 11] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
];
const CONFIDENCES: [f64; 12] = [
    0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999,
];
/// Finest where handwriting lies (the mean of MNIST is 0.13); 0 catches the empty picture.
const INTENSITIES: [f64; 14] = [
    0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 0.9,
];

/// What is said of a model in `kiln_model_info`, and the names of its classes.
#[derive(Debug, Clone, Copy)]
pub struct ModelInfo<'a> {
    /// Its name in the repository.
    pub name: &'a str,
    /// Its version in the repository.
    pub version: &'a str,
    /// What computes it, such as `ndarray`.
    pub backend: &'a str,
    /// The kind of file it came from, such as `keras` or `safetensors`.
    pub format: &'a str,
    /// The version of Keras that saved it; empty if the file does not say.
    pub keras_version: &'a str,
    /// How many numbers it learned.
    pub parameters: u64,
    /// The label of each class, in the order of the model's outputs.
    pub classes: &'a [String],
}

/// The instruments of all models, and which models are loaded.
#[derive(Debug)]
pub(super) struct ModelMeters {
    predictions: Counter<u64>,
    confidence: Histogram<f64>,
    intensity: Histogram<f64>,
    queue_duration: Histogram<f64>,
    compute_duration: Histogram<f64>,
    batch_size: Histogram<u64>,
    queue_size: UpDownCounter<i64>,
    loaded: Loaded,
}

/// The labels of every model that somebody still holds.
type Loaded = Arc<Mutex<Vec<Weak<[KeyValue]>>>>;

impl ModelMeters {
    pub(super) fn new(meter: &Meter) -> Self {
        let loaded = Loaded::default();
        observe_loaded(meter, Arc::clone(&loaded));
        Self {
            predictions: meter
                .u64_counter(PREDICTIONS)
                .with_description("Predictions answered, by the class that was answered.")
                .build(),
            confidence: histogram(
                meter,
                "kiln.prediction.confidence",
                "Score of the class that was answered, 0 to 1.",
                &CONFIDENCES,
            ),
            intensity: histogram(
                meter,
                "kiln.input.mean_intensity",
                "Mean of an input's values as a share of full scale: 0 is empty, 1 all ink.",
                &INTENSITIES,
            ),
            queue_duration: seconds(
                meter,
                "kiln.queue.duration",
                "How long requests waited for a batch.",
            ),
            compute_duration: seconds(
                meter,
                "kiln.compute.duration",
                "How long the network took for a batch.",
            ),
            batch_size: meter
                .u64_histogram("kiln.batch.size")
                .with_description("Requests computed together.")
                .with_boundaries(BATCH_SIZES.to_vec())
                .build(),
            queue_size: meter
                .i64_up_down_counter("kiln.queue.size")
                .with_description("Requests waiting for a batch.")
                .build(),
            loaded,
        }
    }

    pub(super) fn bind(&self, info: &ModelInfo<'_>) -> ModelInstruments {
        let (name, version) = (label("model", info.name), label("version", info.version));
        let class = |class: &str| {
            let labels = [name.clone(), version.clone(), label("class", class)];
            self.predictions.bind(&labels)
        };
        let labels = [name.clone(), version.clone()];
        let bound = Bound {
            classes: info
                .classes
                .iter()
                .take(MAX_CLASSES)
                .map(|c| class(c))
                .collect(),
            other_class: (info.classes.len() > MAX_CLASSES).then(|| class("other")),
            confidence: self.confidence.bind(&labels),
            intensity: self.intensity.bind(&labels),
            queue_duration: self.queue_duration.bind(&labels),
            compute_duration: self.compute_duration.bind(&labels),
            batch_size: self.batch_size.bind(&labels),
            queue_size: self.queue_size.bind(&labels),
            _loaded: self.list(info),
        };
        ModelInstruments(Arc::new(bound))
    }

    /// Puts the model into `kiln_model_info` for as long as the answer lives.
    fn list(&self, info: &ModelInfo<'_>) -> Arc<[KeyValue]> {
        let labels: Arc<[KeyValue]> = Arc::new([
            label("model", info.name),
            label("version", info.version),
            label("backend", info.backend),
            label("format", info.format),
            label("keras_version", info.keras_version),
            KeyValue::new("parameters", info.parameters.to_string()),
        ]);
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.retain(|model| model.strong_count() > 0);
        loaded.push(Arc::downgrade(&labels));
        labels
    }
}

/// The instruments of one model; cheap to clone.
#[derive(Debug, Clone)]
pub struct ModelInstruments(Arc<Bound>);

#[derive(Debug)]
struct Bound {
    classes: Box<[BoundCounter<u64>]>,
    other_class: Option<BoundCounter<u64>>,
    confidence: BoundHistogram<f64>,
    intensity: BoundHistogram<f64>,
    queue_duration: BoundHistogram<f64>,
    compute_duration: BoundHistogram<f64>,
    batch_size: BoundHistogram<u64>,
    queue_size: BoundUpDownCounter<i64>,
    /// Held so that `kiln_model_info` goes on listing the model.
    _loaded: Arc<[KeyValue]>,
}

impl ModelInstruments {
    /// A prediction was answered: the index of its class, the score of that class (0 to 1), and the mean of the input
    /// as a share of full scale (0 to 1: for pixels, their mean over 255). What is not finite is not recorded.
    pub fn predicted(&self, class: usize, confidence: f64, mean_intensity: f64) {
        let own = self.0.classes.get(class).or(self.0.other_class.as_ref());
        if let Some(counter) = own {
            counter.add(1);
        }
        self.0.confidence.record(confidence);
        self.0.intensity.record(mean_intensity);
    }

    /// A batch of `size` requests was computed in `compute`.
    pub fn batch(&self, size: usize, compute: Duration) {
        self.0.batch_size.record(size as u64);
        self.0.compute_duration.record(compute.as_secs_f64());
    }

    /// A request waited this long for its batch.
    pub fn waited(&self, waited: Duration) {
        self.0.queue_duration.record(waited.as_secs_f64());
    }

    /// Counts a request as waiting, for as long as the answer lives: keep it beside the request, and however the
    /// request leaves the queue, `kiln_queue_size` is right.
    #[must_use = "dropping the place at once counts nobody as waiting"]
    pub fn enter_queue(&self) -> QueuePlace {
        self.0.queue_size.add(1);
        QueuePlace(Arc::clone(&self.0))
    }
}

/// A request's place in a queue, see [`ModelInstruments::enter_queue`].
#[derive(Debug)]
pub struct QueuePlace(Arc<Bound>);

impl Drop for QueuePlace {
    fn drop(&mut self) {
        self.0.queue_size.add(-1);
    }
}

/// A label whose value came out of a model file or a folder's name, cut to a bounded length.
pub(super) fn label(key: &'static str, value: &str) -> KeyValue {
    let value: String = value.chars().take(MAX_LABEL_CHARS).collect();
    KeyValue::new(key, value)
}

fn histogram(
    meter: &Meter,
    name: &'static str,
    help: &'static str,
    bounds: &[f64],
) -> Histogram<f64> {
    meter
        .f64_histogram(name)
        .with_description(help)
        .with_boundaries(bounds.to_vec())
        .build()
}

fn seconds(meter: &Meter, name: &'static str, help: &'static str) -> Histogram<f64> {
    meter
        .f64_histogram(name)
        .with_unit("s")
        .with_description(help)
        .with_boundaries(STEP_SECONDS.to_vec())
        .build()
}

/// `kiln_model_info`, asked at each scrape, so that a model that was unloaded is gone from it.
fn observe_loaded(meter: &Meter, loaded: Loaded) {
    meter
        .u64_observable_gauge("kiln.model.info")
        .with_description("Always 1: the models that are loaded.")
        .with_callback(move |observer| {
            let loaded = loaded.lock().unwrap_or_else(PoisonError::into_inner);
            for labels in loaded.iter().filter_map(Weak::upgrade) {
                observer.observe(1, &labels);
            }
        })
        .build();
}

#[cfg(test)]
mod tests {
    use super::super::Telemetry;
    use super::*;

    fn info<'a>(version: &'a str, classes: &'a [String]) -> ModelInfo<'a> {
        ModelInfo {
            name: "mnist",
            version,
            backend: "ndarray",
            format: "keras",
            keras_version: "3.15.1",
            parameters: 100,
            classes,
        }
    }

    fn classes(count: usize) -> Vec<String> {
        (0..count).map(|class| class.to_string()).collect()
    }

    #[test]
    fn an_unloaded_model_leaves_the_info_but_keeps_its_counts() {
        let telemetry = Telemetry::new().unwrap();
        let classes = classes(10);
        let old = telemetry.model(&info("1", &classes));
        let new = telemetry.model(&info("2", &classes));
        old.predicted(7, 0.9, 0.1);
        let listed = |text: &str, version: &str| {
            text.lines().any(|line| {
                line.starts_with("kiln_model_info{")
                    && line.contains(&format!("version=\"{version}\""))
            })
        };
        let text = telemetry.exposition().unwrap();
        assert!(listed(&text, "1") && listed(&text, "2"));
        drop(old);
        let text = telemetry.exposition().unwrap();
        assert!(!listed(&text, "1") && listed(&text, "2"), "{text}");
        let counted = "kiln_predictions_total{class=\"7\",model=\"mnist\",version=\"1\"} 1\n";
        assert!(text.contains(counted));
        drop(new);
    }

    #[test]
    fn the_queue_size_falls_however_a_request_leaves() {
        let telemetry = Telemetry::new().unwrap();
        let model = telemetry.model(&info("1", &classes(10)));
        let (first, second) = (model.enter_queue(), model.enter_queue());
        let line = "kiln_queue_size{model=\"mnist\",version=\"1\"} ";
        assert!(
            telemetry
                .exposition()
                .unwrap()
                .contains(&format!("{line}2\n"))
        );
        drop(first);
        assert!(
            telemetry
                .exposition()
                .unwrap()
                .contains(&format!("{line}1\n"))
        );
        drop(second);
        assert!(
            telemetry
                .exposition()
                .unwrap()
                .contains(&format!("{line}0\n"))
        );
    }

    #[test]
    fn classes_beyond_the_bound_count_together_and_none_overflows() {
        let telemetry = Telemetry::new().unwrap();
        let classes = classes(MAX_CLASSES + 5);
        let models: Vec<_> = ["1", "2", "3", "4"]
            .map(|version| telemetry.model(&info(version, &classes)))
            .into();
        for model in &models {
            model.predicted(MAX_CLASSES - 1, 0.5, 0.5);
            model.predicted(MAX_CLASSES, 0.5, 0.5);
            model.predicted(usize::MAX, 0.5, 0.5);
        }
        let text = telemetry.exposition().unwrap();
        for wanted in [
            "kiln_predictions_total{class=\"999\",model=\"mnist\",version=\"4\"} 1\n",
            "kiln_predictions_total{class=\"other\",model=\"mnist\",version=\"4\"} 2\n",
        ] {
            assert!(text.contains(wanted), "{wanted}");
        }
        assert!(!text.contains("otel_metric_overflow"));
    }

    #[test]
    fn a_score_that_is_not_a_number_spoils_no_sum() {
        let telemetry = Telemetry::new().unwrap();
        let model = telemetry.model(&info("1", &classes(10)));
        model.predicted(0, f64::NAN, f64::INFINITY);
        model.predicted(0, 0.5, 0.25);
        let text = telemetry.exposition().unwrap();
        let labels = "{model=\"mnist\",version=\"1\"}";
        assert!(text.contains(&format!("kiln_prediction_confidence_sum{labels} 0.5\n")));
        assert!(text.contains(&format!("kiln_input_mean_intensity_sum{labels} 0.25\n")));
    }

    #[test]
    fn a_label_from_a_hostile_file_is_cut() {
        let long = "é".repeat(10 * MAX_LABEL_CHARS);
        assert_eq!(
            label("class", &long).value.as_str().chars().count(),
            MAX_LABEL_CHARS
        );
    }
}
