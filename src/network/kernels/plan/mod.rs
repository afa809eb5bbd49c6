//! From operations to calls of kernels. A 2 × 2 pooling is fused into the
//! convolution before it, a value gets the border that its reader needs, and its
//! memory is used again when nobody reads it any more.

mod conv;

use std::collections::HashMap;

use super::allocate::allocate;
use super::attention::AttentionKernel;
use super::depthwise::Depthwise;
use super::epilogue::FusedPool;
use super::layout::Layout;
use super::operation::{Conv2d, Node, Operation, Pool2d, Pooling, Window};
use super::pointwise::{Function, Pointwise};
use super::pool::Pool;
use super::program::{Call, Kernel, Location, Program};
use super::recurrent::Recurrence;
use super::simd::{Isa, LINE_VALUES};
use super::upsample::Upsample;
use super::{Activation, Refused};

/// Makes a program of `nodes` that gives what node `output` makes.
pub(super) fn plan(nodes: Vec<Node>, output: usize, isa: Isa) -> Result<Program, Refused> {
    let mut planner = Planner::new(&nodes, output, isa);
    for index in 0..nodes.len() {
        if planner.live[index] && !planner.fused[index] {
            planner.emit(index)?;
        }
    }
    let Planner {
        mut calls, buffers, ..
    } = planner;
    let workspace = allocate(&mut calls, &buffers);
    let scratch = calls.iter().map(|call| call.kernel.scratch()).max();
    Ok(Program {
        isa,
        calls,
        input: nodes[0].shape.values(),
        output: nodes[output].shape.values(),
        workspace,
        scratch: scratch.unwrap_or(0),
    })
}

struct Planner<'a> {
    nodes: &'a [Node],
    isa: Isa,
    /// Whether the output depends on a node.
    live: Vec<bool>,
    /// How many live nodes read a node.
    readers: Vec<usize>,
    /// Convolutions that are computed together with the pooling that reads them.
    fused: Vec<bool>,
    /// The layout of what each node makes.
    layouts: Vec<Layout>,
    /// Where it lies. In the workspace, `begin` is the number of a buffer for now.
    locations: HashMap<usize, Location>,
    /// Length of each buffer.
    buffers: Vec<usize>,
    calls: Vec<Call>,
    output: usize,
    /// Values that all borders so far take up.
    bordered: usize,
}

impl<'a> Planner<'a> {
    fn new(nodes: &'a [Node], output: usize, isa: Isa) -> Self {
        let mut live = vec![false; nodes.len()];
        let mut readers = vec![0; nodes.len()];
        live[output] = true;
        for index in (0..nodes.len()).rev() {
            if live[index] {
                for &input in &nodes[index].inputs {
                    live[input] = true;
                    readers[input] += 1;
                }
            }
        }
        let mut planner = Self {
            nodes,
            isa,
            live,
            readers,
            fused: vec![false; nodes.len()],
            layouts: nodes.iter().map(|node| Layout::dense(node.shape)).collect(),
            locations: HashMap::from([(0, Location::Input)]),
            buffers: Vec::new(),
            calls: Vec::new(),
            output: 0,
            bordered: 0,
        };
        planner.output = planner.root(output);
        for index in 0..nodes.len() {
            if let Some(conv) = planner.fusible(index) {
                planner.fused[conv] = true;
            }
        }
        for index in 0..nodes.len() {
            planner.widen_input(index);
        }
        planner
    }

    /// The node whose memory holds a node's value: a reshaped value has none of its own.
    fn root(&self, mut index: usize) -> usize {
        while let Operation::Reshape = self.nodes[index].operation {
            index = self.nodes[index].inputs[0];
        }
        index
    }

    /// The convolution that the pooling `index` can be fused into.
    fn fusible(&self, index: usize) -> Option<usize> {
        let Operation::Pool(pool) = &self.nodes[index].operation else {
            return None;
        };
        let window = Window {
            size: [2, 2],
            strides: [2, 2],
            dilation: [1, 1],
            padding: [(0, 0); 2],
        };
        let input = self.nodes[index].inputs[0];
        let Operation::Conv(conv) = &self.nodes[input].operation else {
            return None;
        };
        let commutes = match pool.pooling {
            Pooling::Max => conv.activation.is_monotonic(),
            Pooling::Average => conv.activation.bounds().is_some(),
        };
        let alone = self.live[index] && self.readers[input] == 1;
        let fits = pool.window == window && !conv.is_transposed();
        (fits && commutes && alone).then_some(input)
    }

