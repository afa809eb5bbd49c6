//! Several inputs or outputs are one row of values: an example's tensors side by side.

use super::Error;
use crate::description::TensorSpec;

/// One array for each tensor becomes a row for each of `batch` examples.
///
/// # Errors
/// [`Error::InputSize`]: an array has not as many values as its tensor wants, or there is one for each tensor not.
pub(super) fn side_by_side(
    arrays: &[&[f32]],
    tensors: &[TensorSpec],
    batch: usize,
) -> Result<Vec<f32>, Error> {
    let total: usize = tensors.iter().map(TensorSpec::len).sum();
    let wrong = |found: usize, expected: usize| Error::InputSize {
        found,
        batch,
        expected,
    };
    if arrays.len() != tensors.len() {
        let found = arrays.iter().map(|array| array.len()).sum();
        return Err(wrong(found, total));
    }
    for (array, tensor) in arrays.iter().zip(tensors) {
        if tensor.len().checked_mul(batch) != Some(array.len()) {
            return Err(wrong(array.len(), tensor.len()));
        }
    }
    if let [array] = arrays {
        return Ok(array.to_vec());
    }
    let mut rows = Vec::with_capacity(total * batch);
    for example in 0..batch {
        for (array, tensor) in arrays.iter().zip(tensors) {
            let at = example * tensor.len();
            rows.extend_from_slice(&array[at..at + tensor.len()]);
        }
    }
    Ok(rows)
}

/// A row for each of `batch` examples becomes one array for each tensor.
pub(super) fn apart(rows: Vec<f32>, tensors: &[TensorSpec], batch: usize) -> Vec<Vec<f32>> {
    if tensors.len() == 1 {
        return vec![rows];
    }
    let total = (rows.len() / batch.max(1)).max(1);
    let mut begin = 0;
    let array = |tensor: &TensorSpec| {
        let here = begin..begin + tensor.len();
        begin = here.end;
        let rows = rows.chunks_exact(total);
        rows.flat_map(|row| &row[here.clone()]).copied().collect()
    };
    tensors.iter().map(array).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specs(shapes: &[&[usize]]) -> Vec<TensorSpec> {
        let spec = |(index, shape): (usize, &&[usize])| TensorSpec {
            name: format!("t{index}"),
            shape: shape.to_vec(),
        };
        shapes.iter().enumerate().map(spec).collect()
    }

    #[test]
    fn what_is_laid_side_by_side_comes_apart_again() {
        let tensors = specs(&[&[2], &[1, 3]]);
        let (a, b) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0, 9.0, 10.0]);
        let rows = side_by_side(&[&a, &b], &tensors, 2).unwrap();
        assert_eq!(rows, [1.0, 2.0, 5.0, 6.0, 7.0, 3.0, 4.0, 8.0, 9.0, 10.0]);
        assert_eq!(apart(rows, &tensors, 2), [a.to_vec(), b.to_vec()]);
    }

    #[test]
    fn arrays_of_other_sizes_are_refused() {
        let tensors = specs(&[&[2], &[3]]);
        let (two, three) = ([0.0; 2], [0.0; 3]);
        assert!(side_by_side(&[&two, &three], &tensors, 1).is_ok());
        for arrays in [&[&two[..]][..], &[&three, &two], &[&two, &three, &two]] {
            assert!(side_by_side(arrays, &tensors, 1).is_err());
        }
        assert!(side_by_side(&[&two, &three], &tensors, usize::MAX).is_err());
    }
}
