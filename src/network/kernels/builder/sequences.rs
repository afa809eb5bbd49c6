//! Operations over sequences: pictures of one row, a pixel a step.

use super::{Builder, MAX_VALUES, Refused, Value, expect, refused};
use crate::network::kernels::attention::fits;
use crate::network::kernels::operation::{Attention, Operation, Outputs, Recurrent, Shape};

impl Builder {
    /// Attention over the pixels of one row.
    pub fn attention(
        &mut self,
        [query, key, value]: [Value; 3],
        attention: Attention,
    ) -> Result<Value, Refused> {
        let heads = attention.heads;
        let shapes = [query, key, value].map(|input| self.shape(input));
        let [queries, keys, values] = shapes;
        let split =
            |shape: &Shape| shape.height == 1 && heads > 0 && shape.channels.is_multiple_of(heads);
        let fit = queries.channels == keys.channels
            && keys.width == values.width
            && fits(keys, values, heads);
        if !fit || !shapes.iter().all(split) {
            return Err(refused(format!("attention of {heads} heads to {shapes:?}")));
        }
        let shape = Shape {
            channels: values.channels,
            ..queries
        };
        let inputs = [query, key, value];
        self.push(Operation::Attention(attention), &inputs, shape)
    }

    /// A recurrent layer over the pixels of one row.
    pub fn recurrent(&mut self, input: Value, layer: Recurrent) -> Result<Value, Refused> {
        let Shape {
            height,
            width,
            channels,
        } = self.shape(input);
        let (gates, units) = (layer.cell.gates(), layer.units);
        expect("kernel", layer.kernel.len(), &[channels, gates, units])?;
        expect(
            "recurrent kernel",
            layer.recurrent_kernel.len(),
            &[units, gates, units],
        )?;
        expect("bias", layer.bias.len(), &[gates, units])?;
        expect(
            "recurrent bias",
            layer.recurrent_bias.len(),
            &[gates, units],
        )?;
        if height != 1
            || channels
                .checked_add(units)
                .is_none_or(|row| row > MAX_VALUES)
        {
            return Err(refused(format!(
                "{units} units over {:?}",
                self.shape(input)
            )));
        }
        let shape = Shape {
            height,
            width: if layer.outputs == Outputs::Last {
                1
            } else {
                width
            },
            channels: units,
        };
        self.push(Operation::Recurrent(Box::new(layer)), &[input], shape)
    }
}
