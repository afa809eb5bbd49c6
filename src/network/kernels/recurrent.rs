//! Recurrent layers, a step at a time for all examples of a block.
//!
//! An example has a row with a step's input and, behind it, the state. So the
//! kernels of both are one matrix, a step is one product for most cells, and
//! the gates are read where that product put them.

use std::cell::RefCell;
use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::activation::Activation;
use super::epilogue::{FusedPool, NO_BOUNDS};
use super::gemm::Gemm;
use super::gemv::{self, FEW, Rows};
use super::layout::Layout;
use super::operation::{Cell, Outputs, Recurrent};
use super::pack::{Matrix, Packed};
use super::simd::{self, Aligned, Isa, LINE_VALUES, fma};
use super::walk::{Part, Walk};

thread_local! {
    /// Rows, gates and carries. Grows to what the thread's largest layer needs, and is kept.
    static SCRATCH: RefCell<Aligned> = RefCell::default();
}

/// A layer's weights, and how it goes through a sequence: a picture of one row, a pixel a step.
#[derive(Debug)]
pub(super) struct Recurrence {
    isa: Isa,
    cell: Cell,
    units: usize,
    activation: Activation,
    recurrent_activation: Activation,
    backwards: bool,
    outputs: Outputs,
    products: Vec<Product>,
    input: Layout,
    output: Layout,
}

/// A matrix for some values of a row, and which of the gates it makes.
#[derive(Debug)]
struct Product {
    packed: Packed,
    walk: Walk,
    first: usize,
}

impl Recurrence {
    pub fn new(layer: &Recurrent, input: Layout, output: Layout, isa: Isa) -> Self {
        let (units, features) = (layer.units, input.shape.channels);
        let width = layer.bias.len();
        let columns = |kernels: &[&[f32]], range: &Range<usize>| {
            let rows: usize = kernels.iter().map(|kernel| kernel.len() / width).sum();
            let mut matrix = Vec::with_capacity(rows * range.len());
            for row in kernels.iter().flat_map(|kernel| kernel.chunks_exact(width)) {
                matrix.extend_from_slice(&row[range.clone()]);
            }
            matrix
        };
        let both = |range: Range<usize>| {
            let matrix = columns(&[&layer.kernel, &layer.recurrent_kernel], &range);
            let biases = layer.bias.iter().zip(&layer.recurrent_bias);
            let bias: Vec<f32> = biases.map(|(a, b)| a + b).collect();
            Product::new((0, 0), &matrix, &bias[range], isa)
        };
        let products = match layer.cell {
            Cell::Simple | Cell::Lstm => vec![both(0..width)],
            Cell::Gru => {
                // The reset gate multiplies only what comes from the state, so that stays apart from what comes from the input.
                let last = 2 * units..width;
                let input = columns(&[&layer.kernel], &last);
                let state = columns(&[&layer.recurrent_kernel], &last);
                let (bias, state_bias) = (&layer.bias[last.clone()], &layer.recurrent_bias[last]);
                vec![
                    both(0..2 * units),
                    Product::new((0, 2 * units), &input, bias, isa),
                    Product::new((features, 3 * units), &state, state_bias, isa),
                ]
            }
        };
        Self {
            isa,
            cell: layer.cell,
            units,
            activation: layer.activation,
            recurrent_activation: layer.recurrent_activation,
            backwards: layer.backwards,
            outputs: layer.outputs,
            products,
            input,
            output,
        }
    }

    /// Lengths of an example's row and of its gates, in whole cache lines.
    fn lengths(&self) -> [usize; 2] {
        let row = self.input.shape.channels + self.units;
        let gates = self.cell.sums() * self.units;
        [row, gates].map(|len| len.next_multiple_of(LINE_VALUES))
    }

    /// Values that an example needs while it is computed.
    pub fn scratch(&self) -> usize {
        self.lengths().iter().sum::<usize>() + self.units
    }

    /// All examples. Each slice comes with the distance of two examples in it.
    pub fn run(
        &self,
        (input, input_step): (&[f32], usize),
        (output, output_step): (&mut [f32], usize),
    ) {
        let examples = input.len() / input_step;
        let (features, steps) = (self.input.shape.channels, self.input.shape.width);
        let [row_len, gates_len] = self.lengths();
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.ensure(examples * self.scratch());
            let (rows, rest) = scratch.as_mut_slice().split_at_mut(examples * row_len);
            let (gates, rest) = rest.split_at_mut(examples * gates_len);
            let carries = &mut rest[..examples * self.units];
            rows.fill(0.0);
            carries.fill(0.0);
            for step in 0..steps {
                let mirrored = steps - 1 - step;
                let at = if self.backwards { mirrored } else { step };
                let from = self.input.pixel(0, at);
                for (row, input) in rows
                    .chunks_exact_mut(row_len)
                    .zip(input.chunks_exact(input_step))
                {
                    row[..features].copy_from_slice(&input[from..][..features]);
                }
                for product in &self.products {
                    product.run((rows, row_len), (gates, gates_len));
                }
                self.isa.run(Update {
                    all: self,
                    rows: (rows, row_len),
                    gates: (gates, gates_len),
                    carries,
                });
                let to = match self.outputs {
                    Outputs::Last if step + 1 < steps => continue,
                    Outputs::Last => 0,
                    Outputs::AsMade => step,
                    Outputs::Reversed => mirrored,
                };
                let to = self.output.pixel(0, to);
                for (row, output) in rows
                    .chunks_exact(row_len)
                    .zip(output.chunks_exact_mut(output_step))
                {
                    output[to..][..self.units].copy_from_slice(&row[features..][..self.units]);
                }
            }
        });
    }
}

