//! wrk, which speaks HTTP/1.1: how it is started, and what it prints.

use std::{path::Path, process::Command, time::Duration};

use crate::{
    cases::{Case, Protocol},
    client::Report,
    process::Ports,
};

/// Has wrk ask for another path each time.
pub const UNIQUE: &str = r#"local prefix = wrk.path
local number = 0
request = function()
    number = number + 1
    return wrk.format("GET", prefix .. number .. ".css")
end
"#;

/// `script`: the file with `UNIQUE`. Measurements begin to count anew, and must not ask for what the one before has asked for: `run`
/// tells them apart.
pub fn command(wrk: &Path, case: &Case, ports: Ports, seconds: u32, script: &Path, run: &str) -> Command {
    let mut command = Command::new(wrk);
    command.args(["-t1", "--latency"]).arg(format!("-c{}", case.connections)).arg(format!("-d{seconds}s"));
    for (name, value) in case.headers {
        command.arg("-H").arg(format!("{name}: {value}"));
    }
    let (scheme, port) = if case.protocol == Protocol::Http1 { ("http", ports.plain) } else { ("https", ports.tls) };
    let mut url = format!("{scheme}://127.0.0.1:{port}{}", case.path);
    if case.unique {
        command.arg("-s").arg(script);
        url += &format!("{run}-");
    }
    command.arg(url);
    command
}

pub fn read(text: &str) -> Option<Report> {
    let mut report = Report::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words[..] {
            ["50%", latency] => report.p50 = read_duration(latency)?,
            ["99%", latency] => report.p99 = read_duration(latency)?,
            [requests, "requests", "in", time, ..] => {
                report.requests = requests.parse().ok()?;
                report.seconds = read_duration(time.trim_end_matches(','))?.as_secs_f64();
            }
            ["Socket", "errors:", ..] => report.socket_errors = words.iter().filter_map(|word| number(word)).sum(),
            ["Non-2xx", .., count] => report.refused = number(count)?,
            _ => {}
        }
    }
    (report.requests > 0 && report.seconds > 0.0).then_some(report)
}

fn number(word: &str) -> Option<u64> {
    word.trim_end_matches(',').parse().ok()
}

/// Reads `590.00us`, `1.02ms`, `2.00s`, `1.00m`.
fn read_duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (value, unit) = text.split_at(unit);
    let scale = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(value.parse::<f64>().ok()? * scale).ok()
}

const OUTPUT: &str = "\
Running 2s test @ http://127.0.0.1:8888/64b
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   612.50us   99.10us   3.20ms   83.46%
    Req/Sec    52.31k     1.20k   54.00k    70.00%
  Latency Distribution
     50%  590.00us
     75%  640.00us
     90%  700.00us
     99%    1.02ms
  104563 requests in 2.01s, 20.10MB read
";

fn an_output_without_errors_is_read() {
    let report = read(OUTPUT).expect("a report");
    assert_eq!(report.requests, 104_563);
    assert!((report.seconds - 2.01).abs() < 1e-9);
    assert_eq!(report.p50, Duration::from_micros(590));
    assert_eq!(report.p99, Duration::from_micros(1020));
    assert_eq!((report.socket_errors, report.refused), (0, 0));
}

fn errors_are_counted() {
    let text =
        format!("{OUTPUT}  Socket errors: connect 1, read 20, write 0, timeout 300\n  Non-2xx or 3xx responses: 12\n");
    let report = read(&text).expect("a report");
    assert_eq!((report.socket_errors, report.refused), (321, 12));
}

fn an_output_without_requests_is_no_report() {
    assert_eq!(read("unable to connect to 127.0.0.1:1 Connection refused\n"), None);
    assert_eq!(read("  0 requests in 2.00s, 0.00B read\n"), None);
}

fn each_of_its_units_of_time_is_known() {
    let read = |text| read_duration(text).map(|duration| duration.as_micros());
    assert_eq!(read("7.00us"), Some(7));
    assert_eq!(read("1.50ms"), Some(1500));
    assert_eq!(read("2.00s"), Some(2_000_000));
    assert_eq!(read("1.00m"), Some(60_000_000));
    assert_eq!(read("5"), None);
    assert_eq!(read("5.00x"), None);
}

pub const TESTS: &[(&str, fn())] = tests![
    an_output_without_errors_is_read,
    errors_are_counted,
    an_output_without_requests_is_no_report,
    each_of_its_units_of_time_is_known,
];
