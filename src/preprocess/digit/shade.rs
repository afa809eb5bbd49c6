//! Dark ink under a light that has edges: a shadow across the page, glare.
//!
//! The paper is the page closed with a square (J. Serra, "Image analysis and mathematical morphology", 1982): what is dark
//! and narrower than the square goes, and the edge of a shadow stays where it is, however soft.

use super::Field;
use super::page::Page;
use super::paper::median;

/// The square reaches so far to each side, as a share of the page's longer side: strokes are narrower than twice that.
const REACH: usize = 8;
/// White, as a level of the ink's strength.
const WHITE: f32 = 255.0;
/// Darker than this, paper tells nothing.
const DARKEST: f32 = 20.0;

/// How much of the paper's light the ink takes away; `None` for a page with holes, which is no photograph.
pub fn ink(page: &Page) -> Option<Field> {
    if page.alpha.is_some() {
        return None;
    }
    let grey: Vec<f32> = (page.colours.iter())
        .map(|[r, g, b]| (r + 2.0 * g + b) / 4.0)
        .collect();
    let reach = page.width.max(page.height) / REACH;
    let paper = closed(&grey, (page.width, page.height), reach);
    let mut values: Vec<f32> = (grey.iter().zip(&paper))
        .map(|(&grey, &paper)| WHITE * (1.0 - grey / paper.max(DARKEST)))
        .collect();
    // The closing follows the brightest grains of the paper.
    let grain = median(&mut values.clone());
    values.iter_mut().for_each(|value| *value -= grain);
    Some(Field {
        width: page.width,
        height: page.height,
        values,
    })
}

fn closed(grey: &[f32], (width, height): (usize, usize), reach: usize) -> Vec<f32> {
    let negative = |values: Vec<f32>| values.into_iter().map(|v| -v).collect::<Vec<f32>>();
    let largest = |values: &[f32]| {
        let wide = largest_around(values, (height, width), (width, 1), reach);
        largest_around(&wide, (width, height), (1, width), reach)
    };
    negative(largest(&negative(largest(grey))))
}

/// The largest value within `reach` along `lines` lines of `length` pixels; `(line, pixel)` are the steps from one to the
/// next. M. van Herk, "A fast algorithm for local minimum and maximum filters" (1992): the largest so far in blocks as long
/// as the window, from both ends.
fn largest_around(
    values: &[f32],
    (lines, length): (usize, usize),
    (line, pixel): (usize, usize),
    reach: usize,
) -> Vec<f32> {
    let window = 2 * reach + 1;
    let padded = (length + 2 * reach).next_multiple_of(window);
    let mut ahead = vec![f32::MIN; padded];
    let mut behind = vec![f32::MIN; padded];
    let mut largest = vec![0.0; values.len()];
    for start in (0..lines).map(|i| i * line) {
        let at = |i: usize| start + i * pixel;
        for i in 0..length {
            ahead[i + reach] = values[at(i)];
        }
        ahead[..reach].fill(f32::MIN);
        ahead[length + reach..].fill(f32::MIN);
        behind.copy_from_slice(&ahead);
        for block in ahead.chunks_exact_mut(window) {
            for i in 1..window {
                block[i] = block[i].max(block[i - 1]);
            }
        }
        for block in behind.chunks_exact_mut(window) {
            for i in (1..window).rev() {
                block[i - 1] = block[i - 1].max(block[i]);
            }
        }
        for i in 0..length {
            largest[at(i)] = behind[i].max(ahead[i + 2 * reach]);
        }
    }
    largest
}
