//! The printed lines of ruled and of squared paper, erased.

use super::Field;

/// A digit's own bars may cross a page that is cropped tight; more lines than those are printed.
const FEWEST: usize = 4;
/// The share of the page's width or height that a printed line crosses.
const ACROSS: f32 = 0.8;

/// `strength` without the lines that are stronger than `edge`.
pub fn erased(strength: &Field, edge: f32) -> Field {
    let (width, height) = (strength.width, strength.height);
    let mut values = strength.values.clone();
    erase(&mut values, edge, (height, width), (width, 1));
    erase(&mut values, edge, (width, height), (1, width));
    Field {
        width,
        height,
        values,
    }
}

/// Erases along `lines` lines of `length` pixels; `(line, pixel)` are the steps from one to the next.
fn erase(
    values: &mut [f32],
    edge: f32,
    (lines, length): (usize, usize),
    (line, pixel): (usize, usize),
) {
    let is_printed = |i: usize| {
        let ink = (0..length).filter(|j| values[i * line + j * pixel] > edge);
        ink.count() as f32 > ACROSS * length as f32
    };
    let printed: Vec<bool> = (0..lines).map(is_printed).collect();
    let bands: Vec<(usize, usize)> = (0..lines)
        .filter(|&i| printed[i] && (i == 0 || !printed[i - 1]))
        .map(|top| (top, (top..lines).take_while(|&i| printed[i]).count()))
        .collect();
    if bands.len() < FEWEST || bands.iter().any(|(_, thick)| thick * 60 > lines + 60) {
        return;
    }
    for (top, thick) in bands {
        // One more line on each side is the soft edge. What is strong beyond both goes on between.
        let (first, end) = (top.saturating_sub(1), (top + thick + 1).min(lines));
        let above = first.saturating_sub(1);
        let below = end.min(lines - 1);
        for j in (0..length).map(|j| j * pixel) {
            let between = values[above * line + j].min(values[below * line + j]);
            for i in first..end {
                values[i * line + j] = between;
            }
        }
    }
}
