//! `kiln serve`

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::bail;
use clap::builder::BoolishValueParser;
use futures_util::FutureExt;
use tokio::signal::unix::{SignalKind, signal};

use super::args::{ModelArgs, PictureArgs};
use super::usage;
use super::values;
use super::welcome::welcome;
use crate::preprocess;
use crate::readiness::Readiness;
use crate::server::{Config, Cors, Origin, Server};
use crate::serving::batcher;
use crate::serving::{self, Entry, Limits, Model, Repository, Serving};
use crate::source::Source;
use crate::telemetry::{Telemetry, logs};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kiln serve
  kiln serve --model model.keras
  kiln serve --http-listen 8080 --grpc-listen localhost:50052
  KILN_THREADS=2 kiln serve --batch-delay 2ms --max-message-bytes 8MiB")]
pub(super) struct Args {
    /// Where gRPC is answered: an address with a port, or a port alone
    #[arg(
        long,
        value_name = "ADDR",
        env = "KILN_GRPC_LISTEN",
        default_value = "0.0.0.0:50051",
        value_parser = values::listen
    )]
    grpc_listen: SocketAddr,
    /// Where HTTP is answered: POST /predict, /models, /metrics, /livez, /readyz
    #[arg(
        long,
        value_name = "ADDR",
        env = "KILN_HTTP_LISTEN",
        default_value = "0.0.0.0:8000",
        value_parser = values::listen
    )]
    http_listen: SocketAddr,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    pictures: PictureArgs,
    /// Threads that read, compute and answer requests [default: the cores there are]
    #[arg(long, value_name = "N", env = "KILN_THREADS", value_parser = values::number(1, 1024))]
    threads: Option<u64>,
    /// Largest batch
    #[arg(long, value_name = "N", env = "KILN_MAX_BATCH_SIZE", default_value_t = 32, value_parser = values::number(1, 65_536))]
    max_batch_size: u64,
    /// How long the first request of a batch waits for others to join it
    #[arg(
        long,
        value_name = "MILLISECONDS",
        env = "KILN_BATCH_DELAY",
        default_value = "0",
        value_parser = values::milliseconds
    )]
    batch_delay: Duration,
    /// Requests inside at once; more are turned away
    #[arg(long, value_name = "N", env = "KILN_MAX_REQUESTS", default_value_t = 2048, value_parser = values::count)]
    max_requests: u64,
    /// Largest request message
    #[arg(long, value_name = "BYTES", env = "KILN_MAX_MESSAGE_BYTES", default_value_t = preprocess::Limits::default().max_bytes as u64, value_parser = values::bytes)]
    max_message_bytes: u64,
    /// Most bytes of messages that all requests together may hold, items of streams half of them and one client a
    /// quarter; raised to four times the largest request
    #[arg(long, value_name = "BYTES", env = "KILN_MAX_BUFFERED_BYTES", default_value_t = 256 << 20, value_parser = values::bytes)]
    max_buffered_bytes: u64,
    /// Largest picture, decoded
    #[arg(long, value_name = "PIXELS", env = "KILN_MAX_PICTURE_PIXELS", default_value_t = preprocess::Limits::default().max_pixels, value_parser = values::count)]
    max_picture_pixels: u64,
    /// Most memory that all pictures being decoded may take together; one that needs more alone is refused
    #[arg(long, value_name = "BYTES", env = "KILN_MAX_PICTURE_MEMORY", default_value_t = preprocess::Limits::default().max_memory, value_parser = values::bytes)]
    max_picture_memory: u64,
    /// Longest a request may take
    #[arg(long, value_name = "SECONDS", env = "KILN_REQUEST_TIMEOUT", default_value = "30", value_parser = values::some_seconds)]
    request_timeout: Duration,
    /// Longest a shutdown waits for requests that run
    #[arg(
        long,
        value_name = "SECONDS",
        env = "KILN_DRAIN_TIMEOUT",
        default_value = "10",
        value_parser = values::seconds
    )]
    drain_timeout: Duration,
    /// Take the client's address from the last entry of x-forwarded-for, which a proxy in front must set
    #[arg(long, env = "KILN_TRUST_FORWARDED_FOR", value_parser = BoolishValueParser::new())]
    trust_forwarded_for: bool,
    /// Whose pages may ask from a browser, over HTTP and gRPC-Web: an origin such as https://example.org, or * for all;
    /// may be given several times [default: none but Kiln's own]
    #[arg(
        long,
        value_name = "ORIGIN",
        env = "KILN_CORS_ORIGIN",
        value_delimiter = ','
    )]
    cors_origin: Vec<Origin>,
    /// What is logged: error, warn, info, debug, or a list such as info,kiln::grpc=debug
    #[arg(long, value_name = "LEVEL", env = "KILN_LOG", default_value = "info")]
    log: logs::Filter,
}

