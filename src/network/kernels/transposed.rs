//! How a transposed convolution walks over a picture.
//!
//! It is a convolution over a dilated input: a picture with zeros between its
//! pixels. Only taps that lie on a pixel are multiplied. Two results that are as
//! far apart as two pixels see the same taps, one pixel further on, so they are
//! in one part of the walk: a phase. With strides of 2 there are four phases,
//! and each tap belongs to one of them.

use super::Refused;
use super::epilogue::FusedPool;
use super::layout::Layout;
use super::operation::{Conv2d, Shape};
use super::walk::{Part, Walk, check_32_bits};

/// Results along an axis that see the same taps.
struct Phase {
    /// The first one; the distance between two is the input's dilation.
    first: usize,
    /// The pixel under the first tap of the first result, counted from the corner of the border.
    begin: usize,
    /// Which taps are on a pixel, and how many pixels after the first of them.
    taps: Vec<(usize, usize)>,
}

fn phases(input: &Layout, conv: &Conv2d, axis: usize, results: usize) -> Vec<Phase> {
    let (dilation, window) = (conv.input_dilation[axis], &conv.window);
    let phase = |first| Phase {
        first,
        begin: 0,
        taps: Vec::new(),
    };
    let mut phases: Vec<Phase> = (0..dilation.min(results)).map(phase).collect();
    // Where the first window begins, and one pixel further, so that nothing is negative.
    let corner = (input.border[axis].0 + 1) * dilation - window.padding[axis].0;
    for tap in 0..window.size[axis] {
        let at = corner + tap * window.dilation[axis];
        let on_pixel = at.next_multiple_of(dilation);
        if let Some(phase) = phases.get_mut(on_pixel - at) {
            let pixel = on_pixel / dilation - 1;
            if phase.taps.is_empty() {
                phase.begin = pixel;
            }
            phase.taps.push((tap, pixel - phase.begin));
        }
    }
    phases
}

/// With more phases there would be more lists of pixels than pixels in them.
const MAX_PHASES: usize = 1024;

/// Whether an input of this dilation, for a result of this height and width, has few enough phases.
pub(super) fn fits(dilation: [usize; 2], result: [usize; 2]) -> bool {
    let [rows, columns] = [0, 1].map(|axis| dilation[axis].min(result[axis]));
    rows.saturating_mul(columns) <= MAX_PHASES
}

/// The walk, and the kernel's taps in the order in which the walk needs them.
///
/// # Errors
/// [`Refused`] if a picture is too large.
pub(super) fn walk(
    input: &Layout,
    output: &Layout,
    conv: &Conv2d,
) -> Result<(Walk, Vec<usize>), Refused> {
    check_32_bits(input, output)?;
    let Shape { height, width, .. } = output.shape;
    let rows = phases(input, conv, 0, height);
    let columns = phases(input, conv, 1, width);
    let in_run = taps_in_run(&columns);
    let (mut taps, mut order, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    let run = in_run * input.shape.channels;
    for row in &rows {
        for column in &columns {
            let first = taps.len();
            for &(y, down) in &row.taps {
                order.extend(column.taps.iter().map(|(x, _)| y * conv.window.size[1] + x));
                let runs = column.taps.iter().step_by(in_run);
                taps.extend(runs.map(|(_, right)| input.at(down, *right) as u32));
            }
            let (pixels, stored) = pixels([row, column], conv.input_dilation, input, output);
            parts.push(Part {
                pixels,
                stored,
                taps: first..taps.len(),
                run: 0..run,
            });
        }
    }
    let walk = Walk {
        all: None,
        parts,
        taps,
        run,
        pool: FusedPool::None,
    };
    Ok((walk, order))
}

/// How many taps make one run: those of a row, if they are neighbours in memory and every phase has as many; else one.
fn taps_in_run(columns: &[Phase]) -> usize {
    let most = columns.iter().map(|phase| phase.taps.len()).max();
    let most = most.unwrap_or(0).max(1);
    let is_run = |phase: &Phase| phase.taps.iter().map(|(_, pixel)| *pixel).eq(0..most);
    if columns.iter().all(is_run) { most } else { 1 }
}

/// Where the windows of a phase's results begin, and where the results go.
fn pixels(
    [row, column]: [&Phase; 2],
    [down, right]: [usize; 2],
    input: &Layout,
    output: &Layout,
) -> (Vec<u32>, Vec<u32>) {
    let rows = (row.first..output.shape.height).step_by(down);
    let places = rows.enumerate().flat_map(|(row_at, y)| {
        let columns = (column.first..output.shape.width).step_by(right);
        columns.enumerate().map(move |(column_at, x)| {
            let begin = input.at(row.begin + row_at, column.begin + column_at);
            (begin as u32, output.pixel(y, x) as u32)
        })
    });
    places.unzip()
}
