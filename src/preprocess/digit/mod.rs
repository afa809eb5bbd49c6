//! Any picture of one digit → what MNIST looks like.
//!
//! MNIST's own recipe is Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning
//! applied to document recognition" (1998), section III.A: the digit is scaled into a box of
//! 20 × 20 with its aspect ratio kept, antialiased, and its centre of mass is put in the middle of
//! 28 × 28. Before that stands what NIST's scanner had done already: finding the ink.
//!
//! 1. [`page`]: the picture is averaged down to a working size and turned upright.
//! 2. [`paper`]: the paper's colour is fitted over the page; how far each pixel is from it, towards
//!    the colour of the ink, is the strength of the ink.
//! 3. [`strokes`]: a threshold, connected pieces; frames, specks and neighbours are left out.
//! 4. [`place`]: thin strokes are thickened, the box scaled and centred.

mod page;
mod paper;
mod place;
mod strokes;

use self::paper::Light;
use super::picture::Picture;
use super::{Budget, PictureError, Size};

/// One number a pixel, row by row.
struct Field {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

/// The digit of `picture` as `size.height * size.width` bytes, light on black; all zeros where no
/// ink is found.
pub fn fit(picture: &Picture, size: Size, budget: &Budget) -> Result<Vec<u8>, PictureError> {
    let page = page::Page::of(picture);
    budget.check_time()?;
    let digit = [Light::Even, Light::Broken]
        .into_iter()
        .find_map(|light| strokes::select(&paper::ink(&page, light)));
    match digit {
        Some(digit) => place::place(&digit, size, budget),
        None => Ok(vec![0; size.width * size.height]),
    }
}
