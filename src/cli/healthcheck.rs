//! `kiln healthcheck`

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The server's gRPC address
    #[arg(long, value_name = "URL", env = "KILN_ADDR", default_value = super::predict::LOCAL_SERVER)]
    addr: String,
    /// A service to ask for instead of the server as a whole
    #[arg(long, default_value = "")]
    service: String,
    /// Seconds to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    timeout: u64,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let endpoint = super::predict::endpoint(&args.addr)?
        .connect_timeout(Duration::from_secs(args.timeout))
        .timeout(Duration::from_secs(args.timeout));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let answer = runtime.block_on(async {
        let channel = endpoint
            .connect()
            .await
            .with_context(|| format!("no server at {}", args.addr))?;
        let request = HealthCheckRequest {
            service: args.service.clone(),
        };
        let answer = HealthClient::new(channel).check(request).await;
        answer.map_err(|status| anyhow!("{}: {}", args.addr, status.message()))
    })?;
    match answer.into_inner().status() {
        ServingStatus::Serving => Ok(()),
        other => bail!("{} is {}", args.addr, other.as_str_name()),
    }
}
