//! Object headers, checked before they are parsed. The parser allocates room for as many messages and
//! members of a type as the header announces. Two bytes of a small file may announce 65,535 of them,
//! and do so again for each type within a type.

use hdf5_reader::io::Cursor;
use hdf5_reader::messages::{
    MSG_ATTRIBUTE, MSG_CONTINUATION, MSG_DATATYPE, MSG_EXTERNAL_FILES, MSG_FILTER_PIPELINE,
};
use hdf5_reader::object_header::ObjectHeader;

use super::hdf5::{Error, File, other};

/// Largest object header. Keras's take less than a thousand bytes, but for the lists of names in
/// legacy files, each of which may take 64 KiB.
const MAX_HEADER: usize = 1 << 20;
/// Most messages of an object header; Keras's have about ten. One takes more than 2 KiB, parsed.
const MAX_MESSAGES: usize = 128;
/// Bytes before the first message of a header of version 1.
const PREFIX: usize = 16;

/// Classes of types (HDF5 File Format Specification, IV.A.2.d).
const COMPOUND: u8 = 6;
const ENUMERATION: u8 = 8;
const VARIABLE_LENGTH: u8 = 9;
const ARRAY: u8 = 10;

impl File<'_> {
    /// The messages of the object at an address.
    pub(super) fn header(&self, address: u64) -> Result<ObjectHeader, Error> {
        self.look_through(address)?;
        Ok(ObjectHeader::parse_at_storage_with_limit(
            &self.storage,
            address,
            self.offset_size,
            self.length_size,
            MAX_HEADER,
        )?)
    }

    /// Refuses a header that would take more memory than it has bytes. Everything else is left to the
    /// parser.
    fn look_through(&self, address: u64) -> Result<(), Error> {
        let prefix = self.looked_at(address, PREFIX);
        let &[1, _, low, high, _, _, _, _, s0, s1, s2, s3, ..] = &prefix[..] else {
            // Version 2 has link messages in place of symbol tables; Keras never writes it.
            return Err(other(format!(
                "there is no object header of version 1 at offset {address}"
            )));
        };
        let announced = usize::from(u16::from_le_bytes([low, high]));
        let size = u64::from(u32::from_le_bytes([s0, s1, s2, s3]));
        let mut chunks = vec![(address.saturating_add(PREFIX as u64), size)];
        let (mut messages, mut next) = (0, 0);
        while let Some(&(start, length)) = chunks.get(next) {
            next += 1;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let bytes = self.looked_at(start, length);
            let mut rest = &bytes[..];
            while let Some((kind, data, after)) = split_message(rest) {
                messages += 1;
                if messages > MAX_MESSAGES {
                    return Err(other(format!(
                        "an object has more than {MAX_MESSAGES} messages"
                    )));
                }
                match kind {
                    MSG_DATATYPE => check_type(data)?,
                    MSG_ATTRIBUTE => check_type(type_of_attribute(data).unwrap_or_default())?,
                    MSG_EXTERNAL_FILES | MSG_FILTER_PIPELINE => {
                        return Err(other(
                            "a dataset is compressed or external, which Keras never writes",
                        ));
                    }
                    MSG_CONTINUATION => chunks.extend(self.continuation(data)),
                    _ => {}
                }
                rest = after;
            }
        }
        if announced > messages {
            return Err(other(format!(
                "an object has {messages} messages where it announces {announced}"
            )));
        }
        Ok(())
    }

    /// Bytes of a header; none of what is not there, or larger than the parser takes.
    fn looked_at(&self, start: u64, length: usize) -> Vec<u8> {
        let bytes = (length <= MAX_HEADER).then(|| self.storage.part(start, length));
        let bytes = bytes.flatten().and_then(|bytes| bytes.read().ok());
        bytes.unwrap_or_default()
    }

    /// Where the header continues, and for how many bytes.
    fn continuation(&self, data: &[u8]) -> Option<(u64, u64)> {
        let mut data = Cursor::new(data);
        let address = data.read_offset(self.offset_size).ok()?;
        let length = data.read_length(self.length_size).ok()?;
        Some((address, length))
    }
}

/// Type of the first message, its data, and what comes after it.
fn split_message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (prefix, rest) = bytes.split_first_chunk::<8>()?;
    let [kind0, kind1, size0, size1, ..] = *prefix;
    let size = usize::from(u16::from_le_bytes([size0, size1]));
    let (data, rest) = rest.split_at_checked(size)?;
    Some((u16::from_le_bytes([kind0, kind1]), data, rest))
}

/// The bytes that describe the type of an attribute (IV.A.2.m).
fn type_of_attribute(data: &[u8]) -> Option<&[u8]> {
    let &[version, _, name0, name1, ..] = data else {
        return None;
    };
    let name = usize::from(u16::from_le_bytes([name0, name1]));
    let start = match version {
        1 => 8 + name.next_multiple_of(8),
        2 => 8 + name,
        _ => 9 + name,
    };
    data.get(start..)
}

/// Numbers and texts, and lists of them, are what Keras writes; h5py writes a truth value as an
/// enumeration of two.
fn check_type(mut bytes: &[u8]) -> Result<(), Error> {
    while let &[class, low, high, ..] = bytes {
        let announced = usize::from(u16::from_le_bytes([low, high]));
        match class & 0x0f {
            COMPOUND | ARRAY => {
                return Err(other(
                    "something is of a compound or array type, which Keras never writes",
                ));
            }
            ENUMERATION if announced > bytes.len() => {
                return Err(other(format!(
                    "{} bytes cannot describe a type of {announced} members",
                    bytes.len()
                )));
            }
            ENUMERATION | VARIABLE_LENGTH => bytes = bytes.get(8..).unwrap_or_default(),
            _ => break,
        }
    }
    Ok(())
}
