//! Runs a compiled graph: instructions in order, over numbered slots that hold values.

use std::sync::Arc;

use burn::prelude::*;

use super::burn::Operation;
use super::compile::{self, Graph, Segment, segments};
use super::{Error, Options, kernels};

/// A graph that is ready to run on one device.
#[derive(Debug)]
pub(super) struct Runner {
    instructions: Vec<Instruction>,
    /// How many values are held at once, at most. The input is in slot 0.
    slots: usize,
    output: usize,
}

#[derive(Debug)]
struct Instruction {
    code: Code,
    reads: Vec<Read>,
    /// The slot that the result goes to.
    writes: usize,
}

#[derive(Debug)]
enum Code {
    /// Burn's own operations.
    Plain(Operation),
    /// Fused kernels.
    Fused(Arc<kernels::Program>),
}

/// A slot that an instruction reads.

#[derive(Clone, Copy, Debug)]
struct Read {
    slot: usize,
    /// Whether nobody reads it afterwards, so that it is moved and not copied.
    last: bool,
}

impl Runner {
    /// Puts the weights of all operations on `device`. Also gives the steps, for people to read.
    pub fn new(
        graph: Graph,
        options: Options,
        device: &Device,
    ) -> Result<(Self, Vec<compile::Step>), Error> {
        let mut readers = graph.readers();
        let output = graph.output;
        let mut slots = Slots::new(graph.ops.len());
        let mut instructions = Vec::new();
        let mut shown = Vec::new();
        for segment in segments(graph, options.fuse) {
            shown.push(segment.step());
            let (code, inputs, made) = match segment {
                Segment::Plain { op, value } => {
                    let inputs: Vec<usize> = op.inputs.iter().map(|s| s.value).collect();
                    let operation = Operation::new(op, options, device)?;
                    (Code::Plain(operation), inputs, value)
                }
                Segment::Fused {
                    program,
                    input,
                    output,
                    reads,
                    ..
                } => {
                    readers[input] -= reads - 1;
                    (Code::Fused(program), vec![input], output)
                }
            };
            let reads = inputs.iter().map(|&value| {
                readers[value] -= 1;
                slots.read(value, readers[value] == 0)
            });
            instructions.push(Instruction {
                code,
                reads: reads.collect(),
                writes: slots.write(made),
            });
        }
        let runner = Self {
            instructions,
            output: slots.read(output, false).slot,
            slots: slots.count,
        };
        Ok((runner, shown))
    }

    /// `[batch, input values]` to `[batch, output values]`.
    pub fn forward(&self, input: Tensor<2>) -> Result<Tensor<2>, Error> {
        let mut slots: Vec<Option<Tensor<2>>> = vec![None; self.slots];
        slots[0] = Some(input);
        let missing = || Error::Compute("an instruction's input is not there".to_owned());
        for instruction in &self.instructions {
            let take = |read: &Read| match read.last {
                true => slots[read.slot].take(),
                false => slots[read.slot].clone(),
            };
            let inputs: Option<Vec<Tensor<2>>> = instruction.reads.iter().map(take).collect();
            let mut inputs = inputs.ok_or_else(missing)?;
            let output = match &instruction.code {
                Code::Plain(operation) => operation.forward(inputs)?,
                Code::Fused(program) => {
                    kernels::forward(program, inputs.pop().ok_or_else(missing)?)
                }
            };
            slots[instruction.writes] = Some(output);
        }
        slots[self.output].take().ok_or_else(missing)
    }
}

/// Which value is in which slot while the instructions are laid out.
struct Slots {
    of: Vec<usize>,
    free: Vec<usize>,
    count: usize,
}

impl Slots {
    /// The input is in slot 0.
    fn new(values: usize) -> Self {
        Self {
            of: vec![0; values],
            free: Vec::new(),
            count: 1,
        }
    }

    fn read(&mut self, value: usize, last: bool) -> Read {
        let slot = self.of[value];
        if last {
            self.free.push(slot);
        }
        Read { slot, last }
    }

    fn write(&mut self, value: usize) -> usize {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.count += 1;
            self.count - 1
        });
        self.of[value] = slot;
        slot
    }
}
