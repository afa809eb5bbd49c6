//! `kiln inspect`: the table that `model.summary()` prints.

use std::fmt::Write;

use super::output::{print, thousands};
use crate::description::{Model, Row};
use crate::network::{Backend, Network};
use crate::source::Source;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A Keras file, a converted .safetensors file, or the name of a built-in network
    file: Source,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Show what is computed, after all that was merged and left out
    #[arg(long, conflicts_with = "json")]
    optimized: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let (model, _) = args.file.read()?;
    let text = if args.optimized {
        Network::new(model, Backend::default())?.plan().to_string()
    } else if args.json {
        json(&model)
    } else {
        table(&model)
    };
    print(&text)?;
    Ok(())
}

fn json(model: &Model) -> String {
    let summary = model.summary();
    let layers: Vec<_> = summary
        .rows
        .iter()
        .map(|row| {
            serde_json::json!({
                "name": row.name,
                "class": row.class,
                "output_shape": row.output_shape,
                "parameters": row.parameters,
                "trainable_parameters": row.trainable,
                "connected_to": row.connected_to,
            })
        })
        .collect();
    let summary = serde_json::json!({
        "name": model.name(),
        "keras_version": model.keras_version(),
        "input_shape": model.input_shape(),
        "output_shape": model.output_shape(),
        "layers": layers,
        "parameters": summary.parameters(),
        "trainable_parameters": summary.trainable(),
    });
    format!("{summary:#}\n")
}

fn table(model: &Model) -> String {
    let summary = model.summary();
    let mut header = vec!["Layer (type)", "Output Shape", "Param #"];
    if summary.is_graph {
        header.push("Connected to");
    }
    let lines: Vec<Vec<String>> = summary.rows.iter().map(cells).collect();
    let mut text = format!("Model: \"{}\"\n", model.name());
    text += &grid(&header, &lines);
    let (all, trainable) = (summary.parameters(), summary.trainable());
    for (what, count) in [
        ("Total", all),
        ("Trainable", trainable),
        ("Non-trainable", all - trainable),
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

fn cells(row: &Row) -> Vec<String> {
    vec![
        format!("{} ({})", row.name, row.class),
        shape(&row.output_shape),
        thousands(row.parameters),
        row.connected_to.join(", "),
    ]
}

/// A table of as many columns as the header has; numbers, in the third, are at the right.
fn grid(header: &[&str], lines: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line[column].as_str());
        let lengths = cells
            .chain([header[column]])
            .map(|cell| cell.chars().count());
        lengths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let rule = |left: char, fill: &str, cross: &str, right: char| {
        let cells: Vec<_> = widths.iter().map(|width| fill.repeat(width + 2)).collect();
        format!("{left}{}{right}\n", cells.join(cross))
    };
    let line = |edge: char, cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (column, (cell, &width)) in cells.zip(&widths).enumerate() {
            text += &match column {
                2 => format!("{edge} {cell:>width$} "),
                _ => format!("{edge} {cell:<width$} "),
            };
        }
        format!("{text}{edge}\n")
    };
    let rows: Vec<String> = lines
        .iter()
        .map(|cells| line('│', &mut cells.iter().map(String::as_str)))
        .collect();
    [
        rule('┏', "━", "┳", '┓'),
        line('┃', &mut header.iter().copied()),
        rule('┡', "━", "╇", '┩'),
        rows.join(&rule('├', "─", "┼", '┤')),
        rule('└', "─", "┴", '┘'),
    ]
    .concat()
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
