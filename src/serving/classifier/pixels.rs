//! What a picture is to a model, as far as its input and its first layers tell.

use std::{fmt, str::FromStr};

use super::encoding::{Channel, Encoding};
use crate::description::{Layer, MergeOp, Model, Node};
use crate::preprocess::{Colours, Size};

/// The input values that a model was trained on, by the names that Keras's `preprocess_input` has for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PixelRange {
    /// Read from the model where it tells: one that scales its input down itself takes 0 to 255. Any other takes 0 to 1,
    /// as most published ones were trained.
    #[default]
    Auto,
    /// Bytes go in as they are.
    Raw,
    /// Bytes are divided by 255.
    Unit,
    /// -1 to 1: bytes are divided by 127.5, less 1. MobileNet, Inception, Xception.
    Tf,
    /// 0 to 1, less ImageNet's mean, divided by its deviation. DenseNet.
    Torch,
    /// Blue, green, red, less ImageNet's mean. VGG, ResNet.
    Caffe,
}

/// What a model's input values are taken to be, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Never [`PixelRange::Auto`].
    pub range: PixelRange,
    /// What told it.
    pub why: String,
    /// Whether nothing told it.
    pub is_a_guess: bool,
}

impl PixelRange {
    const NAMES: [(&'static str, Self); 6] = [
        ("auto", Self::Auto),
        ("0-255", Self::Raw),
        ("0-1", Self::Unit),
        ("tf", Self::Tf),
        ("torch", Self::Torch),
        ("caffe", Self::Caffe),
    ];

    /// What this model's values are. Reads its weights too, so it is to be asked before a network is made of it.
    #[must_use]
    pub fn choose(self, model: &Model) -> Chosen {
        let told = |range, why: String| Chosen {
            range,
            why,
            is_a_guess: false,
        };
        match self {
            Self::Auto => match told_by(model).or_else(|| as_imagenet(model)) {
                Some((range, why)) => told(range, why),
                None => Chosen {
                    range: Self::Unit,
                    why: nothing_tells(model),
                    is_a_guess: true,
                },
            },
            asked => told(asked, "--pixel-range".to_owned()),
        }
    }

    /// How bytes become these values; none if they are of three colours and the model is not.
    pub(super) fn encoding(self, colours: Colours, channels_first: bool) -> Option<Encoding> {
        const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
        const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];
        const BGR_MEAN: [f32; 3] = [103.939, 116.779, 123.68];
        let count = colours.channels();
        let is_plain = count == 1 || !channels_first;
        if matches!(self, Self::Torch | Self::Caffe) && colours != Colours::Rgb {
            return None;
        }
        let of = |index| match self {
            Self::Auto | Self::Unit => Channel::new(index, |byte| byte / 255.0),
            Self::Raw => Channel::new(index, |byte| byte),
            Self::Tf => Channel::new(index, |byte| byte / 127.5 - 1.0),
            Self::Torch => Channel::new(index, |byte| {
                (byte / 255.0 - MEAN[index]) / DEVIATION[index]
            }),
            Self::Caffe => Channel::new(2 - index, |byte| byte - BGR_MEAN[index]),
        };
        Some(match self {
            Self::Raw if is_plain => Encoding::Scaled(1.0),
            Self::Auto | Self::Unit if is_plain => Encoding::Scaled(1.0 / 255.0),
            _ => Encoding::table((0..count).map(of).collect(), channels_first && count > 1),
        })
    }
}

/// Of values 0 to 1, or -1 to 1, neither mean nor deviation is so large.
const LARGE: f32 = 2.0;
/// The largest deviation that values 0 to 1 can have, and a bit.
const HALF_OF_ALL: f32 = 0.55;
/// A mean that says neither that values are all positive nor that they are not.
const NONE: f32 = 0.02;

