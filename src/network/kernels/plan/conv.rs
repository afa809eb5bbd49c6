//! Which kernel computes a convolution.

use crate::network::kernels::Refused;
use crate::network::kernels::epilogue::{FusedPool, NO_BOUNDS};
use crate::network::kernels::few_channels::Quads;
use crate::network::kernels::layout::Layout;
use crate::network::kernels::operation::{Conv2d, Shape};
use crate::network::kernels::pack::{Matrix, Packed};
use crate::network::kernels::program::Kernel;
use crate::network::kernels::simd::Isa;
use crate::network::kernels::transposed;
use crate::network::kernels::walk::{parts, walk};
use crate::network::kernels::winograd::{Tiles, Winograd};

/// For the layouts that it reads and writes; `result` is its shape before pooling.
pub(super) fn kernel(
    conv: &Conv2d,
    pool: FusedPool,
    (input, output, result): (&Layout, &Layout, Shape),
    isa: Isa,
) -> Result<Kernel, Refused> {
    let groups = conv.groups.max(1);
    let matrix = Matrix {
        values: &conv.kernel,
        bias: &conv.bias,
        channels: input.shape.channels / groups,
        groups,
        bounds: conv.activation.bounds().unwrap_or(NO_BOUNDS),
    };
    if conv.is_transposed() {
        let (walk, order) = transposed::walk(input, output, conv)?;
        let of_tap = matrix.channels * conv.bias.len();
        let weights = |tap: &usize| &conv.kernel[tap * of_tap..][..of_tap];
        let kernel: Vec<f32> = order.iter().flat_map(weights).copied().collect();
        let matrix = Matrix {
            values: &kernel,
            ..matrix
        };
        let packed = Packed::new(&matrix, isa, isa.widest());
        return Ok(Kernel::Gemm { packed, walk });
    }
    let tiles = Tiles::of(input, (output, result), conv, pool);
    if let Some(tiles) = tiles.filter(|tiles| tiles.are_worth_it(conv.bias.len(), isa)) {
        return Ok(Kernel::Winograd(Winograd::new(&matrix, tiles, isa)));
    }
    let mut walk = walk(input, output, conv, pool)?;
    if let Some(quads) = Quads::of(input, output, conv, &walk) {
        let packed = Packed::new(&matrix, isa, isa.widest() / 2);
        return Ok(Kernel::FewChannels { packed, quads });
    }
    walk.parts = parts(input, output, conv, &walk);
    let packed = Packed::new(&matrix, isa, isa.widest());
    Ok(Kernel::Gemm { packed, walk })
}
