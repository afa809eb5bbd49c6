//! Which of the ink is the digit: a threshold, connected pieces, and the choice among them.

use super::levels::Levels;
use super::pieces::{Piece, close, grow, label};
use super::{Field, doubt, frames, lines, rules};

/// The digit, cut out: `ink` runs from 0 (paper) to 1 (ink) and fills its width and height.
pub struct Digit {
    pub ink: Field,
    /// Whether it reaches the border of the page.
    pub is_cut: bool,
    /// The share of the page's border that it covers.
    pub border: f32,
    /// How many pieces beside it, or of it, could be digits themselves.
    pub others: usize,
    /// How many pieces elsewhere are no much smaller than its largest one.
    pub alike: usize,
    /// How much of the way from paper to ink lies between the two sides of its outline.
    pub sharpness: f32,
    /// How wide its strokes are on the average, in pixels of `ink`.
    pub stroke: f32,
}

impl Digit {
    /// Whether all of it is seen, and its outline is that of strokes.
    pub fn is_whole(&self) -> bool {
        const SHARP: f32 = 0.6;
        !self.is_cut && self.sharpness > SHARP
    }
}

/// Strokes of less than this many pixels are weaker where they lie on the edge of two of them …
const HAIR: f32 = 1.5;
/// … down to this share of full ink.
const FAINT_SHARE: f32 = 0.4;

/// `None` where the page is blank.
pub fn select(strength: &Field) -> Option<Digit> {
    let strength = rules::erased(strength, Levels::of(&strength.values)?.edge);
    let edge = Levels::of(&strength.values)?.edge;
    let mut strength = lines::erased(strength, edge);
    frames::erase_border(&mut strength, edge);
    let levels = Levels::of(&strength.values)?;
    let (width, height) = (strength.width, strength.height);
    let mut mask = above(&strength, levels.edge);
    if stroke_width(&mask, width) < HAIR {
        let edge = levels.edge.min(FAINT_SHARE * levels.full);
        mask = above(&strength, edge.max(levels.paper));
    }
    frames::erase(&mut strength, &mut mask);
    frames::erase_dashes(&mut strength, &mut mask);
    // Strokes that noise or a dry pen has broken hang together again.
    let bridge = width.max(height) / 120;
    let joined = grow(&mask, width, bridge);
    let (labels, pieces) = label(&joined, &mask, width, height);
    let chosen = choose(&pieces, width, height)?;

    let kept: Vec<bool> = labels
        .iter()
        .zip(&mask)
        .map(|(&label, &is_ink)| is_ink && label > 0 && chosen[label - 1])
        .collect();
    // The soft edge of a stroke lies below the threshold.
    let around = grow(&kept, width, 2 + bridge);
    let soft: Vec<f32> = strength
        .values
        .iter()
        .zip(&around)
        .map(|(&s, &near)| if near { levels.share(s) } else { 0.0 })
        .collect();
    let is_border = |i: usize| {
        let (x, y) = (i % width, i / width);
        x == 0 || y == 0 || x + 1 == width || y + 1 == height
    };
    let on_border = (0..kept.len()).filter(|&i| kept[i] && is_border(i)).count();
    let ink = crop(&Field {
        width,
        height,
        values: soft,
    })?;
    let sharpness =
        |kept: &[bool]| doubt::sharpness(&strength, &levels, kept, stroke_width(kept, width));
    Some(Digit {
        // The grain of chalk has outlines that are none; what is drawn with dots has no others.
        sharpness: sharpness(&kept).max(sharpness(&close(&kept, width, bridge))),
        others: doubt::others(&pieces, &chosen, (width, height)),
        alike: doubt::alike(&pieces, &chosen),
        stroke: stroke_width(&kept, width),
        is_cut: on_border > 0,
        border: on_border as f32 / (2 * (width + height)) as f32,
        ink,
    })
}

fn above(strength: &Field, edge: f32) -> Vec<bool> {
    strength.values.iter().map(|&s| s > edge).collect()
}

