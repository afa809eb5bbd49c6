//! How many connections there may be, as the process may have so many descriptors.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::transport::connections::MAX_CONNECTIONS;

/// What is asked for, where a shell gives less.
const WANTED: u64 = 8192;
/// For files, listeners and what else is open.
const OTHERS: u64 = 128;

/// Connections at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connections {
    /// Those that the side has, which have not said yet what they want, or ask for probes.
    pub side: usize,
    /// Those over HTTP/1.1 that the serving threads have.
    pub served: usize,
}

impl Connections {
    /// Of the descriptors that the process may have, after asking for more.
    pub fn allowed() -> Self {
        let limit = getrlimit(Resource::Nofile);
        let current = limit.current.unwrap_or(WANTED);
        let wanted = WANTED.min(limit.maximum.unwrap_or(WANTED));
        let raised = wanted > current
            && setrlimit(
                Resource::Nofile,
                Rlimit {
                    current: Some(wanted),
                    ..limit
                },
            )
            .is_ok();
        Self::of(if raised { wanted } else { current })
    }

    /// The side shares what gRPC leaves with those that are served.
    fn of(descriptors: u64) -> Self {
        let free = descriptors.saturating_sub(MAX_CONNECTIONS as u64 + OTHERS) as usize;
        Self {
            side: (free / 3).clamp(64, 2048),
            served: (free / 2).clamp(64, 4096),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_the_descriptors_there_are() {
        for descriptors in [1024, 2048, 4096, WANTED, 1 << 20] {
            let Connections { side, served } = Connections::of(descriptors);
            let all = side + served + MAX_CONNECTIONS;
            assert!(
                all as u64 <= descriptors,
                "{descriptors}: {side} and {served}"
            );
        }
        assert!(Connections::of(WANTED).served > 3000);
    }
}
