//! Compiles the protos with protox, so that a build needs no `protoc`.

use std::{env, error::Error};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "server")]
    protos::compile()?;
    shrink();
    Ok(())
}

#[cfg(feature = "server")]
mod protos {
    use std::{env, error::Error, fs, path::PathBuf};

    use prost::Message;

    const PROTOS: [&str; 1] = ["proto/mnist/v1/mnist.proto"];

    pub fn compile() -> Result<(), Box<dyn Error>> {
        // tonic-prost-build emits no rerun-if-changed for descriptor sets.
        for proto in PROTOS {
            println!("cargo::rerun-if-changed={proto}");
        }
        let descriptors = protox::compile(PROTOS, ["proto"])?;
        let out = PathBuf::from(env::var("OUT_DIR")?);
        // Server reflection answers from this.
        fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
        tonic_prost_build::configure()
            .bytes(".")
            .compile_fds(descriptors)?;
        Ok(())
    }
}

/// A static binary is one to ship: functions of the same code become one, and relocations are
/// packed, which is 4 % of it. Only the linker that rustc brings along for this target can do both.
fn shrink() {
    let is =
        |name: &str, value: &str| env::var(name).is_ok_and(|v| v.split(',').any(|v| v == value));
    if is("CARGO_CFG_TARGET_FEATURE", "crt-static")
        && is("CARGO_CFG_TARGET_ARCH", "x86_64")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
    {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
        println!("cargo::rustc-link-arg-bins=-Wl,--pack-dyn-relocs=relr");
    }
}