/// The values that the first thing that computes was made for.
fn told_by(model: &Model) -> Option<(PixelRange, String)> {
    /// 1 / 255 and 1 / 127.5 are below; a layer that stretches 0 to 1 is far above.
    const DOWN: f32 = 1.0 / 64.0;
    let first = first(model)?;
    let name = &first.name;
    let mut weights = first.weights.iter().flat_map(|weight| &weight.values);
    let scales = match &first.layer {
        Layer::Rescaling(layer) => layer.scale.iter().all(|scale| scale.abs() <= DOWN),
        Layer::MergeConstant(layer) => match layer.op {
            MergeOp::Multiply => weights.all(|factor| factor.abs() <= DOWN),
            MergeOp::Divide => weights.all(|divisor| divisor.abs() >= 1.0 / DOWN),
            _ => weights.any(|shift| shift.abs() >= LARGE),
        },
        Layer::Normalization(_) => return of_statistics(first, ["mean", "variance"]),
        Layer::BatchNormalization(_) => {
            return of_statistics(first, ["moving_mean", "moving_variance"]);
        }
        _ => false,
    };
    scales.then(|| {
        let why = format!("{name} ({}) scales its input itself", first.class);
        (PixelRange::Raw, why)
    })
}

/// The first node that does more than to move values about.
fn first(model: &Model) -> Option<&Node> {
    let mut nodes = model.nodes().iter();
    nodes.find(|node| !node.layer.moves_only() && !matches!(node.layer, Layer::Concatenate(_)))
}

/// What was normalized when the model was trained shows in what it keeps of it: the mean and the variance of its values.
fn of_statistics(node: &Node, [mean, variance]: [&str; 2]) -> Option<(PixelRange, String)> {
    let values = |name: &str| {
        let weight = node.weights.iter().find(|weight| weight.name == name);
        weight.map_or(&[][..], |weight| &weight.values)
    };
    let (means, variances) = (values(mean), values(variance));
    // As they are before training.
    if means.iter().all(|&mean| mean == 0.0) && variances.iter().all(|&one| one == 1.0) {
        return None;
    }
    let largest = |values: &[f32]| {
        values
            .iter()
            .fold(0_f32, |most, value| most.max(value.abs()))
    };
    let least = means
        .iter()
        .fold(f32::INFINITY, |least, &mean| least.min(mean));
    let (mean, deviation) = (largest(means), largest(variances).sqrt());
    let range = if mean >= LARGE || deviation >= LARGE {
        PixelRange::Raw
    } else if least > NONE && deviation < HALF_OF_ALL {
        PixelRange::Unit
    } else if least < -NONE && deviation < 2.0 * HALF_OF_ALL {
        PixelRange::Tf
    } else {
        return None;
    };
    let why = format!(
        "{} ({}) has seen values of a mean of up to {mean:.3} and a deviation of up to {deviation:.3}",
        node.name, node.class
    );
    Some((range, why))
}

/// Backbones of `keras.applications` that are named so, and what their `preprocess_input` does.
const BACKBONES: [(&str, PixelRange); 12] = [
    ("mobilenet", PixelRange::Tf),
    ("xception", PixelRange::Tf),
    ("inception", PixelRange::Tf),
    ("nasnet", PixelRange::Tf),
    ("vgg", PixelRange::Caffe),
    ("resnet50v2", PixelRange::Tf),
    ("resnet101v2", PixelRange::Tf),
    ("resnet152v2", PixelRange::Tf),
    ("resnet101", PixelRange::Caffe),
    ("resnet152", PixelRange::Caffe),
    ("resnet50", PixelRange::Caffe),
    ("densenet", PixelRange::Torch),
];

fn backbone(name: &str) -> Option<(&'static str, PixelRange)> {
    let name = name.to_ascii_lowercase();
    let mut named = BACKBONES.into_iter();
    named.find(|(backbone, _)| name.contains(backbone))
}

