//! Pooling, over windows and over everything.

use super::builder::{Builder, Read};
use super::picture_input::PictureInput;
use crate::description::{Layer, Pool, Pooling2D, Reduce, Reduction};
use crate::keras::Error;

/// `keras.layers.{Max,Average}Pooling{1,2}D`
pub fn pooling(builder: &mut Builder) -> Read {
    let kind = match builder.options.class.starts_with("Max") {
        true => Pool::Max,
        false => Pool::Average,
    };
    let input = PictureInput::of(builder)?;
    let pool_size = input.sizes(builder, "pool_size", 2, 1)?;
    let strides = match builder.options.get("strides") {
        Some(_) => input.sizes(builder, "strides", 2, 1)?,
        None => pool_size,
    };
    let layer = Layer::Pooling2D(Pooling2D {
        kind,
        pool_size,
        strides,
        padding: builder.options.padding()?,
        data_format: input.data_format,
    });
    let picture = input.picture(builder)?;
    let pooled = builder.push(layer, picture)?;
    input.back(builder, pooled)
}

/// `keras.layers.Global{Max,Average}Pooling{1,2}D`
pub fn global_pooling(builder: &mut Builder) -> Read {
    let kind = match builder.options.class.starts_with("GlobalMax") {
        true => Reduction::Max,
        false => Reduction::Mean,
    };
    let input = builder.input()?;
    let layer = Layer::Reduce(Reduce {
        kind,
        axes: axes_of_windows(builder, builder.shape(input).len())?,
        keepdims: builder.options.bool("keepdims", false)?,
    });
    builder.push(layer, input)
}

/// The axes along which a layer of one or two dimensions works.
pub fn axes_of_windows(builder: &Builder, rank: usize) -> Result<Vec<usize>, Error> {
    let dimensions = if builder.options.class.ends_with("1D") {
        1
    } else {
        2
    };
    if rank != dimensions + 1 {
        return Err(builder.error(format!(
            "it takes an input of {} axes (without the batch), not of {rank}",
            dimensions + 1
        )));
    }
    Ok(builder.options.data_format()?.spatial_axes(rank))
}
