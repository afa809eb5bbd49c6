//! A few dark lines across the page, as forms have and pens strike through, erased where they are not the digit's own.
//!
//! Each column of the page votes with the middles of its thin runs of ink for all lines through them that are not steep
//! (P. Hough's transform). A line that most columns vote for, from one border to the other, is no part of a digit: of it
//! goes what is no thicker than it is elsewhere, so that the strokes that cross it stay.

use super::Field;

/// A line rises by at most this share of the page.
const STEEPEST: f32 = 0.22;
/// Places between one slope and the next, at the end of the line.
const STEP: usize = 2;
/// The share of a line's columns that vote for it.
const VOTES: f32 = 0.62;
/// So near to both ends of the page, in shares of it, a line begins and ends.
const ENDS: f32 = 0.03;
/// What is left lies so far inside the ends of the lines, in shares of the page: a bar of a digit ends with the digit.
const INSIDE: f32 = 0.03;
/// Less than this share of the ink would be left: the line was the digit.
const LEFT: f32 = 0.1;
/// More lines are not looked for.
const MOST: usize = 40;
/// On a smaller page, lines are the digit's strokes.
const SMALLEST: usize = 100;
/// With more runs than this in a column it is noise.
const CROWDED: usize = 40;

/// `strength` without the lines that are stronger than `edge`.
pub fn erased(strength: Field, edge: f32) -> Field {
    let (width, height) = (strength.width, strength.height);
    if width.min(height) < SMALLEST {
        return strength;
    }
    let lying = Way {
        length: width,
        lines: height,
        pixel: 1,
        line: width,
    };
    let upright = Way {
        length: height,
        lines: width,
        pixel: width,
        line: 1,
    };
    [lying, upright].iter().fold(strength, |strength, way| {
        way.erased(&strength.values, edge).map_or_else(
            || Field {
                width,
                height,
                values: strength.values.clone(),
            },
            |values| Field {
                width,
                height,
                values,
            },
        )
    })
}

/// A direction in which to look: along `length` columns of `lines` pixels.
struct Way {
    length: usize,
    lines: usize,
    pixel: usize,
    line: usize,
}

/// Ink of one column, from `first` to before `end`.
#[derive(Clone, Copy)]
struct Run {
    column: usize,
    first: usize,
    end: usize,
}

impl Run {
    fn thickness(self) -> usize {
        self.end - self.first
    }

    fn middle(self) -> f32 {
        (self.first + self.end - 1) as f32 / 2.0
    }
}

/// A line: its place in the middle of the page, and how far it rises over the page.
#[derive(Clone, Copy)]
struct Line {
    middle: f32,
    rise: f32,
}

impl Line {
    fn at(self, column: usize, length: usize) -> f32 {
        self.middle + self.rise * (column as f32 / length as f32 - 0.5)
    }
}

impl Way {
    fn erased(&self, values: &[f32], edge: f32) -> Option<Vec<f32>> {
        let runs = self.runs(values, edge);
        if runs.len() > CROWDED * self.length {
            return None;
        }
        let thickest = self.lines / 50 + 3;
        let mut thin: Vec<Run> = runs
            .iter()
            .copied()
            .filter(|run| run.thickness() <= thickest)
            .collect();
        let mut votes = Votes::new(self);
        for run in &thin {
            votes.add(*run, 1);
        }
        let mut left: Vec<Run> = runs;
        let mut gone: Vec<Run> = Vec::new();
        for _ in 0..MOST {
            let Some(line) = votes.best() else { break };
            let is_on = |run: &Run| {
                (run.middle() - line.at(run.column, self.length)).abs()
                    <= 1.5 + run.thickness() as f32 / 4.0
            };
            let (on, off): (Vec<Run>, Vec<Run>) = thin.into_iter().partition(is_on);
            thin = off;
            for run in &on {
                votes.add(*run, -1);
            }
            if !self.is_across(&on, line) {
                if on.is_empty() {
                    break;
                }
                continue;
            }
            let mut thicknesses: Vec<usize> = on.iter().map(|run| run.thickness()).collect();
            let usual = *thicknesses.select_nth_unstable(on.len() / 2).1;
            let goes = |run: &&Run| run.thickness() <= usual + usual / 2 + 1;
            gone.extend(on.iter().filter(goes));
        }
        if gone.is_empty() {
            return None;
        }
        let place = |run: &Run| (run.column, run.first);
        gone.sort_unstable_by_key(place);
        left.retain(|run| gone.binary_search_by_key(&place(run), place).is_err());
        self.is_digit_left(&left, &gone)
            .then(|| self.without(values, &gone))
    }

