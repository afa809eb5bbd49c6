//! Pictures of any size with nothing on them, in every way that a decoder takes memory: a few bytes of file for many
//! of memory. By hand, since no encoder writes them all.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::Write;

use flate2::{Compression, Crc, write::ZlibEncoder};

/// A JPEG of components with so many blocks across and down in a unit each. Zero bits are all there is to read: a DC
/// difference of none, the end of a block, the end of 16,384 blocks.
pub fn jpeg(
    [width, height]: [u16; 2],
    factors: &[[u8; 2]],
    is_progressive: bool,
    is_whole: bool,
) -> Vec<u8> {
    let mut file = vec![0xff, 0xd8];
    let mut segment = |marker: u8, content: &[u8]| {
        let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
        file.extend([&[0xff, marker], &length[..], content].concat());
    };
    let count = u8::try_from(factors.len()).unwrap();
    if count == 4 {
        segment(0xee, b"Adobe\0\x64\0\0\0\0\0");
    }
    segment(0xdb, &[&[0][..], &[1; 64]].concat());
    let mut one_code = [0; 18];
    one_code[1] = 1;
    segment(0xc4, &one_code);
    (one_code[0], one_code[17]) = (0x10, if is_progressive { 0xe0 } else { 0 });
    segment(0xc4, &one_code);

    let [high, low] = height.to_be_bytes();
    let [left, right] = width.to_be_bytes();
    let mut frame = vec![8, high, low, left, right, count];
    for (number, &[across, down]) in (1..).zip(factors) {
        frame.extend([number, across << 4 | down, 0]);
    }
    segment(if is_progressive { 0xc2 } else { 0xc0 }, &frame);

    let most = |side: usize| usize::from(factors.iter().map(|factor| factor[side]).max().unwrap());
    let units =
        usize::from(width).div_ceil(8 * most(0)) * usize::from(height).div_ceil(8 * most(1));
    let in_unit = |factor: &[u8; 2]| usize::from(factor[0]) * usize::from(factor[1]);
    let blocks = units * factors.iter().map(in_unit).sum::<usize>();
    let mut scan = |numbers: &[u8], [first, last]: [u8; 2], bits: usize| {
        let mut header = vec![u8::try_from(numbers.len()).unwrap()];
        header.extend(numbers.iter().flat_map(|&number| [number, 0]));
        header.extend([first, last, 0]);
        let length = u16::try_from(header.len() + 2).unwrap().to_be_bytes();
        file.extend([&[0xff, 0xda], &length[..], &header].concat());
        file.resize(file.len() + bits.div_ceil(8) + 8, 0);
    };
    let all: Vec<u8> = (1..=count).collect();
    if is_progressive {
        scan(&all, [0, 0], blocks);
        for number in all.iter().filter(|_| is_whole) {
            scan(&[*number], [1, 63], blocks.div_ceil(16_384) * 15);
        }
    } else {
        scan(&all, [0, 63], 2 * blocks);
    }
    file.extend([0xff, 0xd9]);
    file
}

pub const GREY: &[[u8; 2]] = &[[1, 1]];
pub const YCC_444: &[[u8; 2]] = &[[1, 1]; 3];
pub const YCC_422: &[[u8; 2]] = &[[2, 1], [1, 1], [1, 1]];
pub const YCC_420: &[[u8; 2]] = &[[2, 2], [1, 1], [1, 1]];
pub const CMYK: &[[u8; 2]] = &[[1, 1]; 4];
pub const CMYK_HALVED: &[[u8; 2]] = &[[2, 2], [1, 1], [1, 1], [2, 2]];

/// Bits from the lowest of each byte on.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: usize,
}

impl Bits {
    fn put(&mut self, value: u32, bits: usize) {
        for bit in (0..bits).map(|i| (value >> i & 1) as u8) {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= bit << (self.count % 8);
            self.count += 1;
        }
    }

    /// Five codes, each of the one symbol 0, which takes no bits.
    fn put_codes(&mut self) {
        for _ in 0..5 {
            self.put(1, 4);
        }
    }

