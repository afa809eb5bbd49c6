//! `kiln inspect`: the table that `model.summary()` prints.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Context;

use super::output::{print, thousands};
use crate::keras::{self, Layer, Model};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The Keras model file
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let bytes = keras::read_bytes(&args.file).with_context(|| args.file.display().to_string())?;
    let model = keras::read(&bytes).with_context(|| args.file.display().to_string())?;
    let text = if args.json {
        json(&model)
    } else {
        table(&model)
    };
    print(&text)?;
    Ok(())
}

/// One layer's line: name and class, output shape, parameters.
struct Row {
    name: String,
    class: String,
    shape: Vec<usize>,
    parameters: usize,
}

/// Keras leaves the input of a Sequential model out.
fn rows(model: &Model) -> impl Iterator<Item = Row> {
    model
        .nodes
        .iter()
        .filter(|node| node.layer != Layer::Input)
        .map(|node| Row {
            name: node.name.clone(),
            class: node.layer.class_name().to_owned(),
            shape: node.output_shape.clone(),
            parameters: node.weights.iter().map(|weight| weight.values.len()).sum(),
        })
}

fn json(model: &Model) -> String {
    let layers: Vec<_> = rows(model)
        .map(|row| {
            serde_json::json!({
                "name": row.name,
                "class": row.class,
                "output_shape": row.shape,
                "parameters": row.parameters,
            })
        })
        .collect();
    let summary = serde_json::json!({
        "name": model.name,
        "keras_version": model.keras_version,
        "input_shape": model.input_shape(),
        "output_shape": model.output_shape(),
        "layers": layers,
        "parameters": model.parameters(),
        "trainable_parameters": model.trainable_parameters(),
    });
    format!("{summary:#}\n")
}

fn table(model: &Model) -> String {
    let header = ["Layer (type)", "Output Shape", "Param #"].map(str::to_owned);
    let lines: Vec<[String; 3]> = rows(model)
        .map(|row| {
            [
                format!("{} ({})", row.name, row.class),
                shape(&row.shape),
                thousands(row.parameters),
            ]
        })
        .collect();
    let widths: [usize; 3] = std::array::from_fn(|column| {
        lines
            .iter()
            .chain([&header])
            .map(|line| line[column].chars().count())
            .max()
            .unwrap_or(0)
    });
    let rule = |left: char, fill: &str, cross: char, right: char| {
        let cells = widths.map(|width| fill.repeat(width + 2));
        format!("{left}{}{right}\n", cells.join(&cross.to_string()))
    };
    let line = |edge: char, cells: &[String; 3]| {
        let [a, b, c] = widths;
        format!(
            "{edge} {:<a$} {edge} {:<b$} {edge} {:>c$} {edge}\n",
            cells[0], cells[1], cells[2]
        )
    };

    let mut text = format!("Model: \"{}\"\n", model.name);
    text += &rule('┏', "━", '┳', '┓');
    text += &line('┃', &header);
    text += &rule('┡', "━", '╇', '┩');
    let rows: Vec<String> = lines.iter().map(|cells| line('│', cells)).collect();
    text += &rows.join(&rule('├', "─", '┼', '┤'));
    text += &rule('└', "─", '┴', '┘');
    for (what, count) in [
        ("Total", model.parameters()),
        ("Trainable", model.trainable_parameters()),
        (
            "Non-trainable",
            model.parameters() - model.trainable_parameters(),
        ),
    ] {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            " {what} params: {} ({})",
            thousands(count),
            size(count)
        );
    }
    text
}

/// `(None, 28, 28, 1)`: the batch axis is any size.
fn shape(shape: &[usize]) -> String {
    let axes: String = shape.iter().map(|size| format!(", {size}")).collect();
    format!("(None{axes})")
}

/// Bytes of that many float32, as Keras writes them.
fn size(parameters: usize) -> String {
    let bytes = parameters as f64 * 4.0;
    match ["B", "KB", "MB", "GB"]
        .into_iter()
        .enumerate()
        .find(|(power, _)| bytes < 1024f64.powi(*power as i32 + 1))
    {
        Some((power, unit)) => format!("{:.2} {unit}", bytes / 1024f64.powi(power as i32)),
        None => format!("{:.2} TB", bytes / 1024f64.powi(4)),
    }
}