impl Product {
    /// Multiplies a row's values from `begin` on, and makes the gates from `first` on.
    fn new((begin, first): (usize, usize), matrix: &[f32], bias: &[f32], isa: Isa) -> Self {
        let depth = matrix.len() / bias.len();
        let matrix = Matrix {
            values: matrix,
            bias,
            channels: depth,
            groups: 1,
            bounds: NO_BOUNDS,
        };
        let all = Part {
            pixels: vec![0],
            stored: vec![0],
            taps: 0..1,
            run: 0..depth,
        };
        Self {
            packed: Packed::new(&matrix, isa, isa.widest()),
            walk: Walk {
                all: Some(all),
                parts: Vec::new(),
                taps: vec![begin as u32],
                run: depth,
                pool: FusedPool::None,
            },
            first,
        }
    }

    fn run(&self, (rows, row_len): (&[f32], usize), (gates, gates_len): (&mut [f32], usize)) {
        let examples = rows.len() / row_len;
        let gates = &mut gates[self.first..];
        if examples < FEW {
            gemv::multiply(
                &self.packed,
                Rows {
                    input: &rows[self.walk.taps[0] as usize..],
                    input_step: row_len,
                    depth: self.walk.run,
                    output: gates,
                    output_step: gates_len,
                },
            );
            return;
        }
        Gemm {
            packed: &self.packed,
            walk: &self.walk,
            examples,
            input: rows,
            input_step: row_len,
            output: gates,
            output_step: gates_len,
        }
        .run();
    }
}

/// Makes the next states, which are in the rows, from the gates. Each slice comes with the distance of two examples.
struct Update<'a> {
    all: &'a Recurrence,
    rows: (&'a mut [f32], usize),
    gates: (&'a [f32], usize),
    carries: &'a mut [f32],
}

impl WithSimd for Update<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            all,
            rows: (rows, row_len),
            gates: (gates, gates_len),
            carries,
        } = self;
        let (units, features) = (all.units, all.input.shape.channels);
        let carries = carries.chunks_exact_mut(units);
        let examples = rows
            .chunks_exact_mut(row_len)
            .zip(gates.chunks_exact(gates_len));
        for ((row, gates), carry) in examples.zip(carries) {
            let state = &mut row[features..][..units];
            for first in (0..units).step_by(S::F32_LANES) {
                let range = first..units.min(first + S::F32_LANES);
                let gates = Gates {
                    gates,
                    units,
                    range: range.clone(),
                };
                let state = &mut state[range.clone()];
                let next = match all.cell {
                    Cell::Simple => all.activation.of(simd, gates.get(simd, 0)),
                    Cell::Lstm => all.lstm(simd, &gates, &mut carry[range]),
                    Cell::Gru => all.gru(simd, &gates, simd::load(simd, state)),
                };
                simd::store(simd, state, next);
            }
        }
    }
}

/// A vector of each gate.
struct Gates<'a> {
    gates: &'a [f32],
    units: usize,
    range: Range<usize>,
}

impl Gates<'_> {
    #[inline(always)]
    fn get<S: Simd>(&self, simd: S, gate: usize) -> S::f32s {
        simd::load(simd, &self.gates[gate * self.units..][self.range.clone()])
    }
}

/// What `keras.layers.LSTMCell` and `GRUCell` compute, with the gates in their order.
impl Recurrence {
    #[inline(always)]
    fn lstm<S: Simd>(&self, simd: S, gates: &Gates, carry: &mut [f32]) -> S::f32s {
        let input = self.recurrent_activation.of(simd, gates.get(simd, 0));
        let forget = self.recurrent_activation.of(simd, gates.get(simd, 1));
        let candidate = self.activation.of(simd, gates.get(simd, 2));
        let output = self.recurrent_activation.of(simd, gates.get(simd, 3));
        let kept = simd.mul_f32s(forget, simd::load(simd, carry));
        let next = fma(simd, input, candidate, kept);
        simd::store(simd, carry, next);
        simd.mul_f32s(output, self.activation.of(simd, next))
    }

    #[inline(always)]
    fn gru<S: Simd>(&self, simd: S, gates: &Gates, state: S::f32s) -> S::f32s {
        let update = self.recurrent_activation.of(simd, gates.get(simd, 0));
        let reset = self.recurrent_activation.of(simd, gates.get(simd, 1));
        let sum = fma(simd, reset, gates.get(simd, 3), gates.get(simd, 2));
        let candidate = self.activation.of(simd, sum);
        // Not `candidate + update * (state - candidate)`, where a large candidate would swallow a kept state.
        let new = simd.sub_f32s(simd.splat_f32s(1.0), update);
        fma(simd, new, candidate, simd.mul_f32s(update, state))
    }
}
