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
    #[error("not a .npy file: numpy.save(\"x.npy\", x) writes one")]
    Magic,
    /// A zip archive, as `numpy.savez` writes.
    #[error(
        "a .npz file, which holds many arrays: give it that ending, or save one with numpy.save(\"x.npy\", x)"
    )]
    Archive,
    /// Its header is not understood.
    #[error("the .npy header {0:?} is not understood")]
    Header(String),
    /// Numbers of another kind.
    #[error("values of type {0:?} are not read: save x.astype(\"float32\")")]
    Type(String),
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
    if bytes.starts_with(b"PK\x03\x04") {
        return Err(Error::Archive);
    }
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
    let values = (read.all)(data, read.big_endian);
    let values = match fortran.starts_with("True") && shape.len() > 1 {
        true => row_major(&values, &shape),
        false => values,
    };
    Ok(Array { shape, values })
}

/// The values of an array whose first axis runs fastest, with its last one running fastest.
fn row_major(values: &[f32], shape: &[usize]) -> Vec<f32> {
    let mut strides = vec![1; shape.len()];
    for axis in 1..shape.len() {
        strides[axis] = strides[axis - 1] * shape[axis - 1];
    }
    let mut index = vec![0; shape.len()];
    let mut at = 0;
    let mut ordered = Vec::with_capacity(values.len());
    for _ in values {
        ordered.push(values[at]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    ordered
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

/// Numbers of one kind, read from bytes that may be big-endian.
type ReadAll = fn(&[u8], bool) -> Vec<f32>;

/// How the values of a type are read.
struct Reader {
    size: usize,
    big_endian: bool,
    /// From their bytes, and whether these are big-endian.
    all: ReadAll,
}

/// Reads all values of a type. Their order is asked for once, and not for each.
fn all<const SIZE: usize>(
    data: &[u8],
    big_endian: bool,
    value: impl Fn([u8; SIZE]) -> f32,
) -> Vec<f32> {
    let (values, _) = data.as_chunks::<SIZE>();
    let turned = |mut bytes: [u8; SIZE]| {
        bytes.reverse();
        bytes
    };
    if big_endian {
        values.iter().map(|&bytes| value(turned(bytes))).collect()
    } else {
        values.iter().map(|&bytes| value(bytes)).collect()
    }
}

/// A float16, by its definition in IEEE 754.
fn half(bytes: [u8; 2]) -> f32 {
    let bits = u16::from_le_bytes(bytes);
    let fraction = f32::from(bits & 0x3ff);
    let size = match i32::from(bits >> 10 & 0x1f) {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        exponent => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// Precision beyond float32 is dropped, as `astype(numpy.float32)` drops it.
fn reader(descr: &str) -> Option<Reader> {
    macro_rules! number {
        ($type:ty) => {
            (size_of::<$type>(), |data, big_endian| {
                all(data, big_endian, |bytes| {
                    <$type>::from_le_bytes(bytes) as f32
                })
            })
        };
    }
    let (order, kind) = descr.split_at_checked(1)?;
    let (size, all): (usize, ReadAll) = match kind {
        "f2" => (2, |data, big_endian| all(data, big_endian, half)),
        "f4" => number!(f32),
        "f8" => number!(f64),
        "u1" | "b1" => number!(u8),
        "i1" => number!(i8),
        "u2" => number!(u16),
        "i2" => number!(i16),
        "u4" => number!(u32),
        "i4" => number!(i32),
        "u8" => number!(u64),
        "i8" => number!(i64),
        _ => return None,
    };
    let known = matches!(order, "<" | ">") || (order == "|" && size == 1);
    known.then_some(Reader {
        size,
        big_endian: order == ">",
        all,
    })
}

/// Writes `<f4` in row-major order, as `numpy.save` does.
///
/// # Errors
/// Those of the file.
pub fn write_file(path: &Path, array: &Array) -> io::Result<()> {
    let mut file = io::BufWriter::new(File::create(path)?);
    write(&mut file, array)?;
    file.flush()
}

/// The same into anything.
///
/// # Errors
/// Those of what is written to.
pub fn write(to: &mut impl Write, array: &Array) -> io::Result<()> {
    to.write_all(&header(&array.shape)?)?;
    for value in &array.values {
        to.write_all(&value.to_le_bytes())?;
    }
    Ok(())
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
        assert_eq!(read("|b1", &[1]), [1.0]);
        assert_eq!(read(">i4", &(-7i32).to_be_bytes()), [-7.0]);
        assert_eq!(read(">f8", &0.5f64.to_be_bytes()), [0.5]);
        // 1, -2, the largest, the least above 0, infinity: Table 3 of IEEE 754's binary16.
        let halves = [0x3c00, 0xc000, 0x7bff, 0x0001, 0x7c00]
            .map(|bits: u16| read("<f2", &bits.to_le_bytes())[0]);
        assert_eq!(halves, [1.0, -2.0, 65504.0, 2f32.powi(-24), f32::INFINITY]);
        assert!(read("<f2", &0x7e00u16.to_le_bytes())[0].is_nan());
    }

    #[test]
    fn fortran_order_is_turned_into_row_major() {
        // numpy.asfortranarray(numpy.arange(6).reshape(1, 2, 3))
        let read = parse(&file("|u1", "True", "(1, 2, 3)", &[0, 3, 1, 4, 2, 5])).unwrap();
        assert_eq!(read.values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let empty = parse(&file("|u1", "True", "(0, 3)", &[])).unwrap();
        assert!(empty.values.is_empty());
    }

    #[test]
    fn what_does_not_hold_together_is_refused() {
        let refused = |descr, fortran, shape, data: &[u8]| {
            parse(&file(descr, fortran, shape, data)).unwrap_err()
        };
        assert!(matches!(
            refused("<c8", "False", "(1,)", &[0; 8]),
            Error::Type(_)
        ));
        assert!(matches!(
            refused("|f4", "False", "(1,)", &[0; 4]),
            Error::Type(_)
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
        assert!(matches!(parse(b"PK\x03\x04"), Err(Error::Archive)));
        let whole = file("<f4", "False", "(1,)", &[0; 4]);
        for end in 0..whole.len() {
            assert!(parse(&whole[..end]).is_err(), "{end}");
        }
    }
}
