//! The part of HDF5 that Keras writes: groups as symbol tables, contiguous datasets, attributes.
//!
//! The structures are parsed by `hdf5-reader`; which of them are visited, and how much of the file
//! they may make us read, is decided here. Its own group listing lets a small file name the same
//! entries over and over, which costs memory out of all proportion.

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};

use hdf5_reader::attribute_api::Attribute;
use hdf5_reader::btree_v1::collect_btree_v1_leaves_storage;
use hdf5_reader::error::Error as Hdf5Error;
use hdf5_reader::global_heap::GlobalHeapCollection;
use hdf5_reader::io::Cursor;
use hdf5_reader::local_heap::LocalHeap;
use hdf5_reader::messages::HdfMessage;
use hdf5_reader::messages::attribute::AttributeMessage;
use hdf5_reader::messages::layout::DataLayout;
use hdf5_reader::object_header::ObjectHeader;
use hdf5_reader::superblock::Superblock;
use hdf5_reader::symbol_table::SymbolTableNode;
use hdf5_reader::{ByteOrder, Datatype, Storage};

use super::metered::Metered;

/// Longest name of a group or a dataset.
const MAX_NAME: usize = 512;
/// Largest object header; Keras's take less than a thousand bytes.
const MAX_HEADER: usize = 16 << 10;

/// Why an HDF5 file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Format(#[from] Hdf5Error),
    #[error("{0}")]
    Other(String),
}

/// An HDF5 file in memory.
pub(super) struct File<'a> {
    storage: Metered<'a>,
    offset_size: u8,
    length_size: u8,
    root: u64,
    /// Bytes of datasets that may still be handed out; more than all of the file's means that
    /// datasets overlap, by which a small file would fill a large memory.
    data_left: Cell<usize>,
}

/// Names and addresses of a group's members.
pub(super) type Members = BTreeMap<String, u64>;

/// An array in the file.
#[derive(Debug)]
pub(super) struct Dataset<'a> {
    pub shape: Vec<usize>,
    pub element: Element,
    /// As many bytes as shape and element say.
    pub bytes: &'a [u8],
}

/// The floating-point types that Keras saves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    /// IEEE 754 of 2, 4 or 8 bytes.
    Float(u8, ByteOrder),
    /// The upper half of a little-endian float32; HDF5 has no such type, Keras marks it.
    Bfloat16,
}

