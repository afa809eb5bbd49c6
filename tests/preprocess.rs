//! What pictures become: Pillow's own numbers for `Fit::Resize`, MNIST's looks for `Fit::Digit`, and
//! an error, never a panic, for everything that is no picture or too much of one.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use kiln::preprocess::{Fit, Limits, PictureError, Size, decode_and_fit};

const SIDE: usize = 28;
const PIXELS: usize = SIDE * SIDE;

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", "pictures"]
        .iter()
        .collect()
}

fn picture(name: &str) -> Vec<u8> {
    let path = folder().join(name);
    fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn names() -> Vec<String> {
    let list = String::from_utf8(picture("names.txt")).unwrap();
    list.lines().map(str::to_owned).collect()
}

fn fit(bytes: &[u8], fit: Fit) -> Vec<u8> {
    decode_and_fit(bytes, fit, Size::MNIST, &Limits::default()).unwrap()
}

fn refusal(bytes: &[u8], limits: &Limits) -> PictureError {
    decode_and_fit(bytes, Fit::Resize, Size::MNIST, limits).unwrap_err()
}

fn largest_difference(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| a.abs_diff(*b))
        .max()
        .unwrap_or(0)
}

/// The mean difference of two digits, where they lie best within one pixel of each other: what moves
/// a centre of mass over a half moves the digit by a whole pixel.
fn mean_difference(a: &[u8], b: &[u8]) -> f64 {
    let at = |i: usize, shift: usize| b.get((i + shift).wrapping_sub(SIDE + 1)).copied();
    let shifts = (0..3).flat_map(|y| (0..3).map(move |x| y * SIDE + x));
    let sums = shifts.map(|shift| -> u32 {
        let pairs = a.iter().enumerate();
        pairs
            .map(|(i, &a)| u32::from(a.abs_diff(at(i, shift).unwrap_or(0))))
            .sum()
    });
    f64::from(sums.min().unwrap_or(u32::MAX)) / PIXELS as f64
}

/// A 24-bit BMP: the simplest file that holds any pixels.
fn bmp(width: usize, height: usize, pixel: impl Fn(usize, usize) -> [u8; 3]) -> Vec<u8> {
    let stride = (width * 3).next_multiple_of(4);
    let mut file = b"BM".to_vec();
    let side = |n: usize| i32::try_from(n).unwrap();
    for field in [
        side(54 + stride * height),
        0,
        54,
        40,
        side(width),
        -side(height),
    ] {
        file.extend(field.to_le_bytes());
    }
    file.extend([1, 0, 24, 0]);
    file.extend([0; 24]);
    for y in 0..height {
        let start = file.len();
        for x in 0..width {
            let [r, g, b] = pixel(x, y);
            file.extend([b, g, r]);
        }
        file.resize(start + stride, 0);
    }
    file
}

/// A 32-bit BMP with alpha.
fn transparent_bmp(
    width: usize,
    height: usize,
    pixel: impl Fn(usize, usize) -> [u8; 4],
) -> Vec<u8> {
    let mut file = b"BM".to_vec();
    let side = |n: usize| i32::try_from(n).unwrap();
    for field in [0, 0, 70, 56, side(width), -side(height)] {
        file.extend(field.to_le_bytes());
    }
    file.extend([1, 0, 32, 0, 3, 0, 0, 0]);
    file.extend([0; 20]);
    for mask in [0x00ff_0000_u32, 0xff00, 0xff, 0xff00_0000] {
        file.extend(mask.to_le_bytes());
    }
    for y in 0..height {
        for x in 0..width {
            let [r, g, b, a] = pixel(x, y);
            file.extend([b, g, r, a]);
        }
    }
    file
}

/// A seven of strokes `pen` wide in the box (0, 0) to (1, 1).
fn is_seven(x: f64, y: f64, pen: f64) -> bool {
    let bar = (0.0..=1.0).contains(&x) && (y - pen / 2.0).abs() <= pen / 2.0;
    let middle = 1.0 - 0.7 * y;
    let leg = (0.0..=1.0).contains(&y) && (x - middle).abs() <= pen / 2.0;
    bar || leg
}