/// What a network of `keras.applications` takes that tells ImageNet's own classes.
fn as_imagenet(model: &Model) -> Option<(PixelRange, String)> {
    let plane = picture_of(model.input_shape())?;
    if plane.colours != Colours::Rgb || model.output_shape() != [1000] {
        return None;
    }
    let (name, range) = backbone(model.name())?;
    let why = format!("it is {name} of keras.applications, by its name and its 1000 classes");
    Some((range, why))
}

/// Why there is nothing but a guess, and what else it may be.
fn nothing_tells(model: &Model) -> String {
    let nodes = model.nodes().iter();
    let mut models = nodes.filter_map(|node| node.name.rsplit_once('/'));
    let found = backbone(model.name()).or_else(|| models.find_map(|(name, _)| backbone(name)));
    match found {
        Some((backbone, range)) => format!(
            "nothing in the model tells; if it was trained with preprocess_input of {backbone}, it is --pixel-range {range}"
        ),
        None => "nothing in the model tells".to_owned(),
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
        // A value cannot begin with a hyphen, but many will think of it so.
        if matches!(text, "-1-1" | "-1..1") {
            return Ok(Self::Tf);
        }
        Self::NAMES
            .into_iter()
            .find_map(|(name, range)| (name == text).then_some(range))
            .ok_or_else(|| {
                format!(
                    "no pixel range '{text}': use auto, 0-255, 0-1, tf (-1 to 1), torch or caffe"
                )
            })
    }
}

/// What picture fills an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plane {
    pub size: Size,
    pub colours: Colours,
    pub channels_first: bool,
}