    /// Gives the input of node `index` the border that the node reads, if that
    /// value may have one.
    fn widen_input(&mut self, index: usize) {
        let Some(border) = self.border(index).filter(|_| self.live[index]) else {
            return;
        };
        let input = self.nodes[index].inputs[0];
        let aliased =
            |node: &Node| matches!(node.operation, Operation::Reshape) && node.inputs[0] == input;
        let fixed = matches!(
            self.nodes[input].operation,
            Operation::Input | Operation::Reshape | Operation::Pad(_)
        );
        let layout = &mut self.layouts[input];
        let wide = layout.widened(border);
        let own = Layout { border, ..*layout };
        let more = wide.len() - layout.len();
        let fits = wide.len() <= layout.len() + own.len() && self.bordered + more <= MAX_BORDERED;
        if !fixed && fits && input != self.output && !self.nodes.iter().any(aliased) {
            *layout = wide;
            self.bordered += more;
        }
    }

    /// The zeros that an operation needs around its input.
    fn border(&self, index: usize) -> Option<[(usize, usize); 2]> {
        match &self.nodes[index].operation {
            Operation::Conv(conv) | Operation::Depthwise(conv) => Some(conv.border()),
            Operation::Input
            | Operation::Pool(_)
            | Operation::Binary(..)
            | Operation::Affine { .. }
            | Operation::Activation(_)
            | Operation::Normalize { .. }
            | Operation::PRelu { .. }
            | Operation::Attention(_)
            | Operation::Recurrent(_)
            | Operation::Upsample(_)
            | Operation::Softmax
            | Operation::Concat
            | Operation::Pad(_)
            | Operation::Reshape => None,
        }
    }

    /// Appends the calls that make node `index`.
    fn emit(&mut self, index: usize) -> Result<(), Refused> {
        let node = &self.nodes[index];
        let layout = self.layouts[index];
        match &node.operation {
            Operation::Input => {
                if self.output == 0 {
                    self.pointwise(index, &[0], COPY, layout);
                    self.last().output = Location::Output;
                }
            }
            Operation::Reshape => {
                if let Some(&location) = self.locations.get(&node.inputs[0]) {
                    self.locations.insert(index, location);
                }
            }
            Operation::Conv(conv) => self.conv(index, index, conv, FusedPool::None)?,
            Operation::Pool(pool) => self.pool(index, pool)?,
            Operation::Depthwise(conv) => self.depthwise(index, conv),
            &Operation::Attention(attention) => {
                let kernel = AttentionKernel {
                    isa: self.isa,
                    attention,
                    inputs: [0, 1, 2].map(|input| self.layouts[node.inputs[input]]),
                    output: layout,
                };
                self.push(index, &node.inputs, Kernel::Attention(kernel));
            }
            Operation::Recurrent(layer) => {
                let input = self.layouts[node.inputs[0]];
                let kernel = Recurrence::new(layer, input, layout, self.isa);
                self.push(index, &node.inputs, Kernel::Recurrence(kernel));
            }
            &Operation::Upsample(times) => {
                let kernel = Upsample {
                    times,
                    input: self.layouts[node.inputs[0]],
                    output: layout,
                };
                self.push(index, &node.inputs, Kernel::Upsample(kernel));
            }
            Operation::Concat => {
                let mut channel = 0;
                for &input in &node.inputs {
                    self.pointwise(index, &[input], Function::Copy { channel }, layout);
                    channel += self.layouts[input].shape.channels;
                }
            }
            Operation::Pad(padding) => {
                let inside = Layout {
                    shape: self.nodes[node.inputs[0]].shape,
                    border: *padding,
                };
                self.pointwise(index, &node.inputs, COPY, inside);
            }
            operation @ (Operation::Activation(_)
            | Operation::Affine { .. }
            | Operation::Binary(..)
            | Operation::Normalize { .. }
            | Operation::PRelu { .. }
            | Operation::Softmax) => {
                let (function, activation) = Function::of(operation, node.shape)
                    .ok_or_else(|| Refused(format!("{operation:?}")))?;
                self.pointwise(index, &node.inputs, function, layout);
                self.last().activation = activation;
            }
        }
        Ok(())
    }

