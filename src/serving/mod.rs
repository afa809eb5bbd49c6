//! From a request to an answer: who is let in, which model, which batch.
//!
//! Every door holds the one [`Serving`] and asks it to [`infer`](Serving::infer) (tensors in, tensors out, any network)
//! or to [`classify`](Serving::classify) (a picture in, probabilities out: `infer` with a picture before it and a
//! meaning after it). A model is read and warmed by `load`, named and kept by the [`Repository`].

mod admission;
pub mod batcher;
pub mod classifier;
mod classify;
mod decoding;
mod error;
mod infer;
mod load;
mod model;
mod ranking;
mod repository;
mod span;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use admission::{Admission, Permit};
use batcher::Lane;
pub use classify::{Answer, Picture, PictureRequest, Shown, best};
use decoding::Decoding;
pub use error::Error;
pub use infer::{InferRequest, Outputs};
pub use load::{Entry, LoadError, Options, Reason, load};
pub use model::Model;
pub use ranking::{Ranked, USUAL_TOP};
pub use repository::{NotFound, Repository};

use crate::preprocess;
use crate::telemetry::Telemetry;

/// Bounds on what is taken in.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests inside at once.
    pub requests: usize,
    /// What a picture may be; all that are decoded at once share [`preprocess::Limits::max_memory`].
    pub picture: preprocess::Limits,
}

/// Who asks, and on which thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller<'a> {
    /// The client's address, which is counted; none for a caller in this process.
    pub client: Option<IpAddr>,
    /// The lane of the thread that asks, if it has one.
    pub lane: Option<&'a Lane>,
}

/// Answers requests; shared by every door.
#[derive(Debug)]
pub struct Serving {
    repository: Arc<Repository>,
    telemetry: Arc<Telemetry>,
    admission: Admission,
    decoding: Decoding,
}

impl Serving {
    /// Answers with the models of `repository`: [`Error::Loading`] to everybody until there are any.
    #[must_use]
    pub fn new(repository: Arc<Repository>, telemetry: Arc<Telemetry>, limits: Limits) -> Self {
        let admission = Admission::new(limits.requests);
        let watched = admission.clone();
        telemetry.watch_requests(admission.limit(), move || watched.inside());
        Self {
            repository,
            telemetry,
            admission,
            decoding: Decoding::new(limits.picture),
        }
    }

    /// Whether there is no place for a request that stands alone.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.admission.inside() >= self.admission.limit()
    }

    /// A place for a request that stands alone.
    ///
    /// # Errors
    /// [`Error::Full`], counted.
    pub fn admit(&self) -> Result<Permit, Error> {
        self.counted(self.admission.try_admit().ok_or(Error::Full))
    }

    /// A place for an item of a stream, which waits for one: the client sends
    /// no faster than it is answered.
    pub async fn wait_for_place(&self) -> Permit {
        self.admission.admit().await
    }

    /// All models, and the name of the default one.
    ///
    /// # Errors
    /// [`Error::Loading`] before the first models are there.
    pub fn models(&self) -> Result<(String, Vec<Arc<Model>>), Error> {
        self.repository.list()
    }

    /// Counts what was turned away.
    fn counted<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if let Some(reason) = result.as_ref().err().and_then(Error::rejection) {
            self.telemetry.rejected(reason);
        }
        result
    }

    /// Counts an answer of `values` input values under the client that asked for it.
    fn answered(&self, caller: Caller<'_>, values: usize, elapsed: Duration) {
        if let Some(client) = caller.client {
            self.telemetry.client_request(client, values, elapsed);
        }
    }
}