/// A page of 300 x 400 with a seven of 90 x 140 pixels on it, its corner at (150, 40).
fn seven(ink: [u8; 3], paper: [u8; 3]) -> Vec<u8> {
    bmp(300, 400, |x, y| {
        let (x, y) = ((x as f64 - 150.0) / 90.0, (y as f64 - 40.0) / 140.0);
        if is_seven(x, y, 0.16) { ink } else { paper }
    })
}

/// Left, top, right, bottom (inside) of what is brighter than `level`.
fn ink_box(digit: &[u8], level: u8) -> (usize, usize, usize, usize) {
    let lit = digit.iter().enumerate().filter(|&(_, &v)| v > level);
    lit.fold((SIDE, SIDE, 0, 0), |(l, t, r, b), (i, _)| {
        let (x, y) = (i % SIDE, i / SIDE);
        (l.min(x), t.min(y), r.max(x), b.max(y))
    })
}

#[track_caller]
fn assert_looks_like_mnist(digit: &[u8]) {
    assert_eq!(digit.len(), PIXELS);
    let mass: f64 = digit.iter().map(|&v| f64::from(v)).sum();
    let moment = |of: fn(usize) -> usize| -> f64 {
        let sum: f64 = digit
            .iter()
            .enumerate()
            .map(|(i, &v)| f64::from(v) * of(i) as f64)
            .sum();
        sum / mass
    };
    let (x, y) = (moment(|i| i % SIDE), moment(|i| i / SIDE));
    assert!((x - 14.0).abs() <= 1.0, "centre of mass at column {x}");
    assert!((y - 14.0).abs() <= 1.0, "centre of mass at row {y}");
    let (left, top, right, bottom) = ink_box(digit, 0);
    let (width, height) = (right - left + 1, bottom - top + 1);
    assert!(width <= 20 && height <= 20, "ink is {width}x{height}");
    assert!(width.max(height) >= 19, "ink is only {width}x{height}");
    assert_eq!(digit.iter().max(), Some(&255));
    let paper = digit.iter().filter(|&&v| v == 0).count();
    assert!(paper > PIXELS / 2, "only {paper} pixels are black");
}

#[test]
fn resize_equals_pillow_within_one_grey_level() {
    let expected = picture("expected.bin");
    let names = names();
    assert_eq!(expected.len(), names.len() * PIXELS);
    assert!(names.len() > 80);
    for (name, expected) in names.iter().zip(expected.chunks_exact(PIXELS)) {
        let ours = fit(&picture(name), Fit::Resize);
        let difference = largest_difference(&ours, expected);
        assert!(difference <= 1, "{name}: {difference} grey levels off");
    }
}

#[test]
fn sixteen_bit_samples_are_scaled_to_eight() {
    // A hand-made BMP cannot hold them; a PNG of stored blocks can.
    let png = sixteen_bit_png([0x0000, 0x8000, 0xffff]);
    let size = Size {
        width: 3,
        height: 1,
    };
    let grey = decode_and_fit(&png, Fit::Resize, size, &Limits::default()).unwrap();
    assert_eq!(grey, [0, 128, 255]);
}

fn sixteen_bit_png(row: [u16; 3]) -> Vec<u8> {
    let mut raw = vec![0];
    raw.extend(row.iter().flat_map(|v| v.to_be_bytes()));
    let length = u16::try_from(raw.len()).unwrap();
    let mut zlib = vec![0x78, 0x01, 0x01];
    zlib.extend(length.to_le_bytes());
    zlib.extend((!length).to_le_bytes());
    zlib.extend(&raw);
    zlib.extend(adler32(&raw).to_be_bytes());
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let header = [0, 0, 0, 3, 0, 0, 0, 1, 16, 0, 0, 0, 0];
    for (kind, data) in [(b"IHDR", &header[..]), (b"IDAT", &zlib), (b"IEND", &[])] {
        png.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        let checked = [&kind[..], data].concat();
        png.extend(&checked);
        png.extend(crc32(&checked).to_be_bytes());
    }
    png
}

fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
fn auto_passes_light_ink_on_black_of_the_models_size_unchanged() {
    let level = |x: usize, y: usize| {
        let is_border = x == 0 || y == 0 || x + 1 == SIDE || y + 1 == SIDE;
        // Some ink reaches the border, and black is seldom quite black.
        if is_border && x > 8 {
            7
        } else {
            (x * 9) as u8 ^ y as u8
        }
    };
    let grey = fit(&bmp(SIDE, SIDE, |x, y| [level(x, y); 3]), Fit::Auto);
    let expected: Vec<u8> = (0..PIXELS).map(|i| level(i % SIDE, i / SIDE)).collect();
    assert_eq!(grey, expected);
}

#[test]
fn auto_fits_a_picture_of_the_models_size_that_is_not_light_on_black() {
    let drawn = |ink: [u8; 3], paper: [u8; 3]| {
        bmp(SIDE, SIDE, |x, y| {
            let (x, y) = ((x as f64 - 8.0) / 12.0, (y as f64 - 4.0) / 19.0);
            if is_seven(x, y, 0.16) { ink } else { paper }
        })
    };
    for (ink, paper) in [
        ([0; 3], [255; 3]),
        ([250; 3], [70; 3]),
        ([200, 30, 30], [240; 3]),
    ] {
        let page = drawn(ink, paper);
        let digit = fit(&page, Fit::Auto);
        assert_looks_like_mnist(&digit);
        assert_eq!(digit, fit(&page, Fit::Digit), "{ink:?} on {paper:?}");
    }
    // What is seen through is no black.
    let drawing = transparent_bmp(SIDE, SIDE, |x, y| {
        let (x, y) = ((x as f64 - 8.0) / 12.0, (y as f64 - 4.0) / 19.0);
        [0, 0, 0, if is_seven(x, y, 0.16) { 255 } else { 0 }]
    });
    assert_looks_like_mnist(&fit(&drawing, Fit::Auto));
}

#[test]
fn auto_fits_a_picture_of_another_size_as_a_digit() {
    let page = seven([20; 3], [250; 3]);
    assert_eq!(fit(&page, Fit::Auto), fit(&page, Fit::Digit));
}

#[test]
fn a_digit_is_light_on_black_whatever_the_paper() {
    let dark = fit(&seven([0; 3], [255; 3]), Fit::Digit);
    assert_looks_like_mnist(&dark);
    for (ink, paper) in [
        ([255; 3], [0; 3]),
        ([240, 190, 0], [255; 3]),
        ([30, 60, 200], [255, 240, 150]),
        ([230, 60, 60], [60, 140, 70]),
    ] {
        let other = fit(&seven(ink, paper), Fit::Digit);
        assert_looks_like_mnist(&other);
        let difference = mean_difference(&dark, &other);
        assert!(difference <= 2.0, "{ink:?} on {paper:?}: {difference}");
    }
}

#[test]
fn a_shadow_across_the_paper_does_not_show() {
    let even = fit(&seven([30; 3], [230; 3]), Fit::Digit);
    let shaded = bmp(300, 400, |x, y| {
        let light = 0.35 + 0.65 * (x as f64 / 300.0);
        let (u, v) = ((x as f64 - 150.0) / 90.0, (y as f64 - 40.0) / 140.0);
        let level = if is_seven(u, v, 0.16) { 30.0 } else { 230.0 };
        [(level * light) as u8; 3]
    });
    let shaded = fit(&shaded, Fit::Digit);
    assert_looks_like_mnist(&shaded);
    // Where the outer edge of the ink falls between two pixels may differ; the shape may not.
    let difference = mean_difference(&even, &shaded);
    assert!(difference <= 10.0, "{difference}");
}

#[test]
fn specks_and_a_frame_are_no_part_of_the_digit() {
    let clean = fit(&seven([0; 3], [255; 3]), Fit::Digit);
    let dirty = bmp(300, 400, |x, y| {
        let (u, v) = ((x as f64 - 150.0) / 90.0, (y as f64 - 40.0) / 140.0);
        let speck = x % 97 < 2 && y % 89 < 2;
        let frame = !(4..296).contains(&x) || !(4..396).contains(&y);
        [if is_seven(u, v, 0.16) || speck || frame {
            0
        } else {
            255
        }; 3]
    });
    let dirty = fit(&dirty, Fit::Digit);
    assert_looks_like_mnist(&dirty);
    let difference = mean_difference(&clean, &dirty);
    assert!(difference <= 4.0, "{difference}");
}

