//! `kiln serve` at its start: where it listens, and what it says to a person.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::run;
use crate::support::{Server, file, kiln};

#[test]
fn a_port_alone_and_a_name_are_addresses_to_listen_on() {
    let mut command = kiln();
    command.args(["serve", "--grpc-listen=:0", "--http-listen=localhost:0"]);
    let server = Server::spawn(command);
    assert!(server.grpc.ip().is_unspecified(), "{}", server.grpc);
    assert!(server.http.ip().is_loopback(), "{}", server.http);
}

#[test]
fn a_port_that_is_taken_is_told_with_the_flag_that_chooses_another() {
    let server = Server::start(&[]);
    for flag in ["--grpc-listen", "--http-listen"] {
        let other = ["--grpc-listen", "--http-listen"].map(|flag| format!("{flag}=127.0.0.1:0"));
        let taken = format!("{flag}={}", server.grpc);
        let other = other.iter().find(|other| !other.starts_with(flag)).unwrap();
        let (code, _, err) = run(kiln().args(["serve", &taken, other]));
        assert_eq!(code, Some(1));
        let next = format!("kiln serve {flag} 127.0.0.1:{}", server.grpc.port() + 1);
        assert!(err.trim_end().ends_with(&next), "{err}");
        assert!(err.contains("does another `kiln serve` run?"), "{err}");
    }
    // Both at once, and nothing is hidden behind them.
    let taken = [
        format!("--grpc-listen={}", server.grpc),
        format!("--http-listen={}", server.http),
    ];
    let (code, _, err) = run(kiln().arg("serve").args(&taken));
    assert_eq!(code, Some(1));
    for said in [
        format!("{} (--grpc-listen)", server.grpc),
        format!("{} (--http-listen)", server.http),
        format!("--grpc-listen 127.0.0.1:{}", server.grpc.port() + 1),
        format!("--http-listen 127.0.0.1:{}", server.http.port() + 1),
    ] {
        assert!(err.contains(&said), "{err}");
    }
    assert!(!err.contains("os error"), "{err}");
    let wrong = ["serve", "--model=missing.keras"];
    let (code, _, err) = run(kiln().args(wrong).args(&taken));
    assert_eq!(code, Some(1));
    assert!(err.contains("missing.keras: no such file"), "{err}");
}

/// A shell's command on a terminal of its own, by `script` of util-linux.
#[cfg(target_os = "linux")]
fn on_a_terminal(shell: &str) -> Command {
    let binary = kiln();
    let folder = std::path::Path::new(binary.get_program()).parent().unwrap();
    let mut command = Command::new("script");
    command
        .args(["-q", "-e", "-c", shell, "/dev/null"])
        .env("PATH", format!("{}:/usr/bin:/bin", folder.display()))
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm")
        .env_remove("NO_COLOR");
    for name in std::env::vars_os().map(|(name, _)| name) {
        if name.to_string_lossy().starts_with("KILN_") {
            command.env_remove(name);
        }
    }
    command
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_a_person_is_told_what_to_do_next() {
    let serve = "exec kiln serve --grpc-listen 127.0.0.1:0 --http-listen 127.0.0.1:0";
    for (colours, shell) in [
        (true, serve.to_owned()),
        (false, format!("NO_COLOR=1 {serve}")),
    ] {
        let mut process = on_a_terminal(&shell)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("Ctrl-C") {
            assert!(lines.read_line(&mut said).unwrap() > 0, "{said}");
        }
        // What it says is what it does.
        process.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
        lines.read_to_string(&mut said).unwrap();
        assert!(process.wait().unwrap().success(), "{said}");
        assert!(said.contains("http://127.0.0.1:"), "{said}");
        assert!(said.contains("grpcurl -plaintext 127.0.0.1:"), "{said}");
        assert!(said.contains("kiln predict --addr "), "{said}");
        assert_eq!(said.contains('\x1b'), colours, "{said}");
        let welcome = said
            .lines()
            .skip_while(|line| !line.contains("In a browser"));
        let welcome = welcome.take_while(|line| !line.contains("Ctrl-C"));
        assert!(welcome.clone().count() >= 3, "{said}");
        assert!(welcome.map(str::len).all(|len| len <= 60), "{said}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_table_keeps_to_60_columns_of_a_terminal() {
    for (command, said) in [
        ("inspect weights/mnist.keras", "46,106"),
        (
            "inspect tests/fixtures/keras/graphs/keras_3_15.keras",
            "Connected to",
        ),
        (
            "predict --local ./tests/fixtures/../../tests/../examples",
            "…",
        ),
        ("healthcheck --help", "Examples"),
        ("serve --help", "--max-picture-memory"),
        ("predict --help", "--local"),
        ("convert --help", "Examples"),
        ("infer --help", "Examples"),
        ("evaluate --help", "--labels"),
    ] {
        let shell = format!(
            "stty cols 60 rows 24; cd '{}'; NO_COLOR=1 kiln {command}",
            file("").display()
        );
        let output = on_a_terminal(&shell).stdin(Stdio::null()).output().unwrap();
        let table = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && table.contains(said), "{table}");
        let lengths = table.lines().map(|line| line.trim_end().chars().count());
        assert!(lengths.max().unwrap() <= 60, "{table}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_a_healthcheck_says_that_it_found_health() {
    let server = Server::start(&[]);
    let healthcheck = format!("kiln healthcheck --addr {}", server.grpc);
    let output = on_a_terminal(&healthcheck).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && said.trim_end() == "serving",
        "{said}"
    );
    let (code, out, err) = run(kiln().args(["healthcheck", "--addr", &server.addr()]));
    assert_eq!((code, out + &err), (Some(0), String::new()));
}

#[cfg(target_os = "linux")]
#[test]
fn a_picture_is_not_waited_for_from_a_keyboard() {
    let output = on_a_terminal("kiln predict --local -").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("kiln predict - < picture.png"), "{said}");
}
