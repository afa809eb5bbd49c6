//! A request in JSON: one of `image`, `pixels` and `values`, and the options.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Deserializer};

use super::options::Options;
use crate::http::problem::Problem;
use crate::serving::{Error, Picture};
use crate::transport::memory::Held;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
/// Longest complaint of the parser that is shown, in characters: it may name what a client has made up.
const SHOWN: usize = 200;

/// What is not said is left out: `null` is no value.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent<'a> {
    #[serde(borrow, default, deserialize_with = "said")]
    image: Option<Text<'a>>,
    #[serde(default, deserialize_with = "said")]
    pixels: Option<Vec<u8>>,
    #[serde(default, deserialize_with = "said")]
    values: Option<Vec<f32>>,
    #[serde(default, deserialize_with = "said")]
    model: Option<String>,
    #[serde(default, deserialize_with = "said")]
    version: Option<String>,
    #[serde(default, deserialize_with = "said")]
    fit: Option<String>,
    #[serde(default, deserialize_with = "said")]
    show_input: Option<bool>,
    #[serde(default, deserialize_with = "said")]
    top_k: Option<u32>,
}

fn said<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Serde borrows a text only where it stands alone.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads the picture; `held` grows by what that takes.
pub(super) fn read(
    body: &[u8],
    options: &mut Options,
    held: &mut Held,
) -> Result<Picture, Problem> {
    // A number takes two bytes there and four here, in a vector that has grown to twice its length.
    let numbers = memchr::memchr_iter(b',', body).count();
    held.grow(8 * numbers)?;
    let sent: Sent = serde_json::from_slice(body).map_err(|error| no_json(&error))?;
    for (name, value) in [
        ("model", &sent.model),
        ("version", &sent.version),
        ("fit", &sent.fit),
    ] {
        if let Some(value) = value {
            options.set(name, value)?;
        }
    }
    options.show_input = sent.show_input.unwrap_or(options.show_input);
    if let Some(count) = sent.top_k {
        options.set("top_k", &count.to_string())?;
    }
    match (sent.image, sent.pixels, sent.values) {
        (Some(Text(text)), None, None) => {
            let encoded = encoded(&text)?;
            held.grow(encoded.len() / 4 * 3)?;
            Ok(Picture::Image(decode(encoded)?.into()))
        }
        (None, Some(pixels), None) => Ok(Picture::Pixels(pixels.into())),
        (None, None, Some(values)) => Ok(Picture::Values(values)),
        (None, None, None) => Err(Error::NoInput.into()),
        _ => Err(
            Problem::invalid("more than one input: set one of image, pixels or values").of("input"),
        ),
    }
}

/// The Base64 of an image, which may be wrapped in a `data:` URL.
fn encoded(text: &str) -> Result<&str, Problem> {
    let text = text.trim_ascii();
    let Some(url) = text.strip_prefix("data:") else {
        return Ok(text);
    };
    let wrong =
        || Problem::invalid("image is a data: URL that is not data:image/…;base64,…").of("image");
    let (kind, data) = url.split_once(',').ok_or_else(wrong)?;
    kind.ends_with(";base64").then_some(data).ok_or_else(wrong)
}

fn decode(encoded: &str) -> Result<Vec<u8>, Problem> {
    let is_for_urls = encoded.bytes().any(|byte| matches!(byte, b'-' | b'_'));
    let alphabet = if is_for_urls { &URL_SAFE } else { &STANDARD };
    let decoded = GeneralPurpose::new(alphabet, LENIENT).decode(encoded);
    decoded.map_err(|error| Problem::invalid(format!("image is no Base64: {error}")).of("image"))
}

fn no_json(error: &serde_json::Error) -> Problem {
    let reason: String = error.to_string().chars().take(SHOWN).collect();
    Problem::invalid(format!("the JSON cannot be read: {reason}"))
}
