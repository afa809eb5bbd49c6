//! The texts among an HDF5 file's attributes: of fixed length, or in a heap of their own.

use hdf5_reader::Datatype;
use hdf5_reader::StringSize;
use hdf5_reader::global_heap::GlobalHeapCollection;
use hdf5_reader::io::Cursor;
use hdf5_reader::messages::HdfMessage;
use hdf5_reader::messages::attribute::AttributeMessage;
use hdf5_reader::object_header::ObjectHeader;

use super::hdf5::{Error, File, other};

/// Longest text of an attribute; the longest is a model's architecture.
const MAX_TEXT: usize = 4 << 20;

impl File<'_> {
    /// The text of an attribute of the object at an address; `None` where it has no such attribute.
    pub fn text(&self, address: u64, attribute: &str) -> Result<Option<String>, Error> {
        self.text_of(&self.header(address)?, attribute)
    }

    /// The same of the root group.
    pub fn root_text(&self, attribute: &str) -> Result<Option<String>, Error> {
        self.text(self.root_address(), attribute)
    }

    /// The texts of an attribute that is a list. One that is too long for a header is split into
    /// `attribute0`, `attribute1`, ….
    pub fn texts(&self, address: u64, attribute: &str) -> Result<Option<Vec<String>>, Error> {
        let header = self.header(address)?;
        if let Some(message) = find(&header, attribute) {
            return self.attribute_texts(message).map(Some);
        }
        let mut texts = Vec::new();
        for part in 0.. {
            match find(&header, &format!("{attribute}{part}")) {
                Some(message) => texts.extend(self.attribute_texts(message)?),
                None if part == 0 => return Ok(None),
                None => break,
            }
        }
        Ok(Some(texts))
    }

    pub(super) fn text_of(
        &self,
        header: &ObjectHeader,
        attribute: &str,
    ) -> Result<Option<String>, Error> {
        let Some(message) = find(header, attribute) else {
            return Ok(None);
        };
        let mut texts = self.attribute_texts(message)?;
        match (texts.pop(), texts.is_empty()) {
            (Some(text), true) => Ok(Some(text)),
            _ => Err(other(format!("attribute '{attribute}' is no single text"))),
        }
    }

    fn attribute_texts(&self, message: &AttributeMessage) -> Result<Vec<String>, Error> {
        let no_text = || other(format!("attribute '{}' is no text", message.name));
        let count = message
            .dataspace
            .dims
            .iter()
            .try_fold(1_usize, |n, &d| n.checked_mul(usize::try_from(d).ok()?));
        let count = count.ok_or_else(no_text)?;
        // An empty list is one of no floats.
        if count == 0 {
            return Ok(Vec::new());
        }
        let data = &message.raw_data;
        let size = match (&message.datatype, is_variable(&message.datatype)) {
            // A reference: length (4 bytes), address of a heap, index in it (4 bytes).
            (_, true) => usize::from(self.offset_size) + 8,
            (
                Datatype::String {
                    size: StringSize::Fixed(size),
                    ..
                },
                _,
            ) => usize::try_from(*size).map_err(|_| no_text())?,
            _ => return Err(no_text()),
        };
        if size == 0 || data.len() / size < count {
            return Err(no_text());
        }
        let texts = data.chunks_exact(size).take(count);
        texts
            .map(|text| match is_variable(&message.datatype) {
                true => self.heap_text(text, &message.name),
                false => Ok(as_text(text)),
            })
            .collect()
    }

    fn heap_text(&self, reference: &[u8], attribute: &str) -> Result<String, Error> {
        let missing = || other(format!("the text of attribute '{attribute}' is missing"));
        let mut cursor = Cursor::new(reference);
        let length = usize::try_from(cursor.read_u32_le()?).map_err(|_| missing())?;
        let address = cursor.read_offset(self.offset_size)?;
        let index = u16::try_from(cursor.read_u32_le()?).map_err(|_| missing())?;
        if length > MAX_TEXT {
            return Err(other(format!(
                "the text of attribute '{attribute}' is longer than {MAX_TEXT} bytes"
            )));
        }
        let mut last = self.heap.borrow_mut();
        if last.as_ref().is_none_or(|(at, _)| *at != address) {
            let heap = GlobalHeapCollection::parse_at_storage(
                &self.storage,
                address,
                self.offset_size,
                self.length_size,
            )?;
            *last = Some((address, heap));
        }
        let heap = last.as_ref().map(|(_, heap)| heap).ok_or_else(missing)?;
        let text = heap.get_object(index).and_then(|o| o.data.get(..length));
        let text = text.ok_or_else(missing)?;
        // Many references may share one text.
        self.storage.spend(length as u64)?;
        Ok(as_text(text))
    }
}

fn find<'h>(header: &'h ObjectHeader, attribute: &str) -> Option<&'h AttributeMessage> {
    header.messages.iter().find_map(|message| match message {
        HdfMessage::Attribute(message) if message.name == attribute => Some(message),
        _ => None,
    })
}

fn is_variable(datatype: &Datatype) -> bool {
    let variable = StringSize::Variable;
    matches!(datatype, Datatype::VarLen { .. })
        || matches!(datatype, Datatype::String { size, .. } if *size == variable)
}

fn as_text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_end_matches('\0').to_owned()
}
