//! What is stored, and what is to be forgotten: `edge cache`.
//!
//! An answer names objects by their address (`host/path?args`), since what keys are made of is the configuration's
//! business. A list comes in pages, each a command of its own that names where the last one ended, so that a million objects
//! need no more memory than one page. What always holds: files are read on threads of their own.

use super::Desk;
use super::commands::{Answer, hint};
use crate::cache::meta::Coding;
use crate::cache::policy::CacheStatus;
use crate::cache::store::{Cursor, Page, Purge, Row, Zone};
use serde_json::json;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Rows of a page: with the longest addresses, still less than the longest answer.
const ROWS: usize = 200;
/// How long a purge is waited for; it goes on.
const PATIENCE: Duration = Duration::from_secs(45);

/// The zones in force, by name.
fn zones(desk: &Desk) -> Vec<Arc<Zone>> {
    let snapshot = desk.snapshot.load_full();
    let mut zones: Vec<Arc<Zone>> = snapshot.zones.iter().filter_map(|place| place.zone().cloned()).collect();
    zones.sort_by(|a, b| a.name().cmp(b.name()));
    zones
}

/// The one of that name; all, if it has none.
fn named(desk: &Desk, name: &str) -> Result<Vec<Arc<Zone>>, Answer> {
    let zones = zones(desk);
    if name.is_empty() {
        return Ok(zones);
    }
    match zones.iter().find(|zone| zone.name() == name) {
        Some(zone) => Ok(vec![zone.clone()]),
        None => {
            let known: Vec<&str> = zones.iter().map(|zone| zone.name()).collect();
            Err(Answer::failed(format!("there is no cache `{name}`; {}", hint(name, &known))))
        }
    }
}

/// One line for each zone, in JSON.
pub fn stats(desk: &Desk, name: &str) -> Answer {
    let zones = match named(desk, name) {
        Ok(zones) => zones,
        Err(answer) => return answer,
    };
    let mut out = String::new();
    for zone in zones {
        let counters = zone.counters();
        let requests: serde_json::Map<String, serde_json::Value> = CacheStatus::ALL
            .iter()
            .zip(counters.statuses)
            .map(|(status, count)| (status.as_str().to_ascii_lowercase(), json!(count)))
            .collect();
        let line = json!({
            "zone": zone.name(),
            "objects": counters.objects,
            "memory_bytes": counters.memory_bytes,
            "disk_bytes": counters.disk_bytes,
            "evictions": counters.evictions,
            "errors": counters.errors,
            "loaded": counters.loaded,
            "requests": requests,
        });
        // To write to a text does not fail.
        let _ = writeln!(out, "{line}");
    }
    Answer { out, ..Answer::default() }
}

/// A page of one zone: a line for each object, in JSON; last, if there are more, where the next page begins.
pub async fn list(desk: &Desk, zone: &str, prefix: &str, from: &str) -> Answer {
    let Some(from) = cursor(from) else {
        return Answer::failed(format!("expected a place in the list, such as `0/0`, found `{from}`"));
    };
    let zone = match named(desk, zone) {
        Ok(zones) if zones.len() == 1 => zones[0].clone(),
        Ok(_) => return Answer::failed("a list is of one cache: name it".into()),
        Err(answer) => return answer,
    };
    let prefix = address(prefix);
    match tokio::task::spawn_blocking(move || zone.list(&prefix, from, ROWS)).await {
        Ok(page) => Answer { out: print(&page, SystemTime::now()), ..Answer::default() },
        Err(e) => Answer::failed(format!("the list broke off: {e}")),
    }
}

fn cursor(text: &str) -> Option<Cursor> {
    let (shard, place) = text.split_once('/')?;
    Some(Cursor { shard: shard.parse().ok()?, place: place.parse().ok()? })
}

fn print(page: &Page, now: SystemTime) -> String {
    let mut out = String::new();
    for row in &page.rows {
        let _ = writeln!(out, "{}", described(row, now));
    }
    if let Some(next) = page.next {
        let _ = writeln!(out, "{}", json!({ "next": format!("{}/{}", next.shard, next.place) }));
    }
    out
}

