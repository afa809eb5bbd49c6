//! The names, types and labels of `/metrics` are a promise to dashboards and alerts: they are held in
//! `golden/metrics.txt`. A change there is a change that users see.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use kiln::telemetry::{Method, ModelInfo, Rejection, Telemetry};

const GOLDEN: &str = include_str!("golden/metrics.txt");
const STEP: Duration = Duration::from_micros(10);

/// Everything that can happen to the server, once.
fn eventful() -> Telemetry {
    let telemetry = Telemetry::new().expect("instruments");
    let predict = Method::of("/mnist.v1.MnistService/Predict");
    telemetry.rpc_finished(predict, 0, STEP);
    telemetry.rpc_finished(predict, 13, STEP);
    telemetry.watch_requests(2048, || 0);
    telemetry.connection_waited(STEP);
    telemetry.loop_delayed(STEP);
    telemetry.http_finished("GET", "/metrics", 200, STEP);
    telemetry.rejected(Rejection::QueueFull);
    telemetry.client_request(Ipv4Addr::LOCALHOST.into(), 784, STEP);
    telemetry.model_loaded("mnist", STEP);
    telemetry.model_load_failed("broken");
    telemetry
}

fn mnist() -> Vec<String> {
    (0..10).map(|digit| digit.to_string()).collect()
}

fn info(classes: &[String]) -> ModelInfo<'_> {
    ModelInfo {
        name: "mnist",
        version: "1",
        backend: "ndarray",
        format: "keras",
        keras_version: "3.15.1",
        parameters: 1_199_882,
        classes,
    }
}

/// `name type label,label` for each family, in order of name. `le` belongs to the format and is left out.
fn shape(exposition: &str) -> String {
    let mut families: BTreeMap<&str, (&str, BTreeSet<String>)> = BTreeMap::new();
    let mut current = "";
    for line in exposition.lines() {
        if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (name, kind) = typed.split_once(' ').expect("a name and a type");
            let before = families.insert(name, (kind, BTreeSet::new()));
            assert!(before.is_none(), "{name} appears twice");
            current = name;
        } else if !line.starts_with('#') {
            assert!(line.starts_with(current), "{line} stands under {current}");
            let labels = &mut families.get_mut(current).expect("a family").1;
            labels.extend(label_keys(line).filter(|key| key != "le"));
        }
    }
    families
        .iter()
        .map(|(name, (kind, labels))| {
            let labels: Vec<_> = labels.iter().map(String::as_str).collect();
            format!("{name} {kind} {}", labels.join(","))
                .trim_end()
                .to_owned()
                + "\n"
        })
        .collect()
}

/// The label keys of a sample; no label value of these tests holds a comma or a brace.
fn label_keys(sample: &str) -> impl Iterator<Item = String> {
    let labels = sample
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map_or("", |(labels, _)| labels);
    labels
        .split(',')
        .filter_map(|label| label.split_once('='))
        .map(|(key, _)| key.to_owned())
        .collect::<Vec<_>>()
        .into_iter()
}

fn value(exposition: &str, series: &str) -> Option<f64> {
    exposition
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
        .map(|value| value.parse().expect("a number"))
}

#[test]
#[cfg(target_os = "linux")]
fn names_types_and_labels_are_the_promised_ones() {
    let telemetry = eventful();
    let classes = mnist();
    let model = telemetry.model(&info(&classes));
    let _place = model.enter_queue();
    model.waited(STEP);
    model.batch(3, STEP);
    model.predicted(7, 0.98, 0.13);
    let shape = shape(&telemetry.exposition().expect("text"));
    assert!(
        shape == GOLDEN,
        "/metrics is no longer as golden/metrics.txt has it; it is\n{shape}"
    );
}

#[test]
fn what_happened_is_what_is_counted() {
    let telemetry = eventful();
    let classes = mnist();
    let model = telemetry.model(&info(&classes));
    model.waited(Duration::from_micros(30));
    model.batch(3, Duration::from_micros(20));
    for _ in 0..3 {
        model.predicted(7, 0.875, 0.25);
    }
    let text = telemetry.exposition().expect("text");
    for (series, wanted) in [
        (
            r#"kiln_predictions_total{class="7",model="mnist",version="1"}"#,
            3.0,
        ),
        (
            r#"kiln_predictions_total{class="8",model="mnist",version="1"}"#,
            0.0,
        ),
        (
            r#"kiln_prediction_confidence_sum{model="mnist",version="1"}"#,
            2.625,
        ),
        (
            r#"kiln_prediction_confidence_bucket{model="mnist",version="1",le="0.8"}"#,
            0.0,
        ),
        (
            r#"kiln_prediction_confidence_bucket{model="mnist",version="1",le="0.9"}"#,
            3.0,
        ),
        (
            r#"kiln_input_mean_intensity_bucket{model="mnist",version="1",le="0.25"}"#,
            3.0,
        ),
        (
            r#"kiln_queue_duration_seconds_bucket{model="mnist",version="1",le="0.000025"}"#,
            0.0,
        ),
        (
            r#"kiln_queue_duration_seconds_bucket{model="mnist",version="1",le="0.00005"}"#,
            1.0,
        ),
        (
            r#"kiln_compute_duration_seconds_count{model="mnist",version="1"}"#,
            1.0,
        ),
        (r#"kiln_batch_size_sum{model="mnist",version="1"}"#, 3.0),
        (r#"kiln_rejections_total{reason="queue_full"}"#, 1.0),
        (
            r#"kiln_model_loads_total{model="mnist",outcome="success"}"#,
            1.0,
        ),
        (
            r#"kiln_model_loads_total{model="broken",outcome="failure"}"#,
            1.0,
        ),
        (r#"api_requests_total{client_ip="127.0.0.1"}"#, 1.0),
        (r#"api_runtime_seconds{client_ip="127.0.0.1"}"#, 0.000_01),
    ] {
        assert_eq!(value(&text, series), Some(wanted), "{series}");
    }
}

#[test]
fn no_label_tells_of_opentelemetry_s_scopes() {
    let text = eventful().exposition().expect("text");
    assert!(!text.contains("otel_scope"), "{text}");
}

#[test]
#[cfg(target_os = "linux")]
fn the_process_metrics_are_of_this_process() {
    let telemetry = Telemetry::new().expect("instruments");
    let open = |text: &str| value(text, "process_open_fds").expect("open descriptors");
    let before = telemetry.exposition().expect("text");
    let files: Vec<_> = (0..50)
        .map(|_| std::fs::File::open("/dev/null").expect("a file"))
        .collect();
    let after = telemetry.exposition().expect("text");
    drop(files);
    // Other tests of this process open a few files of their own.
    assert!(open(&after) >= open(&before) + 40.0);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a clock")
        .as_secs_f64();
    let started = value(&after, "process_start_time_seconds").expect("a start");
    assert!(started <= now && started > now - 3600.0, "{started} {now}");
    for name in [
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_max_fds",
    ] {
        assert!(value(&after, name) > Some(0.0), "{name}");
    }
}
