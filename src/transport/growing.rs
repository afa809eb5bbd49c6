//! A message that comes in pieces: it has room for what has come, not for what it claims, and that room is counted.

use super::memory::Held;
use super::refused::Refused;

/// First room: a length is but a claim.
const FIRST_ROOM: usize = 4 * 1024;

/// What has come of a message, and the memory that it takes.
pub(crate) struct Growing {
    bytes: Vec<u8>,
    held: Held,
}

impl Growing {
    /// Nothing yet.
    pub fn new(held: Held) -> Self {
        let bytes = Vec::new();
        Self { bytes, held }
    }

    /// How much has come.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a piece of a message that has `length` bytes, or at most so many.
    pub fn add(&mut self, piece: &[u8], length: usize) -> Result<(), Refused> {
        let (room, wanted) = (self.bytes.capacity(), self.bytes.len() + piece.len());
        if wanted > room {
            // And for as much again as has come.
            let wanted = wanted.max(2 * room).max(FIRST_ROOM).min(length);
            self.held.grow(wanted - room)?;
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// What has come, and the memory that it takes.
    pub fn end(self) -> (Vec<u8>, Held) {
        (self.bytes, self.held)
    }
}
