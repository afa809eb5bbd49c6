//! Which pages elsewhere may ask (Fetch, "CORS protocol"): none, but for those of the origins that are configured.

use std::str::FromStr;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};

/// What a page may send beside what every page may: the content type of JSON, and what clients of gRPC-Web send.
const SENT: HeaderValue = HeaderValue::from_static(
    "content-type, grpc-timeout, x-grpc-web, x-user-agent, grpc-encoding, grpc-accept-encoding",
);
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST");
/// What a page may read beside what every page may: the status of a call that has no message, and when to come back.
const READ: HeaderValue =
    HeaderValue::from_static("grpc-status, grpc-message, grpc-status-details-bin, retry-after");
/// How long a browser need not ask again, in seconds; two hours is the most that Chromium believes.
const REMEMBERED: HeaderValue = HeaderValue::from_static("7200");

/// An origin whose pages may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// All.
    Any,
    /// This one, as browsers write it.
    One(HeaderValue),
}

impl FromStr for Origin {
    type Err = NoOrigin;

    fn from_str(text: &str) -> Result<Self, NoOrigin> {
        let no_origin = || NoOrigin(text.to_owned());
        if text == "*" {
            return Ok(Self::Any);
        }
        let (scheme, host) = text.split_once("://").ok_or_else(no_origin)?;
        let uri: Uri = text.parse().map_err(|_| no_origin())?;
        let is_whole = match (uri.host(), uri.port_u16()) {
            (Some(name), None) => host == name,
            (Some(name), Some(port)) => host == format!("{name}:{port}"),
            (None, _) => false,
        };
        let is_strange = |byte: u8| {
            byte.is_ascii_uppercase()
                || !(byte.is_ascii_alphanumeric() || b".-[]:/".contains(&byte))
        };
        if !is_whole || scheme.is_empty() || text.bytes().any(is_strange) {
            return Err(no_origin());
        }
        HeaderValue::from_str(text)
            .map(Self::One)
            .map_err(|_| no_origin())
    }
}

/// What is no origin.
#[derive(Debug, thiserror::Error)]
#[error(
    "'{0}' is no origin: write it as browsers do, such as https://example.org or http://localhost:3000, \
     in small letters and without a path, or * for all"
)]
pub struct NoOrigin(String);

/// Which origins' pages may ask.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    origins: Vec<Origin>,
}

impl Cors {
    /// Pages of these may ask.
    #[must_use]
    pub fn new(origins: Vec<Origin>) -> Self {
        Self { origins }
    }

    /// What the page that asks is told with its answer.
    pub fn told(&self, request: &HeaderMap) -> Told {
        let allowed = |asking: &HeaderValue| {
            self.origins.iter().find_map(|origin| match origin {
                Origin::Any => Some(HeaderValue::from_static("*")),
                Origin::One(one) => (one == asking).then(|| one.clone()),
            })
        };
        if self.origins.is_empty() {
            return Told::default();
        }
        Told {
            varies: true,
            allowed: request.get(ORIGIN).and_then(allowed),
        }
    }

    /// The answer to a browser that asks whether a page may ask; none if that is not what it asks.
    pub fn preflight<B>(&self, request: &Request<B>) -> Option<Response<()>> {
        let headers = request.headers();
        if request.method() != Method::OPTIONS
            || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        {
            return None;
        }
        let told = self.told(headers);
        told.allowed.as_ref()?;
        let mut answer = Response::new(());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        let headers = answer.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, SENT);
        headers.insert(ACCESS_CONTROL_MAX_AGE, REMEMBERED);
        Some(told.with(answer))
    }
}

/// What a page is told with its answer.
#[derive(Debug, Default)]
pub struct Told {
    /// Whether another may be told something else.
    varies: bool,
    /// Who may read the answer, if the page may.
    allowed: Option<HeaderValue>,
}

impl Told {
    /// The answer, with it among its headers.
    pub fn with<B>(self, mut answer: Response<B>) -> Response<B> {
        let headers = answer.headers_mut();
        if self.varies {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        if let Some(allowed) = self.allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, READ);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        assert_eq!("*".parse::<Origin>().unwrap(), Origin::Any);
        for good in [
            "https://example.org",
            "http://localhost:3000",
            "http://[::1]:80",
        ] {
            let one = Origin::One(HeaderValue::from_str(good).unwrap());
            assert_eq!(good.parse::<Origin>().unwrap(), one);
        }
        for bad in [
            "",
            "example.org",
            "https://",
            "://example.org",
            "https://example.org/",
            "https://example.org/page",
            "https://example.org?x",
            "https://me@example.org",
            "HTTPS://example.org",
            "https://Example.org",
            "https://example.org:port",
            "https://*",
        ] {
            let error = bad.parse::<Origin>().expect_err(bad).to_string();
            assert!(error.contains("http://localhost:3000"), "{error}");
        }
    }

    fn request(method: Method, headers: &[(&'static str, &'static str)]) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = method;
        for (name, value) in headers {
            let value = HeaderValue::from_static(value);
            request.headers_mut().insert(*name, value);
        }
        request
    }

    fn asked_by(origin: &'static str) -> Request<()> {
        let method = ("access-control-request-method", "POST");
        request(Method::OPTIONS, &[("origin", origin), method])
    }

    fn of(origins: &[&str]) -> Cors {
        Cors::new(origins.iter().map(|one| one.parse().unwrap()).collect())
    }

    fn headers_for(cors: &Cors, origin: &'static str) -> HeaderMap {
        let told = cors.told(asked_by(origin).headers());
        told.with(Response::new(())).headers().clone()
    }

    #[test]
    fn nobody_may_ask_unless_configured() {
        let cors = of(&[]);
        assert!(cors.preflight(&asked_by("https://a.example")).is_none());
        assert!(headers_for(&cors, "https://a.example").is_empty());
    }

    #[test]
    fn the_pages_of_an_origin_may_ask_and_read_a_call_s_status() {
        let cors = of(&["https://a.example", "http://localhost:3000"]);
        let asked = asked_by("http://localhost:3000");
        let answer = cors.preflight(&asked).expect("a preflight");
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        let headers = answer.headers();
        assert_eq!(
            headers["access-control-allow-origin"],
            "http://localhost:3000"
        );
        assert_eq!(headers["vary"], "origin");
        let may_send = headers["access-control-allow-headers"].to_str().unwrap();
        for name in ["content-type", "x-grpc-web", "x-user-agent", "grpc-timeout"] {
            assert!(may_send.contains(name), "{name}");
        }
        let may_read = headers["access-control-expose-headers"].to_str().unwrap();
        for name in ["grpc-status", "grpc-message", "grpc-status-details-bin"] {
            assert!(may_read.contains(name), "{name}");
        }

        assert!(cors.preflight(&asked_by("https://b.example")).is_none());
        assert!(cors.preflight(&asked_by("null")).is_none());
        let plain = request(Method::OPTIONS, &[("origin", "https://a.example")]);
        assert!(cors.preflight(&plain).is_none());
        let told = headers_for(&cors, "https://b.example");
        assert_eq!(told.len(), 1, "vary alone: {told:?}");
    }

    #[test]
    fn all_may_ask_where_all_are_named() {
        let cors = of(&["*"]);
        let allowed = cors.told(asked_by("https://b.example").headers()).allowed;
        assert_eq!(allowed.unwrap(), "*");
        assert!(cors.told(&HeaderMap::new()).allowed.is_none());
    }
}
