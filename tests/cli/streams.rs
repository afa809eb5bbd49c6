//! What is printed, where, and when nobody takes it.

use std::fs::{self, OpenOptions};
use std::process::Stdio;

use crate::run;
use crate::support::{Server, file, kiln};

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    for args in [
        &["completions", "zsh"][..],
        &["inspect", "weights/mnist.keras"],
        &["--help"],
    ] {
        let mut child = kiln()
            .args(args)
            .current_dir(file(""))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && err.is_empty(), "{args:?}: {err}");
    }
}

/// A device on which nothing more can be written.
#[cfg(target_os = "linux")]
fn full() -> Stdio {
    OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_an_error_like_others() {
    for args in [
        &["completions", "zsh"][..],
        &["inspect", "weights/mnist.keras"],
        &["inspect", "--json", "weights/mnist.keras"],
        &["predict", "--local", "examples"],
        &["--help"],
    ] {
        let mut command = kiln();
        command
            .args(args)
            .current_dir(file(""))
            .stdout(full())
            .stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {err}");
        assert!(
            err.contains("No space left") || args == ["--help"],
            "{args:?}: {err}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn where_errors_cannot_be_told_the_exit_code_still_tells() {
    let usage = &["nonsense"][..];
    for (args, code) in [
        (usage, 2),
        (&["inspect", "Cargo.toml"], 1),
        (
            &["predict", "--local", "Cargo.toml", "examples/seven.png"],
            1,
        ),
        (&["healthcheck", "--addr", "127.0.0.1:1"], 1),
        (
            &[
                "serve",
                "--model",
                "Cargo.toml",
                "--grpc-listen=127.0.0.1:0",
                "--http-listen=127.0.0.1:0",
            ],
            1,
        ),
    ] {
        let mut command = kiln();
        command
            .args(args)
            .current_dir(file(""))
            .stdout(Stdio::null())
            .stderr(full());
        assert_eq!(command.status().unwrap().code(), Some(code), "{args:?}");
        // And closed, by a shell.
        let mut shell = std::process::Command::new("sh");
        shell
            .args(["-c", "exec \"$0\" \"$@\" 2>&-"])
            .arg(kiln().get_program())
            .args(args);
        let status = shell.current_dir(file("")).stdout(Stdio::null()).status();
        assert_eq!(status.unwrap().code(), Some(code), "{args:?}");
    }
}

#[test]
fn a_name_from_outside_cannot_steer_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let evil = folder.path().join("a\x1b[2J\r\u{202e}.png");
    fs::copy(file("examples/seven.png"), &evil).unwrap();
    let (code, out, _) = run(kiln().args(["predict", "--local"]).arg(&evil));
    assert_eq!(code, Some(0));
    let (_, json, _) = run(kiln().args(["predict", "--local", "--json"]).arg(&evil));
    fs::write(&evil, "no picture").unwrap();
    let (code, _, err) = run(kiln().args(["predict", "--local"]).arg(&evil));
    assert_eq!(code, Some(1));
    for text in [&out, &err] {
        assert!(text.contains("a\\u{1b}[2J\\r\\u{202e}.png"), "{text:?}");
        assert!(!text.contains(['\x1b', '\r', '\u{202e}']), "{text:?}");
    }
    let line: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        line["picture"],
        evil.to_str().unwrap(),
        "programs get the name itself"
    );
}

#[test]
fn in_a_pipe_a_server_says_nothing_but_its_log() {
    let server = Server::start(&[]);
    server.signal("TERM");
    let (status, log) = server.wait();
    assert!(status.success());
    for line in log.lines() {
        assert!(
            serde_json::from_str::<serde_json::Value>(line).is_ok(),
            "{line}"
        );
    }
}
