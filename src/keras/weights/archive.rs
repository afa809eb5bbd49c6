//! `model.weights.h5` of an archive: groups named after classes.
//!
//! A layer's variables are in `layers/<group>/vars/<i>`, where the group is the layer's class in
//! snake case, counted per class in layer order (`conv2d`, `conv2d_1`, …). The layer's own name has
//! nothing to do with it: a layer that is called `conv2d` may well be in `conv2d_1`
//! (`keras.src.saving.saving_lib._save_container_state`). A model's layers are below its own group.
//!
//! Keras 2.13 has another name for `layers`, and lists every layer with weights twice, so that each
//! of them takes two numbers.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Loader;
use crate::keras::Error;
use crate::keras::file::bytes::Bytes;
use crate::keras::file::hdf5::{self, File, Members};
use crate::keras::graph::{Graph, Variable};
use crate::keras::saved::{SavedLayer, SavedModel};

/// The group of a model's layers.
const LAYERS: &str = "layers";
/// The same in Keras 2.13.
const LAYERS_OF_2_13: &str = "_layer_checkpoint_dependencies";

/// Reads the variables into the nodes of a graph.
pub fn load(h5: Bytes, model: &SavedModel, graph: &mut Graph) -> Result<(), Error> {
    let file = File::open(h5)?;
    let root = Group::root(&file);
    let mut loader = Loader::new(&file, graph);
    Container {
        loader: &mut loader,
        loaded: &mut HashSet::new(),
        path: String::new(),
    }
    .load(&root, model)?;
    loader.finish()
}

/// A model's group.
struct Container<'l, 'a> {
    loader: &'l mut Loader<'a>,
    /// The layers that were loaded: one that stands in several models is in the group of the first.
    loaded: &'l mut HashSet<usize>,
    /// Where it is, with a `/` at the end.
    path: String,
}

impl Container<'_, '_> {
    fn load(&mut self, group: &Group, model: &SavedModel) -> Result<(), Error> {
        let file = self.loader.file;
        let mut members = group.members(file)?;
        let (name, twice) = match members.contains_key(LAYERS_OF_2_13) {
            true => (LAYERS_OF_2_13, true),
            false => (LAYERS, false),
        };
        let mut groups = match members.remove(name) {
            Some(layers) => layers.members(file)?,
            None => BTreeMap::new(),
        };
        let mut names = GroupNames::default();
        // Operations are in the list of layers, but Keras does not save them.
        for layer in model.layers.iter().filter(|layer| !layer.is_operation()) {
            let counts = if twice && self.has_weights(layer) {
                2
            } else {
                1
            };
            let name_of_group = names.next(layer.options.class, counts);
            let group = groups.remove(&name_of_group);
            let path = format!("{}{name}/{name_of_group}", self.path);
            self.load_saved(layer, group, path)?;
        }
        for (group, place) in groups {
            if !Vars::of(&place, file)?.members.is_empty() {
                return Err(Error::WeightsFile(format!(
                    "{}{name}/{} holds weights, but the model has no such layer",
                    self.path,
                    group.escape_debug()
                )));
            }
        }
        Ok(())
    }

    /// Loads a layer, or a model, from its group, unless that was done where it stood before.
    fn load_saved(
        &mut self,
        layer: &SavedLayer,
        group: Option<Group>,
        path: String,
    ) -> Result<(), Error> {
        if !self.loaded.insert(layer.id) {
            return Ok(());
        }
        if let Some(inner) = &layer.wrapped {
            const WRAPPED: &str = "layer";
            let group = group.unwrap_or_default();
            let group = group.below(WRAPPED, self.loader.file)?;
            return self.load_saved(inner, Some(group), format!("{path}/{WRAPPED}"));
        }
        match &layer.model {
            Some(model) => Container {
                path: format!("{path}/"),
                loader: self.loader,
                loaded: self.loaded,
            }
            .load(&group.unwrap_or_default(), model),
            None => self.load_layer(layer, group.as_ref(), &path),
        }
    }

    fn has_weights(&self, layer: &SavedLayer) -> bool {
        let variables = self.loader.graph.variables.get(&layer.id);
        let own = variables.is_some_and(|variables| !variables.is_empty());
        own || layer.inner().any(|layer| self.has_weights(layer))
    }

