//! How much a layer has to compute, so that a small file cannot ask for hours.

use super::layer::{Layer, Recurrent};

impl Layer {
    /// Multiply-adds, or comparisons, for one example of these shapes, more or less; saturates.
    pub(super) fn work(&self, inputs: &[&[usize]], output: &[usize]) -> u64 {
        let input = inputs.first().copied().unwrap_or(&[]);
        let values = count(output);
        match self {
            Self::Dense { .. } => times(values, input.last()),
            Self::Conv2D {
                kernel_size,
                groups,
                data_format,
                ..
            } => {
                let channels = data_format.picture(input).map_or(0, |p| p.channels);
                let each = channels / (*groups).max(1);
                times(times(values, kernel_size), &[each])
            }
            Self::Conv2DTranspose {
                kernel_size,
                strides,
                filters,
                size,
                data_format,
                ..
            } => {
                let Some(picture) = data_format.picture(input) else {
                    return 0;
                };
                // Each result has the taps that are on pixels, also those on padding.
                let along = |axis: usize, pixels: usize| {
                    let stride = strides[axis].max(1);
                    let results = pixels.saturating_mul(stride).max(size[axis]);
                    [results, kernel_size[axis].div_ceil(stride)]
                };
                let sums = [along(0, picture.height), along(1, picture.width)].concat();
                times(times(1, &sums), &[picture.channels, *filters])
            }
            Self::Pooling2D { pool_size, .. } => times(values, pool_size),
            Self::Merge { .. } | Self::Concatenate { .. } => times(values, &[inputs.len()]),
            Self::Recurrent(recurrent) => recurrent.work(input),
            Self::Bidirectional {
                forward, backward, ..
            } => forward.work(input).saturating_add(backward.work(input)),
            Self::Attention { .. } => {
                let sources = inputs.get(1).and_then(|key| key.first());
                times(values.saturating_add(count(input)), sources)
            }
            Self::TimeDistributed { layer } => match (&**layer, input.split_first()) {
                (Self::TimeDistributed { .. }, _) | (_, None) => u64::MAX,
                (layer, Some((steps, step))) => {
                    let after = output.get(1..).unwrap_or(&[]);
                    times(layer.work(&[step], after), &[*steps])
                }
            },
            _ => values.max(count(input)),
        }
    }
}

impl Recurrent {
    fn work(&self, input: &[usize]) -> u64 {
        let &[steps, features] = input else {
            return 0;
        };
        let read = features.saturating_add(self.units);
        times(1, &[steps, read, self.units, self.cell.gates()])
    }
}

fn count(shape: &[usize]) -> u64 {
    times(1, shape)
}

fn times<'a>(product: u64, sizes: impl IntoIterator<Item = &'a usize>) -> u64 {
    let sizes = sizes.into_iter();
    sizes.fold(product, |product, &size| {
        product.saturating_mul(size as u64)
    })
}
