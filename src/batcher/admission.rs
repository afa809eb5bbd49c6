//! How many requests may be inside at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lets a bounded number of requests in; the rest is turned away at once
/// rather than made to wait for longer than they would want to.
#[derive(Clone, Debug)]
pub struct Admission {
    places: Arc<Semaphore>,
    limit: usize,
}

/// One request's place, given back when it is dropped. It travels with the request.
#[derive(Debug)]
pub struct Permit {
    _place: Option<OwnedSemaphorePermit>,
}

impl Admission {
    /// Lets `limit` requests in at once.
    pub fn new(limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(limit)),
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
        let place = Arc::clone(&self.places).acquire_owned().await;
        // Only a closed semaphore refuses, and this one is never closed.
        Permit { _place: place.ok() }
    }

    /// A place, if there is one.
    pub fn try_admit(&self) -> Option<Permit> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Permit {
            _place: Some(place),
        })
    }
}
