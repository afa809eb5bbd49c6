//! Files that people take for Keras models, told by how they begin, and what to do with each.

/// Where in a file, which bytes, what it is.
const KNOWN: [(usize, &[u8], &str); 16] = [
    (
        4,
        b"TFL3",
        "a TensorFlow Lite model, which cannot be read back: convert the Keras model it was made of",
    ),
    (
        0,
        b"version https://git-lfs",
        "a pointer of Git LFS: fetch the file itself with `git lfs pull`",
    ),
    (0, b"\x89PNG", PICTURE),
    (0, b"\xff\xd8\xff", PICTURE),
    (0, b"GIF8", PICTURE),
    (0, b"BM", PICTURE),
    (0, b"RIFF", PICTURE),
    (
        0,
        b"\x93NUMPY",
        "an array of NumPy: `kiln infer --input` takes it",
    ),
    (0, b"\x80\x02", PICKLE),
    (0, b"\x80\x03", PICKLE),
    (0, b"\x80\x04", PICKLE),
    (0, b"\x80\x05", PICKLE),
    (0, b"\x1f\x8b", "packed with gzip: unpack it with gunzip"),
    (0, b"\x08\x01\x12", SAVED_MODEL),
    (
        0,
        b"{",
        "JSON, of model.to_json perhaps, which has no weights",
    ),
    (
        0,
        b"<",
        "a page of the web or XML: was the download one of a page about the file?",
    ),
];
/// What Keras writes beside weights that it has split over several files.
const WEIGHT_MAP: (&[u8], &str) = (
    b"\"weight_map\"",
    "a list of weights (.weights.json), without an architecture: save the whole model",
);
/// So far it is looked for.
const BEGINNING: usize = 64 << 10;
const PICTURE: &str = "a picture: `kiln predict` takes it";
const PICKLE: &str = "a pickle of Python, as joblib and PyTorch write them";
/// What TensorFlow writes a folder with.
pub(super) const SAVED_MODEL: &str =
    "a TensorFlow SavedModel, which is not read: load it in Keras and save it as .keras";

/// What the bytes seem to be, if they are anything known.
pub(super) fn seems(bytes: &[u8]) -> Option<&'static str> {
    let (key, weights) = WEIGHT_MAP;
    let beginning = bytes.get(..BEGINNING).unwrap_or(bytes);
    if bytes.starts_with(b"{") && beginning.windows(key.len()).any(|part| part == key) {
        return Some(weights);
    }
    let known = KNOWN
        .iter()
        .find(|(at, begin, _)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(begin)));
    let text = || {
        let begin = bytes.get(..64).unwrap_or(bytes);
        let plain = |&byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
        begin.iter().all(plain).then_some("text")
    };
    known.map(|(_, _, what)| *what).or_else(text)
}
