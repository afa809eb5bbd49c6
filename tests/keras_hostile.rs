//! What reading a Keras file promises when the file is not as Keras writes it: harmless changes are
//! taken, everything else gets an error that says where and why, and nothing makes it panic.

use std::io::{Read, Write};
use std::path::Path;

use flate2::{Compression, read::GzDecoder, write::DeflateEncoder};
use kiln::description::Model;
use kiln::keras::{self, Error};
use rawzip::{CompressionMethod, ZipArchive, ZipArchiveWriter};
use serde_json::{Value, json};

type Member = (String, Vec<u8>);

fn bytes(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keras");
    std::fs::read(folder.join(format!("{name}.keras"))).unwrap()
}

/// The members of a fixture.
fn members(name: &str) -> Vec<Member> {
    let bytes = bytes(name);
    let archive = ZipArchive::from_slice(&bytes[..]).unwrap();
    let entries = archive.entries();
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            let name = String::from_utf8(entry.file_path().as_bytes().to_vec()).unwrap();
            let data = archive
                .get_entry(entry.wayfinder())
                .unwrap()
                .data()
                .to_vec();
            (name, data)
        })
        .collect()
}

fn zip(members: &[Member], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipArchiveWriter::new(Vec::new());
    for (name, data) in members {
        let (mut entry, config) = zip
            .new_file(name)
            .compression_method(method)
            .start()
            .unwrap();
        let level = Compression::default();
        if method == CompressionMethod::DEFLATE {
            let mut writer = config.wrap(DeflateEncoder::new(&mut entry, level));
            writer.write_all(data).unwrap();
            let (encoder, descriptor) = writer.finish().unwrap();
            encoder.finish().unwrap();
            entry.finish(descriptor).unwrap();
        } else {
            let mut writer = config.wrap(&mut entry);
            writer.write_all(data).unwrap();
            let (_, descriptor) = writer.finish().unwrap();
            entry.finish(descriptor).unwrap();
        }
    }
    zip.finish().unwrap()
}

fn read(members: &[Member]) -> Result<Model, Error> {
    keras::read(&zip(members, CompressionMethod::STORE))
}

/// A fixture whose `config.json` was changed.
fn with_config(name: &str, change: impl FnOnce(&mut Value)) -> Result<Model, Error> {
    let mut members = members(name);
    let config = &mut members[1].1;
    let mut json = serde_json::from_slice(config).unwrap();
    change(&mut json);
    *config = serde_json::to_vec(&json).unwrap();
    read(&members)
}

/// A fixture of which one option of one layer was changed.
fn with_option(name: &str, layer: usize, key: &str, value: Value) -> Result<Model, Error> {
    with_config(name, |json| {
        json["config"]["layers"][layer]["config"][key] = value;
    })
}

/// The message; it must hold all of these words.
fn refused(result: Result<Model, Error>, words: &[&str]) {
    let message = result.expect_err(&format!("{words:?}")).to_string();
    for word in words {
        assert!(message.contains(word), "'{word}' is not in: {message}");
    }
}

#[test]
fn a_deflated_archive_reads_like_a_stored_one() {
    for name in ["name_trap", "convolutions"] {
        let deflated = zip(&members(name), CompressionMethod::DEFLATE);
        assert_eq!(
            keras::read(&deflated).unwrap(),
            keras::read(&bytes(name)).unwrap()
        );
    }
}

#[test]
fn an_input_that_only_the_build_shape_tells_is_found() {
    let original = keras::read(&bytes("dense")).unwrap();
    let without_input = |json: &mut Value| {
        json["config"]["layers"].as_array_mut().unwrap().remove(0);
    };
    let of_the_config = with_config("dense", |json| {
        without_input(json);
        json["build_config"] = Value::Null;
    });
    let of_the_build = with_config("dense", |json| {
        without_input(json);
        json["config"]["build_input_shape"] = Value::Null;
    });
    let of_the_first_layer = with_config("dense", |json| {
        without_input(json);
        json["config"]["build_input_shape"] = Value::Null;
        json["build_config"] = Value::Null;
        json["config"]["layers"][0]["config"]["batch_input_shape"] = json!([null, 4, 6]);
    });
    for model in [of_the_config, of_the_build, of_the_first_layer] {
        let model = model.unwrap();
        assert_eq!(model.input_shape(), [4, 6]);
        assert_eq!(model.nodes()[1..], original.nodes()[1..]);
    }
    let unknown = with_config("dense", |json| {
        without_input(json);
        json["config"]["build_input_shape"] = Value::Null;
        json["build_config"] = Value::Null;
    });
    refused(unknown, &["InputLayer", "build the model"]);
}

