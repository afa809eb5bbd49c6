//! The zip archive around a Keras 3 model: three members, each bounded before it is read.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{Read, copy, sink};

use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, ZipArchive, ZipSliceEntry};

use crate::keras::Error;

const METADATA: &str = "metadata.json";
const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.weights.h5";

/// Most members of an archive; Keras writes three, and a few more with assets.
const MAX_MEMBERS: usize = 4096;
const MAX_METADATA: usize = 64 << 10;
const MAX_CONFIG: usize = 4 << 20;
const MAX_WEIGHTS: usize = 1 << 30;
/// Most that a deflated member may grow, plus one MiB. Keras itself refuses beyond 100 times
/// (`keras.src.saving.saving_lib._reject_zip_bomb`).
const MAX_EXPANSION: usize = 100;

/// The members of a Keras 3 archive; stored ones are borrowed from it.
pub(in crate::keras) struct Members<'a> {
    pub metadata: Cow<'a, [u8]>,
    pub config: Cow<'a, [u8]>,
    pub weights: Cow<'a, [u8]>,
}

/// Takes the archive apart.
///
/// # Errors
/// A damaged archive, a member that is missing, double, encrypted, compressed by other means than
/// deflate, too large, or not what its checksum promises.
pub(in crate::keras) fn open(bytes: &[u8]) -> Result<Members<'_>, Error> {
    let archive = ZipArchive::from_slice(bytes).map_err(|e| damaged(format!("{e}; cut short?")))?;
    let (mut metadata, mut config, mut weights) = (None, None, None);
    let mut entries = archive.entries();
    let mut count = 0_usize;
    let mut has_arrays = false;
    while let Some(record) = entries.next_entry().map_err(damaged)? {
        count += 1;
        if count > MAX_MEMBERS {
            return Err(damaged(format!("more than {MAX_MEMBERS} members")));
        }
        let path = record.file_path();
        let (name, limit, slot) = match path.as_bytes() {
            b"metadata.json" => (METADATA, MAX_METADATA, &mut metadata),
            b"config.json" => (CONFIG, MAX_CONFIG, &mut config),
            b"model.weights.h5" => (WEIGHTS, MAX_WEIGHTS, &mut weights),
            b"model.weights.npz" => {
                has_arrays = true;
                continue;
            }
            _ => continue,
        };
        if slot.is_some() {
            return Err(damaged(format!("{name} is there twice")));
        }
        if record.flags().is_encrypted() {
            return Err(damaged(format!("{name} is encrypted")));
        }
        let entry = archive
            .get_entry(record.wayfinder())
            .map_err(|e| damaged(format!("{name}: {e}")))?;
        if entry.local_header().file_path().as_bytes() != path.as_bytes() {
            return Err(damaged(format!(
                "{name} has another name in its own header"
            )));
        }
        let (start, end) = entry.compressed_data_range();
        let data = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        let data = data.and_then(|(start, end)| bytes.get(start..end));
        let data = data.ok_or_else(|| damaged(format!("{name} lies outside the file")))?;
        let member = match record.compression_method() {
            CompressionMethod::STORE => stored(name, &entry, data, limit)?,
            CompressionMethod::DEFLATE => inflate(name, &entry, data, limit)?,
            other => {
                return Err(damaged(format!(
                    "{name} is compressed by method {}, only stored and deflated members are read",
                    other.as_u16()
                )));
            }
        };
        *slot = Some(member);
    }
    if has_arrays && weights.is_none() {
        return Err(Error::Format(
            "the weights of this archive are a pickle of Python (model.weights.npz), which is not \
             read: load it in Keras and save it with model.save(\"model.keras\")"
                .to_owned(),
        ));
    }
    let [metadata, config, weights] = [(METADATA, metadata), (CONFIG, config), (WEIGHTS, weights)]
        .map(|(name, member)| member.ok_or_else(|| missing(name)));
    Ok(Members {
        metadata: metadata?,
        config: config?,
        weights: weights?,
    })
}

fn stored<'a>(
    name: &str,
    entry: &ZipSliceEntry,
    data: &'a [u8],
    limit: usize,
) -> Result<Cow<'a, [u8]>, Error> {
    if data.len() > limit {
        return Err(too_large(name, limit));
    }
    copy(&mut entry.verifying_reader(data), &mut sink())
        .map_err(|e| damaged(format!("{name}: {e}")))?;
    Ok(Cow::Borrowed(data))
}

/// Inflates a member. What the archive says of its size is not used: the reader is cut off.
fn inflate<'a>(
    name: &str,
    entry: &ZipSliceEntry,
    data: &[u8],
    limit: usize,
) -> Result<Cow<'a, [u8]>, Error> {
    let limit = limit.min(
        data.len()
            .saturating_mul(MAX_EXPANSION)
            .saturating_add(1 << 20),
    );
    let mut member = Vec::new();
    entry
        .verifying_reader(DeflateDecoder::new(data))
        .take(limit as u64 + 1)
        .read_to_end(&mut member)
        .map_err(|e| damaged(format!("{name}: {e}")))?;
    if member.len() > limit {
        return Err(too_large(name, limit));
    }
    Ok(Cow::Owned(member))
}

fn missing(name: &str) -> Error {
    Error::Format(format!(
        "a zip archive without {name}, so not a Keras model; a .keras file has {METADATA}, {CONFIG} and {WEIGHTS}"
    ))
}

fn too_large(name: &str, limit: usize) -> Error {
    damaged(format!("{name} is larger than the {limit} bytes allowed"))
}

fn damaged(reason: impl Display) -> Error {
    Error::Archive(reason.to_string())
}
