//! `model.weights.h5` → the weights of each layer.
//!
//! A layer's weights are in `layers/<group>/vars/<i>`, where the group is the layer's class in
//! snake case, counted per class in layer order (`conv2d`, `conv2d_1`, …). The layer's own name has
//! nothing to do with it: a layer that is called `conv2d` may well be in `conv2d_1`
//! (`keras.src.saving.saving_lib._save_container_state`).

use std::collections::HashMap;
use std::fmt::Display;

use super::Error;
use super::config::{Architecture, SavedLayer};
use super::hdf5::{self, Dataset, Element, File, Members};
use super::layer::WeightSpec;
use super::model::{Node, Weight};

/// Reads the weights into the nodes of an architecture that was validated.
pub(super) fn load(h5: &[u8], architecture: &mut Architecture) -> Result<(), Error> {
    let file = File::open(h5)?;
    let root = file.root()?;
    let mut groups = match root.get("layers") {
        Some(&layers) => file.members(layers)?,
        None => Members::new(),
    };
    let specs = architecture.model.weight_specs();
    let mut names = GroupNames::default();
    let nodes = architecture.model.nodes.iter_mut();
    for ((node, saved), specs) in nodes.zip(&architecture.saved).zip(specs) {
        let group = names.next(&saved.class);
        let address = groups.remove(&group);
        node.weights = Layer {
            file: &file,
            node,
            saved,
            group: &group,
        }
        .load(address, specs)?;
    }
    for (group, address) in groups {
        if !variables(&file, address)?.1.is_empty() {
            return Err(Error::WeightsFile(format!(
                "layers/{group} holds weights, but the model has no such layer"
            )));
        }
    }
    Ok(())
}

/// One layer and where its weights are.
struct Layer<'a> {
    file: &'a File<'a>,
    node: &'a Node,
    saved: &'a SavedLayer,
    group: &'a str,
}

impl Layer<'_> {
    fn load(&self, address: Option<u64>, specs: Vec<WeightSpec>) -> Result<Vec<Weight>, Error> {
        let (name, found) = match address {
            Some(address) => variables(self.file, address).map_err(|e| self.error(e))?,
            None => (None, Members::new()),
        };
        if let Some(name) = name.filter(|name| *name != self.node.name) {
            return Err(self.error(format!("the file says that they belong to layer '{name}'")));
        }
        if found.len() != specs.len() {
            let names: Vec<_> = specs.iter().map(|spec| spec.name).collect();
            return Err(self.error(format!(
                "found {}, expected {} {names:?}",
                found.len(),
                specs.len()
            )));
        }
        let specs = specs.into_iter().enumerate();
        specs
            .map(|(index, spec)| self.weight(&found, index, spec))
            .collect()
    }

    fn weight(&self, found: &Members, index: usize, spec: WeightSpec) -> Result<Weight, Error> {
        let address = found.get(&index.to_string());
        let address = *address.ok_or_else(|| self.error(format!("no {} ({index})", spec.name)))?;
        let about = |reason: String| self.error(format!("{} ({index}): {reason}", spec.name));
        let dataset = self
            .file
            .dataset(address)
            .map_err(|e| about(e.to_string()))?;
        if dataset.shape != spec.shape {
            return Err(about(format!(
                "its shape is {:?}, the layer asks for {:?}",
                dataset.shape, spec.shape
            )));
        }
        let values = to_float32(&dataset);
        // Keras would load it and answer NaN for every picture: a training that diverged, or a
        // damaged file. Better said now than by every answer.
        if let Some(position) = values.iter().position(|value| !value.is_finite()) {
            return Err(about(format!(
                "the value at {position} is {} in float32; every weight must be finite",
                values[position]
            )));
        }
        Ok(Weight {
            name: spec.name,
            shape: spec.shape,
            values,
            trainable: spec.trainable && self.saved.trainable,
        })
    }

    fn error(&self, reason: impl Display) -> Error {
        Error::Weights {
            layer: self.node.name.clone(),
            reason: format!("layers/{}/vars: {}", self.group, reason),
        }
    }
}

/// The variables of a layer's group, and the name of the layer they belong to where the file says
/// so (from Keras 3.8 on).
fn variables(file: &File, group: u64) -> Result<(Option<String>, Members), hdf5::Error> {
    match file.members(group)?.get("vars") {
        Some(&vars) => Ok((file.text(vars, "name")?, file.members(vars)?)),
        None => Ok((None, Members::new())),
    }
}