#[test]
fn options_that_do_not_change_the_answer_are_ignored() {
    let original = keras::read(&bytes("dense")).unwrap();
    for (key, value) in [
        (
            "kernel_regularizer",
            json!({"class_name": "L2", "config": {"l2": 0.1}}),
        ),
        ("dtype", json!("mixed_float16")),
        ("dtype", json!("float32")),
        ("dtype", json!("float64")),
        (
            "dtype",
            json!({"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}}),
        ),
        ("an_option_of_tomorrow", json!([1, 2])),
    ] {
        assert_eq!(
            with_option("dense", 1, key, value).unwrap(),
            original,
            "{key}"
        );
    }
}

#[test]
fn an_option_that_is_not_supported_is_named_with_its_layer_and_value() {
    let dense = |key, value| with_option("dense", 1, key, value);
    let conv = |key, value| with_option("convolutions", 1, key, value);
    refused(
        dense("activation", json!("swoosh")),
        &["'dense'", "activation", "swoosh", "README"],
    );
    refused(
        dense("activation", json!("glu")),
        &["'dense'", "activation", "glu", "halves the last axis"],
    );
    refused(
        dense("activation", json!("threshold")),
        &["'dense'", "threshold", "arguments"],
    );
    refused(
        dense("dtype", json!("int8")),
        &["'dense'", "dtype", "int8", "float32"],
    );
    let quantized = json!({"class_name": "QuantizedDTypePolicy",
        "config": {"mode": "int8", "name": "int8_from_float32"}});
    refused(dense("dtype", quantized), &["'dense'", "dtype", "int8"]);
    refused(dense("lora_rank", json!(4)), &["'dense'", "lora_rank", "4"]);
    refused(dense("units", json!(-3)), &["'dense'", "units", "-3"]);
    refused(dense("units", json!(2.5)), &["'dense'", "units", "2.5"]);
    refused(
        conv("padding", json!("causal")),
        &["'conv2d'", "padding", "causal"],
    );
    refused(
        conv("kernel_size", json!([3])),
        &["'conv2d'", "kernel_size", "[3]"],
    );
    refused(conv("groups", json!(3)), &["'conv2d'", "groups = 3"]);
    refused(
        conv("dilation_rate", json!([2, 2])),
        &["'conv2d'", "strides", "dilation_rate"],
    );
    refused(
        conv("kernel_size", json!([300, 2])),
        &["'conv2d'", "300", "23"],
    );
    let input = |key, value| with_option("dense", 0, key, value);
    refused(
        input("sparse", json!(true)),
        &["'input_layer", "sparse", "true"],
    );
    refused(
        input("batch_shape", json!([null, null, 6])),
        &["batch_shape", "fixed"],
    );
    refused(input("dtype", json!("string")), &["dtype", "string"]);
    let softmax = with_option("activation_layers", 8, "axis", json!([1, 1]));
    refused(softmax, &["'softmax'", "axis", "[1,1]"]);
    let softmax = with_option("activation_layers", 8, "axis", json!(0));
    refused(softmax, &["'softmax'", "axis", "1 to 2"]);
    let reshape = with_option("dense", 2, "target_shape", json!([7, -1]));
    refused(reshape, &["'reshape", "[4, 5]", "[7, 2]"]);
}

#[test]
fn a_layer_that_is_not_supported_is_named_with_its_class_and_what_is_supported() {
    let class = |class: &str, module: &str| {
        let (class, module) = (json!(class), json!(module));
        with_config("dense", |json| {
            json["config"]["layers"][3]["class_name"] = class;
            json["config"]["layers"][3]["module"] = module;
        })
    };
    refused(
        class("Conv3D", "keras.layers"),
        &["'dense_1'", "Conv3D", "Conv1D or Conv2D", "README"],
    );
    refused(
        class("Lambda", "keras.layers"),
        &["'dense_1'", "Lambda", "keras.ops"],
    );
    refused(
        class("Dense", "my_package"),
        &["'dense_1'", "Dense", "not supported", "Keras's own layers"],
    );
}

#[test]
fn a_refusal_is_short_enough_to_be_read() {
    let refusals = [
        with_config("dense", |json| {
            json["config"]["layers"][3]["class_name"] = json!("Cropping3D");
        }),
        with_option("dense", 3, "activation", json!("no_such_function")),
    ];
    for refusal in refusals {
        let message = refusal.unwrap_err().to_string();
        assert!(message.len() <= 200, "{message}");
        assert!(message.contains("README"), "{message}");
    }
}

#[test]
fn other_kinds_of_files_are_called_by_their_name() {
    refused(keras::read(b""), &["empty"]);
    refused(keras::read(b"\x89HDF\r\n\x1a\n"), &["HDF5"]);
    refused(keras::read(b"GIF89a"), &["no Keras model"]);
    refused(keras::read(b"{\"config\": {}}"), &["JSON", "no weights"]);
    let split = b"{\"metadata\": {\"total_size\": 1}, \"weight_map\": {\"/a/vars\": \"b_00000.weights.h5\"}}";
    refused(
        keras::read(split),
        &[".weights.json", "save the whole model"],
    );
    refused(
        read(&[("a.txt".into(), vec![1])]),
        &["config.json", "not a Keras model"],
    );
    let weights_alone = members("dense").remove(2).1;
    refused(keras::read(&weights_alone), &["only weights", "model.save"]);
    let subclass = with_config("dense", |json| json["class_name"] = json!("MyModel"));
    refused(subclass, &["MyModel", "not supported"]);
}

#[test]
fn weights_that_do_not_fit_the_layers_are_refused_with_the_layers_name() {
    // The group of this layer says which layer it belongs to, and no longer is that one.
    let renamed = with_option("name_trap", 1, "name", json!("trunk"));
    refused(renamed, &["'trunk'", "layers/conv2d/vars", "'stem'"]);
    let units = with_option("dense", 7, "units", json!(9));
    refused(units, &["'dense_2'", "kernel", "[6, 7]", "[6, 9]"]);
    let bias = with_option("dense", 3, "use_bias", json!(true));
    refused(bias, &["'dense_1'", "found 1", "expected 2", "bias"]);
    let bias = with_option("dense", 1, "use_bias", json!(false));
    refused(bias, &["'dense'", "found 2", "expected 1"]);
    let shorter = with_config("dense", |json| {
        json["config"]["layers"].as_array_mut().unwrap().pop();
    });
    refused(shorter, &["layers/dense_2", "no such layer"]);
}

#[test]
fn a_weight_that_is_no_number_is_refused() {
    let mut members = members("half_precision");
    let model = keras::read(&bytes("half_precision")).unwrap();
    let last = model.nodes().last().unwrap();
    let value = last.weights[0].values[0].to_le_bytes();
    let h5 = &mut members[2].1;
    let at = h5.windows(4).position(|window| window == value).unwrap();
    h5[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    refused(read(&members), &[&last.name, "kernel", "NaN", "finite"]);
}

#[test]
fn the_archive_is_bounded_and_must_be_whole() {
    let original = members("dense");
    let mut twice = original.clone();
    twice.push(original[1].clone());
    refused(read(&twice), &["config.json", "twice"]);

    let mut bomb = original.clone();
    bomb[2].1 = vec![0; 64 << 20];
    refused(
        keras::read(&zip(&bomb, CompressionMethod::DEFLATE)),
        &["weights.h5", "larger"],
    );
    let mut large = original.clone();
    large[1].1 = vec![b' '; 5 << 20];
    refused(read(&large), &["config.json", "larger"]);

    let mut deep = original.clone();
    deep[1].1 = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    refused(read(&deep), &["config.json", "recursion"]);

    let mut flipped = bytes("dense");
    let at = flipped.windows(4).position(|w| w == b"Sequ").unwrap();
    flipped[at] = b'Z';
    refused(keras::read(&flipped), &["config.json", "checksum"]);
}

#[test]
fn sizes_that_overflow_are_refused() {
    for size in [u64::from(u32::MAX), 1 << 40, u64::MAX / 2, u64::MAX] {
        let dense = with_option("dense", 1, "units", json!(size));
        refused(dense, &["'dense'"]);
        let conv = with_option("convolutions", 1, "filters", json!(size));
        refused(conv, &["'conv2d'"]);
        let conv = with_option("convolutions", 3, "kernel_size", json!([size, 3]));
        refused(conv, &["'conv2d_2'"]);
        let pool = with_option("pooling", 1, "pool_size", json!([size, size]));
        refused(pool, &["'max_pooling2d'"]);
        let input = with_option("dense", 0, "batch_shape", json!([null, size, size]));
        assert!(input.is_err());
    }
}

#[test]
fn whatever_the_bytes_there_is_an_answer() {
    for name in [
        "half_precision",
        "batch_normalization",
        "channels_first_pooled",
    ] {
        let whole = bytes(name);
        for length in (0..whole.len()).step_by(97) {
            assert!(
                keras::read(&whole[..length]).is_err(),
                "{name} cut at {length}"
            );
        }
        for at in (0..whole.len()).step_by(53) {
            let mut changed = whole.clone();
            changed[at] ^= 0xff;
            let _ = keras::read(&changed);
        }
    }
}

#[test]
fn whatever_the_weights_file_says_there_is_an_answer() {
    // Behind a checksum that is right, so that every change reaches the reader of HDF5.
    for name in ["half_precision", "channels_first_pooled"] {
        let original = members(name);
        let h5 = &original[2].1;
        let mut members = original.clone();
        for at in (0..h5.len()).step_by(if cfg!(debug_assertions) { 19 } else { 1 }) {
            for value in [0x00, 0x01, 0x7f, 0xff] {
                members[2].1[at] = value;
                let _ = read(&members);
            }
            members[2].1[at] = h5[at];
        }
        for length in (0..h5.len()).step_by(61) {
            members[2].1 = h5[..length].to_vec();
            assert!(read(&members).is_err(), "{name} cut at {length}");
        }
    }
}

/// Where the v1 B-tree nodes with entries are in an HDF5 file, and each one's first symbol table.
fn trees(h5: &[u8]) -> Vec<(usize, [u8; 8])> {
    let nodes = h5.windows(40).enumerate();
    nodes
        .filter(|(_, node)| node.starts_with(b"TREE") && node[6] > 0)
        .map(|(at, node)| (at, node[32..].try_into().unwrap()))
        .collect()
}

#[test]
fn a_group_that_repeats_its_entries_is_refused() {
    let original = members("dense");
    let mut seen = 0;
    for (at, symbols) in trees(&original[2].1) {
        let mut members = original.clone();
        let node = &mut members[2].1[at..];
        node[6] = 16; // as many entries as there is room for, all of them the same
        for entry in 0..16 {
            node[32 + entry * 16..][..8].copy_from_slice(&symbols);
        }
        // Some groups are none of the model's, and nobody looks into them.
        if let Err(error) = read(&members) {
            assert!(error.to_string().contains("twice"), "{error}");
            seen += 1;
        }
    }
    assert!(seen > 10, "only {seen} groups were looked into");
}

#[test]
fn a_tree_that_contains_itself_is_refused() {
    let mut members = members("dense");
    let h5 = &mut members[2].1;
    let (at, _) = trees(h5)[0];
    h5[at + 5] = 1; // no longer a leaf
    h5[at + 32..at + 40].copy_from_slice(&(at as u64).to_le_bytes());
    refused(read(&members), &["HDF5", "revisits"]);
}

/// A functional model of `Add` and `Dropout` layers: the name of each, and what goes into it.
fn graph_of(layers: &[(&str, &[&str])]) -> Value {
    let tensor = |name: &str| {
        json!({"class_name": "__keras_tensor__",
               "config": {"shape": [null, 4], "dtype": "float32", "keras_history": [name, 0, 0]}})
    };
    let input = json!({"module": "keras.layers", "class_name": "InputLayer", "name": "in",
        "config": {"name": "in", "batch_shape": [null, 4]}, "inbound_nodes": []});
    let layer = |&(name, inputs): &(&str, &[&str])| {
        let class = if inputs.len() == 1 { "Dropout" } else { "Add" };
        let tensors: Vec<Value> = inputs.iter().map(|name| tensor(name)).collect();
        let args = if inputs.len() == 1 {
            json!(tensors)
        } else {
            json!([tensors])
        };
        json!({"module": "keras.layers", "class_name": class, "name": name,
            "config": {"name": name}, "inbound_nodes": [{"args": args, "kwargs": {}}]})
    };
    let last = layers.last().map_or("in", |(name, _)| name);
    let all: Vec<Value> = std::iter::once(input)
        .chain(layers.iter().map(layer))
        .collect();
    json!({"module": "keras.src.models.functional", "class_name": "Functional",
        "registered_name": "Functional",
        "config": {"name": "g", "layers": all, "input_layers": ["in", 0, 0],
                   "output_layers": [last, 0, 0]}})
}

/// An archive with that architecture and no weights to speak of.
fn read_config(config: &Value) -> Result<Model, Error> {
    let mut members = members("pooling");
    members[1].1 = serde_json::to_vec(config).unwrap();
    read(&members)
}

#[test]
fn a_graph_is_put_in_order_and_what_it_does_not_need_is_left_out() {
    let model = read_config(&graph_of(&[
        ("late", &["early", "in"]),
        ("unused", &["late"]),
        ("early", &["in"]),
        ("end", &["late", "early", "in"]),
    ]))
    .unwrap();
    let names: Vec<&str> = model.nodes().iter().map(|node| &*node.name).collect();
    assert_eq!(names, ["in", "early", "late", "end"]);
    assert_eq!(model.nodes()[3].inputs, [2, 1, 0]);
    assert_eq!(model.summary().rows.len(), 5);
}

#[test]
fn a_graph_that_does_not_hold_together_is_refused() {
    let cycle = graph_of(&[("a", &["in", "b"]), ("b", &["a"])]);
    refused(read_config(&cycle), &["cycle", "'b'"]);
    let itself = graph_of(&[("a", &["in", "a"])]);
    refused(read_config(&itself), &["'a'", "cycle"]);
    let nowhere = graph_of(&[("a", &["in", "elsewhere"])]);
    refused(read_config(&nowhere), &["'g'", "'elsewhere'"]);
    let double = graph_of(&[("a", &["in"]), ("a", &["in"])]);
    refused(read_config(&double), &["'a'", "same name"]);
    refused(read_config(&graph_of(&[])), &["no layers"]);

    let changed = |change: fn(&mut Value)| {
        let mut config = graph_of(&[("a", &["in"]), ("b", &["a", "in"])]);
        change(&mut config["config"]);
        read_config(&config)
    };
    let refers = |call: u64, output: u64| {
        let mut config = graph_of(&[("a", &["in"]), ("b", &["a"])]);
        let tensor = &mut config["config"]["layers"][2]["inbound_nodes"][0]["args"][0];
        tensor["config"]["keras_history"] = json!(["a", call, output]);
        read_config(&config)
    };
    refused(refers(7, 0), &["use 7", "'a'"]);
    refused(refers(u64::MAX, 0), &["'a'"]);
    refused(refers(0, 3), &["'a'", "output 3"]);
    refused(changed(|c| c["output_layers"] = json!([])), &["no outputs"]);
    refused(
        changed(|c| c["output_layers"] = json!(vec![json!(["b", 0, 0]); 100_000])),
        &["100000 outputs", "at most 256"],
    );
    refused(
        changed(|c| c["input_layers"] = json!(vec![json!(["in", 0, 0]); 100_000])),
        &["100000 inputs", "at most 256"],
    );
    refused(
        changed(|c| c["input_layers"] = json!([["in", 0, 0], ["in", 0, 0]])),
        &["two inputs 'in'"],
    );
    refused(
        changed(|c| c["input_layers"] = json!(["a", 0, 0])),
        &["'a'", "no input"],
    );
    refused(
        changed(|c| c["layers"][2]["inbound_nodes"] = json!([[[3]]])),
        &["inbound_nodes"],
    );
    refused(
        changed(|c| c["layers"][2]["inbound_nodes"] = json!([])),
        &["'b'", "no input"],
    );
}

#[test]
fn graphs_that_grow_when_they_are_read_are_refused_at_once() {
    // A chain as long as is allowed, in the wrong order: no stack is exhausted.
    let names: Vec<String> = (0..4000).map(|i| format!("n{i}")).collect();
    let mut chain: Vec<(&str, [&str; 1])> = vec![(&names[0], ["in"])];
    chain.extend(names.windows(2).map(|pair| (&*pair[1], [&*pair[0]])));
    let layers: Vec<(&str, &[&str])> = chain.iter().map(|(name, of)| (*name, &of[..])).collect();
    let mut config = graph_of(&layers);
    config["config"]["layers"].as_array_mut().unwrap()[1..].reverse();
    assert_eq!(read_config(&config).unwrap().nodes().len(), 4001);

    // Models in models, each of which uses the one inside it twice: two to the twelfth layers.
    let twice = |inner: Value| {
        let mut config = graph_of(&[("a", &["in"]), ("b", &["a"])]);
        let mut inner = inner;
        inner["name"] = json!("m");
        inner["config"]["name"] = json!("m");
        let layers = config["config"]["layers"].as_array_mut().unwrap();
        let calls = [&layers[1], &layers[2]].map(|layer| layer["inbound_nodes"][0].clone());
        inner["inbound_nodes"] = json!(calls);
        inner["inbound_nodes"][1]["args"][0]["config"]["keras_history"] = json!(["m", 0, 0]);
        layers.truncate(1);
        layers.push(inner);
        // Keras 3 counts the call that made the model too where the outputs are.
        config["config"]["output_layers"] = json!(["m", 2, 0]);
        config
    };
    let doubled = |times: usize| (0..times).fold(graph_of(&[("a", &["in"])]), |m, _| twice(m));
    assert_eq!(read_config(&doubled(3)).unwrap().nodes().len(), 9);
    refused(read_config(&doubled(13)), &["more than", "layers"]);
    // The same of models that do nothing, which leave no layer behind.
    let nothing = (0..14).fold(graph_of(&[]), |m, _| twice(m));
    refused(read_config(&nothing), &["more than", "times"]);

    let deep = |models: usize| {
        let deep = (0..models).fold(graph_of(&[("a", &["in"])]), |mut inner, _| {
            inner["config"]["name"] = json!("m");
            json!({"module": "keras", "class_name": "Sequential",
                "config": {"name": "s", "layers": [inner]}})
        });
        read_config(&deep)
    };
    assert!(deep(100).is_err());
    assert_eq!(deep(30).unwrap().nodes().len(), 2);

    let model = |i: usize| {
        json!({"module": "keras", "class_name": "Sequential", "config": {"name": format!("s{i}"),
            "layers": [{"module": "keras.layers", "class_name": "Dropout",
                        "config": {"name": "d"}}]}})
    };
    let many = |count: usize| {
        let mut layers = graph_of(&[])["config"]["layers"].clone();
        let layers = layers.as_array_mut().unwrap();
        layers.extend((0..count).map(model));
        read_config(&json!({"class_name": "Sequential", "config": {"name": "m", "layers": layers}}))
    };
    assert_eq!(many(1000).unwrap().nodes().len(), 1001);
    refused(many(5000), &["more than 4096 layers"]);
}

#[test]
fn a_name_that_would_act_on_a_terminal_is_refused() {
    for name in ["a\u{1b}[2J", "line\nbreak", "\u{0}"] {
        refused(
            with_option("pooling", 1, "name", json!(name)),
            &["control character"],
        );
    }
    refused(
        with_option("pooling", 1, "name", json!("n".repeat(600))),
        &["512 bytes"],
    );
}

/// A legacy HDF5 fixture.
fn legacy() -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keras/graphs");
    std::fs::read(folder.join("keras_2_15.h5")).unwrap()
}

#[test]
fn whatever_the_legacy_file_says_there_is_an_answer() {
    let original = legacy();
    assert!(keras::read(&original).is_ok());
    let mut bytes = original.clone();
    for at in (0..bytes.len()).step_by(if cfg!(debug_assertions) { 61 } else { 2 }) {
        for value in [0x00, 0x7f, 0xff] {
            bytes[at] = value;
            let _ = keras::read(&bytes);
        }
        bytes[at] = original[at];
    }
    for length in (0..bytes.len()).step_by(211) {
        assert!(keras::read(&original[..length]).is_err(), "cut at {length}");
    }
}

/// Replaces a text by another of the same length everywhere.
fn replaced(bytes: &[u8], old: &str, new: &str) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let mut bytes = bytes.to_vec();
    let places: Vec<usize> = (0..bytes.len() - old.len())
        .filter(|&at| bytes[at..].starts_with(old.as_bytes()))
        .collect();
    assert!(!places.is_empty(), "{old}");
    for at in places {
        bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
    }
    bytes
}

#[test]
fn legacy_weights_under_another_name_or_named_twice_are_refused() {
    let other = replaced(&legacy(), "first/kernel:0", "first/krenel:0");
    refused(
        keras::read(&other),
        &["'first'", "first/krenel:0", "not there"],
    );
    let twice = replaced(&legacy(), "first/bias:0\0\0", "first/kernel:0");
    refused(keras::read(&twice), &["'first'"]);
    let swapped = replaced(&legacy(), "beta:0", "zeta:0");
    refused(keras::read(&swapped), &["beta"]);
}

#[test]
fn a_type_that_announces_more_members_than_it_has_bytes_takes_no_memory() {
    let original = legacy();
    let name = b"keras_version\0\0\0";
    let at = original
        .windows(name.len())
        .position(|w| w == name)
        .unwrap()
        + name.len();
    assert_eq!(original[at], 0x19, "a text of variable length");
    // Compounds, enumerations, and these inside a list: the parser makes room for 65,535 members.
    let kinds = [
        (0, 0x16, "compound"),
        (0, 0x18, "65535 members"),
        (8, 0x16, "compound"),
        (8, 0x18, "65535 members"),
    ];
    for (further, class, words) in kinds {
        let mut bytes = original.clone();
        bytes[at + further..at + further + 3].copy_from_slice(&[class, 0xff, 0xff]);
        refused(keras::read(&bytes), &[words]);
    }
}

#[test]
fn an_object_that_announces_more_messages_than_it_has_is_refused() {
    let mut bytes = legacy();
    // The root's header, of version 1: the count is its second pair of bytes.
    bytes[96 + 2..96 + 4].copy_from_slice(&[0xff, 0xff]);
    refused(keras::read(&bytes), &["messages", "announces 65535"]);
}

#[test]
fn a_dataset_in_other_files_or_compressed_is_refused_before_its_parts_are_counted() {
    let original = legacy();
    // The first message of the root's header: its type, its length, flags; then its data.
    let first = 96 + 16;
    for kind in [0x07, 0x0b] {
        let mut bytes = original.clone();
        bytes[first] = kind;
        bytes[first + 8..first + 16].copy_from_slice(&[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        refused(keras::read(&bytes), &["compressed or external"]);
    }
}

/// What an input of the fuzzer stands for.
#[path = "../fuzz/fuzz_targets/parts.rs"]
#[allow(dead_code, reason = "the fuzzer also writes inputs")]
mod parts;

#[test]
fn whatever_the_fuzzer_came_upon_has_an_answer() {
    let packed = std::fs::read("tests/fixtures/fuzzed.gz").unwrap();
    let mut inputs = Vec::new();
    GzDecoder::new(&packed[..])
        .read_to_end(&mut inputs)
        .unwrap();
    let (mut rest, mut read, mut refused) = (&inputs[..], 0, 0);
    // Each with its length (4 bytes, little-endian) before it.
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (input, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        rest = after;
        match parts::file(input).map(|file| keras::read(&file)) {
            Some(Ok(_)) => read += 1,
            Some(Err(_)) => refused += 1,
            None => {}
        }
    }
    assert!(refused > 1000 && read > 0, "{read} read, {refused} refused");
}
