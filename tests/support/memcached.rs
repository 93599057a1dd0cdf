//! A memcached of its own for a test.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use super::{ports, process, process::Process, wait};

pub struct Memcached {
    process: Process,
    port: u16,
    home: tempfile::TempDir,
}

impl Memcached {
    pub fn start() -> Memcached {
        Self::start_on(ports::free())
    }

    /// Starts on a port a killed one has left.
    pub fn start_on(port: u16) -> Memcached {
        let home = process::temporary_directory("memcached");
        let process = run(port, home.path());
        Memcached { process, port, home }
    }

    pub fn address(&self) -> SocketAddr {
        ports::local(self.port)
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, empty, on the same port.
    pub fn restart(&mut self) {
        self.process.kill();
        self.process = run(self.port, self.home.path());
    }

    pub fn freeze(&self) {
        self.process.signal(libc::SIGSTOP);
    }

    pub fn thaw(&self) {
        self.process.signal(libc::SIGCONT);
    }
}

fn run(port: u16, home: &std::path::Path) -> Process {
    let mut command = Command::new("memcached");
    command.args(["-l", "127.0.0.1", "-U", "0", "-m", "32", "-t", "1", "-p", &port.to_string()]);
    // SAFETY: a plain system call. memcached refuses to run as root unless it is told whom to become.
    if unsafe { libc::geteuid() } == 0 {
        command.args(["-u", "nobody"]);
    }
    let mut process = Process::start("memcached", command, &home.join("output"), libc::SIGKILL);
    process.wait_ready(Duration::from_secs(10), "it listened", || wait::accepts(ports::local(port)));
    process
}
