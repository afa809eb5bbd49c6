//! A part of a tensor, as `x[:, 0]` gives it.

use serde_json::Value;

use super::builder::Builder;
use crate::description::{Layer, Reshape, Slice, StridedSlice};
use crate::keras::Error;
use crate::keras::saved::Argument;

/// `x[:, 0]`, `x[:, 1:3, ..., None]`, `x[..., ::-1]` and the like.
pub fn get_item(builder: &mut Builder) -> Result<usize, Error> {
    let input = builder.first()?;
    let call = builder.call;
    let key = call
        .argument(1, "key")
        .or_else(|| call.argument(1, "slice_spec"));
    let Some(&Argument::Json(key)) = key else {
        return Err(builder.error("it is indexed by no constant"));
    };
    let refuse = || {
        let hint = "supported: whole numbers and slices that leave something, the batch kept whole";
        builder.options.unsupported("key", key, hint)
    };
    let (parts, target) = parts(key, &builder.shape(input)).ok_or_else(refuse)?;
    let part = builder.push_part("slice", layer(&parts), &[input])?;
    builder.push(Layer::Reshape(Reshape { target }), part)
}

/// The layer that keeps these parts of all axes.
fn layer(parts: &[Part]) -> Layer {
    if parts.iter().all(|part| part.stride == 1) {
        let ranges = parts
            .iter()
            .map(|part| [part.begin, part.begin + part.size]);
        return Layer::Slice(Slice {
            ranges: ranges.collect(),
        });
    }
    Layer::StridedSlice(StridedSlice {
        begin: parts.iter().map(|part| part.begin).collect(),
        strides: parts.iter().map(|part| part.stride).collect(),
        size: parts.iter().map(|part| part.size).collect(),
    })
}

/// What is kept of an axis: `size` values, at least one, from `begin` on in steps of `stride`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    begin: usize,
    stride: isize,
    size: usize,
}

/// What is kept of each axis, and the shape that is left.
fn parts(key: &Value, shape: &[usize]) -> Option<(Vec<Part>, Vec<usize>)> {
    let indices: Vec<Index> = match key {
        Value::Array(list) => list.iter().map(Index::of).collect::<Option<_>>()?,
        one => vec![Index::of(one)?],
    };
    let named = indices
        .iter()
        .filter(|i| matches!(i, Index::At(_) | Index::Range { .. }))
        .count();
    let mut rest = (shape.len() + 1).checked_sub(named)?;
    let mut batch_is_open = true;
    let (mut parts, mut target) = (Vec::new(), Vec::new());
    for index in indices {
        let (index, times) = match index {
            // All axes that no other index takes; only the first ellipsis stands for any.
            Index::Rest => (Index::WHOLE, std::mem::take(&mut rest)),
            index => (index, 1),
        };
        for _ in 0..times {
            if batch_is_open {
                // The batch is the first axis, and must stay as it is.
                (index == Index::WHOLE).then_some(())?;
                batch_is_open = false;
                continue;
            }
            index.take(shape, &mut parts, &mut target)?;
        }
    }
    for &size in shape.get(parts.len()..)? {
        parts.push(Index::WHOLE.part(size)?);
        target.push(size);
    }
    (!batch_is_open && !target.is_empty()).then_some((parts, target))
}

#[derive(Clone, Copy, PartialEq)]
enum Index {
    At(i64),
    Range {
        start: Option<i64>,
        stop: Option<i64>,
        step: i64,
    },
    Rest,
    NewAxis,
}

impl Index {
    const WHOLE: Self = Self::Range {
        start: None,
        stop: None,
        step: 1,
    };

    fn of(value: &Value) -> Option<Self> {
        if let Some(at) = value.as_i64() {
            return Some(Self::At(at));
        }
        if value.is_null() {
            return Some(Self::NewAxis);
        }
        if value.get("class_name").and_then(Value::as_str) == Some("__ellipsis__") {
            return Some(Self::Rest);
        }
        let slice = value.get("config").unwrap_or(value).as_object()?;
        let bound = |key: &str| match slice.get(key)? {
            Value::Null => Some(None),
            value => value.as_i64().map(Some),
        };
        Some(Self::Range {
            start: bound("start")?,
            stop: bound("stop")?,
            step: bound("step")?.unwrap_or(1),
        })
    }

    /// Takes this part of the next axis.
    fn take(self, shape: &[usize], parts: &mut Vec<Part>, target: &mut Vec<usize>) -> Option<()> {
        if self == Self::NewAxis {
            target.push(1);
            return Some(());
        }
        let part = self.part(*shape.get(parts.len())?)?;
        parts.push(part);
        if !matches!(self, Self::At(_)) {
            target.push(part.size);
        }
        Some(())
    }

