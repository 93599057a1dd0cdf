//! What is measured. A new case is one entry of `CASES`, and nothing else: the origin serves whatever path and
//! body an entry names, and the run checks the answer of each server against the entry before it measures.
//!
//! A path's ending chooses the location, as in the seed's configuration: `.css` and the like go through the
//! cache, everything else is proxied.

use crate::{
    failure::Failure,
    options::Options,
    servers::{self, Server},
};

#[derive(Clone, Copy)]
pub struct Case {
    /// For `--cases` and the JSON; stays the same for ever, so that runs can be compared.
    pub name: &'static str,
    /// What a reader of the table and the plot sees, beside the number of connections.
    pub title: &'static str,
    pub path: &'static str,
    /// Sent by the client, besides Host.
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
    headers: &[],
    connections: 32,
    servers: &[],
    body: 64,
    origin_headers: &[],
    status: 200,
    length: Length::AsOrigin,
    answer_headers: &[],
};

pub const CASES: &[Case] = &[
    Case { name: "proxied-64b", title: "Proxied GET, 64 bytes", path: "/64b", ..PROXIED },
    Case { name: "proxied-10k", title: "Proxied GET, 10 KB", path: "/10k", body: 10 * 1024, ..PROXIED },
    Case { name: "proxied-64b-c256", title: "Proxied GET, 64 bytes", path: "/64b", connections: 256, ..PROXIED },
];

impl Case {
    pub fn admits(&self, server: &Server) -> bool {
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
        options.cases.is_empty() || options.cases.iter().any(|name| case.name.starts_with(name.as_str()))
    };
    Ok(CASES.iter().filter(is_chosen).collect())
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

fn every_server_a_case_names_exists() {
    for case in CASES {
        for name in case.servers {
            assert!(servers::SERVERS.iter().any(|server| servers::is_meant(server, name)), "{name}");
        }
    }
}

pub const TESTS: &[(&str, fn())] =
    tests![names_are_unique_and_one_path_has_one_answer, every_server_a_case_names_exists];
