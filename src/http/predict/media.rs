//! What a body is, as its headers say.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::form;
use crate::http::problem::Problem;

/// Longest boundary (RFC 2046, section 5.1.1).
const LONGEST_BOUNDARY: usize = 70;

/// What a body is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// The bytes of a picture, whatever the headers call them.
    Picture,
    Json,
    /// `multipart/form-data`
    Form {
        boundary: String,
    },
}

impl Media {
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let encoded = headers.get(CONTENT_ENCODING);
        if let Some(encoding) = encoded.filter(|encoding| *encoding != "identity") {
            return Err(Problem::unsupported(format!(
                "the body is said to be encoded with {encoding:?}: send it as it is"
            )));
        }
        let Some(value) = headers.get(CONTENT_TYPE) else {
            return Ok(Self::Picture);
        };
        let value = value
            .to_str()
            .map_err(|_| Problem::unsupported("the Content-Type is no text"))?;
        let kind = value.split(';').next().unwrap_or_default().trim();
        let parameter =
            |wanted| form::parameters(value).find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        if kind.eq_ignore_ascii_case("multipart/form-data") {
            let boundary = parameter("boundary").map(|(_, boundary)| boundary);
            let boundary = boundary.filter(|text| (1..=LONGEST_BOUNDARY).contains(&text.len()));
            return boundary.map(|boundary| Self::Form { boundary }).ok_or_else(|| {
                Problem::unsupported(
                    "multipart/form-data needs a boundary of 1 to 70 characters: let the client set the Content-Type",
                )
            });
        }
        if kind.eq_ignore_ascii_case("application/json") || kind.eq_ignore_ascii_case("text/json") {
            let charset = parameter("charset").map(|(_, charset)| charset);
            return match charset {
                Some(charset) if !charset.eq_ignore_ascii_case("utf-8") => {
                    Err(Problem::unsupported("JSON is read as UTF-8 only"))
                }
                _ => Ok(Self::Json),
            };
        }
        if kind.len() >= 10 && kind[..10].eq_ignore_ascii_case("multipart/") {
            return Err(Problem::unsupported(
                "of the multipart types only multipart/form-data is read",
            ));
        }
        Ok(Self::Picture)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(kind: &'static str) -> Option<Media> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        Media::of(&headers).ok()
    }

    #[test]
    fn a_body_is_a_picture_unless_its_type_says_otherwise() {
        assert_eq!(Media::of(&HeaderMap::new()).ok(), Some(Media::Picture));
        for kind in ["image/png", "application/x-www-form-urlencoded", ""] {
            assert_eq!(of(kind), Some(Media::Picture), "{kind}");
        }
        for kind in ["application/json", "Application/JSON; charset=\"UTF-8\""] {
            assert_eq!(of(kind), Some(Media::Json), "{kind}");
        }
        let boundary = "x y".to_owned();
        let form = of("multipart/form-data; a=b; Boundary=\"x y\"");
        assert_eq!(form, Some(Media::Form { boundary }));
        for kind in [
            "application/json; charset=utf-16",
            "multipart/mixed; boundary=x",
            "multipart/form-data",
            "multipart/form-data; boundary=",
        ] {
            assert_eq!(of(kind), None, "{kind}");
        }
    }
}