    /// What it keeps of an axis of `size`, as Python's `slice.indices` counts.
    fn part(self, size: usize) -> Option<Part> {
        let size = i64::try_from(size).ok()?;
        let from_end = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
        let (start, stop, step) = match self {
            Self::At(at) => (from_end(at), from_end(at).checked_add(1)?, 1),
            Self::Range { start, stop, step } if step > 0 => (
                start.map_or(0, |at| from_end(at).clamp(0, size)),
                stop.map_or(size, |at| from_end(at).clamp(0, size)),
                step,
            ),
            Self::Range { start, stop, step } if step < 0 => (
                start.map_or(size - 1, |at| from_end(at).clamp(-1, size - 1)),
                stop.map_or(-1, |at| from_end(at).clamp(-1, size - 1)),
                step,
            ),
            Self::Range { .. } | Self::Rest | Self::NewAxis => return None,
        };
        let length = (stop - start).checked_mul(step.signum())?;
        if !(0..size).contains(&start) || length <= 0 {
            return None;
        }
        let kept = (length - 1) / step.checked_abs()? + 1;
        Some(Part {
            begin: usize::try_from(start).ok()?,
            stride: isize::try_from(step).ok()?,
            size: usize::try_from(kept).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Begin, stride and size.
    type Kept = (usize, isize, usize);

    /// What a key keeps of each axis of `(4, 5, 6)`, and the shape left.
    fn found(key: &Value) -> Option<(Vec<Kept>, Vec<usize>)> {
        let (parts, target) = parts(key, &[4, 5, 6])?;
        let parts = parts
            .iter()
            .map(|part| (part.begin, part.stride, part.size));
        Some((parts.collect(), target))
    }

    #[test]
    fn a_slice_with_a_step_keeps_what_numpy_keeps() {
        let slice = |start: Value, stop: Value, step: i64| {
            json!({"class_name": "__slice__",
                "config": {"start": start, "stop": stop, "step": step}})
        };
        let all = || slice(Value::Null, Value::Null, 1);
        for (start, stop, step, kept) in [
            (Value::Null, Value::Null, 2, (0, 2, 3)),
            (Value::Null, Value::Null, 5, (0, 5, 2)),
            (Value::Null, Value::Null, -1, (5, -1, 6)),
            (json!(1), json!(-1), 3, (1, 3, 2)),
            (json!(4), json!(0), -2, (4, -2, 2)),
            (json!(99), json!(-99), -4, (5, -4, 2)),
        ] {
            let key = json!([all(), all(), all(), slice(start, stop, step)]);
            let target = vec![4, 5, kept.2];
            let kept = vec![(0, 1, 4), (0, 1, 5), kept];
            assert_eq!(found(&key), Some((kept, target)), "{key}");
        }
        for (start, stop, step) in [
            (0, 6, 0),
            (0, 3, -1),
            (3, 0, 1),
            (9, 12, 2),
            (0, 6, i64::MIN),
        ] {
            let key = json!([all(), slice(json!(start), json!(stop), step)]);
            assert_eq!(found(&key), None, "{key}");
        }
    }

    #[test]
    fn an_index_keeps_what_numpy_keeps() {
        let all = json!({"class_name": "__slice__",
            "config": {"start": null, "stop": null, "step": null}});
        let range = |start: i64, stop: i64| {
            json!({"class_name": "__slice__",
                "config": {"start": start, "stop": stop, "step": null}})
        };
        let rest = json!({"class_name": "__ellipsis__", "config": {}});
        for (key, ranges, target) in [
            (json!([all, 0]), [[0, 1], [0, 5], [0, 6]], vec![5, 6]),
            (json!([all, -1]), [[3, 4], [0, 5], [0, 6]], vec![5, 6]),
            (
                json!([all, range(1, 3)]),
                [[1, 3], [0, 5], [0, 6]],
                vec![2, 5, 6],
            ),
            (
                json!([rest, range(-2, 99)]),
                [[0, 4], [0, 5], [4, 6]],
                vec![4, 5, 2],
            ),
            (json!([all, rest, 2, 1]), [[0, 4], [2, 3], [1, 2]], vec![4]),
            (
                json!([all, null, 1]),
                [[1, 2], [0, 5], [0, 6]],
                vec![1, 5, 6],
            ),
            (all.clone(), [[0, 4], [0, 5], [0, 6]], vec![4, 5, 6]),
        ] {
            let kept = ranges.map(|[begin, end]| (begin, 1, end - begin));
            assert_eq!(found(&key), Some((kept.to_vec(), target)), "{key}");
        }
        for refused in [
            json!([0]),
            json!([range(0, 2)]),
            json!([all, 4]),
            json!([all, -5]),
            json!([all, range(3, 1)]),
            json!([all, 0, 0, 0, 0]),
            json!([all, 0, 0, 0]),
            json!([all, "x"]),
            json!({"start": null, "stop": null, "step": 2}),
        ] {
            assert_eq!(found(&refused), None, "{refused}");
        }
    }
}
