//! A sheet of paper that lies on something of another colour, however it is turned.

use super::Field;
use super::levels::{Levels, otsu};
use super::page::Page;
use super::pieces::label;

/// A sheet is mostly paper: it covers at least this share of the hull around it.
const FULL: f32 = 0.75;
/// Four corners make at least this share of the hull; a disc has 0.64.
const STRAIGHT: f32 = 0.9;
/// A sheet covers at least and at most these shares of the page.
const SMALLEST: f32 = 0.1;
const LARGEST: f32 = 0.95;
/// Its edge is soft, and seldom quite straight: so much is cut off, in shares of its shorter side.
const MARGIN: f32 = 1.0 / 40.0;

type Point = (f32, f32);

/// The sheet, seen from above; `flat` is how far each pixel is from the colour of the page's border.
pub fn find(page: &Page, flat: &Field) -> Option<Page> {
    let corners = corners(flat)?;
    let side =
        |a: usize, b: usize| (corners[a].0 - corners[b].0).hypot(corners[a].1 - corners[b].1);
    let width = f32::midpoint(side(0, 1), side(3, 2));
    let height = f32::midpoint(side(0, 3), side(1, 2));
    let margin = MARGIN * width.min(height) + 1.0;
    let size = (
        (width - 2.0 * margin) as usize,
        (height - 2.0 * margin) as usize,
    );
    if size.0 == 0 || size.1 == 0 {
        return None;
    }
    let view = View::of(corners);
    Some(page.seen(size, |x, y| {
        view.at((x + margin) / width, (y + margin) / height)
    }))
}

/// Upper left, upper right, lower right, lower left.
fn corners(flat: &Field) -> Option<[Point; 4]> {
    // Halfway up: the sheet itself may be light and shadow.
    let halfway =
        || Levels::of(&flat.values).and_then(|levels| corners_above(flat, levels.full / 2.0));
    let (right, bottom) = (flat.width as f32 - 1.0, flat.height as f32 - 1.0);
    let is_inside = |&(x, y): &Point| x > 1.0 && y > 1.0 && x < right && y < bottom;
    // What the sheet lies on may be no even ground, so that it has no level of its own. Light beside a shadow, which is
    // no sheet, has corners on the border.
    halfway().or_else(|| {
        corners_above(flat, otsu(&flat.values)).filter(|corners| corners.iter().all(is_inside))
    })
}

fn corners_above(flat: &Field, edge: f32) -> Option<[Point; 4]> {
    let (width, height) = (flat.width, flat.height);
    let mask: Vec<bool> = flat.values.iter().map(|&s| s > edge).collect();
    let (labels, pieces) = label(&mask, &mask, width, height);
    let (number, piece) = pieces
        .iter()
        .enumerate()
        .max_by_key(|(_, piece)| piece.area)?;
    let all = (width * height) as f32;
    if (piece.area as f32) < FULL * SMALLEST * all {
        return None;
    }
    let mut outline = Vec::new();
    for y in piece.top..=piece.bottom {
        let row = &labels[y * width..(y + 1) * width];
        let ends = (
            row.iter().position(|&label| label == number + 1),
            row.iter().rposition(|&label| label == number + 1),
        );
        if let (Some(left), Some(right)) = ends {
            for (x, y) in [(left, y), (left, y + 1), (right + 1, y), (right + 1, y + 1)] {
                outline.push((x as f32, y as f32));
            }
        }
    }
    let hull = hull(outline);
    let inside = area(&hull);
    if !(SMALLEST * all..LARGEST * all).contains(&inside) || (piece.area as f32) < FULL * inside {
        return None;
    }
    let corners = largest_of_four(&hull)?;
    (area(&corners) > STRAIGHT * inside).then_some(corners)
}

/// A. Andrew's monotone chain: the corners of the convex hull, in the order of a clock's hand on the page.
fn hull(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    points.dedup();
    let mut hull: Vec<Point> = Vec::new();
    let there_and_back = [points.clone(), points.into_iter().rev().collect()];
    for points in there_and_back {
        let start = hull.len();
        for point in points {
            while hull.len() >= start + 2
                && turn(hull[hull.len() - 2], hull[hull.len() - 1], point) <= 0.0
            {
                hull.pop();
            }
            hull.push(point);
        }
        hull.pop();
    }
    hull
}

fn turn(a: Point, b: Point, c: Point) -> f32 {
    (b.0 - a.0) * (c.1 - a.1) - (b.1 - a.1) * (c.0 - a.0)
}

fn area(polygon: &[Point]) -> f32 {
    let next = polygon.iter().cycle().skip(1);
    let twice: f32 = polygon
        .iter()
        .zip(next)
        .map(|(a, b)| a.0 * b.1 - a.1 * b.0)
        .sum();
    twice.abs() / 2.0
}

/// The four points of the hull with the largest area between them, from the upper left on.
fn largest_of_four(hull: &[Point]) -> Option<[Point; 4]> {
    const MOST: usize = 80;
    let step = hull.len().div_ceil(MOST).max(1);
    let hull: Vec<Point> = hull.iter().copied().step_by(step).collect();
    let n = hull.len();
    let mut best: Option<(f32, [Point; 4])> = None;
    for i in 0..n {
        for j in i + 2..n {
            let farthest = |between: &mut dyn Iterator<Item = usize>| {
                between
                    .map(|k| (turn(hull[i], hull[j], hull[k]).abs(), k))
                    .max_by(|a, b| a.0.total_cmp(&b.0))
            };
            let one = farthest(&mut (i + 1..j));
            let other = farthest(&mut (j + 1..n).chain(0..i));
            if let (Some((a, k)), Some((b, l))) = (one, other)
                && best.is_none_or(|(area, _)| a + b > area)
            {
                best = Some((a + b, [hull[i], hull[k], hull[j], hull[l]]));
            }
        }
    }
    let (_, mut corners) = best?;
    if turn(corners[0], corners[1], corners[2]) < 0.0 {
        corners.reverse();
    }
    let upper_left = (0..4)
        .min_by(|&a, &b| (corners[a].0 + corners[a].1).total_cmp(&(corners[b].0 + corners[b].1)))?;
    corners.rotate_left(upper_left);
    Some(corners)
}

/// P. Heckbert, "Fundamentals of texture mapping and image warping" (1989), section 2.2.3: from a square of side 1 to four
/// corners.
struct View {
    x: [f32; 3],
    y: [f32; 3],
    w: [f32; 3],
}

impl View {
    fn of([a, b, c, d]: [Point; 4]) -> Self {
        let (dx1, dx2, dx3) = (b.0 - c.0, d.0 - c.0, a.0 - b.0 + c.0 - d.0);
        let (dy1, dy2, dy3) = (b.1 - c.1, d.1 - c.1, a.1 - b.1 + c.1 - d.1);
        let under = dx1 * dy2 - dx2 * dy1;
        let (g, h) = if under.abs() < f32::EPSILON {
            (0.0, 0.0)
        } else {
            (
                (dx3 * dy2 - dx2 * dy3) / under,
                (dx1 * dy3 - dx3 * dy1) / under,
            )
        };
        Self {
            x: [b.0 - a.0 + g * b.0, d.0 - a.0 + h * d.0, a.0],
            y: [b.1 - a.1 + g * b.1, d.1 - a.1 + h * d.1, a.1],
            w: [g, h, 1.0],
        }
    }

    fn at(&self, u: f32, v: f32) -> Point {
        let along = |[a, b, c]: [f32; 3]| a * u + b * v + c;
        let w = along(self.w);
        (along(self.x) / w, along(self.y) / w)
    }
}
