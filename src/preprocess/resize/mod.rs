//! Scaling a picture as Pillow does, to the bit.
//!
//! This is the algorithm of Pillow's `Resample.c` for 8-bit channels: a separable filter, widened by
//! the scale where the picture shrinks (antialiasing), in fixed point with 22 bits, rounded to 8 bits
//! after the rows and again after the columns. Libraries that scale faster round elsewhere, and are
//! up to 20 grey levels away from what a model trained on Pillow's pictures has seen.

mod windows;

use std::ops::Range;

use windows::{Span, Window, windows};

use super::{Budget, Crop, Filter, PictureError, Size, Target};

/// Coefficients are integers of 1 / 2^22.
const FRACTION_BITS: u32 = 22;
const HALF: i32 = 1 << (FRACTION_BITS - 1);
/// How many rows pass between two looks at the clock.
const ROWS_A_LOOK: usize = 256;

fn to_byte(sum: i32) -> u8 {
    (sum >> FRACTION_BITS).clamp(0, 255) as u8
}

/// What of a picture is scaled to what.
pub struct Scaling {
    from: Size,
    to: Size,
    across: Span,
    down: Span,
    filter: Filter,
}

/// Scales `grey` (`from` pixels, row by row) to `to`.
pub fn scale(
    grey: Vec<u8>,
    from: Size,
    to: Size,
    filter: Filter,
    budget: &Budget,
) -> Result<Vec<u8>, PictureError> {
    let target = Target {
        filter,
        ..Target::grey(to)
    };
    Scaling::new(from, &target).run::<1>(grey, budget)
}

impl Scaling {
    pub fn new(from: Size, target: &Target) -> Self {
        let to = target.size;
        let (across, down) = match target.crop {
            Crop::Nothing => (Span::all(from.width), Span::all(from.height)),
            Crop::Pixels => middle_of_pixels(from, to),
            Crop::Exact => middle(from, to),
        };
        Self {
            from,
            to,
            across,
            down,
            filter: target.filter,
        }
    }

    /// The most bytes that [`Scaling::run`] holds beside the picture, its answer included.
    pub fn memory(&self, channels: usize) -> u64 {
        let Self { from, to, .. } = *self;
        // A sum of four bytes for each target row's pixel, which becomes a byte; then the answer.
        let kept = if self.is_columns_first() {
            from.width
        } else {
            to.width
        };
        let rows = channels * (5 * kept * to.height + to.width * to.height + to.width);
        // A weight is four bytes, and eight while its window is laid out; windows overlap up to twice as often as the
        // filter reaches to a side.
        let overlap = match self.filter {
            Filter::Lanczos => 6,
            _ => 4,
        };
        let windows = |from: usize, to: usize| {
            to * size_of::<Window>() + 4 * (overlap * from.max(to) + 2 * to)
        };
        let one = 8 * (overlap * from.width.max(from.height) + 2);
        (rows + windows(from.width, to.width) + windows(from.height, to.height) + one) as u64
    }

    /// Scales `pixels`, row by row, of `C` bytes each. The rows go by once, so that nothing of the source's height is
    /// kept.
    pub fn run<const C: usize>(
        &self,
        pixels: Vec<u8>,
        budget: &Budget,
    ) -> Result<Vec<u8>, PictureError> {
        let Self { from, to, .. } = *self;
        if from == to && self.across == Span::all(from.width) && self.down == Span::all(from.height)
        {
            return Ok(pixels);
        }
        let across = windows(from.width, self.across, to.width, self.filter);
        let down = windows(from.height, self.down, to.height, self.filter);
        if self.filter == Filter::Nearest {
            return Ok(pick::<C>(&pixels, from.width, &across, &down));
        }
        let columns_first = self.is_columns_first();
        let kept = if columns_first { from.width } else { to.width };
        let mut columns = Columns::new(&down, C * kept);
        let mut line = vec![0; C * to.width];
        let used = columns.used();
        for (y, row) in pixels.chunks_exact(C * from.width).enumerate() {
            if y % ROWS_A_LOOK == ROWS_A_LOOK - 1 {
                budget.check_time()?;
            }
            if !used.contains(&y) {
                continue;
            }
            if columns_first {
                columns.add(y, row);
            } else {
                scale_row::<C>(row, &across, &mut line);
                columns.add(y, &line);
            }
        }
        let scaled: Vec<u8> = columns.sums.into_iter().map(to_byte).collect();
        if !columns_first {
            return Ok(scaled);
        }
        let mut both = vec![0; C * to.pixels()];
        for (row, target) in scaled
            .chunks_exact(C * from.width)
            .zip(both.chunks_exact_mut(C * to.width))
        {
            scale_row::<C>(row, &across, target);
        }
        Ok(both)
    }