    /// A code whose table is as large as tables are: lengths 1 to 9 and twice 10, themselves in codes of 3 and 4 bits.
    fn put_large_code(&mut self) {
        self.put(0, 1);
        self.put(10, 4);
        for length in [0, 0, 0, 3, 3, 3, 3, 3, 0, 3, 4, 4, 4, 4] {
            self.put(length, 3);
        }
        self.put(1, 1);
        self.put(1, 3);
        self.put(11 - 2, 4);
        for length in [1_u32, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10] {
            let (code, bits) = if length <= 6 {
                (length - 1, 3)
            } else {
                (length + 5, 4)
            };
            self.put(code.reverse_bits() >> (32 - bits), bits);
        }
    }

    /// Pixels that are all the same, with both transforms that have data for squares of 4 × 4, and a code for each such
    /// square, all of them the same one.
    fn put_lossless(&mut self) {
        for transform in [0, 1] {
            self.put(1, 1);
            self.put(transform, 2);
            self.put(0, 3);
            self.put(0, 1);
            self.put_codes();
        }
        self.put(0, 1);
        self.put(0, 1);
        self.put(1, 1);
        self.put(0, 3);
        self.put(0, 1);
        self.put_codes();
        self.put_codes();
    }
}

fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_le_bytes();
    let padding = &[0][..content.len() % 2];
    [&name[..], &length, content, padding].concat()
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    chunk(b"RIFF", &[&b"WEBP"[..], &chunks.concat()].concat())
}

fn vp8l([width, height]: [u16; 2], has_alpha: bool) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(0x2f, 8);
    bits.put(u32::from(width) - 1, 14);
    bits.put(u32::from(height) - 1, 14);
    bits.put(has_alpha.into(), 1);
    bits.put(0, 3);
    bits.put_lossless();
    bits.bytes.resize(bits.bytes.len() + 8, 0);
    chunk(b"VP8L", &bits.bytes)
}

/// A lossless WebP with so many groups of codes that are as large as codes are, 256 at a time: 60 bytes each, which
/// become 20 KiB.
pub fn webp_of_large_codes([width, height]: [u16; 2], groups: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(0x2f, 8);
    bits.put(u32::from(width) - 1, 14);
    bits.put(u32::from(height) - 1, 14);
    // No alpha, version 0, no transform, no cache; squares of 4 × 4 choose a group each.
    bits.put(0, 1 + 3 + 1 + 1);
    bits.put(1, 1);
    bits.put(0, 3);
    bits.put(0, 1);
    // All of them choose the last one: red and green are its number.
    for byte in [255, groups / 256 - 1, 0, 0, 0] {
        bits.put(0b101, 3);
        bits.put(byte, 8);
    }
    for _ in 0..groups * 5 {
        bits.put_large_code();
    }
    let pixels = usize::from(width) * usize::from(height);
    bits.bytes.resize(bits.bytes.len() + pixels / 2 + 8, 0);
    riff(&[chunk(b"VP8L", &bits.bytes)])
}

/// Zeros decide everything: each square of 16 × 16 is predicted, and has no coefficients.
fn vp8([width, height]: [u16; 2]) -> Vec<u8> {
    let squares = usize::from(width).div_ceil(16) * usize::from(height).div_ceil(16);
    let modes = squares + 1000;
    let tag = u32::try_from(modes << 5 | 1 << 4).unwrap().to_le_bytes();
    let mut frame = [&tag[..3], &[0x9d, 0x01, 0x2a]].concat();
    frame.extend(width.to_le_bytes());
    frame.extend(height.to_le_bytes());
    frame.resize(frame.len() + modes + 3 * squares + 1000, 0);
    chunk(b"VP8 ", &frame)
}

fn alph() -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(1, 8);
    bits.put_lossless();
    bits.bytes.resize(bits.bytes.len() + 8, 0);
    chunk(b"ALPH", &bits.bytes)
}

fn three([width, height]: [u16; 2]) -> Vec<u8> {
    let side = |side: u16| (u32::from(side) - 1).to_le_bytes();
    [&side(width)[..3], &side(height)[..3]].concat()
}

fn vp8x(flags: u8, size: [u16; 2]) -> Vec<u8> {
    chunk(b"VP8X", &[&[flags, 0, 0, 0][..], &three(size)].concat())
}

pub fn lossy_webp(size: [u16; 2]) -> Vec<u8> {
    riff(&[vp8(size)])
}

pub fn lossy_webp_with_alpha(size: [u16; 2]) -> Vec<u8> {
    riff(&[vp8x(0x10, size), alph(), vp8(size)])
}

pub fn lossless_webp(size: [u16; 2], has_alpha: bool) -> Vec<u8> {
    riff(&[vp8l(size, has_alpha)])
}

