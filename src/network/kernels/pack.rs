//! The weights of a convolution or dense layer, laid out for the kernels.

use super::simd::{Aligned, Isa};

/// The matrix of a convolution or dense layer.
pub(super) struct Matrix<'a> {
    /// `[K, filters]`, as Keras keeps kernels.
    pub values: &'a [f32],
    /// `[filters]`.
    pub bias: &'a [f32],
    /// Input channels of a group.
    pub channels: usize,
    pub groups: usize,
    /// What results are clamped to.
    pub bounds: (f32, f32),
}

/// A matrix in the order in which the kernels read it, cut into panels.
#[derive(Debug)]
pub(super) struct Packed {
    pub panels: Vec<Panel>,
    pub values: Aligned,
    pub bounds: (f32, f32),
}

/// Filters that are computed together: in memory `vectors` vectors of bias,
/// then as many for each of the `K` values that a filter multiplies.
#[derive(Debug)]
pub(super) struct Panel {
    /// What computes it. On AVX-512 a last half vector is AVX2's: 24 filters
    /// are 16 + 8, where two vectors of 16 would waste a quarter.
    pub isa: Isa,
    pub vectors: usize,
    /// Where its vectors begin.
    pub begin: usize,
    /// Which filters.
    pub first: usize,
    pub filters: usize,
    /// First input channel of its group.
    pub channel: usize,
}

impl Packed {
    /// Panels are up to `widest` vectors wide.
    pub fn new(matrix: &Matrix, isa: Isa, widest: usize) -> Self {
        let filters = matrix.bias.len();
        let depth = matrix.values.len() / filters;
        let in_group = filters / matrix.groups;
        let mut panels = Vec::new();
        let mut begin = 0;
        for group in 0..matrix.groups {
            let mut first = group * in_group;
            for (isa, vectors, filters) in split(isa, widest, in_group) {
                panels.push(Panel {
                    isa,
                    vectors,
                    begin,
                    first,
                    filters,
                    channel: group * matrix.channels,
                });
                begin += vectors * isa.lanes() * (depth + 1);
                first += filters;
            }
        }
        let mut values = Aligned::zeros(begin);
        for panel in &panels {
            let width = panel.vectors * panel.isa.lanes();
            let rows = values.as_mut_slice()[panel.begin..].chunks_exact_mut(width);
            let sources = std::iter::once(matrix.bias).chain(matrix.values.chunks_exact(filters));
            for (row, source) in rows.zip(sources) {
                let filters = panel.first..panel.first + panel.filters;
                row[..panel.filters].copy_from_slice(&source[filters]);
            }
        }
        Self {
            panels,
            values,
            bounds: matrix.bounds,
        }
    }

    /// Whether panels read different channels, which `gemv` cannot do.
    pub fn is_grouped(&self) -> bool {
        self.panels.iter().any(|panel| panel.channel > 0)
    }
}

/// Instruction set, vectors and filters of each panel of a group.
fn split(isa: Isa, widest: usize, filters: usize) -> Vec<(Isa, usize, usize)> {
    let lanes = isa.lanes();
    let (whole, half) = match isa.halved() {
        Some(half) if (1..=lanes / 2).contains(&(filters % lanes)) => {
            (filters / lanes, Some((half, 1, filters % lanes)))
        }
        _ => (filters.div_ceil(lanes), None),
    };
    let count = whole.div_ceil(widest);
    let whole = (0..count).map(|panel| {
        // As even as can be: 5 vectors are 2 + 3.
        let from = panel * whole / count;
        let to = (panel + 1) * whole / count;
        (isa, to - from, (to * lanes).min(filters) - from * lanes)
    });
    whole.chain(half).collect()
}
