//! Which of the ink is the digit: a threshold, connected pieces, and the choice among them.

use super::{Field, rules};

/// The digit, cut out: `ink` runs from 0 (paper) to 1 (ink) and fills its width and height.
pub struct Digit {
    pub ink: Field,
    /// Whether it reaches the border of the page.
    pub is_cut: bool,
    /// How wide its strokes are on the average, in pixels of `ink`.
    pub stroke: f32,
}

/// Weaker than this many grey levels, nothing counts as ink.
const FAINTEST: f32 = 10.0;

/// Strokes of less than this many pixels are weaker where they lie on the edge of two of them …
const HAIR: f32 = 1.5;
/// … down to this share of full ink.
const FAINT_SHARE: f32 = 0.4;

/// A connected piece of ink and the box around it; `right` and `bottom` are inside.
#[derive(Clone, Copy)]
pub struct Piece {
    area: usize,
    pub left: usize,
    pub top: usize,
    pub right: usize,
    pub bottom: usize,
}

impl Piece {
    fn longer_side(&self) -> usize {
        (self.right - self.left).max(self.bottom - self.top) + 1
    }

    /// How far apart the two boxes are, along the worse axis.
    fn gap(&self, other: &Self) -> usize {
        let apart = |a: (usize, usize), b: (usize, usize)| {
            a.0.saturating_sub(b.1).max(b.0.saturating_sub(a.1))
        };
        apart((self.left, self.right), (other.left, other.right))
            .max(apart((self.top, self.bottom), (other.top, other.bottom)))
    }

    fn join(&mut self, other: &Self) {
        self.area += other.area;
        self.left = self.left.min(other.left);
        self.top = self.top.min(other.top);
        self.right = self.right.max(other.right);
        self.bottom = self.bottom.max(other.bottom);
    }
}

/// The share of the page that its ink covers.
pub fn cover(strength: &Field) -> f32 {
    let Some(levels) = Levels::of(&strength.values) else {
        return 0.0;
    };
    let ink = strength.values.iter().filter(|&&s| s > levels.edge);
    ink.count() as f32 / strength.values.len() as f32
}

/// Whether the page has two levels and little between them, paper and ink: Otsu's measure of it,
/// the share of the variance that the two means explain.
pub fn has_two_levels(strength: &Field) -> bool {
    const EXPLAINED: f64 = 0.8;
    let Some(levels) = Levels::of(&strength.values) else {
        return false;
    };
    let (mut count, mut sum, mut squares) = ([0.0; 2], [0.0; 2], 0.0);
    for &s in &strength.values {
        let side = usize::from(s > levels.edge);
        count[side] += 1.0;
        sum[side] += f64::from(s);
        squares += f64::from(s).powi(2);
    }
    let mean = (sum[0] + sum[1]) / (count[0] + count[1]);
    let total = squares - mean * (sum[0] + sum[1]);
    let between: f64 = (0..2)
        .map(|i| count[i] * (sum[i] / f64::max(count[i], 1.0) - mean).powi(2))
        .sum();
    between > EXPLAINED * total
}

/// The box of a large full rectangle that differs from its surroundings: the sheet that may bear
/// the digit.
pub fn sheet(strength: &Field) -> Option<Piece> {
    /// A sheet has straight sides and is mostly paper; a round digit fills π / 4 of its box at most.
    const FULL: f32 = 0.8;
    let levels = Levels::of(&strength.values)?;
    let (width, height) = (strength.width, strength.height);
    // Halfway up: the sheet itself may be light and shadow.
    let edge = levels.full / 2.0;
    let mask: Vec<bool> = strength.values.iter().map(|&s| s > edge).collect();
    let (_, pieces) = label(&mask, &mask, width, height);
    let piece = pieces.into_iter().max_by_key(|piece| piece.area)?;
    let (wide, high) = (piece.right + 1 - piece.left, piece.bottom + 1 - piece.top);
    let all = (width * height) as f32;
    let inside = (wide * high) as f32;
    (piece.area as f32 > FULL * inside && (0.15 * all..0.95 * all).contains(&inside))
        .then_some(piece)
}

/// `None` where the page is blank.
pub fn select(strength: &Field) -> Option<Digit> {
    let strength = rules::erased(strength, Levels::of(&strength.values)?.edge);
    let levels = Levels::of(&strength.values)?;
    let (width, height) = (strength.width, strength.height);
    let above = |edge: f32| -> Vec<bool> { strength.values.iter().map(|&s| s > edge).collect() };
    let mut mask = above(levels.edge);
    if stroke_width(&mask, width) < HAIR {
        mask = above(levels.edge.min(FAINT_SHARE * levels.full).max(levels.paper));
    }
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
    let is_cut = kept
        .iter()
        .enumerate()
        .any(|(i, &kept)| kept && is_border(i));
    let ink = crop(&Field {
        width,
        height,
        values: soft,
    })?;
    Some(Digit {
        stroke: stroke_width(&kept, width),
        is_cut,
        ink,
    })
}

/// Where paper ends and ink begins.
struct Levels {
    /// Up to here it may be noise of the paper.
    paper: f32,
    /// Halfway between paper and ink.
    edge: f32,
    /// From here on it is full ink.
    full: f32,
}