#[test]
fn a_thin_pen_on_a_large_page_stays_bold() {
    let page = bmp(1200, 1600, |x, y| {
        let (u, v) = ((x as f64 - 300.0) / 600.0, (y as f64 - 500.0) / 900.0);
        [if is_seven(u, v, 0.004) { 40 } else { 255 }; 3]
    });
    let digit = fit(&page, Fit::Digit);
    assert_looks_like_mnist(&digit);
    let bold = digit.iter().filter(|&&v| v > 128).count();
    assert!(bold >= 45, "only {bold} bright pixels");
}

#[test]
fn transparent_is_paper_for_dark_and_for_light_ink() {
    let drawing = |ink: [u8; 3]| {
        transparent_bmp(300, 400, |x, y| {
            let (x, y) = ((x as f64 - 150.0) / 90.0, (y as f64 - 40.0) / 140.0);
            let alpha = if is_seven(x, y, 0.16) { 255 } else { 0 };
            [ink[0], ink[1], ink[2], alpha]
        })
    };
    let dark = fit(&drawing([0; 3]), Fit::Digit);
    assert_looks_like_mnist(&dark);
    assert_eq!(dark, fit(&drawing([255; 3]), Fit::Digit));
    let difference = largest_difference(&dark, &fit(&seven([0; 3], [255; 3]), Fit::Digit));
    assert!(difference <= 2, "{difference}");
}

#[test]
fn exif_orientation_turns_a_digit_upright() {
    let upright = fit(&picture("seven_1.jpg"), Fit::Digit);
    assert_looks_like_mnist(&upright);
    let turned = (2..=8).map(|turn| format!("seven_{turn}.jpg"));
    let others = ["seven_6.png", "seven_6.webp"].map(str::to_owned);
    for name in turned.chain(others) {
        let digit = fit(&picture(&name), Fit::Digit);
        let difference = mean_difference(&upright, &digit);
        // Turned the wrong way it is 40 and more.
        assert!(difference <= 6.0, "{name}: {difference}");
    }
}

#[test]
fn a_digit_that_looks_like_mnist_already_is_nearly_unchanged() {
    // Strokes of two to three pixels in a box of 20, centred by mass: made by the fit itself.
    let mnist = fit(&seven([0; 3], [255; 3]), Fit::Digit);
    let again = bmp(SIDE, SIDE, |x, y| [mnist[y * SIDE + x]; 3]);
    let again = fit(&again, Fit::Digit);
    let sum: u32 = mnist
        .iter()
        .zip(&again)
        .map(|(a, b)| u32::from(a.abs_diff(*b)))
        .sum();
    let mean = f64::from(sum) / PIXELS as f64;
    assert!(mean < 1.0, "changed by {mean} grey levels on the average");
}

#[test]
fn a_page_without_a_digit_is_refused_unless_it_is_only_resized() {
    let mut state = 0x2545_f491_4f6c_dd1d;
    let noise: Vec<u8> = (0..90 * 60)
        .map(|_| 100 + (next(&mut state) % 40) as u8)
        .collect();
    let pages = [
        ("white", bmp(90, 60, |_, _| [255; 3])),
        ("black", bmp(90, 60, |_, _| [0; 3])),
        ("grey", bmp(90, 60, |_, _| [127; 3])),
        ("transparent", transparent_bmp(50, 50, |_, _| [0; 4])),
        (
            "gradient",
            bmp(300, 200, |x, y| [(60 + x / 3 + y / 4) as u8; 3]),
        ),
        ("noise", bmp(90, 60, |x, y| [noise[y * 90 + x]; 3])),
        ("black, of the model's size", bmp(SIDE, SIDE, |_, _| [0; 3])),
        (
            "white, of the model's size",
            bmp(SIDE, SIDE, |_, _| [255; 3]),
        ),
    ];
    for (name, page) in pages {
        let answer = decode_and_fit(&page, Fit::Auto, Size::MNIST, &Limits::default());
        assert_eq!(answer, Err(PictureError::NoDigit), "{name}");
        assert_eq!(fit(&page, Fit::Resize).len(), PIXELS, "{name}");
    }
}

