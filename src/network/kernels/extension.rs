//! A [`Program`] as one custom operation of Burn's CPU backends.
#![cfg_attr(
    feature = "ndarray",
    allow(deprecated, reason = "burn-ndarray is promised where it is built in")
)]

use std::sync::Arc;

#[cfg(feature = "ndarray")]
use burn::backend::NdArray;
use burn::backend::{
    Backend, Dispatch, Flex, TensorMetadata, backend_extension, tensor::FloatTensor,
};
use burn::tensor::{Tensor, TensorData, read_sync};

use super::Program;

/// What the CPU backends can do beside Burn's own operations.
#[cfg_attr(not(feature = "ndarray"), backend_extension(Flex))]
#[cfg_attr(feature = "ndarray", backend_extension(Flex, NdArray))]
pub trait FusedOps: Backend {
    /// Runs `program` on `[batch, input_len()]`, giving `[batch, output_len()]`.
    fn fused(input: FloatTensor<Self>, program: Arc<Program>) -> FloatTensor<Self> {
        let device = input.device();
        // Neither backend copies here: the data is the tensor's own memory.
        let data = read_sync(Self::float_into_data(input)).expect("a tensor in main memory");
        let batch = data.shape()[0];
        let mut output = vec![0.0; batch * program.output_len()];
        program.run(data.as_slice().expect("f32"), batch, &mut output);
        let shape = [batch, program.output_len()];
        Self::float_from_data(TensorData::new(output, shape), &device)
    }
}

impl FusedOps for Flex {}
#[cfg(feature = "ndarray")]
impl FusedOps for NdArray {}

/// Runs `program` on `[batch, input_len()]`, giving `[batch, output_len()]`,
/// on whichever CPU backend the tensor lives.
pub fn forward(program: &Arc<Program>, input: Tensor<2>) -> Tensor<2> {
    let output = <Dispatch as FusedOps>::fused(input.into_dispatch(), Arc::clone(program));
    Tensor::from_dispatch(output)
}
