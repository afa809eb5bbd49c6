//! How grey values become a model's input values.

use std::{fmt, str::FromStr};

use crate::description::{Layer, MergeOp, Model};
use crate::preprocess::Size;

/// The range of input values that a model was trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PixelRange {
    /// Read from the model: one that scales its input down itself takes 0 to
    /// 255, any other 0 to 1, as nearly every published one was trained.
    #[default]
    Auto,
    /// Grey values go in as they are.
    Raw,
    /// Grey values are divided by 255.
    Unit,
}

impl PixelRange {
    const NAMES: [(&'static str, Self); 3] = [
        ("auto", Self::Auto),
        ("0-255", Self::Raw),
        ("0-1", Self::Unit),
    ];

    /// The factor from a grey value to an input value. Reads the model's weights too, so it is to
    /// be asked before a network is made of it.
    pub fn scale(self, model: &Model) -> f32 {
        match self {
            Self::Raw => 1.0,
            Self::Unit => 1.0 / 255.0,
            Self::Auto if scales_itself(model) => 1.0,
            Self::Auto => 1.0 / 255.0,
        }
    }
}

/// Whether the first thing that computes brings 0 to 255 down to a few units.
fn scales_itself(model: &Model) -> bool {
    /// 1 / 255 and 1 / 127.5 are below; a layer that stretches 0 to 1 is far above.
    const DOWN: f32 = 1.0 / 64.0;
    /// Of values 0 to 1 neither mean nor deviation is so large.
    const LARGE: f32 = 2.0;
    let mut nodes = model.nodes().iter();
    let Some(first) = nodes.find(|node| !node.layer.moves_only()) else {
        return false;
    };
    let mut weights = first.weights.iter().flat_map(|weight| &weight.values);
    match &first.layer {
        Layer::Rescaling(layer) => layer.scale.iter().all(|scale| scale.abs() <= DOWN),
        Layer::MergeConstant(layer) => match layer.op {
            MergeOp::Multiply => weights.all(|factor| factor.abs() <= DOWN),
            MergeOp::Divide => weights.all(|divisor| divisor.abs() >= 1.0 / DOWN),
            _ => weights.any(|shift| shift.abs() >= LARGE),
        },
        Layer::Normalization(_) => weights.any(|moment| moment.abs() >= LARGE),
        _ => false,
    }
}

impl fmt::Display for PixelRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _) = Self::NAMES[*self as usize];
        f.write_str(name)
    }
}

impl FromStr for PixelRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::NAMES
            .into_iter()
            .find_map(|(name, range)| (name == text).then_some(range))
            .ok_or_else(|| format!("no pixel range '{text}': use auto, 0-255 or 0-1"))
    }
}

/// The size of grey picture that fills `shape`, one example's input:
/// `(height, width)`, that with one channel on either side, or a square in one row;
/// up to [`Size::MAX_SIDE`] a side.
pub(super) fn picture_size(shape: &[usize]) -> Option<Size> {
    let (height, width) = match *shape {
        [height, width] | [height, width, 1] | [1, height, width] => (height, width),
        [len] => (len.isqrt(), len.isqrt()),
        _ => return None,
    };
    let values: usize = shape.iter().product();
    let fits = height.checked_mul(width)? == values
        && (1..=Size::MAX_SIDE).contains(&height)
        && (1..=Size::MAX_SIDE).contains(&width);
    fits.then_some(Size { width, height })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grey_picture_fills_planes_and_square_rows_and_nothing_else() {
        let size = |width, height| Some(Size { width, height });
        assert_eq!(picture_size(&[28, 20]), size(20, 28));
        assert_eq!(picture_size(&[28, 20, 1]), size(20, 28));
        assert_eq!(picture_size(&[1, 28, 20]), size(20, 28));
        assert_eq!(picture_size(&[784]), size(28, 28));
        assert_eq!(picture_size(&[785]), None);
        assert_eq!(picture_size(&[28, 28, 3]), None);
        assert_eq!(picture_size(&[0]), None);
    }

    #[test]
    fn every_pixel_range_is_read_back_as_it_is_shown() {
        for (_, range) in PixelRange::NAMES {
            assert_eq!(range.to_string().parse(), Ok(range));
        }
        assert!("255".parse::<PixelRange>().is_err());
    }
}
