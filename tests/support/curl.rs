//! curl and h2load: other people's clients, for what ours cannot say or should not be the only one to say.

use std::fmt;
use std::net::SocketAddr;
use std::process::Command;

use super::process;
use super::response::{Headers, sha256};

/// No call takes longer, in seconds.
const LIMIT: &str = "30";

/// What became of a call.
pub struct Said {
    /// curl's exit code: 0, 35 for a failed handshake, 60 for a certificate it does not trust, …
    pub code: i32,
    /// 0 if there was no answer.
    pub status: u16,
    /// `1.1`, `2`.
    pub version: String,
    pub headers: Headers,
    pub body: Vec<u8>,
    /// What it complained about.
    pub complaint: String,
}

/// `https://NAME:PORT/…`, whatever the name, leads to this address.
pub struct Curl {
    arguments: Vec<String>,
    origin: String,
}

impl Curl {
    pub fn https(name: &str, to: SocketAddr) -> Curl {
        Self::new("https", name, to)
    }

    pub fn http(name: &str, to: SocketAddr) -> Curl {
        Self::new("http", name, to)
    }

    fn new(scheme: &str, name: &str, to: SocketAddr) -> Curl {
        let resolve = format!("{name}:{}:{}", to.port(), to.ip());
        let arguments = ["-q", "-sS", "--max-time", LIMIT, "--noproxy", "*", "--resolve"].map(str::to_owned);
        let arguments = arguments.into_iter().chain([resolve]).collect();
        Curl { arguments, origin: format!("{scheme}://{name}:{}", to.port()) }
    }

    /// Further arguments, as one types them.
    pub fn with<T: AsRef<std::ffi::OsStr>>(mut self, arguments: impl IntoIterator<Item = T>) -> Curl {
        self.arguments.extend(arguments.into_iter().map(|one| one.as_ref().to_string_lossy().into_owned()));
        self
    }

    pub fn get(&self, target: &str) -> Said {
        let directory = process::temporary_directory("curl");
        let (head, body) = (directory.path().join("head"), directory.path().join("body"));
        let mut command = Command::new("curl");
        command.args(&self.arguments).arg("-D").arg(&head).arg("-o").arg(&body);
        command.args(["-w", "%{http_code} %{http_version}"]).arg(format!("{}{target}", self.origin));
        let output = command.output().expect("curl runs (tests/run setup installs it)");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let (status, version) = told.split_once(' ').unwrap_or_default();
        let head = std::fs::read(&head).unwrap_or_default();
        Said {
            code: output.status.code().unwrap_or(-1),
            status: status.parse().unwrap_or(0),
            version: version.into(),
            headers: last_head(&String::from_utf8_lossy(&head)),
            body: std::fs::read(&body).unwrap_or_default(),
            complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Header lines of the last head: those of 1xx answers stand before it.
fn last_head(text: &str) -> Headers {
    let last = text.trim_end().rsplit("\r\n\r\n").next().unwrap_or_default();
    let lines = last.lines().skip(1).filter_map(|line| line.split_once(':'));
    Headers(lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect())
}

impl Said {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    pub fn sha256(&self) -> String {
        sha256(&self.body)
    }

    /// That there was an answer with this status.
    pub fn expecting(self, status: u16) -> Said {
        assert!(self.code == 0 && self.status == status, "not {status}:\n{self}");
        self
    }
}

impl fmt::Display for Said {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let Said { code, status, version, headers, body, complaint } = self;
        writeln!(out, "curl {code} {complaint}HTTP/{version} {status}")?;
        for (name, value) in &headers.0 {
            writeln!(out, "{name}: {value}")?;
        }
        write!(out, "\n{}", String::from_utf8_lossy(&body[..body.len().min(800)]))
    }
}

/// What h2load counted.
#[derive(Debug, PartialEq, Eq)]
pub struct Loaded {
    pub succeeded: usize,
    pub failed: usize,
    /// Answers with 2xx.
    pub good: usize,
}

/// So many requests over so many connections, so many at a time on each.
pub fn h2load(url: &str, requests: usize, connections: usize, at_once: usize) -> Loaded {
    let numbers = [requests, connections, at_once].map(|number| number.to_string());
    let mut command = Command::new("timeout");
    command.args(["120", "h2load", "-n", &numbers[0], "-c", &numbers[1], "-m", &numbers[2], "-T", LIMIT, url]);
    let output = command.output().expect("h2load runs (tests/run setup installs it)");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = |line: &str, word: &str| {
        let line = text.lines().find(|text| text.starts_with(line));
        let part = line.and_then(|line| line.split([':', ',']).find(|part| part.trim().ends_with(word)));
        part.and_then(|part| part.split_whitespace().next()?.parse().ok()).unwrap_or_else(|| {
            panic!("h2load told no number of {word}:\n{text}{}", String::from_utf8_lossy(&output.stderr))
        })
    };
    let failed = number("requests:", "failed") + number("requests:", "errored") + number("requests:", "timeout");
    Loaded { succeeded: number("requests:", "succeeded"), failed, good: number("status codes:", "2xx") }
}
