//! An instance survives any pictures in the memory that compose/compose.yaml gives it, with the settings that stand
//! there and in compose/Dockerfile: a real process in a memory cgroup of that size, watched from outside.

#[path = "support/blank.rs"]
mod blank;
mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use kiln::grpc::proto::mnist::predict_request::Input;
use kiln::grpc::proto::mnist::{Fit, PredictRequest};
use kiln::preprocess::{self, Limits, Size};
use support::Server;
use tonic::Code;

/// What compose.yaml says of a Kiln container.
struct Container {
    environment: Vec<(String, String)>,
    memory: u64,
}

impl Container {
    fn read() -> Self {
        let yaml = fs::read_to_string(support::file("compose/compose.yaml")).unwrap();
        let service = &yaml[yaml.find("\n  kiln:").unwrap()..yaml.find("\n  envoy:").unwrap()];
        // `${NAME:-default}` is what stands there unless somebody says otherwise.
        let value = |text: &str| {
            let default = text.split_once(":-").map_or(text, |(_, default)| default);
            default.trim_end_matches('}').trim_matches('"').to_owned()
        };
        let fields = service
            .lines()
            .filter_map(|line| line.trim().split_once(": "));
        let image = fs::read_to_string(support::file("compose/Dockerfile")).unwrap();
        let image = &image[image.find("FROM scratch").unwrap()..];
        let of_image = image.lines().filter_map(|line| {
            let (name, value) = line.strip_prefix("ENV ")?.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        });
        let environment = fields
            .clone()
            .filter(|(name, _)| name.starts_with("KILN_"))
            .map(|(name, text)| (name.to_owned(), value(text)))
            .chain(of_image)
            .collect();
        let memory = fields.clone().find(|(name, _)| *name == "mem_limit");
        let mebibytes = value(memory.unwrap().1);
        let mebibytes: u64 = mebibytes.strip_suffix('m').unwrap().parse().unwrap();
        Self {
            environment,
            memory: mebibytes << 20,
        }
    }

    fn setting(&self, name: &str) -> u64 {
        let (_, value) = self.environment.iter().find(|(n, _)| n == name).unwrap();
        value.parse().unwrap()
    }
}

/// A memory cgroup, of version 1 or 2, gone when dropped.
struct Cgroup {
    folder: PathBuf,
    most: &'static str,
}

impl Cgroup {
    /// None where this machine has none to give.
    fn new(bytes: u64) -> Option<Self> {
        let name = format!("kiln-test-{}", std::process::id());
        let versions = [
            (
                "/sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                "memory.max_usage_in_bytes",
            ),
            ("/sys/fs/cgroup", "memory.max", "memory.peak"),
        ];
        versions.into_iter().find_map(|(root, limit, most)| {
            let folder = PathBuf::from(root).join(&name);
            fs::create_dir(&folder).ok()?;
            let group = Self { folder, most };
            // Written to only where the controller has put it.
            group.folder.join(limit).exists().then_some(())?;
            fs::write(group.folder.join(limit), bytes.to_string()).ok()?;
            for swap in ["memory.memsw.limit_in_bytes", "memory.swap.max"] {
                let bytes = if swap == "memory.swap.max" { 0 } else { bytes };
                let _ = fs::write(group.folder.join(swap), bytes.to_string());
            }
            Some(group)
        })
    }

    fn most(&self) -> Option<u64> {
        fs::read_to_string(self.folder.join(self.most))
            .ok()?
            .trim()
            .parse()
            .ok()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.folder);
    }
}

/// The most memory that a process has had, as Linux tells.
fn most_resident(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}

