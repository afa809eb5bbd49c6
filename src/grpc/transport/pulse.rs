//! How long a thread takes to turn to a socket that has something to read: what a health check waits for at the least.
//!
//! Ten times a second each thread is sent the time over a socket of its own, and compares; idle threads wake up for it.

use std::io::{self, Write};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::time::MissedTickBehavior;

use crate::telemetry::Telemetry;

const INTERVAL: Duration = Duration::from_millis(100);

/// Where the time is sent to.
#[derive(Debug)]
pub(crate) struct Pulse {
    started: Instant,
    threads: Vec<StdUnixStream>,
}

impl Pulse {
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            threads: Vec::new(),
        }
    }

    /// What one more thread is to poll.
    ///
    /// # Errors
    /// If there is no socket to be had.
    pub fn feel(
        &mut self,
        telemetry: Arc<Telemetry>,
    ) -> io::Result<impl Future<Output = ()> + use<>> {
        let (sent, felt) = StdUnixStream::pair()?;
        sent.set_nonblocking(true)?;
        felt.set_nonblocking(true)?;
        self.threads.push(sent);
        let started = self.started;
        Ok(async move {
            // The runtime that polls this has to be there; it refuses no socket that does not block.
            let Ok(mut felt) = UnixStream::from_std(felt) else {
                return;
            };
            while let Ok(nanos) = felt.read_u64().await {
                let sent = Duration::from_nanos(nanos);
                telemetry.loop_delayed(started.elapsed().saturating_sub(sent));
            }
        })
    }

    /// Sends the time, for as long as it is polled.
    pub async fn beat(mut self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for thread in &mut self.threads {
                let nanos = self.started.elapsed().as_nanos() as u64;
                // A thread that stands still for so long that its socket is full has enough to tell; one that is gone
                // has nothing.
                let _ = thread.write(&nanos.to_be_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many delays were felt, and of them so many as took no longer than 25 ms.
    fn felt(telemetry: &Telemetry) -> (usize, usize) {
        let text = telemetry.exposition().unwrap();
        let number = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map_or(0, |rest| rest.trim().parse().unwrap())
        };
        let family = "kiln_event_loop_delay_seconds";
        (
            number(&format!("{family}_count")),
            number(&format!("{family}_bucket{{le=\"0.025\"}}")),
        )
    }

    #[tokio::test]
    async fn a_thread_that_does_something_else_feels_it() {
        let telemetry = Arc::new(Telemetry::new().unwrap());
        let mut pulse = Pulse::new();
        let feel = pulse.feel(Arc::clone(&telemetry)).unwrap();
        let thread = std::thread::spawn(|| {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().unwrap().block_on(async {
                tokio::spawn(async {
                    loop {
                        std::thread::sleep(Duration::from_millis(70));
                        tokio::task::yield_now().await;
                    }
                });
                feel.await;
            });
        });
        let beats = tokio::spawn(pulse.beat());
        let slow = async {
            loop {
                let (count, prompt) = felt(&telemetry);
                if prompt < count {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let slow = tokio::time::timeout(Duration::from_secs(30), slow);
        slow.await.expect("a delay above 25 ms");
        beats.abort();
        assert!(beats.await.unwrap_err().is_cancelled());
        thread.join().unwrap();
    }
}
