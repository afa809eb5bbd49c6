//! The shape of a model's input, from the places where the versions of Keras write it.

use serde_json::Value;

use super::config::SavedModel;
use super::options::Options;
use crate::keras::Error;

/// The shape of an `InputLayer` without the batch axis.
pub fn declared_shape(options: &Options) -> Result<Vec<usize>, Error> {
    options.check_unset("sparse")?;
    options.check_unset("ragged")?;
    if let Some(dtype) = options.get("dtype") {
        // Whatever numbers come in, the first layer casts them to its own floating-point type.
        let numeric = dtype.as_str().is_some_and(|name| {
            ["float", "bfloat", "int", "uint"]
                .iter()
                .any(|kind| name.starts_with(kind))
        });
        if !numeric {
            return Err(options.unsupported("dtype", dtype, "expected a type of number"));
        }
    }
    for key in ["batch_shape", "batch_input_shape"] {
        if let Some(shape) = options.get(key) {
            return without_batch(options, key, shape);
        }
    }
    Err(options.absent("batch_shape"))
}

/// The input's shape of a model that has no `InputLayer`.
pub fn implied_shape(model: &SavedModel, first: &Options) -> Result<Vec<usize>, Error> {
    let config = model.options.config;
    let built = model.object.pointer("/build_config/input_shape");
    let shapes = [
        ("batch_shape", first.get("batch_shape")),
        ("batch_input_shape", first.get("batch_input_shape")),
        ("build_input_shape", config.get("build_input_shape")),
        ("build_config.input_shape", built),
    ];
    let given = |&(key, shape): &(&'static str, Option<&'_ Value>)| {
        shape
            .filter(|shape| !shape.is_null())
            .map(|shape| without_batch(first, key, shape))
    };
    shapes.iter().find_map(given).unwrap_or_else(|| {
        Err(first.error(
            "the model has no InputLayer and nothing else says its input's shape; \
             build the model before saving it",
        ))
    })
}

fn without_batch(options: &Options, key: &str, shape: &Value) -> Result<Vec<usize>, Error> {
    let sizes = || {
        let (_, sizes) = shape.as_array()?.split_first()?;
        let size = |size: &Value| usize::try_from(size.as_u64()?).ok();
        sizes.iter().map(size).collect::<Option<Vec<_>>>()
    };
    sizes().ok_or_else(|| {
        options.unsupported(
            key,
            shape,
            "every size but the first, the batch, must be fixed: build the model anew with sizes, as keras.Input((64, 64, 1)) \
             has them, load these weights into it and save that",
        )
    })
}
