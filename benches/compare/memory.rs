//! What a server holds in memory, at first and with a thousand clients that keep their connections and say nothing.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    thread,
    time::Duration,
};

use crate::{
    cpu,
    failure::{Context, Failure},
    run::Running,
};

pub const CONNECTIONS: u64 = 1000;
/// Until what served the last answer is put away.
const CALM: Duration = Duration::from_millis(500);
const LIMIT: Duration = Duration::from_secs(5);
const REQUEST: &[u8] = b"GET /64b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/// Bytes of one server's processes; pages that several share count once.
pub struct Memory {
    pub server: &'static str,
    /// After one request.
    pub fresh: u64,
    pub idle: u64,
}

impl Memory {
    pub fn per_connection(&self) -> f64 {
        self.idle.saturating_sub(self.fresh) as f64 / CONNECTIONS as f64
    }
}

pub fn measure(server: &Running) -> Result<Memory, Failure> {
    let name = server.contender.server.name;
    let connect = || ask(server.ports.plain).context(|| format!("an idle connection to {name}"));
    drop(connect()?);
    let held = || {
        thread::sleep(CALM);
        resident(server.process.pid())
    };
    let fresh = held()?;
    let clients = (0..CONNECTIONS).map(|_| connect()).collect::<Result<Vec<_>, _>>()?;
    let idle = held()?;
    drop(clients);
    let memory = Memory { server: name, fresh, idle };
    eprintln!("  {:<20} {name:<12} {:>7.1} KB", "idle connections", memory.per_connection() / 1024.0);
    Ok(memory)
}

/// A connection on which one request was answered, in whatever way.
fn ask(port: u16) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(REQUEST)?;
    // The head and 64 bytes come in one piece, and nothing more.
    if stream.read(&mut [0; 4096])? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(stream)
}

fn resident(root: u32) -> Result<u64, Failure> {
    let mut bytes = 0;
    for pid in cpu::tree(root)? {
        let file = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&file).context(|| file.clone())?;
        bytes += proportional(&text).ok_or(Failure::Unreadable { what: "smaps_rollup", text })?;
    }
    Ok(bytes)
}

fn proportional(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
}

fn shared_pages_count_in_parts() {
    assert_eq!(proportional("Rss:  2000 kB\nPss:     1536 kB\nPss_Dirty: 3 kB\n"), Some(1536 << 10));
    assert_eq!(proportional("Rss: 2 kB\n"), None);
    let memory = Memory { server: "edge", fresh: 1000, idle: 1000 + (CONNECTIONS * 2048) };
    assert_eq!(memory.per_connection(), 2048.0);
}

pub const TESTS: &[(&str, fn())] = tests![shared_pages_count_in_parts];
