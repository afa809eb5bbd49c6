//! Places for connections: so many for all, and half of them at most for one client.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::shares::{Share, Shares};

/// Places that are free, shared by clones.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    shares: Arc<Shares>,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _slot: OwnedSemaphorePermit,
    _share: Option<Share>,
}

impl Places {
    pub fn new(count: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count)),
            shares: Shares::new(count.div_ceil(2)),
        }
    }

    /// A place for whoever comes next, as soon as there is one.
    pub async fn next(&self) -> Place {
        // Only a closed semaphore refuses, and this one is never closed.
        let slot = Arc::clone(&self.free).acquire_owned().await;
        Place {
            _slot: slot.unwrap_or_else(|_| unreachable!("the semaphore is never closed")),
            _share: None,
        }
    }

    /// Counts a place among those of a client; none if it has enough.
    pub fn count(&self, place: Place, client: IpAddr) -> Option<Place> {
        let mut share = self.shares.begin(client);
        share.grow(1).then_some(Place {
            _share: Some(share),
            ..place
        })
    }

    /// A place for a client, if there is one now.
    pub fn take(&self, client: IpAddr) -> Option<Place> {
        let slot = Arc::clone(&self.free).try_acquire_owned().ok()?;
        let place = Place {
            _slot: slot,
            _share: None,
        };
        self.count(place, client)
    }
}
