//! The services. A new one is a file and a row of [`TABLE`].

pub(super) mod health;
mod mnist;
mod reflection;

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};

use tonic_reflection::pb as reflected;
pub(super) use tonic_reflection::server::Error;

use self::health::Health;
use self::mnist::Mnist;
use super::call::{Answering, Call};
use super::proto;
use crate::serving::Serving;
use crate::serving::batcher::Lane;
use crate::telemetry::Telemetry;

/// What the services of a thread are made of.
pub(super) struct Parts<'a> {
    pub serving: &'a Arc<Serving>,
    pub telemetry: &'a Arc<Telemetry>,
    /// The thread's own.
    pub lane: &'a Lane,
    pub health: &'a Health,
}

/// One service.
pub(super) struct Row {
    /// As the paths of its calls begin.
    name: &'static str,
    /// What reflection tells of it.
    descriptors: &'static [u8],
    /// Whether health answers for it by its name.
    has_health: bool,
    build: fn(&Parts<'_>) -> Result<Box<dyn Service>, Error>,
}

/// All services. The first one is found first, so it is the one that is called most.
const TABLE: [Row; 4] = [
    Row {
        name: mnist::NAME,
        descriptors: proto::DESCRIPTORS,
        has_health: true,
        build: |parts| Ok(Box::new(Arc::new(Mnist::new(parts)))),
    },
    Row {
        name: health::NAME,
        descriptors: health::DESCRIPTORS,
        has_health: false,
        build: |parts| Ok(Box::new(Generated(parts.health.service()))),
    },
    Row {
        name: reflected::v1::server_reflection_server::SERVICE_NAME,
        descriptors: reflected::v1::FILE_DESCRIPTOR_SET,
        has_health: false,
        build: |_| Ok(Box::new(Generated(reflection::of(described()).build_v1()?))),
    },
    Row {
        name: reflected::v1alpha::server_reflection_server::SERVICE_NAME,
        descriptors: reflected::v1alpha::FILE_DESCRIPTOR_SET,
        has_health: false,
        build: |_| {
            Ok(Box::new(Generated(
                reflection::of(described()).build_v1alpha()?,
            )))
        },
    },
];

/// The names of the services that health answers for.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    TABLE
        .iter()
        .filter(|row| row.has_health)
        .map(|row| row.name)
}

/// What reflection tells of, beside itself.
fn described() -> impl Iterator<Item = &'static [u8]> {
    let others = TABLE
        .iter()
        .filter(|row| !row.name.starts_with("grpc.reflection."));
    others.map(|row| row.descriptors)
}

/// Answers the calls of its methods.
pub(super) trait Service: Send + Sync {
    /// Answers a call of `method`.
    fn answer(&self, call: Call) -> Answering;
}

/// Largest message of a service that tonic has generated, whose reader keeps a buffer for it: a name, or two.
const SMALL_MESSAGE: usize = 16 * 1024;

/// A service that code answers which tonic has generated.
struct Generated<S>(S);

impl<S> Service for Generated<S>
where
    S: tower_service::Service<
            Request<tonic::body::Body>,
            Response = Response<tonic::body::Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + Clone
        + Send
        + Sync,
{
    fn answer(&self, call: Call) -> Answering {
        call.generated(SMALL_MESSAGE, self.0.clone())
    }
}

/// The services of one thread.
pub(super) struct Services(Vec<(&'static str, Box<dyn Service>)>);

impl Services {
    /// All services of [`TABLE`].
    ///
    /// # Errors
    /// If the descriptors do not make a reflection service.
    pub fn new(parts: &Parts<'_>) -> Result<Self, Error> {
        let build = |row: &Row| (row.build)(parts).map(|service| (row.name, service));
        TABLE.iter().map(build).collect::<Result<_, _>>().map(Self)
    }

    /// Answers a call of any service.
    pub fn answer(&self, call: Call) -> Answering {
        let called = call.service();
        match self.0.iter().find(|(name, _)| *name == called) {
            Some((_, service)) => service.answer(call),
            None => call.unimplemented(),
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::telemetry::Method;

    #[test]
    fn every_method_that_is_served_has_a_label() {
        let mut served: Vec<String> = TABLE
            .iter()
            .flat_map(|row| FileDescriptorSet::decode(row.descriptors).unwrap().file)
            .flat_map(|file| {
                let package = file.package().to_owned();
                file.service
                    .into_iter()
                    .map(move |service| (package.clone(), service))
            })
            .flat_map(|(package, service)| {
                let name = format!("{package}.{}", service.name());
                service
                    .method
                    .into_iter()
                    .map(move |method| format!("{name}/{}", method.name()))
            })
            .collect();
        served.sort();
        let mut labelled: Vec<_> = Method::all()
            .map(|method| method.name().to_owned())
            .collect();
        labelled.sort();
        assert_eq!(served, labelled);
    }
}
