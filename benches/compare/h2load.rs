//! h2load, which speaks HTTP/2: how it is started, and what it writes.

use std::{path::Path, process::Command, time::Duration};

use crate::{cases::Case, client::Report, process::Ports};

/// Streams at once on each connection.
const STREAMS: u32 = 10;

pub fn command(h2load: &Path, case: &Case, ports: Ports, seconds: u32, log: &Path) -> Command {
    let mut command = Command::new(h2load);
    command.arg("-t1").arg(format!("-c{}", case.connections)).arg(format!("-m{STREAMS}"));
    command.arg(format!("-D{seconds}")).arg(format!("--log-file={}", log.display()));
    for (name, value) in case.headers {
        command.arg("-H").arg(format!("{name}: {value}"));
    }
    command.arg(format!("https://127.0.0.1:{}{}", ports.tls, case.path));
    command
}

/// `log`: a line for each request, with when it began, its status, and how long it took, in microseconds.
pub fn read(text: &str, log: &str) -> Option<Report> {
    let mut report = Report::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().map(|word| word.trim_end_matches(',')).collect();
        match words[..] {
            ["finished", "in", time, ..] => report.seconds = seconds(time)?,
            ["requests:", .., timeouts, "timeout"] => report.socket_errors = timeouts.parse().ok()?,
            ["status", "codes:", good, "2xx", moved, "3xx", wrong, "4xx", failed, "5xx"] => {
                let number = |word: &str| word.parse::<u64>().ok();
                report.refused = number(wrong)? + number(failed)?;
                report.requests = number(good)? + number(moved)? + report.refused;
            }
            _ => {}
        }
    }
    let mut times: Vec<u64> = log.lines().filter_map(|line| line.split('\t').nth(2)?.parse().ok()).collect();
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().map(Duration::from_micros);
    (report.p50, report.p99) = (at(50)?, at(99)?);
    (report.requests > 0 && report.seconds > 0.0).then_some(report)
}

/// Reads `1.01s` and `998.20ms`.
fn seconds(text: &str) -> Option<f64> {
    match text.strip_suffix("ms") {
        Some(milliseconds) => milliseconds.parse::<f64>().ok().map(|value| value / 1000.0),
        None => text.strip_suffix('s')?.parse().ok(),
    }
}

const OUTPUT: &str = "\
finished in 1.00s, 4000.00 req/s, 277.60KB/s
requests: 4001 total, 4036 started, 4001 done, 4000 succeeded, 1 failed, 1 errored, 0 timeout
status codes: 3990 2xx, 0 3xx, 4 4xx, 6 5xx
traffic: 277.60KB (284264) total, 187.50KB (192000) headers (space savings 51.02%), 19.53KB (20000) data
";

fn its_output_and_its_log_are_read() {
    let log: String = (1..=100).map(|at| format!("179542182711{at}\t200\t{at}\n")).collect();
    let report = read(OUTPUT, &log).expect("a report");
    assert_eq!((report.requests, report.refused, report.socket_errors), (4000, 10, 0));
    assert_eq!((report.p50, report.p99), (Duration::from_micros(51), Duration::from_micros(100)));
    assert!((report.seconds - 1.0).abs() < 1e-9);
}

fn what_it_says_without_requests_is_no_report() {
    assert_eq!(read("", ""), None);
    assert_eq!(read(OUTPUT, ""), None);
    assert_eq!(seconds("500.00ms"), Some(0.5));
}

pub const TESTS: &[(&str, fn())] = tests![its_output_and_its_log_are_read, what_it_says_without_requests_is_no_report];
