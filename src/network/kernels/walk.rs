//! Which values of its input make each pixel of a convolution's result.

use std::ops::Range;

use super::Refused;
use super::epilogue::FusedPool;
use super::layout::Layout;
use super::operation::{Conv2d, Shape, Window};

/// Which values of the input make a pixel of the result.
#[derive(Debug)]
pub(super) struct Walk {
    /// All pixels with their whole windows; `None` over a dilated input, where no pixel sees all taps.
    pub all: Option<Part>,
    /// The same pixels, grouped by which values of their windows matter; empty if that saves too little.
    pub parts: Vec<Part>,
    /// Where each run begins in a window.
    pub taps: Vec<u32>,
    /// Values in a run.
    pub run: usize,
    /// How pixels are pooled before they are stored.
    pub pool: FusedPool,
}

/// Pixels that need the same part of their windows.
#[derive(Debug)]
pub(super) struct Part {
    /// Where each pixel's window begins in an example.
    pub pixels: Vec<u32>,
    /// Where each stored pixel goes in an example's result.
    pub stored: Vec<u32>,
    /// Which of the walk's taps.
    pub taps: Range<usize>,
    /// Which values of each run.
    pub run: Range<usize>,
}

impl Walk {
    /// Whether each example is one row to be multiplied, and its result has no border.
    pub fn is_vector(&self) -> bool {
        let is_first = |part: &Part| part.pixels == [0] && part.stored == [0];
        self.all.as_ref().is_some_and(is_first) && self.taps == [0]
    }

    /// What to compute for this many examples, in tiles of `tile` pixels. Parts leave out products, but the last tile of
    /// each may be almost empty.
    pub fn parts(&self, examples: usize, tile: usize) -> &[Part] {
        let products = |part: &Part| {
            let tiles = (part.pixels.len() * examples).div_ceil(tile);
            tiles * part.taps.len() * part.run.len()
        };
        let Some(all) = &self.all else {
            return &self.parts;
        };
        let apart = self.parts.iter().map(products).sum();
        if !self.parts.is_empty() && Self::pays(apart, products(all)) {
            &self.parts
        } else {
            std::slice::from_ref(all)
        }
    }

    /// Whether `apart` products are enough less than `all`: by a sixteenth.
    pub fn pays(apart: usize, all: usize) -> bool {
        apart * 16 < all * 15
    }
}

/// Where each tap lies, counted from where the window begins.
pub(super) fn taps(input: &Layout, window: &Window) -> Vec<usize> {
    let [rows, columns] = window.size;
    let [down, right] = window.dilation;
    (0..rows * columns)
        .map(|tap| input.at(tap / columns * down, tap % columns * right))
        .collect()
}

/// Refuses pictures in which the offset of a pixel may not fit in 32 bits.
pub(super) fn check_32_bits(input: &Layout, output: &Layout) -> Result<(), Refused> {
    let message = "a picture of more than 4 G values, border included";
    match u32::try_from(input.len().max(output.len())) {
        Ok(_) => Ok(()),
        Err(_) => Err(Refused(message.into())),
    }
}

/// How a convolution walks over `input`.
pub(super) fn walk(
    input: &Layout,
    output: &Layout,
    conv: &Conv2d,
    pool: FusedPool,
) -> Result<Walk, Refused> {
    check_32_bits(input, output)?;
    let Window {
        size,
        strides,
        dilation,
        padding,
    } = conv.window;
    let groups = conv.groups.max(1);
    let channels = input.shape.channels / groups;
    // Taps that are neighbours in memory make one run.
    let one_run = groups == 1 && (dilation[1] == 1 || size[1] == 1);
    let columns = if one_run { size[1] } else { 1 };
    let taps = taps(input, &conv.window).into_iter().step_by(columns);
    let taps: Vec<u32> = taps.map(|tap| tap as u32).collect();
    let (top, left) = (
        input.border[0].0 - padding[0].0,
        input.border[1].0 - padding[1].0,
    );
    let side = if pool == FusedPool::None { 1 } else { 2 };
    let Shape { height, width, .. } = output.shape;
    let mut all = Part {
        pixels: Vec::with_capacity(height * width * side * side),
        stored: Vec::with_capacity(height * width),
        taps: 0..taps.len(),
        run: 0..columns * channels,
    };
    for y in 0..height {
        for x in 0..width {
            for part in 0..side * side {
                let y = (y * side + part / side) * strides[0];
                let x = (x * side + part % side) * strides[1];
                all.pixels.push(input.at(top + y, left + x) as u32);
            }
            all.stored.push(output.pixel(y, x) as u32);
        }
    }
    Ok(Walk {
        run: all.run.end,
        all: Some(all),
        parts: Vec::new(),
        taps,
        pool,
    })
}

