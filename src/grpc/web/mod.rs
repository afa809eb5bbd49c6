//! gRPC-Web: gRPC for clients that see no trailers, as pages do, over HTTP/1.1 too
//! (<https://github.com/grpc/grpc/blob/v1.75.0/doc/PROTOCOL-WEB.md>).
//!
//! It is the same call, and is answered by the same services: its messages are cut as gRPC's are, only the trailers come as
//! a last message, and all of it may be base64.

mod answer;
mod sent;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request};

pub(crate) use self::answer::Answer;
pub(super) use self::sent::Sent;

/// Whether a request is a call by gRPC-Web.
pub(crate) fn is_web<B>(request: &Request<B>) -> bool {
    request.method() == Method::POST && Form::of(request.headers()) != Form::Grpc
}

/// In what form a call comes and its answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// gRPC itself.
    Grpc,
    Binary,
    /// In base64, for pages whose browser gives them no bytes before all are there.
    Text,
}

impl Form {
    /// The form of a request with such headers. What names no form of gRPC-Web is gRPC's own.
    pub fn of(headers: &HeaderMap) -> Self {
        let named = headers
            .get(CONTENT_TYPE)
            .map_or(&b""[..], |named| named.as_bytes());
        let essence = named.split(|&byte| byte == b';').next().unwrap_or_default();
        let is = |name: &str| essence.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
        if is("application/grpc-web+proto") || is("application/grpc-web") {
            Self::Binary
        } else if is("application/grpc-web-text+proto") || is("application/grpc-web-text") {
            Self::Text
        } else {
            Self::Grpc
        }
    }

    /// The type of an answer; none if it has its own already.
    fn content_type(self) -> Option<HeaderValue> {
        match self {
            Self::Grpc => None,
            Self::Binary => Some(HeaderValue::from_static("application/grpc-web+proto")),
            Self::Text => Some(HeaderValue::from_static("application/grpc-web-text+proto")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_known_by_the_content_type() {
        for (named, form) in [
            ("application/grpc-web", Form::Binary),
            ("application/grpc-web+proto", Form::Binary),
            ("Application/gRPC-Web-Text", Form::Text),
            ("application/grpc-web-text+proto; charset=utf-8", Form::Text),
            ("application/grpc", Form::Grpc),
            ("application/grpc+proto", Form::Grpc),
            ("application/grpc-web+json", Form::Grpc),
            ("application/grpc-website", Form::Grpc),
            ("", Form::Grpc),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(named));
            assert_eq!(Form::of(&headers), form, "{named}");
        }
        assert_eq!(Form::of(&HeaderMap::new()), Form::Grpc);
    }
}
