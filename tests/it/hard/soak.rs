//! Everything at once for a while: files from the cache and not, sessions, reloads, servers that are killed, a cache that is
//! too small for what is asked. Memory and descriptors are looked at each second: neither may grow.
//!
//! With the other tests it takes half a minute, with `EDGE_TEST_LONG=1` ten minutes. `target/soak.csv` and
//! `target/soak.svg` show what was seen.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{HEAD, SOON, descriptors};
use crate::process::reload;
use crate::support::backend::Backend;
use crate::support::edge::Edge;
use crate::support::load::{Load, Question, Running, Turn};
use crate::support::memcached::Memcached;
use crate::support::standin::{Session, Standin};
use crate::support::{is_long, ports, request, wait};

/// What was held a second after another.
struct Sample {
    second: u64,
    /// KiB
    memory: usize,
    descriptors: usize,
    requests: usize,
}

/// How long all of it takes, after what time it counts, and what may be gained in a minute, in parts of a hundred.
fn terms() -> (Duration, Duration, f64) {
    match is_long() {
        true => (Duration::from_secs(600), Duration::from_secs(180), 1.0),
        // Caches and pools are still filling up: this finds what leaks with each request, not what leaks a little.
        false => (Duration::from_secs(36), Duration::from_secs(12), 60.0),
    }
}

fn configuration(port: u16, files: &Backend, servers: &[Standin], node: &Memcached, turn: usize) -> String {
    let server = |server: &Standin| format!("{{ address: '{}', route: {} }}", server.address(), server.name);
    let servers: Vec<String> = servers.iter().map(server).collect();
    format!(
        "{HEAD}proxy_cache_path: {{ soak: {{ path: cache, max_size: 8m, memory: 4m, inactive: 10m }} }}\n\
         session_store:\n  msm: {{ memcached: {{ n1: '{node}' }}, timeout: 500ms }}\n\
         upstream:\n  files: {{ servers: ['{files}'] }}\n  web:\n    servers: [{servers}]\n    session: {{ store: msm }}\n\
         server:\n  - listen: 127.0.0.1:{port}\n    add_header: {{ X-Turn: {turn} }}\n    location:\n      \
         - match: /cached/\n        proxy_pass: http://files\n        proxy_cache: soak\n        proxy_cache_valid: {{ 200: 1h }}\n      \
         - {{ match: /plain/, proxy_pass: 'http://files' }}\n      - {{ match: /, proxy_pass: 'http://web', proxy_next_upstream: [error, timeout, non_idempotent] }}\n",
        node = node.address(),
        files = files.address(),
        servers = servers.join(", "),
    )
}

/// Some kilobytes that say whose they are.
fn file(target: &str) -> String {
    let line = format!("/* {target} */\n");
    line.repeat(8 + target.len() * 37 % 300)
}

fn files() -> Backend {
    Backend::start(|seen, answer| {
        let body = file(seen.target());
        answer.write(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nETag: \"{}\"\r\nContent-Length: {}\r\n\r\n{body}",
            body.len(),
            body.len()
        ));
    })
    .forgetful()
}

/// Of four requests one is for what is often asked for, two for what the cache has no room for, one for what is never stored.
fn target(turn: Turn) -> String {
    let number = turn.connection * 7919 + turn.count;
    match turn.count % 4 {
        0 => format!("/cached/often/{}", number % 20),
        1 | 2 => format!("/cached/seldom/{}", number * 31 % 20_000),
        _ => format!("/plain/{}", number % 1000),
    }
}

fn traffic(edge: &Edge) -> Running {
    let ask = |turn| {
        let target = target(turn);
        Question::new(request::get(&target)).expecting(200, file(&target))
    };
    Load::to(edge.address()).connections(8).resting(Duration::from_millis(2)).asking(ask).start()
}

/// Visitors who post until it is over; how many updates were acknowledged.
fn visit(edge: &Edge, number: usize, over: &AtomicBool, count: &AtomicUsize) {
    let mut session = Session::new(number);
    while !over.load(Ordering::Relaxed) {
        session.update(edge.address());
        count.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(25));
    }
}

