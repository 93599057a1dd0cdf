//! How edge does at this moment, gathered from wherever it is counted.

use crate::cache::policy::CacheStatus;
use crate::cache::store;
use crate::count::{BOUNDS, Times};
use crate::observe::trace;
use crate::observe::traffic::{Counted, Name};
use crate::proxy::sessions::Sessions;
use crate::proxy::snapshot::Snapshot;
use crate::rules::counts::{self as counts_of_rules, Attached};
use crate::upstream::{Condition, Peer, Upstream};
use crate::variables::counts::{self, Counts};
use serde_json::{Map, Value, json};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// When the process began, as far as it matters here.
static SINCE: LazyLock<(SystemTime, Instant)> = LazyLock::new(|| (SystemTime::now(), Instant::now()));

/// To be called at the start of the process: from then on its age is told.
pub fn begin() {
    LazyLock::force(&SINCE);
}

pub struct Report {
    pub started: SystemTime,
    pub age: Duration,
    /// How often the configuration has been read.
    pub generation: u64,
    pub workers: usize,
    pub connections: Counts,
    pub traffic: Vec<(Name, Counted)>,
    /// The rules, each where it is attached.
    pub rules: Vec<(Attached, counts_of_rules::Counted)>,
    pub upstreams: Vec<UpstreamReport>,
    pub caches: Vec<CacheReport>,
    pub sessions: Vec<SessionReport>,
    /// What became of spans; nothing where there never was a `trace`.
    pub spans: Vec<(&'static str, u64)>,
}

pub struct UpstreamReport {
    pub name: String,
    pub servers: Vec<ServerReport>,
}

pub struct ServerReport {
    /// As the configuration names it.
    pub name: String,
    /// Where it is; empty while its name is not resolved.
    pub address: String,
    pub route: Option<String>,
    pub state: &'static str,
    pub in_flight: usize,
    pub requests: u64,
    pub failures: u64,
    /// Why it failed last, and how long ago.
    pub last_error: Option<(String, Duration)>,
    pub times: Times,
}

pub struct CacheReport {
    pub name: String,
    pub counters: store::Counters,
    pub max_size: Option<u64>,
}

pub struct SessionReport {
    pub upstream: String,
    pub counts: Vec<(&'static str, u64)>,
}

impl Report {
    pub fn of(snapshot: &Snapshot) -> Report {
        let (started, since) = *SINCE;
        let now = Instant::now();
        let mut upstreams: Vec<_> =
            snapshot.upstreams.iter().map(|upstream| of_upstream(snapshot, upstream, now)).collect();
        upstreams.sort_by(|a, b| a.name.cmp(&b.name));
        let mut caches: Vec<_> = snapshot
            .zones
            .iter()
            .filter_map(|place| {
                let max_size = place.settings.max_size;
                place.zone().map(|zone| CacheReport { name: place.name.clone(), counters: zone.counters(), max_size })
            })
            .collect();
        caches.sort_by(|a, b| a.name.cmp(&b.name));
        let of_sessions = |sessions: &Arc<Sessions>| SessionReport {
            upstream: sessions.upstream().to_owned(),
            counts: sessions.counts(),
        };
        let mut sessions: Vec<_> = snapshot.sessions.iter().map(of_sessions).collect();
        sessions.sort_by(|a, b| a.upstream.cmp(&b.upstream));
        let spans = trace::counts();
        let has_spans = snapshot.tracing.is_some() || spans.iter().any(|(_, count)| *count > 0);
        Report {
            started,
            age: since.elapsed(),
            generation: snapshot.edge.generation,
            workers: snapshot.process.workers,
            connections: counts::read(),
            traffic: snapshot.traffic.read(),
            rules: snapshot.rules.read(),
            upstreams,
            caches,
            sessions,
            spans: if has_spans { spans.into() } else { Vec::new() },
        }
    }