fn described(row: &Row, now: SystemTime) -> serde_json::Value {
    let meta = &row.head.meta;
    let since = |time: SystemTime| now.duration_since(time).unwrap_or_default().as_secs();
    // Stale for so long is fresh for less than nothing.
    let fresh_for = match meta.fresh_until.duration_since(now) {
        Ok(left) => i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        Err(_) => -i64::try_from(since(meta.fresh_until)).unwrap_or(i64::MAX),
    };
    json!({
        "url": meta.url,
        "status": row.head.response.status.as_u16(),
        "bytes": row.body_len,
        "age": since(meta.stored_at).saturating_add(meta.initial_age.as_secs()),
        "fresh_for": fresh_for,
        "unused_for": since(row.used),
        "hits": row.hits,
        "in_memory": row.in_memory,
        "disk_bytes": row.on_disk,
        "vary": meta.vary,
        "variant": format!("{:032x}", u128::from_be_bytes(row.variant.fields)),
        "coding": match row.variant.coding {
            Coding::Identity => "as it came",
            Coding::Gzip => "gzip",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
        },
    })
}

/// Forgets, or with `soft` lets grow stale: one address, what begins so, what bears a tag, or everything.
pub async fn purge(desk: &Desk, zone: &str, kind: &str, text: &str, how: &str) -> Answer {
    let zones = match named(desk, zone) {
        Ok(zones) => zones,
        Err(answer) => return answer,
    };
    if !["url", "prefix", "tag", "all"].contains(&kind) || !["soft", "hard"].contains(&how) {
        return Answer::failed(format!(
            "expected url, prefix, tag or all, and soft or hard; found `{kind}` and `{how}`"
        ));
    }
    let (kind, soft) = (kind.to_owned(), how == "soft");
    let text = if kind == "tag" { text.to_owned() } else { address(text) };
    let told = format!("{kind} {text}").trim_end().to_owned();
    let work = tokio::task::spawn_blocking(move || {
        let purge = || match kind.as_str() {
            "url" => Purge::Exact(&text),
            "prefix" => Purge::Prefix(&text),
            "tag" => Purge::Tag(&text),
            _ => Purge::All,
        };
        zones.iter().map(|zone| zone.purge(purge(), soft)).sum::<u64>()
    });
    let done = if soft { "made stale" } else { "purged" };
    let out = match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(count)) => {
            log::info!(target: "edge::notice", "cache: {done} {count} by {told}");
            format!("{count} {done}\n")
        }
        Ok(Err(e)) => return Answer::failed(format!("the purge broke off: {e}")),
        Err(_) => "nothing of it is answered with any more; the disk is still being cleared\n".into(),
    };
    Answer { out, ..Answer::default() }
}

/// `https://Shop.test:443/a#b` → `shop.test/a`: as the proxy names what it stores, which knows neither scheme nor port.
fn address(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let Some(end) = rest.find(['/', '?']) else {
        // The beginning of a name, or a host: its root is meant where a whole address is.
        let host = without_port(rest).to_ascii_lowercase();
        return if url.contains("://") && !host.is_empty() { host + "/" } else { host };
    };
    let (host, path) = rest.split_at(end);
    let slash = if path.starts_with('?') { "/" } else { "" };
    format!("{}{slash}{path}", without_port(host).to_ascii_lowercase())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !port.is_empty() && !name.ends_with(':') => {
            let bare_ipv6 = name.contains(':') && !name.ends_with(']');
            if bare_ipv6 { host } else { name }
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_named_as_the_proxy_names_what_it_stores() {
        for (url, expected) in [
            ("http://Shop.test/A?b=C", "shop.test/A?b=C"),
            ("https://shop.test:443/a#top", "shop.test/a"),
            ("http://shop.test", "shop.test/"),
            ("http://shop.test:8080?x", "shop.test/?x"),
            ("shop.test/a:80", "shop.test/a:80"),
            ("shop.test:80/", "shop.test/"),
            ("shop.te", "shop.te"),
            ("[::1]:80/a", "[::1]/a"),
            ("[::1]/a", "[::1]/a"),
            ("", ""),
        ] {
            assert_eq!(address(url), expected, "{url}");
        }
    }

    #[test]
    fn a_place_in_a_list_is_two_numbers() {
        assert_eq!(cursor("3/17"), Some(Cursor { shard: 3, place: 17 }));
        for wrong in ["", "3", "3/", "/1", "-1/0", "3/x", "99999999999/0"] {
            assert_eq!(cursor(wrong), None, "{wrong}");
        }
    }
}
