//! gRPC calls: one histogram, its labels resolved once for each method and status.

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundHistogram, Histogram, Meter};

use super::{CALL_SECONDS, OTHER};

/// Every method the server has, without the leading slash. A label never comes from a request.
const METHODS: [&str; 8] = [
    "mnist.v1.MnistService/Predict",
    "mnist.v1.MnistService/PredictStream",
    "kiln.v1.ClassifierService/Classify",
    "kiln.v1.ClassifierService/ClassifyStream",
    "grpc.health.v1.Health/Check",
    "grpc.health.v1.Health/Watch",
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// The names of the gRPC status codes, by their number.
/// <https://github.com/grpc/grpc/blob/v1.75.0/doc/statuscodes.md>
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];
/// What a number that is no status code counts as, as gRPC itself would have it.
const UNKNOWN: usize = 2;

/// A method of the server, or any that it does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method(usize);

impl Method {
    /// The method of a request's path, such as `/mnist.v1.MnistService/Predict`.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let name = path.strip_prefix('/').unwrap_or(path);
        let known = METHODS.iter().position(|&method| method == name);
        Self(known.unwrap_or(METHODS.len()))
    }

    /// The full name, or [`OTHER`].
    #[must_use]
    pub fn name(self) -> &'static str {
        METHODS.get(self.0).copied().unwrap_or(OTHER)
    }

    /// Every method the server has.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..METHODS.len()).map(Self)
    }
}

#[derive(Debug)]
pub(super) struct Calls {
    duration: Histogram<f64>,
    /// Bound when it is first needed: a histogram that is bound is exported.
    bound: [[OnceLock<BoundHistogram<f64>>; CODES.len()]; METHODS.len() + 1],
}

impl Calls {
    pub fn new(meter: &Meter) -> Self {
        let duration = meter
            .f64_histogram("rpc.server.call.duration")
            .with_unit("s")
            .with_description(
                "How long gRPC calls took, from the request's headers to the end of the answer.",
            )
            .with_boundaries(CALL_SECONDS.to_vec())
            .build();
        Self {
            duration,
            bound: Default::default(),
        }
    }

    pub fn finished(&self, method: Method, code: i32, elapsed: Duration) {
        let code = usize::try_from(code)
            .ok()
            .filter(|&code| code < CODES.len());
        let code = code.unwrap_or(UNKNOWN);
        self.bound[method.0][code]
            .get_or_init(|| self.bind(method, CODES[code]))
            .record(elapsed.as_secs_f64());
    }

    /// Names and the rule for `error_type` follow OpenTelemetry's conventions for RPC metrics and
    /// gRPC servers (<https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>): of the codes, only
    /// those that say that the server is at fault are errors.
    fn bind(&self, method: Method, code: &'static str) -> BoundHistogram<f64> {
        let labels = [
            KeyValue::new("rpc.system.name", "grpc"),
            KeyValue::new("rpc.method", method.name()),
            KeyValue::new("rpc.status_code", code),
            KeyValue::new("error.type", code),
        ];
        let used = if is_server_error(code) { 4 } else { 3 };
        self.duration.bind(&labels[..used])
    }
}

fn is_server_error(code: &str) -> bool {
    matches!(
        code,
        "UNKNOWN"
            | "DEADLINE_EXCEEDED"
            | "UNIMPLEMENTED"
            | "INTERNAL"
            | "UNAVAILABLE"
            | "DATA_LOSS"
    )
}

#[cfg(test)]
mod tests {
    use super::super::Telemetry;
    use super::*;

    #[test]
    fn only_a_fault_of_the_server_has_an_error_type() {
        let telemetry = Telemetry::new().unwrap();
        let predict = Method::of("/mnist.v1.MnistService/Predict");
        telemetry.rpc_finished(predict, 3, Duration::ZERO);
        telemetry.rpc_finished(predict, 13, Duration::ZERO);
        telemetry.rpc_finished(Method::of("/made.Up/Method"), 99, Duration::ZERO);
        let text = telemetry.exposition().unwrap();
        let name = "rpc_server_call_duration_seconds_count";
        for labels in [
            r#"{rpc_method="mnist.v1.MnistService/Predict",rpc_status_code="INVALID_ARGUMENT",rpc_system_name="grpc"}"#,
            r#"{error_type="INTERNAL",rpc_method="mnist.v1.MnistService/Predict",rpc_status_code="INTERNAL",rpc_system_name="grpc"}"#,
            r#"{error_type="UNKNOWN",rpc_method="_OTHER",rpc_status_code="UNKNOWN",rpc_system_name="grpc"}"#,
        ] {
            assert!(
                text.contains(&format!("{name}{labels} 1\n")),
                "{labels} in\n{text}"
            );
        }
    }
}