#[test]
fn memory_and_descriptors_stay_what_they_are() {
    let (length, warm, most) = terms();
    let (port, files, node) = (ports::free(), files(), Memcached::start());
    let nodes = [node];
    let mut servers = vec![Standin::start("t1", &nodes, &[]), Standin::start("t2", &nodes, &[])];
    let edge = Edge::yaml(&configuration(port, &files, &servers, &nodes[0], 0), port).start();
    let traffic = traffic(&edge);
    let (over, updates) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut samples: Vec<Sample> = Vec::new();
    let (mut reloads, mut kills) = (0, 0);
    std::thread::scope(|scope| {
        for number in 0..4 {
            let (edge, over, updates) = (&edge, &over, &updates);
            scope.spawn(move || visit(edge, number, over, updates));
        }
        let begun = Instant::now();
        while begun.elapsed() < length {
            let second = samples.len() as u64;
            std::thread::sleep((Duration::from_secs(second + 1)).saturating_sub(begun.elapsed()));
            samples.push(Sample {
                second,
                memory: edge.resident_memory(),
                descriptors: descriptors(&edge),
                requests: traffic.so_far().answered,
            });
            if second % 4 == 3 {
                reloads += 1;
                reload(&edge, &configuration(port, &files, &servers, &nodes[0], reloads));
            }
            if second % 9 == 5 {
                let which = kills % servers.len();
                servers[which].kill();
                kills += 1;
            }
            if second % 9 == 8 && kills > 0 {
                let which = (kills - 1) % servers.len();
                servers[which].restart();
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    let report = traffic.finish();
    write(&samples);
    let slope = slope(&samples, warm);
    println!(
        "{} requests, {} updates of sessions, {reloads} reloads, {kills} kills; memory from {} to {} KiB, {slope:+.2} % in a minute; descriptors {:?}",
        report.answered,
        updates.load(Ordering::Relaxed),
        samples.first().map_or(0, |s| s.memory),
        samples.last().map_or(0, |s| s.memory),
        range(&samples, warm),
    );
    report.assert_clean();
    assert!(!edge.errors().contains("panicked"), "{}", edge.errors());
    assert!(slope < most, "memory grows by {slope:.2} % in a minute; see {}", output("soak.svg").display());
    // Connections to servers come and go with them; what is left open adds up.
    let (least, highest) = range(&samples, warm);
    assert!(highest - least <= 60, "from {least} to {highest} descriptors; see {}", output("soak.svg").display());
    let at_rest = descriptors(&edge);
    let half =
        samples.iter().find(|sample| sample.second >= warm.as_secs()).map_or(at_rest, |sample| sample.descriptors);
    let rested = wait::until(SOON, || (descriptors(&edge) <= half).then_some(()));
    assert!(rested.is_some(), "{} descriptors at rest, {half} at work", descriptors(&edge));
}

fn range(samples: &[Sample], warm: Duration) -> (usize, usize) {
    let counted = || samples.iter().filter(|sample| sample.second >= warm.as_secs()).map(|sample| sample.descriptors);
    (counted().min().unwrap_or(0), counted().max().unwrap_or(0))
}

/// By how many parts of a hundred memory grows in a minute: of the straight line that lies nearest to what was seen.
fn slope(samples: &[Sample], warm: Duration) -> f64 {
    let points: Vec<(f64, f64)> = samples
        .iter()
        .filter(|sample| sample.second >= warm.as_secs())
        .map(|sample| (sample.second as f64 / 60.0, sample.memory as f64))
        .collect();
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), point| {
        (above + (point.0 - x) * (point.1 - y), below + (point.0 - x) * (point.0 - x))
    });
    100.0 * above / below / y
}

fn output(name: &str) -> PathBuf {
    let here = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target"));
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(here, PathBuf::from).join(name)
}

/// The samples as a table and as a picture: memory and descriptors, each of its own highest.
fn write(samples: &[Sample]) {
    const WIDTH: f64 = 900.0;
    const HEIGHT: f64 = 300.0;
    let mut table = "second,memory_kib,descriptors,requests\n".to_owned();
    for sample in samples {
        let _ = writeln!(table, "{},{},{},{}", sample.second, sample.memory, sample.descriptors, sample.requests);
    }
    let line = |of: fn(&Sample) -> usize, colour: &str, name: &str, at: usize| {
        let highest = samples.iter().map(of).max().unwrap_or(1).max(1);
        let place = |sample: &Sample| {
            let x = sample.second as f64 * WIDTH / samples.len().max(1) as f64;
            format!("{x:.1},{:.1}", HEIGHT - of(sample) as f64 * HEIGHT / highest as f64)
        };
        let places: Vec<String> = samples.iter().map(place).collect();
        format!(
            "<polyline fill='none' stroke='{colour}' points='{}'/><text x='8' y='{at}' fill='{colour}'>{name}, at most {highest}</text>\n",
            places.join(" ")
        )
    };
    let picture = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{}' font-family='sans-serif' font-size='13'>\n{}{}</svg>\n",
        HEIGHT + 40.0,
        line(|sample| sample.memory, "#1668a8", "memory in KiB", 318),
        line(|sample| sample.descriptors, "#b8501c", "descriptors", 334),
    );
    for (name, text) in [("soak.csv", table), ("soak.svg", picture)] {
        std::fs::write(output(name), text).expect("a file below target/");
    }
}
