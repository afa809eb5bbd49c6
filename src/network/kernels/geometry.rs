//! How the kernels of convolutions walk over pictures.

use std::ops::Range;

use super::Refused;
use super::few_channels::{Quads, STEPS};
use super::gemm::{FusedPool, Part, Walk};
use super::layout::Layout;
use super::operation::{Conv2d, Shape, Window};
use super::winograd::Tiles;

/// A border as wide as the wider of the two on each side.
pub(super) fn widest(a: [(usize, usize); 2], b: [(usize, usize); 2]) -> [(usize, usize); 2] {
    [0, 1].map(|axis| (a[axis].0.max(b[axis].0), a[axis].1.max(b[axis].1)))
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

/// Taps in the picture, of all results along an axis.
fn inside(reaches: &[Reach]) -> usize {
    let taps = |reach: &Reach| reach.results.len() * reach.inside.len();
    reaches.iter().map(taps).sum()
}

/// With more, most pixels would be alone in their part.
const MAX_PARTS: usize = 100;

/// The pixels of a walk, grouped by which part of their windows lies in the picture.
pub(super) fn parts(input: &Layout, output: &Layout, conv: &Conv2d, walk: &Walk) -> Vec<Part> {
    let window = &conv.window;
    let Some(all) = &walk.all else {
        return Vec::new();
    };
    // Four pooled pixels would share their taps. So one row or column less could be left out, which is mostly none.
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

/// Where Winograd's tiles lie, if it can do this convolution.
pub(super) fn tiles(
    input: &Layout,
    (output, result): (&Layout, Shape),
    conv: &Conv2d,
    pool: FusedPool,
) -> Option<Tiles> {
    let Window {
        size,
        strides,
        dilation,
        padding,
    } = conv.window;
    let fits = size == [3, 3] && strides == [1, 1] && dilation == [1, 1] && conv.groups <= 1;
    let origin = [0, 1].map(|axis| input.border[axis].0 - padding[axis].0);
    // When pooling, a last row or column that no window covers is not computed.
    let size = match pool {
        FusedPool::None => [result.height, result.width],
        _ => [output.shape.height * 2, output.shape.width * 2],
    };
    // As `parts` does it: only what is not pooled leaves padding out.
    let along = |axis: usize| match pool {
        FusedPool::None => inside(&reaches(input, &conv.window, axis, size[axis])),
        _ => size[axis] * 3,
    };
    fits.then(|| Tiles {
        input: *input,
        origin,
        output: *output,
        size,
        pool,
        plain: along(0) * along(1),
    })
}

/// The walk as the kernel for few channels needs it, if it can do this convolution.
pub(super) fn quads(input: &Layout, output: &Layout, conv: &Conv2d, walk: &Walk) -> Option<Quads> {
    let all = walk.all.as_ref()?;
    let channels = input.shape.channels;
    let step = conv.window.strides[1] * channels;
    let pooled = walk.pool != FusedPool::None;
    let Shape { height, width, .. } = output.shape;
    // In stored pixels.
    let group = if pooled { 2 } else { 4 };
    let one_run = walk.run == conv.window.size[1] * channels;
    // The last group of a row repeats pixels of the one before. Too many of them cost more than this kernel saves.
    let narrow = width < group || width.next_multiple_of(group) * 4 > width * 5;
    if channels > 3 || !STEPS.contains(&step) || !one_run || narrow {
        return None;
    }
    let mut groups = Vec::new();
    for y in 0..height {
        for x in (0..width).step_by(group) {
            let x = x.min(width - group);
            let stored = y * width + x;
            let to = all.stored[stored];
            if pooled {
                // The four pixels of a stored one are two above two.
                groups.push((all.pixels[stored * 4], to));
                groups.push((all.pixels[stored * 4 + 2], to));
            } else {
                groups.push((all.pixels[stored], to));
            }
        }
    }
    Some(Quads {
        groups,
        taps: walk.taps.clone(),
        run: walk.run,
        step,
        pitch: output.shape.channels,
        pool: walk.pool,
    })
}
