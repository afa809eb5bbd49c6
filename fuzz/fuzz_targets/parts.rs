//! An input of the fuzzer → a file.
//!
//! - `0`, file: the file as it is.
//! - `1` to `3`, length of the configuration (4 bytes, little-endian), configuration, weights: the
//!   archive of Keras 3.15, 2.15 or 2.13 with these members.

use flate2::Crc;

const VERSIONS: [&str; 3] = ["3.15.1", "2.15.0", "2.13.1"];

/// Configuration and weights of an input that is an archive in parts.
pub fn split(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&kind, rest) = input.split_first()?;
    if !(1..=3).contains(&kind) {
        return None;
    }
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    rest.split_at_checked(length.min(rest.len()))
}

/// The input with these parts.
pub fn join(kind: u8, config: &[u8], weights: &[u8]) -> Vec<u8> {
    let length = u32::try_from(config.len()).unwrap_or(u32::MAX);
    [&[kind][..], &length.to_le_bytes(), config, weights].concat()
}

/// The file that the input stands for.
pub fn file(input: &[u8]) -> Option<Vec<u8>> {
    let (&kind, rest) = input.split_first()?;
    if kind == 0 {
        return Some(rest.to_vec());
    }
    let (config, weights) = split(input)?;
    let version = VERSIONS[usize::from(kind) - 1];
    let metadata = format!("{{\"keras_version\": \"{version}\"}}");
    Some(zip(&[
        ("metadata.json", metadata.as_bytes()),
        ("config.json", config),
        ("model.weights.h5", weights),
    ]))
}

/// A zip archive of stored members.
fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for (name, data) in members {
        let offset = archive.len() as u32;
        let mut crc = Crc::new();
        crc.update(data);
        // Version, flags, method, time, date; checksum, both sizes; lengths of name and extra.
        let mut entry = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        for number in [crc.sum(), data.len() as u32, data.len() as u32] {
            entry.extend(number.to_le_bytes());
        }
        entry.extend((name.len() as u16).to_le_bytes());
        entry.extend([0, 0]);
        archive.extend(b"PK\x03\x04");
        archive.extend(&entry);
        archive.extend(name.as_bytes());
        archive.extend(*data);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&entry);
        // Comment, disk, attributes.
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (count, size, offset) = (
        members.len() as u16,
        directory.len() as u32,
        archive.len() as u32,
    );
    archive.extend(directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    archive.extend([size.to_le_bytes(), offset.to_le_bytes()].concat());
    archive.extend([0, 0]);
    archive
}