/// Pictures of 25 megapixels, and of each kind the largest that the container takes.
fn pictures(container: &Container) -> Vec<(String, Vec<u8>)> {
    type Make = fn([u16; 2]) -> Vec<u8>;
    let kinds: [(&str, Make); 11] = [
        ("CMYK JPEG, progressive", |size| {
            blank::jpeg(size, blank::CMYK, true, false)
        }),
        ("RGB JPEG, progressive", |size| {
            blank::jpeg(size, blank::YCC_444, true, true)
        }),
        ("4:2:0 JPEG, progressive", |size| {
            blank::jpeg(size, blank::YCC_420, true, true)
        }),
        ("CMYK JPEG", |size| {
            blank::jpeg(size, blank::CMYK, false, true)
        }),
        ("4:2:0 JPEG", |size| {
            blank::jpeg(size, blank::YCC_420, false, true)
        }),
        ("WebP", blank::lossy_webp),
        ("WebP with alpha", blank::lossy_webp_with_alpha),
        ("lossless WebP", |size| blank::lossless_webp(size, false)),
        ("animated WebP", |size| blank::animated_webp(size, "alpha")),
        ("PNG", |size| blank::png(size, 16, 6, true)),
        ("GIF", |size| blank::gif([5, 5], size)),
    ];
    let limits = Limits {
        max_memory: container.setting("KILN_MAX_PICTURE_MEMORY"),
        ..Limits::default()
    };
    let mut all = Vec::new();
    for (kind, make) in kinds {
        let fits = |side: u16| {
            let file = make([side; 2]);
            preprocess::memory(&file, preprocess::Fit::Resize, Size::MNIST, &limits).is_ok()
        };
        let mut side = 5000;
        while !fits(side) {
            side -= 100;
        }
        all.push((format!("{kind} of {side} x {side}"), make([side; 2])));
        if side < 5000 {
            all.push((format!("{kind} of 5000 x 5000"), make([5000; 2])));
        }
    }
    all.push((
        "codes of a gigabyte".to_owned(),
        blank::webp_of_large_codes([99, 99], 60 << 10),
    ));
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_pictures_kill_an_instance_in_the_memory_of_its_container() {
    let container = Container::read();
    let group = Cgroup::new(container.memory);
    let mut command = support::kiln();
    if let Some(group) = &group {
        // In the group from its first byte on.
        let kiln = command.get_program().to_owned();
        command = Command::new("sh");
        command.args(["-c", "echo $$ >\"$0\" && exec \"$@\""]);
        command.arg(group.folder.join("cgroup.procs")).arg(kiln);
    } else {
        eprintln!(
            "NOT CHECKED: no memory cgroup to be had here; only the process's own peak is watched"
        );
    }
    command.args(Server::ON_FREE_PORTS);
    command.envs(
        container
            .environment
            .iter()
            .map(|(name, value)| (name, value)),
    );
    let server = Server::spawn(command);

    // Every client goes through all pictures from another one on, several at a time.
    let pictures = std::sync::Arc::new(pictures(&container));
    let clients = (0..3).map(|number| {
        let (pictures, client) = (std::sync::Arc::clone(&pictures), server.client());
        async move {
            let mut client = client.await;
            let mut answers = Vec::new();
            for i in 0..pictures.len() {
                let (name, file) = &pictures[(i + 7 * number) % pictures.len()];
                let request = PredictRequest {
                    input: Some(Input::Image(file.clone().into())),
                    fit: [Fit::Resize, Fit::Digit][i % 2].into(),
                    ..PredictRequest::default()
                };
                let answer = client.predict(request).await;
                answers.push((name.clone(), answer.map(|_| ())));
            }
            answers
        }
    });
    let mut answered = 0;
    for (name, answer) in futures_util::future::join_all(clients).await.concat() {
        match answer {
            Ok(()) => answered += 1,
            // It was decoded, and there is nothing on it.
            Err(status) if status.message().contains("no digit found") => answered += 1,
            // Too much memory, or too much time on a slow machine.
            Err(status) => {
                let known = matches!(
                    status.code(),
                    Code::InvalidArgument | Code::ResourceExhausted
                );
                assert!(known, "{name}: {status}");
                println!("{name}: {}", status.message());
            }
        }
    }
    let resident = most_resident(server.id()).unwrap();
    let most = group.as_ref().and_then(Cgroup::most);
    println!(
        "{answered} answered; {} MiB resident, {:?} MiB in the group",
        resident >> 20,
        most.map(|m| m >> 20)
    );
    assert!(answered > 0);
    assert!(resident < container.memory, "{resident} bytes");
    let small = PredictRequest {
        input: Some(Input::Pixels(vec![0; 784].into())),
        ..PredictRequest::default()
    };
    server
        .client()
        .await
        .predict(small)
        .await
        .expect("it lives and answers");
    // The group cannot go before its process.
    drop(server);
    drop(group);
}
