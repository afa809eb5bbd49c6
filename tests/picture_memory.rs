//! What decoding a picture holds is known before it begins: no decoder takes more than the picture's headers were said
//! to tell, and a picture that needs more than it may is refused before anything is taken.

#[path = "support/blank.rs"]
mod blank;

use std::time::Duration;

use kiln::preprocess::{
    self, Colours, Crop, Filter, Fit, Limits, PictureError, Size, Target, decode_and_fit,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What `work` answers, and the most bytes that were held meanwhile.
fn most_held<T>(work: impl FnOnce() -> T) -> (T, u64) {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let answer = work();
    (answer, (ALLOCATOR.peak_usage() - before) as u64)
}

fn pictures(size: [u16; 2]) -> Vec<(String, Vec<u8>)> {
    let [width, height] = size;
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |name: &str, file: Vec<u8>| all.push((format!("{name} {width}x{height}"), file));
    for (name, factors) in [
        ("grey", blank::GREY),
        ("444", blank::YCC_444),
        ("422", blank::YCC_422),
        ("420", blank::YCC_420),
        ("cmyk", blank::CMYK),
        ("cmyk halved", blank::CMYK_HALVED),
    ] {
        add(
            &format!("jpeg {name}"),
            blank::jpeg(size, factors, false, true),
        );
        add(
            &format!("jpeg {name}, progressive"),
            blank::jpeg(size, factors, true, true),
        );
        add(
            &format!("jpeg {name}, half progressed"),
            blank::jpeg(size, factors, true, false),
        );
    }
    if width.max(height) < 1 << 14 {
        add("webp", blank::lossy_webp(size));
        add("webp with alpha", blank::lossy_webp_with_alpha(size));
        add("webp lossless", blank::lossless_webp(size, false));
        add("webp lossless with alpha", blank::lossless_webp(size, true));
        for parts in ["lossy", "alpha", "lossless"] {
            add(
                &format!("webp animated, {parts}"),
                blank::animated_webp(size, parts),
            );
        }
    }
    for (depth, colour) in [
        (1, 0),
        (8, 0),
        (16, 0),
        (8, 2),
        (16, 2),
        (2, 3),
        (8, 4),
        (16, 4),
        (8, 6),
        (16, 6),
    ] {
        for is_interlaced in [false, true] {
            let name = format!("png of {depth} bits, colour {colour}, interlaced {is_interlaced}");
            add(&name, blank::png(size, depth, colour, is_interlaced));
        }
    }
    add("gif", blank::gif(size, size));
    add(
        "gif of a small frame",
        blank::gif(size, [width.min(9), height.min(9)]),
    );
    add("gif of a large frame", blank::gif([5, 5], size));
    add("bmp in runs", blank::bmp(size, true));
    add("bmp with alpha", blank::bmp(size, false));
    all
}

/// What a picture was said to need, and what it took; its own errors count as answers.
#[track_caller]
fn needed_and_taken(name: &str, file: &[u8], fit: Fit, target: impl Into<Target>) -> (u64, u64) {
    let target = target.into();
    let limits = Limits {
        max_bytes: 64 << 20,
        time: Duration::from_mins(10),
        ..Limits::default()
    };
    let needed = preprocess::memory(file, fit, target, &limits).expect(name);
    let (answer, taken) = most_held(|| decode_and_fit(file, fit, target, &limits));
    let is_blank = answer == Err(PictureError::NoDigit) && fit != Fit::Resize;
    assert!(answer.is_ok() || is_blank, "{name}: {answer:?}");
    assert!(
        taken <= needed,
        "{name}, {fit:?}: took {taken} bytes, was said to need {needed}"
    );
    (needed, taken)
}

/// What networks take that see colours.
fn in_colour() -> [Target; 3] {
    [
        (Colours::Rgb, Filter::Nearest, Crop::Nothing, 224),
        (Colours::Rgb, Filter::Lanczos, Crop::Exact, 224),
        (Colours::Rgba, Filter::Bicubic, Crop::Pixels, 600),
    ]
    .map(|(colours, filter, crop, width)| Target {
        size: Size {
            width,
            height: width / 2,
        },
        colours,
        filter,
        crop,
    })
}

/// One test, since all that this process takes is counted.
#[test]
fn a_picture_takes_no_more_memory_than_its_headers_tell() {
    // Starts what is started once.
    let first = blank::jpeg([64, 64], blank::CMYK, true, true);
    let _ = decode_and_fit(&first, Fit::Resize, Size::MNIST, &Limits::default());
    for size in [[1200, 900], [40_000, 9], [9, 40_000], [401, 999]] {
        for (name, file) in pictures(size) {
            let (needed, taken) = needed_and_taken(&name, &file, Fit::Resize, Size::MNIST);
            println!("{name}: took {taken}, needed {needed}");
            // Nor is one refused without need; whether a progressive JPEG is whole is seen at its end only.
            let most = if name.contains("grey") {
                2 * taken
            } else {
                taken + taken / 8
            };
            let most = most + (1 << 20);
            assert!(
                size != [1200, 900] || needed < most,
                "{name}: {needed}, took {taken}"
            );
            needed_and_taken(&name, &file, Fit::Digit, Size::MNIST);
            for target in in_colour().into_iter().filter(|_| size == [401, 999]) {
                needed_and_taken(&name, &file, Fit::Resize, target);
                needed_and_taken(&name, &file, Fit::Digit, target);
            }
        }
    }
    whatever_is_on_the_page();
    codes_that_are_larger_than_the_picture();
    what_is_refused_takes_nothing();
}

fn whatever_is_on_the_page() {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let noisy: Vec<u8> = (0..4 * 640 * 640).map(|_| noise()).collect();
    let thin = |i: usize| i / 640 == 320 || i % 640 == 100;
    let dots = |i: usize| i.is_multiple_of(2) && (i / 640).is_multiple_of(2);
    let table = |i: usize| !(60..580).contains(&(i % 640)) || !(60..580).contains(&(i / 640));
    let on_a_sheet = |i: usize| table(i) || dots(i) && i / 640 > 300;
    let speckled = |ink: &dyn Fn(usize) -> bool, alpha: u8| -> Vec<u8> {
        (0..640 * 640)
            .flat_map(|i| {
                if ink(i) {
                    [0, 0, 0, 255]
                } else {
                    [255, 250, 240, alpha]
                }
            })
            .collect()
    };
    for (name, pixels) in [
        ("noise", noisy),
        ("dots", speckled(&dots, 255)),
        ("dots on a sheet", speckled(&on_a_sheet, 255)),
        ("dots on nothing", speckled(&dots, 0)),
        ("dots on little", speckled(&dots, 200)),
        ("lines", speckled(&thin, 255)),
    ] {
        let mut file = blank::bmp([640, 640], false);
        let start = file.len() - pixels.len();
        file[start..].copy_from_slice(&pixels);
        for side in [28, 128] {
            let size = Size {
                width: side,
                height: side,
            };
            for fit in [Fit::Digit, Fit::Resize] {
                let (needed, taken) = needed_and_taken(name, &file, fit, size);
                println!("{name}, {fit:?} to {side}: took {taken}, needed {needed}");
            }
        }
    }
}

fn codes_that_are_larger_than_the_picture() {
    let file = blank::webp_of_large_codes([100, 100], 1024);
    let (needed, taken) = needed_and_taken("large codes", &file, Fit::Resize, Size::MNIST);
    println!(
        "large codes: {} bytes, took {taken}, needed {needed}",
        file.len()
    );
    assert!(
        taken > 20 << 20 && needed < taken + taken / 8,
        "{needed}, took {taken}"
    );
}

fn what_is_refused_takes_nothing() {
    let whole = [5000; 2];
    for (name, file) in [
        (
            "codes of a gigabyte",
            blank::webp_of_large_codes([100, 100], 60 << 10),
        ),
        ("a CMYK JPEG", blank::jpeg(whole, blank::CMYK, true, true)),
        ("a WebP with alpha", blank::lossy_webp_with_alpha(whole)),
    ] {
        let limits = Limits {
            max_memory: 128 << 20,
            time: Duration::from_mins(10),
            ..Limits::default()
        };
        let decode = || decode_and_fit(&file, Fit::Resize, Size::MNIST, &limits);
        let (answer, taken) = most_held(decode);
        let Err(PictureError::TooMuchMemory { needed, limit, .. }) = answer else {
            panic!("{name}: {answer:?}");
        };
        assert!(
            needed > limit && limit == limits.max_memory,
            "{name}: {needed}"
        );
        let most = preprocess::HEADERS * file.len() as u64 + (1 << 20);
        assert!(taken < most, "{name}: {taken} bytes for {}", file.len());
    }
}
