//! `edge cache`: what a running edge has stored, and what it is to forget.

use super::upstream::{ask, show};
use super::{Configuration, fail};
use serde_json::Value;
use std::io::{self, Write};
use std::process::ExitCode;

/// Above what `line_of` writes.
const HEADLINE: &str = "STATUS      SIZE      HITS       AGE      FRESH  FORM         ADDRESS";

#[derive(clap::Subcommand, Debug)]
pub(super) enum Cache {
    /// List what is stored; hits are those since edge has started or has stored the answer anew
    Ls {
        /// Only of this cache
        zone: Option<String>,
        /// Only addresses that begin so: host/path, with or without http://
        #[arg(long = "prefix", value_name = "ADDRESS", default_value = "")]
        beginning: String,
        /// One object of JSON for each answer
        #[arg(long)]
        json: bool,
    },
    /// Say how each cache does: what it holds, and what it did for requests
    Stats {
        /// Only this cache
        zone: Option<String>,
        /// One object of JSON for each cache
        #[arg(long)]
        json: bool,
    },
    /// Forget answers; what is under way is not stored either
    Purge(Purge),
}

#[derive(clap::Args, Debug)]
pub(super) struct Purge {
    #[command(flatten)]
    what: What,
    /// Only in this cache
    #[arg(long, default_value = "")]
    zone: String,
    /// Keep them as stale, for when the upstream fails
    #[arg(long)]
    soft: bool,
}

#[derive(clap::Args, Debug)]
#[group(required = true, multiple = false)]
struct What {
    /// All variants of this address: host/path?args, with or without http:// (scheme and port do not count)
    url: Option<String>,
    /// All addresses that begin so
    #[arg(long = "prefix", value_name = "ADDRESS")]
    beginning: Option<String>,
    /// All answers that bear this tag (Cache-Tag)
    #[arg(long)]
    tag: Option<String>,
    /// Everything
    #[arg(long)]
    all: bool,
}

pub(super) fn run(command: &Cache, configuration: &Configuration) -> ExitCode {
    let done = match command {
        Cache::Ls { zone, beginning, json } => list(configuration, zone.as_deref(), beginning, *json),
        Cache::Stats { zone, json } => stats(configuration, zone.as_deref(), *json),
        Cache::Purge(purge) => return forget(configuration, purge),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(why),
    }
}

fn forget(configuration: &Configuration, purge: &Purge) -> ExitCode {
    let (kind, text) = match &purge.what {
        What { url: Some(url), .. } => ("url", url.as_str()),
        What { beginning: Some(prefix), .. } => ("prefix", prefix.as_str()),
        What { tag: Some(tag), .. } => ("tag", tag.as_str()),
        What { .. } => ("all", ""),
    };
    let how = if purge.soft { "soft" } else { "hard" };
    ask(configuration, &["cache", "purge", &purge.zone, kind, text, how]).map_or_else(fail, |answer| show(&answer))
}

/// What a command prints, line by line in JSON.
fn lines(configuration: &Configuration, words: &[&str]) -> Result<Vec<Value>, String> {
    let answer = ask(configuration, words)?;
    if let Some(why) = answer.failure {
        return Err(why);
    }
    let lines = answer.out.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().map_err(|e| format!("the answer is of another version of edge: {e}"))
}

/// Page by page, so that neither side holds more than one.
fn list(configuration: &Configuration, zone: Option<&str>, prefix: &str, json: bool) -> Result<(), String> {
    let zones = lines(configuration, &["cache", "stats", zone.unwrap_or_default()])?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    if !json {
        tell(writeln!(out, "{}", HEADLINE))?;
    }
    for name in zones.iter().filter_map(|zone| zone["zone"].as_str()) {
        if !json && zones.len() > 1 {
            tell(writeln!(out, "{name}:"))?;
        }
        let mut from = Some("0/0".to_owned());
        while let Some(place) = from.take() {
            for mut row in lines(configuration, &["cache", "list", name, prefix, &place])? {
                if let Some(next) = row["next"].as_str() {
                    from = Some(next.to_owned());
                    continue;
                }
                if json {
                    row["zone"] = name.into();
                    tell(writeln!(out, "{row}"))?;
                } else {
                    tell(writeln!(out, "{}", line_of(&row)))?;
                }
            }
        }
    }
    tell(out.flush())
}

