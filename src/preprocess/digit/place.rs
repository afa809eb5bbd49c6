//! The digit, cut out → its place in the model's input.

use super::Field;
use super::strokes::Digit;
use crate::preprocess::resize::scale;
use crate::preprocess::{Budget, Filter, PictureError, Size};

/// MNIST's digits stand in a box of 20 of the 28 pixels of a side.
const BOX_SHARE: f32 = 20.0 / 28.0;
/// Strokes thinner than this many of 28 pixels are thickened (few of MNIST's are thinner) …
const THIN: f32 = 1.35;
/// … to this many.
const THICKENED: f32 = 2.0;
/// A thin stroke is thickened on a grid this many times finer than the model's.
const FINER: usize = 4;

/// The most bytes that [`place`] holds beside the digit, its answer included: a thin stroke is drawn on two finer grids
/// of four bytes a place, of which the larger one becomes bytes; the box covers half of the input.
pub fn memory(size: Size) -> u64 {
    let fine = (share_of(size.width) * FINER) * (share_of(size.height) * FINER);
    (10 * fine + 8 * size.width * size.height + (64 << 10)) as u64
}

/// `size.height * size.width` bytes: the digit as large as its box allows, its centre of mass in
/// the middle.
pub fn place(digit: &Digit, size: Size, budget: &Budget) -> Result<Vec<u8>, PictureError> {
    let room = Size {
        width: share_of(size.width),
        height: share_of(size.height),
    };
    let target = within(&digit.ink, room);
    let unit = size.width.min(size.height) as f32 / 28.0;
    let ratio =
        target.height.max(target.width) as f32 / digit.ink.height.max(digit.ink.width) as f32;
    let small = if digit.stroke * ratio < THIN * unit {
        thicken(digit, room, THICKENED * unit, budget)?
    } else {
        shrink(&digit.ink, target, budget)?
    };
    Ok(centre(&small, size))
}

fn share_of(side: usize) -> usize {
    ((side as f32 * BOX_SHARE).round() as usize).max(1)
}

/// The largest size with the aspect ratio of `ink` that `room` holds.
fn within(ink: &Field, room: Size) -> Size {
    let ratio = (room.width as f32 / ink.width as f32).min(room.height as f32 / ink.height as f32);
    let side = |n: usize, most: usize| ((n as f32 * ratio).round() as usize).clamp(1, most);
    Size {
        width: side(ink.width, room.width),
        height: side(ink.height, room.height),
    }
}

struct Small {
    size: Size,
    values: Vec<u8>,
}

/// Scales `ink` to `to`, antialiased; the strongest pixel becomes 255.
fn shrink(ink: &Field, to: Size, budget: &Budget) -> Result<Small, PictureError> {
    let bytes: Vec<u8> = ink
        .values
        .iter()
        .map(|v| (v * 255.0).round() as u8)
        .collect();
    let from = Size {
        width: ink.width,
        height: ink.height,
    };
    let mut values = scale(bytes, from, to, Filter::Bilinear, budget)?;
    let peak = u32::from(values.iter().copied().max().unwrap_or(0)).max(1);
    for v in &mut values {
        *v = (u32::from(*v) * 255 / peak) as u8;
    }
    Ok(Small { size: to, values })
}

/// [`shrink`] into `room` with strokes of about `stroke` pixels: averaging would make a thin
/// stroke faint, where a wider pen would have made it bold.
fn thicken(digit: &Digit, room: Size, stroke: f32, budget: &Budget) -> Result<Small, PictureError> {
    let reach = (stroke / 2.0 * FINER as f32).ceil() as usize;
    let fine_room = Size {
        width: (room.width * FINER).saturating_sub(2 * reach).max(1),
        height: (room.height * FINER).saturating_sub(2 * reach).max(1),
    };
    let fine = within(&digit.ink, fine_room);
    let ratio = fine.height.max(fine.width) as f32 / digit.ink.height.max(digit.ink.width) as f32;
    let drawn = largest_of_squares(&digit.ink, fine);
    // Taking the largest has made each stroke wider by about one square.
    let has = digit.stroke * ratio + if ratio < 1.0 { 1.0 } else { 0.0 };
    let radius = (stroke * FINER as f32 - has).max(0.0) / 2.0;
    let wide = dilate(&drawn, radius, reach, budget)?;
    shrink(&wide, within(&wide, room), budget)
}

