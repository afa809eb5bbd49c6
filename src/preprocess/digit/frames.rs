//! Circles and boxes that somebody drew round the digit, erased.

use super::Field;
use super::pieces::{Piece, grow, label};

/// What stands in a frame is at least this share as long as the frame: the dot of a zero is shorter.
const INNER: f32 = 0.34;
/// A frame is mostly empty: it covers less than this share of its box.
const HOLLOW: f32 = 0.45;
/// A frame shorter than this share of the page is none.
const LARGE: f32 = 0.12;
/// In so many directions one looks from the middle of the inner piece …
const DIRECTIONS: usize = 64;
/// … and sees the frame in at least so many.
const SEEN: usize = 52;

/// More pieces of some length than this are a pattern or writing, and none of them is looked at as a frame: each would be
/// against each other.
const MOST: usize = 64;

/// Takes the frames out of `mask`, and out of `strength` what they leave around them.
pub fn erase(strength: &mut Field, mask: &mut [bool]) {
    let (width, height) = (strength.width, strength.height);
    let (labels, pieces) = label(mask, mask, width, height);
    let page = width.min(height) as f32;
    let large: Vec<(usize, &Piece)> = (pieces.iter().enumerate())
        .filter(|(_, piece)| piece.longer_side() as f32 > LARGE * INNER * page)
        .collect();
    if large.len() > MOST {
        return;
    }
    let is_frame = |&(number, frame): &(usize, &Piece)| {
        frame.longer_side() as f32 > LARGE * page
            && (frame.area as f32) < HOLLOW * frame.box_area() as f32
            && large.iter().any(|(_, inner)| {
                inner.longer_side() as f32 > INNER * frame.longer_side() as f32
                    && frame.holds(inner)
                    && is_seen_from(inner.middle(), number + 1, &labels, (width, height))
            })
    };
    let frames: Vec<usize> = (large.iter().filter(|piece| is_frame(piece)))
        .map(|(number, _)| number + 1)
        .collect();
    if frames.is_empty() {
        return;
    }
    let of_frames: Vec<bool> = labels.iter().map(|label| frames.contains(label)).collect();
    for (is_ink, _) in mask.iter_mut().zip(&of_frames).filter(|(_, frame)| **frame) {
        *is_ink = false;
    }
    let near = grow(&of_frames, width, 2);
    let others = grow(mask, width, 1);
    for (at, value) in strength.values.iter_mut().enumerate() {
        if near[at] && !others[at] {
            *value = value.min(0.0);
        }
    }
}

/// Whether the piece of this number stands in nearly all directions from a place.
fn is_seen_from(
    (x, y): (usize, usize),
    number: usize,
    labels: &[usize],
    (width, height): (usize, usize),
) -> bool {
    let sees = |direction: usize| {
        let angle = direction as f32 / DIRECTIONS as f32 * std::f32::consts::TAU;
        let (dy, dx) = angle.sin_cos();
        (0..width + height)
            .map(|step| (x as f32 + dx * step as f32, y as f32 + dy * step as f32))
            .take_while(|&(x, y)| x >= 0.0 && y >= 0.0 && x < width as f32 && y < height as f32)
            .any(|(x, y)| labels[y as usize * width + x as usize] == number)
    };
    (0..DIRECTIONS).filter(|&direction| sees(direction)).count() >= SEEN
}
