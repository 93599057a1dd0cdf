//! The edge itself, as a user runs it: `edge -c FILE` in the foreground, in a directory of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use super::{ports, process, process::Process, wait};

/// What is to be started; `start` does it.
pub struct Plan {
    file: &'static str,
    configuration: String,
    ports: Vec<u16>,
    beside: Vec<(String, Vec<u8>)>,
    links: Vec<(String, PathBuf)>,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
}

/// The program under test: this build's, or the one that `EDGE_BIN` names, such as one that is to be released.
pub fn program() -> PathBuf {
    std::env::var_os("EDGE_BIN").map_or_else(|| env!("CARGO_BIN_EXE_edge").into(), PathBuf::from)
}

pub struct Edge {
    process: Process,
    plan: Plan,
    home: tempfile::TempDir,
}

impl Edge {
    /// An edge with this edge.yaml, which listens on `port`.
    pub fn yaml(configuration: &str, port: u16) -> Plan {
        Plan::new("edge.yaml", configuration, port)
    }

    /// An edge with this nginx.conf, which listens on `port`.
    pub fn nginx_conf(configuration: &str, port: u16) -> Plan {
        Plan::new("nginx.conf", configuration, port)
    }

    /// The address of the (first) port.
    pub fn address(&self) -> SocketAddr {
        ports::local(self.plan.ports[0])
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it holds of the machine's memory, in KiB.
    pub fn resident_memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("a process that runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process with memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    pub fn signal(&self, signal: i32) {
        self.process.signal(signal);
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts again after a kill, in the same directory: what it had on disk is still there.
    pub fn restart(&mut self) {
        self.process.kill();
        self.process = self.plan.run(&self.home);
    }

    pub fn wait_end(&mut self, limit: Duration) -> Option<ExitStatus> {
        self.process.wait_end(limit)
    }

    /// Replaces the configuration file; HUP (`signal`) makes it count.
    pub fn write_configuration(&self, configuration: &str) {
        std::fs::write(self.file(self.plan.file), configuration).expect("the configuration file");
    }

    /// A file below the edge's directory, such as `logs/error.log`.
    pub fn file(&self, relative: &str) -> PathBuf {
        self.home.path().join(relative)
    }

    /// What it wrote to stdout and stderr.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// stderr and the error logs: wherever errors are reported.
    pub fn errors(&self) -> String {
        self.error_logs() + &self.output()
    }

    /// Every file in `logs` whose name has "error" in it.
    fn error_logs(&self) -> String {
        let mut all = String::new();
        for entry in std::fs::read_dir(self.file("logs")).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().contains("error") {
                all += &String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap_or_default());
            }
        }
        all
    }

    /// Waits until `errors` contains the text.
    pub fn wait_error(&self, text: &str) -> bool {
        wait::until(Duration::from_secs(5), || self.errors().contains(text).then_some(())).is_some()
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        if std::thread::panicking() {
            process::show("edge's error logs", &self.error_logs());
        }
    }
}

impl Plan {
    fn new(file: &'static str, configuration: &str, port: u16) -> Plan {
        Plan {
            file,
            configuration: configuration.into(),
            ports: vec![port],
            beside: vec![],
            links: vec![],
            environment: vec![],
            arguments: vec![],
        }
    }

    /// Also waits for this port.
    pub fn also_on(mut self, port: u16) -> Plan {
        self.ports.push(port);
        self
    }

    /// A file beside the configuration, such as a rule file.
    pub fn with_file(mut self, relative: &str, content: impl Into<Vec<u8>>) -> Plan {
        self.beside.push((relative.into(), content.into()));
        self
    }

    /// A symbolic link beside the configuration.
    pub fn with_link(mut self, relative: &str, to: &Path) -> Plan {
        self.links.push((relative.into(), to.into()));
        self
    }

    pub fn with_environment(mut self, name: &str, value: &str) -> Plan {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Further words of the command line.
    pub fn with_arguments(mut self, arguments: &[&str]) -> Plan {
        self.arguments.extend(arguments.iter().map(ToString::to_string));
        self
    }

    /// Starts it and waits until all its ports accept connections.
    pub fn start(self) -> Edge {
        let home = process::temporary_directory("edge");
        // The rules that ship with the product: its configurations name them by relative paths.
        let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/lua-free-rules");
        let _ = std::os::unix::fs::symlink(rules, home.path().join("lua-free-rules"));
        for directory in ["logs", "sbin", "run"] {
            std::fs::create_dir(home.path().join(directory)).expect("a directory");
        }
        let _ = std::fs::copy("/etc/nginx/mime.types", home.path().join("mime.types"));
        for (relative, content) in &self.beside {
            let path = home.path().join(relative);
            std::fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("a directory");
            std::fs::write(path, content).expect("a file beside the configuration");
        }
        for (relative, to) in &self.links {
            std::os::unix::fs::symlink(to, home.path().join(relative)).expect("a link");
        }
        std::fs::write(home.path().join(self.file), &self.configuration).expect("the configuration file");
        let process = self.run(&home);
        Edge { process, plan: self, home }
    }

    fn run(&self, home: &tempfile::TempDir) -> Process {
        let mut command = Command::new(program());
        command.arg("-c").arg(home.path().join(self.file)).args(&self.arguments).current_dir(home.path());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let mut process = Process::start("edge", command, &home.path().join("output"), libc::SIGTERM);
        process.wait_ready(Duration::from_secs(20), "its ports accepted", || {
            self.ports.iter().all(|port| wait::accepts(ports::local(*port)))
        });
        process
    }
}