fn tell(written: io::Result<()>) -> Result<(), String> {
    written.map_err(|e| format!("nobody takes the list: {e}"))
}

fn line_of(row: &Value) -> String {
    let fresh = match row["fresh_for"].as_i64().unwrap_or_default() {
        stale if stale <= 0 => "stale".to_owned(),
        left => time(left.unsigned_abs()),
    };
    let varies = row["vary"].as_array().is_some_and(|vary| !vary.is_empty());
    let coding = row["coding"].as_str().filter(|coding| *coding != "as it came").unwrap_or("-");
    let form = if varies { format!("{coding} varies") } else { coding.to_owned() };
    format!(
        "{:>6}  {:>8}  {:>8}  {:>8}  {fresh:>9}  {form:<11}  {}",
        row["status"].as_u64().unwrap_or_default(),
        size(row["bytes"].as_u64().unwrap_or_default()),
        row["hits"].as_u64().unwrap_or_default(),
        time(row["age"].as_u64().unwrap_or_default()),
        harmless(row["url"].as_str().unwrap_or_default())
    )
}

/// A terminal must not obey what a client has asked for.
fn harmless(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["K", "M", "G", "T"];
    let mut left = bytes as f64;
    let mut unit = "";
    for next in UNITS {
        if left < 1024.0 {
            break;
        }
        (left, unit) = (left / 1024.0, next);
    }
    if unit.is_empty() { bytes.to_string() } else { format!("{left:.1}{unit}") }
}

fn time(seconds: u64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

fn stats(configuration: &Configuration, zone: Option<&str>, json: bool) -> Result<(), String> {
    let zones = lines(configuration, &["cache", "stats", zone.unwrap_or_default()])?;
    let mut out = io::stdout().lock();
    for zone in &zones {
        let text = if json { zone.to_string() } else { summary(zone) };
        tell(writeln!(out, "{text}"))?;
    }
    Ok(())
}

fn summary(zone: &Value) -> String {
    let number = |name: &str| zone[name].as_u64().unwrap_or_default();
    let loading = if zone["loaded"] == true { "" } else { ", still being loaded" };
    let requests: Vec<String> = zone["requests"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, count)| count.as_u64() != Some(0))
        .map(|(status, count)| format!("{count} {status}"))
        .collect();
    format!(
        "{}: {} objects, {} in memory, {} on disk{loading}; {} evicted, {} errors; requests: {}",
        zone["zone"].as_str().unwrap_or_default(),
        number("objects"),
        size(number("memory_bytes")),
        size(number("disk_bytes")),
        number("evictions"),
        number("errors"),
        if requests.is_empty() { "none".to_owned() } else { requests.join(", ") }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!([0, 1023, 1024, 1536, 3 << 30].map(size), ["0", "1023", "1.0K", "1.5K", "3.0G"]);
        assert_eq!([0, 59, 60, 3_661, 90_000].map(time), ["0s", "59s", "1m00s", "1h01m", "1d01h"]);
    }

    #[test]
    fn an_address_with_a_control_character_does_not_reach_the_terminal() {
        let row = json!({ "url": "h/\u{1b}[2J", "status": 200, "bytes": 5, "hits": 7, "age": 1, "fresh_for": -3, "vary": ["a"] });
        let line = "   200         5         7        1s      stale  - varies     h/\\u{1b}[2J";
        assert_eq!(line_of(&row), line);
        assert_eq!(HEADLINE.find("ADDRESS"), line.find("h/"));
    }
}
