//! Circles and boxes that somebody drew round the digit, whole or of dashes, erased.

use super::Field;
use super::levels::Levels;
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
    take_out(strength, mask, &of_frames);
}

fn take_out(strength: &mut Field, mask: &mut [bool], of_frames: &[bool]) {
    let width = strength.width;
    for (is_ink, _) in mask.iter_mut().zip(of_frames).filter(|(_, frame)| **frame) {
        *is_ink = false;
    }
    let near = grow(of_frames, width, 2);
    let others = grow(mask, width, 1);
    for (at, value) in strength.values.iter_mut().enumerate() {
        if near[at] && !others[at] {
            *value = value.min(0.0);
        }
    }
}

/// Takes out dots and dashes that stand around the largest piece.
pub fn erase_dashes(strength: &mut Field, mask: &mut [bool]) {
    /// A dash is smaller than this part of what it stands around.
    const PART: usize = 5;
    const FEWEST: usize = 8;
    /// In so many sectors one looks from the middle of the largest piece …
    const SECTORS: usize = 24;
    /// … and sees dashes in at least so many.
    const FULL: usize = 20;
    let (labels, pieces) = label(mask, mask, strength.width, strength.height);
    let Some(inner) = pieces.iter().max_by_key(|piece| piece.area) else {
        return;
    };
    let is_dash: Vec<bool> = (pieces.iter())
        .map(|piece| {
            (1..=inner.longer_side()).contains(&piece.gap(inner)) && PART * piece.area < inner.area
        })
        .collect();
    if is_dash.iter().filter(|is_dash| **is_dash).count() < FEWEST {
        return;
    }
    let of_dashes: Vec<bool> = (labels.iter())
        .map(|&label| label > 0 && is_dash[label - 1])
        .collect();
    let (x, y) = inner.middle();
    let mut seen = [false; SECTORS];
    for at in (0..of_dashes.len()).filter(|&at| of_dashes[at]) {
        let dx = (at % strength.width) as f32 - x as f32;
        let dy = (at / strength.width) as f32 - y as f32;
        let turn = dy.atan2(dx) / std::f32::consts::TAU + 0.5;
        seen[((turn * SECTORS as f32) as usize).min(SECTORS - 1)] = true;
    }
    if seen.iter().filter(|seen| **seen).count() >= FULL {
        take_out(strength, mask, &of_dashes);
    }
}

/// Takes out of `strength` what is stronger than `edge` along all four sides of the page, and hangs together, if
/// something is left inside.
pub fn erase_border(strength: &mut Field, edge: f32) {
    /// So near to the border, as a share of the page's side.
    const NEAR: usize = 12;
    /// The share of a side along which it stands.
    const ALONG: f32 = 0.8;
    let (width, height) = (strength.width, strength.height);
    let mask: Vec<bool> = strength.values.iter().map(|&s| s > edge).collect();
    let (deep, wide) = (height / NEAR, width / NEAR);
    let is_along = |length: usize, depth: usize, at: &dyn Fn(usize, usize) -> usize| {
        let inked = (0..length).filter(|&i| (0..depth).any(|j| mask[at(i, j)]));
        inked.count() as f32 > ALONG * length as f32
    };
    let is_all_around = is_along(width, deep, &|x, y| y * width + x)
        && is_along(width, deep, &|x, y| (height - 1 - y) * width + x)
        && is_along(height, wide, &|y, x| y * width + x)
        && is_along(height, wide, &|y, x| y * width + width - 1 - x);
    if !is_all_around {
        return;
    }
    let is_near = |at: usize| {
        let (x, y) = (at % width, at / width);
        x < wide || y < deep || x + wide >= width || y + deep >= height
    };
    let (labels, pieces) = label(&mask, &mask, width, height);
    let mut inside = vec![0; pieces.len()];
    for at in (0..mask.len()).filter(|&at| mask[at] && !is_near(at)) {
        inside[labels[at] - 1] += 1;
    }
    let of_frame: Vec<bool> = (labels.iter())
        .map(|&label| label > 0 && inside[label - 1] == 0)
        .collect();
    let near = grow(&of_frame, width, 2);
    let values: Vec<f32> = (strength.values.iter().zip(&near))
        .map(|(&value, near)| if *near { value.min(0.0) } else { value })
        .collect();
    if Levels::of(&values).is_some() {
        strength.values = values;
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
