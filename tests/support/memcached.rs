//! A memcached of its own for a test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

    /// All commands it was given so far, as they came, without data.
    pub fn commands(&self) -> Vec<String> {
        let output = self.process.output();
        let heard = output.lines().filter_map(|line| line.strip_prefix('<')?.split_once(' '));
        let heard = heard.filter(|(connection, _)| connection.bytes().all(|byte| byte.is_ascii_digit()));
        let known =
            ["get", "set", "add", "delete", "touch", "cas", "incr", "decr", "gets", "replace", "mg", "ms", "md"];
        let commands = heard.filter(|(_, command)| known.contains(&command.split(' ').next().unwrap_or_default()));
        commands.map(|(_, command)| command.trim_end().to_string()).collect()
    }

    /// The keys it holds, each with the seconds it has left, if it ends at all.
    pub fn keys(&self) -> Vec<(String, Option<i64>)> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64;
        // One dump at a time: another one's end has to be waited for.
        let dump = wait::until(Duration::from_secs(10), || {
            let dump = self.ask("lru_crawler metadump hash\r\n", "END\r\n");
            (!dump.starts_with(b"BUSY")).then_some(dump)
        });
        let dump = dump.expect("memcached tells its keys");
        let text = String::from_utf8_lossy(&dump).into_owned();
        let word = |line: &str, name: &str| {
            line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('=')).map(str::to_string)
        };
        let entry = |line: &str| {
            let exp: i64 = word(line, "exp")?.parse().ok()?;
            let key = word(line, "key")?.replace("%3A", ":").replace("%2F", "/");
            Some((key, (exp != -1).then_some(exp - now)))
        };
        text.lines().filter_map(entry).filter(|(_, left)| left.is_none_or(|left| left > 0)).collect()
    }

    /// Flags and value of a key.
    pub fn get(&self, key: &str) -> Option<(u32, Vec<u8>)> {
        let reply = self.ask(&format!("get {key}\r\n"), "END\r\n");
        let end = reply.iter().position(|byte| *byte == b'\n')?;
        let line = String::from_utf8_lossy(&reply[..end]).into_owned();
        let mut words = line.trim_end().split(' ').skip(2);
        let flags = words.next()?.parse().ok()?;
        let length: usize = words.next()?.parse().ok()?;
        Some((flags, reply[end + 1..end + 1 + length].to_vec()))
    }

    /// Says something on a connection of its own and returns all that comes, up to this end.
    pub fn ask(&self, command: &str, end: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address()).expect("memcached listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
        stream.write_all(command.as_bytes()).expect("it reads");
        let mut reply = Vec::new();
        let mut piece = [0; 4096];
        while !reply.ends_with(end.as_bytes()) && !reply.starts_with(b"BUSY") {
            match stream.read(&mut piece) {
                Ok(0) | Err(_) => break,
                Ok(length) => reply.extend_from_slice(&piece[..length]),
            }
        }
        reply
    }

    pub fn address(&self) -> SocketAddr {
        ports::local(self.port)
    }

    pub fn signal(&self, signal: i32) {
        self.process.signal(signal);
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
        self.process.freeze();
    }

    pub fn thaw(&self) {
        self.process.signal(libc::SIGCONT);
    }
}

fn run(port: u16, home: &std::path::Path) -> Process {
    let mut command = Command::new("memcached");
    // It tells every command (-vv), so that a test can read what it was asked.
    command.args(["-vv", "-l", "127.0.0.1", "-U", "0", "-m", "32", "-t", "1", "-p", &port.to_string()]);
    // SAFETY: a plain system call. memcached refuses to run as root unless it is told whom to become.
    if unsafe { libc::geteuid() } == 0 {
        command.args(["-u", "nobody"]);
    }
    let mut process = Process::start("memcached", command, &home.join("output"), libc::SIGKILL);
    process.wait_ready(Duration::from_secs(10), "it listened", || wait::accepts(ports::local(port)));
    process
}
