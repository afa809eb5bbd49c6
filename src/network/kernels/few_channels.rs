//! Convolutions over one to three channels: the first layer of a network.
//!
//! The runs of `gemm` are too short here: it would spend most of its time on
//! finding eight windows for a handful of products. But with so few channels the
//! windows of neighbouring pixels overlap in memory, a small fixed step apart. So
//! a tile is two groups of four neighbours, and each group is read through one
//! sliding view: two addresses for eight pixels. The last group of a row overlaps
//! the one before it. For pooling, the two groups are the two rows of the pools.

use pulp::{Simd, WithSimd};

use super::epilogue::FusedPool;
use super::layout::Layout;
use super::operation::{Conv2d, Shape};
use super::pack::{Packed, Panel};
use super::simd::{self, fma};
use super::walk::Walk;

/// How groups of four pixels are read and stored.
#[derive(Debug)]
pub(super) struct Quads {
    /// Where each group's first window begins in an example, and where its
    /// first pixel goes. When pooling, two groups become one.
    pub groups: Vec<(u32, u32)>,
    /// Where each run begins in a window.
    pub taps: Vec<u32>,
    /// Values in a run.
    pub run: usize,
    /// From one window to the next: one of [`STEPS`].
    pub step: usize,
    /// From one stored pixel to the next.
    pub pitch: usize,
    pub pool: FusedPool,
}

/// The steps that there are kernels for: stride times channels.
const STEPS: [usize; 4] = [1, 2, 3, 6];

impl Quads {
    /// The walk as this kernel needs it, if it can do this convolution.
    pub fn of(input: &Layout, output: &Layout, conv: &Conv2d, walk: &Walk) -> Option<Self> {
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
        Some(Self {
            groups,
            taps: walk.taps.clone(),
            run: walk.run,
            step,
            pitch: output.shape.channels,
            pool: walk.pool,
        })
    }
}

/// `output = clamp(bias + windows · matrix)` for one example.
pub(super) fn convolve(packed: &Packed, quads: &Quads, input: &[f32], output: &mut [f32]) {
    for panel in &packed.panels {
        panel.isa.run(PanelOp {
            packed,
            panel,
            quads,
            input,
            output,
        });
    }
}

struct PanelOp<'a> {
    packed: &'a Packed,
    panel: &'a Panel,
    quads: &'a Quads,
    input: &'a [f32],
    output: &'a mut [f32],
}

impl WithSimd for PanelOp<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // The views are three steps and one value long.
        match (self.panel.vectors, self.quads.step) {
            (1, 1) => self.tiles::<S, 1, 4>(simd),
            (1, 2) => self.tiles::<S, 1, 7>(simd),
            (1, 3) => self.tiles::<S, 1, 10>(simd),
            (1, _) => self.tiles::<S, 1, 19>(simd),
            (_, 1) => self.tiles::<S, 2, 4>(simd),
            (_, 2) => self.tiles::<S, 2, 7>(simd),
            (_, 3) => self.tiles::<S, 2, 10>(simd),
            (_, _) => self.tiles::<S, 2, 19>(simd),
        }
    }
}

impl PanelOp<'_> {
    #[inline(always)]
    fn tiles<S: Simd, const N: usize, const VIEW: usize>(self, simd: S) {
        let Self {
            packed,
            panel,
            quads,
            input,
            output,
        } = self;
        let (vectors, _) = S::as_simd_f32s(&packed.values.as_slice()[panel.begin..]);
        let (bias, weights) = vectors.split_first_chunk::<N>().expect("bias");
        let weights = weights.as_chunks::<N>().0;
        let (low, high) = packed.bounds;
        let (low, high) = (simd.splat_f32s(low), simd.splat_f32s(high));
        for pair in quads.groups.chunks(2) {
            let (first, second) = (pair[0], pair[pair.len() - 1]);
            let views = [&input[first.0 as usize..], &input[second.0 as usize..]];
            let mut sums = sums::<S, N, VIEW>(simd, views, quads, weights, bias);
            for q in 0..2 {
                for m in 0..4 {
                    for n in 0..N {
                        sums[q][m][n] = simd.min_f32s(high, simd.max_f32s(low, sums[q][m][n]));
                    }
                }
            }
            // Nothing but constants index the sums, or they would not stay in registers.
            let stored = [first.1, second.1].map(|begin| begin as usize + panel.first);
            if quads.pool == FusedPool::None {
                for q in 0..2 {
                    for m in 0..4 {
                        let to = &mut output[stored[q] + m * quads.pitch..][..panel.filters];
                        store(simd, to, &sums[q][m]);
                    }
                }
            } else {
                for m in 0..2 {
                    let mut row = *bias;
                    for n in 0..N {
                        let above = [sums[0][2 * m][n], sums[0][2 * m + 1][n]];
                        let below = [sums[1][2 * m][n], sums[1][2 * m + 1][n]];
                        row[n] = quads.pool.four(simd, [above, below]);
                    }
                    let to = &mut output[stored[0] + m * quads.pitch..][..panel.filters];
                    store(simd, to, &row);
                }
            }
        }
    }
}

/// Values in two of the longest vectors.
const MAX_ROW: usize = 32;

/// Stores the vectors of a pixel, of which the end may be missing.
#[inline(always)]
fn store<S: Simd, const N: usize>(simd: S, to: &mut [f32], row: &[S::f32s; N]) {
    if to.len() == N * S::F32_LANES {
        let (to, _) = S::as_mut_simd_f32s(to);
        for n in 0..N {
            to[n] = row[n];
        }
    } else if N == 1 {
        simd::store(simd, to, row[0]);
    } else {
        // Storing a part of a vector is a call, before which all sums go from their registers to memory. With one vector a
        // pixel, eight sums, that is cheaper than this copy. With two, sixteen, it takes half as long as the convolution.
        const { assert!(N <= 2) }
        let mut whole = [0.0; MAX_ROW];
        let (vectors, _) = S::as_mut_simd_f32s(&mut whole);
        for n in 0..N {
            vectors[n] = row[n];
        }
        to.copy_from_slice(&whole[..to.len()]);
    }
}

/// The products of two groups of four pixels.
#[inline(always)]
fn sums<S: Simd, const N: usize, const VIEW: usize>(
    simd: S,
    views: [&[f32]; 2],
    quads: &Quads,
    weights: &[[S::f32s; N]],
    bias: &[S::f32s; N],
) -> [[[S::f32s; N]; 4]; 2] {
    let step = const { (VIEW - 1) / 3 };
    let mut sums = [[*bias; 4]; 2];
    let rows = quads.taps.iter().zip(weights.chunks_exact(quads.run));
    for (&tap, weights) in rows {
        let (tap, len) = (tap as usize, quads.run + VIEW - 1);
        let (a, b) = (&views[0][tap..][..len], &views[1][tap..][..len]);
        let views = a.array_windows::<VIEW>().zip(b.array_windows::<VIEW>());
        for ((a, b), weights) in views.zip(weights) {
            for m in 0..4 {
                let (a, b) = (simd.splat_f32s(a[m * step]), simd.splat_f32s(b[m * step]));
                for n in 0..N {
                    sums[0][m][n] = fma(simd, a, weights[n], sums[0][m][n]);
                    sums[1][m][n] = fma(simd, b, weights[n], sums[1][m][n]);
                }
            }
        }
    }
    sums
}
