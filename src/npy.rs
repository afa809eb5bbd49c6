//! NumPy's `.npy` files: arrays of numbers in, float32 out.
//!
//! Source: NumPy Enhancement Proposal 1 and `numpy.lib.format`. Written here
//! because the crates for it bring a parser for Python literals, and with it C
//! and assembly, for a header of three fixed keys.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Largest file read.
const MAX_BYTES: u64 = 4 << 30;
/// The data begins at a multiple of this.
const ALIGNMENT: usize = 64;

/// An array of float32 in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The size of each axis.
    pub shape: Vec<usize>,
    /// As many values as the shape says.
    pub values: Vec<f32>,
}

/// Why a file cannot be read as an array.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("not a .npy file")]
    Magic,
    /// Its header is not understood.
    #[error("the .npy header {0:?} is not understood")]
    Header(String),
    /// Numbers of another kind.
    #[error(
        "values of type {0:?} are not read: save them as float32, float64, uint8, int32 or int64, little-endian"
    )]
    Type(String),
    /// Column-major.
    #[error("the array is in Fortran order: save numpy.ascontiguousarray(x)")]
    FortranOrder,
    /// The data is not as long as its header says.
    #[error("the header announces {shape:?} of {descr:?}, and {found} bytes follow")]
    Length {
        /// The shape announced.
        shape: Vec<usize>,
        /// The type announced.
        descr: String,
        /// Bytes after the header.
        found: usize,
    },
    /// Too large.
    #[error("larger than {MAX_BYTES} bytes")]
    TooLarge,
}

/// Reads a file; numbers of any supported type become float32.
///
/// # Errors
/// [`Error`]; the path is not in it.
pub fn read_file(path: &Path) -> Result<Array, Error> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::TooLarge);
    }
    parse(&bytes)
}

/// Reads the bytes of a file.
///
/// # Errors
/// [`Error`]
pub fn parse(bytes: &[u8]) -> Result<Array, Error> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(Error::Magic)?;
    // Version 1 has two bytes of header length, versions 2 and 3 have four.
    let (header_len, rest) = match rest {
        [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        _ => return Err(Error::Magic),
    };
    let (header, data) = rest.split_at_checked(header_len).ok_or(Error::Magic)?;
    let header = String::from_utf8_lossy(header);
    let unknown = || Error::Header(header.chars().take(200).collect());

    let descr = value_of(&header, "'descr':")
        .and_then(|text| text.strip_prefix('\'')?.split('\'').next())
        .ok_or_else(unknown)?;
    let fortran = value_of(&header, "'fortran_order':").ok_or_else(unknown)?;
    let shape = value_of(&header, "'shape':")
        .and_then(shape)
        .ok_or_else(unknown)?;
    if fortran.starts_with("True") && shape.len() > 1 {
        return Err(Error::FortranOrder);
    }
    let read = reader(descr).ok_or_else(|| Error::Type(descr.chars().take(40).collect()))?;
    let announced = shape
        .iter()
        .try_fold(read.size, |len, &size| len.checked_mul(size));
    if announced != Some(data.len()) {
        return Err(Error::Length {
            shape,
            descr: descr.to_owned(),
            found: data.len(),
        });
    }
    let values = data.chunks_exact(read.size).map(read.value).collect();
    Ok(Array { shape, values })
}

fn value_of<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let (_, value) = header.split_once(key)?;
    Some(value.trim_start())
}

/// `(2, 3)`, `(2,)` or `()`.
fn shape(text: &str) -> Option<Vec<usize>> {
    let (inside, _) = text.strip_prefix('(')?.split_once(')')?;
    inside
        .split(',')
        .map(str::trim)
        .filter(|axis| !axis.is_empty())
        .map(|axis| axis.parse().ok())
        .collect()
}

/// How one value of a type is read.
struct Reader {
    size: usize,
    value: fn(&[u8]) -> f32,
}

