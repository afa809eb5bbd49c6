//! Models that are served no more, until nobody uses them.
//!
//! Freeing the weights of a large network takes a while. A request that still uses a model must not be the one to free
//! it, on a thread that serves others: a thread of its own holds the last reference to each.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use crate::network::Network;
use crate::serving::Model;

/// How often it is looked whether a model is still in use, while there are any.
const PAUSE: Duration = Duration::from_millis(20);

/// Where models retire to. Dropping it ends its thread.
#[derive(Debug)]
pub(super) struct Retirement(Sender<Retired>);

/// What is to be freed, and still in use.
#[derive(Debug)]
enum Retired {
    Model(Arc<Model>),
    /// What the model leaves: the batcher's tasks may hold it for longer.
    Network(Arc<Network>),
}

impl Retirement {
    pub fn start() -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        thread::Builder::new()
            .name("kiln-retire".to_owned())
            .spawn(move || run(&receiver))?;
        Ok(Self(sender))
    }

    /// Frees the model once nobody else holds it. To be called before it is taken out of reach.
    pub fn watch(&self, model: &Arc<Model>) {
        // The thread lives for as long as this does.
        let _ = self.0.send(Retired::Model(Arc::clone(model)));
    }
}

fn run(receiver: &Receiver<Retired>) {
    let mut in_use: Vec<Retired> = Vec::new();
    loop {
        let next = if in_use.is_empty() {
            receiver.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            receiver.recv_timeout(PAUSE)
        };
        match next {
            Ok(retired) => in_use.push(retired),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        in_use = in_use.into_iter().filter_map(Retired::free).collect();
    }
}

impl Retired {
    /// Frees what nobody else holds; what somebody does comes back.
    fn free(self) -> Option<Self> {
        match self {
            Self::Model(model) => match Arc::try_unwrap(model) {
                Ok(model) => {
                    let network = Arc::clone(&model.network);
                    // Ends its compute threads once what waits has been answered.
                    drop(model);
                    Self::Network(network).free()
                }
                Err(model) => Some(Self::Model(model)),
            },
            Self::Network(network) => match Arc::try_unwrap(network) {
                Ok(network) => {
                    drop(network);
                    None
                }
                Err(network) => Some(Self::Network(network)),
            },
        }
    }
}