/// The seven of [`seven`] at another place of a page of 300 x 400.
fn is_ink(x: usize, y: usize, (left, top): (f64, f64)) -> bool {
    let (x, y) = ((x as f64 - left) / 90.0, (y as f64 - top) / 140.0);
    is_seven(x, y, 0.16)
}

#[test]
fn two_digits_are_refused() {
    let page = bmp(300, 400, |x, y| {
        [if is_ink(x, y, (30.0, 100.0)) || is_ink(x, y, (180.0, 110.0)) {
            0
        } else {
            255
        }; 3]
    });
    let answer = decode_and_fit(&page, Fit::Auto, Size::MNIST, &Limits::default());
    assert_eq!(answer, Err(PictureError::SeveralDigits));
}

/// A page with a seven and something around or across it.
#[track_caller]
fn assert_is_no_part_of_the_digit(what: &str, is_there: impl Fn(f64, f64) -> bool) {
    let clean = fit(&seven([0; 3], [255; 3]), Fit::Digit);
    let page = bmp(300, 400, |x, y| {
        let is_ink = is_ink(x, y, (150.0, 40.0)) || is_there(x as f64, y as f64);
        [if is_ink { 0 } else { 255 }; 3]
    });
    let digit = fit(&page, Fit::Digit);
    let difference = mean_difference(&clean, &digit);
    assert!(difference <= 4.0, "{what}: {difference}");
}

#[test]
fn a_circle_or_a_box_round_the_digit_is_no_part_of_it() {
    assert_is_no_part_of_the_digit("a circle", |x, y| {
        ((x - 190.0).hypot(y - 110.0) - 100.0).abs() < 3.0
    });
    assert_is_no_part_of_the_digit("a box", |x, y| {
        let (x, y) = ((x - 190.0).abs() - 75.0, (y - 112.0).abs() - 95.0);
        x.max(y).abs() < 3.0
    });
    assert_is_no_part_of_the_digit("a box of dashes", |x, y| {
        let (dx, dy) = ((x - 190.0).abs() - 75.0, (y - 112.0).abs() - 95.0);
        dx.max(dy).abs() < 3.0 && (((x + y) / 14.0) as usize).is_multiple_of(2)
    });
}

#[test]
fn a_frame_along_the_border_is_no_part_of_a_digit_that_is_much_fainter() {
    let clean = fit(&seven([0; 3], [255; 3]), Fit::Digit);
    let page = bmp(300, 400, |x, y| {
        let is_frame = !(6..294).contains(&x) || !(6..394).contains(&y);
        let level = if is_ink(x, y, (150.0, 40.0)) {
            150
        } else {
            255
        };
        [if is_frame { 0 } else { level }; 3]
    });
    let difference = mean_difference(&clean, &fit(&page, Fit::Digit));
    assert!(difference <= 4.0, "{difference}");
}

#[test]
fn the_edge_of_a_shadow_across_the_digit_does_not_show() {
    let clean = fit(&seven([30; 3], [230; 3]), Fit::Digit);
    let page = bmp(300, 400, |x, y| {
        let light = if x + y < 320 { 1.0 } else { 0.5 };
        let level = if is_ink(x, y, (150.0, 40.0)) {
            30.0
        } else {
            230.0
        };
        [(level * light) as u8; 3]
    });
    let difference = mean_difference(&clean, &fit(&page, Fit::Digit));
    assert!(difference <= 8.0, "{difference}");
}

#[test]
fn lines_across_the_page_are_no_part_of_the_digit() {
    assert_is_no_part_of_the_digit("a line under it", |x, y| (y - 200.0 - x * 0.02).abs() < 1.5);
    assert_is_no_part_of_the_digit("a line through it", |x, y| {
        (y - 110.0 + x * 0.03).abs() < 1.0
    });
    assert_is_no_part_of_the_digit("three lines", |x, y| {
        [20.0, 130.0, 300.0]
            .iter()
            .any(|at| (y - at - x * 0.01).abs() < 1.5)
    });
    assert_is_no_part_of_the_digit("a margin", |x, y| (x - 40.0 - y * 0.01).abs() < 1.5);
}

