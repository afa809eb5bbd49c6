//! Errors as gRPC statuses: the one place where they meet.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::proto::mnist as pb;
use crate::batcher;
use crate::classify::Error;
use crate::preprocess::PictureError;

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let code = code(&error);
        let message = error.to_string();
        match details(&error, &message) {
            Some(details) => Self::with_error_details(code, message, details),
            None => Self::new(code, message),
        }
    }
}

fn code(error: &Error) -> Code {
    match error {
        Error::NoInput
        | Error::PixelCount { .. }
        | Error::ValueCount { .. }
        | Error::NotFinite { .. } => Code::InvalidArgument,
        Error::Picture(PictureError::TooSlow { .. }) => Code::ResourceExhausted,
        Error::Picture(_) => Code::InvalidArgument,
        Error::NotFound(_) => Code::NotFound,
        Error::Full => Code::ResourceExhausted,
        Error::Batcher(batcher::Error::Closed) => Code::Unavailable,
        Error::Batcher(batcher::Error::Failed(_)) | Error::NoNumber(_) => Code::Internal,
    }
}

/// Which field was wrong, or when to come back (`google/rpc/error_details.proto`).
fn details(error: &Error, message: &str) -> Option<ErrorDetails> {
    let field = match error {
        Error::NoInput => "input",
        Error::PixelCount { .. } => "pixels",
        Error::ValueCount { .. } | Error::NotFinite { .. } => "values",
        Error::Picture(_) => "image",
        Error::Full => {
            return Some(ErrorDetails::with_retry_info(Some(Duration::from_millis(
                100,
            ))));
        }
        _ => return None,
    };
    Some(ErrorDetails::with_bad_request_violation(field, message))
}

/// A status inside a stream, which goes on.
pub(super) fn item(status: &Status) -> pb::PredictResponse {
    pb::PredictResponse {
        error: Some(pb::Error {
            code: status.code() as i32,
            message: status.message().to_owned(),
        }),
        ..Default::default()
    }
}
