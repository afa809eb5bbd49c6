//! Pooling, over windows and over everything.

use super::Use;
use super::conv::Flat;
use crate::description::{Layer, Pool, Pooling2D, Reduce, Reduction};
use crate::keras::Error;

type Read = Result<usize, Error>;

/// `keras.layers.{Max,Average}Pooling{1,2}D`
pub fn pooling(used: &mut Use) -> Read {
    let kind = match used.options.class.starts_with("Max") {
        true => Pool::Max,
        false => Pool::Average,
    };
    let flat = Flat::of(used)?;
    let pool_size = flat.sizes(used, "pool_size", 2, 1)?;
    let strides = match used.options.get("strides") {
        Some(_) => flat.sizes(used, "strides", 2, 1)?,
        None => pool_size,
    };
    let layer = Layer::Pooling2D(Pooling2D {
        kind,
        pool_size,
        strides,
        padding: used.options.padding()?,
        data_format: flat.data_format,
    });
    let picture = flat.picture(used)?;
    let pooled = used.push(layer, picture)?;
    flat.back(used, pooled)
}

/// `keras.layers.Global{Max,Average}Pooling{1,2}D`
pub fn global_pooling(used: &mut Use) -> Read {
    let kind = match used.options.class.starts_with("GlobalMax") {
        true => Reduction::Max,
        false => Reduction::Mean,
    };
    let input = used.input()?;
    let layer = Layer::Reduce(Reduce {
        kind,
        axes: axes_of_windows(used, used.shape(input).len())?,
        keepdims: used.options.bool("keepdims", false)?,
    });
    used.push(layer, input)
}

/// The axes along which a layer of one or two dimensions works.
pub fn axes_of_windows(used: &Use, rank: usize) -> Result<Vec<usize>, Error> {
    let dimensions = if used.options.class.ends_with("1D") {
        1
    } else {
        2
    };
    if rank != dimensions + 1 {
        return Err(used.error(format!(
            "it takes an input of {} axes (without the batch), not of {rank}",
            dimensions + 1
        )));
    }
    Ok(used.options.data_format()?.spatial_axes(rank))
}
