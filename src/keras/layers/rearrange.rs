//! Operations that move, repeat and put together what is there.

use serde_json::Value;

use super::arithmetic::rescaled;
use super::builder::{Builder, Read};
use super::ops::{axes, setting};
use crate::description::{
    Broadcast, Concatenate, Layer, Pad, Permute, Reshape, Slice, StridedSlice,
};
use crate::keras::Error;
use crate::keras::saved::{number, plain, resolve_axis};

/// Most copies and parts that one operation is taken apart into.
const MAX_PARTS: usize = 256;

/// `stack([a, b, …])` along a new axis.
pub fn stack(builder: &mut Builder) -> Read {
    let inputs = builder.call.tensors();
    let first = builder.first()?;
    let at = new_axis(builder, builder.shape(first).len(), 0)?;
    let mut parts = Vec::with_capacity(inputs.len());
    for input in inputs {
        let mut target = builder.shape(input);
        target.insert(at.min(target.len()), 1);
        parts.push(builder.reshape("axis", input, target)?);
    }
    builder.push_part("", Layer::Concatenate(Concatenate { axis: at }), &parts)
}

/// Where the `axis` of the result is, which has one more than the input.
pub fn new_axis(builder: &Builder, rank: usize, default: i64) -> Result<usize, Error> {
    let default = Value::from(default);
    let axis = setting(builder, &["axis"]).unwrap_or(&default);
    resolve_axis(axis, rank + 1).ok_or_else(|| {
        let hint = "expected one axis other than the batch";
        builder.options.unsupported("axis", axis, hint)
    })
}

/// `tile(x, repeats)`: the whole tensor so many times along each axis.
pub fn tile(builder: &mut Builder) -> Read {
    let mut input = builder.first()?;
    let rank = builder.shape(input).len();
    let value = setting(builder, &["repeats", "multiples"]).unwrap_or(&Value::Null);
    let counts = value.as_array().and_then(|counts| {
        let count = |count: &Value| usize::try_from(count.as_u64()?).ok();
        counts.iter().map(count).collect::<Option<Vec<_>>>()
    });
    let fits = |counts: &[usize]| counts.iter().all(|n| (1..=MAX_PARTS).contains(n));
    let counts = match counts.as_deref() {
        // The batch is the first axis.
        Some([1, counts @ ..]) if counts.len() == rank && fits(counts) => counts.to_vec(),
        Some(counts) if counts.len() <= rank && fits(counts) => {
            [vec![1; rank - counts.len()], counts.to_vec()].concat()
        }
        _ => {
            let hint = "expected a number of times for each axis, the batch once";
            return Err(builder.options.unsupported("repeats", value, hint));
        }
    };
    for (axis, count) in counts.into_iter().enumerate().filter(|(_, n)| *n > 1) {
        let layer = Layer::Concatenate(Concatenate { axis });
        input = builder.push_part("", layer, &vec![input; count])?;
    }
    Ok(input)
}

/// `repeat(x, n, axis)`: each entry of the axis so many times.
pub fn repeat(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let axis = one_axis(builder, input)?;
    let value = setting(builder, &["repeats"]).unwrap_or(&Value::Null);
    let value = match value.as_array().map(Vec::as_slice) {
        Some([one]) => one,
        _ => value,
    };
    let times = value.as_u64().and_then(|n| usize::try_from(n).ok());
    let times = times.filter(|&n| n > 0).ok_or_else(|| {
        let hint = "expected one number of times";
        builder.options.unsupported("repeats", value, hint)
    })?;
    let mut target = builder.shape(input);
    let size = target[axis].saturating_mul(times);
    target.insert(axis + 1, 1);
    let apart = builder.reshape("apart", input, target.clone())?;
    target[axis + 1] = times;
    let layer = Layer::Broadcast(Broadcast {
        target: target.clone(),
    });
    let repeated = builder.push_part("repeated", layer, &[apart])?;
    target.remove(axis + 1);
    target[axis] = size;
    builder.push(Layer::Reshape(Reshape { target }), repeated)
}

/// `flip(x, axes)`
pub fn flip(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let axes = axes(builder, input)?;
    let axes = axes.ok_or_else(|| builder.error("it would turn the batch around too"))?;
    let shape = builder.shape(input);
    let turned = |axis: usize| axes.contains(&axis);
    let ranks = 0..shape.len();
    let layer = Layer::StridedSlice(StridedSlice {
        begin: ranks
            .clone()
            .map(|axis| if turned(axis) { shape[axis] - 1 } else { 0 })
            .collect(),
        strides: ranks
            .map(|axis| if turned(axis) { -1 } else { 1 })
            .collect(),
        size: shape.clone(),
    });
    builder.push(layer, input)
}

