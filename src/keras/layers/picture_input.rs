//! The input of a layer that slides a window, in one dimension or two.

use serde_json::Value;

use super::builder::{Builder, Read};
use crate::description::{DataFormat, Layer, Pad, Padding};
use crate::keras::Error;

/// The input as a picture. A line, the input of a layer of one dimension, is a picture of height 1.
pub struct PictureInput {
    node: usize,
    /// Whether it is a line.
    pub is_line: bool,
    pub data_format: DataFormat,
    pub channels: usize,
    /// Height and width.
    pub size: [usize; 2],
}

impl PictureInput {
    pub fn of(builder: &Builder) -> Result<Self, Error> {
        let input = builder.input()?;
        let is_line = builder.options.class.contains("1D");
        let data_format = builder.options.data_format()?;
        let shape = builder.shape(input);
        let sizes = match is_line {
            true => data_format
                .split(&shape)
                .map(|([steps], channels)| ([1, steps], channels)),
            false => data_format.split(&shape),
        };
        let (size, channels) = sizes.ok_or_else(|| {
            builder.error(format!(
                "it takes an input of {} axes (without the batch), not {shape:?}",
                if is_line { 2 } else { 3 }
            ))
        })?;
        Ok(Self {
            node: input,
            is_line,
            data_format,
            channels,
            size,
        })
    }

    /// An option that has one number for each dimension, `default` where it is absent; along the
    /// height of a line, `line_height`.
    pub fn sizes(
        &self,
        builder: &Builder,
        key: &str,
        default: usize,
        line_height: usize,
    ) -> Result<[usize; 2], Error> {
        if self.is_line {
            let [along] = builder.options.sizes(key, [default])?;
            return Ok([line_height, along]);
        }
        builder.options.sizes(key, [default; 2])
    }

    /// The node with the picture.
    pub fn picture(&self, builder: &mut Builder) -> Read {
        if !self.is_line {
            return Ok(self.node);
        }
        let target = self.data_format.join(self.size, self.channels);
        builder.reshape("picture", self.node, target)
    }

    /// The layer's output: for a line, without the height.
    pub fn back(&self, builder: &mut Builder, node: usize) -> Read {
        match self.data_format.split(&builder.shape(node)) {
            Some(([1, steps], channels)) if self.is_line => {
                let line = self.data_format.join([steps], channels);
                builder.reshape("line", node, line)
            }
            _ => Ok(node),
        }
    }

    /// The node with the picture, padded in front where the padding is causal, and the padding that
    /// the layer itself still has to do.
    pub fn padded(&self, builder: &mut Builder, reach: usize) -> Result<(usize, Padding), Error> {
        let picture = self.picture(builder)?;
        let causal = Value::from("causal");
        if builder.options.get("padding") != Some(&causal) {
            return Ok((picture, builder.options.padding()?));
        }
        if !self.is_line {
            let hint = "only layers of one dimension can be causal";
            return Err(builder.options.unsupported("padding", &causal, hint));
        }
        let rank = builder.shape(picture).len();
        let mut amounts = vec![[0, 0]; rank];
        let width = self.data_format.spatial_axes(rank).last().copied();
        if let Some(ends) = width.and_then(|axis| amounts.get_mut(axis)) {
            *ends = [reach - 1, 0];
        }
        let padded = builder.push_part("causal", Layer::Pad(Pad { amounts }), &[picture])?;
        Ok((padded, Padding::Valid))
    }

    /// A kernel's shape as the file has it: for a line, without the height.
    pub fn stored(&self, mut kernel: Vec<usize>) -> Vec<usize> {
        if self.is_line && !kernel.is_empty() {
            kernel.remove(0);
        }
        kernel
    }
}
