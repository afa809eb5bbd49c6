//! What the tests share: a real server process, and the files that may be at hand.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use kiln::grpc::proto::mnist::mnist_service_client::MnistServiceClient;
use tonic::transport::Channel;

/// How long a process may take for what takes milliseconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// The `kiln` binary, free of the environment's own settings.
pub fn kiln() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KILN_") {
            command.env_remove(name);
        }
    }
    command
}

/// A file of the repository.
pub fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file beside the repository that only some machines have.
pub fn optional(path: &str) -> Option<PathBuf> {
    let path = file("../shared").join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("NOT CHECKED: {} is not there", path.display());
    None
}

/// A running `kiln serve`, killed when dropped.
pub struct Server {
    process: Child,
    log: BufReader<ChildStderr>,
    pub grpc: SocketAddr,
    pub http: SocketAddr,
}

impl Server {
    /// Starts a server on free ports and waits until it says that it serves.
    pub fn start(args: &[&str]) -> Self {
        let mut command = kiln();
        command.args(Self::ON_FREE_PORTS).args(args);
        Self::spawn(command)
    }

    /// Arguments of a server on free ports.
    pub const ON_FREE_PORTS: [&str; 3] = [
        "serve",
        "--grpc-listen=127.0.0.1:0",
        "--http-listen=127.0.0.1:0",
    ];

    /// As [`Server::start`], from a command that ends up as a server.
    pub fn spawn(mut command: Command) -> Self {
        #[expect(clippy::zombie_processes, reason = "waited for when dropped")]
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut said = String::new();
        loop {
            let start = said.len();
            assert!(log.read_line(&mut said).unwrap() > 0, "no server: {said}");
            let line: serde_json::Value = serde_json::from_str(&said[start..]).unwrap();
            if let (Some(grpc), Some(http)) = (field(&line, "grpc"), field(&line, "http")) {
                return Self {
                    process,
                    log,
                    grpc: grpc.parse().unwrap(),
                    http: http.parse().unwrap(),
                };
            }
        }
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn addr(&self) -> String {
        format!("http://{}", self.grpc)
    }

    pub async fn channel(&self) -> Channel {
        Channel::from_shared(self.addr())
            .unwrap()
            .connect()
            .await
            .unwrap()
    }

    pub async fn client(&self) -> MnistServiceClient<Channel> {
        MnistServiceClient::new(self.channel().await)
    }

    /// Status and body of a plain HTTP GET.
    pub fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.http).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: kiln\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    /// The value of one series of `/metrics`; `series` is the line up to the value.
    pub fn metric(&self, series: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics");
        text.lines()
            .find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    }

    /// Bytes of memory that the process has now.
    #[cfg(target_os = "linux")]
    pub fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.unwrap().trim().strip_suffix(" kB").unwrap();
        kibibytes.parse::<u64>().unwrap() * 1024
    }

    pub fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &id])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// How it ended, and the rest of its log.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "the server did not end");
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        (status, log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A field of a JSON log line, wherever the format puts fields.
fn field<'a>(line: &'a serde_json::Value, name: &str) -> Option<&'a str> {
    line.get(name)
        .or_else(|| line.get("fields")?.get(name))
        .and_then(serde_json::Value::as_str)
}

/// The 784 grey values of the committed 28x28 picture of a seven.
pub fn seven() -> Vec<u8> {
    use kiln::preprocess::{Fit, Limits, Size, decode_and_fit};
    let size = Size {
        width: 28,
        height: 28,
    };
    let bytes = std::fs::read(file("examples/seven.png")).unwrap();
    decode_and_fit(&bytes, Fit::Auto, size, &Limits::default()).unwrap()
}
