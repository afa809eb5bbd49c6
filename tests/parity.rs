//! Kiln's numbers are Keras's numbers.

mod support;

use std::fs;

use burn_store::{ModuleStore, SafetensorsStore};
use kiln::network::{Backend, Network};
use kiln::npy;
use kiln::source::Source;
use kiln::{description, keras};
use support::{file, optional};

const BUILT_IN: [(&str, Source); 2] = [
    ("mnist", Source::BuiltInCnn),
    ("mnist-mlp", Source::BuiltInMlp),
];

fn array(path: &str) -> npy::Array {
    npy::read_file(&file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// How many of `count` examples a backend is asked. burn-ndarray, if built in, is not optimised
/// in the dev profile (see Cargo.toml) and would take many minutes for all of
/// them; `cargo test --release --features ndarray --test parity` asks it for all.
fn share(backend: Backend, count: usize) -> usize {
    if cfg!(debug_assertions) && backend != Backend::Flex {
        count.div_ceil(50)
    } else {
        count
    }
}

/// The network's outputs, batch by batch, for values laid out as the model takes them.
fn outputs(network: &Network, values: &[f32], batch: usize) -> Vec<f32> {
    values
        .chunks(batch * network.input_len())
        .flat_map(|chunk| {
            let size = chunk.len() / network.input_len();
            network.infer(chunk.to_vec(), size).unwrap()
        })
        .collect()
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let bound = 1e-5 * expected.abs().max(1.0);
        assert!(
            (found - expected).abs() <= bound,
            "{what}: output {index} is {found}, Keras says {expected}"
        );
    }
}

#[test]
fn the_built_in_networks_answer_as_keras_does_at_every_batch_size() {
    let inputs = array("tests/fixtures/mnist/inputs.npy");
    for (name, source) in BUILT_IN {
        let expected = array(&format!("tests/fixtures/mnist/{name}.expected.npy"));
        for &backend in Backend::ALL {
            let network = Network::new(source.read().unwrap().0, backend).unwrap();
            let count = share(backend, inputs.shape[0]);
            for batch in [1, 7, 32, count] {
                let found = outputs(&network, &inputs.values[..count * 784], batch);
                let what = format!("{name} on {backend}, batch {batch}");
                assert_close(&found, &expected.values[..count * 10], &what);
            }
        }
    }
}

#[test]
fn every_layer_answers_as_keras_does_on_every_backend() {
    let mut checked = 0;
    for entry in fs::read_dir(file("tests/fixtures/keras")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "keras") {
            continue;
        }
        let expected = path.with_extension("expected.npy");
        if !expected.exists() {
            continue;
        }
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let expected = npy::read_file(&expected).unwrap();
        let input = npy::read_file(&path.with_extension("input.npy")).unwrap();
        for &backend in Backend::ALL {
            let network = Network::new(keras::read_file(&path).unwrap(), backend).unwrap();
            let what = format!("{name} on {backend}");
            let count = input.shape[0];
            assert_close(
                &outputs(&network, &input.values, count),
                &expected.values,
                &what,
            );
            assert_close(
                &outputs(&network, &input.values, 1),
                &expected.values,
                &what,
            );

            let plain = Network::plain(keras::read_file(&path).unwrap(), backend).unwrap();
            let found = outputs(&plain, &input.values, count);
            assert_close(&found, &expected.values, &format!("{what}, as it stands"));

            // And so does the same model after a trip through safetensors.
            let model = keras::read_file(&path).unwrap();
            let bytes = description::to_safetensors(&model).unwrap();
            let converted = description::from_safetensors(&bytes).unwrap();
            assert_eq!(converted, model, "{what}");
            let converted = Network::new(converted, backend).unwrap();
            let found = outputs(&converted, &input.values, count);
            assert_close(&found, &expected.values, &format!("{what}, converted"));
        }
        checked += 1;
    }
    assert!(
        checked >= 5,
        "only {checked} models in tests/fixtures/keras"
    );
}

#[test]
fn a_converted_file_is_the_same_every_time_and_is_the_one_that_is_built_in() {
    for (name, _) in BUILT_IN {
        let committed = fs::read(file(&format!("weights/{name}.safetensors"))).unwrap();
        let model = keras::read_file(&file(&format!("weights/{name}.keras"))).unwrap();
        let converted = description::to_safetensors(&model).unwrap();
        assert!(
            converted == committed,
            "{name}: `kiln convert` gives other bytes"
        );
    }
}

