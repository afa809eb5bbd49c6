//! `kiln healthcheck`

use std::io::{IsTerminal as _, stdout};
use std::time::Duration;

use anyhow::bail;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::output::print;
use super::remote::{LOCAL_SERVER, Remote};
use super::values;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kiln healthcheck
  kiln healthcheck --addr kiln:50051 --timeout 500ms")]
pub(super) struct Args {
    /// The server's gRPC address
    #[arg(long, value_name = "ADDR", env = "KILN_ADDR", default_value = LOCAL_SERVER)]
    addr: String,
    /// A service to ask for instead of the server as a whole
    #[arg(long, value_name = "NAME", default_value = "")]
    service: String,
    /// How long to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = values::some_seconds)]
    timeout: Duration,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let remote = Remote::new(&args.addr)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let answer = runtime.block_on(async {
        let channel = remote.connect(args.timeout, args.timeout).await?;
        let request = HealthCheckRequest {
            service: args.service.clone(),
        };
        let answer = HealthClient::new(channel).check(request).await;
        answer.map_err(|status| remote.failed(&status))
    })?;
    match answer.into_inner().status() {
        // A person wants to see that it did something; a container's log does not.
        ServingStatus::Serving if stdout().is_terminal() => print("serving\n"),
        ServingStatus::Serving => Ok(()),
        other => bail!("{} is {}", args.addr, other.as_str_name()),
    }
}