#[test]
fn a_zero_with_a_dot_in_it_stays_a_zero() {
    let zero = |x: usize, y: usize| {
        let (x, y) = ((x as f64 - 150.0) / 60.0, (y as f64 - 200.0) / 90.0);
        (x.hypot(y) - 0.9).abs() < 0.1
    };
    let dotted =
        |x: usize, y: usize| zero(x, y) || (x as f64 - 150.0).hypot(y as f64 - 200.0) < 12.0;
    for (is_ink, ring) in [
        (&zero as &dyn Fn(usize, usize) -> bool, "plain"),
        (&dotted, "dotted"),
    ] {
        let page = bmp(300, 400, |x, y| [if is_ink(x, y) { 0 } else { 255 }; 3]);
        let (_, top, _, bottom) = ink_box(&fit(&page, Fit::Digit), 100);
        assert!(bottom - top >= 18, "{ring}");
    }
}

#[test]
fn the_digit_is_found_on_a_sheet_that_lies_tilted_on_a_table() {
    let page = bmp(600, 500, |x, y| {
        let (sin, cos) = 0.15_f64.sin_cos();
        let (x, y) = (x as f64 - 300.0, y as f64 - 250.0);
        let (x, y) = (x * cos + y * sin, y * cos - x * sin);
        let (u, v) = ((x + 45.0) / 90.0, (y + 70.0) / 140.0);
        [if is_seven(u, v, 0.16) {
            30
        } else if x.abs() < 150.0 && y.abs() < 190.0 {
            240
        } else {
            90
        }; 3]
    });
    let digit = fit(&page, Fit::Digit);
    assert_looks_like_mnist(&digit);
    let clean = fit(&seven([30; 3], [240; 3]), Fit::Digit);
    let difference = mean_difference(&clean, &digit);
    assert!(difference <= 8.0, "{difference}");
}

#[test]
fn the_models_size_is_the_size_of_the_answer() {
    for (width, height) in [(1, 1), (32, 32), (64, 20), (1024, 3)] {
        for way in [Fit::Resize, Fit::Digit] {
            let size = Size { width, height };
            let page = seven([0; 3], [255; 3]);
            let values = decode_and_fit(&page, way, size, &Limits::default()).unwrap();
            assert_eq!(values.len(), width * height);
        }
    }
}

#[test]
fn what_passes_a_limit_is_refused_before_it_is_decoded() {
    let page = seven([0; 3], [255; 3]);
    let limits = Limits {
        max_bytes: page.len() - 1,
        ..Limits::default()
    };
    assert!(matches!(
        refusal(&page, &limits),
        PictureError::TooManyBytes { .. }
    ));
    // A header alone is enough to be refused for its size.
    for name in [
        "rgb_1000x800.png",
        "420_900x700.jpg",
        "lossy_640x480.webp",
        "palette_8_bit_61x47.bmp",
        "grey_30x30.gif",
    ] {
        let limits = Limits {
            max_pixels: 800,
            ..Limits::default()
        };
        assert!(
            matches!(
                refusal(&picture(name), &limits),
                PictureError::TooManyPixels { .. }
            ),
            "{name}"
        );
    }
    let limits = Limits {
        time: Duration::ZERO,
        ..Limits::default()
    };
    assert!(matches!(
        refusal(&page, &limits),
        PictureError::TooSlow { .. }
    ));
}

#[test]
fn noise_for_a_large_model_ends_with_the_time_it_may_take() {
    let mut state = 1;
    let dots: Vec<bool> = (0..640 * 640)
        .map(|_| next(&mut state).is_multiple_of(9))
        .collect();
    let page = bmp(640, 640, |x, y| {
        [if dots[640 * y + x] { 0 } else { 255 }; 3]
    });
    let size = Size {
        width: Size::MAX_SIDE,
        height: Size::MAX_SIDE,
    };
    // Minutes without a limit.
    let fitted = decode_and_fit(&page, Fit::Digit, size, &Limits::default());
    assert!(
        matches!(fitted, Err(PictureError::TooSlow { .. })),
        "{:?}",
        fitted.map(|values| values.len())
    );
}

#[test]
fn a_line_of_a_million_pixels_is_refused() {
    let mut header = bmp(1, 1, |_, _| [0; 3]);
    header[18..22].copy_from_slice(&1_000_000_i32.to_le_bytes());
    assert!(matches!(
        refusal(&header, &Limits::default()),
        PictureError::TooLong { .. }
    ));
}

