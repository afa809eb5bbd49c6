//! Why a request is turned away that nobody has understood yet. Each door translates it.

use std::time::Duration;

/// Why a request is turned away before it is whole, or before its answer is there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// It ended before its message did.
    #[error("the call ended before its message did")]
    CutShort,
    /// Its message is over the limit.
    #[error(
        "the message is larger than {limit} bytes: send a smaller one; \
         pictures may be larger if the server is started with a larger --max-message-bytes"
    )]
    TooLarge {
        /// The largest that is taken.
        limit: usize,
    },
    /// Too little of it came.
    #[error(
        "a message began and did not go on: at least {} KiB of it must come every {pause:?}; send it again",
        .bytes / 1024
    )]
    Stalled {
        /// What must come.
        bytes: usize,
        /// In how long.
        pause: Duration,
    },
    /// There was no answer in time.
    #[error(
        "no answer within {patience:?}: send the request faster, allow more time, \
         or start the server with a larger --request-timeout"
    )]
    TooLate {
        /// How long there was.
        patience: Duration,
    },
    /// The others left no memory for it.
    #[error("the server holds as many bytes of requests as it may; try again after a pause")]
    OutOfMemory,
    /// Its client would hold more than its share.
    #[error(
        "large requests of one client may hold {share} bytes at once: wait for answers before sending more, \
         or start the server with a larger --max-buffered-bytes"
    )]
    OverShare {
        /// Most bytes that one client may hold.
        share: usize,
    },
}
