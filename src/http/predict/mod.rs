//! `POST /predict`: a picture in, whatever it is wrapped in; what it shows out.

mod answered;
mod form;
mod json;
mod media;
pub(super) mod options;
pub(super) mod query;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Request;
use http::header::EXPECT;
use http::request::Parts;
use hyper::body::{Body, Incoming};

use self::answered::Answered;
use self::media::Media;
use self::options::Options;
use super::Door;
use super::answer::{Answer, json as as_json};
use super::problem::Problem;
use super::routes::Asking;
use crate::serving::{Caller, Error, Picture, PictureRequest};
use crate::telemetry::Rejection;
use crate::transport::memory::Held;
use crate::transport::refused::Refused;
use crate::transport::upload::{self, Whole};

/// Room for what stands around a picture: the other parts of a form, and their boundaries.
const WRAPPING: usize = 64 * 1024;
/// Longest name of a field that is shown back, in characters.
const SHOWN: usize = 64;
/// The largest form or JSON that is taken apart on the thread that read it. A digit takes some microseconds.
const SMALL: usize = 16 * 1024;

pub(super) fn answer(
    door: Arc<Door>,
    asking: Asking,
    request: Request<Incoming>,
) -> BoxFuture<'static, Answer> {
    Box::pin(async move {
        let patience = door.bounds.request_timeout;
        let answer = predict(&door, &asking, request);
        let answer = match tokio::time::timeout(patience, answer).await {
            Ok(answer) => answer,
            Err(_) => {
                door.bounds.telemetry.rejected(Rejection::Deadline);
                Err(Refused::TooLate { patience }.into())
            }
        };
        answer.unwrap_or_else(Problem::into_answer)
    })
}

async fn predict(
    door: &Door,
    asking: &Asking,
    request: Request<Incoming>,
) -> Result<Answer, Problem> {
    asking.reading.predicts();
    let (head, mut body) = request.into_parts();
    let received = match receive(door, asking, &head, &mut body).await {
        Ok(received) => received,
        Err(problem) => {
            leave(door, &head, body);
            return Err(problem);
        }
    };
    drop(body);
    // It has no place before it is whole, or clients that send slowly would hold them all.
    let permit = door.serving.admit()?;
    let Asked {
        request,
        top,
        _held,
    } = understand(door, received).await?;
    let caller = Caller {
        client: Some(asking.client),
        lane: door.lane.as_ref(),
    };
    let answer = door.serving.classify(request, permit, caller).await?;
    Ok(as_json(&Answered::of(&answer, top)))
}

/// What is asked.
struct Asked {
    request: PictureRequest,
    /// How many classes to list.
    top: usize,
    /// The memory that it takes.
    _held: Held,
}

/// A request that is whole.
struct Received {
    media: Media,
    options: Options,
    whole: Whole,
}

/// Reads a request, unless there is no place for it or it can be seen before that it is none.
async fn receive(
    door: &Door,
    asking: &Asking,
    head: &Parts,
    body: &mut Incoming,
) -> Result<Received, Problem> {
    if asking.reading.is_late() || door.serving.is_full() {
        door.bounds.telemetry.rejected(Rejection::QueueFull);
        return Err(Error::Full.into());
    }
    let invalid = |problem| invalid(door, problem);
    let media = Media::of(&head.headers).map_err(invalid)?;
    let mut options = Options::default();
    for (name, value) in query::pairs(head.uri.query()) {
        options.set(&name, &value).map_err(invalid)?;
    }
    let largest = door.bounds.max_message_bytes;
    let limit = match media {
        Media::Picture => largest,
        Media::Form { .. } => largest.saturating_add(WRAPPING),
        // Base64 takes four bytes for three.
        Media::Json => (largest / 3 * 4).saturating_add(WRAPPING),
    };
    let whole = upload::read(body, asking.client, &door.bounds, limit).await;
    let whole = whole.inspect_err(|refused| match refused {
        Refused::Stalled { .. } => door.bounds.telemetry.rejected(Rejection::Deadline),
        Refused::TooLarge { .. } => door.bounds.telemetry.rejected(Rejection::Invalid),
        _ => {}
    });
    Ok(Received {
        media,
        options,
        whole: whole?,
    })
}

/// Counts a request that cannot be understood.
fn invalid(door: &Door, problem: Problem) -> Problem {
    door.bounds.telemetry.rejected(Rejection::Invalid);
    problem
}

/// Leaves a body that is not read. A client that is still sending it would not see the answer if the connection were
/// closed at once; one that waits to be told to send it is not told.
fn leave(door: &Door, head: &Parts, body: Incoming) {
    let limit = door.bounds.discarded();
    let patience = door.bounds.request_timeout;
    let is_small = body
        .size_hint()
        .exact()
        .is_some_and(|rest| rest <= SMALL as u64);
    if !is_small && !head.headers.contains_key(EXPECT) {
        tokio::spawn(tokio::time::timeout(patience, upload::discard(body, limit)));
    }
}

async fn understand(door: &Door, received: Received) -> Result<Asked, Problem> {
    let invalid = |problem| invalid(door, problem);
    if matches!(received.media, Media::Picture) || received.whole.bytes.len() <= SMALL {
        return received.take_apart().map_err(invalid);
    }
    let turn = Arc::clone(&door.parsing).acquire_owned().await;
    let taken = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        received.take_apart()
    });
    // Only a bug panics there.
    let taken = taken.await.map_err(|_| Problem::from(Error::Decoder))?;
    taken.map_err(invalid)
}

impl Received {
    fn take_apart(self) -> Result<Asked, Problem> {
        let Self {
            media,
            mut options,
            whole: Whole { bytes, mut held },
        } = self;
        let picture = match media {
            Media::Picture => Picture::Image(bytes),
            Media::Form { boundary } => Picture::Image(image_of(&bytes, &boundary, &mut options)?),
            Media::Json => json::read(&bytes, &mut options, &mut held)?,
        };
        Ok(Asked {
            top: options.top_k,
            request: options.request(picture),
            _held: held,
        })
    }
}

/// The picture in a form, whose other fields are options.
fn image_of(body: &Bytes, boundary: &str, options: &mut Options) -> Result<Bytes, Problem> {
    let mut image = None;
    for part in form::parts(body, boundary)? {
        if matches!(&*part.name, "file" | "image") {
            if image.replace(part.content).is_some() {
                let detail = "the form has more than one picture: send one in a request";
                return Err(Problem::invalid(detail).of("file"));
            }
            continue;
        }
        let value = std::str::from_utf8(&part.content).map_err(|_| {
            let name: String = part.name.chars().take(SHOWN).collect();
            Problem::invalid(format!("the field {name} is no UTF-8 text"))
        })?;
        options.set(&part.name, value)?;
    }
    image.ok_or_else(|| {
        let detail =
            "the form has no picture: send it as the field file, as curl -F file=@seven.png does";
        Problem::invalid(detail).of("file")
    })
}
