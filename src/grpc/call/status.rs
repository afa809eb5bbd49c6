//! Errors as gRPC statuses. This is the only place that knows both.

use std::sync::LazyLock;
use std::time::Duration;

use http::HeaderMap;
use prost::DecodeError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::preprocess::PictureError;
use crate::serving::{Error, batcher};
use crate::transport::refused::Refused;

/// When a client that was turned away may come back.
const RETRY: Duration = Duration::from_millis(100);

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

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        let message = refused.to_string();
        match refused {
            Refused::CutShort => Self::invalid_argument(message),
            Refused::TooLarge { .. } => Self::resource_exhausted(message),
            Refused::Stalled { .. } | Refused::TooLate { .. } => Self::deadline_exceeded(message),
            Refused::OutOfMemory | Refused::OverShare { .. } => {
                let details = ErrorDetails::with_retry_info(Some(RETRY));
                Self::with_error_details(Code::ResourceExhausted, message, details)
            }
        }
    }
}

fn code(error: &Error) -> Code {
    match error {
        Error::NoInput
        | Error::PixelCount { .. }
        | Error::ValueCount { .. }
        | Error::NotFinite { .. }
        | Error::InputSize { .. }
        | Error::TooManyExamples { .. } => Code::InvalidArgument,
        Error::NotAClassifier { .. } => Code::FailedPrecondition,
        Error::Picture(PictureError::TooSlow { .. }) => Code::ResourceExhausted,
        Error::Picture(_) => Code::InvalidArgument,
        Error::NotFound(_) => Code::NotFound,
        Error::Full => Code::ResourceExhausted,
        Error::Loading | Error::Batcher(batcher::Error::Closed) => Code::Unavailable,
        Error::Batcher(batcher::Error::Failed(_)) | Error::Decoder | Error::NotANumber(_) => {
            Code::Internal
        }
    }
}

/// Which field was wrong, or when to come back (`google/rpc/error_details.proto`).
fn details(error: &Error, message: &str) -> Option<ErrorDetails> {
    if matches!(error, Error::Full) {
        return Some(ErrorDetails::with_retry_info(Some(RETRY)));
    }
    let field = error.field()?;
    Some(ErrorDetails::with_bad_request_violation(field, message))
}

/// What bytes are answered with that are no message, which is the sender's fault; prost's own codec calls it INTERNAL.
pub(crate) fn no_message(error: &DecodeError) -> Status {
    Status::invalid_argument(format!(
        "the message is not what the service's proto says: {error}"
    ))
}

/// What an item of a stream is answered with whose task has panicked.
pub(crate) fn broken() -> Status {
    Status::internal("the server failed on this item; please report it")
}

/// The answer to a call for which there is no place ([`Error::Full`]), laid out once: when there are
/// many of them, there is little time for each.
pub(crate) fn full() -> http::Response<()> {
    static HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| {
        let response = Status::from(Error::Full).into_http::<()>();
        response.into_parts().0.headers
    });
    let mut response = http::Response::new(());
    response.headers_mut().clone_from(&HEADERS);
    response
}
