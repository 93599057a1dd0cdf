//! `edge top`: how a running edge does, anew every second.
//!
//! It asks for the report that the live page shows (`proxy/api`) over the control socket, and says what has come since the one before.

use super::upstream::ask;
use super::{Configuration, fail};
use crate::config::value::parse_time;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;
use std::time::Duration;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// From one view to the next
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time)]
    interval: Duration,
    /// Print one view and end
    #[arg(long)]
    once: bool,
}

fn time(text: &str) -> Result<Duration, String> {
    let told = parse_time(text).filter(|time| *time >= Duration::from_millis(100));
    told.ok_or_else(|| "expected a time such as `1s` or `500ms`, and not below `100ms`".to_owned())
}

/// Rows of locations, those with most requests first.
const LOCATIONS: usize = 15;

pub(super) fn run(arguments: &Arguments, configuration: &Configuration) -> ExitCode {
    let mut before = match status(configuration) {
        Ok(status) => status,
        Err(why) => return fail(why),
    };
    let clears = !arguments.once && std::io::stdout().is_terminal();
    loop {
        std::thread::sleep(arguments.interval);
        let now = match status(configuration) {
            Ok(status) => status,
            Err(why) => return fail(why),
        };
        let view = view(&now, &before);
        let screen = if clears { format!("\x1b[H\x1b[2J{view}") } else { view };
        // Nobody looks any more.
        if std::io::stdout().write_all(screen.as_bytes()).and_then(|()| std::io::stdout().flush()).is_err() {
            return ExitCode::SUCCESS;
        }
        if arguments.once {
            return ExitCode::SUCCESS;
        }
        before = now;
    }
}

fn status(configuration: &Configuration) -> Result<Value, String> {
    let answer = ask(configuration, &["status"])?;
    match answer.failure {
        Some(why) => Err(why),
        None => serde_json::from_str(&answer.out).map_err(|e| format!("the answer of edge is no report: {e}")),
    }
}

/// What the counts of two reports say. To write to a text does not fail.
fn view(now: &Value, before: &Value) -> String {
    // Another process counts from nothing.
    let nothing = Value::Null;
    let before = if now["edge"]["pid"] == before["edge"]["pid"] { before } else { &nothing };
    let seconds = (number(&now["edge"]["age"]) - number(&before["edge"]["age"])).max(0.001);
    let bounds: Vec<f64> = list(&now["bounds"]).iter().map(number).collect();
    let traffic = grown(&now["traffic"], &before["traffic"], &["server", "location"]);
    let mut out = String::new();
    let connections = &now["connections"];
    let _ = writeln!(
        out,
        "edge {}  process {}  up {}  configuration {}\n{}/s requests  5xx {}/s  95 % within {}  {}B/s out  connections {} ({} idle)\n",
        now["edge"]["version"].as_str().unwrap_or_default(),
        now["edge"]["pid"],
        age(number(&now["edge"]["age"])),
        now["edge"]["generation"],
        short(sum(&traffic, |t| t.requests) / seconds),
        short(sum(&traffic, |t| t.failures) / seconds),
        quantile(&bounds, &all_buckets(&traffic), 0.95),
        short(sum(&traffic, |t| t.sent) / seconds),
        connections["active"],
        connections["waiting"],
    );
    let _ =
        writeln!(out, "{:<48} {:>8} {:>8} {:>10} {:>9} {:>9}", "LOCATION", "req/s", "5xx/s", "in all", "50 %", "95 %");
    let mut busiest: Vec<&Grown> = traffic.iter().filter(|t| t.all > 0.0).collect();
    busiest.sort_by(|a, b| b.requests.total_cmp(&a.requests).then(b.all.total_cmp(&a.all)));
    for t in busiest.iter().take(LOCATIONS) {
        let (half, most) = (quantile(&bounds, &t.buckets, 0.5), quantile(&bounds, &t.buckets, 0.95));
        let (rate, failed) = (short(t.requests / seconds), short(t.failures / seconds));
        let _ =
            writeln!(out, "{:<48} {rate:>8} {failed:>8} {:>10} {half:>9} {most:>9}", cut(&t.name, 48), short(t.all));
    }
    servers(&mut out, now, before, seconds, &bounds);
    caches(&mut out, now, before);
    sessions(&mut out, now);
    out
}

