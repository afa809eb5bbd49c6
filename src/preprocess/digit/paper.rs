//! How strong the ink is at each pixel of a page, whatever the colours of paper and ink, under
//! uneven light.

use super::Field;
use super::page::Page;

/// The paper is looked at in about this many squares along the longer side.
const SQUARES: usize = 32;
/// Grey levels that paper may differ by and still be called even.
const EVEN: f32 = 2.0;
/// Where less than this share of a page is opaque, what is opaque is the ink.
const INK_SHARE: f32 = 0.6;

/// How the paper's colour is found.
#[derive(Clone, Copy)]
pub enum Light {
    /// It changes slowly over the whole page: strokes may be as wide as they like.
    Even,
    /// It is one colour, that of the page's border: ink may cover more of the page than paper.
    Flat,
    /// It has edges (a hard shadow, the end of the sheet): strokes must be narrow on the page.
    Broken,
}

/// 0 is paper, larger is ink; the unit is grey levels.
pub fn ink(page: &Page, light: Light) -> Field {
    let field = |values| Field {
        width: page.width,
        height: page.height,
        values,
    };
    let Some(alpha) = &page.alpha else {
        return field(distance_from_paper(page, &page.colours, light));
    };
    let opaque = alpha.iter().filter(|&&a| a > 0.5).count();
    if (opaque as f32) < INK_SHARE * alpha.len() as f32 {
        // A drawing on a transparent canvas: its colour does not matter, light or dark.
        return field(alpha.iter().map(|a| a * 255.0).collect());
    }
    // A page with transparent corners or holes: they get the colour of the rest.
    let rest = |channel: usize| {
        let seen = page.colours.iter().zip(alpha).filter(|(_, a)| **a > 0.5);
        median(&mut seen.map(|(c, _)| c[channel]).collect::<Vec<_>>())
    };
    let fill = [rest(0), rest(1), rest(2)];
    let filled: Vec<[f32; 3]> = page
        .colours
        .iter()
        .zip(alpha)
        .map(|(colour, a)| std::array::from_fn(|i| colour[i] * a + fill[i] * (1.0 - a)))
        .collect();
    field(distance_from_paper(page, &filled, light))
}

/// How far each pixel's colour lies from the paper's, along the way from paper to ink.
fn distance_from_paper(page: &Page, colours: &[[f32; 3]], light: Light) -> Vec<f32> {
    let paper = match light {
        Light::Even => Paper::fit(page, colours),
        Light::Flat => Paper::border(page, colours),
        Light::Broken => Paper::around(page, colours),
    };
    let mut away: Vec<[f32; 3]> = Vec::with_capacity(colours.len());
    let mut grounds = Vec::with_capacity(colours.len());
    for (y, row) in colours.chunks_exact(page.width).enumerate() {
        for (x, colour) in row.iter().enumerate() {
            let ground = paper.at(place(x, page.width), place(y, page.height));
            away.push(std::array::from_fn(|i| colour[i] - ground[i]));
            grounds.push(ground);
        }
    }
    // The pixels farthest from the paper say where the ink lies; noise, which goes to both sides,
    // cancels.
    let mut towards = [0.0_f64; 3];
    for d in &away {
        let weight = f64::from(length(*d)).powi(3);
        for (sum, &d) in towards.iter_mut().zip(d) {
            *sum += weight * f64::from(d);
        }
    }
    let norm = towards.iter().map(|t| t * t).sum::<f64>().sqrt();
    if norm == 0.0 {
        return vec![0.0; colours.len()];
    }
    let ink = towards.map(|t| (t / norm) as f32);
    let middle = mean(paper.at(0.0, 0.0)).max(1.0);
    let is_dark_ink = ink.iter().sum::<f32>() < 0.0;
    away.iter()
        .zip(&grounds)
        .map(|(d, ground)| {
            let towards: f32 = d.iter().zip(ink).map(|(d, ink)| d * ink).sum();
            // Dark ink takes away a share of the light, so it shows less in a shadow.
            let shade = if is_dark_ink {
                (middle / mean(*ground).max(1.0)).clamp(0.5, 3.0)
            } else {
                1.0
            };
            towards * shade
        })
        .collect()
}

