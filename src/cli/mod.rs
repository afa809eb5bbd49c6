//! The command line: one file a subcommand.

mod args;
mod completions;
mod convert;
mod evaluate;
mod healthcheck;
mod infer;
mod inspect;
mod output;
mod pictures;
mod predict;
mod remote;
mod serve;
mod usage;
mod values;
mod welcome;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

/// Serves Keras models over gRPC, in pure Rust.
#[derive(Debug, Parser)]
#[command(name = "kiln", version, max_term_width = 80, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, parsed once")]
enum Command {
    /// Answer over gRPC, with metrics and health over HTTP.
    Serve(serve::Args),
    /// Classify pictures: files, folders, or `-` for standard input.
    Predict(predict::Args),
    /// Print the summary of a Keras model file.
    Inspect(inspect::Args),
    /// Convert a Keras model file to safetensors.
    Convert(convert::Args),
    /// Run a model over a NumPy file and write its raw outputs.
    Infer(infer::Args),
    /// Measure a model's accuracy on labelled IDX files.
    Evaluate(evaluate::Args),
    /// Ask a server whether it is serving; for container health checks.
    Healthcheck(healthcheck::Args),
    /// Print a completion script for a shell.
    Completions(completions::Args),
}

/// Parses the arguments and runs the subcommand.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage.
pub fn run() -> ExitCode {
    let matches = match Cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return output::usage(&usage::with_tips(error)),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error),
    };
    let given = matches.subcommand().map(|(_, given)| given);
    let result = match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Predict(args) => predict::run(args, given.unwrap_or(&matches)),
        Command::Inspect(args) => inspect::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Infer(args) => infer::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Healthcheck(args) => healthcheck::run(&args),
        Command::Completions(args) => completions::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref() {
            Some(usage) => output::usage(usage),
            None => {
                output::error(format_args!("{error:#}"));
                ExitCode::FAILURE
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