/// Parse, build, announce, wait, drain.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    check_ports(args.grpc_listen, args.http_listen)?;
    logs::init(args.log.clone())?;
    // For signals, accepting and loading; requests are served on threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let served = runtime.block_on(serve(args));
    // What did not end within the drain ends here.
    runtime.shutdown_background();
    if served.is_ok() {
        tracing::info!("stopped");
    }
    served
}

async fn serve(args: &Args) -> anyhow::Result<()> {
    let telemetry = Arc::new(Telemetry::new()?);
    let readiness = Readiness::new();
    drain_on_signal(readiness.clone())?;

    // Both ports first, so that whoever asks while a model is read is told that the server is not ready.
    let (listener, http) = match bind(args) {
        Ok(listeners) => listeners,
        Err(error) => {
            // A model that is wrong as well is told first: it is more often what was mistyped.
            if let Some(source) = args.model.given() {
                source.read()?;
            }
            return Err(error);
        }
    };
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (grpc_addr, http_addr) = (listener.local_addr()?, http.local_addr()?);
    let repository = Arc::new(Repository::new()?);
    let server = server(args, &telemetry, &readiness, &repository);
    let loading = async {
        let Some(models) = load_models(args, &telemetry, &readiness).await? else {
            // Told to stop before the models were there.
            return anyhow::Ok(());
        };
        repository.add(models);
        readiness.ready();
        tracing::info!(grpc = %grpc_addr, http = %http_addr, "serving");
        welcome(grpc_addr, http_addr);
        readiness.draining().await;
        Ok(())
    };
    tokio::select! {
        result = server.serve(listener, http) => result.map_err(anyhow::Error::from),
        Err(error) = loading => Err(error),
    }
}

/// How many threads read and answer requests.
fn threads(args: &Args) -> usize {
    let cores = available_parallelism().map_or(1, usize::from);
    args.threads.map_or(cores, |threads| threads as usize)
}

fn server(
    args: &Args,
    telemetry: &Arc<Telemetry>,
    readiness: &Readiness,
    repository: &Arc<Repository>,
) -> Server {
    let max_message_bytes = args.max_message_bytes as usize;
    let limits = Limits {
        requests: args.max_requests as usize,
        picture: preprocess::Limits {
            max_bytes: max_message_bytes,
            max_pixels: args.max_picture_pixels,
            max_memory: args.max_picture_memory,
            ..preprocess::Limits::default()
        },
    };
    Server {
        serving: Arc::new(Serving::new(
            Arc::clone(repository),
            Arc::clone(telemetry),
            limits,
        )),
        telemetry: Arc::clone(telemetry),
        readiness: readiness.clone(),
        config: Config {
            threads: threads(args),
            max_message_bytes,
            max_buffered_bytes: args.max_buffered_bytes as usize,
            request_timeout: args.request_timeout,
            drain_timeout: args.drain_timeout,
            trust_forwarded_for: args.trust_forwarded_for,
        },
        cors: Cors::new(args.cors_origin.clone()),
    }
}

