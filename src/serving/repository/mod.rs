//! Which models are loaded, under which names and versions. They can be swapped while requests run.

mod models;
mod retirement;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;

use super::{Error, Model};
use models::Models;
pub use models::NotFound;
use retirement::Retirement;

/// The models that are served. A request finds its model without a lock; whoever changes the models makes a new table
/// of them and swaps it in.
#[derive(Debug)]
pub struct Repository {
    /// None until the first models are there.
    models: ArcSwapOption<Models>,
    /// One change at a time.
    changing: Mutex<()>,
    retirement: Retirement,
}

impl Repository {
    /// Without models: [`Error::Loading`] to everybody.
    ///
    /// # Errors
    /// The system gives no thread, for models that are retired.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            models: ArcSwapOption::empty(),
            changing: Mutex::default(),
            retirement: Retirement::start()?,
        })
    }

    /// The model of that name and version; empty strings mean the default
    /// model and its newest version.
    ///
    /// # Errors
    /// [`Error::Loading`] before the first models are there, [`Error::NotFound`] with the names that there are.
    pub fn find(&self, name: &str, version: &str) -> Result<Arc<Model>, Error> {
        let models = self.models.load();
        let models = models.as_ref().ok_or(Error::Loading)?;
        Ok(Arc::clone(models.find(name, version)?))
    }

    /// All models by name, each with its versions, the newest last, and the name of the default one.
    ///
    /// # Errors
    /// [`Error::Loading`] before the first models are there.
    pub fn list(&self) -> Result<(String, Vec<Arc<Model>>), Error> {
        let models = self.models.load();
        Ok(models.as_ref().ok_or(Error::Loading)?.list())
    }

    /// Serves `added` from now on, all at once. A model of the same name and version makes way and retires; the first
    /// model ever added is the default.
    pub fn add(&self, added: impl IntoIterator<Item = Model>) {
        self.change(|models| {
            let added = added.into_iter().map(Arc::new);
            (added.filter_map(|model| models.insert(model)).collect(), ())
        });
    }

    /// Serves a version of a model no more. Requests that have found it are answered.
    ///
    /// # Errors
    /// [`NotFound`]: there is no such model or version; neither has a default here.
    pub fn remove(&self, name: &str, version: &str) -> Result<(), NotFound> {
        self.change(|models| match models.remove(name, version) {
            Ok(removed) => (vec![removed], Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        })
    }

    /// Swaps a changed table in. What it no longer has, which `change` gives back, retires.
    fn change<T>(&self, change: impl FnOnce(&mut Models) -> (Vec<Arc<Model>>, T)) -> T {
        // A change that panicked has swapped nothing in.
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.models.load_full();
        let mut models = old.as_deref().cloned().unwrap_or_default();
        let (retired, result) = change(&mut models);
        // Before the swap: after it, somebody else may hold the last reference.
        for model in &retired {
            self.retirement.watch(model);
        }
        let is_start = old.is_none() && models.is_empty();
        self.models.store((!is_start).then(|| Arc::new(models)));
        result
    }
}
