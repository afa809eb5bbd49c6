//! Models and what is asked of them, whatever the door: in this process, with real networks.

mod support;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use kiln::grpc::proto::mnist::PredictRequest;
use kiln::grpc::proto::mnist::predict_request::Input;
use kiln::network::Backend;
use kiln::npy;
use kiln::preprocess::{self, Fit};
use kiln::serving::batcher::{self, Lane};
use kiln::serving::classifier::Pictures;
use kiln::serving::{
    self, Caller, Entry, Error, InferRequest, Limits, Model, NotFound, Picture, PictureRequest,
    Repository, Serving,
};
use kiln::source::Source;
use kiln::telemetry::Telemetry;
use support::{Server, file, seven};
use tokio::runtime::Runtime;

/// A network from pictures of four channels to pictures: no classifier.
const NO_CLASSIFIER: &str = "tests/fixtures/keras/convolutions.keras";

struct House {
    repository: Arc<Repository>,
    serving: Serving,
    telemetry: Arc<Telemetry>,
}

impl House {
    fn new(models: &[Entry]) -> Self {
        let telemetry = Arc::new(Telemetry::new().unwrap());
        let repository = Arc::new(Repository::new().unwrap());
        let limits = Limits {
            requests: 64,
            picture: preprocess::Limits::default(),
        };
        let house = Self {
            serving: Serving::new(Arc::clone(&repository), Arc::clone(&telemetry), limits),
            repository,
            telemetry,
        };
        let models: Vec<Model> = models.iter().map(|entry| house.load(entry)).collect();
        house.repository.add(models);
        house
    }

    fn load(&self, entry: &Entry) -> Model {
        let options = serving::Options {
            backend: Backend::default(),
            pictures: Pictures::default(),
            batcher: batcher::Config {
                threads: 2,
                max_batch_size: 4,
                delay: Duration::ZERO,
            },
            in_background: true,
        };
        serving::load(entry, options, &self.telemetry).unwrap()
    }

    async fn infer(
        &self,
        model: &str,
        values: Vec<f32>,
        examples: usize,
    ) -> Result<Vec<f32>, Error> {
        let request = InferRequest {
            model: model.to_owned(),
            version: String::new(),
            values,
            examples,
        };
        let permit = self.serving.admit()?;
        let outputs = self.serving.infer(request, permit, Caller::default());
        Ok(outputs.await?.values)
    }

    async fn classify(&self, model: &str, version: &str, lane: Option<&Lane>) -> Answer {
        let request = PictureRequest {
            input: Some(Picture::Pixels(seven().into())),
            model: model.to_owned(),
            version: version.to_owned(),
            fit: Fit::Auto,
            show_input: false,
        };
        let caller = Caller { client: None, lane };
        let permit = self.serving.wait_for_place().await;
        self.serving.classify(request, permit, caller).await
    }
}

type Answer = Result<serving::Answer, Error>;

fn no_classifier() -> Entry {
    Entry::of(Source::File(file(NO_CLASSIFIER)))
}

fn digits(version: &str) -> Entry {
    Entry {
        name: "digits".to_owned(),
        version: version.to_owned(),
        source: Source::BuiltInMlp,
    }
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

#[tokio::test]
async fn any_network_infers_and_what_is_no_classifier_says_so() {
    let house = House::new(&[no_classifier()]);
    let read = |kind: &str| {
        let path = NO_CLASSIFIER.replace(".keras", kind);
        npy::read_file(&file(&path)).unwrap()
    };
    let (input, expected) = (read(".input.npy"), read(".expected.npy"));
    let outputs = house.infer("convolutions", input.values, input.shape[0]);
    let outputs = outputs.await.unwrap();
    assert_eq!(outputs.len(), expected.values.len());
    for (found, expected) in outputs.iter().zip(&expected.values) {
        assert!((found - expected).abs() < 1e-4, "{found} {expected}");
    }
    let error = house.classify("", "", None).await.unwrap_err();
    assert!(matches!(error, Error::NotAClassifier { .. }), "{error}");
    assert!(error.to_string().contains("one score for each"), "{error}");
}

#[tokio::test]
async fn the_digit_service_answers_failed_precondition_for_what_is_no_classifier() {
    let path = file(NO_CLASSIFIER);
    let server = Server::start(&["--model", path.to_str().unwrap()]);
    let request = PredictRequest {
        input: Some(Input::Pixels(seven().into())),
        ..Default::default()
    };
    let status = server.client().await.predict(request).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::FailedPrecondition, "{status}");
    assert!(status.message().contains("convolutions"), "{status}");
    assert!(
        status.message().contains("does not classify pictures"),
        "{status}"
    );
    let invalid = server.metric("kiln_rejections_total{reason=\"invalid\"}");
    assert_eq!(invalid, Some(1.0));
}

#[tokio::test]
async fn a_call_of_more_examples_than_a_batch_may_have_is_answered_in_its_order() {
    let house = House::new(&[digits("1")]);
    let example = |shift: usize| (0..784).map(move |i| ((i + 31 * shift) % 256) as f32 / 255.0);
    let count = 11;
    let all = (0..count).flat_map(example).collect();
    let together = house.infer("digits", all, count).await.unwrap();
    for (index, own) in together.chunks_exact(10).enumerate() {
        let alone = house.infer("digits", example(index).collect(), 1);
        let alone = alone.await.unwrap();
        for (found, expected) in own.iter().zip(&alone) {
            assert!((found - expected).abs() < 1e-6, "example {index}");
        }
    }
    let text = house.telemetry.exposition().unwrap();
    let all = "kiln_batch_size_sum{model=\"digits\",version=\"1\"} 22\n";
    assert!(text.contains(all), "{text}");
}

