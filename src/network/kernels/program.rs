//! A built program: packed weights, and the order in which kernels run.

use std::cell::RefCell;
use std::ops::Range;

use super::activation::Activation;
use super::attention::Attention;
use super::depthwise::Depthwise;
use super::layout::Layout;
use super::multiply::{Multiply, Walk};
use super::nonzero::is_sparse;
use super::pack::Packed;
use super::pass::{Pass, each_piece};
use super::pool::Pool;
use super::recurrent::Recurrence;
use super::repeat::Repeat;
use super::rows::{self, FEW, Rows};
use super::simd::{Aligned, Isa};
use super::thin::{self, Quads};
use super::winograd::Winograd;

/// Runs on any number of threads at once; each has a workspace of its own.
#[derive(Debug)]
pub struct Program {
    pub(super) isa: Isa,
    pub(super) steps: Vec<Step>,
    pub(super) input: usize,
    pub(super) output: usize,
    /// Values of workspace an example needs.
    pub(super) workspace: usize,
    /// What the kernels need beside it, at most.
    pub(super) scratch: usize,
}

/// One kernel, where it reads and where it writes.
#[derive(Debug)]
pub(super) struct Step {
    pub kernel: Kernel,
    pub inputs: Vec<Place>,
    pub output: Place,
    /// The whole of what is written.
    pub layout: Layout,
    /// What is left to do with the result.
    pub after: Activation,
}

/// Where a value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
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
    Multiply {
        packed: Packed,
        walk: Walk,
    },
    /// A convolution over one to three channels.
    Thin {
        packed: Packed,
        quads: Quads,
    },
    Winograd(Winograd),
    Depthwise(Depthwise),
    Pool(Pool),
    Recurrence(Recurrence),
    Repeat(Repeat),
    Attention(Attention),
    Pass(Pass),
}

/// Values of workspace that a block of examples should not exceed: about half
/// of a core's second-level cache, so that weights have place beside it.
const BLOCK_VALUES: usize = 128 * 1024;
/// Examples in a block, at most.
const MAX_BLOCK: usize = 32;

thread_local! {
    /// Grows to what the largest program of the thread needs, and stays.
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
        // Blocks of one size, as far as that goes.
        let block = batch.div_ceil(batch.div_ceil(most));
        WORKSPACE.with_borrow_mut(|workspace| {
            workspace.ensure(block * self.workspace);
            let workspace = workspace.as_mut_slice();
            let inputs = input.chunks(block * self.input);
            for (input, output) in inputs.zip(output.chunks_mut(block * self.output)) {
                for step in &self.steps {
                    self.step(step, input, output, workspace);
                }
            }
        });
    }

    fn step(&self, step: &Step, input: &[f32], output: &mut [f32], workspace: &mut [f32]) {
        let examples = input.len() / self.input;
        // What reads fewer values does not look at the others.
        let mut sources = [input; 3];
        let to = match step.output {
            Place::Output => {
                for (source, place) in sources.iter_mut().zip(&step.inputs) {
                    if let Some(range) = place.range(examples) {
                        *source = &workspace[range];
                    }
                }
                output
            }
            to => {
                let to = to.range(examples).unwrap_or_default();
                let (before, rest) = workspace.split_at_mut(to.start);
                let (to_slice, after) = rest.split_at_mut(to.len());
                for (source, place) in sources.iter_mut().zip(&step.inputs) {
                    if let Some(range) = place.range(examples) {
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
        self.compute(step, sources, to, examples);
    }

    fn compute(&self, step: &Step, sources: [&[f32]; 3], output: &mut [f32], examples: usize) {
        let steps = sources.map(|source| source.len() / examples);
        let output_step = output.len() / examples;
        if !step.layout.is_dense() {
            for picture in output.chunks_exact_mut(output_step) {
                step.layout.clear_border(picture);
            }
        }
        let pairs = sources[0]
            .chunks_exact(steps[0])
            .zip(output.chunks_exact_mut(output_step));
        match &step.kernel {
            Kernel::Multiply { packed, walk }
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
                rows::multiply(packed, rows);
            }
            Kernel::Multiply { packed, walk } => Multiply {
                packed,
                walk,
                examples,
                input: sources[0],
                input_step: steps[0],
                output,
                output_step,
            }
            .run(),
            Kernel::Thin { packed, quads } => {
                pairs.for_each(|(from, to)| thin::convolve(packed, quads, from, to));
            }
            Kernel::Winograd(kernel) => {
                kernel.run((sources[0], steps[0]), (output, output_step));
            }
            Kernel::Depthwise(kernel) => pairs.for_each(|(from, to)| kernel.run(from, to)),
            Kernel::Pool(kernel) => pairs.for_each(|(from, to)| kernel.run(from, to)),
            Kernel::Repeat(kernel) => pairs.for_each(|(from, to)| kernel.run(from, to)),
            Kernel::Recurrence(kernel) => {
                kernel.run((sources[0], steps[0]), (output, output_step));
            }
            Kernel::Attention(kernel) => {
                let sources = [0, 1, 2].map(|source| (sources[source], steps[source]));
                kernel.run(sources, (output, output_step));
            }
            Kernel::Pass(pass) => {
                let sources = [0, 1].map(|source| (sources[source], steps[source]));
                pass.run(sources, (output, output_step));
            }
        }
        if step.after != Activation::LINEAR {
            each_piece(&step.layout, (output, output_step), |values| {
                step.after.apply(self.isa, values);
            });
        }
    }
}

impl Kernel {
    /// Values that an example needs beside input and output.
    pub fn scratch(&self) -> usize {
        match self {
            Self::Recurrence(kernel) => kernel.scratch(),
            _ => 0,
        }
    }
}

impl Place {
    /// Where it is in the workspace, for a block of `examples`.
    fn range(self, examples: usize) -> Option<Range<usize>> {
        match self {
            Self::Workspace { begin, len } => Some(begin * examples..(begin + len) * examples),
            Self::Input | Self::Output => None,
        }
    }
}
