//! What is measured. A new case is one entry of `CASES`, and nothing else: the origin serves whatever path and
//! body an entry names, and the run checks the answer of each server against the entry before it measures.
//!
//! A path's ending chooses the location, as in the seed's configuration: `.css` and the like go through the
//! cache, everything else is proxied. What lies under `/disk/` has a cache of its own, in edge one without memory.
//! Hosts of their own have a thousand locations; `/rules/` has rules, in edge.

use crate::{
    failure::Failure,
    options::Options,
    servers::{self, BASELINE, RULELESS, Server},
};

#[derive(Clone, Copy)]
pub struct Case {
    /// For `--cases` and the JSON; stays the same for ever, so that runs can be compared.
    pub name: &'static str,
    /// What a reader of the table and the plot sees, beside the number of connections.
    pub title: &'static str,
    pub path: &'static str,
    pub protocol: Protocol,
    /// Each request is for another path: a number and `.css` come behind `path`.
    pub unique: bool,
    /// Sent by the client; Host, unless it is among them, is the server's address.
    pub headers: &'static [(&'static str, &'static str)],
    /// Clients that send a request as soon as they have the answer to the one before, each on its own connection.
    pub connections: u32,
    /// Who takes part, by name or family; empty means everybody.
    pub servers: &'static [&'static str],
    /// How long the origin's body is, in bytes.
    pub body: usize,
    /// What the origin adds to its answer. One path has one body and one set of these in all cases.
    pub origin_headers: &'static [(&'static str, &'static str)],
    /// What must come out. A wrong answer aborts the run.
    pub status: u16,
    pub length: Length,
    /// Headers the answer must have, names in any case.
    pub answer_headers: &'static [(&'static str, &'static str)],
    /// The case whose CPU time the ratio is taken to, each server's to its own; nothing: to that of `baseline` in this case.
    pub against: Option<&'static str>,
    pub baseline: &'static str,
    /// What edge's ratio may be. A run in which it is more, in the median and to some extent in every round, fails.
    pub at_most: Option<f64>,
    /// It needs a memcached; edge then has an upstream with sessions.
    pub sessions: bool,
}

/// What the client speaks.
#[derive(Clone, Copy, PartialEq)]
pub enum Protocol {
    Http1,
    /// HTTP/1.1 over TLS, on connections that are kept.
    Tls,
    /// HTTP/2 over TLS, ten streams at once on each connection.
    Http2,
}

/// How long the body must be that the client gets.
#[allow(dead_code)] // what the cases of the moment do not use is here for the next one
#[derive(Clone, Copy)]
pub enum Length {
    /// Byte for byte what the origin sent.
    AsOrigin,
    Exactly(usize),
    /// Compressed: something, but less than the origin's.
    Shorter,
}

/// The plainest case; the others say where they differ.
const PROXIED: Case = Case {
    name: "",
    title: "",
    path: "/",
    protocol: Protocol::Http1,
    unique: false,
    headers: &[],
    connections: 32,
    servers: &[],
    body: 64,
    origin_headers: &[],
    status: 200,
    length: Length::AsOrigin,
    answer_headers: &[],
    against: None,
    baseline: BASELINE,
    at_most: None,
    sessions: false,
};

/// An answer from the cache; the check before has filled it. HAProxy stores only what says how long it is fresh.
const CACHED: Case = Case { origin_headers: &[("Cache-Control", "max-age=3600")], ..PROXIED };

/// A cached answer for a client that takes gzip. HAProxy's cache stands on the wrong side of its compression.
const CACHED_GZIP: Case = Case {
    headers: &[("Accept-Encoding", "gzip")],
    servers: &["nginx", "edge"],
    length: Length::Shorter,
    answer_headers: &[("Content-Encoding", "gzip")],
    ..CACHED
};

/// A cached answer that is read from a file each time, as nginx does it anyway.
const CACHED_DISK: Case = Case { servers: &["nginx", "edge"], ..CACHED };

/// The same servers, the same cookie; what differs is whether edge takes it for a session's. The check before finds the owner alive.
const UNBOUND: Case = Case {
    servers: &["edge"],
    headers: &[("Cookie", "theme=dark; JSESSIONID=375F99F1A10C4B7D9E0F1A2B3C4D5E6F-n1.t1")],
    sessions: true,
    ..PROXIED
};

