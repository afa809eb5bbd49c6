//! What a description that travelled as JSON promises: it comes back the same, it makes room for
//! weights, and one that was tampered with is refused before anything is built from it.

use std::path::Path;

use kiln::keras::{self, Layer, Model};

fn model(name: &str) -> Model {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keras");
    keras::read_file(&folder.join(format!("{name}.keras"))).unwrap()
}

#[test]
fn a_description_survives_json_and_gets_room_for_its_weights() {
    for name in [
        "convolutions",
        "batch_normalization",
        "inference_only",
        "channels_first",
    ] {
        let model = model(name);
        let json = serde_json::to_string(&model).unwrap();
        let mut again: Model = serde_json::from_str(&json).unwrap();
        again.validate().unwrap();
        assert!(
            again.nodes.iter().all(|node| node.weights.is_empty()),
            "{name}: no weights travel with the description"
        );
        again.fill_with_zeros().unwrap();
        again.validate().unwrap();
        assert_eq!(again.parameters(), model.parameters(), "{name}");
        for (node, original) in again.nodes.iter().zip(&model.nodes) {
            assert_eq!((&node.name, &node.layer), (&original.name, &original.layer));
            let shapes = |weights: &[keras::Weight]| -> Vec<_> {
                weights.iter().map(|w| (w.name, w.shape.clone())).collect()
            };
            assert_eq!(shapes(&node.weights), shapes(&original.weights), "{name}");
            assert!(
                node.weights
                    .iter()
                    .flat_map(|w| &w.values)
                    .all(|&v| v == 0.0)
            );
        }
    }
}

#[test]
fn a_description_that_was_tampered_with_does_not_validate() {
    let tampered = |change: fn(&mut Model), words: &[&str]| {
        let mut model = model("dense");
        model.nodes.iter_mut().for_each(|node| node.weights.clear());
        change(&mut model);
        let message = model
            .fill_with_zeros()
            .expect_err(&format!("{words:?}"))
            .to_string();
        for word in words {
            assert!(message.contains(word), "'{word}' is not in: {message}");
        }
    };
    tampered(|m| m.nodes.clear(), &["0 layers"]);
    tampered(
        |m| m.nodes[2].inputs = vec![2],
        &["'reshape", "[2]", "earlier"],
    );
    tampered(
        |m| m.nodes[2].inputs = vec![usize::MAX],
        &["'reshape", "earlier"],
    );
    tampered(|m| m.nodes[2].inputs = vec![0, 1], &["'reshape", "[0, 1]"]);
    tampered(
        |m| m.nodes[1].output_shape = vec![4, 6],
        &["'dense'", "[4, 6]", "[4, 5]"],
    );
    tampered(|m| m.nodes[0].output_shape = vec![4, 0], &["empty axis"]);
    tampered(
        |m| m.nodes[0].output_shape = vec![usize::MAX, 2],
        &["exceeds"],
    );
    tampered(|m| m.nodes[1].layer = Layer::Input, &["only the first"]);
    tampered(
        |m| m.nodes[1].name = m.nodes[2].name.clone(),
        &["same name"],
    );
    tampered(
        |m| m.nodes[0].layer = Layer::Softmax { axis: 0 },
        &["first layer"],
    );
    tampered(|m| m.name = "n".repeat(100_000), &["name"]);
    tampered(
        |m| {
            // Two large kernels, of which each would be allowed.
            m.nodes.truncate(3);
            for (node, units) in m.nodes[1..].iter_mut().zip([1 << 24, 15]) {
                node.output_shape = vec![4, units];
                node.layer = match &model("dense").nodes[1].layer {
                    Layer::Dense {
                        use_bias,
                        activation,
                        ..
                    } => Layer::Dense {
                        units,
                        use_bias: *use_bias,
                        activation: *activation,
                    },
                    _ => unreachable!(),
                };
            }
        },
        &["exceeds", "parameters"],
    );
    tampered(
        |m| {
            // A few bytes of description, hours of work for one picture.
            m.nodes.truncate(2);
            m.nodes[0].output_shape = vec![4000, 4000, 1];
            m.nodes[1].output_shape = vec![4000, 4000, 1];
            m.nodes[1].layer = Layer::MaxPooling2D {
                pool_size: [4000, 4000],
                strides: [1, 1],
                padding: keras::Padding::Same,
                data_format: keras::DataFormat::ChannelsLast,
            };
        },
        &["multiply-adds"],
    );
}
