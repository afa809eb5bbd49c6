//! How much memory the Huffman codes of lossless WebP take, read from the file without laying them out.
//!
//! No header tells: a picture may have 65,536 groups of five codes, of each of which the decoder keeps a table and a
//! tree, and a file describes 500 bytes of them in one. So what comes before the pixels is read here first: the data of
//! the transforms, which is skipped, and the codes. The format is RFC 9649, sections 3.4 to 3.7.2; what is kept is what
//! `image_webp::huffman` keeps.

use super::outline::grown;
use crate::preprocess::{Budget, PictureError};

/// Symbols of the five codes of a group: green or the length of a copy, red, blue, alpha, distance.
const ALPHABETS: [usize; 5] = [256 + 24, 256, 256, 256, 40];
/// In which order the lengths of the code are sent that the other lengths are coded with.
const ORDER: [usize; 19] = [
    17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
];
const LONGEST: usize = 15;
/// Longer codes than this go on in a tree behind the decoder's table.
const TABLE_BITS: usize = 10;
/// Bytes of a tree's node, and of a group without its tables and trees.
const NODE: u64 = 16;
const GROUP: u64 = 5 * 56;
/// How many symbols are read between two looks at the clock.
const SYMBOLS_A_LOOK: usize = 4096;

/// The most bytes that the codes of this stream take, which begins with its transforms. Where the stream is damaged, the
/// decoder stops as well; where codes take more than they may, this does.
///
/// # Errors
/// [`PictureError::TooSlow`].
pub fn memory(
    stream: &[u8],
    (width, height): (usize, usize),
    budget: &Budget,
) -> Result<u64, PictureError> {
    let mut reader = Reader {
        budget,
        bytes: stream,
        at: 0,
        codes: 0,
    };
    let _stopped = reader.main_image(width, height);
    // If it stopped for want of time, the codes that it did not come to are missing.
    budget.check_time()?;
    Ok(reader.codes)
}

struct Reader<'a> {
    budget: &'a Budget<'a>,
    bytes: &'a [u8],
    /// In bits.
    at: usize,
    /// Bytes that the codes take that were read.
    codes: u64,
}

impl Reader<'_> {
    /// As far as the pixels.
    fn main_image(&mut self, mut width: usize, height: usize) -> Option<()> {
        let squares = |side: usize, bits: usize| side.div_ceil(1 << bits);
        let mut seen = [false; 4];
        while self.bits(1)? == 1 {
            let transform = self.bits(2)?;
            if std::mem::replace(&mut seen[transform], true) {
                return None;
            }
            match transform {
                0 | 1 => {
                    let bits = self.bits(3)? + 2;
                    self.inner_image(squares(width, bits), squares(height, bits))?;
                }
                3 => {
                    let colours = self.bits(8)? + 1;
                    self.inner_image(colours, 1)?;
                    width = match colours {
                        1..=2 => squares(width, 3),
                        3..=4 => squares(width, 2),
                        5..=16 => squares(width, 1),
                        _ => width,
                    };
                }
                _ => {}
            }
        }
        let cache = self.cache()?;
        let mut groups = 1;
        if self.bits(1)? == 1 {
            let bits = self.bits(3)? + 2;
            groups += self.inner_image(squares(width, bits), squares(height, bits))?;
        }
        for _ in 0..groups {
            self.group(cache)?;
        }
        Some(())
    }

    /// Reads past an image within the image, whose codes are dropped with it. Its largest red and green, as one number,
    /// which is the number of a group of codes.
    fn inner_image(&mut self, width: usize, height: usize) -> Option<usize> {
        let before = self.codes;
        let cache = self.cache()?;
        let [green, red, blue, alpha, distance] = self.group(cache)?;
        let (pixels, mut at, mut largest) = (width * height, 0, 0);
        let mut symbols = 0_usize;
        while at < pixels {
            // A code of one symbol takes no bits: the end of the stream does not end this.
            if symbols.is_multiple_of(SYMBOLS_A_LOOK) {
                self.budget.check_time().ok()?;
            }
            symbols += 1;
            match self.symbol(&green)? {
                literal @ 0..256 => {
                    largest = largest.max(self.symbol(&red)? << 8 | literal);
                    self.symbol(&blue)?;
                    self.symbol(&alpha)?;
                    at += 1;
                }
                // What is copied was there before, and so was what comes from the cache, or it is 0.
                copy @ 256..280 => {
                    at += self.length(copy - 256)?;
                    let distance = self.symbol(&distance)?;
                    self.length(distance)?;
                }
                _ => at += 1,
            }
        }
        // The largest that was held is what counts, and the codes of the pixels come last.
        self.codes = before;
        Some(largest)
    }

    /// How many more symbols there are for colours that were seen lately.
    fn cache(&mut self) -> Option<usize> {
        if self.bits(1)? == 0 {
            return Some(0);
        }
        Some(1 << self.bits(4)?).filter(|&symbols| (2..=1 << 11).contains(&symbols))
    }

    fn length(&mut self, prefix: usize) -> Option<usize> {
        if prefix < 4 {
            return Some(prefix + 1);
        }
        let extra = (prefix - 2) >> 1;
        Some(((2 + (prefix & 1)) << extra) + self.bits(extra)? + 1)
    }

    fn group(&mut self, cache: usize) -> Option<[Code; 5]> {
        self.budget.check_time().ok()?;
        self.codes += grown(GROUP);
        if self.codes > self.budget.limits.max_memory {
            return None;
        }
        let mut codes = ALPHABETS.map(|_| Code::default());
        for (i, code) in codes.iter_mut().enumerate() {
            *code = self.code(ALPHABETS[i] + if i == 0 { cache } else { 0 })?;
        }
        Some(codes)
    }

    fn code(&mut self, alphabet: usize) -> Option<Code> {
        if self.bits(1)? == 1 {
            let count = self.bits(1)? + 1;
            let bits = if self.bits(1)? == 1 { 8 } else { 1 };
            let first = self.bits(bits)?;
            let mut symbols = vec![first];
            if count == 2 {
                symbols.push(self.bits(8)?);
                self.codes += 3 * NODE + 8;
            }
            let mut counts = [0; LONGEST + 1];
            counts[1] = count;
            return symbols
                .iter()
                .all(|&symbol| symbol < alphabet)
                .then_some(Code { counts, symbols });
        }
        let mut lengths = [0; ORDER.len()];
        for &symbol in &ORDER[..4 + self.bits(4)?] {
            lengths[symbol] = self.bits(3)?;
        }
        let code_of_lengths = Code::of(&lengths)?;
        let lengths = self.lengths(&code_of_lengths, alphabet)?;
        let code = Code::of(&lengths)?;
        self.codes += code.memory();
        Some(code)
    }

    /// How long the code of each symbol is.
    fn lengths(&mut self, code: &Code, alphabet: usize) -> Option<Vec<usize>> {
        let mut sent = alphabet;
        if self.bits(1)? == 1 {
            let bits = 2 + 2 * self.bits(3)?;
            sent = Some(2 + self.bits(bits)?).filter(|&sent| sent <= alphabet)?;
        }
        let mut lengths = Vec::with_capacity(alphabet);
        let mut last = 8;
        while lengths.len() < alphabet && sent > 0 {
            sent -= 1;
            let (length, times) = match self.symbol(code)? {
                length @ 0..16 => (length, 1),
                16 => (last, 3 + self.bits(2)?),
                17 => (0, 3 + self.bits(3)?),
                _ => (0, 11 + self.bits(7)?),
            };
            if length > 0 {
                last = length;
            }
            lengths.resize(lengths.len() + times, length);
        }
        (lengths.len() <= alphabet).then_some(lengths)
    }

    fn symbol(&mut self, code: &Code) -> Option<usize> {
        if let [only] = code.symbols[..] {
            return Some(only);
        }
        // Of each length the codes are numbers in sequence, the first of which follows from the shorter ones.
        let (mut value, mut first, mut index) = (0, 0, 0);
        for count in &code.counts[1..] {
            value |= self.bits(1)?;
            if value < first + count {
                return code.symbols.get(index + value - first).copied();
            }
            index += count;
            first = (first + count) << 1;
            value <<= 1;
        }
        None
    }

    /// The next bits, from the lowest of a byte on.
    fn bits(&mut self, count: usize) -> Option<usize> {
        let mut value = 0;
        for i in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value |= usize::from(byte >> (self.at % 8) & 1) << i;
            self.at += 1;
        }
        Some(value)
    }
}

