//! What one example of a network costs, measured when its model is loaded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::network::{self, Network};
use crate::thread_time;

/// Runs that measure the cost, after one that warms up, and their time in all.
const RUNS: u32 = 5;
const RUN_TIME: Duration = Duration::from_millis(5);

/// A network that has run, and what one example alone takes.
#[derive(Clone, Debug)]
pub struct Measured {
    pub(super) network: Arc<Network>,
    pub(super) cost: Duration,
}

impl Measured {
    /// Runs the network a few times on zeros, on the thread that asks.
    ///
    /// # Errors
    /// Those of [`Network::infer`].
    pub fn new(network: Arc<Network>) -> Result<Self, network::Error> {
        let cost = shortest(|| {
            let input = vec![0.0; network.input_len()];
            network.infer(input, 1).map(drop)
        })?;
        Ok(Self { network, cost })
    }
}

/// The shortest of a few runs, after one that nobody waits for, in time of this thread alone: what other threads do
/// meanwhile makes it no longer.
fn shortest<E>(mut run: impl FnMut() -> Result<(), E>) -> Result<Duration, E> {
    let begun = Instant::now();
    let mut shortest = Duration::MAX;
    for count in 0..=RUNS {
        let started = thread_time::now();
        run()?;
        if count > 0 {
            shortest = shortest.min(thread_time::now().saturating_sub(started));
        }
        if count > 0 && begun.elapsed() > RUN_TIME {
            break;
        }
    }
    Ok(shortest)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_network_costs_its_own_time_and_not_what_it_waits_for_others() {
        let pause = Duration::from_millis(20);
        let cost = shortest(|| -> Result<(), Infallible> {
            std::thread::sleep(pause);
            Ok(())
        });
        let Ok(cost) = cost;
        assert!(cost < pause, "{cost:?}");
    }
}