#[test]
fn metadata_count_as_bytes_and_not_as_pixels() {
    let plain = picture("grey_30x30.gif");
    // Behind the header and its palette, as XMP is written: 20 blocks of 255 bytes.
    let palette = 3 << ((plain[10] & 7) + 1);
    let (header, rest) = plain.split_at(13 + palette);
    let mut with_xmp = [header, b"\x21\xff\x0bXMP DataXMP"].concat();
    for _ in 0..20 {
        with_xmp.push(255);
        with_xmp.extend([b' '; 255]);
    }
    with_xmp.push(0);
    with_xmp.extend(rest);
    let limits = Limits {
        max_pixels: 64 * 64,
        ..Limits::default()
    };
    let decoded = decode_and_fit(&with_xmp, Fit::Resize, Size::MNIST, &limits);
    assert_eq!(decoded.unwrap(), fit(&plain, Fit::Resize));
}

#[test]
fn a_frame_larger_than_its_canvas_is_refused() {
    // One pixel, and a frame of 2^24 × 2^24 pixels that take no bits.
    let file = b"RIFF\x46\0\0\0WEBPVP8L\x08\0\0\0\x2f\0\0\0\0\x88\x88\x08\
        ANMF\x22\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\0\0\0\0\
        VP8L\x09\0\0\0\x2f\0\0\0\0\x81\x88\x88\0\0";
    let (send, refused) = mpsc::channel();
    thread::spawn(move || send.send(refusal(file, &Limits::default())));
    let error = refused.recv_timeout(Duration::from_mins(1));
    let error = error.expect("it goes on and on").to_string();
    assert!(
        error.contains("16777216x16777216") && error.contains("1x1"),
        "{error}"
    );
}

#[test]
fn what_is_no_picture_is_told_so() {
    let limits = Limits::default();
    assert_eq!(refusal(b"", &limits), PictureError::Empty);
    let error = refusal(&[b'<'; 5000], &limits);
    assert!(
        matches!(&error, PictureError::UnknownFormat { first_bytes } if first_bytes.len() == 16)
    );
    assert!(error.to_string().len() < 200);
}

#[test]
fn a_picture_that_curl_sent_as_text_is_told_so() {
    let files = [
        fs::read("examples/seven.png").unwrap(),
        fs::read("examples/three.jpg").unwrap(),
        [
            &b"\xff\xd8\xff\xe1\x12\x34Exif\0\0II*\0\x08\0\0\0\n"[..],
            &[7; 9000],
        ]
        .concat(),
    ];
    for file in files {
        // Older ones leave out the rest of a line that has a zero.
        let lines = file.split(|&byte| byte == b'\n');
        let old = lines.filter_map(|line| line.split(|&byte| byte == 0).next());
        let old: Vec<u8> = old
            .flatten()
            .copied()
            .filter(|&byte| byte != b'\r')
            .collect();
        let left_out = |byte: &u8| !matches!(byte, b'\r' | b'\n' | 0);
        let new: Vec<u8> = file.iter().copied().filter(left_out).collect();
        for sent in [old, new] {
            let error = refusal(&sent, &Limits::default()).to_string();
            assert!(error.contains("--data-binary, not with -d"), "{error}");
        }
    }
    // A first segment that is long and called otherwise is one for all that.
    let mut long = vec![0xff, 0xd8, 0xff, 0xe0, 1, 4];
    long.extend([b'x'; 258]);
    long.extend([0xff, 0xd9]);
    let error = refusal(&long, &Limits::default()).to_string();
    assert!(!error.contains("--data-binary"), "{error}");
}

#[test]
fn a_picture_of_a_format_that_is_not_read_is_called_by_its_name_with_what_to_do() {
    let cases: [(&[u8], &str, &str); 5] = [
        (
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
            "HEIC is not read",
            "Most Compatible",
        ),
        (
            b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf",
            "AVIF is not read",
            "PNG",
        ),
        (b"II*\0\x08\0\0\0", "TIFF is not read", "PNG"),
        (b"%PDF-1.7\n", "PDF is not read", "pdftoppm"),
        (
            b"<?xml version=\"1.0\"?>\n<svg width=\"9\">",
            "SVG is not read",
            "PNG",
        ),
    ];
    for (bytes, name, advice) in cases {
        let error = refusal(bytes, &Limits::default()).to_string();
        assert!(error.contains(name) && error.contains(advice), "{error}");
    }
}