    fn runs(&self, values: &[f32], edge: f32) -> Vec<Run> {
        let mut runs = Vec::new();
        for column in 0..self.length {
            let mut first = None;
            for i in 0..=self.lines {
                let is_ink = i < self.lines && values[i * self.line + column * self.pixel] > edge;
                match (first, is_ink) {
                    (None, true) => first = Some(i),
                    (Some(start), false) => {
                        runs.push(Run {
                            column,
                            first: start,
                            end: i,
                        });
                        first = None;
                    }
                    _ => {}
                }
            }
        }
        runs
    }

    /// Whether these runs make a line from one end of the page to the other.
    fn is_across(&self, on: &[Run], line: Line) -> bool {
        let is_inside = |&column: &usize| {
            let at = line.at(column, self.length);
            at >= 0.0 && at < self.lines as f32
        };
        let (Some(first), Some(last)) = (
            (0..self.length).find(is_inside),
            (0..self.length).rfind(is_inside),
        ) else {
            return false;
        };
        let mut columns = vec![false; self.length];
        for run in on {
            columns[run.column] = true;
        }
        let margin = (ENDS * self.length as f32) as usize + 2;
        let has = |from: usize, to: usize| columns[from..to.min(self.length)].contains(&true);
        let count = columns.iter().filter(|&&on| on).count();
        last - first > self.length / 2
            && count as f32 > VOTES * (last - first) as f32
            && has(first, first + margin)
            && has((last + 1).saturating_sub(margin), last + 1)
    }

    /// Whether something else is left, and the lines go on beyond it on both sides.
    fn is_digit_left(&self, left: &[Run], gone: &[Run]) -> bool {
        let mut columns = vec![0; self.length];
        for run in left {
            columns[run.column] += run.thickness();
        }
        let all: usize = columns.iter().sum();
        let lines: usize = gone.iter().map(|run| run.thickness()).sum();
        let beyond = |columns: &mut dyn Iterator<Item = &usize>| {
            let mut sum = 0;
            columns
                .take_while(|&&ink| {
                    sum += ink;
                    sum * 50 <= all
                })
                .count()
        };
        let inside = (INSIDE * self.length as f32) as usize;
        all as f32 > LEFT * lines as f32
            && beyond(&mut columns.iter()) >= inside
            && beyond(&mut columns.iter().rev()) >= inside
    }

    /// What is strong on both sides of a run goes on between.
    fn without(&self, values: &[f32], gone: &[Run]) -> Vec<f32> {
        let mut erased = values.to_vec();
        for run in gone {
            let at = |i: usize| i * self.line + run.column * self.pixel;
            // The soft edge of the line.
            let (first, end) = (run.first.saturating_sub(2), (run.end + 2).min(self.lines));
            let above = values[at(first.saturating_sub(1))];
            let below = values[at(end.min(self.lines - 1))];
            for i in first..end {
                erased[at(i)] = erased[at(i)].min(above.min(below));
            }
        }
        erased
    }
}

/// How many runs lie on each line that is not steep.
struct Votes {
    length: usize,
    /// The line of slope 0 lies in the middle, and so do the places of the page.
    slopes: usize,
    places: usize,
    counts: Vec<i32>,
}

impl Votes {
    fn new(way: &Way) -> Self {
        let slopes = 2 * ((STEEPEST * way.length as f32) as usize / STEP) + 1;
        let places = way.lines + slopes * STEP;
        Self {
            length: way.length,
            slopes,
            places,
            counts: vec![0; slopes * places],
        }
    }

    fn rise(&self, slope: usize) -> f32 {
        (slope as f32 - (self.slopes / 2) as f32) * STEP as f32
    }

    fn add(&mut self, run: Run, by: i32) {
        let along = run.column as f32 / self.length as f32 - 0.5;
        let shift = (self.slopes * STEP / 2) as f32;
        for slope in 0..self.slopes {
            let place = run.middle() - self.rise(slope) * along + shift;
            let place = (place.max(0.0) as usize).min(self.places - 1);
            self.counts[slope * self.places + place] += by;
        }
    }

    /// The line with the most votes, if they may be enough.
    fn best(&self) -> Option<Line> {
        let mut best = (0, 0, 0);
        for slope in 0..self.slopes {
            let counts = &self.counts[slope * self.places..(slope + 1) * self.places];
            for (place, three) in counts.windows(3).enumerate() {
                let sum = three.iter().sum();
                if sum > best.0 {
                    best = (sum, slope, place + 1);
                }
            }
        }
        let (votes, slope, place) = best;
        (votes as f32 > VOTES / 2.0 * self.length as f32).then(|| Line {
            middle: place as f32 + 0.5 - (self.slopes * STEP / 2) as f32,
            rise: self.rise(slope),
        })
    }
}
