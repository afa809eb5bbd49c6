//! The part of HDF5 that Keras writes: groups as symbol tables, contiguous datasets, attributes.
//!
//! `hdf5-reader` parses the structures; this decides which of them are visited, and how much of the
//! file they may read. Groups are listed here, since with the crate's own listing a small file can
//! name the same entries again and again, and take far more memory than it has bytes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use hdf5_reader::error::Error as Hdf5Error;
use hdf5_reader::global_heap::GlobalHeapCollection;
use hdf5_reader::messages::HdfMessage;
use hdf5_reader::messages::layout::DataLayout;
use hdf5_reader::object_header::ObjectHeader;
use hdf5_reader::superblock::Superblock;
use hdf5_reader::{ByteOrder, Datatype, Storage};

use super::bytes::Bytes;
use super::metered::Metered;

/// Why an HDF5 file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(in crate::keras) enum Error {
    #[error(transparent)]
    Format(#[from] Hdf5Error),
    #[error("{0}")]
    Other(String),
}

impl From<Error> for crate::keras::Error {
    fn from(error: Error) -> Self {
        Self::WeightsFile(error.to_string())
    }
}

/// An HDF5 file.
pub(in crate::keras) struct File<'a> {
    pub(super) storage: Metered<'a>,
    pub(super) offset_size: u8,
    pub(super) length_size: u8,
    root: u64,
    /// Bytes of datasets that may still be handed out. More than the file has would mean that datasets
    /// overlap, and then a small file could fill a large memory.
    data_left: Cell<u64>,
    /// The heap of texts that was read last, since the texts of a list are mostly in one.
    pub(super) heap: RefCell<Option<(u64, GlobalHeapCollection)>>,
}

/// Names and addresses of a group's members.
pub(in crate::keras) type Members = BTreeMap<String, u64>;

/// An array in the file.
#[derive(Debug)]
pub(in crate::keras) struct Dataset<'a> {
    pub shape: Vec<usize>,
    pub element: Element,
    /// Its bytes: as many as its shape and element make.
    pub bytes: Bytes<'a>,
}

/// The types of numbers that Keras saves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::keras) enum Element {
    /// IEEE 754 of 2, 4 or 8 bytes.
    Float(u8, ByteOrder),
    /// The upper half of a little-endian float32; HDF5 has no such type, Keras marks it.
    Bfloat16,
    /// An integer of so many bytes: a counter or a state, never a weight.
    Integer(u8),
}

impl<'a> File<'a> {
    pub fn open(bytes: Bytes<'a>) -> Result<Self, Error> {
        let storage = Metered::new(bytes);
        let superblock = Superblock::parse_from_storage(&storage)?;
        if superblock.base_address != 0 {
            return Err(other("the HDF5 data does not begin at the first byte"));
        }
        let root = superblock.root_object_header_address()?;
        Ok(Self {
            storage,
            offset_size: superblock.offset_size,
            length_size: superblock.length_size,
            root,
            data_left: Cell::new(bytes.len()),
            heap: RefCell::new(None),
        })
    }

    /// Where the root group is.
    pub fn root_address(&self) -> u64 {
        self.root
    }

    /// The members of the root group.
    pub fn root(&self) -> Result<Members, Error> {
        self.members(self.root)
    }

    /// The dataset at an address.
    pub fn dataset(&self, address: u64) -> Result<Dataset<'a>, Error> {
        let header = self.header(address)?;
        let (mut shape, mut datatype, mut place) = (None, None, None);
        for message in &header.messages {
            match message {
                HdfMessage::Dataspace(space) => shape = Some(&space.dims),
                HdfMessage::Datatype(message) => datatype = Some(&message.datatype),
                HdfMessage::DataLayout(message) => place = Some(&message.layout),
                _ => {}
            }
        }
        let (Some(shape), Some(datatype), Some(place)) = (shape, datatype, place) else {
            return Err(other(
                "it is not a dataset, or lacks its shape, type or place",
            ));
        };
        let element = self.element(datatype, &header)?;
        let shape: Option<Vec<usize>> = shape.iter().map(|&d| usize::try_from(d).ok()).collect();
        let shape = shape.ok_or_else(|| other("a dataset is larger than memory"))?;
        let length =
            crate::description::product(&shape).and_then(|n| n.checked_mul(element.size()));
        let length = length.ok_or_else(|| other(format!("the size of {shape:?} overflows")))?;
        let DataLayout::Contiguous { address, size } = *place else {
            return Err(other(
                "a dataset is stored in chunks, which Keras never does",
            ));
        };
        if size != length as u64 {
            return Err(other(format!(
                "a dataset of shape {shape:?} takes {length} bytes but {size} are stored"
            )));
        }
        let bytes = self.storage.part(address, length).ok_or_else(|| {
            other(format!(
                "{length} bytes at offset {address} lie outside the file of {} bytes; was it cut short?",
                self.storage.len()
            ))
        })?;
        let left = self.data_left.get().checked_sub(length as u64);
        self.data_left
            .set(left.ok_or_else(|| other("the datasets overlap: together they exceed the file"))?);
        Ok(Dataset {
            shape,
            element,
            bytes,
        })
    }

    fn element(&self, datatype: &Datatype, header: &ObjectHeader) -> Result<Element, Error> {
        match datatype {
            Datatype::FloatingPoint {
                size: size @ (2 | 4 | 8),
                byte_order,
            } => Ok(Element::Float(*size, *byte_order)),
            Datatype::FixedPoint {
                size: size @ (1 | 2 | 4 | 8),
                ..
            } => Ok(Element::Integer(*size)),
            Datatype::Opaque { size: 2, .. }
                if self.text_of(header, "dtype")?.as_deref() == Some("bfloat16") =>
            {
                Ok(Element::Bfloat16)
            }
            other_type => Err(other(format!(
                "the values are not float16, bfloat16, float32 or float64 but {other_type:?}"
            ))),
        }
    }
}

impl Element {
    /// Bytes of one value.
    pub fn size(self) -> usize {
        match self {
            Self::Float(size, _) | Self::Integer(size) => usize::from(size),
            Self::Bfloat16 => 2,
        }
    }
}

/// An error in words.
pub(in crate::keras) fn other(reason: impl Into<String>) -> Error {
    Error::Other(reason.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datasets_that_overlap_cannot_grow_beyond_the_file() {
        let archive = include_bytes!("../../../tests/fixtures/keras/dense.keras");
        let members = crate::keras::file::archive::open(archive[..].into()).unwrap();
        let weights = members.weights.bytes();
        let file = File::open(weights).unwrap();
        let group = |address, name| file.members(address).unwrap()[name];
        let layers = file.root().unwrap()["layers"];
        let kernel = group(group(group(layers, "dense"), "vars"), "0");
        let size = file.dataset(kernel).unwrap().bytes.len();
        let more = (0..weights.len()).take_while(|_| file.dataset(kernel).is_ok());
        assert!(more.count() < usize::try_from(weights.len() / size).unwrap());
        assert!(
            file.dataset(kernel)
                .unwrap_err()
                .to_string()
                .contains("overlap")
        );
    }
}
