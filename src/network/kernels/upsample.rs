//! Nearest upsampling: every row and every column is repeated.

use super::layout::Layout;

#[derive(Debug)]
pub(super) struct Upsample {
    /// How many times each row and each column stands in the result.
    pub times: [usize; 2],
    pub input: Layout,
    pub output: Layout,
}

impl Upsample {
    /// One example.
    pub fn run(&self, from: &[f32], to: &mut [f32]) {
        let [down, right] = self.times;
        let channels = self.output.shape.channels;
        for (y, from_row) in self.input.picture_rows().enumerate() {
            let first = self.output.row(y * down);
            let pixels = to[first.clone()].chunks_exact_mut(channels * right);
            for (pixel, same) in from[from_row].chunks_exact(channels).zip(pixels) {
                for to in same.chunks_exact_mut(channels) {
                    to.copy_from_slice(pixel);
                }
            }
            for again in 1..down {
                let row = self.output.row(y * down + again);
                to.copy_within(first.clone(), row.start);
            }
        }
    }
}
