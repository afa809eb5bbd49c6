//! The names of a model's classes, from a text file beside the model.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest file: some thousand classes of as many characters as a metric's label may have.
const MAX_BYTES: u64 = 1 << 20;

/// Why a file of labels cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct LabelsError {
    path: PathBuf,
    reason: String,
}

/// The labels in `model.labels.txt`, or else in `labels.txt`, in the folder of `model.keras`; none
/// if neither is there. One a line, as many as the model has classes, with or without their numbers before them.
///
/// # Errors
/// A file that is there and cannot be read, is too long, or has another number of lines.
pub(in crate::serving) fn beside(
    model: &Path,
    classes: usize,
) -> Result<Option<Vec<String>>, LabelsError> {
    let own = model.with_extension("labels.txt");
    let shared = model.with_file_name("labels.txt");
    let Some(path) = [own, shared].into_iter().find(|path| path.is_file()) else {
        return Ok(None);
    };
    let error = |reason: String| LabelsError {
        path: path.clone(),
        reason,
    };
    let text = read(&path).map_err(|source| error(source.to_string()))?;
    let labels: Vec<String> = text
        .trim_end()
        .lines()
        .map(|line| line.trim().to_owned())
        .collect();
    if labels.len() != classes {
        let lines = labels.len();
        return Err(error(format!(
            "it has {lines} line{}, and the model {classes} classes: write one label a line, \
             or rename the file if it belongs to another model",
            if lines == 1 { "" } else { "s" }
        )));
    }
    Ok(Some(without_numbers(labels)))
}

/// The labels alone, if each stands behind its own number, as Teachable Machine writes them: "0 Cat".
fn without_numbers(labels: Vec<String>) -> Vec<String> {
    let own = |(number, line): (usize, &String)| {
        let rest = line.strip_prefix(&number.to_string())?;
        let label = rest.trim_start();
        (label.len() < rest.len() && !label.is_empty()).then(|| label.to_owned())
    };
    let all: Option<Vec<_>> = labels.iter().enumerate().map(own).collect();
    all.unwrap_or(labels)
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        let reason = format!("it is longer than {MAX_BYTES} bytes");
        return Err(std::io::Error::other(reason));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_may_stand_behind_their_numbers() {
        let own = |labels: &[&str]| labels.iter().map(|&label| label.to_owned()).collect();
        let read = |labels: &[&str]| without_numbers(own(labels));
        assert_eq!(
            read(&["0 Cat", "1 Big dog", "2  3 mice"]),
            ["Cat", "Big dog", "3 mice"]
        );
        for labels in [
            &["0 Cat", "2 Dog"][..],
            &["0 Cat", "Dog"],
            &["0", "1"],
            &["0Cat", "1Dog"],
            &["1 Cat", "2 Dog"],
        ] {
            assert_eq!(read(labels), labels);
        }
    }

    #[test]
    fn the_models_own_labels_come_before_the_folders() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("pets.keras");
        assert_eq!(beside(&model, 2).unwrap(), None);
        std::fs::write(folder.path().join("labels.txt"), "a\nb\n").unwrap();
        assert_eq!(beside(&model, 2).unwrap().unwrap(), ["a", "b"]);
        std::fs::write(folder.path().join("pets.labels.txt"), "cat\r\ndog").unwrap();
        assert_eq!(beside(&model, 2).unwrap().unwrap(), ["cat", "dog"]);
        let error = beside(&model, 3).unwrap_err().to_string();
        assert!(
            error.contains("pets.labels.txt") && error.contains("2 lines"),
            "{error}"
        );
    }
}
