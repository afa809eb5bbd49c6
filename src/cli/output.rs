//! All that commands print: results on standard output, the rest on standard error.
//!
//! `println!` and `eprintln!` panic when nobody takes what they write, so the crate is without them.

use std::fmt::{Display, Write as _};
use std::io::{self, ErrorKind, IsTerminal as _, Write};
use std::process::{self, ExitCode};

use anyhow::Context as _;

/// Writes a result for people: characters that steer a terminal are shown, not sent.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    print_raw(&escaped(text, |char| char != '\n'))
}

/// Writes a result for programs, as it is. A reader that has seen enough (`| head`) is no failure, and wants no more.
pub(super) fn print_raw(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => process::exit(0),
        written => written.context("cannot write to standard output"),
    }
}

/// Says what failed.
pub(super) fn error(what: impl Display) {
    say(&format!("error: {}\n", in_words(&shown(what))));
}

/// Says what the user may not expect, and goes on.
pub(super) fn warn(what: impl Display) {
    say(&format!("warning: {}\n", in_words(&shown(what))));
}

/// A message without the system's numbers: behind each of its errors Rust writes "(os error 2)".
fn in_words(message: &str) -> String {
    const BEGIN: &str = " (os error ";
    let mut parts = message.split(BEGIN);
    let mut words = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((number, rest)) if number.parse::<u32>().is_ok() => words += rest,
            _ => words.extend([BEGIN, part]),
        }
    }
    words
}

/// Writes to standard error. Where that is closed or full, nobody can be told.
pub(super) fn say(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Help and the version are results; anything else is wrong usage.
pub(super) fn usage(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    match printed {
        Err(io) if !error.use_stderr() && io.kind() != ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::from(error.exit_code() as u8),
    }
}

/// A name from outside on one line, with every character shown that would steer a terminal.
pub(super) fn shown(name: impl Display) -> String {
    escaped(&name.to_string(), |_| true)
}

fn escaped(text: &str, and: impl Fn(char) -> bool) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        if steers(char) && and(char) {
            // Writing to a String cannot fail.
            let _ = write!(safe, "{}", char.escape_default());
        } else {
            safe.push(char);
        }
    }
    safe
}

/// Control characters, and those that turn the direction of what follows.
fn steers(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The columns of the terminal that results go to; none where they go elsewhere.
pub(super) fn columns() -> Option<usize> {
    let out = io::stdout();
    let size = out
        .is_terminal()
        .then(|| rustix::termios::tcgetwinsize(out));
    let columns = usize::from(size?.ok()?.ws_col);
    (columns > 0).then_some(columns)
}

/// `one` for one, else `many`.
pub(super) fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

/// A shape as NumPy prints it: `(28, 28)`, `(784,)`.
pub(super) fn tuple(shape: &[usize]) -> String {
    let axes: Vec<_> = shape.iter().map(usize::to_string).collect();
    let one = if axes.len() == 1 { "," } else { "" };
    format!("({}{one})", axes.join(", "))
}

/// 1234567 as "1,234,567", as Keras prints counts.
pub(super) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_three() {
        let counts = [0, 999, 1000, 101_770, 1_234_567].map(thousands);
        assert_eq!(counts, ["0", "999", "1,000", "101,770", "1,234,567"]);
    }

    #[test]
    fn an_error_of_the_system_is_told_in_words() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(
            in_words(&format!("a.png: {error}: b ({error})")),
            "a.png: No such file or directory: b (No such file or directory)"
        );
        assert_eq!(in_words("a (os error x) b"), "a (os error x) b");
    }

    #[test]
    fn what_steers_a_terminal_is_shown() {
        assert_eq!(shown("a\x1b[2J\nb"), "a\\u{1b}[2J\\nb");
        assert_eq!(
            shown("\u{202e}gnp.exe \u{9b}é"),
            "\\u{202e}gnp.exe \\u{9b}é"
        );
        assert_eq!(escaped("a\rb\n", |char| char != '\n'), "a\\rb\n");
    }
}
