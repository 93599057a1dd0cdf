//! Listening sockets: opened, inherited from the binary before, adjusted to what a reload says.

use crate::proxy::snapshot::{ListenAddress, SocketOptions};
use crate::system;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Names the sockets that a new binary takes over: `127.0.0.1:80=5;unix:/run/x.sock=6`.
pub const VARIABLE: &str = "EDGE_LISTENERS";
/// The number of the process that hands over.
pub const PREDECESSOR: &str = "EDGE_PREDECESSOR";
/// Whoever may reach the directory may connect, as with nginx.
const OPEN_TO_ALL: u32 = 0o666;

/// Sockets of the binary before, not yet claimed. Those that nobody claims are closed.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: HashMap<ListenAddress, OwnedFd>,
    predecessor: Option<u32>,
}

impl Inherited {
    /// What the environment hands over; `None`: this is no new binary. To be called while the process has one thread.
    pub fn take() -> Option<Inherited> {
        let list = std::env::var(VARIABLE).ok()?;
        let predecessor = std::env::var(PREDECESSOR).ok().and_then(|number| number.parse().ok());
        // SAFETY: nobody else reads or writes the environment: there is one thread.
        unsafe {
            std::env::remove_var(VARIABLE);
            std::env::remove_var(PREDECESSOR);
        }
        Some(Inherited { sockets: list.split(';').filter_map(inherited).collect(), predecessor })
    }

    /// The process they come from, which goes on until it is told to end.
    pub fn predecessor(&self) -> Option<u32> {
        self.predecessor
    }

    fn claim(&mut self, address: &ListenAddress) -> Option<Socket> {
        self.sockets.remove(address).map(Socket::from)
    }

    pub fn close(&mut self) {
        self.sockets.clear();
    }
}

/// One socket, if it is what it is said to be.
fn inherited(item: &str) -> Option<(ListenAddress, OwnedFd)> {
    let (address, number) = item.rsplit_once('=')?;
    let address = ListenAddress::parse(address).ok()?;
    let number: i32 = number.parse().ok().filter(|n| *n > 2)?;
    // SAFETY: whoever started this process has left the descriptor open for it; a number that is none fails here.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } != 0 {
        return None;
    }
    // SAFETY: it is open and, being named here, nobody else's.
    let socket = Socket::from(unsafe { OwnedFd::from_raw_fd(number) });
    let bound = socket.local_addr().ok()?;
    let same = match &address {
        ListenAddress::Tcp(address) => bound.as_socket() == Some(*address),
        ListenAddress::Unix(path) => bound.as_pathname() == Some(path),
    };
    (same && socket.is_listener().unwrap_or(false)).then(|| (address, socket.into()))
}

/// The text that names sockets for a new binary.
pub fn name_all<'s>(sockets: impl Iterator<Item = (&'s str, i32)>) -> String {
    sockets.map(|(address, number)| format!("{address}={number}")).collect::<Vec<_>>().join(";")
}

/// A socket that listens there.
pub fn open(address: &ListenAddress, options: &SocketOptions, inherited: &mut Inherited) -> io::Result<Socket> {
    if let Some(socket) = inherited.claim(address) {
        adjust(&socket, options)?;
        socket.set_nonblocking(true)?;
        return Ok(socket);
    }
    let socket = match address {
        ListenAddress::Unix(path) => bound_unix(path, OPEN_TO_ALL, false)?,
        ListenAddress::Tcp(tcp) => {
            let socket = Socket::new(Domain::for_address(*tcp), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            if options.reuseport {
                socket.set_reuse_port(true)?;
            }
            if tcp.is_ipv6() {
                socket.set_only_v6(options.ipv6only)?;
            }
            system::bind(socket.as_fd(), &address.to_string(), socket.bind(&SockAddr::from(*tcp)))?;
            socket
        }
    };
    adjust(&socket, options)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// What can be said of a socket that listens already: nginx does the same at a reload.
pub fn adjust(socket: &Socket, options: &SocketOptions) -> io::Result<()> {
    if let Some(size) = options.rcvbuf {
        socket.set_recv_buffer_size(size as usize)?;
    }
    if let Some(size) = options.sndbuf {
        socket.set_send_buffer_size(size as usize)?;
    }
    socket.set_keepalive(options.keepalive)?;
    socket.listen(options.backlog.min(i32::MAX as u32) as i32)
}

/// A unix socket bound to a path, not yet listening. `replace`: also where another process listens.
pub fn bound_unix(path: &Path, mode: u32, replace: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let own = remove_stale(path, replace).and_then(|()| socket.bind(&SockAddr::unix(path)?));
    let set_mode = || std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    // The keeper sets the mode of what it binds itself.
    system::bind(socket.as_fd(), &format!("unix:{}", path.display()), own.and_then(|()| set_mode()))?;
    Ok(socket)
}

/// Removes a socket that a process which was killed has left behind; one that still answers is left alone.
pub fn remove_stale(path: &Path, replace: bool) -> io::Result<()> {
    if !replace && answers(path)? {
        return Err(io::Error::from_raw_os_error(libc::EADDRINUSE));
    }
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Whether somebody listens there, without waiting for a place in the queue.
fn answers(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?).map_err(|e| e.kind()) {
        Ok(()) | Err(io::ErrorKind::WouldBlock) => Ok(true),
        Err(denied @ io::ErrorKind::PermissionDenied) => Err(denied.into()),
        Err(_) => Ok(false),
    }
}

/// Lets a descriptor pass to a program that is executed: between fork and exec, in the child.
pub fn pass_on(number: i32) -> io::Result<()> {
    // SAFETY: fcntl takes three numbers.
    match unsafe { libc::fcntl(number, libc::F_SETFD, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    const OPTIONS: SocketOptions =
        SocketOptions { backlog: 5, ipv6only: true, reuseport: false, rcvbuf: None, sndbuf: None, keepalive: false };

    #[test]
    fn a_socket_left_behind_is_replaced_and_one_that_answers_is_not() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x.sock");
        let address = ListenAddress::Unix(path.clone());
        let open = || super::open(&address, &OPTIONS, &mut Inherited::default());
        let first = open().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
        assert_eq!(open().unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(path.exists());
        open().unwrap();
    }

    #[test]
    fn buffers_and_queue_of_a_listening_socket_can_be_changed() {
        let address = ListenAddress::Tcp("127.0.0.1:0".parse().unwrap());
        let socket = super::open(&address, &OPTIONS, &mut Inherited::default()).unwrap();
        let before = socket.recv_buffer_size().unwrap();
        adjust(&socket, &SocketOptions { rcvbuf: Some(8192), keepalive: true, backlog: 1, ..OPTIONS }).unwrap();
        assert!(socket.recv_buffer_size().unwrap() < before);
        assert!(socket.keepalive().unwrap());
    }

    #[test]
    fn an_inherited_socket_is_what_it_is_said_to_be_or_not_taken() {
        let open = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let given = open();
        let address = given.local_addr().unwrap();
        let number = std::os::fd::IntoRawFd::into_raw_fd(given);
        let (found, socket) = inherited(&format!("{address}={number}")).unwrap();
        assert_eq!((found, socket.as_raw_fd()), (ListenAddress::Tcp(address), number));
        let other = std::os::fd::IntoRawFd::into_raw_fd(open());
        assert!(inherited(&format!("{address}={other}")).is_none());
        for wrong in ["", "127.0.0.1:80", "127.0.0.1:80=x", "127.0.0.1:80=1", "127.0.0.1:80=99999"] {
            assert!(inherited(wrong).is_none(), "{wrong}");
        }
    }
}
