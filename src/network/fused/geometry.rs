//! How the kernels of convolutions walk over pictures.

use super::Refused;
use super::layout::Layout;
use super::multiply::{Pool, Walk};
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
    let Window {
        size,
        strides,
        dilation,
        padding,
    } = conv.window;
    let groups = conv.groups.max(1);
    let channels = input.shape.channels / groups;
    let all_taps = taps(input, &conv.window);
    // Taps that are neighbours in memory make one run.
    let (every, run) = if groups == 1 && (dilation[1] == 1 || size[1] == 1) {
        (size[1], size[1] * channels)
    } else {
        (1, channels)
    };
    let (top, left) = (
        input.border[0].0 - padding[0].0,
        input.border[1].0 - padding[1].0,
    );
    let side = if pool == Pool::None { 1 } else { 2 };
    let Shape { height, width, .. } = output.shape;
    let mut pixels = Vec::with_capacity(height * width * side * side);
    let mut stored = Vec::with_capacity(height * width);
    for y in 0..height {
        for x in 0..width {
            for part in 0..side * side {
                let y = (y * side + part / side) * strides[0];
                let x = (x * side + part % side) * strides[1];
                pixels.push(input.at(top + y, left + x));
            }
            stored.push(output.pixel(y, x));
        }
    }
    let narrow = |values: Vec<usize>| -> Result<Vec<u32>, Refused> {
        let values = values.into_iter().map(u32::try_from);
        values
            .collect::<Result<_, _>>()
            .map_err(|_| Refused("a picture with its border of more than 4 G values".into()))
    };
    Ok(Walk {
        pixels: narrow(pixels)?,
        taps: narrow(all_taps.into_iter().step_by(every).collect())?,
        run,
        stored: narrow(stored)?,
        pool,
    })
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
            let to = walk.stored[stored];
            if pooled {
                // The four pixels of a stored one are two above two.
                quads.push((walk.pixels[stored * 4], to));
                quads.push((walk.pixels[stored * 4 + 2], to));
            } else {
                quads.push((walk.pixels[stored], to));
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
