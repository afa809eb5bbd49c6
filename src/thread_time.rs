//! How long this thread has had a processor.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Grows while this thread runs, and stands still while it waits for others. A system call.
pub(crate) fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
