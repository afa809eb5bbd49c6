//! Where the values of a picture lie in memory.

use std::ops::Range;

use super::operation::Shape;

/// A picture of one example, maybe with a border of zeros around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub shape: Shape,
    /// Pixels of border: before and after the rows, before and after the columns.
    pub border: [(usize, usize); 2],
}

impl Layout {
    /// Without a border.
    pub fn dense(shape: Shape) -> Self {
        Self {
            shape,
            border: [(0, 0); 2],
        }
    }

    pub fn is_dense(&self) -> bool {
        self.border == [(0, 0); 2]
    }

    /// The same picture with a border that is at least as wide as `border` on each side.
    pub fn widened(self, border: [(usize, usize); 2]) -> Self {
        let widest = |axis: usize| {
            let (own, other) = (self.border[axis], border[axis]);
            (own.0.max(other.0), own.1.max(other.1))
        };
        Self {
            border: [widest(0), widest(1)],
            ..self
        }
    }

    /// From one row to the next.
    pub fn pitch(&self) -> usize {
        let (left, right) = self.border[1];
        (left + self.shape.width + right) * self.shape.channels
    }

    /// Values of an example, border included.
    pub fn len(&self) -> usize {
        let (top, bottom) = self.border[0];
        (top + self.shape.height + bottom) * self.pitch()
    }

    /// Where a pixel begins. Coordinates count from the corner of the border.
    pub fn at(&self, y: usize, x: usize) -> usize {
        y * self.pitch() + x * self.shape.channels
    }

    /// Where a pixel begins. Coordinates count from the corner of the picture.
    pub fn pixel(&self, y: usize, x: usize) -> usize {
        self.at(y + self.border[0].0, x + self.border[1].0)
    }

    /// A row of the picture.
    pub fn row(&self, y: usize) -> Range<usize> {
        let begin = self.pixel(y, 0);
        begin..begin + self.shape.width * self.shape.channels
    }

    /// Every row of the picture.
    pub fn picture_rows(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let layout = *self;
        (0..layout.shape.height).map(move |y| layout.row(y))
    }

    /// The values without the border, in pieces: a single one if there is no border, else one for each row.
    pub fn rows(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let layout = *self;
        let (count, len) = if layout.is_dense() {
            (1, layout.len())
        } else {
            (layout.shape.height, layout.row(0).len())
        };
        (0..count).map(move |y| {
            let begin = layout.pixel(y, 0);
            begin..begin + len
        })
    }

    /// Fills the border with zeros.
    pub fn clear_border(&self, picture: &mut [f32]) {
        let mut done = 0;
        if !self.is_dense() {
            for row in self.rows() {
                picture[done..row.start].fill(0.0);
                done = row.end;
            }
            picture[done..self.len()].fill(0.0);
        }
    }
}
