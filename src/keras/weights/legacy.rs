//! The weights of a legacy HDF5 model: for each layer a group with a list of names.
//!
//! `weight_names` are the paths of the datasets, relative to the layer's group, in the order of
//! `layer.trainable_weights + layer.non_trainable_weights`
//! (`keras.src.legacy.saving.legacy_h5_format.save_weights_to_hdf5_group`). A nested model is one
//! group: all its trainable weights come first, then all others.

use std::collections::{HashMap, HashSet};

use super::Loader;
use crate::keras::Error;
use crate::keras::file::hdf5::{self, File, Members};
use crate::keras::graph::{Graph, Variable};
use crate::keras::saved::{SavedLayer, SavedModel};

/// Reads the variables into the nodes of a graph.
pub fn load(file: &File, model: &SavedModel, graph: &mut Graph) -> Result<(), Error> {
    let root = file.root()?;
    let weights = root.get("model_weights").ok_or_else(|| {
        Error::WeightsFile("it has no group model_weights; save the whole model".to_owned())
    })?;
    let mut groups = Paths {
        file,
        top: file.members(*weights)?,
        open: Vec::new(),
    };
    let mut loader = Loader::new(file, graph);
    for layer in &model.layers {
        let place = format!("model_weights/{}", layer.options.layer);
        let error = |reason: String| layer.weights_error(&place, reason);
        let stored = match groups.find(layer.options.layer) {
            Ok(Some(group)) => Stored::all(file, group),
            Ok(None) => Ok(Vec::new()),
            Err(e) => Err(e),
        };
        let stored = stored.map_err(|e| error(e.to_string()))?;
        let own = Owned::of_layer(&loader, layer, &mut HashSet::new());
        let order = order(layer, own, &stored).map_err(error)?;
        for (own, stored) in order.iter().zip(&stored) {
            let address = stored.address;
            let read = loader.read(own.layer, &own.variable, address);
            read.map_err(error)?;
        }
    }
    loader.finish()
}

/// A dataset and its name.
struct Stored {
    path: String,
    address: u64,
}

impl Stored {
    /// The datasets of a layer's group, in order.
    fn all(file: &File, group: u64) -> Result<Vec<Self>, hdf5::Error> {
        let names = file.texts(group, "weight_names")?;
        let names = names.ok_or_else(|| hdf5::other("it has no weight_names"))?;
        let mut paths = Paths {
            file,
            top: file.members(group)?,
            open: Vec::new(),
        };
        let mut seen = HashSet::new();
        let mut all = Vec::with_capacity(names.len());
        for path in names {
            let address = paths.find(&path)?;
            let address = address.ok_or_else(|| {
                hdf5::other(format!("the dataset {path:?} that it names is not there"))
            })?;
            if !seen.insert(address) {
                return Err(hdf5::other(format!("the dataset {path:?} is named twice")));
            }
            all.push(Self { path, address });
        }
        Ok(all)
    }

    /// The name of the variable: the last part of the path, without what TensorFlow adds.
    fn name(&self) -> &str {
        let last = self.path.rsplit('/').next().unwrap_or_default();
        let name = last.split(':').next().unwrap_or_default();
        let number = name.rfind('_').map(|at| name.split_at(at));
        match number {
            Some((name, number)) if number[1..].parse::<u32>().is_ok() => name,
            _ => name,
        }
    }
}

/// Finds objects by their paths below a group. The groups on the last path are kept, since the next
/// path mostly goes through them too.
struct Paths<'f> {
    file: &'f File<'f>,
    top: Members,
    open: Vec<(String, Members)>,
}

impl Paths<'_> {
    fn find(&mut self, path: &str) -> Result<Option<u64>, hdf5::Error> {
        let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let last = parts.pop().unwrap_or_default();
        let same = parts.iter().zip(&self.open);
        let same = same.take_while(|(part, (open, _))| *part == open).count();
        self.open.truncate(same);
        for part in &parts[same..] {
            let Some(&group) = self.deepest().get(*part) else {
                return Ok(None);
            };
            let members = self.file.members(group)?;
            self.open.push(((*part).to_owned(), members));
        }
        Ok(self.deepest().get(last).copied())
    }

    fn deepest(&self) -> &Members {
        self.open.last().map_or(&self.top, |(_, members)| members)
    }
}

/// A variable and the layer it belongs to.
#[derive(Clone)]
struct Owned<'a> {
    layer: &'a SavedLayer<'a>,
    variable: Variable,
    /// Whether training changes it, whatever the models around its layer say.
    is_trained: bool,
}

