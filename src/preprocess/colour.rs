//! A picture in the colours that a model takes, resized.
//!
//! What has fewer colours than the model is resized as it is and coloured afterwards: equal channels stay equal.

use super::picture::{Layout, Picture, narrow};
use super::resize::Scaling;
use super::{Budget, Colours, Filter, PictureError, Size, Target};

/// The most bytes that [`resize`] holds beside the picture as it was decoded, its answer included.
pub fn memory(from: Size, decoded: u64, target: &Target) -> u64 {
    let channels = target.colours.channels();
    let had = (decoded / (from.pixels() as u64).max(1)) as usize;
    Scaling::new(from, target).memory(had.clamp(1, channels)) + coloured(target)
}

/// The bytes of an answer in colour, which is made of one that is held meanwhile.
pub fn coloured(target: &Target) -> u64 {
    match target.colours {
        Colours::Grey => 0,
        colours => (colours.channels() * target.size.pixels()) as u64,
    }
}

/// All of a picture, or its middle, in the model's size and colours.
pub fn resize(picture: Picture, target: &Target, budget: &Budget) -> Result<Vec<u8>, PictureError> {
    let from = Size {
        width: picture.width,
        height: picture.height,
    };
    let scaling = Scaling::new(from, target);
    let layout = picture.layout;
    let blend = target.filter != Filter::Nearest;
    Ok(match (target.colours, layout) {
        (Colours::Grey, _) => scaling.run::<1>(picture.into_grey(), budget)?,
        (_, Layout::Grey) | (Colours::Rgb, Layout::GreyAlpha) => of_grey(
            scaling.run::<1>(picture.into_grey(), budget)?,
            target.colours,
        ),
        (Colours::Rgb, Layout::Rgb) => scaling.run::<3>(picture.samples, budget)?,
        (Colours::Rgb, Layout::Rgba) => {
            let mut samples = picture.samples;
            narrow(&mut samples, |[r, g, b, _]| [r, g, b]);
            scaling.run::<3>(samples, budget)?
        }
        (Colours::Rgba, Layout::Rgb) => {
            let samples = scaling.run::<3>(picture.samples, budget)?;
            widen(&samples, |[r, g, b]: [u8; 3]| [r, g, b, u8::MAX])
        }
        (Colours::Rgba, Layout::GreyAlpha) => {
            let mut samples = picture.samples;
            if blend {
                narrow(&mut samples, |[grey, alpha]| [covered(grey, alpha), alpha]);
            }
            let samples = scaling.run::<2>(samples, budget)?;
            widen(&samples, |[grey, alpha]: [u8; 2]| {
                let grey = if blend { bare(grey, alpha) } else { grey };
                [grey, grey, grey, alpha]
            })
        }
        (Colours::Rgba, Layout::Rgba) => {
            let mut samples = picture.samples;
            if !blend {
                return scaling.run::<4>(samples, budget);
            }
            narrow(&mut samples, |[r, g, b, a]| {
                let [r, g, b] = [r, g, b].map(|colour| covered(colour, a));
                [r, g, b, a]
            });
            let mut samples = scaling.run::<4>(samples, budget)?;
            narrow(&mut samples, |[r, g, b, a]| {
                let [r, g, b] = [r, g, b].map(|colour| bare(colour, a));
                [r, g, b, a]
            });
            samples
        }
    })
}

/// The same picture in these colours.
pub fn of_grey(grey: Vec<u8>, colours: Colours) -> Vec<u8> {
    match colours {
        Colours::Grey => grey,
        Colours::Rgb => widen(&grey, |[grey]: [u8; 1]| [grey; 3]),
        Colours::Rgba => widen(&grey, |[grey]: [u8; 1]| [grey, grey, grey, u8::MAX]),
    }
}

fn widen<const FROM: usize, const TO: usize>(
    samples: &[u8],
    convert: impl Fn([u8; FROM]) -> [u8; TO],
) -> Vec<u8> {
    let (pixels, _) = samples.as_chunks::<FROM>();
    let mut wider = Vec::with_capacity(TO * pixels.len());
    wider.extend(pixels.iter().flat_map(|&pixel| convert(pixel)));
    wider
}

/// A colour times its alpha, as Pillow's `MULDIV255`. What is clear must not shine through when pixels are blended.
fn covered(colour: u8, alpha: u8) -> u8 {
    let product = u32::from(colour) * u32::from(alpha) + 128;
    (((product >> 8) + product) >> 8) as u8
}

/// The colour again, as Pillow's `rgba2rgbA`.
fn bare(colour: u8, alpha: u8) -> u8 {
    match alpha {
        0 | u8::MAX => colour,
        _ => (255 * u32::from(colour) / u32::from(alpha)).min(255) as u8,
    }
}
