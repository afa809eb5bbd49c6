//! What a person at a terminal can do once the server is up.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, stderr};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;

use super::output::say;
use super::remote::PORT;

/// Says it on a terminal, unless its log is kept quiet; programs have the log.
pub(super) fn welcome(grpc: SocketAddr, http: SocketAddr) {
    if stderr().is_terminal() && tracing::enabled!(tracing::Level::INFO) {
        say(&text(grpc, http, network_address()));
    }
}

fn text(grpc: SocketAddr, http: SocketAddr, network: Option<IpAddr>) -> String {
    let here = |addr: SocketAddr| {
        let port = addr.port();
        match addr.ip() {
            ip if ip.is_unspecified() => format!("localhost:{port}"),
            _ => addr.to_string(),
        }
    };
    let (page, api) = (here(http), here(grpc));
    let mut text = format!("\n  In a browser    http://{page}\n");
    // Only where every interface is listened on is the network's one among them.
    if let Some(ip) = network.filter(|_| http.ip().is_unspecified()) {
        let phone = SocketAddr::new(ip, http.port());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  From a phone    http://{phone}");
    }
    text + &format!(
        "  Try the API     http://{page}/docs\n  \
         Ask with Kiln   kiln predict {}picture.png\n  \
         Ask by gRPC     grpcurl -plaintext {api} list\n  \
         Stop            Ctrl-C\n\n",
        addr_flag(grpc)
    )
}

/// What `kiln predict` must be told to find the server, if anything.
fn addr_flag(grpc: SocketAddr) -> String {
    let here = grpc.ip().is_unspecified() || grpc.ip() == Ipv4Addr::LOCALHOST;
    match grpc.port() {
        PORT if here => String::new(),
        port if here => format!("--addr {port} "),
        _ => format!("--addr {grpc} "),
    }
}

/// This machine's address on the network that it reaches others by.
fn network_address() -> Option<IpAddr> {
    // A container's address is of no use outside its host.
    if ["/.dockerenv", "/run/.containerenv"]
        .iter()
        .any(|mark| Path::new(mark).exists())
    {
        return None;
    }
    // Connecting a UDP socket only chooses the way; nothing is sent. The address is one of those that documents use.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(http: &str) -> String {
        let network = Some("192.168.1.20".parse().unwrap());
        text(
            "0.0.0.0:50051".parse().unwrap(),
            http.parse().unwrap(),
            network,
        )
    }

    #[test]
    fn every_address_that_answers_is_told_in_60_columns() {
        let all = said("0.0.0.0:8000");
        for address in [
            "http://localhost:8000\n",
            "http://192.168.1.20:8000\n",
            "localhost:50051 list",
            "kiln predict picture.png\n",
        ] {
            assert!(all.contains(address), "{all}");
        }
        assert!(all.lines().all(|line| line.len() <= 60), "{all}");
    }

    #[test]
    fn the_first_call_finds_the_server() {
        for (addr, flag) in [
            ("0.0.0.0:50051", ""),
            ("127.0.0.1:50051", ""),
            ("0.0.0.0:50052", "--addr 50052 "),
            ("127.0.0.1:50052", "--addr 50052 "),
            ("192.168.1.20:50051", "--addr 192.168.1.20:50051 "),
            ("[::1]:50051", "--addr [::1]:50051 "),
        ] {
            assert_eq!(addr_flag(addr.parse().unwrap()), flag);
        }
    }

    #[test]
    fn a_phone_is_told_of_no_address_that_it_cannot_reach() {
        for http in ["127.0.0.1:8000", "[::1]:8000"] {
            let said = said(http);
            assert!(said.contains(&format!("http://{http}\n")), "{said}");
            assert!(!said.contains("phone") && !said.contains("192"), "{said}");
        }
    }
}
