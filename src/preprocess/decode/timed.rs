//! The bytes of a picture until its time is over.

use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};

use crate::preprocess::{Budget, PictureError};

/// What makes a decoder stop that never looks at a clock: once the budget's time is over it gets an
/// error in place of more bytes.
pub struct Timed<'a> {
    bytes: Cursor<&'a [u8]>,
    budget: &'a Budget<'a>,
}

impl<'a> Timed<'a> {
    pub fn new(bytes: &'a [u8], budget: &'a Budget<'a>) -> Self {
        Self {
            bytes: Cursor::new(bytes),
            budget,
        }
    }

    /// How many bytes were handed out, at most as many as there are.
    pub fn position(&self) -> usize {
        let length = self.bytes.get_ref().len();
        usize::try_from(self.bytes.position()).map_or(length, |position| position.min(length))
    }
}

impl Budget<'_> {
    /// What a decoder's complaint means: that the time is over, or that the picture is damaged.
    pub fn undecodable(
        &self,
        format: &'static str,
        reason: impl std::fmt::Display,
    ) -> PictureError {
        match self.check_time() {
            Err(too_slow) => too_slow,
            Ok(()) => PictureError::undecodable(format, reason),
        }
    }

    fn check_time_left(&self) -> io::Result<()> {
        self.check_time().map_err(io::Error::other)
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.budget.check_time_left()?;
        self.bytes.read(buffer)
    }
}

impl BufRead for Timed<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        /// As much as `BufReader` hands out at once: the whole picture would be taken in one gulp.
        const AT_ONCE: usize = 8 * 1024;
        self.budget.check_time_left()?;
        let rest = self.bytes.fill_buf()?;
        Ok(&rest[..rest.len().min(AT_ONCE)])
    }

    fn consume(&mut self, amount: usize) {
        self.bytes.consume(amount);
    }
}

impl Seek for Timed<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::preprocess::Limits;

    #[test]
    fn a_decoder_gets_no_byte_more_once_the_time_is_over() {
        let mut limits = Limits::default();
        let budget = Budget::new(&limits);
        let mut bytes = Timed::new(b"scan", &budget);
        assert_eq!(bytes.read(&mut [0; 2]).unwrap(), 2);
        assert_eq!(bytes.fill_buf().unwrap(), b"an");

        limits.time = Duration::ZERO;
        let budget = Budget::new(&limits);
        let mut bytes = Timed::new(b"scan", &budget);
        assert!(bytes.read(&mut [0; 2]).is_err());
        assert!(bytes.fill_buf().is_err());
    }
}
