//! Whether the server may be sent requests: one answer for HTTP's `/readyz` and for gRPC's health service.

use std::pin::{Pin, pin};
use std::sync::Arc;

use tokio::sync::watch;

/// Where the server stands. It only ever goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// No model is warm yet.
    Starting,
    /// Requests are answered.
    Ready,
    /// Shutdown has begun: what runs is finished, nothing new is wanted.
    Draining,
}

/// The state of the server, shared by clones.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<watch::Sender<State>>);

impl Readiness {
    /// [`State::Starting`].
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(State::Starting)))
    }

    /// Where the server stands now.
    #[must_use]
    pub fn state(&self) -> State {
        *self.0.borrow()
    }

    /// A model is warm. Has no effect once draining.
    pub fn ready(&self) {
        self.advance(State::Ready);
    }

    /// Shutdown begins; there is no way back.
    pub fn drain(&self) {
        self.advance(State::Draining);
    }

    /// Tells of every change, for a gRPC health service whose clients watch.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }

    /// Waits until shutdown begins.
    pub async fn draining(&self) {
        // The sender is held here, so waiting cannot fail.
        let _ = self
            .subscribe()
            .wait_for(|state| *state == State::Draining)
            .await;
    }

    /// Follows what is `served` to its end, and asks it to `end` as soon as shutdown begins.
    pub(crate) async fn until_ended<S: Future>(
        &self,
        served: S,
        end: impl FnOnce(Pin<&mut S>),
    ) -> S::Output {
        let mut served = pin!(served);
        tokio::select! {
            biased;
            ended = served.as_mut() => ended,
            () = self.draining() => {
                end(served.as_mut());
                served.await
            }
        }
    }

    fn advance(&self, to: State) {
        self.0.send_if_modified(|state| {
            let forward = to > *state;
            if forward {
                *state = to;
            }
            forward
        });
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draining_server_never_becomes_ready_again() {
        let readiness = Readiness::new();
        let clone = readiness.clone();
        assert_eq!(readiness.state(), State::Starting);
        readiness.ready();
        assert_eq!(clone.state(), State::Ready);
        clone.drain();
        readiness.ready();
        assert_eq!(readiness.state(), State::Draining);
    }

    #[test]
    fn a_subscriber_hears_of_changes_only() {
        let readiness = Readiness::new();
        let mut seen = readiness.subscribe();
        readiness.ready();
        assert!(seen.has_changed().unwrap());
        assert_eq!(*seen.borrow_and_update(), State::Ready);
        readiness.ready();
        assert!(!seen.has_changed().unwrap());
    }
}
