//! Bounds on what a description may ask for, so that a small file cannot ask for much.

use super::Error;

/// Most nodes of a network.
pub const MAX_NODES: usize = 4096;
/// Longest name of a model or a node, in bytes.
pub const MAX_NAME: usize = 512;
/// Most values that one example may have anywhere in a network: 2^26, which is 256 MiB of float32.
pub const MAX_ELEMENTS: usize = 1 << 26;
/// Most values that one example may have in all places of a network together: 2^28.
pub const MAX_VALUES: usize = 1 << 28;
/// Most values that all weights of a network may have together: 2^28, which is 1 GiB of float32.
pub const MAX_PARAMETERS: usize = 1 << 28;
/// Most axes of an example, not counting the batch axis.
pub const MAX_RANK: usize = 8;
/// Most work for one example: 2^36 multiply-adds or comparisons, four times a large ImageNet classifier.
pub const MAX_WORK: u64 = 1 << 36;

/// A name from a file goes to terminals and logs.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    if let Some(char) = name.chars().find(|char| char.is_control()) {
        return Err(Error::Model(format!(
            "a name has the control character {char:?} in it"
        )));
    }
    if (1..=MAX_NAME).contains(&name.len()) {
        return Ok(());
    }
    Err(Error::Model(format!(
        "a name must have 1 to {MAX_NAME} bytes, one has {}",
        name.len()
    )))
}