/// `roll(x, shift, axis)`
pub fn roll(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let axis = one_axis(builder, input)?;
    let size = builder.shape(input)[axis];
    let value = setting(builder, &["shift"]).unwrap_or(&Value::Null);
    let shift = value.as_i64().zip(i64::try_from(size).ok());
    let shift = shift.and_then(|(shift, size)| usize::try_from(shift.rem_euclid(size)).ok());
    let shift = shift.ok_or_else(|| {
        let hint = "expected one whole number";
        builder.options.unsupported("shift", value, hint)
    })?;
    if shift == 0 {
        return builder.push(Layer::Identity, input);
    }
    let end = part(builder, input, axis, [size - shift, size])?;
    let begin = part(builder, input, axis, [0, size - shift])?;
    builder.push_part("", Layer::Concatenate(Concatenate { axis }), &[end, begin])
}

/// `take(x, indices, axis)` with constant indices.
pub fn take(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let axis = one_axis(builder, input)?;
    let size = builder.shape(input)[axis];
    let given = builder.call.argument(1, "indices");
    let constant = match given.and_then(super::arithmetic::side) {
        Some(super::arithmetic::Side::Constant(constant)) => plain(constant),
        _ => return Err(builder.error("its indices are no constant")),
    };
    let index = |value: &Value| {
        let index = value.as_i64()?;
        let size = i64::try_from(size).ok()?;
        let index = if index < 0 { index + size } else { index };
        usize::try_from(index).ok().filter(|_| index < size)
    };
    if let Some(index) = index(constant) {
        let mut target = builder.shape(input);
        target.remove(axis);
        let one = part(builder, input, axis, [index, index + 1])?;
        return builder.push(Layer::Reshape(Reshape { target }), one);
    }
    let indices = constant.as_array().and_then(|list| {
        let list = list.iter().map(index);
        list.collect::<Option<Vec<_>>>()
    });
    let indices = indices.filter(|list| (1..=MAX_PARTS).contains(&list.len()));
    let indices = indices.ok_or_else(|| {
        let hint = format!("expected up to {MAX_PARTS} positions along the axis");
        builder.options.unsupported("indices", constant, &hint)
    })?;
    let mut parts = Vec::with_capacity(indices.len());
    for index in indices {
        parts.push(part(builder, input, axis, [index, index + 1])?);
    }
    builder.push_part("", Layer::Concatenate(Concatenate { axis }), &parts)
}

/// `swapaxes(x, a, b)`
pub fn swap_axes(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let rank = builder.shape(input).len();
    let [a, b] = [
        axis_under(builder, "axis1", rank)?,
        axis_under(builder, "axis2", rank)?,
    ];
    let mut axes: Vec<usize> = (0..rank).collect();
    axes.swap(a, b);
    builder.push(Layer::Permute(Permute { axes }), input)
}

/// `moveaxis(x, from, to)`
pub fn move_axis(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let rank = builder.shape(input).len();
    let [from, to] = ["source", "destination"].map(|key| axis_under(builder, key, rank));
    let (from, to) = (from?, to?);
    let mut axes: Vec<usize> = (0..rank).filter(|&axis| axis != from).collect();
    axes.insert(to.min(axes.len()), from);
    builder.push(Layer::Permute(Permute { axes }), input)
}

fn axis_under(builder: &Builder, key: &str, rank: usize) -> Result<usize, Error> {
    let value = setting(builder, &[key]).unwrap_or(&Value::Null);
    let value = match value.as_array().map(Vec::as_slice) {
        Some([one]) => one,
        _ => value,
    };
    resolve_axis(value, rank).ok_or_else(|| {
        let hint = "expected one axis other than the batch";
        builder.options.unsupported(key, value, hint)
    })
}

/// `pad(x, widths, mode)`
pub fn pad(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let rank = builder.shape(input).len();
    let value = setting(builder, &["pad_width", "paddings"]).unwrap_or(&Value::Null);
    let amounts = widths(plain(value), rank).ok_or_else(|| {
        let hint = "expected two numbers for each axis, zeros for the batch";
        builder.options.unsupported("pad_width", value, hint)
    })?;
    let mode = setting(builder, &["mode"]).and_then(Value::as_str);
    match mode.unwrap_or("constant").to_ascii_lowercase().as_str() {
        "constant" => pad_with_number(builder, input, amounts),
        "reflect" => mirrored(builder, input, &amounts, 1),
        "symmetric" => mirrored(builder, input, &amounts, 0),
        _ => {
            let mode = Value::from(mode);
            let hint = "supported: constant, reflect, symmetric";
            Err(builder.options.unsupported("mode", &mode, hint))
        }
    }
}

/// What is added before and after each axis but the batch.
fn widths(value: &Value, rank: usize) -> Option<Vec<[usize; 2]>> {
    let count = |value: &Value| usize::try_from(value.as_u64()?).ok();
    let pair = |value: &Value| match value.as_array().map(Vec::as_slice) {
        Some([before, after]) => Some([count(before)?, count(after)?]),
        _ => None,
    };
    let pairs = value.as_array()?.iter().map(pair);
    let pairs = pairs.collect::<Option<Vec<_>>>()?;
    match &pairs[..] {
        [[0, 0], amounts @ ..] if amounts.len() == rank => Some(amounts.to_vec()),
        _ => None,
    }
}