/// How many codes there are of each length, and the symbols from the shortest to the longest; one symbol alone takes no
/// bits.
#[derive(Default)]
struct Code {
    counts: [usize; LONGEST + 1],
    symbols: Vec<usize>,
}

impl Code {
    /// The code of these lengths, if it uses up all codes there are.
    fn of(lengths: &[usize]) -> Option<Self> {
        let mut counts = [0; LONGEST + 1];
        let mut symbols: Vec<usize> = (0..lengths.len()).filter(|&i| lengths[i] > 0).collect();
        for &symbol in &symbols {
            counts[lengths[symbol]] += 1;
        }
        symbols.sort_by_key(|&symbol| lengths[symbol]);
        let used: usize = (1..=LONGEST).map(|n| counts[n] << (LONGEST - n)).sum();
        let is_whole = symbols.len() == 1 || used == 1 << LONGEST;
        is_whole.then_some(Self { counts, symbols })
    }

    /// What the decoder keeps of it.
    fn memory(&self) -> u64 {
        if self.symbols.len() < 2 {
            return 0;
        }
        let longest = (1..=LONGEST).rev().find(|&n| self.counts[n] > 0);
        let table = 4 << longest.unwrap_or(0).min(TABLE_BITS);
        let long: usize = self.counts[TABLE_BITS + 1..].iter().sum();
        table + NODE * 2 * long as u64
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::preprocess::Limits;

    /// A transform whose data are coded by codes of one symbol each: no bits a pixel.
    const NO_BITS_A_PIXEL: [u8; 4] = [0x81, 0x88, 0x88, 0];

    #[test]
    fn pixels_that_take_no_bits_end_with_the_time() {
        let (send, result) = mpsc::channel();
        thread::spawn(move || {
            let limits = Limits {
                time: Duration::from_millis(20),
                ..Limits::default()
            };
            let size = (1 << 24, 1 << 24);
            send.send(memory(&NO_BITS_A_PIXEL, size, &Budget::new(&limits)))
        });
        let codes = result.recv_timeout(Duration::from_mins(1));
        let codes = codes.expect("it goes on and on");
        assert!(matches!(codes, Err(PictureError::TooSlow { .. })));
    }

    #[test]
    fn codes_that_were_not_read_in_time_are_an_error_and_no_number() {
        let mut limits = Limits::default();
        assert!(memory(&NO_BITS_A_PIXEL, (4, 4), &Budget::new(&limits)).is_ok());
        limits.time = Duration::ZERO;
        let codes = memory(&NO_BITS_A_PIXEL, (4, 4), &Budget::new(&limits));
        assert!(matches!(codes, Err(PictureError::TooSlow { .. })));
    }
}
