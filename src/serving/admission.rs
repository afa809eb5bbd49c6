//! How many requests may be inside at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lets a bounded number of requests in; the rest is turned away at once
/// rather than made to wait for longer than they would want to.
///
/// Items of streams, which wait, have at most half of the places: as soon as one is free the next item takes it, and
/// whoever does not wait would never find any.
#[derive(Clone, Debug)]
pub struct Admission {
    places: Arc<Semaphore>,
    patient: Arc<Semaphore>,
    limit: usize,
}

/// One request's place, given back when it is dropped. It travels with the request.
#[derive(Debug)]
pub struct Permit {
    _place: Option<OwnedSemaphorePermit>,
    /// Among those who wait.
    _patient: Option<OwnedSemaphorePermit>,
}

impl Admission {
    /// Lets `limit` requests in at once.
    pub fn new(limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(limit)),
            patient: Arc::new(Semaphore::new(limit.div_ceil(2))),
            limit,
        }
    }

    /// How many may be inside at once.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many are inside now.
    pub fn inside(&self) -> usize {
        self.limit.saturating_sub(self.places.available_permits())
    }

    /// A place, as soon as there is one.
    pub async fn admit(&self) -> Permit {
        // Only a closed semaphore refuses, and these are never closed.
        let patient = Arc::clone(&self.patient).acquire_owned().await.ok();
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        Permit {
            _place: place,
            _patient: patient,
        }
    }

    /// A place, if there is one.
    pub fn try_admit(&self) -> Option<Permit> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Permit {
            _place: Some(place),
            _patient: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn who_waits_leaves_half_of_the_places_to_others() {
        let admission = Admission::new(4);
        let waited = [(); 2].map(|()| admission.admit().now_or_never().expect("a place"));
        assert!(admission.admit().now_or_never().is_none());
        let others = [(); 2].map(|()| admission.try_admit().expect("a place"));
        assert!(admission.try_admit().is_none());
        drop(waited);
        let _third = admission.admit().now_or_never().expect("a place again");
        drop(others);
        assert_eq!(admission.inside(), 1);
    }
}
