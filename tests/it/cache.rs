//! The cache of the program as it is installed: never a wrong byte, whatever breaks; one fetch for many; each form made
//! once; what RFC 9111 asks beyond nginx. What nginx's directives mean is compared in `features/caching*.rs`.

mod forms;
mod lives;
mod lock;
mod origin;
mod part;
mod rules;
mod stale;
mod upstream_http2;
mod whole;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::edge::Edge;
use crate::support::request::{Request, get};
use crate::support::response::Response;
use crate::support::{ports, wait};

use origin::Origin;

/// edge with a cache in front of an origin.
pub struct Stage {
    pub edge: Edge,
    pub origin: Origin,
}

/// nginx's words for a server with a cache in front of the origin; `more` stands in it.
pub fn configuration(port: u16, origin: SocketAddr, path: &str, more: &str) -> String {
    format!(
        "worker_processes 1;\nerror_log logs/error.log info;\npid logs/it.pid;\nevents {{ worker_connections 1024; }}\n\
         http {{\n proxy_cache_path {path} levels=1:2 keys_zone=one:1m inactive=1h;\n \
         log_format lines '$request_method $request_uri $status $upstream_cache_status';\n \
         access_log logs/lines.log lines;\n proxy_http_version 1.1;\n \
         server {{ listen {port}; proxy_cache one; proxy_cache_key $uri;\n \
         add_header X-Cache $upstream_cache_status always;\n {more}\n \
         location / {{ proxy_pass http://{origin}; }} }} }}\n"
    )
}

impl Stage {
    pub fn start(more: &str) -> Stage {
        Self::start_in("cache", more)
    }

    pub fn start_in(path: &str, more: &str) -> Stage {
        let (origin, port) = (Origin::start(), ports::free());
        let edge = Edge::nginx_conf(&configuration(port, origin.address(), path, more), port).start();
        Stage { edge, origin }
    }

    pub fn to(&self) -> SocketAddr {
        self.edge.address()
    }

    pub fn get(&self, target: &str) -> Response {
        self.ask(&get(target))
    }

    pub fn ask(&self, request: &Request) -> Response {
        request.send(self.to())
    }

    /// GET, which has this status of the cache.
    pub fn expect(&self, target: &str, status: &str) -> Response {
        let response = self.get(target);
        assert_eq!(response.header("x-cache"), Some(status), "{target}: {response}");
        response
    }

    /// Asks until the cache answers so.
    pub fn wait_for(&self, target: &str, status: &str) -> Response {
        let asked = || Some(self.get(target)).filter(|response| response.header("x-cache") == Some(status));
        wait::until(Duration::from_secs(10), asked).unwrap_or_else(|| panic!("{target} is never {status}"))
    }

    /// The files of stored answers.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        collect(&self.edge.file("cache"), &mut files);
        files.sort();
        files
    }

    pub fn wait_files(&self, count: usize) -> Vec<PathBuf> {
        let found = wait::until(Duration::from_secs(10), || Some(self.files()).filter(|files| files.len() == count));
        found.unwrap_or_else(|| panic!("not {count} files: {:?}", self.files()))
    }

    /// Lines of the access log, once this one is there.
    pub fn lines_to(&self, last: &str) -> Vec<String> {
        let read = || std::fs::read_to_string(self.edge.file("logs/lines.log")).unwrap_or_default();
        let written = || read().lines().any(|line| line == last).then_some(());
        assert!(wait::until(Duration::from_secs(5), written).is_some(), "no line {last} in\n{}", read());
        read().lines().map(str::to_owned).collect()
    }

    /// The error log has nothing that somebody would have to look at.
    pub fn expect_quiet(&self) {
        let errors = self.edge.errors();
        let loud = |line: &&str| {
            ["[warn]", "[error]", "[crit]", "[alert]", "[emerg]", "panicked"].iter().any(|w| line.contains(w))
        };
        let lines: Vec<&str> = errors.lines().filter(|line| !line.contains("runs as root")).filter(loud).collect();
        assert!(lines.is_empty(), "{}", lines.join("\n"));
    }
}

/// Objects lie in directories of their levels, named by 32 digits and more.
fn collect(directory: &std::path::Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if entry.file_name().len() >= 32 {
            files.push(path);
        }
    }
}
