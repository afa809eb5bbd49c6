//! How much a layer computes, so that a small file cannot ask for hours. Everything saturates.

/// The product of the sizes, times what is given.
pub(super) fn times<'a>(product: u64, sizes: impl IntoIterator<Item = &'a usize>) -> u64 {
    let sizes = sizes.into_iter();
    sizes.fold(product, |product, &size| {
        product.saturating_mul(size as u64)
    })
}

/// Values of one example of that shape.
pub(super) fn count(shape: &[usize]) -> u64 {
    times(1, shape)
}

/// The work of a layer that looks at each value of its one input, and makes each value of its
/// output, once or a few times.
pub(super) fn each_value(inputs: &[&[usize]], output: &[usize]) -> u64 {
    let read = inputs.first().map_or(0, |input| count(input));
    count(output).max(read)
}
