//! Where the bytes of a model are: in memory, or in a file, of which only what is asked for is read.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use rawzip::ReaderAt;

/// How many bytes of weights are held at once beside what they become; a multiple of every number's
/// size.
const CHUNK: usize = 1 << 20;

/// Some bytes, in memory or in a file.
#[derive(Clone, Copy, Debug)]
pub(in crate::keras) struct Bytes<'a> {
    source: Source<'a>,
    begin: u64,
    len: u64,
}

#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    Memory(&'a [u8]),
    File(&'a File),
}

impl<'a> From<&'a [u8]> for Bytes<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self {
            source: Source::Memory(bytes),
            begin: 0,
            len: bytes.len() as u64,
        }
    }
}

impl<'a> Bytes<'a> {
    /// Those of a file, as many as it has now.
    pub fn of_file(file: &'a File) -> io::Result<Self> {
        Ok(Self {
            source: Source::File(file),
            begin: 0,
            len: file.metadata()?.len(),
        })
    }

    pub fn len(self) -> u64 {
        self.len
    }

    /// Some of them; none if they are not all there.
    pub fn part(self, offset: u64, len: u64) -> Option<Self> {
        let end = offset.checked_add(len)?;
        let begin = self.begin.checked_add(offset)?;
        (end <= self.len).then_some(Self { begin, len, ..self })
    }

    /// All of them. The caller has bounded how many they are.
    pub fn read(self) -> io::Result<Vec<u8>> {
        let len = usize::try_from(self.len).map_err(io::Error::other)?;
        let mut bytes = vec![0; len];
        self.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// Gives them to a function, a part at a time; each part but the last has a round size.
    pub fn each_part(self, mut give: impl FnMut(&[u8])) -> io::Result<()> {
        let mut part = vec![0; CHUNK.min(usize::try_from(self.len).unwrap_or(CHUNK))];
        let mut at = 0;
        while at < self.len {
            let left = usize::try_from(self.len - at).unwrap_or(CHUNK);
            let size = left.min(CHUNK);
            let part = &mut part[..size];
            self.read_exact_at(part, at)?;
            give(part);
            at += size as u64;
        }
        Ok(())
    }
}

impl ReaderAt for Bytes<'_> {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = into.len().min(left);
        let (into, begin) = (&mut into[..count], self.begin.saturating_add(offset));
        match self.source {
            Source::Memory(bytes) => {
                let bytes = usize::try_from(begin).ok().and_then(|at| bytes.get(at..));
                let bytes = bytes.unwrap_or_default();
                let count = count.min(bytes.len());
                into[..count].copy_from_slice(&bytes[..count]);
                Ok(count)
            }
            Source::File(mut file) => {
                file.seek(SeekFrom::Start(begin))?;
                file.read(into)
            }
        }
    }
}
