//! The pictures that a command line names.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::output::{plural, warn};

/// Standard input as a picture.
const STDIN: &str = "-";
/// More than any server takes.
const MAX_BYTES: u64 = 64 << 20;
/// Endings of the formats that are read; only for what is found in folders.
const ENDINGS: [&str; 8] = ["png", "jpg", "jpeg", "jfif", "gif", "bmp", "dib", "webp"];
/// Endings of pictures of other formats.
const OTHERS: [&str; 16] = [
    "heic", "heif", "avif", "tif", "tiff", "pdf", "svg", "jxl", "jp2", "ico", "tga", "psd", "dng",
    "cr2", "nef", "pgm",
];

/// The pictures: files as named, folders with the pictures below them, in order.
pub(super) fn find(named: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Found::default();
    for path in named {
        if path.is_dir() {
            let before = found.pictures.len();
            found.walk(path)?;
            anyhow::ensure!(
                found.pictures.len() > before || !found.unread.is_empty(),
                "no pictures in {} ({})",
                path.display(),
                ENDINGS.join(", ")
            );
        } else {
            found.pictures.push(path.clone());
        }
    }
    let stdin = found
        .pictures
        .iter()
        .filter(|path| **path == Path::new(STDIN));
    anyhow::ensure!(
        stdin.count() < 2,
        "`-` is there twice, and standard input is read once"
    );
    found.say_skipped()?;
    Ok(found.pictures)
}

#[derive(Default)]
struct Found {
    pictures: Vec<PathBuf>,
    /// How many pictures there are of each ending that is not read.
    unread: BTreeMap<String, usize>,
    /// How many files there are beside the pictures.
    others: usize,
}

impl Found {
    fn walk(&mut self, folder: &Path) -> anyhow::Result<()> {
        let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
        let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            // A link to a folder is not followed: it may lead back up.
            if entry.file_type()?.is_dir() {
                self.walk(&path)?;
                continue;
            }
            let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
            let ending = ending.to_string_lossy();
            if ENDINGS.contains(&&*ending) {
                self.pictures.push(path);
            } else if OTHERS.contains(&&*ending) {
                *self.unread.entry(ending.into_owned()).or_default() += 1;
            } else if !entry.file_name().to_string_lossy().starts_with('.') {
                self.others += 1;
            }
        }
        Ok(())
    }

    fn say_skipped(&self) -> anyhow::Result<()> {
        let kinds = self.unread.iter();
        let kinds: Vec<_> = kinds
            .map(|(ending, count)| format!("{count} .{ending}"))
            .collect();
        if !kinds.is_empty() {
            let said = format!(
                "skipped {}, which {} not read: save as PNG or JPEG",
                kinds.join(", "),
                plural(self.unread.values().sum(), "is", "are"),
            );
            anyhow::ensure!(!self.pictures.is_empty(), said);
            warn(said);
        }
        match self.others {
            0 => {}
            count => warn(format_args!(
                "skipped {count} other {}",
                plural(count, "file", "files")
            )),
        }
        Ok(())
    }
}

/// The bytes of one picture.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let bound = MAX_BYTES + 1;
    if path == Path::new(STDIN) {
        let stdin = io::stdin();
        anyhow::ensure!(
            !stdin.is_terminal(),
            "standard input is this terminal: write `kiln predict - < picture.png`"
        );
        stdin.lock().take(bound).read_to_end(&mut bytes)?;
    } else {
        fs::File::open(path)?.take(bound).read_to_end(&mut bytes)?;
    }
    anyhow::ensure!(
        bytes.len() as u64 <= MAX_BYTES,
        "larger than {MAX_BYTES} bytes"
    );
    Ok(bytes)
}
