//! How long a thread takes to turn to a socket that has something to read. A health check waits at least for so long.
//!
//! Ten times a second each thread is sent the time over a socket of its own, and compares it with its clock. Idle threads
//! wake up for it.

use std::io::{self, Write};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::time::MissedTickBehavior;

use crate::telemetry::Telemetry;

const INTERVAL: Duration = Duration::from_millis(100);

/// Sends the time to the threads.
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

    /// One more thread: what it is to poll, which measures its delay.
    ///
    /// # Errors
    /// If there is no socket to be had.
    pub fn measure(
        &mut self,
        telemetry: Arc<Telemetry>,
    ) -> io::Result<impl Future<Output = ()> + use<>> {
        let (sender, receiver) = StdUnixStream::pair()?;
        sender.set_nonblocking(true)?;
        receiver.set_nonblocking(true)?;
        self.threads.push(sender);
        let started = self.started;
        Ok(async move {
            // The runtime that polls this has to be there; it refuses no socket that does not block.
            let Ok(mut receiver) = UnixStream::from_std(receiver) else {
                return;
            };
            while let Ok(nanos) = receiver.read_u64().await {
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
                // The socket of a thread that stands still is full in the end. What it has not read yet says enough.
                let _ = thread.write(&nanos.to_be_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many delays were measured, and how many of them took no longer than 25 ms.
    fn measured(telemetry: &Telemetry) -> (usize, usize) {
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
    async fn the_delay_of_a_thread_that_does_something_else_is_measured() {
        let telemetry = Arc::new(Telemetry::new().unwrap());
        let mut pulse = Pulse::new();
        let measure = pulse.measure(Arc::clone(&telemetry)).unwrap();
        let thread = std::thread::spawn(|| {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().unwrap().block_on(async {
                tokio::spawn(async {
                    loop {
                        std::thread::sleep(Duration::from_millis(70));
                        tokio::task::yield_now().await;
                    }
                });
                measure.await;
            });
        });
        let beats = tokio::spawn(pulse.beat());
        let slow = async {
            loop {
                let (count, prompt) = measured(&telemetry);
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
