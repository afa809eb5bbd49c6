//! The command line, as a person or a script meets it: one file a kind of command.

mod arrays;
mod models;
mod predict;
mod serve;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod usage;

use std::process::{Command, Output};

use support::file;

/// Exit code, standard output, standard error.
fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.current_dir(file("")).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}
