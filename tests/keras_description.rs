//! What a description that travelled as JSON promises: it comes back the same, it takes its weights
//! again, and one that was tampered with is refused before anything is built from it.

use std::path::Path;

use kiln::description::{Layer, Model, Node};
use kiln::keras;
use serde_json::{Value, json};

fn model(name: &str) -> Model {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keras");
    keras::read_file(&folder.join(format!("{name}.keras"))).unwrap()
}

#[test]
fn a_description_survives_json_and_takes_its_weights_again() {
    for name in [
        "convolutions",
        "batch_normalization",
        "inference_only",
        "channels_first",
    ] {
        let mut model = model(name);
        let json = serde_json::to_string(&model).unwrap();
        let mut again: Model = serde_json::from_str(&json).unwrap();
        let empty = |node: &Node| node.weights.is_empty();
        assert!(again.nodes().iter().all(empty), "no weights travel with it");
        assert_eq!(again.parameters(), model.parameters(), "{name}");
        let original = model.clone();
        for (node, weights) in model.take_weights().into_iter().enumerate() {
            again.set_weights(node, weights).unwrap();
        }
        assert_eq!(again, original, "{name}");
    }
}

#[test]
fn weights_that_a_layer_does_not_ask_for_are_refused() {
    let mut model = model("dense");
    let weights = model.take_weights();
    assert!(
        model.set_weights(1, weights[3].clone()).is_err(),
        "another layer's"
    );
    assert!(model.set_weights(1, Vec::new()).is_err(), "none");
    assert!(
        model.set_weights(99, weights[1].clone()).is_err(),
        "no such node"
    );
    model.set_weights(1, weights[1].clone()).unwrap();
}

/// Changes the JSON of a description; reading it must fail with these words.
fn tampered(change: impl FnOnce(&mut Value), words: &[&str]) {
    let mut json = serde_json::to_value(model("dense")).unwrap();
    change(&mut json);
    let error = serde_json::from_value::<Model>(json).expect_err(&format!("{words:?}"));
    for word in words {
        assert!(
            error.to_string().contains(word),
            "'{word}' is not in: {error}"
        );
    }
}

#[test]
fn a_description_that_was_tampered_with_is_refused() {
    tampered(|m| m["nodes"] = json!([]), &["0 nodes"]);
    tampered(
        |m| m["nodes"][2]["inputs"] = json!([2]),
        &["'reshape", "[2]", "earlier"],
    );
    tampered(
        |m| m["nodes"][2]["inputs"] = json!([u64::MAX]),
        &["'reshape", "earlier"],
    );
    tampered(
        |m| m["nodes"][2]["inputs"] = json!([0, 1]),
        &["'reshape", "2"],
    );
    tampered(|m| m["nodes"][2]["inputs"] = json!([]), &["'reshape", "0"]);
    tampered(
        |m| m["nodes"][1]["output_shape"] = json!([4, 6]),
        &["'dense'", "[4, 6]", "[4, 5]"],
    );
    tampered(
        |m| m["nodes"][0]["output_shape"] = json!([4, 0]),
        &["empty axis"],
    );
    tampered(
        |m| m["nodes"][0]["output_shape"] = json!([u64::MAX, 2]),
        &["exceeds"],
    );
    tampered(
        |m| m["nodes"][1]["layer"] = json!("Input"),
        &["only the first"],
    );
    tampered(
        |m| m["nodes"][1]["name"] = m["nodes"][2]["name"].clone(),
        &["same name"],
    );
    tampered(
        |m| m["nodes"][0]["layer"] = json!("Identity"),
        &["first layer"],
    );
    tampered(|m| m["name"] = json!("n".repeat(100_000)), &["name"]);
    tampered(
        |m| m["nodes"][1]["class"] = json!("a\u{1b}[2J"),
        &["control"],
    );
    tampered(
        |m| m["nodes"][1]["weights_of"] = json!(3),
        &["'dense'", "weights of node 3"],
    );
    tampered(
        |m| m["nodes"][3]["weights_of"] = json!(1),
        &["'dense_1'", "weights of node 1"],
    );
    tampered(
        |m| {
            let layers = m["nodes"].as_array_mut().unwrap();
            layers[2]["inputs"] = json!([0]);
            layers[2]["layer"] = json!({"Reshape": {"target": [2, 12]}});
            layers[2]["output_shape"] = json!([2, 12]);
            layers.truncate(3);
        },
        &["'dense'", "nothing uses"],
    );
}

