//! Where the values of a description's node are, and in which order.
//!
//! Kernels want channels last. A layer that is channels first is therefore
//! computed channels last, and what it gives is remembered as "stored in another
//! order" and only turned when somebody needs Keras's order: a whole
//! channels-first network is turned once at its beginning and once at its end.

use crate::network::compile::op::Source;

/// What a node gives: a value, and which of its axes is which of the node's.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    pub value: usize,
    /// The shape of one example as the value has it.
    pub stored: Vec<usize>,
    /// Axis `i` of the node's output is axis `axes[i]` of `stored`.
    pub axes: Vec<usize>,
}

impl Wire {
    /// In Keras's own order.
    pub fn row_major(value: usize, shape: &[usize]) -> Self {
        Self {
            value,
            stored: shape.to_vec(),
            axes: (0..shape.len()).collect(),
        }
    }

    /// `stored` has the node's axes in this `order`.
    pub fn ordered(value: usize, stored: Vec<usize>, order: &[usize]) -> Self {
        Self {
            value,
            stored,
            axes: inverse(order),
        }
    }

    /// The node's axes in the order in which they are stored.
    pub fn order(&self) -> Vec<usize> {
        inverse(&self.axes)
    }

    /// The value as it is stored.
    pub fn source(&self) -> Source {
        Source {
            value: self.value,
            shape: self.stored.clone(),
        }
    }

    /// The stored axes that hold the node's axes in `order`, and the shape they make.
    pub fn turned(&self, order: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let axes: Vec<usize> = order.iter().map(|&axis| self.axes[axis]).collect();
        let shape = axes.iter().map(|&axis| self.stored[axis]).collect();
        (axes, shape)
    }

    /// What is given for each of the node's axes, for each of the stored ones.
    pub fn per_stored_axis<T: Clone>(&self, values: &[T]) -> Vec<T> {
        let order = self.order();
        order.iter().map(|&axis| values[axis].clone()).collect()
    }

    /// Another value with the axes in the same places.
    pub fn with(&self, value: usize, stored: Vec<usize>) -> Self {
        Self {
            value,
            stored,
            axes: self.axes.clone(),
        }
    }
}

/// Whether a permutation moves nothing: all axes that are longer than 1 stay in order.
pub(super) fn moves_nothing(axes: &[usize], shape: &[usize]) -> bool {
    let long = axes.iter().filter(|&&axis| shape[axis] != 1);
    long.is_sorted()
}

fn inverse(axes: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; axes.len()];
    for (position, &axis) in axes.iter().enumerate() {
        inverse[axis] = position;
    }
    inverse
}
