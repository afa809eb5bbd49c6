//! 3 × 3 convolutions of stride 1 by Winograd's F(2 × 2, 3 × 3).
//!
//! Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015),
//! section 4.1: a tile of 2 × 2 results needs 16 products for each pair of
//! channels instead of 36. A tile's 4 × 4 inputs are transformed to 16 points,
//! each point of eight tiles is a matrix product over the channels, and the 16
//! results are transformed back. All of it stays in the first-level cache. The
//! transforms have no constants but ±1 (and halves for the weights), so the
//! error is about twice that of plain convolution.

mod tiles;

use std::cell::RefCell;

use pulp::{Simd, WithSimd};

use super::epilogue::FusedPool;
use super::gemm::{self, Reads};
use super::pack::Matrix;
use super::simd::{self, Aligned, Isa};
pub(super) use tiles::Tiles;
use tiles::{Tile, suited};

/// Tiles that are transformed and multiplied together.
const TILES: usize = 8;
const POINTS: usize = 16;

thread_local! {
    /// The points of some tiles, before and after the products.
    static POINTS_OF_TILES: RefCell<Aligned> = RefCell::default();
}

/// Transformed weights, and where they are applied.
#[derive(Debug)]
pub(super) struct Winograd {
    isa: Isa,
    /// For each point, for each panel: `[channels, panel]`.
    weights: Aligned,
    /// Vectors of filters in each panel.
    panels: Vec<usize>,
    /// `[filters]`, filled up to whole vectors.
    bias: Aligned,
    filters: usize,
    bounds: (f32, f32),
    walk: Tiles,
}

impl Winograd {
    pub fn new(matrix: &Matrix, walk: Tiles, isa: Isa) -> Self {
        let filters = matrix.bias.len();
        let isa = suited(isa, filters);
        let lanes = isa.lanes();
        let vectors = filters.div_ceil(lanes);
        // Eight tiles of four vectors would take more registers than there are.
        let count = vectors.div_ceil(isa.widest().min(3));
        let panels: Vec<usize> = (0..count)
            .map(|panel| (panel + 1) * vectors / count - panel * vectors / count)
            .collect();
        let mut bias = Aligned::zeros(vectors * lanes);
        bias.as_mut_slice()[..filters].copy_from_slice(matrix.bias);
        let channels = matrix.channels;
        let mut weights = Aligned::zeros(POINTS * channels * vectors * lanes);
        for channel in 0..channels {
            for filter in 0..filters {
                let taps = std::array::from_fn(|tap| {
                    matrix.values[(tap * channels + channel) * filters + filter]
                });
                let mut vector = filter / lanes;
                let mut before = 0;
                let width = panels.iter().find(|width| {
                    let here = vector < **width;
                    if !here {
                        vector -= **width;
                        before += **width;
                    }
                    here
                });
                let width = width.copied().unwrap_or(1);
                for (point, value) in transform_weights(taps).into_iter().enumerate() {
                    let panel = (point * vectors + before) * lanes * channels;
                    let at = panel + (channel * width + vector) * lanes + filter % lanes;
                    weights.as_mut_slice()[at] = value;
                }
            }
        }
        Self {
            isa,
            weights,
            panels,
            bias,
            filters,
            bounds: matrix.bounds,
            walk,
        }
    }

    /// A block of examples. Each slice comes with the distance of two examples in it.
    pub fn run(
        &self,
        (input, input_step): (&[f32], usize),
        (output, output_step): (&mut [f32], usize),
    ) {
        let lanes = self.isa.lanes();
        let channels = self.walk.input.shape.channels.next_multiple_of(lanes);
        let filters = self.filters.next_multiple_of(lanes);
        let examples = input.len() / input_step;
        POINTS_OF_TILES.with_borrow_mut(|points| {
            points.ensure(POINTS * TILES * (channels + filters) + POINTS * channels);
            let (before, rest) = points
                .as_mut_slice()
                .split_at_mut(POINTS * TILES * channels);
            let (after, patch) = rest.split_at_mut(POINTS * TILES * filters);
            let total = self.walk.count() * examples;
            let mut tile = Tile::default();
            for first in (0..total).step_by(TILES) {
                let mut tiles = [tile; TILES];
                let count = TILES.min(total - first);
                for here in &mut tiles[..count] {
                    *here = tile;
                    tile = self.walk.next(tile);
                }
                self.isa.run(Group {
                    all: self,
                    tiles: &tiles[..count],
                    input: (input, input_step),
                    output: (&mut *output, output_step),
                    before: (&mut *before, channels),
                    after: (&mut *after, filters),
                    patch: &mut *patch,
                });
            }
        });
    }
}

