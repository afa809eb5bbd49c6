//! Compiles the protos with protox, so that a build needs no `protoc`.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const PROTOS: [&str; 1] = ["proto/mnist/v1/mnist.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    // tonic-prost-build emits no rerun-if-changed for descriptor sets.
    for proto in PROTOS {
        println!("cargo::rerun-if-changed={proto}");
    }
    println!("cargo::rerun-if-changed=build.rs");

    let descriptors = protox::compile(PROTOS, ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // Server reflection answers from this.
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".")
        .codec_path("crate::grpc::Codec")
        .compile_fds(descriptors)?;
    Ok(())
}