impl<'a> File<'a> {
    pub fn open(bytes: &'a [u8]) -> Result<Self, Error> {
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
        })
    }

    /// The members of the root group.
    pub fn root(&self) -> Result<Members, Error> {
        self.members(self.root)
    }

    /// The members of the group at an address.
    pub fn members(&self, address: u64) -> Result<Members, Error> {
        let header = self.header(address)?;
        let table = header.messages.iter().find_map(|message| match message {
            HdfMessage::SymbolTable(table) => Some(table),
            _ => None,
        });
        let table = table.ok_or_else(|| {
            other("a group is stored in another way than Keras does (no symbol table)")
        })?;
        let heap = LocalHeap::parse_at_storage(
            &self.storage,
            table.heap_address,
            self.offset_size,
            self.length_size,
        )?;
        let names = usize::try_from(heap.data_segment_size)
            .map_err(|_| other("a table of names is larger than memory"))?;
        let names = self.storage.read_range(heap.data_segment_address, names)?;
        let leaves = collect_btree_v1_leaves_storage(
            &self.storage,
            table.btree_address,
            self.offset_size,
            self.length_size,
            None,
            &[],
            None,
        )?;
        let mut members = Members::new();
        let mut visited = HashSet::new();
        for (_, leaf) in leaves {
            if !visited.insert(leaf) {
                return Err(other("a group lists the same entries twice"));
            }
            for entry in self.symbols(leaf)?.entries {
                if entry.cache_type == 2 {
                    return Err(other("a group holds a link, which Keras never writes"));
                }
                let name = name_at(&names, entry.link_name_offset)?;
                if members.insert(name, entry.object_header_address).is_some() {
                    return Err(other("a group has two members of the same name"));
                }
            }
        }
        Ok(members)
    }

    fn symbols(&self, address: u64) -> Result<SymbolTableNode, Error> {
        const PREFIX: usize = 8;
        let prefix = self.storage.read_range(address, PREFIX)?;
        let count = match *prefix {
            [.., low, high] => usize::from(u16::from_le_bytes([low, high])),
            _ => 0,
        };
        let entry = 2 * usize::from(self.offset_size) + 24;
        let node = self.storage.read_range(address, PREFIX + count * entry)?;
        let mut cursor = Cursor::new(&node);
        Ok(SymbolTableNode::parse(
            &mut cursor,
            self.offset_size,
            self.length_size,
        )?)
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
                HdfMessage::FilterPipeline(_) | HdfMessage::ExternalFiles(_) => {
                    return Err(other(
                        "a dataset is compressed or external, which Keras never writes",
                    ));
                }
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
        let length = super::shape::product(&shape).and_then(|n| n.checked_mul(element.size()));
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
        let bytes = self.storage.slice(address, length).ok_or_else(|| {
            other(format!(
                "{length} bytes at offset {address} lie outside the file of {} bytes; was it cut short?",
                self.storage.len()
            ))
        })?;
        let left = self.data_left.get().checked_sub(length);
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

    /// The text of an attribute of the object at an address, where there is such an attribute.
    pub fn text(&self, address: u64, attribute: &str) -> Result<Option<String>, Error> {
        self.text_of(&self.header(address)?, attribute)
    }

    fn text_of(&self, header: &ObjectHeader, attribute: &str) -> Result<Option<String>, Error> {
        let found = header.messages.iter().find_map(|message| match message {
            HdfMessage::Attribute(message) if message.name == attribute => Some(message),
            _ => None,
        });
        found
            .map(|message| self.attribute_text(message))
            .transpose()
    }

    fn attribute_text(&self, message: &AttributeMessage) -> Result<String, Error> {
        if !message.dataspace.dims.is_empty() {
            return Err(other(format!(
                "attribute '{}' is no single text",
                message.name
            )));
        }
        if !matches!(message.datatype, Datatype::VarLen { .. })
            && !is_variable_string(&message.datatype)
        {
            return Ok(Attribute::from_message(message.clone()).read_string()?);
        }
        // A reference: length (4 bytes), address of a heap, index in it (4 bytes).
        let mut cursor = Cursor::new(&message.raw_data);
        let length = cursor.read_u32_le()?;
        let address = cursor.read_offset(self.offset_size)?;
        let index = cursor.read_u32_le()?;
        let heap = GlobalHeapCollection::parse_at_storage(
            &self.storage,
            address,
            self.offset_size,
            self.length_size,
        )?;
        let object = u16::try_from(index).ok().and_then(|i| heap.get_object(i));
        let length = usize::try_from(length).ok();
        object
            .and_then(|object| object.data.get(..length?))
            .map(|text| {
                String::from_utf8_lossy(text)
                    .trim_end_matches('\0')
                    .to_owned()
            })
            .ok_or_else(|| {
                other(format!(
                    "the text of attribute '{}' is missing",
                    message.name
                ))
            })
    }

    fn header(&self, address: u64) -> Result<ObjectHeader, Error> {
        Ok(ObjectHeader::parse_at_storage_with_limit(
            &self.storage,
            address,
            self.offset_size,
            self.length_size,
            MAX_HEADER,
        )?)
    }
}

impl Element {
    /// Bytes of one value.
    pub fn size(self) -> usize {
        match self {
            Self::Float(size, _) => usize::from(size),
            Self::Bfloat16 => 2,
        }
    }
}

fn is_variable_string(datatype: &Datatype) -> bool {
    use hdf5_reader::StringSize::Variable;
    matches!(datatype, Datatype::String { size: Variable, .. })
}

fn name_at(names: &[u8], offset: u64) -> Result<String, Error> {
    let start = usize::try_from(offset).ok();
    let rest = start.and_then(|start| names.get(start..)).unwrap_or(&[]);
    let rest = rest.get(..MAX_NAME).unwrap_or(rest);
    rest.iter()
        .position(|&byte| byte == 0)
        .and_then(|end| std::str::from_utf8(rest.get(..end)?).ok())
        .map(str::to_owned)
        .ok_or_else(|| other(format!("a name is no text of up to {MAX_NAME} bytes")))
}

fn other(reason: impl Into<String>) -> Error {
    Error::Other(reason.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datasets_that_overlap_cannot_grow_beyond_the_file() {
        let archive = include_bytes!("../../tests/fixtures/keras/dense.keras");
        let members = super::super::archive::open(archive).unwrap();
        let file = File::open(&members.weights).unwrap();
        let group = |address, name| file.members(address).unwrap()[name];
        let layers = file.root().unwrap()["layers"];
        let kernel = group(group(group(layers, "dense"), "vars"), "0");
        let size = file.dataset(kernel).unwrap().bytes.len();
        let more = (0..members.weights.len()).take_while(|_| file.dataset(kernel).is_ok());
        assert!(more.count() < members.weights.len() / size);
        assert!(
            file.dataset(kernel)
                .unwrap_err()
                .to_string()
                .contains("overlap")
        );
    }
}
