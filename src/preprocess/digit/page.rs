//! A picture at working size: small enough to be looked at many times, upright, in linear steps of
//! 0 to 255.

use crate::preprocess::Size;
use crate::preprocess::exif::Orientation;
use crate::preprocess::picture::Picture;

/// The longest side of a working page. A digit that fills a tenth of it still has 64 pixels for
/// the 20 that it needs.
pub const LONGEST: usize = 640;

pub struct Page {
    pub width: usize,
    pub height: usize,
    /// Red, green, blue: averages over what is opaque.
    pub colours: Vec<[f32; 3]>,
    /// 0 (transparent) to 1; `None` where the whole picture is opaque.
    pub alpha: Option<Vec<f32>>,
}

impl Page {
    /// How many pixels the page of a picture has.
    pub fn pixels(of: Size) -> usize {
        let side = of.width.max(of.height).div_ceil(LONGEST);
        of.width.div_ceil(side) * of.height.div_ceil(side)
    }

    /// Averages squares of pixels so that no side is longer than [`LONGEST`].
    pub fn of(picture: &Picture) -> Self {
        let side = picture.width.max(picture.height).div_ceil(LONGEST);
        let (width, height) = (picture.width.div_ceil(side), picture.height.div_ceil(side));
        let channels = picture.layout.channels();
        let mut colours = Vec::with_capacity(width * height);
        let mut alphas = Vec::with_capacity(width * height);
        let mut sums = vec![[0_u64; 5]; width];
        for rows in picture.samples.chunks(side * picture.width * channels) {
            sums.fill([0; 5]);
            for row in rows.chunks_exact(picture.width * channels) {
                for (square, sum) in row.chunks(side * channels).zip(&mut sums) {
                    for pixel in square.chunks_exact(channels) {
                        let [r, g, b, a] = picture.layout.rgba(pixel).map(u64::from);
                        sum[0] += r * a;
                        sum[1] += g * a;
                        sum[2] += b * a;
                        sum[3] += a;
                        sum[4] += 255;
                    }
                }
            }
            for [r, g, b, a, all] in &sums {
                let opaque = (*a).max(1) as f32;
                colours.push([*r as f32 / opaque, *g as f32 / opaque, *b as f32 / opaque]);
                alphas.push(*a as f32 / (*all).max(1) as f32);
            }
        }
        let is_opaque = alphas.iter().all(|&a| a == 1.0);
        let page = Self {
            width,
            height,
            colours,
            alpha: (!is_opaque).then_some(alphas),
        };
        page.turned(picture.orientation)
    }

    /// A page of another size, each pixel of which is looked up where its middle lies on this one; straight lines between
    /// the middles of the pixels here.
    pub fn seen(
        &self,
        (width, height): (usize, usize),
        from: impl Fn(f32, f32) -> (f32, f32),
    ) -> Self {
        let mut colours = Vec::with_capacity(width * height);
        let mut alphas = Vec::with_capacity(self.alpha.as_ref().map_or(0, |_| width * height));
        let between = |at: f32, n: usize| {
            let at = (at - 0.5).clamp(0.0, (n - 1) as f32);
            (at as usize, (at as usize + 1).min(n - 1), at.fract())
        };
        let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
        for y in 0..height {
            for x in 0..width {
                let (x, y) = from(x as f32 + 0.5, y as f32 + 0.5);
                let (left, right, u) = between(x, self.width);
                let (top, bottom, v) = between(y, self.height);
                let corners = [(top, left), (top, right), (bottom, left), (bottom, right)];
                let [a, b, c, d] = corners.map(|(y, x)| y * self.width + x);
                let blend =
                    |of: &dyn Fn(usize) -> f32| mix(mix(of(a), of(b), u), mix(of(c), of(d), u), v);
                colours.push(std::array::from_fn(|i| blend(&|at| self.colours[at][i])));
                if let Some(alpha) = &self.alpha {
                    alphas.push(blend(&|at| alpha[at]));
                }
            }
        }
        Self {
            width,
            height,
            colours,
            alpha: self.alpha.as_ref().map(|_| alphas),
        }
    }

    fn turned(self, turn: Orientation) -> Self {
        if turn == Orientation::default() {
            return self;
        }
        let (width, height) = if turn.transpose {
            (self.height, self.width)
        } else {
            (self.width, self.height)
        };
        let places: Vec<usize> = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .map(|(x, y)| {
                let x = if turn.mirror_x { width - 1 - x } else { x };
                let y = if turn.mirror_y { height - 1 - y } else { y };
                let (x, y) = if turn.transpose { (y, x) } else { (x, y) };
                y * self.width + x
            })
            .collect();
        Self {
            width,
            height,
            colours: places.iter().map(|&at| self.colours[at]).collect(),
            alpha: self
                .alpha
                .map(|alpha| places.iter().map(|&at| alpha[at]).collect()),
        }
    }
}