fn servers(out: &mut String, now: &Value, before: &Value, seconds: f64, bounds: &[f64]) {
    if list(&now["upstreams"]).is_empty() {
        return;
    }
    let head = ("SERVER", "state", "in flight", "req/s", "failed", "95 %");
    let _ = writeln!(out, "\n{:<48} {:>10} {:>9} {:>8} {:>8} {:>9}", head.0, head.1, head.2, head.3, head.4, head.5);
    for upstream in list(&now["upstreams"]) {
        let name = upstream["name"].as_str().unwrap_or_default();
        let old = list(&before["upstreams"]).iter().find(|old| old["name"] == upstream["name"]);
        let rows = grown(&upstream["servers"], old.map_or(&Value::Null, |old| &old["servers"]), &["name", "address"]);
        for (server, row) in list(&upstream["servers"]).iter().zip(rows) {
            let named = cut(&format!("{name}/{}", server["name"].as_str().unwrap_or_default()), 48);
            let state = server["state"].as_str().unwrap_or_default();
            let (rate, most) = (short(row.requests / seconds), quantile(bounds, &row.buckets, 0.95));
            let (flight, failed) = (short(number(&server["in_flight"])), short(number(&server["failures"])));
            let _ = writeln!(out, "{named:<48} {state:>10} {flight:>9} {rate:>8} {failed:>8} {most:>9}");
        }
    }
}

fn caches(out: &mut String, now: &Value, before: &Value) {
    if list(&now["caches"]).is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{:<48} {:>8} {:>10} {:>10} {:>10}", "CACHE", "hits", "objects", "memory", "disk");
    for cache in list(&now["caches"]) {
        let old = list(&before["caches"]).iter().find(|old| old["zone"] == cache["zone"]).unwrap_or(&Value::Null);
        let since = |word: &str| number(&cache["requests"][word]) - number(&old["requests"][word]);
        let served: f64 = ["hit", "stale", "updating", "revalidated"].map(since).iter().sum();
        let asked = served + ["miss", "expired"].map(since).iter().sum::<f64>();
        let share = if asked > 0.0 { format!("{:.0} %", 100.0 * served / asked) } else { "-".into() };
        let bytes = |field: &str| format!("{}B", short(number(&cache[field])));
        let (zone, objects) = (cache["zone"].as_str().unwrap_or_default(), short(number(&cache["objects"])));
        let (memory, disk) = (bytes("memory_bytes"), bytes("disk_bytes"));
        let _ = writeln!(out, "{:<48} {share:>8} {objects:>10} {memory:>10} {disk:>10}", cut(zone, 48));
    }
}

fn sessions(out: &mut String, now: &Value) {
    for sessions in list(&now["sessions"]) {
        let Some(counts) = sessions["sessions"].as_object() else { continue };
        let of = |start: &str| counts.iter().filter(|(word, _)| word.starts_with(start)).map(|(_, n)| number(n)).sum();
        let (taken, lost): (f64, f64) = (of("taken_over"), of("lost"));
        let waited = short(number(&sessions["sessions"]["waited"]));
        let upstream = sessions["upstream"].as_str().unwrap_or_default();
        let (taken, lost) = (short(taken), short(lost));
        let _ = writeln!(out, "\nSESSIONS of {upstream}: {taken} taken over, {waited} requests waited, {lost} lost");
    }
}

/// How much has come since the report before.
struct Grown {
    name: String,
    requests: f64,
    failures: f64,
    sent: f64,
    buckets: Vec<f64>,
    /// Since the process began.
    all: f64,
}

fn grown(now: &Value, before: &Value, keys: &[&str]) -> Vec<Grown> {
    let of = |row: &Value| {
        let old = list(before).iter().find(|old| keys.iter().all(|key| old[*key] == row[*key])).unwrap_or(&Value::Null);
        let since = |now: &Value, old: &Value| (number(now) - number(old)).max(0.0);
        let words: Vec<&str> = keys.iter().map(|key| row[*key].as_str().unwrap_or_default()).collect();
        Grown {
            name: words.join(" "),
            requests: since(&row["requests"], &old["requests"]),
            failures: since(&row["statuses"][4], &old["statuses"][4]),
            sent: since(&row["sent"], &old["sent"]),
            buckets: list(&row["buckets"]).iter().enumerate().map(|(at, n)| since(n, &old["buckets"][at])).collect(),
            all: number(&row["requests"]),
        }
    };
    list(now).iter().map(of).collect()
}

