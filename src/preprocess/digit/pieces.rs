//! Connected pieces of ink.

/// A connected piece of ink and the box around it; `right` and `bottom` are inside.
#[derive(Clone, Copy)]
pub struct Piece {
    pub area: usize,
    pub left: usize,
    pub top: usize,
    pub right: usize,
    pub bottom: usize,
}

impl Piece {
    pub fn longer_side(&self) -> usize {
        (self.right - self.left).max(self.bottom - self.top) + 1
    }

    pub fn height(&self) -> usize {
        self.bottom - self.top + 1
    }

    pub fn box_area(&self) -> usize {
        (self.right - self.left + 1) * self.height()
    }

    pub fn middle(&self) -> (usize, usize) {
        (
            usize::midpoint(self.left, self.right),
            usize::midpoint(self.top, self.bottom),
        )
    }

    /// Whether the other's box lies within this one's.
    pub fn holds(&self, other: &Self) -> bool {
        self.left < other.left
            && self.top < other.top
            && self.right > other.right
            && self.bottom > other.bottom
    }

    /// How far apart the two boxes are, along the worse axis.
    pub fn gap(&self, other: &Self) -> usize {
        let apart = |a: (usize, usize), b: (usize, usize)| {
            a.0.saturating_sub(b.1).max(b.0.saturating_sub(a.1))
        };
        apart((self.left, self.right), (other.left, other.right))
            .max(apart((self.top, self.bottom), (other.top, other.bottom)))
    }

    pub fn join(&mut self, other: &Self) {
        self.area += other.area;
        self.left = self.left.min(other.left);
        self.top = self.top.min(other.top);
        self.right = self.right.max(other.right);
        self.bottom = self.bottom.max(other.bottom);
    }
}

/// Each set pixel grows into a square that reaches `by` pixels to every side.
pub fn grow(mask: &[bool], width: usize, by: usize) -> Vec<bool> {
    if by == 0 {
        return mask.to_vec();
    }
    let height = mask.len() / width;
    let wide = grow_lines(mask, height, width, (width, 1), by);
    grow_lines(&wide, width, height, (1, width), by)
}

/// [`grow`], and back again: gaps and holes of up to twice `by` pixels are closed.
pub fn close(mask: &[bool], width: usize, by: usize) -> Vec<bool> {
    let outside: Vec<bool> = grow(mask, width, by).iter().map(|is_ink| !is_ink).collect();
    grow(&outside, width, by)
        .iter()
        .map(|is_out| !is_out)
        .collect()
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
pub fn label(
    joined: &[bool],
    mask: &[bool],
    width: usize,
    height: usize,
) -> (Vec<usize>, Vec<Piece>) {
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
