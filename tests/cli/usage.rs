//! Flags and their values: what is taken, and what is said of the rest.

use clap::CommandFactory as _;

use crate::run;
use crate::support::{Server, file, kiln};

#[cfg(not(feature = "ndarray"))]
#[test]
fn a_backend_that_is_not_built_in_is_refused_with_how_to_get_it() {
    let (code, _, err) = run(kiln().args(["serve", "--backend=ndarray"]));
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("--features ndarray"), "{err}");
}

#[test]
fn wrong_usage_is_exit_code_2_and_help_is_0() {
    for args in [
        &["nonsense"][..],
        &["serve", "--backend=cuda"],
        &["predict"],
        &["serve", "--threads=0"],
        &[],
    ] {
        let (code, _, err) = run(kiln().args(args));
        assert_eq!(code, Some(2), "{args:?}: {err}");
        assert!(err.contains("--help") || err.contains("Usage"), "{err}");
    }
    for command in [
        "serve",
        "predict",
        "inspect",
        "convert",
        "infer",
        "evaluate",
        "healthcheck",
        "completions",
    ] {
        let (code, out, _) = run(kiln().args([command, "--help"]));
        assert_eq!(code, Some(0));
        assert!(out.contains("Usage: kiln"), "{out}");
        assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    }
}

#[test]
fn completions_know_the_subcommands() {
    let (code, out, _) = run(kiln().args(["completions", "bash"]));
    assert_eq!(code, Some(0));
    assert!(out.contains("evaluate"));
}

#[test]
fn a_natural_mistake_is_answered_with_what_was_meant() {
    for (args, said) in [
        (
            &["serve", "model.keras"][..],
            "kiln serve --model model.keras",
        ),
        (&["serve", "--port", "8080"], "--http-listen 8000"),
        (&["serve", "--grpc-listen", "localhost"], "localhost:8000"),
        (&["serve", "--batch-delay", "soon"], "5ms"),
        (
            &["serve", "--threads", "many"],
            "a whole number from 1 to 1024",
        ),
        (&["serve", "--max-message-bytes", "8Mo"], "8MiB"),
        (&["serve", "--request-timeout", "0"], "500ms"),
        (&["predict", "--image", "x.png"], "kiln predict picture.png"),
        (
            &["inspect", "--model", "x.keras"],
            "kiln inspect model.keras",
        ),
        (
            &["infer", "model.keras", "x.npy"],
            "--input x.npy --output y.npy",
        ),
        (
            &["healthcheck", "localhost:50051"],
            "--addr localhost:50051",
        ),
        (&["model.keras"], "kiln serve --model model.keras"),
        (
            &["predict", "--local", "--addr", "x:1", "x.png"],
            "--local asks no server",
        ),
        (
            &["predict", "--local", "--addr", "x:1", "x.png"],
            "Usage: kiln predict ",
        ),
        (
            &["serve", "--http-listen", "8123", "--grpc-listen", "8123"],
            "are both 8123",
        ),
        (
            &["serve", "--http-listen", "localhost:50051"],
            "are both 50051",
        ),
        (
            &["predict", "--pixel-range", "0-1", "x.png"],
            "give it to `kiln serve`",
        ),
    ] {
        let (code, _, err) = run(kiln().args(args));
        assert_eq!(code, Some(2), "{args:?}: {err}");
        assert!(err.contains(said), "{args:?}: {err}");
    }
}

#[test]
fn values_are_taken_as_people_write_them() {
    for args in [
        &["--batch-delay", "1s"][..],
        &["--batch-delay", "5"],
        &["--request-timeout", "500ms"],
        &["--drain-timeout", "1m"],
        &["--max-message-bytes", "256MiB"],
        &["--max-picture-memory", "64M"],
    ] {
        // The missing model ends it, after the flags are read and before anything is served.
        let missing = ["--model", "missing.keras"];
        let (code, _, err) = run(kiln().args(Server::ON_FREE_PORTS).args(missing).args(args));
        assert_eq!(code, Some(1), "{args:?}: {err}");
    }
}

#[test]
fn every_command_shows_an_example() {
    let command = kiln::cli::Cli::command();
    for command in command.get_subcommands() {
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(
            help.contains(&format!("kiln {}", command.get_name())),
            "{}",
            command.get_name()
        );
        assert!(help.lines().all(|line| line.len() <= 80), "{help}");
    }
}

#[test]
fn the_readme_lists_the_flags_of_serve_as_they_are() {
    let readme = std::fs::read_to_string(file("README.md")).unwrap();
    let command = kiln::cli::Cli::command();
    let serve = command.find_subcommand("serve").unwrap();
    for flag in serve.get_arguments() {
        let (Some(name), Some(variable)) = (flag.get_long(), flag.get_env()) else {
            continue;
        };
        let value = if flag.get_action().takes_values() {
            format!(" {}", flag.get_value_names().unwrap()[0])
        } else {
            String::new()
        };
        let row = format!("| `--{name}{value}` | `{}` | ", variable.to_string_lossy());
        let found = readme.lines().find_map(|line| line.strip_prefix(&row));
        let rest = found.unwrap_or_else(|| panic!("README.md has no row that begins with {row}"));
        if let [default] = flag.get_default_values()
            && flag.get_action().takes_values()
        {
            let default = format!("`{}` |", default.to_string_lossy());
            assert!(rest.starts_with(&default), "{row}{default}");
        }
    }
}
