//! What speaks against a digit: no edges, or others like it.

use super::Field;
use super::levels::Levels;
use super::pieces::Piece;

/// The mean change of strength across the outline, as a share of the way from paper to ink: a stroke has edges, light that
/// fades has none.
pub fn sharpness(strength: &Field, levels: &Levels, kept: &[bool], stroke: f32) -> f32 {
    let (width, height) = (strength.width, strength.height);
    let reach = (stroke / 4.0) as usize + 1;
    let share = |at: usize| levels.share(strength.values[at]);
    let (mut sum, mut count) = (0.0, 0_u32);
    for at in (0..kept.len()).filter(|&at| kept[at]) {
        let (x, y) = (at % width, at / width);
        for (i, n, step) in [(x, width, 1), (y, height, width)] {
            if i < reach || i + reach >= n {
                continue;
            }
            for (outside, deep, far) in [
                (at + step, at + step - reach * step, at + reach * step),
                (at - step, at + reach * step - step, at - reach * step),
            ] {
                if !kept[outside] {
                    sum += share(deep) - share(far);
                    count += 1;
                }
            }
        }
    }
    if count == 0 { 1.0 } else { sum / count as f32 }
}

/// How many pieces beside the first of those that were chosen are as large as a digit beside it.
pub fn others(pieces: &[Piece], chosen: &[bool], (width, height): (usize, usize)) -> usize {
    let picked = || {
        pieces
            .iter()
            .zip(chosen)
            .filter(|(_, chosen)| **chosen)
            .map(|(piece, _)| piece)
    };
    let Some(digit) = picked().copied().reduce(|mut digit, piece| {
        digit.join(&piece);
        digit
    }) else {
        return 0;
    };
    let is_cut = |piece: &Piece| {
        piece.left == 0 || piece.top == 0 || piece.right + 1 >= width || piece.bottom + 1 >= height
    };
    let is_like_it = |piece: &&Piece| {
        let (a, b) = (piece.height(), digit.height());
        let overlap = (piece.bottom.min(digit.bottom) + 1).saturating_sub(piece.top.max(digit.top));
        !is_cut(piece)
            && 10 * a.min(b) > 6 * a.max(b)
            && 2 * overlap > a.min(b)
            && 4 * piece.area > digit.area
            && piece.area < 4 * digit.area
    };
    let rest = pieces.iter().zip(chosen).filter(|(_, chosen)| !**chosen);
    rest.map(|(piece, _)| piece).filter(is_like_it).count() + side_by_side(picked(), digit.height())
}

/// How many pieces that were not chosen cover at least a quarter of what the largest of those that were covers.
pub fn alike(pieces: &[Piece], chosen: &[bool]) -> usize {
    let areas = |of: bool| {
        let some = pieces
            .iter()
            .zip(chosen)
            .filter(move |(_, chosen)| **chosen == of);
        some.map(|(piece, _)| piece.area)
    };
    let largest = areas(true).max().unwrap_or(0);
    areas(false).filter(|area| 4 * area >= largest).count()
}

/// How many pieces of the digit stand beside its first one, as high as all of it, nearly.
fn side_by_side<'a>(pieces: impl Iterator<Item = &'a Piece>, height: usize) -> usize {
    let mut high: Vec<&Piece> = pieces
        .filter(|piece| 10 * piece.height() > 7 * height)
        .collect();
    high.sort_by_key(|piece| piece.left);
    let largest = high.iter().map(|piece| piece.area).max().unwrap_or(0);
    high.retain(|piece| 10 * piece.area > 3 * largest);
    high.windows(2)
        .filter(|pair| pair[0].right < pair[1].left)
        .count()
}
