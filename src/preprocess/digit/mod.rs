//! Any picture of one digit → what MNIST looks like.
//!
//! MNIST's own recipe is Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning
//! applied to document recognition" (1998), section III.A: the digit is scaled into a box of
//! 20 × 20 with its aspect ratio kept, antialiased, and its centre of mass is put in the middle of
//! 28 × 28. Before that stands what NIST's scanner had done already: finding the ink.
//!
//! 1. [`page`]: the picture is averaged down to a working size and turned upright.
//! 2. [`paper`]: the paper's colour is fitted over the page (or over the [`sheet`], where one lies on
//!    something); how far each pixel is from it, towards the colour of the ink, is the strength of
//!    the ink. Where that finds ink nearly everywhere, the paper is looked for as if it lay in light and
//!    [`shade`], then locally, and last on the border.
//! 3. [`strokes`]: [`rules`] and [`lines`] are erased; a threshold, connected pieces; [`frames`], specks and neighbours
//!    are left out.
//! 4. [`place`]: thin strokes are thickened, the box scaled and centred.

mod doubt;
mod frames;
mod levels;
mod lines;
mod page;
mod paper;
mod pieces;
mod place;
mod rules;
mod shade;
mod sheet;
mod strokes;

use self::page::Page;
use self::paper::Light;
use self::strokes::Digit;
use super::picture::Picture;
use super::{Budget, PictureError, Size};

/// Where ink seems to cover more than this share of a page, it may be the paper.
const CROWDED: f32 = 0.15;
/// More than this is never ink that lies whole on its paper.
const VERY_CROWDED: f32 = 0.35;

/// A page of fewer pixels along its longer side is too coarse for a paper that changes.
const SMALLEST_PHOTO: usize = 64;

/// A picture whose longer side has so many pixels is as good as a larger one.
pub const LEAST: u16 = 2 * page::LONGEST as u16;

/// Bytes for each pixel of a page: its colour and alpha, twice where it is turned upright, with the places of the turn.
const PAGE: u64 = 2 * 16 + 8;
/// Bytes for each pixel of a page while the digit is looked for, at the most: most of them are fields of one number,
/// the pages themselves, and the list of pieces, of which noise has one for every four pixels.
const WORK: u64 = 100;

/// One number a pixel, row by row.
struct Field {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

/// The most bytes that [`fit`] holds at once, a picture of so many pixels and bytes and the answer included.
pub fn memory(from: Size, picture: u64, size: Size) -> u64 {
    let page = Page::pixels(from) as u64;
    let page_made = picture + PAGE * page + 40 * from.width as u64;
    page_made.max(WORK * page) + place::memory(size)
}

/// The digit of `picture` as `size.height * size.width` bytes, light on black.
pub fn fit(picture: Picture, size: Size, budget: &Budget) -> Result<Vec<u8>, PictureError> {
    let page = Page::of(&picture);
    drop(picture);
    budget.check_time()?;
    let flat = paper::ink(&page, Light::Flat);
    let looks: [&dyn Fn() -> Option<Digit>; 4] = [
        &|| on_sheet(&page, &flat),
        &|| plain(&page),
        &|| shaded(&page),
        &|| crowded(&page, &flat),
    ];
    let mut found = None;
    for look in looks {
        budget.check_time()?;
        found = look();
        if found.is_some() {
            break;
        }
    }
    let digit = found.ok_or(PictureError::NoDigit)?;
    if let Some(refusal) = refusal(&page, &digit) {
        return Err(refusal);
    }
    place::place(&digit, size, budget)
}

/// Why what was found is no digit, or not one.
fn refusal(page: &Page, digit: &Digit) -> Option<PictureError> {
    /// Light that fades into shadow has less of an edge than the most blurred of strokes.
    const BLURRED: f32 = 0.25;
    /// It reaches the border of the page, where a stroke is sharper.
    const BLURRED_AND_CUT: f32 = 0.5;
    /// More ink along the border than the tightest crop has: a pattern.
    const PATTERN: f32 = 0.4;
    /// Shorter than this part of the page, it is a speck.
    const SPECK: usize = 40;
    /// Shorter than this part of the page, and one of several, it is one too.
    const SPECKS: usize = 16;
    /// So many times as wide as high, it is writing, or a line.
    const WRITING: usize = 3;
    let longest = page.width.max(page.height);
    let is_photo = longest >= SMALLEST_PHOTO;
    let (width, height) = (digit.ink.width, digit.ink.height);
    let is_faded = is_photo && digit.is_cut;
    let is_blurred = digit.sharpness < if is_faded { BLURRED_AND_CUT } else { BLURRED };
    let part = if digit.alike > 1 { SPECKS } else { SPECK };
    let is_speck = is_photo && width.max(height) * part < longest;
    let is_wide = width > WRITING * height;
    if is_blurred || is_speck || digit.border > PATTERN || (is_wide && digit.is_cut) {
        return Some(PictureError::NoDigit);
    }
    (is_wide || digit.others > 0).then_some(PictureError::SeveralDigits)
}

/// The digit of a page that is paper nearly everywhere.
fn plain(page: &Page) -> Option<Digit> {
    let even = paper::ink(page, Light::Even);
    let cover = levels::cover(&even);
    if cover > VERY_CROWDED {
        return None;
    }
    strokes::select(&even).filter(|digit| cover <= CROWDED || digit.is_whole())
}

/// The digit of a photograph with a shadow across it.
fn shaded(page: &Page) -> Option<Digit> {
    if page.width.max(page.height) < SMALLEST_PHOTO {
        return None;
    }
    let ink = shade::ink(page)?;
    if levels::cover(&ink) > VERY_CROWDED {
        return None;
    }
    strokes::select(&ink).filter(|digit| digit.is_whole() && refusal(page, digit).is_none())
}

/// The digit of a page that has parts of different colours: light and shadow, or ink and paper of
/// a tight crop.
fn crowded(page: &Page, flat: &Field) -> Option<Digit> {
    let broken = paper::ink(page, Light::Broken);
    let is_narrow = || {
        page.width.max(page.height) >= SMALLEST_PHOTO
            && levels::cover(&broken) < CROWDED
            && levels::has_two_levels(&broken)
    };
    strokes::select(&broken)
        .filter(|digit| !digit.is_cut && is_narrow())
        .or_else(|| strokes::select(flat))
        .or_else(|| strokes::select(&broken))
}

/// The digit on a sheet that lies on something of another colour.
fn on_sheet(page: &Page, flat: &Field) -> Option<Digit> {
    let sheet = sheet::find(page, flat)?;
    let is_large = |ink: &Field| ink.width.max(ink.height) * 8 > sheet.width.min(sheet.height);
    plain(&sheet).filter(|digit| digit.is_whole() && is_large(&digit.ink))
}