/// Which pieces are the digit: the largest one, and what is neither a speck nor far from it.
fn choose(pieces: &[Piece], width: usize, height: usize) -> Option<Vec<bool>> {
    let is_around: Vec<bool> = pieces
        .iter()
        .map(|piece| is_surround(piece, pieces, width, height))
        .collect();
    let mut digit = pieces
        .iter()
        .zip(&is_around)
        .filter(|(_, is_around)| !**is_around)
        .map(|(piece, _)| *piece)
        .max_by_key(|piece| piece.area)?;
    let mut chosen: Vec<bool> = vec![false; pieces.len()];
    let largest = digit;
    loop {
        let reach = digit.longer_side() / 5;
        let next = pieces.iter().enumerate().position(|(i, piece)| {
            !chosen[i]
                && piece.gap(&digit) <= reach
                && piece.area * 40 >= largest.area
                && !is_around[i]
        });
        let Some(next) = next else { break };
        chosen[next] = true;
        digit.join(&pieces[next]);
    }
    Some(chosen)
}

/// A frame, the table under the paper, the shadow along a scan's edge: it touches the picture's
/// border, and leaves a piece of some size that does not touch it.
fn is_surround(piece: &Piece, pieces: &[Piece], width: usize, height: usize) -> bool {
    let margin = |side: usize| side / 25;
    let (mx, my) = (margin(width), margin(height));
    let sides = |p: &Piece| {
        [
            p.left <= mx,
            p.top <= my,
            p.right + 1 + mx >= width,
            p.bottom + 1 + my >= height,
        ]
        .into_iter()
        .filter(|&touches| touches)
        .count()
    };
    let is_strip = piece.right - piece.left < 2 * mx || piece.bottom - piece.top < 2 * my;
    let around = sides(piece) >= 3 || (sides(piece) >= 1 && is_strip);
    around
        && pieces
            .iter()
            .any(|other| sides(other) == 0 && other.longer_side() * 8 >= width.min(height))
}

/// The box around all ink that is more than a trace.
fn crop(field: &Field) -> Option<Field> {
    const TRACE: f32 = 0.01;
    let mut columns: Option<(usize, usize)> = None;
    let mut rows: Option<(usize, usize)> = None;
    for (y, row) in field.values.chunks_exact(field.width).enumerate() {
        let first = row.iter().position(|&v| v > TRACE);
        let last = row.iter().rposition(|&v| v > TRACE);
        if let (Some(first), Some(last)) = (first, last) {
            let (left, right) = columns.unwrap_or((first, last));
            columns = Some((left.min(first), right.max(last)));
            rows = Some((rows.map_or(y, |(top, _)| top), y));
        }
    }
    let ((left, right), (top, bottom)) = (columns?, rows?);
    Some(Field {
        width: right - left + 1,
        height: bottom - top + 1,
        values: field
            .values
            .chunks_exact(field.width)
            .take(bottom + 1)
            .skip(top)
            .flat_map(|row| row[left..=right].iter().copied())
            .collect(),
    })
}

/// Twice the area over the length of the outline: a long stroke has an outline of twice its length.
fn stroke_width(mask: &[bool], width: usize) -> f32 {
    let area = mask.iter().filter(|&&m| m).count();
    let height = mask.len() / width;
    let mut steps = 0_usize;
    for y in 0..height {
        for x in 0..width {
            if mask[y * width + x] {
                steps += usize::from(x == 0 || !mask[y * width + x - 1]);
                steps += usize::from(x + 1 == width || !mask[y * width + x + 1]);
                steps += usize::from(y == 0 || !mask[(y - 1) * width + x]);
                steps += usize::from(y + 1 == height || !mask[(y + 1) * width + x]);
            }
        }
    }
    // Counted along pixel edges, an outline of any direction is 4 / π too long.
    let outline = steps.max(1) as f32 * std::f32::consts::FRAC_PI_4;
    2.0 * area as f32 / outline
}
