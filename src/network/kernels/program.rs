//! A built program: packed weights, and the order in which kernels run.

use std::cell::RefCell;
use std::ops::Range;

use super::activation::Activation;
use super::attention::AttentionKernel;
use super::depthwise::Depthwise;
use super::few_channels::{self, Quads};
use super::gemm::Gemm;
use super::gemv::{self, FEW, Rows};
use super::layout::Layout;
use super::nonzero::is_sparse;
use super::pack::Packed;
use super::pointwise::{Pointwise, each_piece};
use super::pool::Pool;
use super::recurrent::Recurrence;
use super::simd::{Aligned, Isa};
use super::upsample::Upsample;
use super::walk::Walk;
use super::winograd::Winograd;

/// Runs on any number of threads at once; each has a workspace of its own.
#[derive(Debug)]
pub struct Program {
    pub(super) isa: Isa,
    pub(super) calls: Vec<Call>,
    pub(super) input: usize,
    pub(super) output: usize,
    /// Values of workspace an example needs.
    pub(super) workspace: usize,
    /// Values of scratch memory that a kernel needs for an example, at most.
    pub(super) scratch: usize,
}

/// One call of a kernel: where it reads and where it writes.
#[derive(Debug)]
pub(super) struct Call {
    pub kernel: Kernel,
    pub inputs: Vec<Location>,
    pub output: Location,
    /// The whole of what is written.
    pub layout: Layout,
    /// Applied to the result by a pass of its own; linear if the kernel has done it.
    pub activation: Activation,
}

/// Where a value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// In the caller's input.
    Input,
    /// In the caller's output.
    Output,
    /// In the workspace, all examples of a block together.
    Workspace {
        /// Where it begins, for a block of one example.
        begin: usize,
        /// Values of an example.
        len: usize,
    },
}

#[derive(Debug)]
pub(super) enum Kernel {
    /// A convolution or dense layer.
    Gemm {
        packed: Packed,
        walk: Walk,
    },
    /// A convolution over one to three channels.
    FewChannels {
        packed: Packed,
        quads: Quads,
    },
    Winograd(Winograd),
    Depthwise(Depthwise),
    Pool(Pool),
    Recurrence(Recurrence),
    Upsample(Upsample),
    Attention(AttentionKernel),
    Pointwise(Pointwise),
}

/// Values of workspace that a block of examples should not exceed: about half
/// of a core's second-level cache, so that weights fit beside it.
const BLOCK_VALUES: usize = 128 * 1024;
/// Examples in a block, at most.
const MAX_BLOCK: usize = 32;

thread_local! {
    /// Grows to what the thread's largest program needs, and is kept.
    static WORKSPACE: RefCell<Aligned> = RefCell::default();
}

impl Program {
    /// Values of one example's input.
    #[cfg(test)]
    pub fn input_len(&self) -> usize {
        self.input
    }

    /// Values of one example's output.
    pub fn output_len(&self) -> usize {
        self.output
    }

    /// Takes `batch` examples from `input` to `output`.
    ///
    /// # Panics
    /// If a slice is not `batch` times the program's length.
    pub fn run(&self, input: &[f32], batch: usize, output: &mut [f32]) {
        assert_eq!(input.len(), batch * self.input, "input of {batch}");
        assert_eq!(output.len(), batch * self.output, "output of {batch}");
        if batch == 0 {
            return;
        }
        let most = (BLOCK_VALUES / (self.workspace + self.scratch).max(1)).clamp(1, MAX_BLOCK);
        // Blocks of about the same size.
        let block = batch.div_ceil(batch.div_ceil(most));
        WORKSPACE.with_borrow_mut(|workspace| {
            workspace.ensure(block * self.workspace);
            let workspace = workspace.as_mut_slice();
            let inputs = input.chunks(block * self.input);
            for (input, output) in inputs.zip(output.chunks_mut(block * self.output)) {
                for call in &self.calls {
                    self.call(call, input, output, workspace);
                }
            }
        });
    }

