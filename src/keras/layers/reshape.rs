//! Layers that only give the values another shape or order.

use serde_json::Value;

use super::Use;
use crate::description::{Broadcast, DataFormat, Layer, Permute, Reshape, elements};
use crate::keras::Error;
use crate::keras::saved::resolve_axis;

type Read = Result<usize, Error>;

/// `keras.layers.Flatten`: channels last, whatever `data_format` the input has.
pub fn flatten(used: &mut Use) -> Read {
    let mut input = used.input()?;
    let shape = used.shape(input);
    if used.options.data_format()? == DataFormat::ChannelsFirst && shape.len() > 1 {
        let axes = (1..shape.len()).chain([0]).collect();
        input = used.push_part("channels_last", Layer::Permute(Permute { axes }), &[input])?;
    }
    let total = elements(&shape).map_err(|e| used.error(e))?;
    let target = vec![total];
    used.push(Layer::Reshape(Reshape { target }), input)
}

/// `keras.layers.Reshape`
pub fn reshape(used: &mut Use) -> Read {
    let key = "target_shape";
    let value = used.options.get(key);
    let value = value.ok_or_else(|| used.options.absent(key))?;
    let input = used.input()?;
    let target = reshape_target(used, key, value, input)?;
    used.push(Layer::Reshape(Reshape { target }), input)
}

/// A shape without the batch axis, its one `-1` replaced by what is left of the input.
pub fn reshape_target(
    used: &Use,
    key: &str,
    value: &Value,
    input: usize,
) -> Result<Vec<usize>, Error> {
    let refuse = || {
        let hint = "expected sizes from 1 on, one of them -1 at most";
        used.options.unsupported(key, value, hint)
    };
    let sizes = value.as_array().ok_or_else(refuse)?;
    resolve_target(used, sizes, input)?.ok_or_else(refuse)
}

/// The same of a list; `None` where the sizes make no shape.
pub fn resolve_target(
    used: &Use,
    sizes: &[Value],
    input: usize,
) -> Result<Option<Vec<usize>>, Error> {
    let total = elements(&used.shape(input)).map_err(|e| used.error(e))?;
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
pub fn permute(used: &mut Use) -> Read {
    let input = used.input()?;
    let rank = used.shape(input).len();
    let value = used.options.get("dims");
    let value = value.ok_or_else(|| used.options.absent("dims"))?;
    let axes = value.as_array().and_then(|axes| {
        let axes = axes.iter().map(|axis| resolve_axis(axis, rank));
        axes.collect::<Option<Vec<_>>>()
    });
    let axes = axes.ok_or_else(|| {
        let hint = format!("expected the numbers from 1 to {rank} in some order");
        used.options.unsupported("dims", value, &hint)
    })?;
    used.push(Layer::Permute(Permute { axes }), input)
}

/// `keras.layers.RepeatVector`: `(features)` to `(n, features)`.
pub fn repeat_vector(used: &mut Use) -> Read {
    let input = used.input()?;
    let times = used.options.size("n")?;
    let &[features] = &used.shape(input)[..] else {
        return Err(used.error("it takes a vector"));
    };
    let row = used.reshape("row", input, vec![1, features])?;
    let target = vec![times, features];
    used.push(Layer::Broadcast(Broadcast { target }), row)
}
