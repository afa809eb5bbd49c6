//! The instruction set, found at run time, and memory aligned for it.

use std::any::TypeId;

use pulp::{Simd, WithSimd};

/// An instruction set that the kernels are compiled for and this machine has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Isa {
    /// AVX-512, 16 lanes.
    #[cfg(target_arch = "x86_64")]
    V4(pulp::x86::V4),
    /// AVX2 and FMA, 8 lanes.
    #[cfg(target_arch = "x86_64")]
    V3(pulp::x86::V3),
    /// NEON, 4 lanes.
    #[cfg(target_arch = "aarch64")]
    Neon(pulp::aarch64::Neon),
    /// Plain Rust in groups of 4, from which the compiler makes SSE2 or the like.
    Portable,
}

impl Isa {
    /// Every one this machine has, the widest first.
    pub fn all() -> Vec<Self> {
        let found = [
            #[cfg(target_arch = "x86_64")]
            pulp::x86::V4::try_new().map(Self::V4),
            #[cfg(target_arch = "x86_64")]
            pulp::x86::V3::try_new().map(Self::V3),
            #[cfg(target_arch = "aarch64")]
            pulp::aarch64::Neon::try_new().map(Self::Neon),
            Some(Self::Portable),
        ];
        found.into_iter().flatten().collect()
    }

    /// Floats in a vector.
    pub fn lanes(self) -> usize {
        struct Lanes;
        impl WithSimd for Lanes {
            type Output = usize;
            fn with_simd<S: Simd>(self, _simd: S) -> usize {
                S::F32_LANES
            }
        }
        self.run(Lanes)
    }

    /// The instruction set with vectors of half the length, if that is worth having.
    pub fn halved(self) -> Option<Self> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::V4(simd) => Some(Self::V3(*simd)),
            _ => None,
        }
    }

    /// How many vectors of sums wide a tile may be: 4 with 32 registers, else 2.
    pub fn widest(self) -> usize {
        struct Widest;
        impl WithSimd for Widest {
            type Output = usize;
            fn with_simd<S: Simd>(self, _simd: S) -> usize {
                if S::REGISTER_COUNT >= 32 { 4 } else { 2 }
            }
        }
        self.run(Widest)
    }

    /// Runs `op` compiled for this instruction set.
    #[inline]
    pub fn run<Op: WithSimd>(self, op: Op) -> Op::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::V4(simd) => Simd::vectorize(simd, op),
            #[cfg(target_arch = "x86_64")]
            Self::V3(simd) => Simd::vectorize(simd, op),
            #[cfg(target_arch = "aarch64")]
            Self::Neon(simd) => Simd::vectorize(simd, op),
            Self::Portable => Simd::vectorize(pulp::Scalar128b, op),
        }
    }
}

/// `a * b + c`, in one step where the machine has such an instruction.
#[inline(always)]
pub(super) fn fma<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    // Without the instruction Rust calls a function that is a hundred times slower.
    if TypeId::of::<S>() == TypeId::of::<pulp::Scalar128b>() {
        simd.add_f32s(simd.mul_f32s(a, b), c)
    } else {
        simd.mul_add_e_f32s(a, b, c)
    }
}

/// Loads a vector of which the end may be missing.
#[inline(always)]
pub(super) fn load<S: Simd>(simd: S, from: &[f32]) -> S::f32s {
    match S::as_simd_f32s(from).0 {
        [full, ..] => *full,
        [] => simd.partial_load_f32s(from),
    }
}

/// Loads a whole vector.
#[inline(always)]
pub(super) fn load_full<S: Simd>(from: &[f32]) -> S::f32s {
    S::as_simd_f32s(&from[..S::F32_LANES]).0[0]
}

/// Stores a vector of which the end may be missing.
#[inline(always)]
pub(super) fn store<S: Simd>(simd: S, to: &mut [f32], vector: S::f32s) {
    if to.len() == S::F32_LANES {
        S::as_mut_simd_f32s(to).0[0] = vector;
    } else {
        simd.partial_store_f32s(to, vector);
    }
}

/// Floats that begin at a cache line.
#[derive(Debug, Default)]
pub(super) struct Aligned {
    values: Vec<f32>,
    start: usize,
}

/// Bytes in a cache line, and floats.
const LINE: usize = 64;
pub(super) const LINE_VALUES: usize = LINE / size_of::<f32>();

impl Aligned {
    /// At least `len` values; what they are is not defined.
    pub fn ensure(&mut self, len: usize) {
        if self.values.len() < self.start + len {
            *self = Self::zeros(len);
        }
    }

    pub fn zeros(len: usize) -> Self {
        let values = vec![0.0; len + LINE_VALUES];
        // Unknown alignment (Miri may say so) is not wrong, only slower.
        let start = values.as_ptr().align_offset(LINE);
        let start = if start > LINE_VALUES { 0 } else { start };
        Self { values, start }
    }

    pub fn as_slice(&self) -> &[f32] {
        &self.values[self.start..]
    }

    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut self.values[self.start..]
    }
}