/// Refuses one port for both.
fn check_ports(grpc: SocketAddr, http: SocketAddr) -> anyhow::Result<()> {
    let same_place =
        grpc.ip() == http.ip() || grpc.ip().is_unspecified() || http.ip().is_unspecified();
    // The system chooses a port for 0, each time another.
    if grpc.port() == http.port() && same_place && grpc.port() != 0 {
        let what = format!(
            "gRPC and HTTP have a port each, and --grpc-listen and --http-listen are both {}",
            grpc.port()
        );
        return Err(usage::conflict("serve", what).into());
    }
    Ok(())
}

/// The listeners of gRPC and HTTP, or all that is wrong with their ports.
fn bind(args: &Args) -> anyhow::Result<(TcpListener, TcpListener)> {
    let wanted = [
        (args.grpc_listen, "--grpc-listen"),
        (args.http_listen, "--http-listen"),
    ];
    let bound = wanted.map(|(addr, _)| {
        let listener = TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    let refused = match bound {
        [Ok(grpc), Ok(http)] => return Ok((grpc, http)),
        bound => bound.map(io::Result::err).into_iter().zip(wanted),
    };
    let refused: Vec<_> = refused
        .filter_map(|(error, wanted)| Some((error?, wanted)))
        .collect();
    let said = refused
        .iter()
        .map(|(error, (addr, flag))| format!("cannot listen on {addr} ({flag}): {error}"));
    let said = said.collect::<Vec<_>>().join("; ");
    let all_taken = refused
        .iter()
        .all(|(error, _)| error.kind() == io::ErrorKind::AddrInUse);
    if !all_taken {
        bail!("{said}");
    }
    let others = refused
        .iter()
        .map(|(_, (addr, flag))| format!(" {flag} {}", next(*addr)));
    bail!(
        "{said}; does another `kiln serve` run? With other ports: kiln serve{}",
        others.collect::<String>()
    )
}

/// The port after one that is taken, as a flag takes it.
fn next(addr: SocketAddr) -> String {
    let port = addr.port().checked_add(1).unwrap_or(1024);
    if addr.ip().is_unspecified() {
        port.to_string()
    } else {
        SocketAddr::new(addr.ip(), port).to_string()
    }
}

/// The model asked for alone, or both that are built in; none if told to stop meanwhile.
async fn load_models(
    args: &Args,
    telemetry: &Arc<Telemetry>,
    readiness: &Readiness,
) -> anyhow::Result<Option<Vec<Model>>> {
    let options = serving::Options {
        backend: args.model.backend,
        pictures: args.pictures.pictures(),
        batcher: batcher::Config {
            threads: threads(args),
            max_batch_size: args.max_batch_size as usize,
            delay: args.batch_delay,
        },
        in_background: false,
    };
    let sources = match args.model.given() {
        Some(source) => vec![source.clone()],
        None => vec![Source::BuiltInCnn, Source::BuiltInMlp],
    };
    let telemetry = Arc::clone(telemetry);
    let loading = tokio::task::spawn_blocking(move || {
        let entries = sources.into_iter().map(Entry::of);
        entries
            .map(|entry| serving::load(&entry, options, &telemetry))
            .collect::<Result<Vec<_>, _>>()
    });
    tokio::select! {
        loaded = loading => Ok(Some(loaded??)),
        () = readiness.draining() => Ok(None),
    }
}

/// A second signal sooner than this is taken for the first one again.
const SAME_SIGNAL: Duration = Duration::from_millis(500);

/// SIGTERM and SIGINT begin the drain; a second one ends the process at once.
fn drain_on_signal(readiness: Readiness) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        for second in [false, true] {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if second {
                tracing::warn!(signal = name, "stopping at once");
                std::process::exit(1);
            }
            tracing::info!(signal = name, "draining");
            readiness.drain();
            // A process that is stopped together with its group gets the same signal twice.
            tokio::time::sleep(SAME_SIGNAL).await;
            let _ = terminate.recv().now_or_never();
            let _ = interrupt.recv().now_or_never();
        }
    });
    Ok(())
}
