//! Arguments, a subcommand, an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    kiln::cli::run()
}
