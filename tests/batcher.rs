//! How requests become batches: in process, with a real network.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use kiln::network::Backend;
use kiln::serving::batcher::{self, Input, Lane, Output};
use kiln::serving::classifier::{Encoding, Pictures};
use kiln::serving::{self, Admission, Entry, Model};
use kiln::source::Source;
use kiln::telemetry::Telemetry;
use tokio::runtime::Runtime;

struct Loaded {
    model: Model,
    /// Of the thread that runs the test.
    lane: Lane,
    telemetry: Arc<Telemetry>,
    admission: Admission,
}

impl Loaded {
    fn new(source: &Source, max_batch_size: usize, delay: Duration) -> Self {
        let telemetry = Arc::new(Telemetry::new().unwrap());
        let options = serving::Options {
            backend: Backend::default(),
            pictures: Pictures::default(),
            batcher: batcher::Config {
                threads: 2,
                max_batch_size,
                delay,
            },
            in_background: false,
        };
        Self {
            model: serving::load(&Entry::of(source.clone()), options, &telemetry).unwrap(),
            lane: Lane::each(2).next().unwrap(),
            telemetry,
            admission: Admission::new(100),
        }
    }

    async fn infer(&self, input: Input) -> Result<Output, batcher::Error> {
        self.infer_from(Some(&self.lane), input).await
    }

    async fn infer_from(
        &self,
        lane: Option<&Lane>,
        input: Input,
    ) -> Result<Output, batcher::Error> {
        let permit = self.admission.try_admit().expect("a place");
        self.model.batcher.infer(input, permit, lane).await
    }

    fn metric(&self, series: &str) -> f64 {
        let text = self.telemetry.exposition().unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.unwrap_or_else(|| panic!("no {series} in {text}"))
            .trim()
            .parse()
            .unwrap()
    }
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

const LABELS: &str = "{model=\"mnist-mlp\",version=\"1\"}";

fn grey(level: u8) -> Input {
    Input::pixels(vec![level; 784].into(), Encoding::Scaled(1.0))
}

fn values(level: u8) -> Input {
    Input::values(vec![f32::from(level); 784], 1)
}

#[tokio::test]
async fn what_comes_in_together_is_computed_together_and_each_gets_its_own_answer() {
    let loaded = Loaded::new(&Source::BuiltInMlp, 64, Duration::ZERO);
    let alone = loaded.infer(values(0)).await.unwrap().values;
    let requests = (0..8_u8).map(|i| loaded.infer(if i % 2 == 0 { grey(i) } else { values(i) }));
    let together: Vec<_> = join_all(requests).await;
    // Whatever this network costs here, where it is computed inline two fit into a batch.
    assert!(loaded.metric(&format!("kiln_batch_size_count{LABELS}")) <= 5.0);
    assert_eq!(loaded.metric(&format!("kiln_batch_size_sum{LABELS}")), 9.0);
    for (level, output) in (0..8_u8).zip(together) {
        let own = loaded.infer(values(level)).await.unwrap().values;
        let output = output.unwrap();
        for (found, expected) in output.values.iter().zip(&own) {
            assert!((found - expected).abs() < 1e-6, "{level}");
        }
        assert!(level == 0 || own != alone, "{level}");
    }
    assert_eq!(loaded.admission.inside(), 0);
}

#[tokio::test]
async fn a_batch_is_no_larger_than_it_may_be() {
    let loaded = Loaded::new(&Source::BuiltInMlp, 3, Duration::ZERO);
    for output in join_all((0..8).map(|i| loaded.infer(grey(i)))).await {
        output.unwrap();
    }
    assert!(loaded.metric(&format!("kiln_batch_size_count{LABELS}")) >= 3.0);
    assert_eq!(loaded.metric(&format!("kiln_batch_size_sum{LABELS}")), 8.0);
}

#[tokio::test]
async fn a_request_that_is_given_up_is_counted_and_never_computed() {
    let loaded = Loaded::new(&Source::BuiltInMlp, 64, Duration::ZERO);
    {
        let mut given_up = std::pin::pin!(loaded.infer(grey(1)));
        assert!(futures_util::poll!(&mut given_up).is_pending());
        assert_eq!(loaded.admission.inside(), 1);
    }
    loaded.infer(grey(2)).await.unwrap();
    assert_eq!(
        loaded.metric("kiln_rejections_total{reason=\"cancelled\"}"),
        1.0
    );
    assert_eq!(loaded.metric(&format!("kiln_batch_size_sum{LABELS}")), 1.0);
    assert_eq!(loaded.metric(&format!("kiln_queue_size{LABELS}")), 0.0);
    assert_eq!(loaded.admission.inside(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_waits_for_others_as_long_as_it_was_told_to() {
    let loaded = Loaded::new(&Source::BuiltInMlp, 64, Duration::from_millis(5));
    let late = async {
        tokio::time::sleep(Duration::from_millis(3)).await;
        loaded.infer(grey(1)).await
    };
    let (first, second) = tokio::join!(loaded.infer(grey(2)), late);
    first.unwrap();
    second.unwrap();
    assert_eq!(
        loaded.metric(&format!("kiln_batch_size_count{LABELS}")),
        1.0
    );
}

#[tokio::test]
async fn a_full_batch_waits_for_nobody() {
    let never = Duration::from_hours(1);
    let loaded = Loaded::new(&Source::BuiltInMlp, 1, never);
    for level in 0..3 {
        loaded.infer(grey(level)).await.unwrap();
    }
}

#[test]
fn predictions_from_a_thread_without_a_lane_leave_the_serving_threads_backlog_alone() {
    let loaded = Loaded::new(&Source::BuiltInMlp, 8, Duration::ZERO);
    let (rounds, each) = (50, 20_u8);
    let run = |lane: Option<&Lane>| {
        let runtime = runtime();
        for _ in 0..rounds {
            let requests = (0..each).map(|level| loaded.infer_from(lane, grey(level)));
            for output in runtime.block_on(join_all(requests)) {
                output.unwrap();
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| run(None));
        scope.spawn(|| run(None));
        run(Some(&loaded.lane));
        assert_eq!(loaded.lane.backlog(), Duration::ZERO);
    });
    assert_eq!(loaded.lane.backlog(), Duration::ZERO);
    assert_eq!(loaded.admission.inside(), 0);
}

#[tokio::test]
async fn what_waits_in_a_lane_is_its_backlog_until_it_is_computed() {
    let loaded = Loaded::new(&Source::BuiltInMlp, 8, Duration::ZERO);
    let mut waiting = std::pin::pin!(loaded.infer(grey(1)));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    assert!(loaded.lane.backlog() > Duration::ZERO);
    waiting.await.unwrap();
    assert_eq!(loaded.lane.backlog(), Duration::ZERO);
}

#[test]
fn a_runtime_that_ends_takes_its_requests_out_of_the_backlog() {
    let loaded = Loaded::new(&Source::BuiltInMlp, 8, Duration::ZERO);
    let runtime = runtime();
    runtime.block_on(async {
        let mut waiting = std::pin::pin!(loaded.infer(grey(1)));
        assert!(futures_util::poll!(&mut waiting).is_pending());
    });
    drop(runtime);
    assert_eq!(loaded.lane.backlog(), Duration::ZERO);
    assert_eq!(loaded.admission.inside(), 0);
}
