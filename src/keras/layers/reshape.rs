//! Layers that only give the values another shape or order.

use serde_json::Value;

use super::builder::{Builder, Read};
use crate::description::{Broadcast, DataFormat, Layer, Permute, Reshape, elements};
use crate::keras::Error;
use crate::keras::saved::resolve_axis;

/// `keras.layers.Flatten`: channels last, whatever `data_format` the input has.
pub fn flatten(builder: &mut Builder) -> Read {
    let mut input = builder.input()?;
    let shape = builder.shape(input);
    if builder.options.data_format()? == DataFormat::ChannelsFirst && shape.len() > 1 {
        let axes = (1..shape.len()).chain([0]).collect();
        input = builder.push_part("channels_last", Layer::Permute(Permute { axes }), &[input])?;
    }
    let total = elements(&shape).map_err(|e| builder.error(e))?;
    let target = vec![total];
    builder.push(Layer::Reshape(Reshape { target }), input)
}

/// `keras.layers.Reshape`
pub fn reshape(builder: &mut Builder) -> Read {
    let key = "target_shape";
    let value = builder.options.get(key);
    let value = value.ok_or_else(|| builder.options.absent(key))?;
    let input = builder.input()?;
    let target = reshape_target(builder, key, value, input)?;
    builder.push(Layer::Reshape(Reshape { target }), input)
}

/// A shape without the batch axis, its one `-1` replaced by what is left of the input.
pub fn reshape_target(
    builder: &Builder,
    key: &str,
    value: &Value,
    input: usize,
) -> Result<Vec<usize>, Error> {
    let refuse = || {
        let hint = "expected sizes from 1 on, one of them -1 at most";
        builder.options.unsupported(key, value, hint)
    };
    let sizes = value.as_array().ok_or_else(refuse)?;
    resolve_target(builder, sizes, input)?.ok_or_else(refuse)
}

/// The same of a list; `None` where the sizes make no shape.
pub fn resolve_target(
    builder: &Builder,
    sizes: &[Value],
    input: usize,
) -> Result<Option<Vec<usize>>, Error> {
    let total = elements(&builder.shape(input)).map_err(|e| builder.error(e))?;
    let size = |size: &Value| match size.as_i64() {
        Some(-1) => Some(None),
        Some(n) if n > 0 => usize::try_from(n).ok().map(Some),
        _ => None,
    };
    let Some(sizes) = sizes.iter().map(size).collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    let known = sizes.iter().flatten();
    let known = known.copied().try_fold(1_usize, usize::checked_mul);
    let rest = known.and_then(|known| total.checked_div(known));
    let open = sizes.iter().filter(|size| size.is_none()).count();
    let rest = rest.filter(|_| open <= 1);
    Ok(rest.map(|rest| sizes.into_iter().map(|size| size.unwrap_or(rest)).collect()))
}

/// `keras.layers.Permute`: axes counted from 1.
pub fn permute(builder: &mut Builder) -> Read {
    let input = builder.input()?;
    let rank = builder.shape(input).len();
    let value = builder.options.get("dims");
    let value = value.ok_or_else(|| builder.options.absent("dims"))?;
    let axes = value.as_array().and_then(|axes| {
        let axes = axes.iter().map(|axis| resolve_axis(axis, rank));
        axes.collect::<Option<Vec<_>>>()
    });
    let axes = axes.ok_or_else(|| {
        let hint = format!("expected the numbers from 1 to {rank} in some order");
        builder.options.unsupported("dims", value, &hint)
    })?;
    builder.push(Layer::Permute(Permute { axes }), input)
}

/// `keras.layers.RepeatVector`: `(features)` to `(n, features)`.
pub fn repeat_vector(builder: &mut Builder) -> Read {
    let input = builder.input()?;
    let times = builder.options.size("n")?;
    let &[features] = &builder.shape(input)[..] else {
        return Err(builder.error("it takes a vector"));
    };
    let row = builder.reshape("row", input, vec![1, features])?;
    let target = vec![times, features];
    builder.push(Layer::Broadcast(Broadcast { target }), row)
}
