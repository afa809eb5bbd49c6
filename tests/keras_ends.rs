//! Models with several inputs and outputs: named, ordered and computed as in Keras.

use std::path::{Path, PathBuf};

use kiln::description::{Model, TensorSpec, from_safetensors, to_safetensors};
use kiln::keras;
use kiln::network::{Backend, Network};
use kiln::npy::Array;
use kiln::npz;

/// As `tools/make_ends_fixtures.py` names them.
const FILES: [&str; 4] = ["listed_3_15", "by_name_3_15", "listed_2_15", "by_name_2_15"];

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keras/ends");
    folder.join(name)
}

fn models() -> impl Iterator<Item = (&'static str, Model)> {
    FILES.into_iter().flat_map(|stem| {
        ["keras", "h5"].map(|kind| {
            let path = fixture(&format!("{stem}.{kind}"));
            let model = keras::read_file(&path);
            (stem, model.unwrap_or_else(|e| panic!("{stem}.{kind}: {e}")))
        })
    })
}

fn ends(tensors: &[TensorSpec]) -> Vec<(&str, &[usize])> {
    tensors
        .iter()
        .map(|spec| (&spec.name[..], &spec.shape[..]))
        .collect()
}

fn array<'a>(arrays: &'a [(String, Array)], name: &str) -> &'a Array {
    let found = arrays.iter().find(|(found, _)| found == name);
    &found.unwrap_or_else(|| panic!("no array {name}")).1
}

/// Keras's answers to Keras's inputs, in the model's order.
fn assert_answers(stem: &str, model: Model) {
    let given = npz::read_file(&fixture(&format!("{stem}.input.npz"))).unwrap();
    let expected = npz::read_file(&fixture(&format!("{stem}.expected.npz"))).unwrap();
    let (inputs, outputs) = (model.inputs(), model.outputs());
    assert_eq!(outputs.len(), expected.len(), "{stem}");
    for plain in [false, true] {
        let network = match plain {
            true => Network::plain(model.clone(), Backend::default()),
            false => Network::new(model.clone(), Backend::default()),
        };
        let arrays: Vec<&[f32]> = inputs
            .iter()
            .map(|input| &array(&given, &input.name).values[..])
            .collect();
        let batch = array(&given, &inputs[0].name).shape[0];
        let answers = network.unwrap().infer_tensors(&arrays, batch).unwrap();
        for (output, answer) in outputs.iter().zip(answers) {
            let expected = array(&expected, &output.name);
            assert_eq!(expected.shape[1..], output.shape, "{stem} {}", output.name);
            for (found, expected) in answer.iter().zip(&expected.values) {
                assert!((found - expected).abs() < 1e-5, "{stem} {}", output.name);
            }
        }
    }
}

#[test]
fn inputs_and_outputs_have_the_names_and_the_order_that_keras_gives_them() {
    for (stem, model) in models() {
        let (inputs, outputs) = (model.inputs(), model.outputs());
        let (inputs, outputs) = (ends(&inputs), ends(&outputs));
        if stem.starts_with("listed") {
            assert_eq!(
                inputs,
                [
                    ("picture", &[4, 4, 2][..]),
                    ("numbers", &[3]),
                    ("a_mask", &[4, 4, 1])
                ],
                "{stem}"
            );
            assert_eq!(
                outputs,
                [
                    ("classes", &[4][..]),
                    ("features", &[12]),
                    ("pair", &[4, 4, 2])
                ],
                "{stem}"
            );
        } else {
            assert_eq!(inputs, [("alpha", &[2][..]), ("zeta", &[3])], "{stem}");
            assert_eq!(outputs, [("down", &[3][..]), ("up", &[2])], "{stem}");
        }
    }
}

#[test]
fn several_inputs_give_the_outputs_that_keras_gives() {
    for (stem, model) in models() {
        assert_answers(stem, model);
    }
}

#[test]
fn a_converted_model_keeps_its_inputs_and_outputs() {
    for (stem, model) in models() {
        let bytes = to_safetensors(&model).unwrap();
        let again = from_safetensors(&bytes).unwrap();
        assert_eq!(again.inputs(), model.inputs());
        assert_eq!(again.outputs(), model.outputs());
        assert_answers(stem, again);
    }
}

#[test]
fn a_model_with_one_of_each_has_them_by_the_names_of_its_layers() {
    let file = fixture("../dense.keras");
    let model = keras::read_file(&file).unwrap();
    let (inputs, outputs) = (model.inputs(), model.outputs());
    let rows = &model.summary().rows;
    assert_eq!(inputs.len(), 1);
    assert_eq!(inputs[0].shape, model.input_shape());
    assert_eq!(outputs.len(), 1);
    assert_eq!(outputs[0].name, rows.last().unwrap().name);
    assert_eq!(outputs[0].shape, model.output_shape());
}
