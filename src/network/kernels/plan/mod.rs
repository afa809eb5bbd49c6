//! From operations to steps: fusing, borders, and a workspace in which a value
//! takes the place of those that nobody reads any more.

mod conv;

use std::collections::HashMap;

use super::attention::Attention;
use super::depthwise::Depthwise;
use super::geometry::widest;
use super::layout::Layout;
use super::multiply::Pool as PoolFour;
use super::operation::{Conv2d, Node, Operation, Pooling, Window};
use super::pass::{Function, Pass};
use super::place::place;
use super::pool::Pool;
use super::program::{Kernel, Place, Program, Step};
use super::recurrent::Recurrence;
use super::repeat::Repeat;
use super::simd::{Isa, LINE_VALUES};
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
        mut steps, buffers, ..
    } = planner;
    let workspace = place(&mut steps, &buffers);
    let scratch = steps.iter().map(|step| step.kernel.scratch()).max();
    Ok(Program {
        isa,
        steps,
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
    /// Convolutions that are computed by the pooling that reads them.
    fused: Vec<bool>,
    /// Of what each node makes.
    layouts: Vec<Layout>,
    /// Where it lies; in the workspace as the number of a buffer for now.
    places: HashMap<usize, Place>,
    /// Length of each buffer.
    buffers: Vec<usize>,
    steps: Vec<Step>,
    output: usize,
    /// Values that borders have been given.
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
            places: HashMap::from([(0, Place::Input)]),
            buffers: Vec::new(),
            steps: Vec::new(),
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

    /// The node whose memory a node's value is: reshaping makes no memory.
    fn root(&self, mut index: usize) -> usize {
        while let Operation::Reshape = self.nodes[index].operation {
            index = self.nodes[index].inputs[0];
        }
        index
    }

    /// The convolution that the pooling `index` can be computed with.
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
            Pooling::Max => conv.activation.rises(),
            Pooling::Average => conv.activation.bounds().is_some(),
        };
        let alone = self.live[index] && self.readers[input] == 1;
        let fits = pool.window == window && !conv.is_spread();
        (fits && commutes && alone).then_some(input)
    }

    /// Gives what `index` reads the border that it reads past the edges, if
    /// that value may have one.
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
        let wide = Layout {
            border: widest(layout.border, border),
            ..*layout
        };
        let own = Layout { border, ..*layout };
        let more = wide.len() - layout.len();
        let fits = wide.len() <= layout.len() + own.len() && self.bordered + more <= MOST_BORDERED;
        if !fixed && fits && input != self.output && !self.nodes.iter().any(aliased) {
            *layout = wide;
            self.bordered += more;
        }
    }

    /// The zeros that an operation needs around its input.
    fn border(&self, index: usize) -> Option<[(usize, usize); 2]> {
        match &self.nodes[index].operation {
            Operation::Conv(conv) | Operation::Depthwise(conv) => Some(conv.border()),
            _ => None,
        }
    }

    fn emit(&mut self, index: usize) -> Result<(), Refused> {
        let node = &self.nodes[index];
        match &node.operation {
            Operation::Input => {
                if self.output == 0 {
                    self.pass(index, &[0], COPY, self.layouts[0]);
                    self.last().output = Place::Output;
                }
            }
            Operation::Reshape => {
                let input = node.inputs[0];
                if let Some(place) = self.places.get(&input) {
                    self.places.insert(index, *place);
                }
            }
            Operation::Conv(conv) => self.conv(index, index, conv, PoolFour::None)?,
            Operation::Pool(pool) => {
                if let Some(input) = self.fusible(index) {
                    if let Operation::Conv(conv) = &self.nodes[input].operation {
                        let four = match pool.pooling {
                            Pooling::Max => PoolFour::Max4,
                            Pooling::Average => PoolFour::Mean4,
                        };
                        self.conv(index, input, conv, four)?;
                    }
                } else {
                    let kernel = Pool {
                        isa: self.isa,
                        pooling: pool.pooling,
                        window: pool.window,
                        input: self.layouts[node.inputs[0]],
                        output: self.layouts[index],
                    };
                    self.push(index, &node.inputs, Kernel::Pool(kernel));
                }
            }
            Operation::Depthwise(conv) => {
                let (input, layout) = self.bordered(node.inputs[0], conv.border())?;
                let kernel = Depthwise::new(conv, layout, self.layouts[index], self.isa);
                self.push(index, &[], Kernel::Depthwise(kernel));
                self.last().inputs.push(input);
                self.last().after = after(conv.activation);
            }
            &Operation::Attention {
                heads,
                scale,
                causal,
            } => {
                let kernel = Attention {
                    isa: self.isa,
                    heads,
                    scale,
                    causal,
                    inputs: [0, 1, 2].map(|input| self.layouts[node.inputs[input]]),
                    output: self.layouts[index],
                };
                self.push(index, &node.inputs, Kernel::Attention(kernel));
            }
            Operation::Recurrent(layer) => {
                let input = self.layouts[node.inputs[0]];
                let kernel = Recurrence::new(layer, input, self.layouts[index], self.isa);
                self.push(index, &node.inputs, Kernel::Recurrence(kernel));
            }
            &Operation::Repeat(times) => {
                let kernel = Repeat {
                    times,
                    input: self.layouts[node.inputs[0]],
                    output: self.layouts[index],
                };
                self.push(index, &node.inputs, Kernel::Repeat(kernel));
            }
            Operation::Concat => {
                let mut channel = 0;
                for &input in &node.inputs {
                    let copy = Function::Copy { channel };
                    self.pass(index, &[input], copy, self.layouts[index]);
                    channel += self.layouts[input].shape.channels;
                }
            }
            Operation::Pad(padding) => {
                let layout = Layout {
                    shape: self.nodes[node.inputs[0]].shape,
                    border: *padding,
                };
                self.pass(index, &node.inputs, COPY, layout);
            }
            operation => {
                let (function, after) = Function::of(operation, node.shape)
                    .ok_or_else(|| Refused(format!("{operation:?}")))?;
                self.pass(index, &node.inputs, function, self.layouts[index]);
                self.last().after = after;
            }
        }
        Ok(())
    }

    /// A convolution whose result, pooled or not, is node `index`.
    fn conv(
        &mut self,
        index: usize,
        conv_index: usize,
        conv: &Conv2d,
        pool: PoolFour,
    ) -> Result<(), Refused> {
        let node = &self.nodes[conv_index];
        let (input, layout) = self.bordered(node.inputs[0], conv.border())?;
        let pictures = (&layout, &self.layouts[index], node.shape);
        let kernel = conv::kernel(conv, pool, pictures, self.isa)?;
        self.push(index, &[], kernel);
        self.last().inputs.push(input);
        self.last().after = after(conv.activation);
        Ok(())
    }

    /// Where node `index` can be read with zeros around it; a copy if it has no
    /// such border itself.
    fn bordered(
        &mut self,
        index: usize,
        border: [(usize, usize); 2],
    ) -> Result<(Place, Layout), Refused> {
        let layout = self.layouts[index];
        if widest(layout.border, border) == layout.border {
            return Ok((self.places[&index], layout));
        }
        let bordered = Layout { border, ..layout };
        let place = self.buffer(bordered.len());
        let copy = Pass {
            isa: self.isa,
            function: COPY,
            inputs: vec![layout],
            output: bordered,
        };
        self.steps.push(Step {
            kernel: Kernel::Pass(copy),
            inputs: vec![self.places[&index]],
            output: place,
            layout: bordered,
            after: Activation::LINEAR,
        });
        Ok((place, bordered))
    }

    /// A pass whose result is node `index` and lies as `output` says.
    fn pass(&mut self, index: usize, inputs: &[usize], function: Function, output: Layout) {
        let pass = Pass {
            isa: self.isa,
            function,
            inputs: inputs.iter().map(|&input| self.layouts[input]).collect(),
            output,
        };
        self.push(index, inputs, Kernel::Pass(pass));
        self.last().layout = output;
    }

    fn push(&mut self, index: usize, inputs: &[usize], kernel: Kernel) {
        let output = match self.places.get(&index) {
            Some(Place::Input) | None if index == self.output => Place::Output,
            Some(place) => *place,
            None => self.buffer(self.layouts[index].len()),
        };
        let inputs = inputs.iter().map(|input| self.places[input]).collect();
        if index != 0 {
            self.places.insert(index, output);
        }
        self.steps.push(Step {
            kernel,
            inputs,
            output,
            layout: self.layouts[index],
            after: Activation::LINEAR,
        });
    }

    fn last(&mut self) -> &mut Step {
        self.steps.last_mut().expect("a step was pushed")
    }

    /// A new buffer; `begin` is its number until it gets its place.
    fn buffer(&mut self, len: usize) -> Place {
        // So that every example of every buffer begins at a cache line.
        let len = len.next_multiple_of(LINE_VALUES);
        self.buffers.push(len);
        Place::Workspace {
            begin: self.buffers.len() - 1,
            len,
        }
    }
}

/// Values of an example that all borders together may take up for as long as what they surround lives. Beyond that
/// readers have copies with a border, for one step each.
const MOST_BORDERED: usize = 1 << 26;

const COPY: Function = Function::Copy { channel: 0 };

/// What remains to be done by a pass of its own.
fn after(activation: Activation) -> Activation {
    match activation.bounds() {
        Some(_) => Activation::LINEAR,
        None => activation,
    }
}