/// An animation of one frame that is lossy, lossy with alpha, or lossless.
pub fn animated_webp(size: [u16; 2], parts: &str) -> Vec<u8> {
    let mut frame = [&[0; 6][..], &three(size), &[0; 4]].concat();
    match parts {
        "lossy" => frame.extend(vp8(size)),
        "alpha" => frame.extend([alph(), vp8(size)].concat()),
        _ => frame.extend(vp8l(size, true)),
    }
    let animation = chunk(b"ANIM", &[0; 6]);
    riff(&[vp8x(0x12, size), animation, chunk(b"ANMF", &frame)])
}

/// A PNG of samples that are all 0; `colour` as in the header: 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGBA.
pub fn png([width, height]: [u16; 2], depth: u8, colour: u8, is_interlaced: bool) -> Vec<u8> {
    let channels = [1, 0, 3, 1, 2, 0, 4][usize::from(colour)];
    let row = |width: usize| 1 + (width * channels * usize::from(depth)).div_ceil(8);
    let (wide, high) = (usize::from(width), usize::from(height));
    let bytes = if is_interlaced {
        // First column and row, and the steps from one to the next, of Adam7's seven passes.
        let passes = [
            [0, 0, 8, 8],
            [4, 0, 8, 8],
            [0, 4, 4, 8],
            [2, 0, 4, 4],
            [0, 2, 2, 4],
            [1, 0, 2, 2],
            [0, 1, 1, 2],
        ];
        let pass = |[x, y, dx, dy]: [usize; 4]| {
            let (columns, rows) = ((wide + dx - 1 - x) / dx, (high + dy - 1 - y) / dy);
            if columns == 0 { 0 } else { row(columns) * rows }
        };
        passes.map(pass).iter().sum()
    } else {
        row(wide) * high
    };
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..bytes / 4096 {
        zlib.write_all(&[0; 4096]).unwrap();
    }
    zlib.write_all(&[0; 4096][..bytes % 4096]).unwrap();

    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |name: &[u8; 4], content: &[u8]| {
        file.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        let summed = [&name[..], content].concat();
        let mut sum = Crc::new();
        sum.update(&summed);
        file.extend(summed);
        file.extend(sum.sum().to_be_bytes());
    };
    let sides = [
        u32::from(width).to_be_bytes(),
        u32::from(height).to_be_bytes(),
    ]
    .concat();
    chunk(
        b"IHDR",
        &[&sides[..], &[depth, colour, 0, 0, is_interlaced.into()]].concat(),
    );
    if colour == 3 {
        chunk(b"PLTE", &[9; 3 * 4]);
        chunk(b"tRNS", &[100]);
    }
    chunk(b"IDAT", &zlib.finish().unwrap());
    chunk(b"IEND", &[]);
    file
}

/// A GIF whose only frame has another size than its canvas.
pub fn gif([width, height]: [u16; 2], [wide, high]: [u16; 2]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = gif::Encoder::new(&mut file, width, height, &[7; 6]).unwrap();
    let frame = gif::Frame {
        width: wide,
        height: high,
        buffer: vec![0; usize::from(wide) * usize::from(high)].into(),
        ..gif::Frame::default()
    };
    encoder.write_frame(&frame).unwrap();
    drop(encoder);
    file
}

/// A BMP of 8 bits in runs, which may say nothing at all, or of 32 bits with alpha.
pub fn bmp([width, height]: [u16; 2], is_run_length: bool) -> Vec<u8> {
    let sides = [i32::from(width), i32::from(height)];
    let mut file = b"BM".to_vec();
    let at: u32 = if is_run_length { 54 + 4 * 256 } else { 70 };
    let header: u32 = if is_run_length { 40 } else { 56 };
    file.extend([0, 0, at, header].map(u32::to_le_bytes).concat());
    file.extend(sides.map(i32::to_le_bytes).concat());
    let (bits, coding) = if is_run_length { (8, 1) } else { (32, 3) };
    file.extend([1, 0, bits, 0, coding, 0, 0, 0]);
    file.resize(54, 0);
    if is_run_length {
        file.resize(at as usize, 5);
    } else {
        for mask in [0x00ff_0000_u32, 0xff00, 0xff, 0xff00_0000] {
            file.extend(mask.to_le_bytes());
        }
        file.resize(file.len() + 4 * usize::from(width) * usize::from(height), 0);
    }
    file
}