#[test]
fn a_description_that_asks_for_too_much_is_refused() {
    let dense =
        |units: u64| json!({"Dense": {"units": units, "use_bias": true, "activation": "Linear"}});
    // Two large kernels, of which each would be allowed.
    tampered(
        |m| {
            let nodes = m["nodes"].as_array_mut().unwrap();
            nodes.truncate(3);
            for (node, units) in nodes[1..].iter_mut().zip([1_u64 << 24, 15]) {
                node["output_shape"] = json!([4, units]);
                node["layer"] = dense(units);
            }
        },
        &["exceeds", "parameters"],
    );
    // A few bytes of description, hours of work for one picture.
    let pooling = json!({"Pooling2D": {
        "kind": "Max", "pool_size": [4000, 4000], "strides": [1, 1],
        "padding": "Same", "data_format": "ChannelsLast"}});
    tampered(
        |m| {
            let nodes = m["nodes"].as_array_mut().unwrap();
            nodes.truncate(2);
            nodes[0]["output_shape"] = json!([4000, 4000, 1]);
            nodes[1]["output_shape"] = json!([4000, 4000, 1]);
            nodes[1]["layer"] = pooling;
        },
        &["multiply-adds"],
    );
    // Many pictures, each of which would be allowed, all of them needed at the end.
    tampered(
        |m| {
            let node = |name: String, layer: Value, inputs: Vec<usize>| {
                json!({"name": name, "class": "Any", "layer": layer, "inputs": inputs,
                       "output_shape": [4096, 4096, 4]})
            };
            let mut nodes = vec![node("in".into(), json!("Input"), vec![])];
            nodes.extend((1..40).map(|i| node(format!("n{i}"), json!("Identity"), vec![0])));
            nodes.push(node(
                "end".into(),
                json!({"Merge": {"op": "Add"}}),
                (1..40).collect(),
            ));
            m["nodes"] = json!(nodes);
        },
        &["values between layers"],
    );
}

#[test]
fn a_transposed_convolution_that_asks_for_too_much_is_refused() {
    let refused = |input: [u64; 3], changes: Value, message: &str| {
        let mut layer = json!({
            "filters": 1, "kernel_size": [3, 3], "strides": [2, 2], "dilation_rate": [1, 1], "begin": [0, 0],
            "size": [6, 8], "data_format": "ChannelsLast", "use_bias": false, "activation": "Linear"});
        for (option, value) in changes.as_object().unwrap() {
            layer[option] = value.clone();
        }
        tampered(
            |m| {
                let nodes = m["nodes"].as_array_mut().unwrap();
                nodes.truncate(2);
                nodes[0]["output_shape"] = json!(input);
                nodes[1]["output_shape"] = json!([layer["size"][0], layer["size"][1], 1]);
                nodes[1]["layer"] = json!({"Conv2DTranspose": layer});
            },
            &["'dense'", message],
        );
    };
    // 16 million rows of padding on either side of a pixel of 64 channels.
    let tall =
        json!({"kernel_size": [2, 1], "dilation_rate": [1 << 24, 1], "size": [(1 << 24) + 1, 1]});
    refused([1, 1, 64], tall, "exceeds");
    // A padded picture of 2^64 values.
    let wide = json!({"kernel_size": [1, 2], "strides": [1, 1], "dilation_rate": [1, (1 << 25) - 1],
        "size": [1 << 26, 1]});
    refused([1, 1, 8192], wide, "exceeds");
    // As wide as the input and as high as the result.
    let crossed = json!({"kernel_size": [1, 1], "strides": [1, 1], "size": [1 << 26, 1]});
    refused([1, 1 << 26, 1], crossed, "exceeds");
    // Results that see only padding cost as much as others.
    let far = json!({"kernel_size": [256, 256], "size": [1024, 1024]});
    refused([1, 1, 8], far, "multiply-adds");
    refused([4, 4, 1], json!({"begin": [3, 0]}), "begins at");
    refused([4, 4, 1], json!({"begin": [u64::MAX, 0]}), "begins at");
    refused([4, 4, 1], json!({"strides": [0, 2]}), "strides");
}

/// A converted file is read by later versions, so every layer is written as it always was.
#[test]
fn a_layer_is_written_as_it_always_was() {
    let golden = include_str!("golden/layers.jsonl");
    for line in golden.lines() {
        let layer: Layer = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        assert_eq!(serde_json::to_string(&layer).unwrap(), line);
    }
}
