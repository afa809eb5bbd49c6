//! How the bytes of a picture become the numbers that a network takes.

use std::sync::Arc;

/// From pixels, row by row, to input values.
#[derive(Clone, Debug)]
pub enum Encoding {
    /// Each byte times this.
    Scaled(f32),
    /// Each byte as its channel's table has it.
    Table(Arc<Table>),
}

/// What is more than a factor: channels that differ, change places, or come one after the other.
#[derive(Debug)]
pub struct Table {
    /// For each channel of the input, in their order.
    channels: Vec<Channel>,
    /// Whether the input has one plane a channel, and not all channels of a pixel together.
    channels_first: bool,
}

/// One channel of the input.
#[derive(Debug)]
pub(super) struct Channel {
    /// Which byte of a pixel it is.
    pub of: usize,
    /// The value that becomes 0, and the difference that becomes 1.
    pub zero: f32,
    pub one: f32,
    values: [f32; 256],
}

impl Channel {
    /// From byte `of`, what `value` makes of it, which is a straight line.
    pub fn new(of: usize, value: impl Fn(f32) -> f32) -> Self {
        let values = std::array::from_fn(|byte| value(byte as f32));
        let one = 255.0 / (values[255] - values[0]);
        Self {
            of,
            zero: -values[0] * one,
            one,
            values,
        }
    }
}

impl Encoding {
    pub(super) fn table(channels: Vec<Channel>, channels_first: bool) -> Self {
        Self::Table(Arc::new(Table {
            channels,
            channels_first,
        }))
    }

    /// Appends the values of one picture.
    pub fn encode(&self, pixels: &[u8], values: &mut Vec<f32>) {
        match self {
            Self::Scaled(scale) => {
                values.extend(pixels.iter().map(|&byte| f32::from(byte) * scale));
            }
            Self::Table(table) => table.encode(pixels, values),
        }
    }

    /// The pixels whose values these are, more or less; what is beyond black and white is shown as black and white.
    #[must_use]
    pub fn decode(&self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::Scaled(scale) => {
                let byte = |value: &f32| (value / scale).round() as u8;
                values.iter().map(byte).collect()
            }
            Self::Table(table) => table.decode(values),
        }
    }

    /// What a mean of values is as a mean of bytes.
    #[must_use]
    pub fn mean_of_bytes(&self, mean: f64) -> f64 {
        match self {
            Self::Scaled(scale) => mean / f64::from(*scale),
            Self::Table(table) => {
                let bytes = table
                    .channels
                    .iter()
                    .map(|channel| f64::from(channel.zero) + mean * f64::from(channel.one));
                bytes.sum::<f64>() / table.channels.len() as f64
            }
        }
    }
}

impl Table {
    fn encode(&self, pixels: &[u8], values: &mut Vec<f32>) {
        let count = self.channels.len();
        if self.channels_first {
            for channel in &self.channels {
                let plane = pixels.chunks_exact(count);
                values.extend(plane.map(|pixel| channel.values[usize::from(pixel[channel.of])]));
            }
        } else {
            for pixel in pixels.chunks_exact(count) {
                let channels = self.channels.iter();
                values.extend(channels.map(|one| one.values[usize::from(pixel[one.of])]));
            }
        }
    }

    fn decode(&self, values: &[f32]) -> Vec<u8> {
        let count = self.channels.len();
        let mut pixels = vec![0; values.len()];
        let plane = values.len() / count;
        for (index, channel) in self.channels.iter().enumerate() {
            for (at, pixel) in pixels.chunks_exact_mut(count).enumerate() {
                let value = if self.channels_first {
                    values[index * plane + at]
                } else {
                    values[at * count + index]
                };
                pixel[channel.of] = (channel.zero + value * channel.one).round() as u8;
            }
        }
        pixels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BGR less a mean, as Keras's `preprocess_input` of ResNet50 has it.
    fn bgr(channels_first: bool) -> Encoding {
        let channel = |(of, mean): (usize, f32)| Channel::new(of, move |byte| byte - mean);
        let channels = [(2, 103.0), (1, 116.0), (0, 123.0)].map(channel);
        Encoding::table(channels.into(), channels_first)
    }

    #[test]
    fn channels_change_places_and_come_in_planes_where_the_model_wants_them_so() {
        let pixels = [1, 2, 3, 11, 12, 13];
        for (channels_first, expected) in [
            (false, [-100.0, -114.0, -122.0, -90.0, -104.0, -112.0]),
            (true, [-100.0, -90.0, -114.0, -104.0, -122.0, -112.0]),
        ] {
            let (encoding, mut values) = (bgr(channels_first), Vec::new());
            encoding.encode(&pixels, &mut values);
            assert_eq!(values, expected);
            assert_eq!(encoding.decode(&values), pixels);
        }
    }

    #[test]
    fn a_mean_is_told_in_bytes_whatever_the_values_are() {
        let mean = bgr(false).mean_of_bytes(-114.0);
        assert!((mean - 0.0).abs() < 1e-3, "{mean}");
        let signed = Encoding::table(vec![Channel::new(0, |byte| byte / 127.5 - 1.0)], false);
        assert!((signed.mean_of_bytes(0.0) - 127.5).abs() < 1e-3);
        assert!((Encoding::Scaled(1.0 / 255.0).mean_of_bytes(0.5) - 127.5).abs() < 1e-3);
    }
}
