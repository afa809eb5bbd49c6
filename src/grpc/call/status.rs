//! Errors as gRPC statuses. This is the only place that knows both.

use std::sync::LazyLock;
use std::time::Duration;

use http::HeaderMap;
use prost::DecodeError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::preprocess::PictureError;
use crate::serving::{Error, batcher};

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
    let field = match error {
        Error::NoInput => "input",
        Error::PixelCount { .. } => "pixels",
        Error::ValueCount { .. } | Error::NotFinite { .. } => "values",
        Error::Picture(PictureError::TooSlow { .. }) => return None,
        Error::Picture(_) => "image",
        Error::Full => {
            return Some(ErrorDetails::with_retry_info(Some(RETRY)));
        }
        _ => return None,
    };
    Some(ErrorDetails::with_bad_request_violation(field, message))
}

/// What bytes are answered with that are no message, which is the sender's fault; prost's own codec calls it INTERNAL.
pub(crate) fn no_message(error: &DecodeError) -> Status {
    Status::invalid_argument(format!(
        "the message is not what the service's proto says: {error}"
    ))
}

/// What a call is answered with that ends before a message is whole.
pub(crate) fn cut_short() -> Status {
    Status::invalid_argument("the call ended before its message did")
}

/// What a message is answered with of which too little comes: less than `bytes` in `pause`.
pub(crate) fn stalled(bytes: usize, pause: Duration) -> Status {
    Status::deadline_exceeded(format!(
        "a message began and did not go on: at least {} KiB of it must come every {pause:?}; send it again",
        bytes / 1024
    ))
}

/// What a message over the limit is answered with.
pub(crate) fn too_large(limit: usize) -> Status {
    Status::resource_exhausted(format!(
        "the message is larger than {limit} bytes: send a smaller one; \
         pictures may be larger if the server is started with a larger --max-message-bytes"
    ))
}

/// What a request is answered with that the others left no memory for.
pub(crate) fn out_of_memory() -> Status {
    come_back("the server holds as many bytes of requests as it may; try again after a pause")
}

/// What a request is answered with whose client would hold more than `share` bytes.
pub(crate) fn too_much_for_one_client(share: usize) -> Status {
    come_back(format!(
        "large requests of one client may hold {share} bytes at once: wait for answers before sending more, \
         or start the server with a larger --max-buffered-bytes"
    ))
}

fn come_back(message: impl Into<String>) -> Status {
    let details = ErrorDetails::with_retry_info(Some(RETRY));
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// What a call that took too long is answered with.
pub(crate) fn too_late(patience: Duration) -> Status {
    Status::deadline_exceeded(format!(
        "no answer within {patience:?}: send the request faster, allow more time, \
         or start the server with a larger --request-timeout"
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
