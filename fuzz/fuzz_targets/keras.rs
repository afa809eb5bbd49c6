//! Reading a Keras file: whatever the bytes, there is an answer, soon and in little memory.
//!
//! The first byte of an input says what the rest is (see [`parts`]): a whole file, or the members of
//! an archive that is zipped here, so that no checksum stands between the fuzzer and the reader.

#![no_main]

mod allocation;
mod mutation;
mod parts;

use kiln::description::Model;
use kiln::keras;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

/// Memory that reading may take: so many bytes, and so many for each byte of the file.
const ALLOWED: usize = 1 << 20;
const ALLOWED_PER_BYTE: usize = 24;

fuzz_target!(|input: &[u8]| {
    let Some(file) = parts::file(input) else {
        return;
    };
    let allowed = ALLOWED + ALLOWED_PER_BYTE * file.len();
    let (peak, model) = allocation::peak(|| keras::read(&file));
    assert!(
        peak <= allowed,
        "{peak} bytes were taken to read a file of {}",
        file.len()
    );
    if let Ok(model) = model {
        // What was read is sound, and comes back from its own JSON.
        let json = serde_json::to_string(&model).unwrap();
        let again: Model = serde_json::from_str(&json).unwrap();
        assert_eq!(again.nodes().len(), model.nodes().len());
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutation::mutate(data, size, max_size, seed)
});
