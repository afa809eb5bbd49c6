//! How the kernels of convolutions walk over pictures.

use std::ops::Range;

use super::Refused;
use super::layout::Layout;
use super::multiply::{Part, Pool, Walk};
use super::operation::{Conv2d, Shape, Window};
use super::thin::{Quads, STEPS};
use super::winograd::Tiles;

/// The border that is as wide as both.
pub(super) fn widest(a: [(usize, usize); 2], b: [(usize, usize); 2]) -> [(usize, usize); 2] {
    [0, 1].map(|axis| (a[axis].0.max(b[axis].0), a[axis].1.max(b[axis].1)))
}

/// Where a window's taps lie in it, tap by tap.
pub(super) fn taps(input: &Layout, window: &Window) -> Vec<usize> {
    let [rows, columns] = window.size;
    let [down, right] = window.dilation;
    (0..rows * columns)
        .map(|tap| input.at(tap / columns * down, tap % columns * right))
        .collect()
}

/// How a convolution walks over `input`.
pub(super) fn walk(
    input: &Layout,
    output: &Layout,
    conv: &Conv2d,
    pool: Pool,
) -> Result<Walk, Refused> {
    if u32::try_from(input.len().max(output.len())).is_err() {
        let message = "a picture with its border of more than 4 G values";
        return Err(Refused(message.into()));
    }
    let Window { size, dilation, .. } = conv.window;
    let groups = conv.groups.max(1);
    let channels = input.shape.channels / groups;
    // Taps that are neighbours in memory make one run.
    let one_run = groups == 1 && (dilation[1] == 1 || size[1] == 1);
    let columns = if one_run { size[1] } else { 1 };
    let taps = taps(input, &conv.window).into_iter().step_by(columns);
    let taps: Vec<u32> = taps.map(|tap| tap as u32).collect();
    let run = columns * channels;
    let side = if pool == Pool::None { 1 } else { 2 };
    let Shape { height, width, .. } = output.shape;
    let [rows, columns] = [(0, height), (1, width)].map(|(axis, len)| {
        let spans = (0..len * side).map(|result| span(input, &conv.window, axis, result));
        spans.collect::<Vec<_>>()
    });
    let mut all = Part {
        pixels: Vec::new(),
        stored: Vec::new(),
        taps: 0..taps.len(),
        run: 0..run,
    };
    for y in 0..height {
        for x in 0..width {
            all.stored.push(output.pixel(y, x) as u32);
            for part in 0..side * side {
                let row = &rows[y * side + part / side];
                let column = &columns[x * side + part % side];
                all.pixels.push(input.at(row.begin, column.begin) as u32);
            }
        }
    }
    let mut walk = Walk {
        all,
        parts: Vec::new(),
        taps,
        run,
        pool,
    };
    // Four pixels that are pooled reach over an edge by one row or column less, which is mostly none.
    if pool == Pool::None {
        walk.parts = parts((input, output), (&rows, &columns), |rows, columns| {
            if one_run {
                (rows, columns.start * channels..columns.end * channels)
            } else {
                (rows.start * size[1]..rows.end * size[1], 0..run)
            }
        });
        // With however many examples.
        if !walk.parts_pay(1, 1) {
            walk.parts = Vec::new();
        }
    }
    Ok(walk)
}

/// A window along one axis of the picture.
struct Span {
    /// Which result it makes.
    result: usize,
    /// Where it begins, from the corner of the border.
    begin: usize,
    /// Which of its taps are not in the border.
    inside: Range<usize>,
}

fn span(input: &Layout, window: &Window, axis: usize, result: usize) -> Span {
    let border = input.border[axis].0;
    let picture = border..border + [input.shape.height, input.shape.width][axis];
    let begin = border - window.padding[axis].0 + result * window.strides[axis];
    let at = |tap: &usize| begin + tap * window.dilation[axis];
    let mut taps = (0..window.size[axis]).filter(|tap| picture.contains(&at(tap)));
    let first = taps.next();
    let inside = first.map_or(0..0, |first| first..first + 1 + taps.count());
    Span {
        result,
        begin,
        inside,
    }
}

/// More are not worth their memory: their last tiles are almost empty.
const MOST_PARTS: usize = 100;

/// Pixels by the rows and columns of their windows that lie in the picture; `reads` says which taps and values of a run
/// these are.
fn parts(
    (input, output): (&Layout, &Layout),
    (rows, columns): (&[Span], &[Span]),
    reads: impl Fn(Range<usize>, Range<usize>) -> (Range<usize>, Range<usize>),
) -> Vec<Part> {
    let alike = |a: &Span, b: &Span| a.inside == b.inside;
    let [rows, columns] = [rows, columns].map(|spans| spans.chunk_by(alike).collect::<Vec<_>>());
    if rows.len() * columns.len() > MOST_PARTS {
        return Vec::new();
    }
    let mut parts = Vec::new();
    for rows in rows {
        for columns in &columns {
            let pixels = || {
                rows.iter()
                    .flat_map(|row| columns.iter().map(move |column| (row, column)))
            };
            let (taps, run) = reads(rows[0].inside.clone(), columns[0].inside.clone());
            parts.push(Part {
                pixels: pixels()
                    .map(|(row, column)| input.at(row.begin, column.begin) as u32)
                    .collect(),
                stored: pixels()
                    .map(|(row, column)| output.pixel(row.result, column.result) as u32)
                    .collect(),
                taps,
                run,
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
    pool: Pool,
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
        Pool::None => [result.height, result.width],
        _ => [output.shape.height * 2, output.shape.width * 2],
    };
    fits.then_some(Tiles {
        input: *input,
        origin,
        output: *output,
        size,
        pool,
    })
}

/// The same walk for the kernel of few channels, if it has one for this.
pub(super) fn quads(input: &Layout, output: &Layout, conv: &Conv2d, walk: &Walk) -> Option<Quads> {
    let channels = input.shape.channels;
    let step = conv.window.strides[1] * channels;
    let pooled = walk.pool != Pool::None;
    let Shape { height, width, .. } = output.shape;
    // In stored pixels.
    let group = if pooled { 2 } else { 4 };
    let one_run = walk.run == conv.window.size[1] * channels;
    if channels > 3 || !STEPS.contains(&step) || !one_run || width < group {
        return None;
    }
    let mut quads = Vec::new();
    for y in 0..height {
        for x in (0..width).step_by(group) {
            let x = x.min(width - group);
            let stored = y * width + x;
            let to = walk.all.stored[stored];
            if pooled {
                // The four pixels of a stored one are two above two.
                quads.push((walk.all.pixels[stored * 4], to));
                quads.push((walk.all.pixels[stored * 4 + 2], to));
            } else {
                quads.push((walk.all.pixels[stored], to));
            }
        }
    }
    Some(Quads {
        quads,
        taps: walk.taps.clone(),
        run: walk.run,
        step,
        pitch: output.shape.channels,
        pool: walk.pool,
    })
}