/// Neighbouring results along an axis whose windows have the same taps in the picture.
struct Reach {
    results: Range<usize>,
    /// Which taps lie in the picture.
    inside: Range<usize>,
}

fn reaches(input: &Layout, window: &Window, axis: usize, results: usize) -> Vec<Reach> {
    let len = [input.shape.height, input.shape.width][axis];
    let mut reaches: Vec<Reach> = Vec::new();
    for result in 0..results {
        // The first tap that is not before the picture, and the first one after it.
        let begin = result * window.strides[axis];
        let before = window.padding[axis].0;
        let [first, end] = [before, before + len].map(|edge| {
            let taps = edge.saturating_sub(begin).div_ceil(window.dilation[axis]);
            taps.min(window.size[axis])
        });
        let inside = if first < end { first..end } else { 0..0 };
        match reaches.last_mut() {
            Some(last) if last.inside == inside => last.results.end = result + 1,
            _ => reaches.push(Reach {
                results: result..result + 1,
                inside,
            }),
        }
    }
    reaches
}

/// Taps in the picture, of all `results` along an axis together.
pub(super) fn taps_inside(input: &Layout, window: &Window, axis: usize, results: usize) -> usize {
    inside(&reaches(input, window, axis, results))
}

fn inside(reaches: &[Reach]) -> usize {
    let taps = |reach: &Reach| reach.results.len() * reach.inside.len();
    reaches.iter().map(taps).sum()
}

/// With more parts, most pixels would be alone in theirs.
const MAX_PARTS: usize = 100;

/// The pixels of a walk, grouped by which part of their windows lies in the picture.
pub(super) fn parts(input: &Layout, output: &Layout, conv: &Conv2d, walk: &Walk) -> Vec<Part> {
    let window = &conv.window;
    let Some(all) = &walk.all else {
        return Vec::new();
    };
    // Four pooled pixels share their taps. One row or column less could be left out, which is mostly none at all.
    if walk.pool != FusedPool::None || window.padding == [(0, 0); 2] {
        return Vec::new();
    }
    let Shape { height, width, .. } = output.shape;
    let rows = reaches(input, window, 0, height);
    // A run of a single tap lies wholly in the picture or outside.
    let one_run = walk.taps.len() == window.size[0];
    let (in_run, columns) = if one_run {
        (window.size[1], reaches(input, window, 1, width))
    } else {
        let whole = Reach {
            results: 0..width,
            inside: 0..1,
        };
        (1, vec![whole])
    };
    let products = height * window.size[0] * width * in_run;
    let pays = Walk::pays(inside(&rows) * inside(&columns), products);
    if rows.len() * columns.len() > MAX_PARTS || !pays {
        return Vec::new();
    }
    let (row_taps, values) = (walk.taps.len() / window.size[0], walk.run / in_run);
    let mut parts = Vec::new();
    for row in &rows {
        for column in &columns {
            let of = |values: &[u32]| {
                let row = row.results.clone().map(|y| y * width);
                row.flat_map(|y| column.results.clone().map(move |x| values[y + x]))
                    .collect()
            };
            parts.push(Part {
                pixels: of(&all.pixels),
                stored: of(&all.stored),
                taps: row.inside.start * row_taps..row.inside.end * row_taps,
                run: column.inside.start * values..column.inside.end * values,
            });
        }
    }
    parts
}