/// The picture that fills `shape`, one example's input: `(height, width)`, that with 1, 3 or 4 channels on either side, or
/// a grey square in one row, which is more than a few features; up to [`Size::MAX_SIDE`] a side.
pub(super) fn picture_of(shape: &[usize]) -> Option<Plane> {
    /// The smallest set of digits there is has pictures of 8 × 8.
    const SHORTEST_ROW: usize = 8 * 8;
    let colours = |channels| match channels {
        1 => Some(Colours::Grey),
        3 => Some(Colours::Rgb),
        4 => Some(Colours::Rgba),
        _ => None,
    };
    let (height, width, channels, channels_first) = match *shape {
        [height, width] => (height, width, 1, false),
        [height, width, channels] if colours(channels).is_some() => {
            (height, width, channels, false)
        }
        [channels, height, width] => (height, width, channels, true),
        [len] if len >= SHORTEST_ROW && len.isqrt().pow(2) == len => {
            (len.isqrt(), len.isqrt(), 1, false)
        }
        _ => return None,
    };
    let fits = [height, width]
        .iter()
        .all(|side| (1..=Size::MAX_SIDE).contains(side));
    let plane = Plane {
        size: Size { width, height },
        colours: colours(channels)?,
        channels_first,
    };
    fits.then_some(plane)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::{Activation, Dense, Description, Reshape, Summary};

    #[test]
    fn a_picture_fills_planes_and_square_rows_and_nothing_else() {
        let plane = |width, height, colours, channels_first| {
            let size = Size { width, height };
            Some(Plane {
                size,
                colours,
                channels_first,
            })
        };
        for (shape, expected) in [
            (&[28, 20][..], plane(20, 28, Colours::Grey, false)),
            (&[28, 20, 1], plane(20, 28, Colours::Grey, false)),
            (&[1, 28, 20], plane(20, 28, Colours::Grey, true)),
            (&[784], plane(28, 28, Colours::Grey, false)),
            (&[28, 20, 3], plane(20, 28, Colours::Rgb, false)),
            (&[3, 28, 20], plane(20, 28, Colours::Rgb, true)),
            (&[28, 20, 4], plane(20, 28, Colours::Rgba, false)),
            (&[3, 28, 3], plane(28, 3, Colours::Rgb, false)),
            (&[64], plane(8, 8, Colours::Grey, false)),
            (&[4], None),
            (&[49], None),
            (&[785], None),
            (&[28, 28, 2], None),
            (&[5, 28, 28], None),
            (&[0], None),
            (&[2000, 28, 3], None),
            (&[2, 28, 28, 3], None),
        ] {
            assert_eq!(picture_of(shape), expected, "{shape:?}");
        }
    }

    #[test]
    fn every_pixel_range_is_read_back_as_it_is_shown() {
        for (_, range) in PixelRange::NAMES {
            assert_eq!(range.to_string().parse(), Ok(range));
        }
        assert_eq!("-1-1".parse(), Ok(PixelRange::Tf));
        assert!("255".parse::<PixelRange>().is_err());
    }

    /// A model of this name, from a picture of 2 × 2 pixels to so many classes.
    fn named(name: &str, channels: usize, classes: usize) -> Model {
        let node = |name: &str, layer, inputs, output_shape| Node {
            name: name.to_owned(),
            class: name.to_owned(),
            layer,
            inputs,
            output_shape,
            weights_of: None,
            weights: Vec::new(),
        };
        let flat = Layer::Reshape(Reshape {
            target: vec![4 * channels],
        });
        let dense = Layer::Dense(Dense {
            units: classes,
            use_bias: true,
            activation: Activation::Softmax,
        });
        let description = Description {
            name: name.to_owned(),
            keras_version: "3".to_owned(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            nodes: vec![
                node("input", Layer::Input, vec![], vec![2, 2, channels]),
                node("flatten", flat, vec![0], vec![4 * channels]),
                node("dense", dense, vec![1], vec![classes]),
            ],
            summary: Summary::default(),
        };
        Model::new(description).unwrap()
    }

    #[test]
    fn an_application_of_imagenets_classes_takes_what_its_own_preprocess_input_gives() {
        for (name, channels, classes, range, is_a_guess) in [
            ("resnet50", 3, 1000, PixelRange::Caffe, false),
            ("resnet50v2", 3, 1000, PixelRange::Tf, false),
            ("densenet121", 3, 1000, PixelRange::Torch, false),
            ("inception_resnet_v2", 3, 1000, PixelRange::Tf, false),
            ("resnet50", 3, 5, PixelRange::Unit, true),
            ("resnet50", 1, 1000, PixelRange::Unit, true),
            ("cats", 3, 1000, PixelRange::Unit, true),
        ] {
            let chosen = PixelRange::Auto.choose(&named(name, channels, classes));
            assert_eq!(
                (chosen.range, chosen.is_a_guess),
                (range, is_a_guess),
                "{chosen:?}"
            );
        }
        let hint = PixelRange::Auto.choose(&named("resnet50", 3, 5)).why;
        assert!(hint.contains("--pixel-range caffe"), "{hint}");
    }

    /// What `value` of a byte becomes in each channel.
    fn encoded(range: PixelRange, pixel: [u8; 3]) -> Vec<f32> {
        let mut values = Vec::new();
        let encoding = range.encoding(Colours::Rgb, false).unwrap();
        encoding.encode(&pixel, &mut values);
        values
    }

    #[test]
    fn values_are_those_of_keras_preprocess_input() {
        // keras.applications.imagenet_utils.preprocess_input(np.array([[[200., 100., 50.]]]), mode=...)
        let pixel = [200, 100, 50];
        for (range, expected) in [
            (PixelRange::Raw, [200.0, 100.0, 50.0]),
            (PixelRange::Unit, [0.784_313_7, 0.392_156_87, 0.196_078_43]),
            (PixelRange::Tf, [0.568_627_5, -0.215_686_26, -0.607_843_1]),
            (
                PixelRange::Torch,
                [1.307_047_6, -0.285_013_94, -0.932_984_8],
            ),
            (PixelRange::Caffe, [-53.939, -16.779, 76.32]),
        ] {
            for (found, expected) in encoded(range, pixel).iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-5,
                    "{range}: {found}, {expected}"
                );
            }
        }
        assert!(PixelRange::Caffe.encoding(Colours::Grey, false).is_none());
    }
}
