//! NumPy's `.npz` files: arrays by name, a `.npy` file for each in a zip archive.
//!
//! Source: `numpy.savez`, `numpy.savez_compressed`, `numpy.load`.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, ZipArchive, ZipArchiveWriter};

use crate::npy::{self, Array};

/// Largest file read, and the most that its arrays may have together in their files.
const MAX_BYTES: u64 = 4 << 30;
/// Most arrays.
const MAX_ARRAYS: usize = 4096;

/// Why a file cannot be read as arrays.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no such archive.
    #[error("not a .npz file, or a damaged one: {0}")]
    Archive(String),
    /// One of its arrays cannot be read.
    #[error("array '{name}': {source}")]
    Array {
        /// Its name in the file.
        name: String,
        /// What is wrong with it.
        source: npy::Error,
    },
}

/// Reads all arrays of a file, in its order, with their names.
///
/// # Errors
/// [`Error`]; the path is not in it.
pub fn read_file(path: &Path) -> Result<Vec<(String, Array)>, Error> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    parse(&bytes)
}

/// Reads the bytes of a file.
///
/// # Errors
/// [`Error`]
pub fn parse(bytes: &[u8]) -> Result<Vec<(String, Array)>, Error> {
    let archive = ZipArchive::from_slice(bytes).map_err(damaged)?;
    let mut entries = archive.entries();
    let (mut arrays, mut left) = (Vec::new(), MAX_BYTES);
    while let Some(record) = entries.next_entry().map_err(damaged)? {
        if arrays.len() == MAX_ARRAYS {
            return Err(damaged(format!("more than {MAX_ARRAYS} arrays")));
        }
        let path = String::from_utf8_lossy(record.file_path().as_bytes()).into_owned();
        let name = path.strip_suffix(".npy").unwrap_or(&path).to_owned();
        let entry = archive.get_entry(record.wayfinder()).map_err(damaged)?;
        let (start, end) = entry.compressed_data_range();
        let data = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        let data = data.and_then(|(start, end)| bytes.get(start..end));
        let data = data.ok_or_else(|| damaged("an array lies outside the file"))?;
        let mut file = Vec::new();
        match record.compression_method() {
            CompressionMethod::STORE => entry
                .verifying_reader(data)
                .take(left + 1)
                .read_to_end(&mut file),
            CompressionMethod::DEFLATE => entry
                .verifying_reader(DeflateDecoder::new(data))
                .take(left + 1)
                .read_to_end(&mut file),
            _ => return Err(damaged("it is compressed as NumPy does not")),
        }
        .map_err(damaged)?;
        left = left
            .checked_sub(file.len() as u64)
            .ok_or_else(|| damaged(format!("it has more than {MAX_BYTES} bytes")))?;
        match npy::parse(&file) {
            Ok(array) => arrays.push((name, array)),
            Err(source) => return Err(Error::Array { name, source }),
        }
    }
    Ok(arrays)
}

/// Writes float32 arrays uncompressed, as `numpy.savez` does.
///
/// # Errors
/// Those of the file.
pub fn write_file(path: &Path, arrays: &[(String, Array)]) -> io::Result<()> {
    let mut archive = ZipArchiveWriter::new(io::BufWriter::new(File::create(path)?));
    for (name, array) in arrays {
        let (mut entry, config) = archive
            .new_file(format!("{name}.npy"))
            .compression_method(CompressionMethod::STORE)
            .start()
            .map_err(io::Error::other)?;
        let mut data = config.wrap(&mut entry);
        npy::write(&mut data, array)?;
        let (_, descriptor) = data.finish().map_err(io::Error::other)?;
        entry.finish(descriptor).map_err(io::Error::other)?;
    }
    archive.finish().map_err(io::Error::other)?.flush()
}

fn damaged(reason: impl Display) -> Error {
    Error::Archive(reason.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let array = |shape: &[usize]| Array {
            shape: shape.to_vec(),
            values: (0..shape.iter().product())
                .map(|v: usize| v as f32)
                .collect(),
        };
        let arrays = [
            ("a".to_owned(), array(&[2, 3])),
            ("tête/b".to_owned(), array(&[0, 4])),
        ];
        write_file(file.path(), &arrays).unwrap();
        assert_eq!(read_file(file.path()).unwrap(), arrays);
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let array = Array {
            shape: vec![2],
            values: vec![1.0, 2.0],
        };
        write_file(file.path(), &[("a".to_owned(), array)]).unwrap();
        let bytes = std::fs::read(file.path()).unwrap();
        assert!(parse(&bytes).is_ok());
        for end in 0..bytes.len() {
            assert!(parse(&bytes[..end]).is_err(), "{end}");
        }
        let mut other = bytes.clone();
        let at = other.windows(6).position(|bytes| bytes == b"\x93NUMPY");
        other[at.unwrap() + 70] ^= 1;
        assert!(matches!(parse(&other), Err(Error::Archive(_))));
    }
}