    /// A pooling, together with the convolution before it if they can be fused.
    fn pool(&mut self, index: usize, pool: &Pool2d) -> Result<(), Refused> {
        let node = &self.nodes[index];
        if let Some(input) = self.fusible(index)
            && let Operation::Conv(conv) = &self.nodes[input].operation
        {
            let fused = match pool.pooling {
                Pooling::Max => FusedPool::Max4,
                Pooling::Average => FusedPool::Mean4,
            };
            return self.conv(index, input, conv, fused);
        }
        let kernel = Pool {
            isa: self.isa,
            pooling: pool.pooling,
            window: pool.window,
            input: self.layouts[node.inputs[0]],
            output: self.layouts[index],
        };
        self.push(index, &node.inputs, Kernel::Pool(kernel));
        Ok(())
    }

    fn depthwise(&mut self, index: usize, conv: &Conv2d) {
        let node = &self.nodes[index];
        let (input, layout) = self.bordered(node.inputs[0], conv.border());
        let kernel = Depthwise::new(conv, layout, self.layouts[index], self.isa);
        self.push(index, &[], Kernel::Depthwise(kernel));
        self.last().inputs.push(input);
        self.last().activation = remaining(conv.activation);
    }

    /// A convolution whose result, pooled or not, is node `index`.
    fn conv(
        &mut self,
        index: usize,
        conv_index: usize,
        conv: &Conv2d,
        pool: FusedPool,
    ) -> Result<(), Refused> {
        let node = &self.nodes[conv_index];
        let (input, layout) = self.bordered(node.inputs[0], conv.border());
        let pictures = (&layout, &self.layouts[index], node.shape);
        let kernel = conv::kernel(conv, pool, pictures, self.isa)?;
        self.push(index, &[], kernel);
        self.last().inputs.push(input);
        self.last().activation = remaining(conv.activation);
        Ok(())
    }

    /// Where node `index` can be read with zeros around it; a copy if it has no
    /// such border itself.
    fn bordered(&mut self, index: usize, border: [(usize, usize); 2]) -> (Location, Layout) {
        let layout = self.layouts[index];
        if layout.widened(border) == layout {
            return (self.locations[&index], layout);
        }
        let bordered = Layout { border, ..layout };
        let location = self.buffer(bordered.len());
        let copy = Pointwise {
            isa: self.isa,
            function: COPY,
            inputs: vec![layout],
            output: bordered,
        };
        self.calls.push(Call {
            kernel: Kernel::Pointwise(copy),
            inputs: vec![self.locations[&index]],
            output: location,
            layout: bordered,
            activation: Activation::LINEAR,
        });
        (location, bordered)
    }

    /// A pointwise kernel whose result is node `index` and lies as `output` says.
    fn pointwise(&mut self, index: usize, inputs: &[usize], function: Function, output: Layout) {
        let kernel = Pointwise {
            isa: self.isa,
            function,
            inputs: inputs.iter().map(|&input| self.layouts[input]).collect(),
            output,
        };
        self.push(index, inputs, Kernel::Pointwise(kernel));
        self.last().layout = output;
    }

    fn push(&mut self, index: usize, inputs: &[usize], kernel: Kernel) {
        let output = match self.locations.get(&index) {
            Some(Location::Input) | None if index == self.output => Location::Output,
            Some(location) => *location,
            None => self.buffer(self.layouts[index].len()),
        };
        let inputs = inputs.iter().map(|input| self.locations[input]).collect();
        if index != 0 {
            self.locations.insert(index, output);
        }
        self.calls.push(Call {
            kernel,
            inputs,
            output,
            layout: self.layouts[index],
            activation: Activation::LINEAR,
        });
    }

    fn last(&mut self) -> &mut Call {
        self.calls.last_mut().expect("a call was pushed")
    }

    /// A new buffer; `begin` is its number until buffers are allocated.
    fn buffer(&mut self, len: usize) -> Location {
        // So that every example of every buffer begins at a cache line.
        let len = len.next_multiple_of(LINE_VALUES);
        self.buffers.push(len);
        Location::Workspace {
            begin: self.buffers.len() - 1,
            len,
        }
    }
}

/// Values of an example that all borders together may take up for as long as what they surround lives. Beyond that
/// readers have copies with a border, for one call each.
const MAX_BORDERED: usize = 1 << 26;

const COPY: Function = Function::Copy { channel: 0 };

/// What the kernel of a convolution leaves of its activation: all but clamping.
fn remaining(activation: Activation) -> Activation {
    match activation.bounds() {
        Some(_) => Activation::LINEAR,
        None => activation,
    }
}
