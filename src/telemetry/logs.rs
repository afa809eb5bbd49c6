//! Logs on stderr: for people on a terminal, one JSON object a line in a pipe.
//!
//! The rule for what a client sent: it goes into a log only as [`untrusted`], which bounds it and shows control
//! characters instead of sending them to a terminal.

use std::fmt::{self, Write as _};
use std::io::{IsTerminal as _, stderr};
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing::{Dispatch, dispatcher};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;

/// Most characters of a client's text that are logged.
const MAX_UNTRUSTED_CHARS: usize = 120;

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A part of the filter is neither a level nor `target=level`.
    #[error(
        "`{0}` is no log level: use error, warn, info, debug, trace or off; \
         for one module target=level, as in info,kiln::grpc=debug"
    )]
    Level(String),
    /// The filter cannot be read.
    #[error("the log filter cannot be read: {0}")]
    Filter(#[from] ParseError),
    /// Logging is set up once in a process.
    #[error("logging is already set up: {0}")]
    Twice(#[from] SetGlobalDefaultError),
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Text { colour: bool },
    Json,
}

impl Style {
    /// Colours unless `NO_COLOR` (<https://no-color.org>) or the terminal's kind says otherwise.
    fn of_stderr() -> Self {
        if !stderr().is_terminal() {
            return Self::Json;
        }
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|kind| kind == "dumb");
        Self::Text {
            colour: !plain && !dumb,
        }
    }
}

/// Sends the log of the whole process to stderr.
///
/// # Errors
/// [`LogError::Twice`] if logging is set up already.
pub fn init(filter: Filter) -> Result<(), LogError> {
    let dispatch = dispatch(filter.0, Style::of_stderr(), stderr);
    Ok(dispatcher::set_global_default(dispatch)?)
}

/// `Targets` takes a single word for the name of a module: a misspelt level would silence everything else, so it is
/// refused here.
fn parse(filter: &str) -> Result<Targets, LogError> {
    let parts: Vec<_> = filter.split(',').map(str::trim).collect();
    let level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    match parts
        .iter()
        .find(|part| !part.contains('=') && !level(part))
    {
        Some(part) => Err(LogError::Level(untrusted(part).to_string())),
        None => {
            let verbose = |part: &&str| {
                part.parse()
                    .is_ok_and(|l: LevelFilter| l > LevelFilter::INFO)
            };
            let quiet = if parts.iter().any(verbose) {
                CARRIERS
            } else {
                ""
            };
            // The last mention counts: a filter that names one of them still shows it.
            Ok(format!("{quiet}{}", parts.join(",")).parse()?)
        }
    }
}

/// These log every frame and every poll, which buries what Kiln itself says at the same level.
const CARRIERS: &str = "h2=info,hyper=info,hyper_util=info,tower=info,tonic=info,";

/// What is logged: a level or a list such as `info,kiln::grpc=debug`.
#[derive(Debug, Clone)]
pub struct Filter(Targets);

impl FromStr for Filter {
    type Err = LogError;

    fn from_str(filter: &str) -> Result<Self, LogError> {
        parse(filter).map(Self)
    }
}

fn dispatch<W>(filter: Targets, style: Style, writer: W) -> Dispatch
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        // The span of a request (see `serving`) is one line, once all of it is known.
        .with_span_events(FmtSpan::CLOSE);
    let registry = tracing_subscriber::registry();
    match style {
        Style::Text { colour } => registry
            .with(lines.with_ansi(colour).with_filter(filter))
            .into(),
        Style::Json => registry
            .with(lines.json().flatten_event(true).with_filter(filter))
            .into(),
    }
}

/// A client's text, fit for a log: at most 120 characters, control characters escaped, and how much was left out.
#[must_use]
pub fn untrusted(text: &str) -> Untrusted<'_> {
    Untrusted(text)
}

/// See [`untrusted`].
#[derive(Debug, Clone, Copy)]
pub struct Untrusted<'a>(&'a str);

impl fmt::Display for Untrusted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.char_indices().nth(MAX_UNTRUSTED_CHARS);
        let (shown, rest) = self.0.split_at(end.map_or(self.0.len(), |(at, _)| at));
        for char in shown.chars() {
            if char.is_control() {
                write!(f, "{}", char.escape_default())?;
            } else {
                f.write_char(char)?;
            }
        }
        if !rest.is_empty() {
            write!(f, "… ({} bytes more)", rest.len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, style: Style, log: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let dispatch = dispatch(parse(filter).unwrap(), style, move || writer.clone());
        dispatcher::with_default(&dispatch, log);
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_pipe_gets_one_json_object_a_line() {
        let lines = logged("info", Style::Json, || {
            tracing::info!(port = 8000, "listening\non \"all\"");
            tracing::warn!("second");
        });
        let lines: Vec<_> = lines.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with('{') && lines[0].ends_with('}'));
        assert!(lines[0].contains(r#""level":"INFO""#));
        assert!(
            lines[0].contains(r#""message":"listening\non \"all\"","port":8000"#),
            "{}",
            lines[0]
        );
    }

    #[test]
    fn colours_are_written_only_when_asked_for() {
        let log = || tracing::error!("hot");
        assert!(logged("info", Style::Text { colour: true }, log).contains('\x1b'));
        let plain = logged("info", Style::Text { colour: false }, log);
        assert!(plain.contains("ERROR") && !plain.contains('\x1b'));
    }

    #[test]
    fn the_filter_takes_levels_by_module() {
        let log = || {
            tracing::debug!(target: "kiln::grpc", "near");
            tracing::debug!(target: "h2", "far");
        };
        let text = logged("info, kiln::grpc=debug", Style::Json, log);
        assert!(text.contains("near") && !text.contains("far"));
        assert_eq!(logged("off", Style::Json, || tracing::error!("lost")), "");
    }

    #[test]
    fn a_verbose_level_is_not_for_every_frame_unless_it_is_asked_for() {
        let log = || {
            tracing::debug!(target: "kiln::grpc", "near");
            tracing::debug!(target: "h2::codec", "frame");
        };
        let text = logged("debug", Style::Json, log);
        assert!(text.contains("near") && !text.contains("frame"));
        assert!(logged("debug,h2=debug", Style::Json, log).contains("frame"));
        let info = || tracing::info!(target: "h2", "frame");
        assert_eq!(logged("warn", Style::Json, info), "");
    }

    #[test]
    fn a_misspelt_level_is_refused_and_not_taken_for_a_module() {
        for filter in ["inof", "", "info,debgu", "info,,"] {
            assert!(matches!(parse(filter), Err(LogError::Level(_))), "{filter}");
        }
        assert!(matches!(parse("kiln=loud"), Err(LogError::Filter(_))));
    }

    #[test]
    fn what_a_client_sent_is_bounded_and_cannot_steer_a_terminal() {
        assert_eq!(untrusted("model-é").to_string(), "model-é");
        assert_eq!(untrusted("a\r\nb\x1b[2J").to_string(), "a\\r\\nb\\u{1b}[2J");
        let long = "é".repeat(MAX_UNTRUSTED_CHARS + 3);
        let shown = untrusted(&long).to_string();
        assert_eq!(
            shown,
            format!("{}… (6 bytes more)", "é".repeat(MAX_UNTRUSTED_CHARS))
        );
    }
}
