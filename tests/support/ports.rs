//! Free TCP ports on loopback.
//!
//! Servers that are told their port (nginx, Tomcat, memcached) need one that is free now and stays free until they bind
//! it: ports are taken from below the range the kernel hands out for outgoing connections, each once per test process,
//! and a lock file keeps two test processes on one machine apart.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Mutex;

const FIRST: u16 = 12_000;
const LAST: u16 = 30_000;

/// The next candidate and the locks held until the process ends.
static TAKEN: Mutex<(Option<u16>, Vec<File>)> = Mutex::new((None, Vec::new()));

/// A port nobody listens on and nobody else in this or another test process is given.
pub fn free() -> u16 {
    let mut taken = TAKEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let spread = (std::process::id() % 900) as u16 * 20;
    for _ in FIRST..LAST {
        let port = taken.0.unwrap_or(FIRST + spread);
        taken.0 = Some(if port + 1 >= LAST { FIRST } else { port + 1 });
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
            continue;
        }
        if let Some(lock) = lock(port) {
            taken.1.push(lock);
            return port;
        }
    }
    panic!("no free port between {FIRST} and {LAST}");
}

fn lock(port: u16) -> Option<File> {
    let dir = std::env::temp_dir().join("edge-test-ports");
    std::fs::create_dir_all(&dir).expect("the directory of port locks");
    let file = OpenOptions::new().create(true).append(true).open(dir.join(port.to_string())).ok()?;
    // SAFETY: flock on a descriptor that `file` owns.
    let locked = unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0;
    locked.then_some(file)
}

/// `127.0.0.1:port`.
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// An address that refuses connections for as long as this value lives: its port is bound but nobody listens.
pub struct Dead {
    address: SocketAddr,
    _socket: OwnedFd,
}

impl Dead {
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Reserves an address that refuses connections.
pub fn dead() -> Dead {
    let port = free();
    let socket = socket().expect("a socket");
    let name = name(local(port));
    // SAFETY: the socket is open, the name lives during the call.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const name).cast(), NAME_LENGTH) };
    assert_eq!(bound, 0, "binding port {port}");
    Dead { address: local(port), _socket: socket }
}

/// A connection with the smallest packets and receive buffer there are.
pub fn connect_with_small_buffers(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket()?;
    set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, 4096)?;
    set_option(&socket, libc::IPPROTO_TCP, libc::TCP_MAXSEG, 536)?;
    let name = name(to);
    // SAFETY: the socket is open, the name lives during the call.
    match unsafe { libc::connect(socket.as_raw_fd(), (&raw const name).cast(), NAME_LENGTH) } {
        0 => Ok(TcpStream::from(socket)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sets an option that is a number.
pub fn set_option(socket: &impl AsRawFd, level: i32, option: i32, value: libc::c_int) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the socket is open, the value lives during the call.
    match unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn socket() -> io::Result<OwnedFd> {
    // SAFETY: a plain system call; a descriptor it returns is nobody else's.
    match unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) } {
        fd @ 0.. => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

const NAME_LENGTH: libc::socklen_t = size_of::<libc::sockaddr_in>() as libc::socklen_t;

fn name(address: SocketAddr) -> libc::sockaddr_in {
    // SAFETY: all zeros is a valid sockaddr_in.
    let mut name: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    name.sin_family = libc::AF_INET as libc::sa_family_t;
    name.sin_port = address.port().to_be();
    name.sin_addr.s_addr = u32::from(Ipv4Addr::LOCALHOST).to_be();
    name
}

/// A free port below 1024, which only root may bind.
pub fn free_for_root() -> u16 {
    let mut taken = TAKEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    for port in (600..1023).rev() {
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
            continue;
        }
        if let Some(lock) = lock(port) {
            taken.1.push(lock);
            return port;
        }
    }
    panic!("no free port below 1024");
}
