//! Compiles the protos with protox, so that a build needs no `protoc`, and makes one file of each page's parts.

use std::{env, error::Error};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "server")]
    {
        protos::compile()?;
        documents::compile("page")?;
        documents::compile("docs")?;
        documents::compress("openapi", "json")?;
    }
    shrink();
    Ok(())
}

#[cfg(feature = "server")]
mod protos {
    use std::{
        env,
        error::Error,
        fs,
        path::{Path, PathBuf},
    };

    use prost::Message;

    const PROTOS: [&str; 2] = ["mnist/v1/mnist.proto", "kiln/v1/classifier.proto"];

    pub fn compile() -> Result<(), Box<dyn Error>> {
        let out = PathBuf::from(env::var("OUT_DIR")?);
        for proto in PROTOS {
            // tonic-prost-build emits no rerun-if-changed for descriptor sets.
            println!("cargo::rerun-if-changed=proto/{proto}");
            let descriptors = protox::compile([proto], ["proto"])?;
            // Server reflection answers from this.
            let name = Path::new(proto).with_extension("bin");
            let name = name.file_name().ok_or("a proto without a name")?;
            fs::write(out.join(name), descriptors.encode_to_vec())?;
            tonic_prost_build::configure()
                .bytes(".")
                .compile_fds(descriptors)?;
        }
        Ok(())
    }
}

/// A page's style and scripts are files of their own; served is one document, gzipped, that may run those scripts alone.
#[cfg(feature = "server")]
mod documents {
    use std::{env, error::Error, fs, io::Write, path::Path};

    use base64::{Engine, engine::general_purpose::STANDARD};
    use flate2::{Compression, write::GzEncoder};
    use sha2::{Digest, Sha256};

    const STYLE: (&str, &str) = ("<link rel=\"stylesheet\" href=\"", "\">");
    const SCRIPT: (&str, &str) = ("<script src=\"", "\"></script>");

    /// From `src/http/NAME/index.html`: NAME.gz, NAME.policy (its Content-Security-Policy) and NAME.tag (its ETag).
    pub fn compile(name: &str) -> Result<(), Box<dyn Error>> {
        let folder = Path::new("src/http").join(name);
        println!("cargo::rerun-if-changed={}", folder.display());
        let index = fs::read_to_string(folder.join("index.html"))?;
        let (html, styles) = put_in(&index, STYLE, "style", &folder)?;
        let (html, scripts) = put_in(&html, SCRIPT, "script", &folder)?;
        let policy = format!(
            "default-src 'none'; script-src {scripts}; style-src {styles}; connect-src 'self'; \
             img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        keep(name, &html, &policy)
    }

    /// From `src/http/NAME.EXTENSION`: the same of a file that is no page.
    pub fn compress(name: &str, extension: &str) -> Result<(), Box<dyn Error>> {
        let file = Path::new("src/http").join(name).with_extension(extension);
        println!("cargo::rerun-if-changed={}", file.display());
        keep(name, &fs::read_to_string(file)?, "default-src 'none'")
    }

    fn keep(name: &str, text: &str, policy: &str) -> Result<(), Box<dyn Error>> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(text.as_bytes())?;
        let out = Path::new(&env::var("OUT_DIR")?).join(name);
        fs::write(out.with_extension("gz"), gzip.finish()?)?;
        fs::write(out.with_extension("policy"), policy)?;
        // Weak: it is of the text, gzipped or not.
        fs::write(out.with_extension("tag"), format!("W/\"{}\"", digest(text)))?;
        Ok(())
    }

    /// Puts each file that `index` names between `marks` in its place, and tells their digests as a policy lists them.
    fn put_in(
        index: &str,
        marks: (&str, &str),
        tag: &str,
        folder: &Path,
    ) -> Result<(String, String), Box<dyn Error>> {
        let mut parts = index.split(marks.0);
        let mut html = parts.next().unwrap_or_default().to_owned();
        let mut digests = Vec::new();
        for part in parts {
            let (file, rest) = part.split_once(marks.1).ok_or("a tag that does not end")?;
            let content = fs::read_to_string(folder.join(file))?;
            html += &format!("<{tag}>{content}</{tag}>{rest}");
            digests.push(format!("'sha256-{}'", digest(&content)));
        }
        Ok((html, digests.join(" ")))
    }

    fn digest(text: &str) -> String {
        STANDARD.encode(Sha256::digest(text))
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