    /// Runs one call for a block of examples.
    fn call(&self, call: &Call, input: &[f32], output: &mut [f32], workspace: &mut [f32]) {
        let examples = input.len() / self.input;
        // A kernel of fewer inputs does not look at the others.
        let mut sources = [input; 3];
        let to = match call.output {
            Location::Output => {
                for (source, location) in sources.iter_mut().zip(&call.inputs) {
                    if let Some(range) = location.range(examples) {
                        *source = &workspace[range];
                    }
                }
                output
            }
            to => {
                let to = to.range(examples).unwrap_or_default();
                let (before, rest) = workspace.split_at_mut(to.start);
                let (to_slice, after) = rest.split_at_mut(to.len());
                for (source, location) in sources.iter_mut().zip(&call.inputs) {
                    if let Some(range) = location.range(examples) {
                        *source = if range.end <= to.start {
                            &before[range]
                        } else {
                            &after[range.start - to.end..range.end - to.end]
                        };
                    }
                }
                to_slice
            }
        };
        if !call.layout.is_dense() {
            for picture in to.chunks_exact_mut(to.len() / examples) {
                call.layout.clear_border(picture);
            }
        }
        call.kernel.run(sources, to, examples);
        if call.activation != Activation::LINEAR {
            let step = to.len() / examples;
            each_piece(&call.layout, (to, step), |values| {
                call.activation.apply(self.isa, values);
            });
        }
    }
}

impl Kernel {
    /// Computes `examples` examples. Those of each source, and of the output, are equally far apart.
    fn run(&self, sources: [&[f32]; 3], output: &mut [f32], examples: usize) {
        let steps = sources.map(|source| source.len() / examples);
        let output_step = output.len() / examples;
        let pairs = sources[0]
            .chunks_exact(steps[0])
            .zip(output.chunks_exact_mut(output_step));
        match self {
            Self::Gemm { packed, walk }
                if walk.is_vector()
                    && !packed.is_grouped()
                    && (examples < FEW || is_sparse(&sources[0][..walk.run])) =>
            {
                let rows = Rows {
                    input: sources[0],
                    input_step: steps[0],
                    depth: walk.run,
                    output,
                    output_step,
                };
                gemv::multiply(packed, rows);
            }
            Self::Gemm { packed, walk } => Gemm {
                packed,
                walk,
                examples,
                input: sources[0],
                input_step: steps[0],
                output,
                output_step,
            }
            .run(),
            Self::FewChannels { packed, quads } => {
                pairs.for_each(|(from, to)| few_channels::convolve(packed, quads, from, to));
            }
            Self::Winograd(kernel) => {
                kernel.run((sources[0], steps[0]), (output, output_step));
            }
            Self::Depthwise(kernel) => pairs.for_each(|(from, to)| kernel.run(from, to)),
            Self::Pool(kernel) => pairs.for_each(|(from, to)| kernel.run(from, to)),
            Self::Upsample(kernel) => pairs.for_each(|(from, to)| kernel.run(from, to)),
            Self::Recurrence(kernel) => {
                kernel.run((sources[0], steps[0]), (output, output_step));
            }
            Self::Attention(kernel) => {
                let sources = [0, 1, 2].map(|source| (sources[source], steps[source]));
                kernel.run(sources, (output, output_step));
            }
            Self::Pointwise(kernel) => {
                let sources = [0, 1].map(|source| (sources[source], steps[source]));
                kernel.run(sources, (output, output_step));
            }
        }
    }

    /// Values that an example needs beside input and output.
    pub fn scratch(&self) -> usize {
        match self {
            Self::Recurrence(kernel) => kernel.scratch(),
            Self::Gemm { .. }
            | Self::FewChannels { .. }
            | Self::Winograd(_)
            | Self::Depthwise(_)
            | Self::Pool(_)
            | Self::Upsample(_)
            | Self::Attention(_)
            | Self::Pointwise(_) => 0,
        }
    }
}

impl Location {
    /// Where it is in the workspace, for a block of `examples`.
    fn range(self, examples: usize) -> Option<Range<usize>> {
        match self {
            Self::Workspace { begin, len } => Some(begin * examples..(begin + len) * examples),
            Self::Input | Self::Output => None,
        }
    }
}
