//! The sockets edge listens on. They come and go with the configuration; connections that were accepted stay.

use super::front::Front;
use crate::proxy::snapshot::{ListenAddress, Snapshot, SocketOptions};
use crate::proxy::{Bound, Slot};
use pingora_core::protocols::l4::stream::Stream;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;

/// After an accept fails for lack of descriptors, this long nothing is accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {error}")]
pub struct BindError {
    address: ListenAddress,
    error: io::Error,
}

/// The listeners in force, by address.
#[derive(Default)]
pub struct Listeners(HashMap<ListenAddress, Listener>);

struct Listener {
    slot: Arc<Slot>,
    task: JoinHandle<()>,
}

enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listeners {
    /// Listens where the snapshot says: new sockets are opened first, and only if all of them could be, the others are
    /// bound to the snapshot and those it does not name are closed.
    pub fn apply(&mut self, snapshot: &Arc<Snapshot>, front: &Arc<Front>) -> Result<(), BindError> {
        let mut opened = Vec::new();
        for (place, socket) in snapshot.sockets.iter().enumerate() {
            if !self.0.contains_key(&socket.address) {
                let acceptor = open(&socket.address, &socket.options)
                    .map_err(|error| BindError { address: socket.address.clone(), error })?;
                opened.push((place, acceptor));
            }
        }
        let bound = |socket| Bound { snapshot: snapshot.clone(), socket };
        for (place, socket) in snapshot.sockets.iter().enumerate() {
            if let Some(listener) = self.0.get(&socket.address) {
                listener.slot.rebind(bound(place));
            }
        }
        for (place, acceptor) in opened {
            let slot = Arc::new(Slot::new(bound(place)));
            let task = tokio::spawn(accept(acceptor, slot.clone(), front.clone()));
            self.0.insert(snapshot.sockets[place].address.clone(), Listener { slot, task });
        }
        self.0.retain(|address, listener| {
            let stays = snapshot.sockets.iter().any(|s| s.address == *address);
            if !stays {
                listener.end(address);
            }
            stays
        });
        Ok(())
    }

    /// Accepts nothing more.
    pub fn close(&mut self) {
        for (address, listener) in self.0.drain() {
            listener.end(&address);
        }
    }
}

impl Listener {
    fn end(&self, address: &ListenAddress) {
        self.slot.leave();
        self.task.abort();
        if let ListenAddress::Unix(path) = address {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn open(address: &ListenAddress, options: &SocketOptions) -> io::Result<Acceptor> {
    let backlog = options.backlog.min(i32::MAX as u32) as i32;
    let socket = match address {
        ListenAddress::Unix(path) => {
            remove_stale(path)?;
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.bind(&SockAddr::unix(path)?)?;
            socket
        }
        ListenAddress::Tcp(address) => {
            let socket = Socket::new(Domain::for_address(*address), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            if options.reuseport {
                socket.set_reuse_port(true)?;
            }
            if address.is_ipv6() {
                socket.set_only_v6(options.ipv6only)?;
            }
            if let Some(size) = options.rcvbuf {
                socket.set_recv_buffer_size(size as usize)?;
            }
            if let Some(size) = options.sndbuf {
                socket.set_send_buffer_size(size as usize)?;
            }
            socket.set_keepalive(options.keepalive)?;
            socket.bind(&SockAddr::from(*address))?;
            socket
        }
    };
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok(match address {
        ListenAddress::Tcp(_) => Acceptor::Tcp(TcpListener::from_std(socket.into())?),
        ListenAddress::Unix(_) => Acceptor::Unix(UnixListener::from_std(socket.into())?),
    })
}

/// A socket that a process which was killed has left behind; one that still answers is left alone.
fn remove_stale(path: &std::path::Path) -> io::Result<()> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::from(io::ErrorKind::AddrInUse));
    }
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

async fn accept(acceptor: Acceptor, slot: Arc<Slot>, front: Arc<Front>) {
    loop {
        let stream: io::Result<Stream> = match &acceptor {
            Acceptor::Tcp(listener) => listener.accept().await.and_then(|(stream, _)| {
                stream.set_nodelay(true)?;
                Ok(stream.into())
            }),
            Acceptor::Unix(listener) => listener.accept().await.map(|(stream, _)| stream.into()),
        };
        match stream {
            Ok(stream) => front.take(stream, &slot),
            // The client was gone before it was accepted.
            Err(e) if matches!(e.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {}
            Err(e) => {
                log::error!(target: "edge::crit", "accept failed: {e}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
