//! The bytes of a file with a budget of how many are read.

use std::sync::atomic::{AtomicU64, Ordering};

use hdf5_reader::error::{Error, Result};
use hdf5_reader::{Storage, StorageBuffer};

use super::bytes::Bytes;

/// Most bytes of structures (not of weights) that are read from one file; a thousand layers take
/// about five million.
const MAX_STRUCTURE: u64 = 64 << 20;

/// The bytes of a file, handed out up to a budget: structures that overlap or repeat would otherwise
/// make a small file take long to read.
pub(super) struct Metered<'a> {
    bytes: Bytes<'a>,
    left: AtomicU64,
}

impl<'a> Metered<'a> {
    pub fn new(bytes: Bytes<'a>) -> Self {
        // Small structures are read more than once, such as the heap of all names' texts.
        let budget = bytes.len().saturating_mul(16).saturating_add(64 << 10);
        Self {
            bytes,
            left: AtomicU64::new(budget.min(MAX_STRUCTURE)),
        }
    }

    /// Takes so many bytes off the budget.
    pub fn spend(&self, length: u64) -> Result<()> {
        let spend = |left: u64| left.checked_sub(length);
        let spent = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend);
        spent.map(drop).map_err(|_| {
            Error::ResourceLimit("the file's structure is far larger than its weights".into())
        })
    }

    /// Where bytes are, which the budget does not count.
    pub fn part(&self, offset: u64, length: usize) -> Option<Bytes<'a>> {
        self.bytes.part(offset, length as u64)
    }
}

impl Storage for Metered<'_> {
    fn len(&self) -> u64 {
        self.bytes.len()
    }

    fn read_range(&self, offset: u64, len: usize) -> Result<StorageBuffer> {
        let bytes = self
            .part(offset, len)
            .ok_or(Error::OffsetOutOfBounds(offset))?;
        self.spend(len as u64)?;
        let bytes = bytes.read().map_err(|_| Error::OffsetOutOfBounds(offset))?;
        Ok(StorageBuffer::from_vec(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_file_cannot_be_read_over_and_over() {
        let bytes = [0; 1024];
        let storage = Metered::new(bytes[..].into());
        let allowed = (0..1000)
            .filter(|_| storage.read_range(0, 1024).is_ok())
            .count();
        assert_eq!(allowed, 16 + 64);
        assert!(storage.read_range(1000, 25).is_err(), "beyond the end");
        assert!(storage.read_range(u64::MAX, 2).is_err(), "overflow");
    }
}