fn pad_with_number(builder: &mut Builder, input: usize, amounts: Vec<[usize; 2]>) -> Read {
    let value = setting(builder, &["constant_values"]);
    let value = value.map_or(Some(0.0), |value| number(plain(value)));
    let value = value.ok_or_else(|| builder.error("it pads with more than one number"))?;
    if value == 0.0 {
        return builder.push(Layer::Pad(Pad { amounts }), input);
    }
    let less = rescaled(builder, "less", input, 1.0, -value)?;
    let padded = builder.push_part("padded", Layer::Pad(Pad { amounts }), &[less])?;
    rescaled(builder, "", padded, 1.0, value)
}

/// Continued as in a mirror at each end, `skipped` values from it.
fn mirrored(
    builder: &mut Builder,
    mut input: usize,
    amounts: &[[usize; 2]],
    skipped: usize,
) -> Read {
    for (axis, &[before, after]) in amounts.iter().enumerate() {
        let shape = builder.shape(input);
        if before.max(after) + skipped > shape[axis] {
            return Err(builder.error("it pads with more than the tensor has"));
        }
        let mut parts = vec![input];
        for (count, begin, is_first) in [
            (before, before + skipped, true),
            (after, shape[axis] - skipped, false),
        ] {
            if count == 0 {
                continue;
            }
            let mut strides = vec![1; shape.len()];
            strides[axis] = -1;
            let (mut first, mut size) = (vec![0; shape.len()], shape.clone());
            first[axis] = begin - 1;
            size[axis] = count;
            let layer = Layer::StridedSlice(StridedSlice {
                begin: first,
                strides,
                size,
            });
            let part = builder.push_part("mirrored", layer, &[input])?;
            parts.insert(if is_first { 0 } else { parts.len() }, part);
        }
        if parts.len() > 1 {
            input = builder.push_part("", Layer::Concatenate(Concatenate { axis }), &parts)?;
        }
    }
    Ok(input)
}

/// `split(x, n or positions, axis)`: several outputs.
pub fn split(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let axis = one_axis(builder, input)?;
    let size = builder.shape(input)[axis];
    let value = setting(builder, &["indices_or_sections", "num_or_size_splits"]);
    let value = plain(value.unwrap_or(&Value::Null));
    let count = |value: &Value| usize::try_from(value.as_u64()?).ok();
    let is_positions = setting(builder, &["indices_or_sections"]).is_some();
    let ends = match value.as_array() {
        None => count(value)
            .filter(|&n| (1..=MAX_PARTS).contains(&n) && size.is_multiple_of(n))
            .map(|n| (1..=n).map(|part| part * (size / n)).collect()),
        Some(list) => list
            .iter()
            .map(count)
            .collect::<Option<Vec<_>>>()
            .map(|list| {
                if is_positions {
                    return list.into_iter().chain([size]).collect();
                }
                let mut end = 0_usize;
                let sizes = list.into_iter();
                sizes
                    .map(|size| {
                        end = end.saturating_add(size);
                        end
                    })
                    .collect::<Vec<_>>()
            }),
    };
    let ascending = |ends: &Vec<usize>| {
        ends.len() <= MAX_PARTS && ends.last() == Some(&size) && ends.is_sorted_by(|a, b| a < b)
    };
    let ends = ends.filter(ascending).ok_or_else(|| {
        let hint = "expected a number of equal parts, or where they begin";
        builder
            .options
            .unsupported("indices_or_sections", value, hint)
    })?;
    let mut begin = 0;
    let mut parts = Vec::with_capacity(ends.len());
    for end in ends {
        parts.push(part(builder, input, axis, [begin, end])?);
        begin = end;
    }
    builder.gives(parts)
}

/// `unstack(x, axis)`: an output for each entry of the axis.
pub fn unstack(builder: &mut Builder) -> Read {
    let input = builder.first()?;
    let axis = one_axis(builder, input)?;
    let mut target = builder.shape(input);
    let size = target.remove(axis);
    if size > MAX_PARTS || target.is_empty() {
        return Err(builder.error(format!("it would give {size} outputs")));
    }
    let mut parts = Vec::with_capacity(size);
    for at in 0..size {
        let one = part(builder, input, axis, [at, at + 1])?;
        parts.push(builder.reshape("entry", one, target.clone())?);
    }
    builder.gives(parts)
}

/// A range of one axis.
pub fn part(builder: &mut Builder, input: usize, axis: usize, range: [usize; 2]) -> Read {
    let shape = builder.shape(input).into_iter();
    let mut ranges: Vec<[usize; 2]> = shape.map(|size| [0, size]).collect();
    ranges[axis] = range;
    builder.push_part("part", Layer::Slice(Slice { ranges }), &[input])
}

fn one_axis(builder: &Builder, input: usize) -> Result<usize, Error> {
    match axes(builder, input)?.as_deref() {
        Some(&[axis]) => Ok(axis),
        _ => Err(builder.error("it needs one axis that is not the batch")),
    }
}
