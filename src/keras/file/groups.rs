//! The members of a group of an HDF5 file.
//!
//! Keras's groups are symbol tables, but for those with a member whose name is not ASCII: they hold
//! links, in their own header or, when they are many, in a heap.

use std::collections::HashSet;

use hdf5_reader::Storage;
use hdf5_reader::btree_v1::collect_btree_v1_leaves_storage;
use hdf5_reader::btree_v2::{BTreeV2Header, BTreeV2Record, collect_btree_v2_records_storage};
use hdf5_reader::fractal_heap::FractalHeap;
use hdf5_reader::io::Cursor;
use hdf5_reader::local_heap::LocalHeap;
use hdf5_reader::messages::HdfMessage;
use hdf5_reader::messages::link::{self, LinkMessage, LinkTarget};
use hdf5_reader::messages::link_info::LinkInfoMessage;
use hdf5_reader::messages::symbol_table_msg::SymbolTableMessage;
use hdf5_reader::symbol_table::SymbolTableNode;

use super::hdf5::{Error, File, Members, other};

/// Longest name of a group or a dataset.
const MAX_NAME: usize = 512;

impl File<'_> {
    /// The members of the group at an address.
    pub fn members(&self, address: u64) -> Result<Members, Error> {
        let header = self.header(address)?;
        let mut members = Members::new();
        let mut is_group = false;
        for message in &header.messages {
            match message {
                HdfMessage::SymbolTable(table) => self.symbol_table(table, &mut members)?,
                HdfMessage::Link(link) => self.link(link, &mut members)?,
                HdfMessage::LinkInfo(info) => self.dense_links(info, &mut members)?,
                _ => continue,
            }
            is_group = true;
        }
        match is_group {
            true => Ok(members),
            false => Err(other("what should be a group is none")),
        }
    }

    fn add(&self, members: &mut Members, name: String, address: u64) -> Result<(), Error> {
        // Many entries may share one name's text.
        self.storage.spend(name.len() as u64 + 64)?;
        match members.insert(name, address) {
            None => Ok(()),
            Some(_) => Err(other("a group has two members of the same name")),
        }
    }

    fn link(&self, link: &LinkMessage, members: &mut Members) -> Result<(), Error> {
        let LinkTarget::Hard { address } = link.target else {
            return Err(other("a group holds a link, which Keras never writes"));
        };
        if link.name.len() > MAX_NAME {
            return Err(other(format!("a name is longer than {MAX_NAME} bytes")));
        }
        self.add(members, link.name.clone(), address)
    }

    fn dense_links(&self, info: &LinkInfoMessage, members: &mut Members) -> Result<(), Error> {
        let (offset, length) = (self.offset_size, self.length_size);
        if Cursor::is_undefined_offset(info.fractal_heap_address, offset) {
            return Ok(());
        }
        let storage = &self.storage;
        let heap =
            FractalHeap::parse_at_storage(storage, info.fractal_heap_address, offset, length)?;
        let index = info.btree_name_index_address;
        let index = BTreeV2Header::parse_at_storage(storage, index, offset, length)?;
        let records =
            collect_btree_v2_records_storage(storage, &index, offset, length, None, &[], None)?;
        for record in &records {
            let BTreeV2Record::LinkNameHash { heap_id, .. } = record else {
                continue;
            };
            let link = heap.get_object_storage(heap_id, storage, offset, length)?;
            let link = link::parse(&mut Cursor::new(&link), offset, length, link.len())?;
            self.link(&link, members)?;
        }
        Ok(())
    }

    fn symbol_table(&self, table: &SymbolTableMessage, members: &mut Members) -> Result<(), Error> {
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
                self.add(members, name, entry.object_header_address)?;
            }
        }
        Ok(())
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