fn to_float32(dataset: &Dataset) -> Vec<f32> {
    use hdf5_reader::ByteOrder::{BigEndian, LittleEndian};
    let bytes = dataset.bytes;
    match dataset.element {
        Element::Float(2, LittleEndian) => map(bytes, |b| half(u16::from_le_bytes(b))),
        Element::Float(2, BigEndian) => map(bytes, |b| half(u16::from_be_bytes(b))),
        Element::Float(8, LittleEndian) => map(bytes, |b| narrow(f64::from_le_bytes(b))),
        Element::Float(8, BigEndian) => map(bytes, |b| narrow(f64::from_be_bytes(b))),
        Element::Float(_, LittleEndian) => map(bytes, f32::from_le_bytes),
        Element::Float(_, BigEndian) => map(bytes, f32::from_be_bytes),
        Element::Bfloat16 => map(bytes, |[low, high]| f32::from_le_bytes([0, 0, low, high])),
    }
}

fn map<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|&chunk| value(chunk))
        .collect()
}

#[allow(clippy::cast_possible_truncation)] // rounding is what is asked for
fn narrow(value: f64) -> f32 {
    value as f32
}

/// IEEE 754 binary16 → binary32, exactly.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10 & 0x1f);
    let fraction = u32::from(bits & 0x3ff);
    match exponent {
        // Zero and subnormal: fraction · 2⁻²⁴, which float32 holds exactly.
        0 => f32::from_bits(sign | (f32::from(bits & 0x3ff) * 2.0_f32.powi(-24)).to_bits()),
        0x1f => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13),
    }
}

/// Names the groups as Keras does: the class in snake case, and a number from the second on.
#[derive(Default)]
struct GroupNames(HashMap<String, usize>);

impl GroupNames {
    fn next(&mut self, class: &str) -> String {
        let name = snake_case(class);
        let count = self.0.entry(name.clone()).or_default();
        *count += 1;
        match *count {
            1 => name,
            n => format!("{name}_{}", n - 1),
        }
    }
}

/// `keras.src.utils.naming.to_snake_case` without its removal of characters that no class has:
/// `_` before a capital that small letters follow, then between a small letter and a capital.
fn snake_case(class: &str) -> String {
    let letters: Vec<char> = class.chars().collect();
    let mut snake = String::with_capacity(class.len() + 4);
    for (i, letter) in letters.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|i| letters.get(i));
        let starts_word = letters.get(i + 1).is_some_and(char::is_ascii_lowercase);
        let ends_word = before.is_some_and(char::is_ascii_lowercase);
        if before.is_some() && letter.is_ascii_uppercase() && (starts_word || ends_word) {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

impl From<hdf5::Error> for Error {
    fn from(error: hdf5::Error) -> Self {
        Self::WeightsFile(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_named_after_the_class_as_keras_does() {
        let pairs = [
            ("Conv2D", "conv2d"),
            ("ReLU", "re_lu"),
            ("LeakyReLU", "leaky_re_lu"),
            ("ELU", "elu"),
            ("MaxPooling2D", "max_pooling2d"),
            ("GlobalAveragePooling2D", "global_average_pooling2d"),
            ("BatchNormalization", "batch_normalization"),
            ("SpatialDropout2D", "spatial_dropout2d"),
        ];
        for (class, group) in pairs {
            assert_eq!(snake_case(class), group);
        }
        let mut names = GroupNames::default();
        let groups = ["Dense", "Conv2D", "Dense", "Dense"].map(|class| names.next(class));
        assert_eq!(groups, ["dense", "conv2d", "dense_1", "dense_2"]);
    }

    #[test]
    fn half_precision_is_converted_exactly() {
        let pairs = [
            (0x0000, 0.0),
            (0x8000, -0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 2.0_f32.powi(-14)),
            (0x0001, 2.0_f32.powi(-24)),
            (0x83ff, -1023.0 * 2.0_f32.powi(-24)),
            (0x7c00, f32::INFINITY),
        ];
        for (bits, value) in pairs {
            assert_eq!(half(bits).to_bits(), f32::to_bits(value), "{bits:#06x}");
        }
        assert!(half(0x7e00).is_nan());
    }
}
