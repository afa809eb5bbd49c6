//! A part of a tensor, as `x[:, 0]` gives it.

use serde_json::Value;

use super::builder::Builder;
use super::ops::first;
use crate::description::{Layer, Reshape, Slice};
use crate::keras::Error;
use crate::keras::saved::Argument;

/// `x[:, 0]`, `x[:, 1:3, ..., None]` and the like.
pub fn get_item(builder: &mut Builder) -> Result<usize, Error> {
    let input = first(builder)?;
    let call = builder.call;
    let key = call
        .argument(1, "key")
        .or_else(|| call.argument(1, "slice_spec"));
    let Some(&Argument::Json(key)) = key else {
        return Err(builder.error("it is indexed by no constant"));
    };
    let refuse = || {
        let hint = "supported: whole numbers and slices with step 1, the batch kept whole";
        builder.options.unsupported("key", key, hint)
    };
    let (ranges, target) = slices(key, &builder.shape(input)).ok_or_else(refuse)?;
    let part = builder.push_part("slice", Layer::Slice(Slice { ranges }), &[input])?;
    builder.push(Layer::Reshape(Reshape { target }), part)
}

/// What is kept of each axis, and the shape that is left.
fn slices(key: &Value, shape: &[usize]) -> Option<(Vec<[usize; 2]>, Vec<usize>)> {
    let indices: Vec<Index> = match key {
        Value::Array(list) => list.iter().map(Index::of).collect::<Option<_>>()?,
        one => vec![Index::of(one)?],
    };
    let named = indices
        .iter()
        .filter(|i| matches!(i, Index::At(_) | Index::Range(..)))
        .count();
    let mut rest = (shape.len() + 1).checked_sub(named)?;
    let mut batch_is_open = true;
    let (mut ranges, mut target) = (Vec::new(), Vec::new());
    let whole = Index::Range(None, None);
    for index in indices {
        let (index, times) = match index {
            // What is not named; a second one stands for nothing.
            Index::Rest => (whole, std::mem::take(&mut rest)),
            index => (index, 1),
        };
        for _ in 0..times {
            if batch_is_open {
                // The batch is the first axis, and must stay as it is.
                (index == whole).then_some(())?;
                batch_is_open = false;
                continue;
            }
            index.take(shape, &mut ranges, &mut target)?;
        }
    }
    for &size in shape.get(ranges.len()..)? {
        ranges.push([0, size]);
        target.push(size);
    }
    (!batch_is_open && !target.is_empty()).then_some((ranges, target))
}

#[derive(Clone, Copy, PartialEq)]
enum Index {
    At(i64),
    Range(Option<i64>, Option<i64>),
    Rest,
    NewAxis,
}

impl Index {
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
        let (start, stop, step) = (bound("start")?, bound("stop")?, bound("step")?);
        matches!(step, None | Some(1)).then_some(Self::Range(start, stop))
    }

    /// Takes this part of the next axis.
    fn take(
        self,
        shape: &[usize],
        ranges: &mut Vec<[usize; 2]>,
        target: &mut Vec<usize>,
    ) -> Option<()> {
        if self == Self::NewAxis {
            target.push(1);
            return Some(());
        }
        let size = i64::try_from(*shape.get(ranges.len())?).ok()?;
        let from_end = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
        let (start, stop) = match self {
            Self::At(at) => (from_end(at), from_end(at).checked_add(1)?),
            Self::Range(start, stop) => (
                from_end(start.unwrap_or(0)).clamp(0, size),
                from_end(stop.unwrap_or(size)).clamp(0, size),
            ),
            _ => return None,
        };
        if start < 0 || start >= stop || stop > size {
            return None;
        }
        let (start, stop) = (usize::try_from(start).ok()?, usize::try_from(stop).ok()?);
        ranges.push([start, stop]);
        if !matches!(self, Self::At(_)) {
            target.push(stop - start);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_index_keeps_what_numpy_keeps() {
        let all = json!({"class_name": "__slice__",
            "config": {"start": null, "stop": null, "step": null}});
        let range = |start: i64, stop: i64| {
            json!({"class_name": "__slice__",
                "config": {"start": start, "stop": stop, "step": null}})
        };
        let rest = json!({"class_name": "__ellipsis__", "config": {}});
        let shape = [4, 5, 6];
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
            let found = slices(&key, &shape);
            assert_eq!(found, Some((ranges.to_vec(), target)), "{key}");
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
            assert_eq!(slices(&refused, &shape), None, "{refused}");
        }
    }
}
