//! Values of flags, in the forms that people write them in. A plain number means what the flag's value name says.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// What any count is at the most: usize holds it everywhere.
const MOST: u64 = u32::MAX as u64;

/// A whole number from `least` to `most`.
pub(super) fn number(
    least: u64,
    most: u64,
) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync + 'static {
    move |text| match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("write a whole number from {least} to {most}")),
    }
}

/// At least one.
pub(super) fn count(text: &str) -> Result<u64, String> {
    number(1, MOST)(text)
}

/// At least one byte: `8388608`, `8MiB`, `8M`, `8MB`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    const HELP: &str =
        "write bytes, or a unit: 8388608, 8MiB, 8M (as much), 8MB (8000000), up to 4 GiB";
    let (number, unit) = split(text);
    let unit = match &unit.to_ascii_lowercase()[..] {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(HELP.to_owned()),
    };
    let number = number.parse::<u64>().ok();
    let bytes = number.and_then(|number| number.checked_mul(unit));
    bytes
        .filter(|bytes| (1..=MOST).contains(bytes))
        .ok_or_else(|| HELP.to_owned())
}

/// `5`, `5ms`, `0.5s`; none is allowed.
pub(super) fn milliseconds(text: &str) -> Result<Duration, String> {
    time(text, 1e-3).ok_or_else(|| "write milliseconds, or a unit: 5, 5ms, 0.5s".to_owned())
}

/// `30`, `30s`, `1m`, `500ms`; none is allowed.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    time(text, 1.0).ok_or_else(|| "write seconds, or a unit: 30, 30s, 500ms, 2m".to_owned())
}

/// As [`seconds`], and not none.
pub(super) fn some_seconds(text: &str) -> Result<Duration, String> {
    let time = seconds(text)?;
    let longer = "write a time above 0: 30, 30s, 500ms, 2m".to_owned();
    if time.is_zero() {
        Err(longer)
    } else {
        Ok(time)
    }
}

/// A time, in `plain` seconds where it has no unit.
fn time(text: &str, plain: f64) -> Option<Duration> {
    let (number, unit) = split(text);
    let unit = match unit {
        "" => plain,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        _ => return None,
    };
    let seconds = number.parse::<f64>().ok()? * unit;
    (0.0..=MOST as f64).contains(&seconds).then(|| {
        // Whole nanoseconds: 0.1 is no number of binary digits.
        Duration::from_nanos((seconds * 1e9).round() as u64)
    })
}

/// A number, and the unit behind it.
fn split(text: &str) -> (&str, &str) {
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    (number, unit.trim_start())
}

/// Where to listen: `50051` and `:50051` are that port on every interface, `localhost:50051` a name's address.
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text);
    if let Ok(port) = port.parse::<u16>() {
        return Ok(SocketAddr::from(([0, 0, 0, 0], port)));
    }
    if let Ok(addr) = text.parse() {
        return Ok(addr);
    }
    let help = || {
        "write a port or an address with one: 8000, :8000, localhost:8000, 0.0.0.0:8000, [::]:8000"
            .to_owned()
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(help)?;
    let port = port.parse::<u16>().map_err(|_| help())?;
    if host.is_empty() || host.contains([':', '/', '*', '[']) {
        return Err(help());
    }
    let found = (host, port).to_socket_addrs();
    let found: Vec<_> = found
        .map_err(|error| format!("no address for the host '{host}': {error}"))?
        .collect();
    // Clients that try one address only try IPv4.
    let first = found.iter().find(|addr| addr.is_ipv4()).or(found.first());
    first.copied().ok_or_else(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_number_is_of_the_flags_unit_and_others_say_theirs() {
        let ms = |text| milliseconds(text).unwrap().as_micros();
        assert_eq!(
            [
                ms("0"),
                ms("5"),
                ms("5ms"),
                ms("1s"),
                ms("0.1s"),
                ms("20us")
            ],
            [0, 5000, 5000, 1_000_000, 100_000, 20]
        );
        let s = |text| seconds(text).unwrap().as_millis();
        assert_eq!(
            [s("30"), s("30 s"), s("500ms"), s("2m"), s("1.5")],
            [30_000, 30_000, 500, 120_000, 1500]
        );
        for wrong in ["", "s", "1h", "-1", "1e3", "1.2.3", "99999999999", "∞"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
        assert!(some_seconds("0").is_err());
    }

    #[test]
    fn bytes_have_units_of_1024_and_of_1000() {
        let sizes = ["8388608", "8M", "8MiB", "8mib", "8 MiB", "8192K", "8MB"]
            .map(|text| bytes(text).unwrap());
        assert_eq!(
            sizes,
            [
                8 << 20,
                8 << 20,
                8 << 20,
                8 << 20,
                8 << 20,
                8 << 20,
                8_000_000
            ]
        );
        for wrong in ["", "0", "M", "8.5M", "8Mo", "4G", "99999999999999G", "-1"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_port_alone_is_every_interface_and_a_name_is_its_address() {
        let addr = |text| listen(text).unwrap().to_string();
        assert_eq!(addr("50051"), "0.0.0.0:50051");
        assert_eq!(addr(":50051"), "0.0.0.0:50051");
        assert_eq!(addr("127.0.0.1:1"), "127.0.0.1:1");
        assert_eq!(addr("[::1]:1"), "[::1]:1");
        assert!(listen("localhost:1").unwrap().ip().is_loopback());
        for wrong in [
            "",
            ":",
            "localhost",
            "127.0.0.1",
            "::1",
            "::1:80",
            "*:80",
            "http://localhost:80",
            "70000",
        ] {
            let error = listen(wrong).unwrap_err();
            assert!(error.contains("localhost:8000"), "{wrong}: {error}");
        }
    }
}
