//! Debian's nginx in the foreground with one worker, on a configuration of the test's.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{ports, process, process::Process, wait};

pub struct Nginx {
    process: Process,
    port: u16,
    home: tempfile::TempDir,
}

impl Nginx {
    /// Starts with a configuration that listens on `port`. Relative paths in it lead into a fresh directory that has
    /// `logs`, `sbin` and Debian's `mime.types`.
    pub fn start(configuration: &str, port: u16) -> Nginx {
        let home = home(configuration);
        let mut command = command(home.path());
        command.args(["-g", &globals("daemon off;")]);
        let mut process = Process::start("nginx", command, &home.path().join("output"), libc::SIGTERM);
        process.wait_ready(Duration::from_secs(10), "it listened", || wait::accepts(ports::local(port)));
        Nginx { process, port, home }
    }

    /// What `nginx -t` says about a configuration: its complaint, if there is one.
    pub fn check(configuration: &str) -> Result<(), String> {
        let home = home(configuration);
        let answer = command(home.path()).args(["-t", "-g", &globals("")]).output().expect("nginx runs");
        match answer.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&answer.stderr).into_owned()),
        }
    }

    /// Such as `1.22.1`.
    pub fn version() -> String {
        let output = Command::new("/usr/sbin/nginx").arg("-v").output().expect("nginx runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let word = said.split_once("nginx/").map_or("", |(_, version)| version);
        word.split_whitespace().next().unwrap_or_default().to_owned()
    }

    pub fn address(&self) -> SocketAddr {
        ports::local(self.port)
    }

    /// A file below its directory, such as `logs/error.log`.
    pub fn file(&self, relative: &str) -> PathBuf {
        self.home.path().join(relative)
    }

    pub fn signal(&self, signal: i32) {
        self.process.signal(signal);
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if std::thread::panicking() {
            process::show(
                "nginx's error.log",
                &std::fs::read_to_string(self.file("logs/error.log")).unwrap_or_default(),
            );
        }
    }
}

/// Debian's nginx is called by its path: /usr/sbin is not in everyone's PATH.
fn command(home: &Path) -> Command {
    let mut command = Command::new("/usr/sbin/nginx");
    command.arg("-p").arg(home).args(["-c", "nginx.conf", "-e", "logs/error.log"]);
    command
}

/// As root, nginx's workers become another user, who may not enter the directory.
fn globals(more: &str) -> String {
    // SAFETY: a plain system call.
    let user = if unsafe { libc::geteuid() } == 0 { "user root;" } else { "" };
    format!("{user} {more}")
}

fn home(configuration: &str) -> tempfile::TempDir {
    let home = process::temporary_directory("nginx");
    for directory in ["logs", "sbin"] {
        std::fs::create_dir(home.path().join(directory)).expect("a directory");
    }
    std::fs::copy("/etc/nginx/mime.types", home.path().join("mime.types")).expect("Debian's mime.types");
    std::fs::write(home.path().join("nginx.conf"), configuration).expect("nginx.conf");
    home
}
