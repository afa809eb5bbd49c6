//! What is there for all, and how much of it one client may hold.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How much each client holds of something.
#[derive(Debug)]
pub(crate) struct Shares {
    /// Most that one client may hold.
    most: usize,
    /// Only clients that hold something.
    clients: Mutex<HashMap<IpAddr, usize>>,
}

/// What a client holds, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Arc<Shares>,
    client: IpAddr,
    amount: usize,
}

impl Shares {
    pub fn new(most: usize) -> Arc<Self> {
        let clients = Mutex::default();
        Arc::new(Self { most, clients })
    }

    /// Nothing yet, of a client.
    pub fn begin(self: &Arc<Self>, client: IpAddr) -> Share {
        Share {
            shares: Arc::clone(self),
            client: network(client),
            amount: 0,
        }
    }

    /// Nothing that can panic runs under the lock, so poison means nothing here.
    fn clients(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn is_unused(&self) -> bool {
        self.clients().is_empty()
    }
}

impl Share {
    /// Most that one client may hold.
    pub fn most(&self) -> usize {
        self.shares.most
    }

    /// So much more; false if that is more than one client may hold.
    #[must_use]
    pub fn grow(&mut self, more: usize) -> bool {
        let mut clients = self.shares.clients();
        let held = clients.get(&self.client).map_or(0, |&held| held) + more;
        if held > self.shares.most {
            return false;
        }
        clients.insert(self.client, held);
        self.amount += more;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Entry::Occupied(mut held) = self.shares.clients().entry(self.client) {
            *held.get_mut() = held.get().saturating_sub(self.amount);
            if *held.get() == 0 {
                held.remove();
            }
        }
    }
}

/// Who counts as one client: an address, or the 2^64 addresses of an IPv6 network, since a single machine has them all.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_machine_are_one_client() {
        let same = [
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8::1", "2001:db8::2"),
        ];
        for (one, other) in same {
            let [one, other] = [one, other].map(|address| network(address.parse().unwrap()));
            assert_eq!(one, other);
        }
        assert_ne!(
            network("2001:db8:0:1::1".parse().unwrap()),
            network("2001:db8::1".parse().unwrap())
        );
    }

    #[test]
    fn what_a_client_gives_back_it_may_have_again() {
        let shares = Shares::new(2);
        let (client, other) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let one = |client| {
            let mut share = shares.begin(client);
            share.grow(1).then_some(share)
        };
        let held = [one(client), one(client)];
        assert!(held.iter().all(Option::is_some) && one(client).is_none());
        assert!(one(other).is_some());
        drop(held);
        assert!(shares.is_unused() && one(client).is_some());
    }
}
