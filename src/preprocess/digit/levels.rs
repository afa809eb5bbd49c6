//! Where paper ends and ink begins.

use super::Field;

/// Weaker than this many grey levels, nothing counts as ink.
const FAINTEST: f32 = 10.0;

/// Where paper ends and ink begins.
pub struct Levels {
    /// Up to here it may be noise of the paper.
    pub paper: f32,
    /// Halfway between paper and ink.
    pub edge: f32,
    /// From here on it is full ink.
    pub full: f32,
}

impl Levels {
    pub fn of(strengths: &[f32]) -> Option<Self> {
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

    pub fn share(&self, strength: f32) -> f32 {
        ((strength - self.paper) / (self.full - self.paper)).clamp(0.0, 1.0)
    }
}

/// N. Otsu, "A threshold selection method from gray-level histograms" (1979): the threshold that
/// sets the two sides' means farthest apart.
pub fn otsu(values: &[f32]) -> f32 {
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