impl<'a> Owned<'a> {
    /// The variables of a layer, or of all layers of a model, in layer order. `seen` are the layers so
    /// far: one that stands in several models has its variables once.
    fn of_layer(
        loader: &Loader,
        layer: &'a SavedLayer<'a>,
        seen: &mut HashSet<usize>,
    ) -> Vec<Self> {
        if !seen.insert(layer.id) {
            return Vec::new();
        }
        let is_trainable = layer.is_trainable().unwrap_or(true);
        let variables = loader.graph.variables.get(&layer.id).into_iter().flatten();
        let mut all: Vec<Self> = variables
            .map(|variable| Self {
                layer,
                variable: variable.clone(),
                is_trained: is_trainable && variable.trainable,
            })
            .collect();
        for inner in layer.inner() {
            all.extend(Self::of_layer(loader, inner, seen));
        }
        all
    }
}

/// The variables in the order of the datasets. Keras 3 writes those that are trained first and then
/// all others, but those of a frozen model layer by layer; Keras 2 does each model in the model so.
fn order<'a>(
    layer: &SavedLayer,
    own: Vec<Owned<'a>>,
    stored: &[Stored],
) -> Result<Vec<Owned<'a>>, String> {
    if own.is_empty() {
        // The variables of a layer that does nothing at inference do not matter.
        return Ok(own);
    }
    if own.len() != stored.len() {
        let names: Vec<_> = own.iter().map(|own| own.variable.name).collect();
        return Err(format!(
            "found {}, expected {} {names:?}",
            stored.len(),
            own.len()
        ));
    }
    let (mut sorted, rest): (Vec<_>, Vec<_>) = own.iter().cloned().partition(|own| own.is_trained);
    sorted.extend(rest);
    let is_trainable = layer.is_trainable().unwrap_or(true);
    let orders = match (layer.options.keras_2, is_trainable) {
        (true, _) => {
            let mut of: HashMap<usize, Vec<Owned>> = HashMap::new();
            for own in &own {
                of.entry(own.layer.id).or_default().push(own.clone());
            }
            let (mut first, last) = halves(layer, &mut of);
            first.extend(last);
            [first, sorted, own]
        }
        (false, true) => [sorted, own.clone(), own],
        (false, false) => [own.clone(), sorted, own],
    };
    let mut refused = None;
    for order in orders {
        match check_names(&order, stored) {
            Ok(()) => return Ok(order),
            Err(reason) => refused = refused.or(Some(reason)),
        }
    }
    Err(refused.unwrap_or_default())
}

/// The trained variables of a layer, and the others, as Keras 2 takes them together.
fn halves<'a>(
    layer: &SavedLayer,
    of: &mut HashMap<usize, Vec<Owned<'a>>>,
) -> (Vec<Owned<'a>>, Vec<Owned<'a>>) {
    let own = of.remove(&layer.id).unwrap_or_default();
    let (mut trained, mut others): (Vec<_>, Vec<_>) =
        own.into_iter().partition(|own| own.is_trained);
    for inner in layer.inner() {
        let (first, rest) = halves(inner, of);
        trained.extend(first);
        others.extend(rest);
    }
    if layer.is_trainable().unwrap_or(true) {
        return (trained, others);
    }
    trained.extend(others);
    (Vec::new(), trained)
}

/// Checks that every dataset bears the name of its variable, and not that of another layer.
fn check_names(own: &[Owned], stored: &[Stored]) -> Result<(), String> {
    let layers: HashSet<&str> = own.iter().map(|own| own.layer.options.layer).collect();
    for (own, stored) in own.iter().zip(stored) {
        let mut groups: Vec<&str> = stored.path.split('/').collect();
        groups.pop();
        let layer = own.layer.options.layer;
        let named = layer.contains('/') || groups.contains(&layer);
        let elsewhere = !named && groups.iter().any(|group| layers.contains(group));
        if !own.variable.is_called(stored.name()) || elsewhere {
            return Err(format!(
                "{:?} stands where {} of layer '{layer}' is expected",
                stored.path, own.variable.name
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_variable_is_what_is_left_without_tensorflows_additions() {
        for (path, name) in [
            ("dense/kernel:0", "kernel"),
            ("a/b/moving_mean:0", "moving_mean"),
            ("kernel_1:0", "kernel"),
            ("recurrent_kernel", "recurrent_kernel"),
        ] {
            let path = path.to_owned();
            assert_eq!(Stored { path, address: 0 }.name(), name);
        }
    }
}