/// Precision beyond float32 is dropped, as `astype(numpy.float32)` drops it.
fn reader(descr: &str) -> Option<Reader> {
    macro_rules! little_endian {
        ($type:ty) => {
            Reader {
                size: size_of::<$type>(),
                value: |bytes| {
                    bytes
                        .try_into()
                        .map_or(f32::NAN, |bytes| <$type>::from_le_bytes(bytes) as f32)
                },
            }
        };
    }
    Some(match descr {
        "<f4" => little_endian!(f32),
        "<f8" => little_endian!(f64),
        "|u1" => little_endian!(u8),
        "|i1" => little_endian!(i8),
        "<i2" => little_endian!(i16),
        "<u2" => little_endian!(u16),
        "<i4" => little_endian!(i32),
        "<i8" => little_endian!(i64),
        _ => return None,
    })
}

/// Writes `<f4` in row-major order, as `numpy.save` does.
///
/// # Errors
/// Those of the file.
pub fn write_file(path: &Path, array: &Array) -> io::Result<()> {
    let mut file = io::BufWriter::new(File::create(path)?);
    file.write_all(&header(&array.shape)?)?;
    for value in &array.values {
        file.write_all(&value.to_le_bytes())?;
    }
    file.flush()
}

fn header(shape: &[usize]) -> io::Result<Vec<u8>> {
    let axes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let axes = match shape {
        [size] => format!("{size},"),
        _ => axes.trim_end_matches(", ").to_owned(),
    };
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({axes}), }}");
    let fixed = MAGIC.len() + 4;
    let end = (fixed + text.len() + 1).next_multiple_of(ALIGNMENT);
    text += &" ".repeat(end - fixed - text.len() - 1);
    text.push('\n');
    let len = u16::try_from(text.len()).map_err(io::Error::other)?;
    Ok([&MAGIC[..], &[1, 0], &len.to_le_bytes(), text.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let len = u16::try_from(header.len()).unwrap();
        [
            &MAGIC[..],
            &[1, 0],
            &len.to_le_bytes(),
            header.as_bytes(),
            data,
        ]
        .concat()
    }

    #[test]
    fn what_is_written_is_read_back_and_aligned_as_numpy_does() {
        for shape in [vec![], vec![3], vec![2, 3], vec![1, 28, 28, 1]] {
            let len = shape.iter().product();
            let values: Vec<f32> = (0..len).map(|value: u16| f32::from(value)).collect();
            let mut bytes = header(&shape.iter().map(|&s| s as usize).collect::<Vec<_>>()).unwrap();
            assert_eq!(bytes.len() % ALIGNMENT, 0);
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            let read = parse(&bytes).unwrap();
            assert_eq!(read.values, values);
            assert_eq!(read.shape.len(), shape.len());
        }
    }

    #[test]
    fn other_types_become_float32() {
        let read = |descr, data: &[u8]| parse(&file(descr, "False", "(1,)", data)).unwrap().values;
        assert_eq!(read("|u1", &[200]), [200.0]);
        assert_eq!(read("|i1", &[0xff]), [-1.0]);
        assert_eq!(read("<f8", &0.5f64.to_le_bytes()), [0.5]);
        assert_eq!(read("<i8", &(-7i64).to_le_bytes()), [-7.0]);
    }

    #[test]
    fn what_does_not_hold_together_is_refused() {
        let refused = |descr, fortran, shape, data: &[u8]| {
            parse(&file(descr, fortran, shape, data)).unwrap_err()
        };
        assert!(matches!(
            refused(">f4", "False", "(1,)", &[0; 4]),
            Error::Type(_)
        ));
        assert!(matches!(
            refused("<f4", "True", "(1, 1)", &[0; 4]),
            Error::FortranOrder
        ));
        assert!(matches!(
            refused("<f4", "False", "(2,)", &[0; 4]),
            Error::Length { .. }
        ));
        let huge = "(18446744073709551615, 18446744073709551615)";
        assert!(matches!(
            refused("<f4", "False", huge, &[0; 4]),
            Error::Length { .. }
        ));
        assert!(matches!(
            refused("<f4", "False", "(-1,)", &[0; 4]),
            Error::Header(_)
        ));
        assert!(matches!(parse(b"PK"), Err(Error::Magic)));
        let whole = file("<f4", "False", "(1,)", &[0; 4]);
        for end in 0..whole.len() {
            assert!(parse(&whole[..end]).is_err(), "{end}");
        }
    }
}
