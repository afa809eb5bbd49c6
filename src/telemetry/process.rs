//! The standard Prometheus process metrics, read from `/proc` at each scrape; where there is no `/proc`, none.
//!
//! Names and meaning:
//! <https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>, and for the two of the network
//! `prometheus/client_golang`. The format of the files: `proc(5)`.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::proto::{Counter, Gauge, Metric, MetricFamily, MetricType};

/// `/proc` counts time in this many ticks a second on every architecture that Rust's standard library knows.
const TICKS_PER_SECOND: f64 = 100.0;

/// What stands for a limit that is none: 2⁶⁴, as in `prometheus/client_golang`.
const UNLIMITED: f64 = 18_446_744_073_709_551_616.0;

/// What a process metric is called, what it says, and its value if it could be read.
type Sample = (&'static str, &'static str, Option<f64>);

pub(super) fn families() -> Vec<MetricFamily> {
    let read = |file: &str| fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    let (stat, status, limits) = (read("stat"), read("status"), read("limits"));
    let netstat = read("net/netstat");
    let counters: [Sample; 3] = [
        (
            "process_cpu_seconds_total",
            "User and system CPU time spent, in seconds.",
            cpu_seconds(&stat),
        ),
        (
            "process_network_receive_bytes_total",
            "Bytes received in the network namespace of the process.",
            netstat_octets(&netstat, "InOctets"),
        ),
        (
            "process_network_transmit_bytes_total",
            "Bytes sent in the network namespace of the process.",
            netstat_octets(&netstat, "OutOctets"),
        ),
    ];
    let gauges: [Sample; 7] = [
        (
            "process_max_fds",
            "Most file descriptors that may be open.",
            limit(&limits, "Max open files"),
        ),
        (
            "process_open_fds",
            "File descriptors that are open.",
            open_fds(),
        ),
        (
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            status_bytes(&status, "VmRSS:"),
        ),
        (
            "process_start_time_seconds",
            "When the process started, in seconds since the Unix epoch.",
            start_time(&stat),
        ),
        (
            "process_threads",
            "Threads of the process.",
            status_number(&status, "Threads:"),
        ),
        (
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            status_bytes(&status, "VmSize:"),
        ),
        (
            "process_virtual_memory_max_bytes",
            "Most virtual memory that may be had, in bytes.",
            limit(&limits, "Max address space"),
        ),
    ];
    let counters = counters
        .into_iter()
        .filter_map(|s| family(s, MetricType::COUNTER));
    let gauges = gauges
        .into_iter()
        .filter_map(|s| family(s, MetricType::GAUGE));
    counters.chain(gauges).collect()
}

fn family((name, help, value): Sample, kind: MetricType) -> Option<MetricFamily> {
    let value = value?;
    let mut metric = Metric::default();
    if kind == MetricType::COUNTER {
        let mut counter = Counter::default();
        counter.set_value(value);
        metric.set_counter(counter);
    } else {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        metric.set_gauge(gauge);
    }
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(vec![metric]);
    Some(family)
}

/// Field `number` of `/proc/self/stat`, counted from 1 as in `proc(5)`. Field 2, the command, stands in parentheses
/// and may itself hold blanks and parentheses, so counting starts behind the last one.
fn stat_field(stat: &str, number: usize) -> Option<f64> {
    let (_, behind) = stat.rsplit_once(')')?;
    behind
        .split_whitespace()
        .nth(number.checked_sub(3)?)?
        .parse()
        .ok()
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((stat_field(stat, 14)? + stat_field(stat, 15)?) / TICKS_PER_SECOND)
}

/// The start is counted from boot, and `/proc/stat` says when that was. Never later than now.
fn start_time(stat: &str) -> Option<f64> {
    let started = stat_field(stat, 22)? / TICKS_PER_SECOND;
    let boot = fs::read_to_string("/proc/stat").ok()?;
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime "))?;
    let boot: f64 = boot.trim().parse().ok()?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()?
        .as_secs_f64();
    Some((boot + started).min(now))
}

fn open_fds() -> Option<f64> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is the listing itself.
    Some(f64::from(u32::try_from(open).ok()?.saturating_sub(1)))
}

/// A line such as `Threads: 12`, or the first number of any other line of `/proc/self/status`.
fn status_number(status: &str, key: &str) -> Option<f64> {
    let value = status.lines().find_map(|line| line.strip_prefix(key))?;
    value.split_whitespace().next()?.parse().ok()
}

/// A line such as `VmRSS: 5124 kB`; the kernel's kB are 1024 bytes.
fn status_bytes(status: &str, key: &str) -> Option<f64> {
    Some(status_number(status, key)? * 1024.0)
}

/// The soft limit in a line such as `Max open files   1024   1048576   files`.
fn limit(limits: &str, key: &str) -> Option<f64> {
    let values = limits.lines().find_map(|line| line.strip_prefix(key))?;
    match values.split_whitespace().next()? {
        "unlimited" => Some(UNLIMITED),
        soft => soft.parse().ok(),
    }
}

/// `/proc/self/net/netstat` has pairs of lines, names above numbers; the bytes are in the pair `IpExt:`.
fn netstat_octets(netstat: &str, name: &str) -> Option<f64> {
    let mut pair = netstat
        .lines()
        .filter_map(|line| line.strip_prefix("IpExt:"));
    let (names, numbers) = (pair.next()?, pair.next()?);
    let column = names.split_whitespace().position(|column| column == name)?;
    numbers.split_whitespace().nth(column)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194560 2 0 0 0 250 50 0 0 20 0 3 0 12345 1000 7";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(stat_field(stat, 22), Some(12345.0));
    }

    #[test]
    fn limits_status_and_netstat_are_read_as_the_kernel_writes_them() {
        let limits = "Limit   Soft Limit  Hard Limit  Units\n\
                      Max open files            1024                 1048576              files\n\
                      Max address space         unlimited            unlimited            bytes\n";
        assert_eq!(limit(limits, "Max open files"), Some(1024.0));
        assert_eq!(limit(limits, "Max address space"), Some(UNLIMITED));
        let status = "Name:\tkiln\nVmSize:\t    2048 kB\nVmRSS:\t       3 kB\nThreads:\t12\n";
        assert_eq!(status_bytes(status, "VmRSS:"), Some(3072.0));
        assert_eq!(status_number(status, "Threads:"), Some(12.0));
        let netstat =
            "TcpExt: A B\nTcpExt: 1 2\nIpExt: InPkts InOctets OutOctets\nIpExt: 9 100 200\n";
        assert_eq!(netstat_octets(netstat, "InOctets"), Some(100.0));
        assert_eq!(netstat_octets(netstat, "OutOctets"), Some(200.0));
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        for text in [
            "",
            ")",
            "IpExt:",
            "IpExt: InOctets\nIpExt: x",
            "VmRSS:",
            "Max open files",
        ] {
            assert_eq!(cpu_seconds(text), None);
            assert_eq!(limit(text, "Max open files"), None);
            assert_eq!(status_bytes(text, "VmRSS:"), None);
            assert_eq!(netstat_octets(text, "InOctets"), None);
        }
        assert!(family(("process_threads", "", None), MetricType::GAUGE).is_none());
    }
}