    pub fn to_json(&self) -> Value {
        json!({
            "edge": {
                "version": env!("CARGO_PKG_VERSION"),
                "pid": std::process::id(),
                "started": seconds(self.started.duration_since(UNIX_EPOCH).unwrap_or_default()),
                "age": seconds(self.age),
                "generation": self.generation,
                "workers": self.workers,
            },
            "connections": {
                "accepted": self.connections.accepted,
                "handled": self.connections.handled,
                "active": self.connections.active,
                "reading": self.connections.reading,
                "writing": self.connections.writing,
                "waiting": self.connections.waiting,
            },
            "requests": self.connections.requests,
            "bounds": BOUNDS.map(|micros| seconds(Duration::from_micros(micros))),
            "traffic": self.traffic.iter().map(traffic).collect::<Vec<_>>(),
            "rules": self.rules.iter().map(rule).collect::<Vec<_>>(),
            "upstreams": self.upstreams.iter().map(UpstreamReport::to_json).collect::<Vec<_>>(),
            "caches": self.caches.iter().map(CacheReport::to_json).collect::<Vec<_>>(),
            "spans": self.spans.iter().map(|(word, count)| ((*word).to_owned(), (*count).into())).collect::<Map<_, _>>(),
            "sessions": self.sessions.iter().map(SessionReport::to_json).collect::<Vec<_>>(),
        })
    }
}

fn of_upstream(snapshot: &Snapshot, upstream: &Upstream, now: Instant) -> UpstreamReport {
    let peers = upstream.peers();
    let of_peer = |peer: &Arc<Peer>| ServerReport {
        name: peer.settings.address.clone(),
        address: peer.server.address().to_string(),
        route: peer.settings.route.clone(),
        state: state(snapshot, upstream, peer, now),
        in_flight: peer.server.in_flight(),
        requests: peer.server.requests(),
        failures: peer.server.failures(),
        last_error: peer.server.last_error().map(|e| (e.reason, now.saturating_duration_since(e.at))),
        times: peer.server.times().read(),
    };
    let unresolved = |name: &String| ServerReport {
        name: name.clone(),
        address: String::new(),
        route: None,
        state: "unresolved",
        in_flight: 0,
        requests: 0,
        failures: 0,
        last_error: None,
        times: Times::default(),
    };
    let servers = peers.iter().map(of_peer).chain(peers.unresolved.iter().map(unresolved)).collect();
    UpstreamReport { name: upstream.name().to_owned(), servers }
}

/// How a server is, in a word: `up`, `down`, `draining`, `failed`, or what becomes of its sessions.
pub fn state(snapshot: &Snapshot, upstream: &Upstream, peer: &Peer, now: Instant) -> &'static str {
    let sessions = snapshot.sessions.iter().find(|sessions| sessions.upstream() == upstream.name());
    match (peer.condition(now), sessions.and_then(|sessions| sessions.departure(peer.place))) {
        (Condition::Up | Condition::Draining, Some(departure)) => departure,
        (Condition::Up, None) => "up",
        (Condition::Draining, None) => "draining",
        (Condition::Down, _) => "down",
        (Condition::Failed, _) => "failed",
    }
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn with_times(mut map: Map<String, Value>, times: &Times) -> Value {
    map.insert("seconds".into(), json!(seconds(times.sum)));
    map.insert("buckets".into(), json!(times.buckets));
    map.into()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn traffic((name, counted): &(Name, Counted)) -> Value {
    let map = object(json!({
        "server": name.server,
        "location": name.location,
        "requests": counted.requests(),
        "statuses": counted.statuses,
        "unanswered": counted.unanswered,
        "received": counted.received,
        "sent": counted.sent,
    }));
    with_times(map, &counted.times)
}

fn rule((attached, counted): &(Attached, counts_of_rules::Counted)) -> Value {
    json!({
        "server": attached.server,
        "location": attached.location,
        "rule": attached.rule,
        "asked": counted.asked,
        "fired": counted.fired,
        "faults": counted.faults,
        "answered": counted.answered,
        "passed": counted.passed,
        "delayed": counted.delayed,
        "refused": counted.refused,
        "alone": counted.alone,
    })
}

impl UpstreamReport {
    fn to_json(&self) -> Value {
        json!({ "name": self.name, "servers": self.servers.iter().map(ServerReport::to_json).collect::<Vec<_>>() })
    }
}

impl ServerReport {
    fn to_json(&self) -> Value {
        let error = self.last_error.as_ref().map(|(why, ago)| json!({ "reason": why, "ago": seconds(*ago) }));
        let map = object(json!({
            "name": self.name,
            "address": self.address,
            "route": self.route,
            "state": self.state,
            "in_flight": self.in_flight,
            "requests": self.requests,
            "failures": self.failures,
            "last_error": error,
        }));
        with_times(map, &self.times)
    }
}

impl CacheReport {
    /// What requests were to the cache, by nginx's words.
    pub fn statuses(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        let words = CacheStatus::ALL.iter().map(|status| status.as_str().to_ascii_lowercase());
        words.zip(self.counters.statuses)
    }

    fn to_json(&self) -> Value {
        json!({
            "zone": self.name,
            "objects": self.counters.objects,
            "memory_bytes": self.counters.memory_bytes,
            "disk_bytes": self.counters.disk_bytes,
            "max_size": self.max_size,
            "evictions": self.counters.evictions,
            "errors": self.counters.errors,
            "loaded": self.counters.loaded,
            "requests": self.statuses().map(|(word, count)| (word, count.into())).collect::<Map<_, _>>(),
        })
    }
}

impl SessionReport {
    fn to_json(&self) -> Value {
        let counts: Map<_, _> = self.counts.iter().map(|(name, count)| ((*name).to_owned(), (*count).into())).collect();
        json!({ "upstream": self.upstream, "sessions": counts })
    }
}
