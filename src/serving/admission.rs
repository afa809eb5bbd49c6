//! How many requests may be inside at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lets a bounded number of requests in at once.
///
/// A request that stands alone is turned away when there is no place. Items of streams wait for one, and would take
/// every place as soon as it is free: so they may have half of the places at most, and the other half is always left to
/// those that do not wait.
#[derive(Clone, Debug)]
pub struct Admission {
    places: Arc<Semaphore>,
    /// The half that those who wait may have.
    waiters: Arc<Semaphore>,
    limit: usize,
}

/// One request's place, given back when it is dropped. It travels with the request.
#[derive(Debug)]
pub struct Permit {
    _place: Option<OwnedSemaphorePermit>,
    /// For one that waited: its share of that half.
    _waiter: Option<OwnedSemaphorePermit>,
}

impl Admission {
    /// Lets `limit` requests in at once.
    pub fn new(limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(limit)),
            waiters: Arc::new(Semaphore::new(limit.div_ceil(2))),
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

    /// A place, as soon as there is one: for an item of a stream.
    pub async fn admit(&self) -> Permit {
        // Only a closed semaphore refuses, and these are never closed.
        let waiter = Arc::clone(&self.waiters).acquire_owned().await.ok();
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        Permit {
            _place: place,
            _waiter: waiter,
        }
    }

    /// A place, if there is one now: for a request that stands alone.
    pub fn try_admit(&self) -> Option<Permit> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Permit {
            _place: Some(place),
            _waiter: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn those_who_wait_leave_half_of_the_places_to_others() {
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
