//! `x * scale + offset`: what BatchNormalization, Normalization and Rescaling are at inference.

/// One scale and offset for each position along an axis, or one for all.
///
/// In f64, so that folding one into another adds no error of its own.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::network) struct Affine {
    /// As many as the axis is long, or one.
    pub scale: Vec<f64>,
    /// As many as `scale`.
    pub offset: Vec<f64>,
    /// Of the operation's input; any axis where there is only one scale.
    pub axis: usize,
}

impl Affine {
    /// Of values that may be one or many each, along `axis`.
    pub fn new(scale: &[f64], offset: &[f64], axis: usize) -> Self {
        let len = scale.len().max(offset.len());
        let repeated = |values: &[f64]| match values {
            [value] => vec![*value; len],
            _ => values.to_vec(),
        };
        Self {
            scale: repeated(scale),
            offset: repeated(offset),
            axis,
        }
    }

    /// `gamma * (x - mean) / sqrt(variance + epsilon) + beta`; gamma and beta may be empty.
    pub fn batch_norm(
        [gamma, beta, mean, variance]: [&[f32]; 4],
        epsilon: f32,
        axis: usize,
    ) -> Self {
        let at = |values: &[f32], index: usize, default: f64| {
            values.get(index).map_or(default, |&value| value.into())
        };
        let (scale, offset) = (0..mean.len())
            .map(|channel| {
                let variance = at(variance, channel, 1.0) + f64::from(epsilon);
                let scale = at(gamma, channel, 1.0) / variance.sqrt();
                let offset = at(beta, channel, 0.0) - at(mean, channel, 0.0) * scale;
                (scale, offset)
            })
            .unzip();
        Self {
            scale,
            offset,
            axis,
        }
    }

    /// Whether everything in it is a number that float32 can hold.
    pub fn is_finite(&self) -> bool {
        let mut values = self.scale.iter().chain(&self.offset);
        values.all(|value| (*value as f32).is_finite())
    }

    /// Whether it is one scale and offset for everything.
    pub fn is_uniform(&self) -> bool {
        self.scale.len() == 1
    }

    pub fn has_offset(&self) -> bool {
        self.offset.iter().any(|offset| *offset != 0.0)
    }

    /// Scale and offset of one position along the axis.
    pub fn at(&self, position: usize) -> (f64, f64) {
        let position = if self.is_uniform() { 0 } else { position };
        (self.scale[position], self.offset[position])
    }
}