/// Scales `ink` to `to`; each pixel is the largest of those that fall on it.
fn largest_of_squares(ink: &Field, to: Size) -> Field {
    let span = |i: usize, n: usize, of: usize| {
        let start = i * of / n;
        (start, ((i + 1) * of).div_ceil(n).max(start + 1).min(of))
    };
    let mut values = Vec::with_capacity(to.width * to.height);
    for y in 0..to.height {
        let (top, bottom) = span(y, to.height, ink.height);
        for x in 0..to.width {
            let (left, right) = span(x, to.width, ink.width);
            let rows =
                (top..bottom).map(|y| &ink.values[y * ink.width + left..y * ink.width + right]);
            values.push(rows.flatten().copied().fold(0.0, f32::max));
        }
    }
    Field {
        width: to.width,
        height: to.height,
        values,
    }
}

/// Draws every pixel as a disc of `radius`, soft at its rim, on a canvas `margin` larger on each side.
///
/// Noise on a large input is millions of large discs, so the clock is looked at after each row.
fn dilate(ink: &Field, radius: f32, margin: usize, budget: &Budget) -> Result<Field, PictureError> {
    let (width, height) = (ink.width + 2 * margin, ink.height + 2 * margin);
    let reach = (radius.ceil() as usize).min(margin);
    let mut disc = Vec::new();
    for dy in 0..=2 * reach {
        for dx in 0..=2 * reach {
            let far = (dx.abs_diff(reach) as f32).hypot(dy.abs_diff(reach) as f32);
            let weight = (radius + 0.5 - far).clamp(0.0, 1.0);
            if weight > 0.0 {
                disc.push((dx, dy, weight));
            }
        }
    }
    let mut values = vec![0.0_f32; width * height];
    for (y, row) in ink.values.chunks_exact(ink.width).enumerate() {
        for (x, &v) in row.iter().enumerate().filter(|&(_, &v)| v > 0.0) {
            for &(dx, dy, weight) in &disc {
                let at = (y + margin - reach + dy) * width + x + margin - reach + dx;
                values[at] = values[at].max(v * weight);
            }
        }
        budget.check_time()?;
    }
    Ok(Field {
        width,
        height,
        values,
    })
}

/// Puts the centre of mass on the middle of the input, as near as whole pixels and its border allow.
fn centre(small: &Small, size: Size) -> Vec<u8> {
    let (mut mass, mut moment_x, mut moment_y) = (0.0_f64, 0.0, 0.0);
    for (y, row) in small.values.chunks_exact(small.size.width).enumerate() {
        for (x, &v) in row.iter().enumerate() {
            mass += f64::from(v);
            moment_x += f64::from(v) * x as f64;
            moment_y += f64::from(v) * y as f64;
        }
    }
    let start = |moment: f64, inner: usize, outer: usize| {
        let wanted = (outer as f64 / 2.0 - moment / mass.max(1.0))
            .round()
            .max(0.0);
        (wanted as usize).min(outer - inner)
    };
    let left = start(moment_x, small.size.width, size.width);
    let top = start(moment_y, small.size.height, size.height);
    let mut input = vec![0; size.width * size.height];
    let rows = input.chunks_exact_mut(size.width).skip(top);
    for (to, from) in rows.zip(small.values.chunks_exact(small.size.width)) {
        to[left..left + small.size.width].copy_from_slice(from);
    }
    input
}
