//! What Keras prints of a model with `model.summary()`, kept beside the graph.

use serde::{Deserialize, Serialize};

use super::Error;
use super::limits::{MAX_NODES, check_name};

/// The table of layers as Keras has them: a nested model is one row, and so is a layer that is used
/// more than once. For people to read; the network is built from the nodes.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// In the order of the file.
    pub rows: Vec<Row>,
    /// Whether the model is a graph, for which Keras shows its input and where each row's inputs
    /// come from.
    pub is_graph: bool,
}

/// One layer.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its Keras class.
    pub class: String,
    /// The shape of one example after it, without the batch axis.
    pub output_shape: Vec<usize>,
    /// Number of values in its weights.
    pub parameters: usize,
    /// Number of those that training changes.
    pub trainable: usize,
    /// Where its inputs come from, as Keras writes it: `conv2d[0][0]`.
    pub connected_to: Vec<String>,
}

impl Summary {
    /// Number of values in all weights, as Keras counts them.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let counts = self.rows.iter().map(|row| row.parameters);
        counts.fold(0, usize::saturating_add)
    }

    /// Number of those that training changes.
    #[must_use]
    pub fn trainable(&self) -> usize {
        let counts = self.rows.iter().map(|row| row.trainable);
        counts.fold(0, usize::saturating_add)
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        if self.rows.len() > MAX_NODES {
            return Err(Error::Model(format!(
                "its summary has {} rows, at most {MAX_NODES} are read",
                self.rows.len()
            )));
        }
        for row in &self.rows {
            check_name(&row.name)?;
            check_name(&row.class)?;
            row.connected_to.iter().try_for_each(|s| check_name(s))?;
            if row.trainable > row.parameters {
                return Err(Error::Model(format!(
                    "'{}' has more trainable parameters than parameters",
                    row.name
                )));
            }
        }
        Ok(())
    }
}
