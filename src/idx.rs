//! IDX files, the format MNIST is published in, gzipped or not.
//!
//! Source: "The IDX file format" on the MNIST page of LeCun, Cortes and Burges.
//! Only unsigned bytes, the type of every MNIST-like set, are read.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::GzDecoder;

/// Largest file read, unpacked: ten times the MNIST training images.
const MAX_BYTES: u64 = 512 << 20;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const UNSIGNED_BYTE: u8 = 0x08;

/// An array of bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Idx {
    /// The size of each axis.
    pub shape: Vec<usize>,
    /// The values, row by row: as many as the shape says.
    pub values: Vec<u8>,
}

/// Why a file is not one of these.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read or unpacked.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It begins like something else.
    #[error("not an IDX file of unsigned bytes, as MNIST's t10k-images-idx3-ubyte.gz is, {}", seems(.0))]
    Magic(Vec<u8>),
    /// Its header announces something else than follows.
    #[error("its header announces {shape:?}, and {found} bytes follow")]
    Length {
        /// The shape announced.
        shape: Vec<usize>,
        /// Bytes after the header.
        found: usize,
    },
    /// Too large.
    #[error("larger than {MAX_BYTES} bytes unpacked")]
    TooLarge,
}

/// What a file is instead, by its first bytes.
fn seems(begin: &[u8]) -> String {
    match begin {
        [] => "but empty".to_owned(),
        [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] | [b'G', b'I', b'F', b'8', ..] => {
            "but a picture: `kiln predict` takes it".to_owned()
        }
        [0x93, b'N', b'U', b'M', ..] => "but an array of NumPy: `kiln infer` takes it".to_owned(),
        [b'P', b'K', ..] => "but a zip archive: unpack it".to_owned(),
        _ => format!("but begins with {begin:02x?}, not 00 00 08"),
    }
}

/// Reads a file.
///
/// # Errors
/// [`Error`]; the path is not in it.
pub fn read_file(path: &Path) -> Result<Idx, Error> {
    parse(&unpack(File::open(path)?)?)
}

fn unpack(mut file: impl Read) -> Result<Vec<u8>, Error> {
    let mut begin = Vec::new();
    file.by_ref().take(2).read_to_end(&mut begin)?;
    let gzipped = begin == GZIP_MAGIC;
    let whole = io::Cursor::new(begin).chain(file);
    let mut bytes = Vec::new();
    if gzipped {
        GzDecoder::new(whole)
            .take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)?;
    } else {
        whole.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::TooLarge);
    }
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Result<Idx, Error> {
    let magic = || Error::Magic(bytes.iter().copied().take(4).collect());
    let (&[0, 0, UNSIGNED_BYTE, axes], rest) = bytes.split_first_chunk().ok_or_else(magic)? else {
        return Err(magic());
    };
    let sizes = rest.get(..4 * usize::from(axes)).ok_or_else(magic)?;
    let shape: Vec<usize> = sizes
        .as_chunks()
        .0
        .iter()
        .map(|size| u32::from_be_bytes(*size) as usize)
        .collect();
    let values = &rest[sizes.len()..];
    let announced = shape
        .iter()
        .try_fold(1usize, |len, &size| len.checked_mul(size));
    if announced != Some(values.len()) {
        return Err(Error::Length {
            shape,
            found: values.len(),
        });
    }
    Ok(Idx {
        shape,
        values: values.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    const FILE: [u8; 18] = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6];

    #[test]
    fn a_file_reads_the_same_gzipped_and_plain() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&FILE).unwrap();
        let gzip = gzip.finish().unwrap();
        let wanted = Idx {
            shape: vec![2, 3],
            values: vec![1, 2, 3, 4, 5, 6],
        };
        for file in [&FILE[..], &gzip] {
            assert_eq!(parse(&unpack(file).unwrap()).unwrap(), wanted);
        }
    }

    #[test]
    fn a_header_that_announces_anything_else_is_refused() {
        let mut long = FILE;
        long[11] = 4;
        let mut overflowing = FILE;
        overflowing[4..12].fill(0xff);
        for file in [long, overflowing] {
            assert!(matches!(parse(&file), Err(Error::Length { .. })));
        }
        for file in [&FILE[..3], &FILE[..9], b"\x00\x00\x0d\x01zzzz", b""] {
            assert!(matches!(parse(file), Err(Error::Magic(_))), "{file:?}");
        }
    }

    #[test]
    fn another_kind_of_file_is_told_by_its_name() {
        for (file, said) in [
            (&b"\x89PNG\r\n\x1a\n"[..], "a picture"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "a picture"),
            (b"\x93NUMPY\x01\0", "an array of NumPy"),
            (b"PK\x03\x04", "a zip archive"),
            (b"\0\0\x0d\x01", "begins with [00, 00, 0d, 01]"),
            (b"", "empty"),
        ] {
            let error = parse(file).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
