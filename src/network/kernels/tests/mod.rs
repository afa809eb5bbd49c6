//! Every kernel against the plain reference, on random shapes and on every
//! instruction set this machine has.

mod graphs;
mod kernels;

use std::sync::Arc;

use super::operation::{Conv2d, DepthwiseConv2d, Shape, Window};
use super::simd::Isa;
use super::{Activation, Builder, Value, reference};

/// A generator whose numbers are the same everywhere (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn between(&mut self, first: usize, last: usize) -> usize {
        first + self.below(last - first + 1)
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// In -1..1; every fourth is zero.
    fn values(&mut self, len: usize) -> Vec<f32> {
        (0..len)
            .map(|_| match self.below(4) {
                0 => 0.0,
                _ => self.below(2000) as f32 / 1000.0 - 1.0,
            })
            .collect()
    }

    fn window(&mut self, input: Shape, dilated: bool) -> Window {
        let mut window = Window {
            size: [0; 2],
            strides: [self.between(1, 3), self.between(1, 3)],
            dilation: [1; 2],
            padding: [(0, 0); 2],
        };
        for (axis, size) in [input.height, input.width].into_iter().enumerate() {
            window.size[axis] = self.between(1, size.min(5));
            let room = (size - 1) / window.size[axis];
            if dilated && room > 1 {
                window.dilation[axis] = self.between(1, 2);
            }
            if self.below(2) == 0 {
                let most = window.size[axis] - 1;
                window.padding[axis] = (self.between(0, most), self.between(0, most));
            }
        }
        window
    }

    /// Not the exponential: one of another is too large for float32.
    fn activation(&mut self) -> Activation {
        let mut small = ALL.to_vec();
        small.retain(|activation| *activation != Activation::Exponential);
        self.pick(&small)
    }
}

const ALL: [Activation; 16] = [
    Activation::LINEAR,
    Activation::RELU,
    Activation::RELU6,
    Activation::Leaky {
        slope: 0.2,
        threshold: 0.1,
        high: 0.7,
    },
    Activation::Elu {
        scale: 1.05,
        alpha: 1.75,
    },
    Activation::Sigmoid,
    Activation::Silu,
    Activation::Tanh,
    Activation::HardSigmoid,
    Activation::HardSilu,
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Softplus,
    Activation::Softsign,
    Activation::Mish,
    Activation::Exponential,
];

fn shape(height: usize, width: usize, channels: usize) -> Shape {
    Shape {
        height,
        width,
        channels,
    }
}

/// Compares a program with the reference for some batches, on all instruction sets.
fn check(builder: &Builder, output: Value, random: &mut Random) {
    let nodes = builder.nodes();
    let input_len = nodes[0].shape.values();
    for isa in Isa::all() {
        let program = builder.clone().build_for(output, isa).unwrap();
        for batch in [1, 2, 5, 13] {
            let mut input = random.values(batch * input_len);
            if batch > 5 {
                // As empty as a handwritten digit, which has a kernel of its own.
                input.iter_mut().for_each(|value| {
                    if random.below(5) > 0 {
                        *value = 0.0;
                    }
                });
            }
            let mut found = vec![f32::NAN; batch * program.output_len()];
            program.run(&input, batch, &mut found);
            for (example, found) in found.chunks(program.output_len()).enumerate() {
                let input = &input[example * input_len..][..input_len];
                let expected = reference::run(nodes, output.0, input);
                let largest = expected.iter().fold(1.0_f64, |max, x| max.max(x.abs()));
                for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    let error = (f64::from(*found) - expected).abs() / largest;
                    assert!(
                        error < 1e-5,
                        "{isa:?}, batch {batch}: value {at} of example {example} is {found}, \
                         expected {expected}: {nodes:?}"
                    );
                }
            }
        }
    }
}

fn conv(
    random: &mut Random,
    window: Window,
    [channels, filters]: [usize; 2],
    groups: usize,
) -> Conv2d {
    let depth = window.size[0] * window.size[1] * channels / groups;
    Conv2d {
        window,
        input_dilation: [1, 1],
        groups,
        kernel: Arc::new(random.values(depth * filters)),
        bias: Arc::new(random.values(filters)),
        activation: random.activation(),
    }
}

fn depthwise(random: &mut Random, window: Window, filters: usize) -> DepthwiseConv2d {
    DepthwiseConv2d {
        window,
        kernel: Arc::new(random.values(window.size[0] * window.size[1] * filters)),
        bias: Arc::new(random.values(filters)),
        activation: random.activation(),
    }
}

const HALVING: Window = Window {
    size: [2, 2],
    strides: [2, 2],
    dilation: [1, 1],
    padding: [(0, 0); 2],
};

fn padded(size: usize, stride: usize) -> Window {
    Window {
        size: [size; 2],
        strides: [stride; 2],
        dilation: [1; 2],
        padding: [(size / 2, size / 2); 2],
    }
}