impl Levels {
    fn of(strengths: &[f32]) -> Option<Self> {
        // What the paper does on the far side of its own level it does on the side of the ink too.
        let mut other_side: Vec<f32> = strengths.iter().map(|&s| (-s).max(0.0)).collect();
        let paper = percentile(&mut other_side, 0.99) * 1.3;
        let mut above: Vec<f32> = strengths
            .iter()
            .copied()
            .filter(|&s| s > paper.max(FAINTEST / 2.0))
            .collect();
        if above.is_empty() {
            return None;
        }
        let edge = otsu(&above);
        above.retain(|&s| s > edge);
        let full = percentile(&mut above, 0.75);
        (full >= FAINTEST && full > 1.5 * paper).then_some(Self { paper, edge, full })
    }

    fn share(&self, strength: f32) -> f32 {
        ((strength - self.paper) / (self.full - self.paper)).clamp(0.0, 1.0)
    }
}

/// N. Otsu, "A threshold selection method from gray-level histograms" (1979): the threshold that
/// sets the two sides' means farthest apart.
fn otsu(values: &[f32]) -> f32 {
    const BINS: usize = 256;
    let (low, high) = values
        .iter()
        .fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
    let step = ((high - low) / BINS as f32).max(f32::MIN_POSITIVE);
    let mut histogram = [0_u32; BINS];
    for v in values {
        histogram[(((v - low) / step) as usize).min(BINS - 1)] += 1;
    }
    let weigh = |(bin, &count): (usize, &u32)| f64::from(count) * bin as f64;
    let sum: f64 = histogram.iter().enumerate().map(weigh).sum();
    let (mut below, mut sum_below) = (0.0, 0.0);
    let mut best = (-1.0, 0);
    for (bin, &count) in histogram.iter().enumerate() {
        below += f64::from(count);
        sum_below += f64::from(count) * bin as f64;
        let above = values.len() as f64 - below;
        if below == 0.0 || above <= 0.0 {
            continue;
        }
        let apart = sum_below / below - (sum - sum_below) / above;
        let between = below * above * apart * apart;
        if between > best.0 {
            best = (between, bin);
        }
    }
    if best.0 < 0.0 {
        return low - 1.0; // One level only: all of it is ink.
    }
    low + (best.1 + 1) as f32 * step
}

fn percentile(values: &mut [f32], share: f32) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let at = ((values.len() - 1) as f32 * share) as usize;
    *values.select_nth_unstable_by(at, f32::total_cmp).1
}

/// Each set pixel grows into a square that reaches `by` pixels to every side.
fn grow(mask: &[bool], width: usize, by: usize) -> Vec<bool> {
    if by == 0 {
        return mask.to_vec();
    }
    let height = mask.len() / width;
    let wide = grow_lines(mask, height, width, (width, 1), by);
    grow_lines(&wide, width, height, (1, width), by)
}

/// [`grow`] along `lines` lines of `length` pixels; `(line, pixel)` are the steps from one to the next.
fn grow_lines(
    mask: &[bool],
    lines: usize,
    length: usize,
    (line, pixel): (usize, usize),
    by: usize,
) -> Vec<bool> {
    let mut grown = vec![false; mask.len()];
    for start in (0..lines).map(|i| i * line) {
        let mut done = 0;
        for i in (0..length).filter(|i| mask[start + i * pixel]) {
            let end = (i + by + 1).min(length);
            for j in i.saturating_sub(by).max(done)..end {
                grown[start + j * pixel] = true;
            }
            done = end;
        }
    }
    grown
}

/// Numbers the 8-connected pieces of `joined` from 1; their area counts only what `mask` has.
fn label(joined: &[bool], mask: &[bool], width: usize, height: usize) -> (Vec<usize>, Vec<Piece>) {
    let mut labels = vec![0; joined.len()];
    let mut pieces = Vec::new();
    let mut open = Vec::new();
    for seed in 0..joined.len() {
        if !joined[seed] || labels[seed] != 0 {
            continue;
        }
        let number = pieces.len() + 1;
        let mut piece: Option<Piece> = None;
        labels[seed] = number;
        open.push(seed);
        while let Some(at) = open.pop() {
            let (x, y) = (at % width, at / width);
            if mask[at] {
                let pixel = Piece {
                    area: 1,
                    left: x,
                    top: y,
                    right: x,
                    bottom: y,
                };
                match &mut piece {
                    Some(piece) => piece.join(&pixel),
                    None => piece = Some(pixel),
                }
            }
            for ny in y.saturating_sub(1)..=(y + 1).min(height - 1) {
                for nx in x.saturating_sub(1)..=(x + 1).min(width - 1) {
                    let next = ny * width + nx;
                    if joined[next] && labels[next] == 0 {
                        labels[next] = number;
                        open.push(next);
                    }
                }
            }
        }
        // Every piece of `joined` has grown from a pixel of `mask`.
        pieces.extend(piece);
    }
    (labels, pieces)
}

/// Which pieces are the digit: the largest one, and what is neither a speck nor far from it.
fn choose(pieces: &[Piece], width: usize, height: usize) -> Option<Vec<bool>> {
    let mut digit = pieces
        .iter()
        .filter(|piece| !is_surround(piece, pieces, width, height))
        .max_by_key(|piece| piece.area)
        .copied()?;
    let mut chosen: Vec<bool> = vec![false; pieces.len()];
    let largest = digit;
    loop {
        let reach = digit.longer_side() / 5;
        let next = pieces.iter().enumerate().position(|(i, piece)| {
            !chosen[i]
                && piece.gap(&digit) <= reach
                && piece.area * 40 >= largest.area
                && !is_surround(piece, pieces, width, height)
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
