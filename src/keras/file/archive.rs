//! The zip archive around a Keras 3 model: three members, each bounded before it is read.

use std::fmt::Display;
use std::io::{BufReader, Read, copy, sink};

use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, RECOMMENDED_BUFFER_SIZE, ZipEntry, ZipLocator};

use super::bytes::Bytes;
use crate::keras::Error;

pub(in crate::keras) const METADATA: &str = "metadata.json";
pub(in crate::keras) const CONFIG: &str = "config.json";
pub(in crate::keras) const WEIGHTS: &str = "model.weights.h5";

/// Most members of an archive; Keras writes three, and a few more with assets.
const MAX_MEMBERS: usize = 4096;
pub(in crate::keras) const MAX_METADATA: u64 = 64 << 10;
pub(in crate::keras) const MAX_CONFIG: u64 = 4 << 20;
/// Most that is inflated into memory. What lies in the archive as it is may be of any size: only the
/// weights of it are read.
const MAX_INFLATED: u64 = 1 << 30;
/// Most that a deflated member may grow, plus one MiB. Keras itself refuses beyond 100 times
/// (`keras.src.saving.saving_lib._reject_zip_bomb`).
const MAX_EXPANSION: u64 = 100;

type Entry<'a> = ZipEntry<'a, Bytes<'a>>;

/// The members of a Keras 3 archive.
pub(in crate::keras) struct Members<'a> {
    pub metadata: Vec<u8>,
    pub config: Vec<u8>,
    pub weights: Member<'a>,
}

/// A member of an archive.
pub(in crate::keras) enum Member<'a> {
    /// It lies in the archive as it is.
    Stored(Bytes<'a>),
    Inflated(Vec<u8>),
}

impl Member<'_> {
    pub fn bytes(&self) -> Bytes<'_> {
        match self {
            Self::Stored(bytes) => *bytes,
            Self::Inflated(bytes) => bytes[..].into(),
        }
    }

    fn into_vec(self) -> Result<Vec<u8>, Error> {
        match self {
            Self::Stored(bytes) => bytes.read().map_err(damaged),
            Self::Inflated(bytes) => Ok(bytes),
        }
    }
}

/// Takes the archive apart.
///
/// # Errors
/// A damaged archive, a member that is missing, double, encrypted, compressed by other means than
/// deflate, too large, or not what its checksum promises.
pub(in crate::keras) fn open(bytes: Bytes<'_>) -> Result<Members<'_>, Error> {
    let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
    let archive = ZipLocator::new().locate_in_reader(bytes, &mut buffer, bytes.len());
    let archive = archive.map_err(|(_, e)| damaged(format!("{e}; cut short?")))?;
    let (mut metadata, mut config, mut weights) = (None, None, None);
    let mut entries = archive.entries(&mut buffer);
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
            b"model.weights.h5" => (WEIGHTS, u64::MAX, &mut weights),
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
        let mut header = vec![0; RECOMMENDED_BUFFER_SIZE];
        let header = entry.local_header(&mut header).map_err(damaged)?;
        if header.file_path().as_bytes() != path.as_bytes() {
            return Err(damaged(format!(
                "{name} has another name in its own header"
            )));
        }
        let (start, end) = entry.compressed_data_range();
        let data = end
            .checked_sub(start)
            .and_then(|len| bytes.part(start, len));
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
        metadata: metadata?.into_vec()?,
        config: config?.into_vec()?,
        weights: weights?,
    })
}

fn stored<'a>(name: &str, entry: &Entry, data: Bytes<'a>, limit: u64) -> Result<Member<'a>, Error> {
    if data.len() > limit {
        return Err(too_large(name, limit));
    }
    copy(&mut entry.verifying_reader(entry.reader()), &mut sink())
        .map_err(|e| damaged(format!("{name}: {e}")))?;
    Ok(Member::Stored(data))
}

/// Inflates a member. What the archive says of its size is not used: the reader is cut off.
fn inflate<'a>(name: &str, entry: &Entry, data: Bytes, limit: u64) -> Result<Member<'a>, Error> {
    let limit = limit.min(MAX_INFLATED).min(
        data.len()
            .saturating_mul(MAX_EXPANSION)
            .saturating_add(1 << 20),
    );
    let mut member = Vec::new();
    let packed = BufReader::new(entry.reader());
    entry
        .verifying_reader(DeflateDecoder::new(packed))
        .take(limit + 1)
        .read_to_end(&mut member)
        .map_err(|e| damaged(format!("{name}: {e}")))?;
    if member.len() as u64 > limit {
        return Err(too_large(name, limit));
    }
    Ok(Member::Inflated(member))
}

fn missing(name: &str) -> Error {
    Error::Format(format!(
        "a zip archive without {name}, so not a Keras model; a .keras file has {METADATA}, {CONFIG} and {WEIGHTS}"
    ))
}

fn too_large(name: &str, limit: u64) -> Error {
    damaged(format!("{name} is larger than the {limit} bytes allowed"))
}

fn damaged(reason: impl Display) -> Error {
    Error::Archive(reason.to_string())
}
