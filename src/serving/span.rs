//! One request, one span: what `--log debug` shows of it, and what a tracer would export.
//!
//! A span that nobody listens to costs a look at a flag when it begins, and nothing after.

use tracing::Span;
use tracing::field::Empty;

use super::batcher::Timing;
use super::{Error, Model};

/// A span of that name, whose fields [`end`] fills.
macro_rules! request {
    ($name:literal) => {
        tracing::debug_span!(
            $name,
            model = Empty,
            version = Empty,
            batch = Empty,
            queue_us = Empty,
            compute_us = Empty,
            error = Empty,
        )
    };
}

/// The span of a request for tensors.
pub(super) fn infer() -> Span {
    request!("infer")
}

/// The span of a request to classify a picture.
pub(super) fn classify() -> Span {
    request!("classify")
}

/// Says which model answered and how long it took, or why there is no answer.
pub(super) fn end(span: &Span, result: Result<(&Model, &Timing), &Error>) {
    if span.is_disabled() {
        return;
    }
    match result {
        Ok((model, timing)) => {
            span.record("model", model.name.as_str());
            span.record("version", model.version.as_str());
            span.record("batch", timing.batch);
            span.record("queue_us", timing.queue_micros());
            span.record("compute_us", timing.compute_micros());
        }
        Err(error) => {
            span.record("error", tracing::field::display(error));
        }
    }
}