#[tokio::test]
async fn values_that_are_not_as_many_as_announced_are_refused_with_both_numbers() {
    let house = House::new(&[digits("1")]);
    for (values, examples) in [(784, 2), (785, 1), (0, 0), (1, usize::MAX)] {
        let error = house.infer("digits", vec![0.0; values], examples);
        let error = error.await.unwrap_err();
        assert!(matches!(error, Error::InputSize { .. }), "{error}");
        assert!(error.to_string().contains(&values.to_string()), "{error}");
    }
}

#[tokio::test]
async fn versions_of_a_model_stand_side_by_side_and_the_newest_is_the_default() {
    let house = House::new(&[digits("2"), digits("10"), digits("9")]);
    for (asked, answers) in [("", "10"), ("2", "2"), ("9", "9"), ("10", "10")] {
        let answer = house.classify("digits", asked, None).await.unwrap();
        assert_eq!((answer.class, &*answer.model.version), (7, answers));
    }
    house.repository.remove("digits", "10").unwrap();
    let answer = house.classify("", "", None).await.unwrap();
    assert_eq!(answer.model.version, "9");
    let gone = house.classify("digits", "10", None).await.unwrap_err();
    assert!(gone.to_string().contains("loaded: 2, 9"), "{gone}");
    let error = house.repository.remove("digits", "10").unwrap_err();
    assert!(matches!(error, NotFound::Version { .. }), "{error}");
}

#[tokio::test]
async fn without_models_yet_a_request_is_told_to_come_again_and_without_any_left_that_there_are_none()
 {
    let house = House::new(&[]);
    let _ = house.repository.remove("digits", "1").unwrap_err();
    let error = house.classify("", "", None).await.unwrap_err();
    assert!(matches!(error, Error::Loading), "{error}");
    house.repository.add([house.load(&digits("1"))]);
    house.repository.remove("digits", "1").unwrap();
    let error = house.classify("", "", None).await.unwrap_err();
    assert!(error.to_string().contains("loaded: none"), "{error}");
}

#[test]
fn models_are_swapped_while_requests_run_and_no_request_is_lost() {
    let house = House::new(&[digits("1")]);
    let done = AtomicBool::new(false);
    let lanes: Vec<Lane> = Lane::each(2).collect();
    std::thread::scope(|scope| {
        let ask = |lane: Option<Lane>| {
            let (house, done) = (&house, &done);
            move || {
                let mut answered = 0;
                while !done.load(Relaxed) {
                    let answers = (0..8).map(|_| house.classify("", "", lane.as_ref()));
                    for answer in runtime().block_on(futures_util::future::join_all(answers)) {
                        assert_eq!(answer.unwrap().class, 7);
                        answered += 1;
                    }
                }
                answered
            }
        };
        let lanes = lanes.iter().cloned().map(Some).chain([None]);
        let asking: Vec<_> = lanes.map(|lane| scope.spawn(ask(lane))).collect();
        for round in 0..20 {
            let version = (1 + round % 3).to_string();
            house.repository.add([house.load(&digits(&version))]);
        }
        done.store(true, Relaxed);
        for thread in asking {
            assert!(thread.join().unwrap() > 0);
        }
    });
    assert!(lanes.iter().all(|lane| lane.backlog() == Duration::ZERO));
}

#[test]
fn whoever_still_uses_a_model_that_made_way_is_not_the_one_to_free_it() {
    let house = House::new(&[digits("1")]);
    let used = house.repository.find("", "").unwrap();
    let network = Arc::downgrade(&used.network);
    house.repository.add([house.load(&digits("1"))]);
    // One is ours, one is of whoever will free it; the old table has none any more.
    assert_eq!(Arc::strong_count(&used), 2);
    drop(used);
    let soon = Instant::now() + Duration::from_mins(1);
    while network.strong_count() > 0 {
        assert!(Instant::now() < soon, "nobody frees it");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn every_answer_counts_under_the_client_that_asked() {
    let house = House::new(&[digits("1")]);
    let client: IpAddr = [192, 0, 2, 7].into();
    let caller = Caller {
        client: Some(client),
        lane: None,
    };
    let request = InferRequest {
        model: String::new(),
        version: String::new(),
        values: vec![0.0; 784],
        examples: 1,
    };
    let permit = house.serving.admit().unwrap();
    house.serving.infer(request, permit, caller).await.unwrap();
    let text = house.telemetry.exposition().unwrap();
    let line = "api_requests_total{client_ip=\"192.0.2.7\"} 1\n";
    assert!(text.contains(line), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_one_line_of_the_log_at_debug_and_none_at_info() {
    for (level, lines) in [("debug", 2), ("info", 0)] {
        let server = Server::start(&["--log", level]);
        let mut client = server.client().await;
        let mut request = PredictRequest {
            input: Some(Input::Pixels(seven().into())),
            ..Default::default()
        };
        client.predict(request.clone()).await.unwrap();
        request.model = "nobody".to_owned();
        client.predict(request).await.unwrap_err();
        drop(client);
        server.signal("TERM");
        let (_, log) = server.wait();
        let spans: Vec<serde_json::Value> = log
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .filter(|line: &serde_json::Value| line["span"]["name"] == "classify")
            .collect();
        assert_eq!(spans.len(), lines, "{log}");
        if let [answered, refused] = &spans[..] {
            let answered = &answered["span"];
            assert_eq!(
                (&answered["model"], &answered["batch"]),
                (&"mnist".into(), &1.into())
            );
            assert_eq!(answered["version"], "1");
            assert!(answered["queue_us"].is_u64() && answered["compute_us"].is_u64());
            let error = refused["span"]["error"].as_str().unwrap();
            assert!(error.contains("no model 'nobody'"), "{error}");
        }
    }
}
