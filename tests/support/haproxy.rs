//! Debian's HAProxy in the foreground, on a configuration of the test's.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use super::{ports, process, process::Process, wait};

/// Called by its path: /usr/sbin is not in everyone's PATH.
const PROGRAM: &str = "/usr/sbin/haproxy";

pub struct Haproxy {
    _process: Process,
    port: u16,
    _home: tempfile::TempDir,
}

impl Haproxy {
    /// Starts with a configuration that listens on `port`.
    pub fn start(configuration: &str, port: u16) -> Haproxy {
        let home = process::temporary_directory("haproxy");
        let file = home.path().join("haproxy.cfg");
        std::fs::write(&file, configuration).expect("haproxy.cfg");
        let mut command = Command::new(PROGRAM);
        command.args(["-db", "-f"]).arg(&file);
        let mut process = Process::start("haproxy", command, &home.path().join("output"), libc::SIGKILL);
        process.wait_ready(Duration::from_secs(10), "it listened", || wait::accepts(ports::local(port)));
        Haproxy { _process: process, port, _home: home }
    }

    /// Such as `2.6.12`.
    pub fn version() -> String {
        let output = Command::new(PROGRAM).arg("-v").output().expect("HAProxy runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let word = said.split_whitespace().nth(2).unwrap_or_default();
        word.split(['-', '+']).next().unwrap_or_default().to_owned()
    }

    pub fn address(&self) -> SocketAddr {
        ports::local(self.port)
    }
}
