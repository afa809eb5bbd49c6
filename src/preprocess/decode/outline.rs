//! What a picture's headers tell before a pixel is decoded: its size, and the memory that decoding it takes.

/// Each format's `outline` reads it, and takes no memory for pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    /// What an error calls the picture: "progressive JPEG".
    pub kind: &'static str,
    /// As it is decoded, which for a JPEG may be smaller than its header says.
    pub width: usize,
    pub height: usize,
    /// The most bytes that are held at once while it is decoded, the decoded picture included.
    pub decoding: u64,
    /// The bytes that the decoded picture holds.
    pub decoded: u64,
}

/// A buffer that grows as so many bytes are written to it has room for twice as many, and holds the old bytes too
/// while it moves.
pub fn grown(bytes: u64) -> u64 {
    3 * bytes
}
