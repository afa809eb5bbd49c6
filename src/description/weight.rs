//! The weights that a layer asks for.

/// A weight that a layer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightSpec {
    /// Its name, as the layer documents it.
    pub name: &'static str,
    /// Its shape.
    pub shape: Vec<usize>,
}

/// What a layer without weights asks for.
pub(super) const NO_WEIGHTS: Vec<WeightSpec> = Vec::new();

pub(super) fn weight(name: &'static str, shape: Vec<usize>) -> WeightSpec {
    WeightSpec { name, shape }
}

/// A `kernel` of that shape, and a `bias` with one value for each of its outputs.
pub(super) fn kernel_and_bias(
    kernel: Vec<usize>,
    outputs: usize,
    use_bias: bool,
) -> Vec<WeightSpec> {
    let mut weights = vec![weight("kernel", kernel)];
    if use_bias {
        weights.push(weight("bias", vec![outputs]));
    }
    weights
}

/// The first input of a layer; a shape without axes where there is no input.
pub(super) fn first<'a>(inputs: &[&'a [usize]]) -> &'a [usize] {
    inputs.first().copied().unwrap_or(&[])
}

/// The sizes of some axes; 0 for one that is not there.
pub(super) fn sizes(input: &[usize], axes: &[usize]) -> Vec<usize> {
    let size = |&axis: &usize| input.get(axis).copied().unwrap_or(0);
    axes.iter().map(size).collect()
}
