//! Whatever the graph compiler and the fused kernels do, a network answers as its layers say.

mod compiler;
mod layers;
mod pictures;
mod support;
