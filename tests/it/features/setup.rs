//! What a test of a feature says: a configuration, backends, requests.

use crate::differential::case::{self, Case};
use crate::support::backend::Backend;
use crate::support::ports::{self, Dead};
use crate::support::process;

use super::backends::{Table, behaviour};
use super::files_of;

/// A configuration and what is done to it.
pub struct Feature {
    /// Wanted differences name cases as `name: case`.
    pub name: &'static str,
    text: String,
    pub cases: Vec<Case>,
    pub backends: Vec<(&'static str, Table, Backend)>,
    /// What is not compared of requests to backends.
    pub upstream: Upstream,
    pub port: u16,
    pub other_port: u16,
    pub probes: bool,
    /// Whether backends are asked after the client was answered: then edge's are waited for.
    pub awaits: bool,
    /// Whether the case of letters in names of fields is compared.
    pub spelled: bool,
    /// Whether it is also looked at that edge.yaml says the same.
    pub converts: bool,
    dead: Dead,
    files: tempfile::TempDir,
}

/// How much of the fields an upstream gets is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Upstream {
    /// All but `Connection`: nginx 1.22 says `close`, 1.31 nothing, edge `keep-alive`.
    Usual,
    /// All.
    Exactly,
}

impl Feature {
    /// What stands in `http {}`, where `{port}`, `{port2}`, `{a}`, `{b}`, `{dead}` and `{files}` are filled in.
    pub fn new(name: &'static str, text: &str) -> Feature {
        let files = process::temporary_directory("files");
        files_of::write(files.path());
        Feature {
            name,
            text: text.into(),
            cases: Vec::new(),
            backends: Vec::new(),
            upstream: Upstream::Usual,
            port: ports::free(),
            other_port: ports::free(),
            probes: true,
            awaits: false,
            spelled: false,
            converts: false,
            dead: ports::dead(),
            files,
        }
    }

    /// The same, and converted to edge.yaml the configuration means the same.
    pub fn converted(name: &'static str, text: &str) -> Feature {
        Feature { converts: true, ..Feature::new(name, text) }
    }

    /// The next backend: the first is `{a}`, the second `{b}`.
    pub fn backend(mut self, table: Table) -> Feature {
        let name = ["a", "b"][self.backends.len()];
        let backend = Backend::start(behaviour(name, table));
        self.backends.push((name, table, backend));
        self
    }

    pub fn case(mut self, case: Case) -> Feature {
        assert!(self.cases.iter().all(|other| other.name != case.name), "a second case {:?}", case.name);
        self.cases.push(case);
        self
    }

    /// GET of these targets, which are the cases' names.
    pub fn get(self, targets: &[&str]) -> Feature {
        targets.iter().fold(self, |feature, target| feature.case(case::get(target, target)))
    }

    /// GET with these fields, which are part of the name.
    pub fn get_with(self, target: &str, headers: &[&str]) -> Feature {
        self.ask("GET", target, headers, "")
    }

    pub fn ask(self, method: &str, target: &str, headers: &[&str], body: &str) -> Feature {
        let mut name = match method {
            "GET" => target.to_string(),
            method => format!("{method} {target}"),
        };
        for header in headers.iter().filter(|header| !header.starts_with("Content-Length")) {
            name += &format!(" [{header}]");
        }
        self.case(case::ask(&name, method, target, headers, body))
    }

    /// Raw lines of a head.
    pub fn lines(self, name: &str, lines: &[&str]) -> Feature {
        self.case(case::lines(name, lines))
    }

    /// GET of a target for a host.
    pub fn host(self, host: &str, target: &str) -> Feature {
        let first = format!("GET {target} HTTP/1.1");
        self.lines(&format!("{host} {target}"), &[&first, &format!("Host: {host}")])
    }

    pub fn comparing(mut self, upstream: Upstream) -> Feature {
        self.upstream = upstream;
        self
    }

    pub fn spelled(mut self) -> Feature {
        self.spelled = true;
        self
    }

    /// What became of the connection is not asked for: a further request would disturb what is counted.
    pub fn without_probes(mut self) -> Feature {
        self.probes = false;
        self
    }

    pub fn nginx_conf(&self) -> String {
        let mut text = self.text.clone();
        let mut fill = |name: &str, value: &str| text = text.replace(&format!("{{{name}}}"), value);
        fill("port", &self.port.to_string());
        fill("port2", &self.other_port.to_string());
        fill("dead", &self.dead.address().to_string());
        fill("files", &self.files.path().to_string_lossy());
        for (name, _, backend) in &self.backends {
            fill(name, &backend.address().to_string());
        }
        let log = if text.contains("access_log") { "" } else { "access_log off;" };
        format!(
            "worker_processes 1;\nerror_log logs/error.log info;\npid logs/it.pid;\nevents {{ worker_connections 512; }}\n\
             http {{\n{log}\nproxy_http_version 1.1;\nlarge_client_header_buffers 4 8k;\n{text}\n}}\n"
        )
    }
}