/// The paper's colour over the page, both sides of which run from -1 to 1.
enum Paper {
    /// A quadratic surface for each channel.
    Surface([[f32; 6]; 3]),
    /// A colour for each square of a grid, row by row, and straight lines between their centres.
    Grid {
        columns: usize,
        rows: usize,
        colours: Vec<[f32; 3]>,
    },
}

struct Square {
    x: f32,
    y: f32,
    colour: [f32; 3],
}

fn terms(x: f32, y: f32) -> [f32; 6] {
    [1.0, x, y, x * x, x * y, y * y]
}

fn place(i: usize, n: usize) -> f32 {
    (2 * i + 1) as f32 / n as f32 - 1.0
}

impl Paper {
    /// Most squares of a page are paper. The surface is fitted to the squares' medians by least
    /// squares, over and over, each time without the squares that lie off it, and from flat to
    /// curved.
    fn fit(page: &Page, colours: &[[f32; 3]]) -> Self {
        let squares = squares(page, colours);
        let middle =
            |i: usize| median(&mut squares.iter().map(|s| s.colour[i]).collect::<Vec<_>>());
        let mut surface = [0, 1, 2].map(|i| [middle(i), 0.0, 0.0, 0.0, 0.0, 0.0]);
        for degree_terms in [1, 3, 3, 6, 6, 6] {
            let off: Vec<f32> = squares
                .iter()
                .map(|s| {
                    let paper = Self::Surface(surface).at(s.x, s.y);
                    length(std::array::from_fn(|i| s.colour[i] - paper[i]))
                })
                .collect();
            let usual = median(&mut off.clone()).max(EVEN);
            let near: Vec<&Square> = squares
                .iter()
                .zip(&off)
                .filter(|(_, off)| **off <= 3.0 * usual)
                .map(|(s, _)| s)
                .collect();
            if near.len() < 4 * degree_terms {
                break;
            }
            for (i, coefficients) in surface.iter_mut().enumerate() {
                let points = near.iter().map(|s| (terms(s.x, s.y), s.colour[i]));
                if let Some(fitted) = least_squares(points, degree_terms) {
                    *coefficients = fitted;
                }
            }
        }
        Self::Surface(surface)
    }

    /// The median of the outermost pixels: a digit that is cropped tight touches them here and there.
    fn border(page: &Page, colours: &[[f32; 3]]) -> Self {
        let (right, bottom) = (page.width - 1, page.height - 1);
        let at = |(x, y): (usize, usize)| colours[y * page.width + x];
        let rows = (0..page.width).flat_map(|x| [(x, 0), (x, bottom)]);
        let columns = (0..page.height).flat_map(|y| [(0, y), (right, y)]);
        let border: Vec<[f32; 3]> = rows.chain(columns).map(at).collect();
        Self::Surface([0, 1, 2].map(|i| {
            let middle = median(&mut border.iter().map(|c| c[i]).collect::<Vec<_>>());
            [middle, 0.0, 0.0, 0.0, 0.0, 0.0]
        }))
    }

    /// The median of the squares around each square: strokes narrower than half of that do not count.
    fn around(page: &Page, colours: &[[f32; 3]]) -> Self {
        const REACH: usize = 3;
        let side = page.width.max(page.height).div_ceil(SQUARES);
        let (columns, rows) = (page.width.div_ceil(side), page.height.div_ceil(side));
        let squares = squares(page, colours);
        let near = |i: usize, n: usize| i.saturating_sub(REACH)..(i + REACH + 1).min(n);
        let places = (0..rows).flat_map(|y| (0..columns).map(move |x| (x, y)));
        let colours = places
            .map(|(x, y)| {
                std::array::from_fn(|channel| {
                    let rows = near(y, rows).map(|y| &squares[y * columns..(y + 1) * columns]);
                    let around = rows.flat_map(|row| &row[near(x, columns)]);
                    median(&mut around.map(|s| s.colour[channel]).collect::<Vec<_>>())
                })
            })
            .collect();
        Self::Grid {
            columns,
            rows,
            colours,
        }
    }

