//! `openapi.json` is written by hand. These tests hold it to what is answered.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::Value;

use crate::http::predict::options::Options;
use crate::http::problem::Problem;
use crate::http::routes::TABLE;
use crate::preprocess::PictureError;
use crate::serving::{Error, NotFound, batcher};
use crate::transport::refused::Refused;

fn description() -> Value {
    serde_json::from_str(include_str!("openapi.json")).unwrap()
}

/// What a `$ref` stands for.
fn resolve<'a>(all: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(path) => all.pointer(path.strip_prefix('#').unwrap()).expect(path),
        None => value,
    }
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn what_is_described_is_what_is_answered() {
    let all = description();
    assert_eq!(all["info"]["version"], env!("CARGO_PKG_VERSION"));
    let described: BTreeSet<_> = keys(&all["paths"])
        .into_iter()
        .flat_map(|path| {
            let methods = keys(&all["paths"][&path]).into_iter();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let answered: BTreeSet<_> = TABLE
        .iter()
        .map(|route| format!("{} {}", route.method(), route.path))
        .collect();
    assert_eq!(described, answered);
}

#[test]
fn the_options_that_are_described_are_those_that_are_read() {
    let all = description();
    let fields = format!("{:?}", Options::default());
    let fields: BTreeSet<_> = fields
        .split([' ', '{'])
        .filter_map(|word| word.strip_suffix(':'))
        .map(str::to_owned)
        .collect();
    let parameters = all["paths"]["/predict"]["post"]["parameters"].as_array();
    let parameters = parameters.unwrap().iter().map(|one| resolve(&all, one));
    let named: BTreeSet<_> = parameters
        .clone()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(named, fields);
    for schema in ["Form", "Input"] {
        let schema = &all["components"]["schemas"][schema];
        let missing: Vec<_> = named
            .difference(&keys(&schema["properties"]))
            .cloned()
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    for parameter in parameters {
        let name = parameter["name"].as_str().unwrap();
        let schema = resolve(&all, &parameter["schema"]);
        let values = match &schema["enum"] {
            Value::Array(values) => values.iter().map(|v| v.as_str().unwrap()).collect(),
            _ if schema["type"] == "boolean" => vec!["true", "false"],
            _ if schema["type"] == "integer" => vec!["1", "7"],
            _ => vec!["x"],
        };
        let read = |value: &str| {
            let mut options = Options::default();
            options.set(name, value).map(|()| format!("{options:?}"))
        };
        let read_all: BTreeSet<_> = values.iter().map(|value| read(value).unwrap()).collect();
        assert_eq!(read_all.len(), values.len(), "{name} is not read");
        if values.len() > 1 {
            for other in ["x", "0", ""] {
                assert!(read(other).is_err(), "{name} may be more than {values:?}");
            }
        }
    }
}

/// What a prediction may fail with, one of each status and reason.
fn failures() -> Vec<Problem> {
    let seconds = std::time::Duration::from_secs(1);
    vec![
        Error::NoInput.into(),
        Error::Picture(PictureError::TooManyBytes { bytes: 2, limit: 1 }).into(),
        Error::Picture(PictureError::TooSlow { limit: seconds }).into(),
        Error::Full.into(),
        Error::Loading.into(),
        Error::Decoder.into(),
        Error::Batcher(batcher::Error::Closed).into(),
        Error::NotFound(NotFound::Model {
            name: "x".to_owned(),
            loaded: String::new(),
        })
        .into(),
        Refused::CutShort.into(),
        Refused::TooLarge { limit: 1 }.into(),
        Refused::Stalled {
            bytes: 1,
            pause: seconds,
        }
        .into(),
        Refused::TooLate { patience: seconds }.into(),
        Refused::OutOfMemory.into(),
        Refused::OverShare { share: 1 }.into(),
        Problem::unsupported("x"),
        Problem::draining(),
    ]
}

#[test]
fn the_ways_in_which_a_prediction_may_fail_are_all_described() {
    let all = description();
    let responses = &all["paths"]["/predict"]["post"]["responses"];
    let failures = failures().into_iter().map(Problem::into_answer);
    let mut statuses: BTreeSet<_> = failures
        .map(|answer| answer.status().as_str().to_owned())
        .collect();
    statuses.insert(StatusCode::OK.as_str().to_owned());
    assert_eq!(keys(responses), statuses);
    for (status, response) in responses.as_object().unwrap() {
        let content = &resolve(&all, response)["content"];
        let expected = match &status[..1] {
            "2" => "application/json",
            _ => "application/problem+json",
        };
        assert!(keys(content).contains(expected), "{status}");
    }
}

#[test]
fn the_example_is_the_picture_that_is_called_so() {
    use base64::Engine as _;
    let all = description();
    let examples = "/paths/~1predict/post/requestBody/content/application~1json/examples";
    let image = &all.pointer(examples).unwrap()["image"]["value"]["image"];
    let seven = include_bytes!("../../examples/seven.png");
    let seven = base64::engine::general_purpose::STANDARD.encode(seven);
    assert_eq!(image.as_str(), Some(&*seven));
}

#[test]
fn every_response_and_schema_that_is_named_is_there() {
    fn check(all: &Value, value: &Value) {
        match value {
            Value::Object(members) => {
                resolve(all, value);
                members.values().for_each(|value| check(all, value));
            }
            Value::Array(items) => items.iter().for_each(|value| check(all, value)),
            _ => {}
        }
    }
    let all = description();
    check(&all, &all);
}