/// Rules are edge's; what they cost is told beside the same request without.
const RULED: Case = Case { servers: &["edge"], against: Some("proxied-64b"), ..PROXIED };

/// A server of a thousand locations; HAProxy has none.
const LOCATED: Case = Case { servers: &["nginx-tuned", "edge"], ..PROXIED };

/// Those of the short form.
const SHORT: &[&str] = &["proxied-64b", "cached-10k", "gzip-10k"];

pub const CASES: &[Case] = &[
    Case { name: "proxied-64b", title: "Proxied GET, 64 bytes", path: "/64b", ..PROXIED },
    Case { name: "proxied-10k", title: "Proxied GET, 10 KB", path: "/10k", body: 10 * 1024, ..PROXIED },
    Case { name: "proxied-64b-c256", title: "Proxied GET, 64 bytes", path: "/64b", connections: 256, ..PROXIED },
    Case { name: "proxied-64b-c1000", title: "Proxied GET, 64 bytes", path: "/64b", connections: 1000, ..PROXIED },
    Case { name: "tls-64b", title: "Proxied GET over TLS, 64 bytes", path: "/64b", protocol: Protocol::Tls, ..PROXIED },
    Case {
        name: "h2-64b",
        title: "Proxied GET over HTTP/2, 64 bytes",
        path: "/64b",
        protocol: Protocol::Http2,
        ..PROXIED
    },
    Case {
        name: "prefixes",
        title: "Proxied GET, the last of 1,000 prefix locations",
        path: "/area-999/a.do",
        headers: &[("Host", "prefixes.test")],
        ..LOCATED
    },
    Case {
        name: "patterns",
        title: "Proxied GET, the last of 1,000 regex locations",
        path: "/area-999/b.do",
        headers: &[("Host", "patterns.test")],
        ..LOCATED
    },
    Case {
        name: "rules-20",
        title: "Proxied GET, 64 bytes, 20 rules, two fire",
        path: "/rules/20",
        answer_headers: &[("X-Rule", "fired")],
        ..RULED
    },
    Case { name: "rules-50", title: "Proxied GET, 64 bytes, 50 rules, none fires", path: "/rules/50", ..RULED },
    Case {
        name: "rules-unattached",
        title: "Proxied GET, 64 bytes, 70 rules elsewhere",
        path: "/64b",
        servers: &["edge", RULELESS],
        baseline: RULELESS,
        at_most: Some(1.05),
        ..PROXIED
    },
    Case { name: "cached-1k", title: "Cached, 1 KB", path: "/1k.css", body: 1024, ..CACHED },
    Case { name: "cached-10k", title: "Cached, 10 KB", path: "/10k.css", body: 10 << 10, ..CACHED },
    Case { name: "cached-100k", title: "Cached, 100 KB", path: "/100k.css", body: 100 << 10, ..CACHED },
    Case { name: "cached-1m", title: "Cached, 1 MB", path: "/1m.css", body: 1 << 20, ..CACHED },
    Case { name: "gzip-1k", title: "Cached, gzip of 1 KB", path: "/1k.css", body: 1024, ..CACHED_GZIP },
    Case { name: "gzip-10k", title: "Cached, gzip of 10 KB", path: "/10k.css", body: 10 << 10, ..CACHED_GZIP },
    Case { name: "gzip-100k", title: "Cached, gzip of 100 KB", path: "/100k.css", body: 100 << 10, ..CACHED_GZIP },
    Case { name: "gzip-1m", title: "Cached, gzip of 1 MB", path: "/1m.css", body: 1 << 20, ..CACHED_GZIP },
    Case { name: "missed-1k", title: "Not yet cached, 1 KB", path: "/missed/", unique: true, body: 1024, ..CACHED },
    Case {
        name: "h2-cached-10k",
        title: "Cached over HTTP/2, 10 KB",
        path: "/10k.css",
        protocol: Protocol::Http2,
        body: 10 << 10,
        ..CACHED
    },
    Case { name: "disk-1k", title: "Cached on disk, 1 KB", path: "/disk/1k.css", body: 1024, ..CACHED_DISK },
    Case { name: "disk-10k", title: "Cached on disk, 10 KB", path: "/disk/10k.css", body: 10 << 10, ..CACHED_DISK },
    Case { name: "disk-100k", title: "Cached on disk, 100 KB", path: "/disk/100k.css", body: 100 << 10, ..CACHED_DISK },
    Case { name: "disk-1m", title: "Cached on disk, 1 MB", path: "/disk/1m.css", body: 1 << 20, ..CACHED_DISK },
    Case { name: "unbound", title: "Proxied GET, 64 bytes, a cookie", path: "/unbound", ..UNBOUND },
    Case {
        name: "sticky",
        title: "The same to the server of its session",
        path: "/sticky",
        against: Some("unbound"),
        ..UNBOUND
    },
    Case {
        name: "unbound-10k",
        title: "Proxied GET, 10 KB, a cookie",
        path: "/unbound/10k",
        body: 10 << 10,
        ..UNBOUND
    },
    Case {
        name: "sticky-10k",
        title: "The same 10 KB from the server of its session",
        path: "/sticky/10k",
        body: 10 << 10,
        against: Some("unbound-10k"),
        ..UNBOUND
    },
];

