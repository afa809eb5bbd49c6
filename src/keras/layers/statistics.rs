//! Operations that make one number of several: sums and the like, norms, positions.

use serde_json::Value;

use super::arithmetic::{apply, merged, rescaled, with_array};
use super::builder::{Builder, Read};
use super::ops::{axes, flag, setting};
use crate::description::{
    Activation, Layer, MergeOp, Reduce, Reduction, Reshape, UnitNormalization,
};
use crate::keras::Error;

/// A reduction along axes that the operation names.
pub fn reduce(builder: &mut Builder, kind: Reduction) -> Read {
    let input = builder.first()?;
    let over = Over::of(builder, input)?;
    over.reduced(builder, "", kind, input)
}

/// The mean of the squares of the distances from the mean.
pub fn variance(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let over = Over::of(builder, input)?;
    over.variance(builder, input)
}

pub fn deviation(builder: &mut Builder) -> Read {
    let variance = variance(builder)?;
    apply(builder, "root", Activation::Sqrt, variance)
}

/// `sqrt(sum(x²))`
pub fn norm(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let euclidean = [
        Value::Null,
        Value::from(2),
        Value::from("euclidean"),
        Value::from("fro"),
    ];
    let order = setting(builder, &["ord"]).unwrap_or(&Value::Null);
    if !euclidean.contains(order) && order.as_f64() != Some(2.0) {
        let hint = "only the Euclidean norm is supported";
        return Err(builder.options.unsupported("ord", order, hint));
    }
    let over = Over::of(builder, input)?;
    let square = merged(builder, "square", MergeOp::Multiply, &[input, input])?;
    let sum = over.reduced(builder, "sum", Reduction::Sum, square)?;
    apply(builder, "", Activation::Sqrt, sum)
}

/// `x / sqrt(sum(x²))`
pub fn normalize(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let order = setting(builder, &["order"]);
    if let Some(order) = order.filter(|order| order.as_f64() != Some(2.0)) {
        let hint = "only the order 2 is supported";
        return Err(builder.options.unsupported("order", order, hint));
    }
    let last = builder.shape(input).len().saturating_sub(1);
    let axes = axes(builder, input)?.unwrap_or_else(|| vec![last]);
    builder.push(Layer::UnitNormalization(UnitNormalization { axes }), input)
}

/// `log(sum(exp(x)))`
pub fn log_sum_exp(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let over = Over::of(builder, input)?;
    let kept = over.keeping();
    let largest = kept.reduced(builder, "largest", Reduction::Max, input)?;
    let below = merged(builder, "below", MergeOp::Subtract, &[input, largest])?;
    let each = apply(builder, "exponential", Activation::Exponential, below)?;
    let sum = kept.reduced(builder, "sum", Reduction::Sum, each)?;
    let log = apply(builder, "logarithm", Activation::Log, sum)?;
    let sum = merged(builder, "", MergeOp::Add, &[log, largest])?;
    over.without_axes(builder, sum)
}

/// The position of the first of the largest values along an axis, or of the smallest.
pub fn position(builder: &mut Builder, kind: Reduction) -> Read {
    let input = builder.first()?;
    let over = Over::of(builder, input)?;
    let [axis] = over.axes[..] else {
        return Err(builder.error("it needs one axis that is not the batch"));
    };
    let (shape, kept) = (builder.shape(input), over.keeping());
    let size = shape.get(axis).copied().unwrap_or(1);
    let best = kept.reduced(builder, "best", kind, input)?;
    let is_best = merged(builder, "is_best", MergeOp::Equal, &[input, best])?;
    // Positions of the best are below the size, the others become it.
    let below = (0..size).map(|at| at as f32 - size as f32).collect();
    let mut along = vec![1; shape.len()];
    along[axis] = size;
    let below = with_array(builder, "below", MergeOp::Multiply, is_best, (below, along))?;
    let positions = rescaled(builder, "positions", below, 1.0, size as f32)?;
    over.reduced(builder, "", Reduction::Min, positions)
}

/// `one_hot(x, n)` along a new last axis.
pub fn one_hot(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let value = setting(builder, &["num_classes", "depth"]).unwrap_or(&Value::Null);
    let classes = value.as_u64().and_then(|n| usize::try_from(n).ok());
    let classes = classes
        .filter(|n| (1..=1 << 20).contains(n))
        .ok_or_else(|| {
            let hint = "expected a number of classes";
            builder.options.unsupported("num_classes", value, hint)
        })?;
    let axis = setting(builder, &["axis"]).and_then(Value::as_i64);
    let shape = builder.shape(input);
    if axis.is_some_and(|axis| axis != -1) {
        return Err(builder.error("only a last axis is supported"));
    }
    let column = builder.reshape("column", input, [&shape[..], &[1]].concat())?;
    let numbers = (0..classes).map(|n| n as f32).collect();
    let row = (numbers, vec![classes]);
    with_array(builder, "", MergeOp::Equal, column, row)
}

/// What is reduced over.
struct Over {
    axes: Vec<usize>,
    keepdims: bool,
}

impl Over {
    fn of(builder: &Builder, input: usize) -> Result<Self, Error> {
        let axes = axes(builder, input)?.filter(|axes| !axes.is_empty());
        let axes = axes.ok_or_else(|| builder.error("it needs axes, none of them the batch"))?;
        Ok(Self {
            axes,
            keepdims: flag(builder, &["keepdims", "keep_dims"])?,
        })
    }

    fn keeping(&self) -> Self {
        Self {
            axes: self.axes.clone(),
            keepdims: true,
        }
    }

    fn reduced(
        &self,
        builder: &mut Builder,
        part: &'static str,
        kind: Reduction,
        input: usize,
    ) -> Read {
        let layer = Layer::Reduce(Reduce {
            kind,
            axes: self.axes.clone(),
            keepdims: self.keepdims,
        });
        builder.push_part(part, layer, &[input])
    }

    fn variance(&self, builder: &mut Builder, input: usize) -> Read {
        let kept = self.keeping();
        let mean = kept.reduced(builder, "mean", Reduction::Mean, input)?;
        let distance = merged(builder, "distance", MergeOp::Subtract, &[input, mean])?;
        let square = merged(builder, "square", MergeOp::Multiply, &[distance, distance])?;
        self.reduced(builder, "", Reduction::Mean, square)
    }

    /// Drops the axes that were kept, if they are not to stay.
    fn without_axes(&self, builder: &mut Builder, input: usize) -> Read {
        if self.keepdims {
            return Ok(input);
        }
        let shape = builder.shape(input).into_iter().enumerate();
        let target = shape
            .filter(|(axis, _)| !self.axes.contains(axis))
            .map(|(_, size)| size)
            .collect();
        builder.push_part("axes", Layer::Reshape(Reshape { target }), &[input])
    }
}