/// The next of a fixed series of numbers (xorshift64), so that a failure can be seen again.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 33).unwrap()
}

#[test]
fn damaged_pictures_are_errors_and_never_panics() {
    let limits = Limits {
        max_pixels: 1_000_000,
        ..Limits::default()
    };
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let mut refused = 0;
    for name in names() {
        let whole = picture(&name);
        let rounds = if whole.len() > 8000 { 6 } else { 30 };
        for round in 0..rounds {
            let mut damaged = whole.clone();
            if round % 3 == 0 {
                damaged.truncate(next(&mut state) % whole.len());
            }
            // Headers come first, and are where damage does most.
            for _ in 0..=round % 8 {
                let reach = if round % 2 == 0 { 100 } else { damaged.len() };
                let at = next(&mut state) % reach.max(1);
                if let Some(byte) = damaged.get_mut(at) {
                    *byte = next(&mut state) as u8;
                }
            }
            let way = [Fit::Resize, Fit::Digit][round % 2];
            match decode_and_fit(&damaged, way, Size::MNIST, &limits) {
                Ok(values) => assert_eq!(values.len(), PIXELS),
                Err(error) => {
                    assert!(error.to_string().len() < 400, "{name}: {error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 100, "only {refused} were refused");
}

#[test]
fn a_digit_cropped_tight_is_the_ink_even_where_it_covers_most() {
    for (ink, paper) in [([20; 3], [250; 3]), ([250; 3], [20; 3])] {
        let tight = bmp(200, 280, |x, y| {
            // A ring of a third of the width, touching all four sides.
            let (x, y) = ((x as f64 - 100.0) / 100.0, (y as f64 - 140.0) / 140.0);
            let is_ring = x.hypot(y) <= 1.0 && (x / 0.36).hypot(y / 0.5) > 1.0;
            if is_ring { ink } else { paper }
        });
        let digit = fit(&tight, Fit::Digit);
        let at = |x: usize, y: usize| digit[y * SIDE + x];
        assert_eq!(at(14, 14), 0, "the hole of {ink:?} on {paper:?}");
        assert_eq!(at(14, 6), 255, "the ring of {ink:?} on {paper:?}");
        assert_eq!(ink_box(&digit, 128), (7, 4, 20, 23), "{ink:?} on {paper:?}");
    }
}

#[test]
fn lines_printed_on_the_paper_are_no_part_of_the_digit() {
    let clean = fit(&seven([0; 3], [255; 3]), Fit::Digit);
    for is_squared in [false, true] {
        let page = bmp(300, 400, |x, y| {
            let (u, v) = ((x as f64 - 150.0) / 90.0, (y as f64 - 40.0) / 140.0);
            let is_line = y % 29 < 2 || is_squared && x % 29 < 2;
            if is_seven(u, v, 0.16) {
                [0; 3]
            } else if is_line {
                [10; 3]
            } else {
                [255; 3]
            }
        });
        let ruled = fit(&page, Fit::Digit);
        assert_looks_like_mnist(&ruled);
        let difference = mean_difference(&clean, &ruled);
        assert!(difference <= 9.0, "squared {is_squared}: {difference}");
    }
}

#[test]
fn the_digit_is_found_on_a_sheet_that_fills_half_of_the_picture() {
    let clean = fit(&seven([30; 3], [230; 3]), Fit::Digit);
    let on_table = bmp(480, 520, |x, y| {
        let (u, v) = ((x as f64 - 220.0) / 90.0, (y as f64 - 140.0) / 140.0);
        if is_seven(u, v, 0.16) {
            [30; 3]
        } else if (90..400).contains(&x) && (70..470).contains(&y) {
            [230; 3]
        } else {
            [90, 60, 40]
        }
    });
    let difference = mean_difference(&clean, &fit(&on_table, Fit::Digit));
    assert!(difference <= 4.0, "{difference}");
}
