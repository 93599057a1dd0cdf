//! The origin: an nginx that answers what the cases name, out of its configuration or an open file; and a memcached, where a case
//! has sessions.
//!
//! It has to be cheaper than every proxy in front of it, and it is: without log, without headers to compute, on
//! connections that are never given up.

use std::{collections::BTreeSet, fmt::Write, fs, path::Path, process::Command};

use crate::{
    cases::Case,
    failure::{Context, Failure},
    process::{self, Process},
    servers,
};

const TEMPLATE: &str = include_str!("conf/origin.conf");

/// nginx takes no word longer than 4 KB in its configuration.
const LONGEST_INLINE: usize = 2048;

pub struct Origin {
    pub ports: [u16; 2],
    _process: Process,
}

impl Origin {
    pub fn start(dir: &Path, core: usize, cases: &[&Case]) -> Result<Origin, Failure> {
        let program =
            servers::locate("nginx").ok_or(Failure::Missing { program: "nginx (the origin)", package: "nginx" })?;
        let dir = process::make_dir(dir, "origin")?;
        let files = process::make_dir(&dir, "files")?;
        let ports = process::free_ports::<2>()?;

        let mut locations = String::new();
        let mut done = BTreeSet::new();
        for case in cases.iter().filter(|case| done.insert(case.path)) {
            write_location(&mut locations, case);
            if case.body > LONGEST_INLINE {
                let file = files.join(case.path.trim_start_matches('/'));
                let parent = file.parent().unwrap_or(&files);
                fs::create_dir_all(parent).context(|| parent.display().to_string())?;
                fs::write(&file, body(case.body)).context(|| file.display().to_string())?;
            }
        }
        let conf = dir.join("nginx.conf");
        let behind = servers::Behind { origin: ports, memcached: None };
        let nowhere = process::Ports { plain: 0, tls: 0 };
        let text = servers::fill_addresses(TEMPLATE, true, &dir, nowhere, behind);
        fs::write(&conf, servers::fill(&text, &[("LOCATIONS", &locations)])).context(|| conf.display().to_string())?;

        let mut command = Command::new(program);
        command.arg("-p").arg(&dir).arg("-e").arg(dir.join("error.log")).arg("-c").arg(&conf);
        let process = Process::start("the origin", command, core, &dir, &ports)?;
        Ok(Origin { ports, _process: process })
    }
}

/// Where edge looks for sessions; one that is where its id says is never asked for.
pub struct Memcached {
    pub port: u16,
    _process: Process,
}

impl Memcached {
    /// Started if a case needs it.
    pub fn start(dir: &Path, core: usize, cases: &[&Case]) -> Result<Option<Memcached>, Failure> {
        if !cases.iter().any(|case| case.sessions) {
            return Ok(None);
        }
        let program =
            servers::locate("memcached").ok_or(Failure::Missing { program: "memcached", package: "memcached" })?;
        let dir = process::make_dir(dir, "memcached")?;
        let [port] = process::free_ports()?;
        let mut command = Command::new(program);
        command.args(["-l", "127.0.0.1", "-U", "0", "-m", "8", "-t", "1", "-u", "nobody", "-p", &port.to_string()]);
        let process = Process::start("memcached", command, core, &dir, &[port])?;
        Ok(Some(Memcached { port, _process: process }))
    }
}

fn write_location(locations: &mut String, case: &Case) {
    let headers: String =
        case.origin_headers.iter().map(|(name, value)| format!("add_header {name} '{value}' always; ")).collect();
    let body = if case.body > LONGEST_INLINE { String::new() } else { format!("return 200 '{}'; ", body(case.body)) };
    // `return` knows no file whose ending would give the type, so the location's path does.
    let how = if case.unique { "" } else { "= " };
    let _ = writeln!(locations, "        location {how}{} {{ {headers}{body}}}", case.path); // a String takes everything
}

/// Text that compresses about as well as a page does.
pub fn body(length: usize) -> String {
    let words = ["edge", "session", "upstream", "cache", "location", "header", "route", "server"];
    let mut text = String::with_capacity(length + 16);
    let mut state = 1_u32;
    while text.len() < length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push_str(words[(state >> 29) as usize]);
        text.push(char::from(b'a' + (state >> 20) as u8 % 26));
        text.push(' ');
    }
    text.truncate(length);
    text
}
