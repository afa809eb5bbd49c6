//! Numbers as HDF5 stores them → float32.

use std::io;

use crate::keras::file::hdf5::{Dataset, Element};

/// The values of a dataset of floating-point numbers; of integers there are none.
pub(super) fn to_float32(dataset: &Dataset) -> io::Result<Vec<f32>> {
    let count = dataset.bytes.len() / dataset.element.size() as u64;
    let mut values = Vec::with_capacity(usize::try_from(count).map_err(io::Error::other)?);
    let element = dataset.element;
    dataset
        .bytes
        .each_part(|bytes| values.append(&mut converted(element, bytes)))?;
    Ok(values)
}

fn converted(element: Element, bytes: &[u8]) -> Vec<f32> {
    use hdf5_reader::ByteOrder::{BigEndian, LittleEndian};
    match element {
        Element::Float(2, LittleEndian) => map(bytes, |b| half(u16::from_le_bytes(b))),
        Element::Float(2, BigEndian) => map(bytes, |b| half(u16::from_be_bytes(b))),
        Element::Float(8, LittleEndian) => map(bytes, |b| narrow(f64::from_le_bytes(b))),
        Element::Float(8, BigEndian) => map(bytes, |b| narrow(f64::from_be_bytes(b))),
        Element::Float(_, LittleEndian) => map(bytes, f32::from_le_bytes),
        Element::Float(_, BigEndian) => map(bytes, f32::from_be_bytes),
        Element::Integer(_) => Vec::new(),
        Element::Bfloat16 => map(bytes, |[low, high]| f32::from_le_bytes([0, 0, low, high])),
    }
}

fn map<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|&chunk| value(chunk))
        .collect()
}

#[allow(clippy::cast_possible_truncation)] // rounding is what is asked for
fn narrow(value: f64) -> f32 {
    value as f32
}

/// IEEE 754 binary16 → binary32, exactly.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10 & 0x1f);
    let fraction = u32::from(bits & 0x3ff);
    match exponent {
        // Zero and subnormal: fraction · 2⁻²⁴, which float32 holds exactly.
        0 => f32::from_bits(sign | (f32::from(bits & 0x3ff) * 2.0_f32.powi(-24)).to_bits()),
        0x1f => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_converted_exactly() {
        let pairs = [
            (0x0000, 0.0),
            (0x8000, -0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 2.0_f32.powi(-14)),
            (0x0001, 2.0_f32.powi(-24)),
            (0x83ff, -1023.0 * 2.0_f32.powi(-24)),
            (0x7c00, f32::INFINITY),
        ];
        for (bits, value) in pairs {
            assert_eq!(half(bits).to_bits(), f32::to_bits(value), "{bits:#06x}");
        }
        assert!(half(0x7e00).is_nan());
    }
}
