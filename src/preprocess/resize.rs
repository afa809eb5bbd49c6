//! Scaling a grey picture as Pillow does, to the bit.
//!
//! This is the algorithm of Pillow's `Resample.c` for 8-bit channels: a separable filter, widened by
//! the scale where the picture shrinks (antialiasing), in fixed point with 22 bits, rounded to 8 bits
//! after the rows and again after the columns. Libraries that scale faster round elsewhere, and are
//! up to 20 grey levels away from what a model trained on Pillow's pictures has seen.

use super::{Budget, PictureError, Size};

/// Coefficients are integers of 1 / 2^22.
const FRACTION_BITS: u32 = 22;
const HALF: i32 = 1 << (FRACTION_BITS - 1);
/// How many rows pass between two looks at the clock.
const ROWS_A_LOOK: usize = 256;

#[derive(Clone, Copy)]
pub enum Filter {
    /// A triangle.
    Bilinear,
    /// R. Keys, "Cubic convolution interpolation for digital image processing" (1981), a = -0.5.
    Bicubic,
}

impl Filter {
    /// How far the filter reaches to each side.
    fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let x = x.abs();
        match self {
            Self::Bilinear => (1.0 - x).max(0.0),
            Self::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            Self::Bicubic => 0.0,
        }
    }
}

/// The source pixels that one target pixel is made of: from `start` on, one for each weight.
struct Window {
    start: usize,
    weights: Vec<i32>,
}

/// One window for each of `to` pixels of a line that has `from`.
fn windows(from: usize, to: usize, filter: Filter) -> Vec<Window> {
    if from == to {
        let own = |start| Window {
            start,
            weights: vec![1 << FRACTION_BITS],
        };
        return (0..to).map(own).collect();
    }
    let scale = from as f64 / to as f64;
    let widened = scale.max(1.0);
    let support = filter.support() * widened;
    (0..to)
        .map(|i| {
            let centre = (i as f64 + 0.5) * scale;
            let start = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(from);
            let weigh = |x: usize| filter.weight((x as f64 - centre + 0.5) * (1.0 / widened));
            let weights: Vec<f64> = (start..end).map(weigh).collect();
            let sum: f64 = weights.iter().sum();
            let share = if sum == 0.0 { 1.0 } else { 1.0 / sum };
            let fixed = |w: f64| (w * share * f64::from(1 << FRACTION_BITS)).round() as i32;
            Window {
                start,
                weights: weights.into_iter().map(fixed).collect(),
            }
        })
        .collect()
}

fn to_byte(sum: i32) -> u8 {
    (sum >> FRACTION_BITS).clamp(0, 255) as u8
}

/// The most bytes that [`scale`] holds beside `grey`, its answer included.
pub fn memory(from: Size, to: Size) -> u64 {
    // A sum of four bytes for each target row's pixel, which becomes a byte; then the answer.
    let kept = if is_columns_first(from, to) {
        from.width
    } else {
        to.width
    };
    let rows = 5 * kept * to.height + to.width * to.height + to.width;
    // A weight is four bytes, and eight while its window is laid out; windows overlap up to four times.
    let windows =
        |from: usize, to: usize| to * size_of::<Window>() + 4 * (4 * from.max(to) + 2 * to);
    let one = 8 * (4 * from.width.max(from.height) + 2);
    (rows + windows(from.width, to.width) + windows(from.height, to.height) + one) as u64
}

/// Scales `grey` (`from` pixels, row by row) to `to`. The rows go by once, so that nothing of the
/// source's height is kept.
pub fn scale(
    grey: Vec<u8>,
    from: Size,
    to: Size,
    filter: Filter,
    budget: &Budget,
) -> Result<Vec<u8>, PictureError> {
    if from == to {
        return Ok(grey);
    }
    let across = windows(from.width, to.width, filter);
    let down = windows(from.height, to.height, filter);
    let columns_first = is_columns_first(from, to);
    let kept = if columns_first { from.width } else { to.width };
    let mut columns = Columns::new(&down, kept);
    let mut line = vec![0; to.width];
    for (y, row) in grey.chunks_exact(from.width).enumerate() {
        if columns_first {
            columns.add(y, row);
        } else {
            scale_row(row, &across, &mut line);
            columns.add(y, &line);
        }
        if y % ROWS_A_LOOK == ROWS_A_LOOK - 1 {
            budget.check_time()?;
        }
    }
    let scaled: Vec<u8> = columns.sums.into_iter().map(to_byte).collect();
    if !columns_first {
        return Ok(scaled);
    }
    let mut both = vec![0; to.width * to.height];
    for (row, target) in scaled
        .chunks_exact(from.width)
        .zip(both.chunks_exact_mut(to.width))
    {
        scale_row(row, &across, target);
    }
    Ok(both)
}

/// Pillow scales the rows first, and since version 13 the columns first where that takes away more
/// than twice as many lines. The order shows where the filter overshoots black or white.
fn is_columns_first(from: Size, to: Size) -> bool {
    from.height > to.height && from.height + 2 * to.width > 2 * from.width + to.height
}

fn scale_row(row: &[u8], windows: &[Window], target: &mut [u8]) {
    for (target, window) in target.iter_mut().zip(windows) {
        *target = to_byte(weigh(&row[window.start..], &window.weights));
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
fn weigh(pixels: &[u8], weights: &[i32]) -> i32 {
    let products = pixels.iter().zip(weights).map(|(&p, &w)| i32::from(p) * w);
    HALF + products.sum::<i32>()
}
