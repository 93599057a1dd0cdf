//! What the cache's store costs by itself: `cargo bench --bench store`, and `cargo bench --bench store -- --million` for a
//! zone of a million small objects (8 GB of disk, several minutes).
//!
//! A harness of its own, of a few lines, instead of criterion: what is measured waits on a runtime, fills a disk and is
//! started anew as another process, and what is wanted is a median, not a history.
//!
//! What always holds: nothing outlives the run, neither processes nor files; each answer that is timed was checked before.

mod million;
mod rounds;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use edge::cache::key::{Key, Variant};
use edge::cache::meta::Meta;
use edge::cache::store::{Begun, Fill, Head, Lookup, Wanted, Zone, ZoneSettings, Zones};
use pingora_http::ResponseHeader;
use rounds::Rounds;

type Failed = Box<dyn std::error::Error>;

/// As the binary: what an index of a million places takes depends on it.
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        [] => measure(),
        ["--million"] => million::run(1_000_000),
        ["--million", count] => count.parse().map_err(Failed::from).and_then(million::run),
        [million::LOAD, dir, count, pauses] => million::load(Path::new(dir), count, pauses == million::PAUSES),
        _ => Err("expected nothing, or `--million` and perhaps how many objects".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("store: {failed}");
            ExitCode::FAILURE
        }
    }
}

/// Looking up and admitting, in memory and on the disk.
fn measure() -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let dir = tempfile::tempdir()?;
    println!("| what | ns, median | fastest and slowest round |\n|---|--:|--:|");
    let key = || Key::of(&[b"http", b"web_server", b"/static/css/main.css?v=3"]);
    Rounds::of(100_000).time("a key is made", || drop(std::hint::black_box(key())));

    let settings = |path: &str, memory| ZoneSettings { path: Some(dir.path().join(path)), memory, ..usual() };
    let zones = Zones::default();
    let tiers = [
        ("memory", ZoneSettings { memory: 1 << 30, ..usual() }),
        ("memory and disk", settings("both", 1 << 30)),
        ("disk", settings("disk", 0)),
    ];
    for (tier, settings) in tiers {
        let zone = zones.apply(tier, &settings)?;
        for len in [1 << 10, 10 << 10, 100 << 10] {
            measure_zone(&runtime, &zone, tier, len)?;
        }
    }
    Ok(())
}

fn measure_zone(runtime: &tokio::runtime::Runtime, zone: &Arc<Zone>, tier: &str, len: usize) -> Result<(), Failed> {
    let body = Bytes::from(vec![b'x'; len]);
    let kib = len >> 10;
    let mut number = 0u64;
    Rounds::of(200).time(&format!("{tier}: {kib} KB are stored"), || {
        number += 1;
        store(zone, &format!("h/{kib}/{number}"), &body);
    });
    if !zone.settle(Duration::from_secs(60)) {
        return Err("the disk is too slow".into());
    }
    let (hit, miss) = (key_of(&format!("h/{kib}/1")), key_of("h/never"));
    if runtime.block_on(read(zone, &hit))? != len as u64 {
        return Err(format!("{tier}: what was stored does not come back").into());
    }
    let count = if tier == "disk" { 1000 } else { 20_000 };
    let look = || runtime.block_on(async { read(zone, &hit).await.map(drop) });
    Rounds::of(count).try_time(&format!("{tier}: {kib} KB are found and read"), look)?;
    Rounds::of(20_000).time(&format!("{tier}: nothing is found"), || {
        drop(std::hint::black_box(runtime.block_on(zone.look_up(&miss, SystemTime::now(), |_| plain()))));
    });
    Ok(())
}

fn usual() -> ZoneSettings {
    ZoneSettings { inactive: Duration::from_secs(86_400), loader_sleep: Duration::ZERO, ..ZoneSettings::default() }
}

fn plain() -> Wanted {
    Variant::NONE.into()
}

fn key_of(url: &str) -> Key {
    Key::of(&[b"http", url.as_bytes()])
}

fn head_of(url: &str, len: usize) -> Option<Head> {
    let mut response = ResponseHeader::build(200, None).ok()?;
    response.append_header("Content-Type", "text/css").ok()?;
    response.append_header("Content-Length", len).ok()?;
    response.append_header("Last-Modified", "Sun, 22 Nov 2026 20:00:00 GMT").ok()?;
    response.append_header("ETag", "\"6740d2c0-400\"").ok()?;
    let now = SystemTime::now();
    Some(Head::new(response, Meta::new(url, now, now + Duration::from_secs(86_400))))
}

fn store(zone: &Zone, url: &str, body: &Bytes) {
    let begun = head_of(url, body.len()).map(|head| zone.begin(&key_of(url), Variant::NONE, head, zone.moment()));
    if let Some(mut fill) = begun.and_then(fill_of) {
        fill.write(body.clone());
        // Whether it was stored is found out by reading it.
        let _ = fill.finish();
    }
}

fn fill_of(begun: Begun) -> Option<Fill> {
    match begun {
        Begun::Fill(fill) => Some(fill),
        _ => None,
    }
}

/// How long the body is that is found.
async fn read(zone: &Arc<Zone>, key: &Key) -> Result<u64, Failed> {
    let Lookup::Hit(mut hit) = zone.look_up(key, SystemTime::now(), |_| plain()).await else {
        return Err("a miss where there is an answer".into());
    };
    let mut len = 0;
    while let Some(piece) = hit.body.next().await? {
        len += piece.len() as u64;
    }
    Ok(len)
}
