//! Which tiles a convolution is computed in, and whether that is worth it.

use crate::network::kernels::epilogue::FusedPool;
use crate::network::kernels::layout::Layout;
use crate::network::kernels::operation::{Conv2d, Shape, Window};
use crate::network::kernels::simd::Isa;
use crate::network::kernels::walk::taps_inside;

/// Where tiles are read and stored.
#[derive(Debug)]
pub(in crate::network::kernels) struct Tiles {
    pub input: Layout,
    /// Where the first window begins, in pixels from the corner of the border.
    pub origin: [usize; 2],
    pub output: Layout,
    /// Rows and columns of the convolution's result, before pooling.
    pub size: [usize; 2],
    pub pool: FusedPool,
    /// How many products plain convolution needs for a channel and a filter, without those with padding if it leaves them
    /// out.
    pub plain: usize,
}

impl Tiles {
    /// Where the tiles lie, if this convolution can be computed in them.
    pub fn of(
        input: &Layout,
        (output, result): (&Layout, Shape),
        conv: &Conv2d,
        pool: FusedPool,
    ) -> Option<Self> {
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
            FusedPool::None => taps_inside(input, &conv.window, axis, size[axis]),
            _ => size[axis] * 3,
        };
        fits.then(|| Self {
            input: *input,
            origin,
            output: *output,
            size,
            pool,
            plain: along(0) * along(1),
        })
    }

    pub fn count(&self) -> usize {
        self.size[0].div_ceil(2) * self.size[1].div_ceil(2)
    }

    /// Whether this is faster than plain convolution.
    pub fn are_worth_it(&self, filters: usize, isa: Isa) -> bool {
        // Estimated cycles, from measurements on AVX-512 and AVX2, which do 16 products a cycle. Plain convolution does up
        // to 9 products for a result. A tile of 4 results takes 16 products and a transform of each vector, and a vector
        // that is not full counts one and a half times. That shorter vectors do 8 products a cycle is a guess.
        let lanes = suited(isa, filters).lanes();
        let vectors = |len: usize| {
            let end = if len.is_multiple_of(lanes) { 0.0 } else { 0.5 };
            len.div_ceil(lanes) as f64 + end
        };
        let channels = self.input.shape.channels;
        let at_once = if lanes < 8 { 8.0 } else { 16.0 };
        let products = channels as f64 * filters.next_multiple_of(lanes) as f64 / at_once;
        let plain = 1.1 * products * self.plain as f64;
        let tile = 17.6 * products + 120.0 * (vectors(channels) + vectors(filters));
        self.count() as f64 * tile < plain
    }

    /// The next tile, without the divisions that finding it by its number would take.
    pub(super) fn next(&self, Tile { example, y, x }: Tile) -> Tile {
        if x + 2 < self.size[1] {
            Tile {
                example,
                y,
                x: x + 2,
            }
        } else if y + 2 < self.size[0] {
            Tile {
                example,
                y: y + 2,
                x: 0,
            }
        } else {
            Tile {
                example: example + 1,
                y: 0,
                x: 0,
            }
        }
    }
}

/// A tile's example, and where its result begins.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tile {
    pub example: usize,
    pub y: usize,
    pub x: usize,
}

/// The instruction set with vectors of half the length, if the last one would be half empty.
pub(super) fn suited(isa: Isa, filters: usize) -> Isa {
    match isa.halved() {
        Some(half) if (1..=half.lanes()).contains(&(filters % isa.lanes())) => half,
        _ => isa,
    }
}