fn sum(all: &[Grown], read: impl Fn(&Grown) -> f64) -> f64 {
    all.iter().map(read).sum()
}

fn all_buckets(all: &[Grown]) -> Vec<f64> {
    let longest = all.iter().map(|grown| grown.buckets.len()).max().unwrap_or_default();
    (0..longest).map(|at| all.iter().filter_map(|grown| grown.buckets.get(at)).sum()).collect()
}

/// How long this part of the requests took at most, somewhere within its bucket.
fn quantile(bounds: &[f64], buckets: &[f64], part: f64) -> String {
    let mut left = buckets.iter().sum::<f64>() * part;
    let mut from = 0.0;
    for (at, count) in buckets.iter().enumerate() {
        let to = bounds.get(at).copied().unwrap_or(from);
        if *count > 0.0 && left <= *count {
            return duration(from + (to - from) * left / count);
        }
        left -= count;
        from = to;
    }
    "-".into()
}

fn duration(seconds: f64) -> String {
    match seconds {
        ..0.001 => format!("{:.0} µs", seconds * 1e6),
        ..0.01 => format!("{:.1} ms", seconds * 1e3),
        ..1.0 => format!("{:.0} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
}

fn age(seconds: f64) -> String {
    match seconds {
        ..120.0 => format!("{seconds:.0} s"),
        ..7200.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.1} h", seconds / 3600.0),
        _ => format!("{:.1} days", seconds / 86400.0),
    }
}

fn short(number: f64) -> String {
    let units = [(1e9, "G"), (1e6, "M"), (1e4, "k")];
    match units.iter().find(|(limit, _)| number >= *limit) {
        Some((limit, unit)) => format!("{:.1}{unit}", number / if *unit == "k" { 1e3 } else { *limit }),
        None if number < 100.0 && number.fract() != 0.0 => format!("{number:.1}"),
        None => format!("{number:.0}"),
    }
}

fn cut(text: &str, width: usize) -> String {
    match text.chars().count() > width {
        true => text.chars().take(width - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report(age: f64, requests: u64, slow: u64) -> Value {
        let row = |name: &str| {
            json!({ "server": "shop", "location": name, "requests": requests, "statuses": [0, requests - slow, 0, 0, slow],
                "sent": 1000 * requests, "buckets": [requests - slow, slow, 0] })
        };
        json!({
            "edge": { "version": "1.2", "pid": 7, "age": age, "generation": 3 },
            "connections": { "active": 5, "waiting": 2 },
            "bounds": [0.001, 0.1],
            "traffic": [row("/"), row("~ \\.js$")],
            "upstreams": [{ "name": "web", "servers": [{ "name": "10.0.0.1:80", "address": "10.0.0.1:80", "state": "up",
                "in_flight": 4, "requests": requests, "failures": slow, "buckets": [requests, 0, 0] }] }],
            "caches": [{ "zone": "static", "objects": 12, "memory_bytes": 20480, "disk_bytes": 0,
                "requests": { "hit": 3 * requests, "miss": requests } }],
            "sessions": [{ "upstream": "web", "sessions": { "taken_over_died": 9, "taken_over_moved": 1, "waited": 4, "lost_no_key": 0 } }],
        })
    }

    #[test]
    fn a_view_says_what_has_come_since_the_one_before() {
        let view = view(&report(12.0, 300, 20), &report(10.0, 100, 0));
        let lines: Vec<String> =
            view.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let is_there = |line: &str| assert!(lines.iter().any(|known| known == line), "{line}\n{view}");
        is_there("edge 1.2 process 7 up 12 s configuration 3");
        is_there("200/s requests 5xx 20/s 95 % within 50 ms 200.0kB/s out connections 5 (2 idle)");
        is_there("shop / 100 10 300 556 µs 50 ms");
        is_there("web/10.0.0.1:80 up 4 100 20 950 µs");
        is_there("static 75 % 12 20.5kB 0B");
        is_there("SESSIONS of web: 10 taken over, 4 requests waited, 0 lost");
    }

    #[test]
    fn another_process_counts_from_nothing() {
        let mut before = report(100.0, 100, 0);
        before["edge"]["pid"] = json!(6);
        assert!(view(&report(10.0, 300, 0), &before).contains("60/s requests"));
        assert!(view(&json!({}), &json!({})).starts_with("edge"));
    }
}