    fn at(&self, x: f32, y: f32) -> [f32; 3] {
        match self {
            Self::Surface(coefficients) => {
                let terms = terms(x, y);
                coefficients.map(|c| {
                    let sum: f32 = c.iter().zip(terms).map(|(c, t)| c * t).sum();
                    sum.clamp(0.0, 255.0)
                })
            }
            Self::Grid {
                columns,
                rows,
                colours,
            } => {
                // The two squares whose centres a place lies between, and how near it is to the second.
                let between = |at: f32, n: usize| {
                    let at = ((at + 1.0) / 2.0 * n as f32 - 0.5).clamp(0.0, (n - 1) as f32);
                    (at as usize, (at as usize + 1).min(n - 1), at.fract())
                };
                let (left, right, u) = between(x, *columns);
                let (top, bottom, v) = between(y, *rows);
                let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
                std::array::from_fn(|i| {
                    let row = |y: usize| {
                        let y = y * columns;
                        mix(colours[y + left][i], colours[y + right][i], u)
                    };
                    mix(row(top), row(bottom), v)
                })
            }
        }
    }
}

fn squares(page: &Page, colours: &[[f32; 3]]) -> Vec<Square> {
    let side = page.width.max(page.height).div_ceil(SQUARES);
    let mut squares = Vec::new();
    let mut channel = Vec::with_capacity(side * side);
    for top in (0..page.height).step_by(side) {
        for left in (0..page.width).step_by(side) {
            let (right, bottom) = ((left + side).min(page.width), (top + side).min(page.height));
            let colour = std::array::from_fn(|i| {
                channel.clear();
                for y in top..bottom {
                    let row = &colours[y * page.width + left..y * page.width + right];
                    channel.extend(row.iter().map(|c| c[i]));
                }
                median(&mut channel)
            });
            squares.push(Square {
                x: (left + right) as f32 / page.width as f32 - 1.0,
                y: (top + bottom) as f32 / page.height as f32 - 1.0,
                colour,
            });
        }
    }
    squares
}

/// The first `n` coefficients that bring `terms · coefficients` nearest to the values; a little
/// weight on small ones keeps it solvable.
fn least_squares(points: impl Iterator<Item = ([f32; 6], f32)>, n: usize) -> Option<[f32; 6]> {
    let mut system = [[0.0_f64; 7]; 6];
    for (terms, value) in points {
        for i in 0..n {
            for j in 0..n {
                system[i][j] += f64::from(terms[i]) * f64::from(terms[j]);
            }
            system[i][6] += f64::from(terms[i]) * f64::from(value);
        }
    }
    for (i, row) in system.iter_mut().enumerate().skip(1) {
        row[i] += 1e-3;
    }
    // Gauss's elimination; the matrix is symmetric and positive, so no pivoting is needed.
    for i in 0..n {
        let pivot = system[i];
        if pivot[i].abs() < 1e-9 {
            return None;
        }
        for (k, row) in system.iter_mut().enumerate().take(n) {
            if k != i {
                let factor = row[i] / pivot[i];
                for (cell, above) in row.iter_mut().zip(pivot) {
                    *cell -= factor * above;
                }
            }
        }
    }
    let mut solution = [0.0; 6];
    for i in 0..n {
        solution[i] = (system[i][6] / system[i][i]) as f32;
    }
    Some(solution)
}

pub fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

fn length(v: [f32; 3]) -> f32 {
    v.iter().map(|d| d * d).sum::<f32>().sqrt()
}

fn mean(v: [f32; 3]) -> f32 {
    v.iter().sum::<f32>() / 3.0
}
