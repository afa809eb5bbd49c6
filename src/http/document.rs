//! What is embedded gzipped: pages, each one file, and the API's description. `build.rs` makes them.

use std::io::Read;

use flate2::read::GzDecoder;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::Full;

use super::answer::Answer;

/// What `build.rs` made of `src/http/NAME/`, or of `src/http/NAME.json`.
macro_rules! document {
    ($name:literal, $kind:literal) => {
        Document {
            kind: $kind,
            gzip: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz")),
            policy: include_str!(concat!(env!("OUT_DIR"), "/", $name, ".policy")),
            tag: include_str!(concat!(env!("OUT_DIR"), "/", $name, ".tag")),
        }
    };
}
/// The page to draw on.
pub(super) const PAGE: Document = document!("page", "text/html; charset=utf-8");
/// The page that shows the API.
pub(super) const DOCS: Document = document!("docs", "text/html; charset=utf-8");
/// What it shows.
pub(super) const OPENAPI: Document = document!("openapi", "application/json");

pub(super) struct Document {
    kind: &'static str,
    gzip: &'static [u8],
    policy: &'static str,
    tag: &'static str,
}

impl Document {
    /// The document, or that the client's own copy is still the right one.
    pub fn answer(&self, request: &HeaderMap) -> Answer {
        let mut answer = if self.is_known(request) {
            let mut unchanged = Response::new(Full::default());
            *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
            unchanged
        } else if takes_gzip(request) {
            let mut gzip = Response::new(Full::from(self.gzip));
            gzip.headers_mut()
                .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            gzip
        } else {
            Response::new(Full::from(self.plain()))
        };
        let headers = [
            (CONTENT_TYPE, self.kind),
            (CONTENT_SECURITY_POLICY, self.policy),
            (ETAG, self.tag),
            // Asked for again each time, and seldom sent again.
            (CACHE_CONTROL, "no-cache"),
            (VARY, "accept-encoding"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
        ];
        for (name, value) in headers {
            answer
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        answer
    }

    fn is_known(&self, request: &HeaderMap) -> bool {
        items(request, IF_NONE_MATCH).any(|tag| {
            tag == "*" || tag.trim_start_matches("W/") == self.tag.trim_start_matches("W/")
        })
    }

    fn plain(&self) -> Vec<u8> {
        let mut plain = Vec::new();
        // It was made by our own build: what cannot be read would be no page at all, in every test.
        if let Err(error) = GzDecoder::new(self.gzip).read_to_end(&mut plain) {
            tracing::error!(%error, "an embedded page cannot be read");
        }
        plain
    }
}

fn takes_gzip(request: &HeaderMap) -> bool {
    items(request, ACCEPT_ENCODING).any(|item| {
        let (name, quality) = item.split_once(';').unwrap_or((item, ""));
        name.trim().eq_ignore_ascii_case("gzip")
            && !quality
                .trim()
                .trim_start_matches("q=")
                .parse()
                .is_ok_and(|q: f32| q == 0.0)
    })
}

/// The members of a header that is a list.
fn items(request: &HeaderMap, name: http::header::HeaderName) -> impl Iterator<Item = &str> {
    request
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}