impl Case {
    /// What to ask for once.
    pub fn target(&self) -> String {
        if self.unique { format!("{}0.css", self.path) } else { self.path.to_owned() }
    }

    pub fn admits(&self, server: &Server) -> bool {
        if server.only_named {
            return self.servers.contains(&server.name);
        }
        self.servers.is_empty() || self.servers.iter().any(|name| servers::is_meant(server, name))
    }
}

pub fn chosen(options: &Options) -> Result<Vec<&'static Case>, Failure> {
    for name in &options.cases {
        if !CASES.iter().any(|case| case.name.starts_with(name.as_str())) {
            let known: Vec<_> = CASES.iter().map(|case| case.name).collect();
            return Err(Failure::Unknown { kind: "case", name: name.clone(), known: known.join(", ") });
        }
    }
    let is_chosen = |case: &&Case| {
        if options.cases.is_empty() && options.short {
            return SHORT.contains(&case.name);
        }
        options.cases.is_empty() || options.cases.iter().any(|name| case.name.starts_with(name.as_str()))
    };
    let compared: Vec<&str> = CASES.iter().filter(is_chosen).filter_map(|case| case.against).collect();
    Ok(CASES.iter().filter(|case| is_chosen(case) || compared.contains(&case.name)).collect())
}

fn names_are_unique_and_one_path_has_one_answer() {
    for (index, case) in CASES.iter().enumerate() {
        for other in &CASES[..index] {
            assert_ne!(case.name, other.name);
            let same = case.body == other.body && case.origin_headers == other.origin_headers;
            assert!(case.path != other.path || same, "{} and {} differ at {}", case.name, other.name, case.path);
        }
    }
}

fn a_case_is_compared_with_one_that_comes_before_it() {
    for (index, case) in CASES.iter().enumerate() {
        let has_its_servers = |other: &Case| other.servers.is_empty() || other.servers == case.servers;
        let comes_before = |name| CASES[..index].iter().any(|other| other.name == name && has_its_servers(other));
        assert!(case.against.is_none_or(comes_before), "{}", case.name);
    }
}

fn the_short_form_names_cases() {
    assert!(SHORT.iter().all(|name| CASES.iter().any(|case| case.name == *name)));
}

fn every_server_a_case_names_exists() {
    for case in CASES {
        for name in case.servers {
            assert!(servers::SERVERS.iter().any(|server| servers::is_meant(server, name)), "{name}");
        }
    }
}

fn a_server_that_is_only_named_takes_part_where_it_is_named() {
    let server = servers::SERVERS.iter().find(|server| server.name == RULELESS).expect("it takes part");
    let admitting: Vec<&str> = CASES.iter().filter(|case| case.admits(server)).map(|case| case.name).collect();
    assert_eq!(admitting, ["rules-unattached"]);
}

fn a_baseline_takes_part_in_its_case() {
    for case in
        CASES.iter().filter(|case| case.against.is_none() && (case.at_most.is_some() || case.servers.is_empty()))
    {
        let takes_part = |server: &&Server| server.name == case.baseline && case.admits(server);
        assert!(servers::SERVERS.iter().any(|server| takes_part(&server)), "{}", case.name);
    }
}

pub const TESTS: &[(&str, fn())] = tests![
    a_baseline_takes_part_in_its_case,
    a_server_that_is_only_named_takes_part_where_it_is_named,
    names_are_unique_and_one_path_has_one_answer,
    a_case_is_compared_with_one_that_comes_before_it,
    every_server_a_case_names_exists,
    the_short_form_names_cases,
];