    fn load_layer(
        &mut self,
        layer: &SavedLayer,
        group: Option<&Group>,
        path: &str,
    ) -> Result<(), Error> {
        let Some(variables) = self.loader.graph.variables.get(&layer.id).cloned() else {
            return Ok(());
        };
        // The layer's own group is always read, for the layer's name in it.
        let mut places: Vec<(&str, Vec<&Variable>)> = vec![("", Vec::new())];
        for variable in &variables {
            match places.last_mut() {
                Some((place, list)) if *place == variable.path => list.push(variable),
                _ => places.push((&variable.path, vec![variable])),
            }
        }
        for (place, variables) in places {
            let path = match place {
                "" => format!("{path}/vars"),
                place => format!("{path}/{place}/vars"),
            };
            let error = |reason: String| layer.weights_error(&path, reason);
            let vars = Vars::below(group, self.loader.file, place);
            let vars = vars.map_err(|e| error(e.to_string()))?;
            if let Some(name) = vars
                .name
                .filter(|name| place.is_empty() && *name != layer.options.layer)
            {
                return Err(error(format!(
                    "the file says that they belong to layer '{}'",
                    name.escape_debug()
                )));
            }
            if vars.members.len() != variables.len() {
                let names: Vec<_> = variables.iter().map(|variable| variable.name).collect();
                return Err(error(format!(
                    "found {}, expected {} {names:?}",
                    vars.members.len(),
                    variables.len()
                )));
            }
            for (index, variable) in variables.into_iter().enumerate() {
                let address = vars.members.get(&index.to_string());
                let address =
                    address.ok_or_else(|| error(format!("no {} ({index})", variable.name)))?;
                self.loader.read(layer, variable, *address).map_err(error)?;
            }
        }
        Ok(())
    }
}

/// The variables of one group.
struct Vars {
    /// The name of the layer they belong to, where the file says so (from Keras 3.8 on).
    name: Option<String>,
    members: Members,
}

impl Vars {
    /// Those in a group below another.
    fn below(group: Option<&Group>, file: &File, place: &str) -> Result<Self, hdf5::Error> {
        let mut group = group.cloned().unwrap_or_default();
        for name in place.split('/').filter(|name| !name.is_empty()) {
            group = group.below(name, file)?;
        }
        Self::of(&group, file)
    }

    fn of(group: &Group, file: &File) -> Result<Self, hdf5::Error> {
        let vars = group.members(file)?.remove("vars");
        let Some(address) = vars.and_then(|vars| vars.address) else {
            return Ok(Self {
                name: None,
                members: Members::new(),
            });
        };
        Ok(Self {
            name: file.text(address, "name")?,
            members: file.members(address)?,
        })
    }
}

/// A group in the file. Keras on Windows writes `layers\\dense` as one name, which is taken apart.
#[derive(Clone, Default)]
struct Group {
    /// Its address; none where it is only a part of a name, or not there.
    address: Option<u64>,
    /// The groups in it that are only parts of names.
    named: BTreeMap<String, Group>,
}

impl Group {
    fn root(file: &File) -> Self {
        Self {
            address: Some(file.root_address()),
            named: BTreeMap::new(),
        }
    }

    /// A group in it, if it is there. In Keras 2 its name begins with an underscore.
    fn below(&self, name: &str, file: &File) -> Result<Self, hdf5::Error> {
        let mut members = self.members(file)?;
        let found = members.remove(name);
        let found = found.or_else(|| members.remove(&format!("_{name}")));
        Ok(found.unwrap_or_default())
    }

    fn members(&self, file: &File) -> Result<BTreeMap<String, Group>, hdf5::Error> {
        let mut members = self.named.clone();
        let Some(address) = self.address else {
            return Ok(members);
        };
        for (name, address) in file.members(address)? {
            let mut parts = name.split('\\');
            let first = parts.next().unwrap_or_default().to_owned();
            let mut group = members.entry(first).or_default();
            for part in parts {
                group = group.named.entry(part.to_owned()).or_default();
            }
            group.address = Some(address);
        }
        Ok(members)
    }
}

/// Names the groups as Keras does: the class in snake case, and a number from the second on.
#[derive(Default)]
struct GroupNames(HashMap<String, usize>);

impl GroupNames {
    fn next(&mut self, class: &str, counts: usize) -> String {
        let name = snake_case(class);
        let count = self.0.entry(name.clone()).or_default();
        let number = *count;
        *count += counts;
        match number {
            0 => name,
            number => format!("{name}_{number}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_named_after_the_class_as_keras_does() {
        let pairs = [
            ("Conv2D", "conv2d"),
            ("ReLU", "re_lu"),
            ("PReLU", "p_re_lu"),
            ("LeakyReLU", "leaky_re_lu"),
            ("ELU", "elu"),
            ("LSTM", "lstm"),
            ("TFOpLambda", "tf_op_lambda"),
            ("SeparableConv1D", "separable_conv1d"),
            ("MaxPooling2D", "max_pooling2d"),
            ("GlobalAveragePooling2D", "global_average_pooling2d"),
            ("BatchNormalization", "batch_normalization"),
            ("SpatialDropout2D", "spatial_dropout2d"),
        ];
        for (class, group) in pairs {
            assert_eq!(snake_case(class), group);
        }
        let mut names = GroupNames::default();
        let groups = ["Dense", "Conv2D", "Dense", "Dense"].map(|class| names.next(class, 1));
        assert_eq!(groups, ["dense", "conv2d", "dense_1", "dense_2"]);
    }

    #[test]
    fn in_keras_2_13_a_layer_with_weights_counts_twice() {
        let mut names = GroupNames::default();
        let groups = ["Dense", "Dense", "Dense"].map(|class| names.next(class, 2));
        assert_eq!(groups, ["dense", "dense_2", "dense_4"]);
    }
}
