//! What a command line that is not understood was probably meant to be.

use std::env;
use std::fmt::Display;

use clap::CommandFactory as _;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The error with the command that was probably meant.
pub(super) fn with_tips(mut error: clap::Error) -> clap::Error {
    let unknown = match error.kind() {
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        _ => return error,
    };
    let Some(ContextValue::String(arg)) = error.get(unknown) else {
        return error;
    };
    let mut words = env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned());
    let command = words
        .find(|word| !word.starts_with('-'))
        .unwrap_or_default();
    if let Some(tip) = tip(&command, arg) {
        let tips = ContextValue::StyledStrs(vec![StyledStr::from(tip)]);
        error.insert(ContextKind::Suggested, tips);
    }
    error
}

/// Flags of a subcommand that do not go together.
pub(super) fn conflict(subcommand: &str, what: impl Display) -> clap::Error {
    let mut command = super::Cli::command();
    // So that the subcommand knows its whole name.
    command.build();
    match command.find_subcommand_mut(subcommand) {
        Some(command) => command.error(ErrorKind::ArgumentConflict, what),
        None => super::Cli::command().error(ErrorKind::ArgumentConflict, what),
    }
}

fn tip(command: &str, arg: &str) -> Option<String> {
    let name = arg.split('=').next().unwrap_or(arg);
    Some(match (command, name) {
        ("serve", "--port" | "-p" | "--host" | "--listen" | "--bind" | "--http-port" | "--grpc-port") => {
            "there are two ports: --http-listen 8000 and --grpc-listen 50051".to_owned()
        }
        ("serve", "--workers" | "-w" | "-t") => "--threads 4".to_owned(),
        ("serve", file) if !file.starts_with('-') => format!("kiln serve --model {file}"),
        ("predict", "--image" | "--input" | "--picture" | "--file" | "-i") => {
            "pictures go without a flag: kiln predict picture.png".to_owned()
        }
        ("predict" | "healthcheck", "--host" | "--port" | "--server" | "--url" | "-p") => {
            "--addr localhost:50051".to_owned()
        }
        ("inspect", "--model" | "-m") => "the file goes without a flag: kiln inspect model.keras".to_owned(),
        ("convert", "--model" | "--input" | "--output" | "-i" | "-o" | "-m") => {
            "files go without a flag: kiln convert model.keras model.safetensors".to_owned()
        }
        ("infer", file) if !file.starts_with('-') => "kiln infer --model model.keras --input x.npy --output y.npy".to_owned(),
        ("evaluate", file) if !file.starts_with('-') => {
            "kiln evaluate --model model.keras --images t10k-images-idx3-ubyte.gz --labels t10k-labels-idx1-ubyte.gz"
                .to_owned()
        }
        ("healthcheck", place) if !place.starts_with('-') => format!("kiln healthcheck --addr {place}"),
        (file, _) if file.ends_with(".keras") || file.ends_with(".h5") => {
            format!("kiln serve --model {file}")
        }
        ("run" | "start" | "server", _) => "kiln serve".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::tip;

    #[test]
    fn a_natural_mistake_is_answered_with_the_command_that_was_meant() {
        let shown = |command, arg| tip(command, arg).unwrap();
        assert_eq!(
            shown("serve", "model.keras"),
            "kiln serve --model model.keras"
        );
        assert!(shown("serve", "--port").contains("--http-listen 8000"));
        assert!(shown("predict", "--image=x.png").ends_with("kiln predict picture.png"));
        assert_eq!(tip("serve", "--nonsense"), None);
    }
}
