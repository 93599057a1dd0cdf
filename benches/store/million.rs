//! Very many small objects: what one costs in memory, how long they take to load, how long one takes to find.
//!
//! A restart is another process, so that memory is measured from nothing.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use edge::cache::store::{Zone, ZoneSettings, Zones};

use crate::rounds::row;
use crate::{Failed, key_of, plain, read, store, usual};

/// The arguments of that other process.
pub const LOAD: &str = "--load";
pub const PAUSES: &str = "pauses";
const NO_PAUSES: &str = "no-pauses";

const LEN: usize = 1000;
const PATIENCE: Duration = Duration::from_secs(60);
/// So many are looked for, all over the zone.
const LOOKS: u64 = 20_000;

pub fn run(count: u64) -> Result<(), Failed> {
    let dir = tempfile::tempdir()?;
    let body = Bytes::from(vec![b'x'; LEN]);
    let before = resident()?;
    let zone = open(dir.path(), false)?;
    wait_until_loaded(&zone);
    let begun = Instant::now();
    for number in 0..count {
        store(&zone, &url(number), &body);
        if number % 500 == 0 && !zone.settle(PATIENCE) {
            return Err("the disk is too slow".into());
        }
    }
    if !zone.settle(PATIENCE) {
        return Err("the disk is too slow".into());
    }
    let found = zone.counters();
    println!("{} of {count} objects of {LEN} bytes stored in {:?}", found.objects, begun.elapsed());
    println!("{} bytes on disk each", found.disk_bytes / found.objects.max(1));
    println!("{} bytes of memory each, what storing leaves behind included", grown(before, found.objects)?);
    look(&zone, count, "before the restart")?;
    drop(zone);
    for pauses in [NO_PAUSES, PAUSES] {
        let (count, path) = (count.to_string(), dir.path());
        let status = Command::new(std::env::current_exe()?).arg(LOAD).arg(path).args([&count, pauses]).status()?;
        if !status.success() {
            return Err("the process that loads has failed".into());
        }
    }
    Ok(())
}

/// The restarted process: finds while it loads, and afterwards.
pub fn load(dir: &Path, count: &str, pauses: bool) -> Result<(), Failed> {
    let count: u64 = count.parse()?;
    let before = resident()?;
    let begun = Instant::now();
    let zone = open(dir, pauses)?;
    println!("\nrestarted, {}", if pauses { "with nginx's pauses" } else { "without pauses" });
    if pauses {
        look(&zone, count, "while loading")?;
    }
    wait_until_loaded(&zone);
    let objects = zone.counters().objects;
    println!("{objects} objects loaded in {:?}", begun.elapsed());
    println!("{} bytes of memory each", grown(before, objects)?);
    look(&zone, count, "after loading")
}

fn open(dir: &Path, pauses: bool) -> Result<Arc<Zone>, Failed> {
    let loader_sleep = if pauses { ZoneSettings::default().loader_sleep } else { Duration::ZERO };
    let settings = ZoneSettings { path: Some(dir.join("cache")), memory: 0, loader_sleep, ..usual() };
    Ok(Zones::default().apply("million", &settings)?)
}

fn wait_until_loaded(zone: &Zone) {
    while !zone.counters().loaded {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn url(number: u64) -> String {
    format!("www.example.com/static/thumbnails/{number:08}.png")
}

/// Finds and reads objects all over the zone, and looks for what is not there.
fn look(zone: &Arc<Zone>, count: u64, when: &str) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut hits = Vec::new();
    let mut misses = Vec::new();
    for look in 0..LOOKS {
        let number = look.wrapping_mul(0x9e37_79b9_7f4a_7c15) % count;
        let (there, not_there) = (key_of(&url(number)), key_of(&url(number + count)));
        let begun = Instant::now();
        let len = runtime.block_on(read(zone, &there))?;
        hits.push(begun.elapsed());
        if len != LEN as u64 {
            return Err(format!("{} has {len} bytes", url(number)).into());
        }
        let begun = Instant::now();
        drop(runtime.block_on(zone.look_up(&not_there, SystemTime::now(), |_| plain())));
        misses.push(begun.elapsed());
    }
    println!("| {when} | ns, median | fastest and slowest |\n|---|--:|--:|");
    println!("{}\n{}", row("found and read", &mut hits), row("not found", &mut misses));
    Ok(())
}

/// Bytes for each object since then.
fn grown(before: u64, objects: u64) -> Result<u64, Failed> {
    Ok(resident()?.saturating_sub(before) / objects.max(1))
}

/// Bytes of memory this process has.
fn resident() -> Result<u64, Failed> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: u64 = line.split_whitespace().next().ok_or("no VmRSS")?.parse()?;
    Ok(kib << 10)
}
