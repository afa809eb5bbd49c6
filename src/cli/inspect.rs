//! `kiln inspect`: the table that `model.summary()` prints.

use std::fmt::Write;

use super::output::{columns, print, print_raw, shown, thousands};
use crate::description::{Model, Row, TensorSpec};
use crate::network::{Backend, Network};
use crate::source::Source;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kiln inspect model.keras
  kiln inspect --optimized mnist
  kiln inspect --json model.keras | jq '.layers[0]'")]
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
    if args.json {
        print_raw(&json(&model))
    } else if args.optimized {
        print(&Network::new(model, Backend::default())?.plan().to_string())
    } else {
        print(&table(&model, columns().unwrap_or(usize::MAX)))
    }
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
        "inputs": ends(&model.inputs()),
        "outputs": ends(&model.outputs()),
        "layers": layers,
        "parameters": summary.parameters(),
        "trainable_parameters": summary.trainable(),
    });
    format!("{summary:#}\n")
}

/// What goes in or comes out: name and shape of one example.
fn ends(tensors: &[TensorSpec]) -> serde_json::Value {
    let end = |spec: &TensorSpec| serde_json::json!({"name": spec.name, "shape": spec.shape});
    tensors.iter().map(end).collect()
}

/// The table, in so many columns of a terminal.
fn table(model: &Model, columns: usize) -> String {
    let summary = model.summary();
    let mut header = vec!["Layer (type)", "Output Shape", "Param #"];
    if summary.is_graph {
        header.push("Connected to");
    }
    let lines: Vec<Vec<String>> = summary.rows.iter().map(cells).collect();
    let mut text = format!("Model: \"{}\"\n", shown(model.name()));
    text += &grid(&header, &lines, columns);
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
        shown(format_args!("{} ({})", row.name, row.class)),
        shape(&row.output_shape),
        thousands(row.parameters),
        shown(row.connected_to.join(", ")),
    ]
}

/// A table of as many columns as the header has; numbers, in the third, are at the right.
fn grid(header: &[&str], lines: &[Vec<String>], columns: usize) -> String {
    let widths = widths(header, lines, columns);
    let rule = |left: char, fill: &str, cross: &str, right: char| {
        let cells: Vec<_> = widths.iter().map(|width| fill.repeat(width + 2)).collect();
        format!("{left}{}{right}\n", cells.join(cross))
    };
    let line = |edge: char, cells: &mut dyn Iterator<Item = &str>| {
        let mut cells: Vec<_> = cells
            .zip(&widths)
            .map(|(cell, &width)| wrapped(cell, width))
            .collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        let mut text = String::new();
        for index in 0..height {
            for (column, (cell, &width)) in cells.iter_mut().zip(&widths).enumerate() {
                let part = cell.get_mut(index).map(std::mem::take).unwrap_or_default();
                text += &match column {
                    2 => format!("{edge} {part:>width$} "),
                    _ => format!("{edge} {part:<width$} "),
                };
            }
            text += &format!("{edge}\n");
        }
        text
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

/// As wide as the widest cell; where that is too much for all, the widest columns give way.
fn widths(header: &[&str], lines: &[Vec<String>], columns: usize) -> Vec<usize> {
    /// Less than this helps nobody.
    const NARROWEST: usize = 8;
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line[column].as_str());
        let lengths = cells
            .chain([header[column]])
            .map(|cell| cell.chars().count());
        lengths.max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..header.len()).map(width).collect();
    let edges = 3 * widths.len() + 1;
    while widths.iter().sum::<usize>() + edges > columns {
        match widths.iter_mut().max() {
            Some(widest) if *widest > NARROWEST => *widest -= 1,
            _ => break,
        }
    }
    widths
}

/// A cell's text in lines of at most `width` characters, broken after a blank where there is one.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![];
    let mut rest: Vec<char> = text.chars().collect();
    while rest.len() > width {
        let blank = rest[..=width].iter().rposition(|&char| char == ' ');
        let end = blank.filter(|&at| at > 0).unwrap_or(width.max(1));
        let after = rest.split_off(end);
        lines.push(rest.into_iter().collect());
        rest = after.into_iter().skip_while(|&char| char == ' ').collect();
    }
    lines.push(rest.into_iter().collect());
    lines
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
