//! The services. A new one is a file, a row of [`TABLE`], and names for the labels of its methods in `telemetry`.

mod classifier;
pub(crate) mod health;
mod mnist;
mod pictures;
mod reflection;
mod service;

use std::sync::Arc;

use tonic_reflection::pb as reflected;
pub use tonic_reflection::server::Error;

use self::classifier::Classifier;
use self::mnist::Mnist;
use self::pictures::Pictures;
pub(crate) use self::service::Parts;
use self::service::{Generated, Service};
use super::call::{Answering, Call};
use super::proto;

/// One service.
pub(super) struct Row {
    /// As the paths of its calls begin.
    name: &'static str,
    /// What reflection tells of it.
    descriptors: &'static [u8],
    /// Whether health answers for it by its name.
    has_health: bool,
    /// Its methods that take a stream.
    take_streams: &'static [&'static str],
    build: fn(&Parts<'_>) -> Result<Box<dyn Service>, Error>,
}

/// All services. The first one is found first, so it is the one that is called most.
static TABLE: [Row; 5] = [
    Row {
        name: mnist::NAME,
        descriptors: proto::MNIST,
        has_health: true,
        take_streams: &["PredictStream"],
        build: |parts| Ok(Box::new(Arc::new(Pictures::<Mnist>::new(parts)))),
    },
    Row {
        name: classifier::NAME,
        descriptors: proto::CLASSIFIER,
        has_health: true,
        take_streams: &["ClassifyStream"],
        build: |parts| Ok(Box::new(Arc::new(Pictures::<Classifier>::new(parts)))),
    },
    Row {
        name: health::NAME,
        descriptors: health::DESCRIPTORS,
        has_health: false,
        take_streams: &[],
        build: |parts| Ok(Box::new(Generated(parts.health.service()))),
    },
    Row {
        name: reflected::v1::server_reflection_server::SERVICE_NAME,
        descriptors: reflected::v1::FILE_DESCRIPTOR_SET,
        has_health: false,
        take_streams: &["ServerReflectionInfo"],
        build: |_| Ok(Box::new(Generated(reflection::of(described()).build_v1()?))),
    },
    Row {
        name: reflected::v1alpha::server_reflection_server::SERVICE_NAME,
        descriptors: reflected::v1alpha::FILE_DESCRIPTOR_SET,
        has_health: false,
        take_streams: &["ServerReflectionInfo"],
        build: |_| {
            Ok(Box::new(Generated(
                reflection::of(described()).build_v1alpha()?,
            )))
        },
    },
];

/// The names of the services that health answers for.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
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

/// The services of one thread.
pub(super) struct Services(Vec<(&'static Row, Box<dyn Service>)>);

impl Services {
    /// All services of [`TABLE`].
    ///
    /// # Errors
    /// If the descriptors do not make a reflection service.
    pub fn new(parts: &Parts<'_>) -> Result<Self, Error> {
        let build = |row: &'static Row| (row.build)(parts).map(|service| (row, service));
        TABLE.iter().map(build).collect::<Result<_, _>>().map(Self)
    }

    /// Answers a call of any service.
    pub fn answer(&self, call: Call) -> Answering {
        let called = call.service();
        match self.0.iter().find(|(row, _)| row.name == called) {
            Some((row, _)) if call.is_web() && row.take_streams.contains(&call.method()) => {
                call.takes_a_stream()
            }
            Some((_, service)) => service.answer(call),
            None => call.unimplemented(),
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::{FileDescriptorSet, ServiceDescriptorProto};

    use super::*;
    use crate::telemetry::Method;

    #[test]
    fn what_takes_a_stream_is_what_the_protos_say() {
        for row in &TABLE {
            let files = FileDescriptorSet::decode(row.descriptors).unwrap().file;
            let named = |service: &ServiceDescriptorProto, package: &str| {
                format!("{package}.{}", service.name()) == row.name
            };
            let taking: Vec<_> = files
                .iter()
                .flat_map(|file| {
                    file.service
                        .iter()
                        .map(move |service| (service, file.package()))
                })
                .filter(|(service, package)| named(service, package))
                .flat_map(|(service, _)| &service.method)
                .filter(|method| method.client_streaming())
                .map(|method| method.name())
                .collect();
            assert_eq!(taking, row.take_streams, "{}", row.name);
        }
    }

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
