//! Pictures are decoded a few at a time, within a bound on the memory that all of them take together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::available_parallelism;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use super::{Error, Permit};
use crate::preprocess::{self, Fit, Limits, PictureError, Target};

/// The largest picture that is decoded on the thread that read it.
const SMALL_BYTES: usize = 8 * 1024;
const SMALL_PIXELS: u64 = 64 * 64;
/// However small it is, a JPEG is never decoded there: its decoder hands work to a pool of threads that all JPEGs share,
/// and waits behind what the pool has to do for large ones.
const JPEG: [u8; 2] = [0xff, 0xd8];

#[derive(Debug)]
pub(super) struct Decoding {
    limits: Limits,
    /// One a core: more at once would not be done sooner.
    turns: Arc<Semaphore>,
    /// A permit is a byte. A picture takes what it will hold at the most, before it holds anything, and waits for its
    /// turn to do so: first come, first served, so that a large one is not passed by small ones for ever.
    memory: Arc<Semaphore>,
}

impl Decoding {
    pub fn new(limits: Limits) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        // A semaphore hands out 32 bits of permits at once.
        let max_memory = limits.max_memory.min(u32::MAX.into());
        Self {
            limits: Limits {
                max_memory,
                ..limits
            },
            turns: Arc::new(Semaphore::new(cores)),
            memory: Arc::new(Semaphore::new(max_memory as usize)),
        }
    }

    /// The pixels that a model takes of a picture. A small one is decoded here and now, which takes less than waking another thread
    /// would; any other one off the runtime's threads.
    ///
    /// Not every decode can be interrupted: its turn, its memory and the request's place go with it, so that a client
    /// that gives up does not make room for another before the work is done.
    pub async fn decode(
        &self,
        image: Bytes,
        fit: Fit,
        target: Target,
        permit: Permit,
    ) -> Result<(Vec<u8>, Permit), Error> {
        let limits = self.limits;
        if image.len() <= SMALL_BYTES && !image.starts_with(&JPEG) {
            let small = Limits {
                max_pixels: limits.max_pixels.min(SMALL_PIXELS),
                ..limits
            };
            let decode = || preprocess::decode_and_fit(&image, fit, target, &small);
            match unharmed(decode) {
                Err(Error::Picture(PictureError::TooManyPixels { .. })) => {}
                decoded => return decoded.map(|pixels| (pixels, permit)),
            }
        }
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let job = Job {
            image,
            fit,
            target,
            limits,
            memory: Arc::clone(&self.memory),
        };
        let (answer, decoded) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            // A caller that is gone dropped its receiver.
            let decoded = unharmed(|| job.run(|| answer.is_closed()));
            drop(turn);
            if let Some(decoded) = decoded.transpose() {
                let _gone = answer.send(decoded.map(|pixels| (pixels, permit)));
            }
        });
        decoded.await.map_err(|_| Error::Decoder)?
    }
}

/// A picture to decode on a thread that may be blocked.
struct Job {
    image: Bytes,
    fit: Fit,
    target: Target,
    limits: Limits,
    memory: Arc<Semaphore>,
}

impl Job {
    /// The pixels, unless the caller was gone before there was memory for them.
    fn run(&self, is_given_up: impl Fn() -> bool) -> Result<Option<Vec<u8>>, PictureError> {
        let Self {
            image,
            fit,
            target,
            limits,
            memory,
        } = self;
        let headers = hold(memory, preprocess::HEADERS * image.len() as u64, limits);
        if is_given_up() {
            return Ok(None);
        }
        let needed = preprocess::memory(image, *fit, *target, limits)?;
        // Who holds some and waits for more may wait for another who does.
        drop(headers);
        let _held = hold(memory, needed, limits);
        if is_given_up() {
            return Ok(None);
        }
        preprocess::decode_and_fit(image, *fit, *target, limits).map(Some)
    }
}

/// Waits for so many bytes, or for all there are, on a thread that may be blocked.
fn hold<'a>(memory: &'a Semaphore, bytes: u64, limits: &Limits) -> Option<SemaphorePermit<'a>> {
    let bytes = bytes.min(limits.max_memory) as u32;
    // Only a closed semaphore refuses, and this one is never closed.
    Handle::current().block_on(memory.acquire_many(bytes)).ok()
}

/// A decoder that panics has a bug; it must cost its own request and no other.
fn unharmed<T>(work: impl FnOnce() -> Result<T, PictureError>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|_| Error::Decoder)?
        .map_err(Error::Picture)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::FutureExt;

    use super::*;
    use crate::preprocess::Size;
    use crate::serving::Admission;

    /// The header of a BMP of one pixel, which is missing.
    fn bmp_without_pixels() -> Bytes {
        let mut file = b"BM".to_vec();
        file.extend([0_u32, 0, 54, 40, 1, 1].map(u32::to_le_bytes).concat());
        file.extend([1, 0, 24, 0]);
        file.resize(54, 0);
        file.into()
    }

    #[test]
    fn a_small_picture_waits_for_no_other_thread_but_a_jpeg_does() {
        let decoding = Decoding::new(Limits::default());
        let _all_turns = decoding
            .turns
            .try_acquire_many(decoding.turns.available_permits() as u32);
        let admission = Admission::new(2);
        let is_done = |image: Bytes| {
            let permit = admission.try_admit().expect("a place");
            let decode = decoding.decode(image, Fit::Auto, Size::MNIST.into(), permit);
            decode.now_or_never().is_some()
        };
        assert!(is_done(bmp_without_pixels()));
        assert!(!is_done(Bytes::from_static(&[0xff, 0xd8, 0xff, 0xd9])));
    }

    #[test]
    fn a_picture_that_was_given_up_is_decoded_no_further() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime");
        let _inside = runtime.enter();
        let job = |image| Job {
            image,
            fit: Fit::Auto,
            target: Size::MNIST.into(),
            limits: Limits::default(),
            memory: Arc::new(Semaphore::new(Limits::default().max_memory as usize)),
        };
        let no_picture = job(Bytes::from_static(b"no picture"));
        assert!(no_picture.run(|| false).is_err());
        assert_eq!(no_picture.run(|| true), Ok(None), "its headers were read");

        let no_pixels = job(bmp_without_pixels());
        assert!(no_pixels.run(|| false).is_err());
        let looks = Cell::new(0);
        let at_the_second_look = || looks.replace(looks.get() + 1) == 1;
        assert_eq!(
            no_pixels.run(at_the_second_look),
            Ok(None),
            "it was decoded"
        );
    }
}