#[test]
fn a_converted_file_has_every_weight_as_keras_has_it_and_burn_store_reads_it() {
    let path = file("weights/mnist-mlp.safetensors");
    let model = keras::read_file(&file("weights/mnist-mlp.keras")).unwrap();
    let mut store = SafetensorsStore::from_file(path);
    let mut tensors = store.get_all_tensors().unwrap().clone();
    for node in model.nodes() {
        for weight in &node.weights {
            let name = format!("{}.{}", node.name, weight.name);
            let tensor = tensors.remove(&name).expect(&name);
            assert_eq!(tensor.shape[..], weight.shape[..], "{name}");
            let bytes = tensor.to_bytes().unwrap();
            let found = bytes
                .as_chunks()
                .0
                .iter()
                .map(|value| f32::from_le_bytes(*value));
            assert!(found.eq(weight.values.iter().copied()), "{name}");
        }
    }
    assert!(tensors.is_empty(), "{tensors:?}");
}

#[test]
fn a_converted_file_that_does_not_hold_together_is_refused() {
    let whole = fs::read(file("weights/mnist-mlp.safetensors")).unwrap();
    let refused = |bytes: Vec<u8>| {
        description::from_safetensors(&bytes)
            .unwrap_err()
            .to_string()
    };
    for end in [0, 7, 8, 100, whole.len() - 1] {
        refused(whole[..end].to_vec());
    }
    // The description asks for more than the file has.
    let asks = |from: &str, to: &str| {
        let header = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
        let text = String::from_utf8(whole[8..8 + header].to_vec()).unwrap();
        assert!(text.contains(from), "{text}");
        let text = text.replace(from, to);
        let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.extend(text.as_bytes());
        bytes.extend(&whole[8 + header..]);
        bytes
    };
    refused(asks(
        "\\\"units\\\":128",
        "\\\"units\\\":18446744073709551615",
    ));
    refused(asks("\\\"units\\\":128", "\\\"units\\\":4294967296"));
    refused(asks("\\\"units\\\":128", "\\\"units\\\":127"));
    refused(asks("\\\"inputs\\\":[1]", "\\\"inputs\\\":[9]"));
    assert!(refused(asks("kiln.model", "kiln.nodel")).contains("kiln convert"));
    assert!(
        refused(asks("\\\"format\\\":2", "\\\"format\\\":1")).contains("convert the model again")
    );
    let (kernel, other) = ("\"dense.kernel\"", "\"dense.lernel\"");
    assert!(refused(asks(kernel, other)).contains("there is no tensor"));
    // Burn would take these and panic, or answer NaN, later.
    let word = refused(asks(
        "\"dtype\":\"F32\",\"shape\":[10]",
        "\"dtype\":\"I32\",\"shape\":[10]",
    ));
    assert!(word.contains("expected F32"), "{word}");
    let mut nan = whole.clone();
    let end = nan.len() - 4;
    nan[end..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(refused(nan).contains("not a finite number"));
}

#[test]
fn on_the_mnist_test_set_both_networks_are_as_good_as_promised_and_answer_as_keras_does() {
    let (Some(images), Some(labels)) = (
        optional("mnist/t10k-images-idx3-ubyte.gz"),
        optional("mnist/t10k-labels-idx1-ubyte.gz"),
    ) else {
        return;
    };
    let images = kiln::idx::read_file(&images).unwrap();
    let labels = kiln::idx::read_file(&labels).unwrap();
    let pixels: Vec<f32> = images.values.iter().copied().map(f32::from).collect();
    for ((name, source), promised) in BUILT_IN.into_iter().zip([9957, 9891]) {
        let expected = array(&format!("tests/fixtures/mnist/{name}.test-set.npy"));
        for &backend in Backend::ALL {
            let count = share(backend, labels.values.len());
            let network = Network::new(source.read().unwrap().0, backend).unwrap();
            let found = outputs(&network, &pixels[..count * 784], 100);
            let what = format!("{name} on {backend}");
            assert_close(&found, &expected.values[..count * 10], &what);
            let right = |(scores, label): &(&[f32], &u8)| {
                kiln::serving::best(scores).unwrap().0 == usize::from(**label)
            };
            let correct = found.chunks(10).zip(&labels.values).filter(right).count();
            if count == labels.values.len() {
                assert_eq!(correct, promised, "{what}");
            }
        }
    }
}
