//! Which kernel an operation becomes, if there is one for it.
//!
//! The only place that knows: a run of operations is grown with [`Run::add`]
//! until an operation has no kernel.

mod activation;
mod merge;
mod pictures;
mod sequences;

pub(super) use activation::activation;

use super::op::{Op, Source, Work};
use crate::description::Activation;
use crate::network::kernels::{self, Builder, Program, Refused, Shape, Value};

/// Operations with one input that all have a kernel.
pub(super) struct Run {
    /// The number of the first operation.
    first: usize,
    builder: Builder,
    input: Value,
    /// What each operation makes.
    made: Vec<Value>,
}

impl Run {
    /// Begins with operation `first`, which reads `source`.
    ///
    /// # Errors
    /// [`Refused`] if no kernel can read a value of that size.
    pub fn new(first: usize, source: &Source) -> Result<Self, Refused> {
        let (builder, input) = Builder::new(as_picture(&source.shape))?;
        Ok(Self {
            first,
            builder,
            input,
            made: Vec::new(),
        })
    }

    /// Appends the next operation.
    ///
    /// # Errors
    /// [`Refused`] if there is no kernel for it.
    pub fn add(&mut self, op: &Op) -> Result<(), Refused> {
        let inputs = op.inputs.iter().map(|source| self.read(source));
        let inputs = inputs.collect::<Result<Vec<Value>, Refused>>()?;
        let made = kernel(op, &inputs, &mut self.builder)?;
        self.made.push(made);
        Ok(())
    }

    /// How many operations it has.
    pub fn len(&self) -> usize {
        self.made.len()
    }

    /// The first `len` operations as a program that gives what the last of them makes.
    ///
    /// # Errors
    /// [`Refused`] if there is nothing to run, or a picture is too large.
    pub fn program(&self, len: usize) -> Result<Program, Refused> {
        let output = len.checked_sub(1).and_then(|last| self.made.get(last));
        let output = output.ok_or_else(|| Refused("no operation".to_owned()))?;
        self.builder.clone().build(*output)
    }

    /// A value under the shape under which an operation sees it.
    fn read(&mut self, source: &Source) -> Result<Value, Refused> {
        let value = match source.value.checked_sub(self.first) {
            Some(index) => self.made[index],
            None => self.input,
        };
        let shape = as_picture(&source.shape);
        if self.builder.shape(value) == shape {
            return Ok(value);
        }
        self.builder.reshape(value, shape)
    }
}

/// Any shape as a picture: the last axis stays the last, those before it become
/// one row, unless it is a picture already.
fn as_picture(shape: &[usize]) -> Shape {
    let (height, width, channels) = match *shape {
        [height, width, channels] => (height, width, channels),
        [ref outer @ .., channels] => (1, outer.iter().product(), channels),
        [] => (1, 1, 1),
    };
    Shape {
        height,
        width,
        channels,
    }
}

/// Gives `op`, which reads `inputs`, to `builder`.
fn kernel(op: &Op, inputs: &[Value], builder: &mut Builder) -> Result<Value, Refused> {
    if op.activation == Activation::Softmax {
        return match (&op.work, inputs) {
            (Work::Activation, &[input]) => builder.softmax(input),
            _ => Err(refused(op)),
        };
    }
    let mut translation = Translation {
        op,
        inputs,
        activation: activation(op.activation).ok_or_else(|| refused(op))?,
        builder,
    };
    let made = match &op.work {
        // These apply their activation to what is still in the registers.
        Work::Affine(affine) => return translation.affine(affine),
        Work::Conv(conv) => return translation.convolution(conv),
        Work::Dense(linear) => return translation.dense(linear),
        Work::Merge(kind) => return translation.merge(*kind),
        Work::Activation => translation.input()?,
        Work::Attention(attention) => translation.attention(attention)?,
        Work::Bidirectional {
            forward,
            backward,
            merge,
        } => translation.bidirectional(forward, backward, *merge)?,
        Work::Concatenate { axis } => translation.concatenate(*axis)?,
        Work::Normalize {
            statistics,
            epsilon,
        } => translation.normalize(*statistics, *epsilon)?,
        Work::Pad(amounts) => translation.pad(amounts)?,
        Work::Pool { kind, window } => translation.pool(*kind, *window)?,
        Work::PRelu { alpha, shape } => translation.prelu(alpha, shape)?,
        Work::Recurrent(work) => translation.recurrent(work)?,
        Work::Reduce { kind, axes } => translation.reduce(*kind, axes)?,
        Work::Resize(interpolation) => translation.resize(*interpolation)?,
        Work::Input
        | Work::Broadcast
        | Work::Each { .. }
        | Work::Embedding { .. }
        | Work::MergeConstant { .. }
        | Work::Permute(_)
        | Work::Slice(_)
        | Work::Take(_)
        | Work::UnitNormalize => return Err(translation.refused()),
    };
    if translation.activation == kernels::Activation::LINEAR {
        return Ok(made);
    }
    translation.builder.activation(made, translation.activation)
}

/// An operation on its way to the builder.
struct Translation<'a> {
    op: &'a Op,
    inputs: &'a [Value],
    /// The operation's, as the kernels have it.
    activation: kernels::Activation,
    builder: &'a mut Builder,
}

impl Translation<'_> {
    fn input(&self) -> Result<Value, Refused> {
        self.inputs.first().copied().ok_or_else(|| self.refused())
    }

    fn refused(&self) -> Refused {
        refused(self.op)
    }
}

/// That there is no kernel for `op`.
fn refused(op: &Op) -> Refused {
    Refused(op.work.name().to_owned())
}