/// `G g Gᵀ` of a 3 × 3 kernel.
fn transform_weights(taps: [f32; 9]) -> [f32; POINTS] {
    let line = |[a, b, c]: [f64; 3]| [a, (a + b + c) / 2.0, (a - b + c) / 2.0, c];
    let taps = taps.map(f64::from);
    let columns = [0, 1, 2].map(|x| line([taps[x], taps[3 + x], taps[6 + x]]));
    let rows = [0, 1, 2, 3].map(|y| line(columns.map(|column| column[y])));
    std::array::from_fn(|point| rows[point / 4][point % 4] as f32)
}

/// Some tiles, from their inputs to their results.
struct Group<'a> {
    all: &'a Winograd,
    tiles: &'a [Tile],
    input: (&'a [f32], usize),
    output: (&'a mut [f32], usize),
    /// `[point, tile, channel]`, and its channels.
    before: (&'a mut [f32], usize),
    /// `[point, tile, filter]`, and its filters.
    after: (&'a mut [f32], usize),
    /// A tile's inputs, if some of them lie outside the picture.
    patch: &'a mut [f32],
}

impl WithSimd for Group<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for slot in 0..self.tiles.len() {
            self.transform_input(simd, slot);
        }
        self.multiply(simd);
        for slot in 0..self.tiles.len() {
            self.transform_output(simd, slot);
        }
    }
}

impl Group<'_> {
    /// `Bᵀ d B` of a tile's 4 × 4 inputs.
    #[inline(always)]
    fn transform_input<S: Simd>(&mut self, simd: S, slot: usize) {
        let walk = &self.all.walk;
        let Tile { example, y, x } = self.tiles[slot];
        let (y, x) = (y + walk.origin[0], x + walk.origin[1]);
        let layout = &walk.input;
        let channels = layout.shape.channels;
        let picture = &self.input.0[example * self.input.1..][..layout.len()];
        let (columns, rows) = (layout.pitch() / channels, layout.len() / layout.pitch());
        let (from, pitch) = if y + 4 <= rows && x + 4 <= columns {
            (&picture[layout.at(y, x)..], layout.pitch())
        } else {
            // The last tile of an odd size: what lies outside is not stored.
            self.patch.fill(0.0);
            for row in 0..4.min(rows - y) {
                let len = 4.min(columns - x) * channels;
                let from = layout.at(y + row, x);
                self.patch[row * 4 * channels..][..len].copy_from_slice(&picture[from..from + len]);
            }
            (&*self.patch, 4 * channels)
        };
        let (points, width) = (&mut *self.before.0, self.before.1);
        for first in (0..channels).step_by(S::F32_LANES) {
            let last = channels.min(first + S::F32_LANES);
            let line = |[a, b, c, d]: [S::f32s; 4]| {
                [
                    simd.sub_f32s(a, c),
                    simd.add_f32s(b, c),
                    simd.sub_f32s(c, b),
                    simd.sub_f32s(b, d),
                ]
            };
            let mut rows = [[simd.splat_f32s(0.0); 4]; 4];
            for y in 0..4 {
                let row = &from[y * pitch..][..4 * channels];
                let pixel = |x: usize| simd::load(simd, &row[x * channels..][first..last]);
                rows[y] = line([pixel(0), pixel(1), pixel(2), pixel(3)]);
            }
            for x in 0..4 {
                let column = line([rows[0][x], rows[1][x], rows[2][x], rows[3][x]]);
                for y in 0..4 {
                    let at = ((y * 4 + x) * TILES + slot) * width + first;
                    simd::store(simd, &mut points[at..at + S::F32_LANES], column[y]);
                }
            }
        }
    }

    /// For each point, all tiles' channels times the weights.
    #[inline(always)]
    fn multiply<S: Simd>(&mut self, simd: S) {
        let channels = self.all.walk.input.shape.channels;
        let (mut weights, _) = S::as_simd_f32s(self.all.weights.as_slice());
        let few = self.tiles.len() <= 4;
        let roomy = S::REGISTER_COUNT >= 32;
        for point in 0..POINTS {
            let mut first = 0;
            for &width in &self.all.panels {
                let (panel, rest) = weights.split_at(channels * width);
                weights = rest;
                let at = (point, first);
                match (width, roomy, few) {
                    (1, _, false) => self.product::<S, 8, 1>(simd, at, panel),
                    (1, _, true) => self.product::<S, 4, 1>(simd, at, panel),
                    (2, true, false) => self.product::<S, 8, 2>(simd, at, panel),
                    (2, _, _) => self.product::<S, 4, 2>(simd, at, panel),
                    (_, _, false) => self.product::<S, 8, 3>(simd, at, panel),
                    (_, _, true) => self.product::<S, 4, 3>(simd, at, panel),
                }
                first += width * S::F32_LANES;
            }
        }
    }

    /// One point and panel, `M` tiles at a time.
    #[inline(always)]
    fn product<S: Simd, const M: usize, const N: usize>(
        &mut self,
        simd: S,
        (point, first): (usize, usize),
        panel: &[S::f32s],
    ) {
        let channels = self.all.walk.input.shape.channels;
        let weights = panel.as_chunks::<N>().0;
        let zeros = [simd.splat_f32s(0.0); N];
        for slot in (0..self.tiles.len()).step_by(M) {
            let mut at = [0; M];
            for m in 0..M {
                at[m] = (point * TILES + slot + m) * self.before.1;
            }
            let reads = Reads {
                taps: &[0],
                run: channels,
                pitch: channels,
            };
            let sums = gemm::sums::<S, M, N>(simd, (self.before.0, &at), reads, weights, &zeros);
            for m in 0..M {
                let to = (point * TILES + slot + m) * self.after.1 + first;
                let to = &mut self.after.0[to..][..N * S::F32_LANES];
                let to = S::as_mut_simd_f32s(to).0;
                for n in 0..N {
                    to[n] = sums[m][n];
                }
            }
        }
    }

    /// `Aᵀ m A` of a tile's points: its 2 × 2 results, or the pooled one.
    #[inline(always)]
    fn transform_output<S: Simd>(&mut self, simd: S, slot: usize) {
        let all = self.all;
        let walk = &all.walk;
        let Tile { example, y, x } = self.tiles[slot];
        let (low, high) = (simd.splat_f32s(all.bounds.0), simd.splat_f32s(all.bounds.1));
        let picture = &mut self.output.0[example * self.output.1..][..self.output.1];
        for first in (0..all.filters).step_by(S::F32_LANES) {
            let last = all.filters.min(first + S::F32_LANES);
            let bias = simd::load(simd, &all.bias.as_slice()[first..first + S::F32_LANES]);
            let line = |[a, b, c, d]: [S::f32s; 4]| {
                let (sum, difference) = (simd.add_f32s(b, c), simd.sub_f32s(b, c));
                [simd.add_f32s(a, sum), simd.sub_f32s(difference, d)]
            };
            let mut rows = [[bias; 2]; 4];
            for y in 0..4 {
                let point = |x: usize| {
                    let at = ((y * 4 + x) * TILES + slot) * self.after.1 + first;
                    simd::load(simd, &self.after.0[at..at + S::F32_LANES])
                };
                rows[y] = line([point(0), point(1), point(2), point(3)]);
            }
            let mut four = [[bias; 2]; 2];
            for x in 0..2 {
                let column = line([rows[0][x], rows[1][x], rows[2][x], rows[3][x]]);
                for y in 0..2 {
                    let sum = simd.add_f32s(column[y], bias);
                    four[y][x] = simd.min_f32s(high, simd.max_f32s(low, sum));
                }
            }
            let mut put = |y: usize, x: usize, sum: S::f32s| {
                let at = walk.output.pixel(y, x);
                simd::store(simd, &mut picture[at + first..at + last], sum);
            };
            if walk.pool == FusedPool::None {
                let (down, right) = (y + 1 < walk.size[0], x + 1 < walk.size[1]);
                put(y, x, four[0][0]);
                if right {
                    put(y, x + 1, four[0][1]);
                }
                if down {
                    put(y + 1, x, four[1][0]);
                }
                if down && right {
                    put(y + 1, x + 1, four[1][1]);
                }
            } else {
                put(y / 2, x / 2, walk.pool.four(simd, four));
            }
        }
    }
}
