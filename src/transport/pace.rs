//! How fast a message must come that has begun.

use std::time::Duration;

use tokio::time::Instant;

use super::refused::Refused;

/// In so long at least [`PROGRESS`] bytes of a message must come, or the rest of it. A phone that changes its network is
/// silent for two or three seconds.
const PAUSE: Duration = Duration::from_secs(5);
/// 50 kbit/s, as slow as a telephone line.
const PROGRESS: usize = 32 * 1024;

/// Until when more of a message must have come.
pub(crate) struct Pace {
    until: Instant,
    /// Bytes that must have come by then.
    due: usize,
}

impl Pace {
    pub fn begin() -> Self {
        Self {
            until: Instant::now() + PAUSE,
            due: PROGRESS,
        }
    }

    /// So much more has come.
    pub fn came(&mut self, bytes: usize) {
        self.due = self.due.saturating_sub(bytes);
        if self.due == 0 {
            *self = Self::begin();
        }
    }

    /// Waits for what brings more, for as long as it may take.
    pub async fn wait<T>(&self, more: impl Future<Output = T>) -> Result<T, Refused> {
        let more = tokio::time::timeout_at(self.until, more).await;
        more.map_err(|_| Refused::Stalled {
            bytes: PROGRESS,
            pause: PAUSE,
        })
    }
}
