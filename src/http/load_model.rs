//! `GET /load_model?model_path=…`, as the replaced project had it. Nothing is loaded by request here; it says so.
//!
//! Anybody may ask, so it does not tell what files there are: a path is looked at only if it names a model, and lies below
//! the folder that the server was started in or beside a model that is served.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;
use serde::Serialize;

use super::Door;
use super::answer::{Answer, json};
use super::predict::query;
use super::problem::Problem;
use crate::serving::Model;

/// How the files of models end.
const MODELS: [&str; 4] = ["keras", "h5", "hdf5", "safetensors"];
/// Longest path that is shown back, in characters.
const SHOWN: usize = 256;

#[derive(Serialize)]
struct Loaded<'a> {
    message: &'static str,
    model: &'a str,
    version: &'a str,
}

pub(super) fn answer(door: &Door, head: &Parts) -> Answer {
    let path = query::pairs(head.uri.query()).find(|(name, _)| name == "model_path");
    let Some((_, path)) = path.filter(|(_, path)| !path.is_empty()) else {
        let detail = "model_path is missing: ask for /load_model?model_path=model.keras";
        return Problem::invalid(detail).of("model_path").into_answer();
    };
    let models = door
        .serving
        .models()
        .map_or_else(|_| Vec::new(), |(_, models)| models);
    match look(Path::new(&*path), &models) {
        Ok(model) => json(&Loaded {
            message: "Model is already loaded",
            model: &model.name,
            version: &model.version,
        }),
        Err(problem) => problem.of("model_path").into_answer(),
    }
}

/// The model that is served from `path`, or why there is none.
fn look<'a>(path: &Path, models: &'a [Arc<Model>]) -> Result<&'a Model, Problem> {
    let shown: String = path.display().to_string().chars().take(SHOWN).collect();
    let served = |model: &&Arc<Model>| model.file.as_deref() == Some(path);
    if let Some(model) = models.iter().find(served) {
        return Ok(model);
    }
    if may_be_looked_at(path, models) && !path.exists() {
        let detail = format!("Model file not found: {shown}");
        return Err(Problem::new(StatusCode::NOT_FOUND, "not_found", detail));
    }
    let detail = format!(
        "{shown} is not loaded: this server loads no models by request; start it with kiln serve --model FILE"
    );
    Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
}

fn may_be_looked_at(path: &Path, models: &[Arc<Model>]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let names_a_model = extension.is_some_and(|extension| MODELS.contains(&extension));
    let goes_down = path
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let beside = |model: &Arc<Model>| {
        let folder = model.file.as_deref().and_then(Path::parent);
        folder.map(PathBuf::from) == path.parent().map(PathBuf::from)
    };
    names_a_model && (goes_down || models.iter().any(beside))
}
