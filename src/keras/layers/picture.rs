//! Layers that cut, surround, resize and rescale pictures.

use super::Use;
use super::pooling::axes_of_windows;
use crate::description::{DataFormat, Interpolation, Layer, Pad, Rescaling, Resize2D, Slice};
use crate::keras::Error;

type Read = Result<usize, Error>;

/// `keras.layers.ZeroPadding1D` and `ZeroPadding2D`
pub fn zero_padding(used: &mut Use) -> Read {
    let input = used.input()?;
    let shape = used.shape(input);
    let (axes, borders) = borders(used, "padding", shape.len())?;
    let mut amounts = vec![[0, 0]; shape.len()];
    axes.into_iter()
        .zip(borders)
        .for_each(|(axis, ends)| amounts[axis] = ends);
    used.push(Layer::Pad(Pad { amounts }), input)
}

/// `keras.layers.Cropping1D` and `Cropping2D`
pub fn cropping(used: &mut Use) -> Read {
    let input = used.input()?;
    let shape = used.shape(input);
    let (axes, borders) = borders(used, "cropping", shape.len())?;
    let mut ranges: Vec<[usize; 2]> = shape.iter().map(|&size| [0, size]).collect();
    for (axis, [before, after]) in axes.into_iter().zip(borders) {
        ranges[axis] = [before, shape[axis].saturating_sub(after)];
    }
    used.push(Layer::Slice(Slice { ranges }), input)
}

/// Along which axes how much is added or cut off.
fn borders(used: &Use, key: &str, rank: usize) -> Result<(Vec<usize>, Vec<[usize; 2]>), Error> {
    let axes = axes_of_windows(used, rank)?;
    let borders = match axes[..] {
        [_] => used.options.borders::<1>(key)?.to_vec(),
        _ => used.options.borders::<2>(key)?.to_vec(),
    };
    Ok((axes, borders))
}

/// `keras.layers.UpSampling1D` and `UpSampling2D`
pub fn up_sampling(used: &mut Use) -> Read {
    let input = used.input()?;
    let shape = used.shape(input);
    let times = |a: usize, b: usize| a.saturating_mul(b);
    if used.options.class == "UpSampling1D" {
        let &[steps, features] = &shape[..] else {
            return Err(used.error("it takes steps of features"));
        };
        let [size] = used.options.sizes("size", [2])?;
        let picture = used.reshape("picture", input, vec![steps, 1, features])?;
        let layer = Layer::Resize2D(Resize2D {
            size: [times(steps, size), 1],
            interpolation: Interpolation::Nearest,
            data_format: DataFormat::ChannelsLast,
        });
        let larger = used.push(layer, picture)?;
        return used.reshape("steps", larger, vec![times(steps, size), features]);
    }
    let data_format = used.options.data_format()?;
    let ([height, width], _) = picture(used, data_format, &shape)?;
    let [down, right] = used.options.sizes("size", [2, 2])?;
    let layer = Layer::Resize2D(Resize2D {
        size: [times(height, down), times(width, right)],
        interpolation: interpolation(used, Interpolation::Nearest)?,
        data_format,
    });
    used.push(layer, input)
}

/// `keras.layers.Resizing`
pub fn resizing(used: &mut Use) -> Read {
    let input = used.input()?;
    for key in ["crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias"] {
        used.options.check_unset(key)?;
    }
    let data_format = used.options.data_format()?;
    picture(used, data_format, &used.shape(input))?;
    let layer = Layer::Resize2D(Resize2D {
        size: [used.options.size("height")?, used.options.size("width")?],
        interpolation: interpolation(used, Interpolation::Bilinear)?,
        data_format,
    });
    used.push(layer, input)
}

fn interpolation(used: &Use, default: Interpolation) -> Result<Interpolation, Error> {
    used.options
        .choice("interpolation", default, |name| match name {
            "nearest" => Some(Interpolation::Nearest),
            "bilinear" => Some(Interpolation::Bilinear),
            _ => None,
        })
}

/// `keras.layers.CenterCrop`, of what is not smaller than asked for.
pub fn center_crop(used: &mut Use) -> Read {
    let input = used.input()?;
    let shape = used.shape(input);
    let data_format = used.options.data_format()?;
    let ([height, width], _) = picture(used, data_format, &shape)?;
    let size = [used.options.size("height")?, used.options.size("width")?];
    let mut kept = data_format.spatial_axes(shape.len()).into_iter().zip(size);
    let mut ranges: Vec<[usize; 2]> = shape.iter().map(|&size| [0, size]).collect();
    if height < size[0] || width < size[1] {
        return Err(used.error(format!(
            "its input {shape:?} is smaller than the {size:?} to crop, which is not supported"
        )));
    }
    kept.try_for_each(|(axis, size)| {
        let begin = (shape[axis] - size) / 2;
        ranges[axis] = [begin, begin + size];
        Some(())
    });
    used.push(Layer::Slice(Slice { ranges }), input)
}

/// `keras.layers.Rescaling`
pub fn rescaling(used: &mut Use) -> Read {
    let layer = Layer::Rescaling(Rescaling {
        scale: used.options.numbers("scale", 1.0)?,
        offset: used.options.numbers("offset", 0.0)?,
    });
    let input = used.input()?;
    used.push(layer, input)
}

/// The height and width of an input that must be a picture, and its channels.
pub fn picture(
    used: &Use,
    data_format: DataFormat,
    shape: &[usize],
) -> Result<([usize; 2], usize), Error> {
    data_format.split(shape).ok_or_else(|| {
        used.error(format!(
            "it takes a picture of three axes, but its input has the shape {shape:?}"
        ))
    })
}