    /// Pillow scales the rows first, and since version 13 the columns first where that takes away more
    /// than twice as many lines. The order shows where the filter overshoots black or white.
    fn is_columns_first(&self) -> bool {
        let Self { from, to, .. } = self;
        from.height > to.height && from.height + 2 * to.width > 2 * from.width + to.height
    }
}

/// The largest rectangle of `to`'s proportion in the middle of `from`, as `keras.utils.load_img` has it.
fn middle_of_pixels(from: Size, to: Size) -> (Span, Span) {
    let high = (from.width * to.height / to.width).clamp(1, from.height);
    let wide = (from.height * to.width / to.height).clamp(1, from.width);
    let span = |all: usize, part: usize| Span {
        from: ((all - part) / 2) as f32,
        to: ((all - part) / 2 + part) as f32,
    };
    (span(from.width, wide), span(from.height, high))
}

/// The same, as `ImageOps.fit` has it.
fn middle(from: Size, to: Size) -> (Span, Span) {
    let (width, height) = (from.width as f64, from.height as f64);
    let (had, wanted) = (width / height, to.width as f64 / to.height as f64);
    let (wide, high) = if had == wanted {
        (width, height)
    } else if had >= wanted {
        (wanted * height, height)
    } else {
        (width, width / wanted)
    };
    let span = |all: f64, part: f64| {
        let start = (all - part) * 0.5;
        Span {
            from: start as f32,
            to: ((start + part) as f32).min(all as f32),
        }
    };
    (span(width, wide), span(height, high))
}

/// The pixels that begin the windows.
fn pick<const C: usize>(
    pixels: &[u8],
    width: usize,
    across: &[Window],
    down: &[Window],
) -> Vec<u8> {
    let (pixels, _) = pixels.as_chunks::<C>();
    let mut picked = Vec::with_capacity(C * across.len() * down.len());
    for window in down {
        let row = &pixels[width * window.start..][..width];
        picked.extend(across.iter().flat_map(|window| row[window.start]));
    }
    picked
}

fn scale_row<const C: usize>(row: &[u8], windows: &[Window], target: &mut [u8]) {
    let (row, _) = row.as_chunks::<C>();
    let (target, _) = target.as_chunks_mut::<C>();
    for (target, window) in target.iter_mut().zip(windows) {
        *target = weigh(&row[window.start..], &window.weights).map(to_byte);
    }
}

/// The target's rows, to which the source's rows are added as they come.
struct Columns<'a> {
    windows: &'a [Window],
    width: usize,
    sums: Vec<i32>,
    /// The first target row that is not complete.
    open: usize,
}

impl<'a> Columns<'a> {
    fn new(windows: &'a [Window], width: usize) -> Self {
        Self {
            windows,
            width,
            sums: vec![HALF; width * windows.len()],
            open: 0,
        }
    }

    /// The rows of the source that the target is made of.
    fn used(&self) -> Range<usize> {
        let starts = self.windows.iter().map(|window| window.start);
        let ends = self.windows.iter().map(|w| w.start + w.weights.len());
        starts.min().unwrap_or(0)..ends.max().unwrap_or(0)
    }

    /// Adds row `y` of the source to every target row that it is part of.
    fn add(&mut self, y: usize, row: &[u8]) {
        let is_over = |w: &Window| w.start + w.weights.len() <= y;
        while self.windows.get(self.open).is_some_and(is_over) {
            self.open += 1;
        }
        let rows = self.sums.chunks_exact_mut(self.width).zip(self.windows);
        let rows = rows.skip(self.open);
        for (sums, window) in rows.take_while(|(_, window)| window.start <= y) {
            let weight = window.weights.get(y - window.start).copied().unwrap_or(0);
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += weight * i32::from(value);
            }
        }
    }
}

/// The weights' absolute values sum to less than 2, so the sum stays within 32 bits.
#[inline]
fn weigh<const C: usize>(pixels: &[[u8; C]], weights: &[i32]) -> [i32; C] {
    let mut sums = [HALF; C];
    for (pixel, &weight) in pixels.iter().zip(weights) {
        for (sum, &value) in sums.iter_mut().zip(pixel) {
            *sum += weight * i32::from(value);
        }
    }
    sums
}
