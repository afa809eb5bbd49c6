//! Layers that cut, surround, resize and rescale pictures.

use super::builder::{Builder, Read};
use super::pooling::axes_of_windows;
use crate::description::{DataFormat, Interpolation, Layer, Pad, Rescaling, Resize2D, Slice};
use crate::keras::Error;

/// `keras.layers.ZeroPadding1D` and `ZeroPadding2D`
pub fn zero_padding(builder: &mut Builder) -> Read {
    let input = builder.input()?;
    let shape = builder.shape(input);
    let (axes, borders) = borders(builder, "padding", shape.len())?;
    let mut amounts = vec![[0, 0]; shape.len()];
    axes.into_iter()
        .zip(borders)
        .for_each(|(axis, ends)| amounts[axis] = ends);
    builder.push(Layer::Pad(Pad { amounts }), input)
}

/// `keras.layers.Cropping1D` and `Cropping2D`
pub fn cropping(builder: &mut Builder) -> Read {
    let input = builder.input()?;
    let shape = builder.shape(input);
    let (axes, borders) = borders(builder, "cropping", shape.len())?;
    let mut ranges: Vec<[usize; 2]> = shape.iter().map(|&size| [0, size]).collect();
    for (axis, [before, after]) in axes.into_iter().zip(borders) {
        ranges[axis] = [before, shape[axis].saturating_sub(after)];
    }
    builder.push(Layer::Slice(Slice { ranges }), input)
}

/// The axes along which something is added or cut off, and how much at both ends of each.
fn borders(
    builder: &Builder,
    key: &str,
    rank: usize,
) -> Result<(Vec<usize>, Vec<[usize; 2]>), Error> {
    let axes = axes_of_windows(builder, rank)?;
    let borders = match axes[..] {
        [_] => builder.options.borders::<1>(key)?.to_vec(),
        _ => builder.options.borders::<2>(key)?.to_vec(),
    };
    Ok((axes, borders))
}

/// `keras.layers.UpSampling1D` and `UpSampling2D`
pub fn up_sampling(builder: &mut Builder) -> Read {
    let input = builder.input()?;
    let shape = builder.shape(input);
    let times = |a: usize, b: usize| a.saturating_mul(b);
    if builder.options.class == "UpSampling1D" {
        let &[steps, features] = &shape[..] else {
            return Err(builder.error("it takes steps of features"));
        };
        let [size] = builder.options.sizes("size", [2])?;
        let picture = builder.reshape("picture", input, vec![steps, 1, features])?;
        let layer = Layer::Resize2D(Resize2D {
            size: [times(steps, size), 1],
            interpolation: Interpolation::Nearest,
            data_format: DataFormat::ChannelsLast,
        });
        let larger = builder.push(layer, picture)?;
        return builder.reshape("steps", larger, vec![times(steps, size), features]);
    }
    let data_format = builder.options.data_format()?;
    let ([height, width], _) = picture(builder, data_format, &shape)?;
    let [down, right] = builder.options.sizes("size", [2, 2])?;
    let layer = Layer::Resize2D(Resize2D {
        size: [times(height, down), times(width, right)],
        interpolation: interpolation(builder, Interpolation::Nearest)?,
        data_format,
    });
    builder.push(layer, input)
}

/// `keras.layers.Resizing`
pub fn resizing(builder: &mut Builder) -> Read {
    let input = builder.input()?;
    for key in ["crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias"] {
        builder.options.check_unset(key)?;
    }
    let data_format = builder.options.data_format()?;
    picture(builder, data_format, &builder.shape(input))?;
    let layer = Layer::Resize2D(Resize2D {
        size: [
            builder.options.size("height")?,
            builder.options.size("width")?,
        ],
        interpolation: interpolation(builder, Interpolation::Bilinear)?,
        data_format,
    });
    builder.push(layer, input)
}

fn interpolation(builder: &Builder, default: Interpolation) -> Result<Interpolation, Error> {
    builder
        .options
        .choice("interpolation", default, |name| match name {
            "nearest" => Some(Interpolation::Nearest),
            "bilinear" => Some(Interpolation::Bilinear),
            _ => None,
        })
}

/// `keras.layers.CenterCrop`, of what is not smaller than asked for.
pub fn center_crop(builder: &mut Builder) -> Read {
    let input = builder.input()?;
    let shape = builder.shape(input);
    let data_format = builder.options.data_format()?;
    let ([height, width], _) = picture(builder, data_format, &shape)?;
    let size = [
        builder.options.size("height")?,
        builder.options.size("width")?,
    ];
    let mut kept = data_format.spatial_axes(shape.len()).into_iter().zip(size);
    let mut ranges: Vec<[usize; 2]> = shape.iter().map(|&size| [0, size]).collect();
    if height < size[0] || width < size[1] {
        return Err(builder.error(format!(
            "its input {shape:?} is smaller than the {size:?} to crop, which is not supported"
        )));
    }
    kept.try_for_each(|(axis, size)| {
        let begin = (shape[axis] - size) / 2;
        ranges[axis] = [begin, begin + size];
        Some(())
    });
    builder.push(Layer::Slice(Slice { ranges }), input)
}

/// `keras.layers.Rescaling`
pub fn rescaling(builder: &mut Builder) -> Read {
    let layer = Layer::Rescaling(Rescaling {
        scale: builder.options.numbers("scale", 1.0)?,
        offset: builder.options.numbers("offset", 0.0)?,
    });
    let input = builder.input()?;
    builder.push(layer, input)
}

/// The height and width of an input that must be a picture, and its channels.
pub fn picture(
    builder: &Builder,
    data_format: DataFormat,
    shape: &[usize],
) -> Result<([usize; 2], usize), Error> {
    data_format.split(shape).ok_or_else(|| {
        builder.error(format!(
            "it takes a picture of three axes, but its input has the shape {shape:?}"
        ))
    })
}
