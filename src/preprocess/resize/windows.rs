//! Which source pixels a target pixel is made of, and how much of each, along one side of a picture.

use super::FRACTION_BITS;
use crate::preprocess::Filter;

/// The source pixels that one target pixel is made of: from `start` on, one for each weight.
pub struct Window {
    pub start: usize,
    pub weights: Vec<i32>,
}

/// What of a side is scaled, in pixels and parts of them; in the precision that Pillow has them in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    pub from: f32,
    pub to: f32,
}

impl Span {
    pub fn all(length: usize) -> Self {
        Self {
            from: 0.0,
            to: length as f32,
        }
    }

    pub fn length(self) -> f64 {
        f64::from(self.to - self.from)
    }
}

/// One window for each of `to` pixels of the `span` of a line that has `length`.
pub fn windows(length: usize, span: Span, to: usize, filter: Filter) -> Vec<Window> {
    let start = f64::from(span.from);
    if span.length() == to as f64 && start.fract() == 0.0 {
        let own = |i: usize| Window {
            start: (start as usize + i).min(length - 1),
            weights: vec![1 << FRACTION_BITS],
        };
        return (0..to).map(own).collect();
    }
    let scale = span.length() / to as f64;
    if filter == Filter::Nearest {
        return nearest(length, start, scale, to);
    }
    let widened = scale.max(1.0);
    let support = support(filter) * widened;
    (0..to)
        .map(|i| {
            let centre = start + (i as f64 + 0.5) * scale;
            let start = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(length);
            let weigh = |x: usize| weight(filter, (x as f64 - centre + 0.5) * (1.0 / widened));
            let weights: Vec<f64> = (start..end).map(weigh).collect();
            let sum: f64 = weights.iter().sum();
            let share = if sum == 0.0 { 1.0 } else { 1.0 / sum };
            let fixed = |w: f64| (w * share * f64::from(1 << FRACTION_BITS)).round() as i32;
            Window {
                start,
                weights: weights.into_iter().map(fixed).collect(),
            }
        })
        .collect()
}

/// The middle of each target pixel, added up as Pillow's `ImagingScaleAffine` does: where it falls between two pixels, the
/// last bit decides.
fn nearest(length: usize, start: f64, scale: f64, to: usize) -> Vec<Window> {
    let mut middle = start + scale * 0.5;
    (0..to)
        .map(|_| {
            let start = (middle as usize).min(length - 1);
            middle += scale;
            Window {
                start,
                weights: vec![1 << FRACTION_BITS],
            }
        })
        .collect()
}

/// How far the filter reaches to each side.
fn support(filter: Filter) -> f64 {
    match filter {
        Filter::Nearest | Filter::Box => 0.5,
        Filter::Bilinear | Filter::Hamming => 1.0,
        Filter::Bicubic => 2.0,
        Filter::Lanczos => 3.0,
    }
}

fn weight(filter: Filter, x: f64) -> f64 {
    const A: f64 = -0.5;
    let far = x.abs();
    match filter {
        Filter::Nearest | Filter::Box => f64::from(u8::from(x > -0.5 && x <= 0.5)),
        Filter::Bilinear => (1.0 - far).max(0.0),
        // Pillow's two numbers are float32.
        Filter::Hamming if far < 1.0 => {
            let (mean, swing) = (f64::from(0.54_f32), f64::from(0.46_f32));
            sinc(far) * (mean + swing * (far * std::f64::consts::PI).cos())
        }
        Filter::Bicubic if far < 1.0 => ((A + 2.0) * far - (A + 3.0)) * far * far + 1.0,
        Filter::Bicubic if far < 2.0 => (((far - 5.0) * far + 8.0) * far - 4.0) * A,
        Filter::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
        Filter::Hamming | Filter::Bicubic | Filter::Lanczos => 0.0,
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * std::f64::consts::PI;
    x.sin() / x
}
