//! `EinsumDense`: a product with a matrix along axes that an equation names, as a `Dense` between two
//! changes of the order of axes.

use serde_json::Value;

use super::arithmetic::apply;
use super::builder::{Builder, Read};
use super::normalization::{along_the_last, learned};
use crate::description::{Activation, Dense, Layer, MergeOp, Permute, product};
use crate::keras::Error;
use crate::keras::graph::Variable;

/// `keras.layers.EinsumDense`
pub fn einsum_dense(builder: &mut Builder) -> Read {
    let input = builder.input()?;
    let shape = builder.shape(input);
    let equation = Equation::of(builder, shape.len())?;
    let at = |label: &char| equation.input.iter().position(|other| other == label);
    let order: Vec<usize> = equation
        .kept
        .iter()
        .chain(&equation.contracted)
        .filter_map(at)
        .collect();
    let sizes: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
    let (kept, contracted) = sizes.split_at(equation.kept.len());
    let free = equation.free_sizes(builder)?;
    let [rows, units] = [contracted, &free].map(|sizes| product(sizes).unwrap_or(usize::MAX));

    let turned = permuted(builder, "turned", input, order)?;
    let flat = builder.reshape("flat", turned, [kept, &[rows]].concat())?;
    let layer = Layer::Dense(Dense {
        units,
        use_bias: false,
        activation: Activation::Linear,
    });
    let made = builder.push_part("product", layer, &[flat])?;
    builder.variable(Variable {
        target: Some(("product", 0)),
        ..learned("kernel", &[], [contracted, &free].concat())
    });
    let whole = [kept, &free].concat();
    let made = builder.reshape("whole", made, whole.clone())?;
    let labels: Vec<char> = [&equation.kept[..], &equation.free].concat();
    let at = |label: &char| labels.iter().position(|other| other == label);
    let order = equation.output.iter().filter_map(at).collect();
    let made = permuted(builder, "back", made, order)?;
    let made = biased(builder, made, &equation.output)?;
    match builder.options.activation()? {
        Activation::Linear => Ok(made),
        activation => apply(builder, "activation", activation, made),
    }
}

fn permuted(builder: &mut Builder, part: &'static str, input: usize, axes: Vec<usize>) -> Read {
    if axes.is_sorted() {
        return Ok(input);
    }
    builder.push_part(part, Layer::Permute(Permute { axes }), &[input])
}

/// With the bias, which has an axis for each label from the first of `bias_axes` on.
fn biased(builder: &mut Builder, made: usize, output: &[char]) -> Read {
    let Some(axes) = builder.options.get("bias_axes").and_then(Value::as_str) else {
        return Ok(made);
    };
    if axes.is_empty() {
        return Ok(made);
    }
    let shape = builder.shape(made);
    let first = output.iter().position(|label| axes.contains(*label));
    let known = axes.chars().all(|label| output.contains(&label));
    let first = first.filter(|_| known).ok_or_else(|| {
        let value = Value::from(axes);
        let hint = "expected axes of the output";
        builder.options.unsupported("bias_axes", &value, hint)
    })?;
    let sizes = output.iter().zip(shape).skip(first);
    let sizes = sizes.map(|(label, size)| if axes.contains(*label) { size } else { 1 });
    let bias = learned("bias", &[], sizes.collect());
    along_the_last(builder, made, MergeOp::Add, bias)
}

/// The axes of an equation such as `abc,cd->abd`, without the batch.
struct Equation {
    input: Vec<char>,
    output: Vec<char>,
    /// Axes of the input and the output, in the output's order.
    kept: Vec<char>,
    /// Axes of the input and the kernel, in the kernel's order.
    contracted: Vec<char>,
    /// Axes of the kernel and the output, in the kernel's order.
    free: Vec<char>,
}

impl Equation {
    fn of(builder: &Builder, rank: usize) -> Result<Self, Error> {
        let key = "equation";
        let value = builder.options.get(key);
        let value = value.ok_or_else(|| builder.options.absent(key))?;
        let parsed = value.as_str().and_then(|text| Self::parse(text, rank));
        parsed.ok_or_else(|| {
            let hint = "expected the batch first, a kernel with the axes that are summed up in \
                        front of the others, and no axis that all three have";
            builder.options.unsupported(key, value, hint)
        })
    }

    fn parse(text: &str, rank: usize) -> Option<Self> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (inputs, output) = text.split_once("->")?;
        let (input, kernel) = inputs.split_once(',')?;
        let named = input.replace("...", "").chars().count();
        // Digits stand for the axes that an ellipsis does.
        let rest: String = match input.contains("...") {
            true => ('0'..='9').take((rank + 1).checked_sub(named)?).collect(),
            false => String::new(),
        };
        let labels = |part: &str| {
            let labels: Vec<char> = part.replace("...", &rest).chars().collect();
            let mut distinct = labels.clone();
            distinct.sort_unstable();
            distinct.dedup();
            (distinct.len() == labels.len()).then_some(labels)
        };
        let (input, kernel, output) = (labels(input)?, labels(kernel)?, labels(output)?);
        let both = |of: &[char], others: &[char]| -> Vec<char> {
            let mut of = of.to_vec();
            of.retain(|label| others.contains(label));
            of
        };
        let contracted = both(&kernel, &input);
        let free = both(&kernel, &output);
        let is_plain = input.len() == rank + 1
            && input.first() == output.first()
            && both(&contracted, &output).is_empty()
            && kernel == [&contracted[..], &free].concat()
            && both(&output, &input).len() + contracted.len() == input.len()
            && both(&output, &input).len() + free.len() == output.len();
        let (input, output) = (input.get(1..)?.to_vec(), output.get(1..)?.to_vec());
        is_plain.then(|| Self {
            kept: both(&output, &input),
            input,
            output,
            contracted,
            free,
        })
    }

    /// The sizes of the free axes, from the `output_shape`.
    fn free_sizes(&self, builder: &Builder) -> Result<Vec<usize>, Error> {
        let key = "output_shape";
        let value = builder.options.get(key);
        let value = value.ok_or_else(|| builder.options.absent(key))?;
        let list = match value.as_array() {
            Some(list) => list.clone(),
            None => vec![value.clone()],
        };
        let size = |label: &char| {
            let at = self.output.iter().position(|other| other == label)?;
            // It may leave out the first axes.
            let at = (at + list.len()).checked_sub(self.output.len())?;
            usize::try_from(list.get(at)?.as_u64()?).ok()
        };
        let sizes: Option<Vec<usize>> = self.free.iter().map(size).collect();
        sizes.ok_or_else(|| {
            let hint = "expected the size of each axis that the kernel adds";
            builder.options.unsupported(key, value, hint)
        })
    }
}
