//! Layers that cut, surround, resize and rescale pictures.

use super::arithmetic::rescaled;
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
    builder.options.check_unset("antialias")?;
    let size = [
        builder.options.size("height")?,
        builder.options.size("width")?,
    ];
    let crop = builder.options.bool("crop_to_aspect_ratio", false)?;
    let pad = builder.options.bool("pad_to_aspect_ratio", false)?;
    let input = match (crop, pad) {
        (true, _) => crop_to_aspect_ratio(builder, input, size)?,
        (_, true) => pad_to_aspect_ratio(builder, input, size)?,
        _ => input,
    };
    let interpolation = interpolation(builder, Interpolation::Bilinear)?;
    resized(builder, input, size, interpolation)
}

fn resized(
    builder: &mut Builder,
    input: usize,
    size: [usize; 2],
    interpolation: Interpolation,
) -> Read {
    let data_format = builder.options.data_format()?;
    picture(builder, data_format, &builder.shape(input))?;
    let layer = Layer::Resize2D(Resize2D {
        size,
        interpolation,
        data_format,
    });
    builder.push(layer, input)
}

/// The height that goes with a width, and the width that goes with a height, for an aspect ratio;
/// Keras computes both in float32 and rounds down.
fn in_ratio([height, width]: [usize; 2], of: [usize; 2]) -> [usize; 2] {
    let scaled =
        |size: usize, by: usize, to: usize| (size.saturating_mul(by) as f32 / to as f32) as usize;
    [scaled(width, of[0], of[1]), scaled(height, of[1], of[0])]
}

/// The middle of a picture, as much of it as has the aspect ratio of `size`.
fn crop_to_aspect_ratio(builder: &mut Builder, input: usize, size: [usize; 2]) -> Read {
    let data_format = builder.options.data_format()?;
    let shape = builder.shape(input);
    let (full, _) = picture(builder, data_format, &shape)?;
    let wanted = in_ratio(full, size);
    let kept = [0, 1].map(|axis| wanted[axis].min(full[axis]).max(1));
    cropped(builder, input, kept)
}

/// The middle of a picture, which is no smaller.
fn cropped(builder: &mut Builder, input: usize, size: [usize; 2]) -> Read {
    let data_format = builder.options.data_format()?;
    let shape = builder.shape(input);
    let mut ranges: Vec<[usize; 2]> = shape.iter().map(|&size| [0, size]).collect();
    let axes = data_format.spatial_axes(shape.len());
    for (axis, size) in axes.into_iter().zip(size) {
        let begin = (shape[axis] - size) / 2;
        ranges[axis] = [begin, begin + size];
    }
    builder.push_part("cropped", Layer::Slice(Slice { ranges }), &[input])
}

/// A picture with as much around it as gives it the aspect ratio of `size`.
fn pad_to_aspect_ratio(builder: &mut Builder, input: usize, size: [usize; 2]) -> Read {
    let fill = builder.options.get("fill_mode");
    if let Some(fill) = fill.filter(|fill| *fill != "constant") {
        let hint = "only constant is supported";
        return Err(builder.options.unsupported("fill_mode", fill, hint));
    }
    let value = builder.options.number("fill_value", 0.0)?;
    let data_format = builder.options.data_format()?;
    let shape = builder.shape(input);
    let (full, _) = picture(builder, data_format, &shape)?;
    let wanted = in_ratio(full, size);
    let mut amounts = vec![[0, 0]; shape.len()];
    let axes = data_format.spatial_axes(shape.len());
    for ((axis, wanted), full) in axes.into_iter().zip(wanted).zip(full) {
        // Keras puts as much behind as in front.
        let before = wanted.saturating_sub(full) / 2;
        amounts[axis] = [before, before];
    }
    let less = rescaled(builder, "less", input, 1.0, -value)?;
    let padded = builder.push_part("padded", Layer::Pad(Pad { amounts }), &[less])?;
    rescaled(builder, "filled", padded, 1.0, value)
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

/// `keras.layers.CenterCrop`: what is smaller is made larger.
pub fn center_crop(builder: &mut Builder) -> Read {
    let input = builder.input()?;
    let data_format = builder.options.data_format()?;
    let (full, _) = picture(builder, data_format, &builder.shape(input))?;
    let size = [
        builder.options.size("height")?,
        builder.options.size("width")?,
    ];
    if full[0] < size[0] || full[1] < size[1] {
        let kept = crop_to_aspect_ratio(builder, input, size)?;
        return resized(builder, kept, size, Interpolation::Bilinear);
    }
    cropped(builder, input, size)
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
