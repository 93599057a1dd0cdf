//! The sockets edge listens on. They come and go with the configuration; connections that were accepted stay.

use super::front::Front;
use super::sockets::{self, Inherited};
use crate::proxy::api::Operator;
use crate::proxy::snapshot::{ListenAddress, Snapshot, SocketOptions};
use crate::proxy::{Bound, Slot};
use crate::system;
use pingora_core::protocols::l4::stream::Stream;
use socket2::Socket;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;

/// After an accept fails for lack of descriptors, this long nothing is accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// While they fail, it is told again after so long.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// How long the last accept is waited for.
const LAST_ACCEPT: Duration = Duration::from_secs(1);

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {error}")]
pub struct BindError {
    address: ListenAddress,
    error: io::Error,
}

/// The listeners in force.
#[derive(Default)]
pub struct Listeners {
    by_address: HashMap<ListenAddress, Listener>,
    inherited: Inherited,
    /// Who does what is asked of edge over HTTP.
    operator: Option<Arc<dyn Operator>>,
    /// Another process listens on the same sockets: the files of unix sockets stay.
    pub handed_over: bool,
}

struct Listener {
    slot: Arc<Slot>,
    task: JoinHandle<()>,
    /// The same socket as the task's, for what is asked of it besides connections.
    socket: Socket,
    options: SocketOptions,
}

/// Sockets that a snapshot needs and that were not there, open and not yet used: by their places in the snapshot.
pub struct Opened(Vec<(usize, Socket, Acceptor)>);

enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listeners {
    pub fn inheriting(inherited: Inherited, operator: Arc<dyn Operator>) -> Listeners {
        Listeners { inherited, operator: Some(operator), ..Listeners::default() }
    }

    /// Opens the sockets the snapshot needs and that are not there, all or none.
    pub fn open(&mut self, snapshot: &Snapshot) -> Result<Opened, BindError> {
        let mut opened = Opened(Vec::new());
        for (place, wanted) in snapshot.sockets.iter().enumerate() {
            if self.by_address.contains_key(&wanted.address) {
                continue;
            }
            let socket = sockets::open(&wanted.address, &wanted.options, &mut self.inherited);
            match socket.and_then(|socket| Ok((socket.try_clone()?, acceptor(socket, &wanted.address)?))) {
                Ok((socket, acceptor)) => opened.0.push((place, socket, acceptor)),
                Err(error) => {
                    opened.close(snapshot);
                    return Err(BindError { address: wanted.address.clone(), error });
                }
            }
        }
        Ok(opened)
    }

    /// Listens where the snapshot says, and nowhere else: the other listeners are bound to it, those it does not name end.
    pub fn apply(&mut self, snapshot: &Arc<Snapshot>, opened: Opened, front: &Arc<Front>) {
        let bound = |socket| Bound { snapshot: snapshot.clone(), socket };
        for (place, socket) in snapshot.sockets.iter().enumerate() {
            if let Some(listener) = self.by_address.get_mut(&socket.address) {
                listener.slot.rebind(bound(place));
                listener.change(&socket.address, &socket.options);
            }
        }
        for (place, socket, acceptor) in opened.0 {
            let slot = Slot::new(bound(place)).with_errands(front.clone());
            let slot = Arc::new(slot.with_operator(self.operator.clone()));
            let task = tokio::spawn(accept(acceptor, slot.clone(), front.clone()));
            let wanted = &snapshot.sockets[place];
            let listener = Listener { slot, task, socket, options: wanted.options.clone() };
            self.by_address.insert(wanted.address.clone(), listener);
        }
        let handed_over = self.handed_over;
        self.by_address.retain(|address, listener| {
            let stays = snapshot.sockets.iter().any(|s| s.address == *address);
            if !stays {
                listener.end(address, handed_over);
            }
            stays
        });
        self.inherited.close();
    }

    /// Every listening socket with its address.
    pub fn sockets(&self) -> impl Iterator<Item = (String, &Socket)> {
        self.by_address.iter().map(|(address, listener)| (address.to_string(), &listener.socket))
    }

    /// Accepts nothing more: once this is over, whatever was accepted is counted.
    pub async fn close(&mut self) {
        let mut tasks = Vec::new();
        for (address, listener) in self.by_address.drain() {
            listener.end(&address, self.handed_over);
            tasks.push(listener.task);
        }
        for task in tasks {
            // It ends where it waits next; a connection it has just taken is not lost.
            let _ = tokio::time::timeout(LAST_ACCEPT, task).await;
        }
    }
}

impl Opened {
    /// They are not needed: no trace is left of them.
    pub fn close(self, snapshot: &Snapshot) {
        for (place, ..) in self.0 {
            remove_file_of(&snapshot.sockets[place].address);
        }
    }
}

impl Listener {
    /// As nginx: queue and buffers of a socket change with a reload, what it was bound with does not.
    fn change(&mut self, address: &ListenAddress, options: &SocketOptions) {
        if self.options == *options {
            return;
        }
        if (self.options.ipv6only, self.options.reuseport) != (options.ipv6only, options.reuseport) {
            log::warn!("`ipv6only` and `reuseport` of {address} count from the next start on");
        }
        if let Err(e) = sockets::adjust(&self.socket, options) {
            log::error!("the options of {address} could not be changed: {e}");
        }
        self.options = options.clone();
    }

    fn end(&self, address: &ListenAddress, handed_over: bool) {
        self.slot.leave();
        self.task.abort();
        if !handed_over {
            remove_file_of(address);
        }
    }
}

fn remove_file_of(address: &ListenAddress) {
    if let ListenAddress::Unix(path) = address {
        let _ = system::remove(path);
    }
}

fn acceptor(socket: Socket, address: &ListenAddress) -> io::Result<Acceptor> {
    Ok(match address {
        ListenAddress::Tcp(_) => Acceptor::Tcp(TcpListener::from_std(socket.into())?),
        ListenAddress::Unix(_) => Acceptor::Unix(UnixListener::from_std(socket.into())?),
    })
}

/// Accepts that fail. For lack of descriptors they do so ten times a second, for as long as somebody likes: a line
/// for each would fill the disk as well.
#[derive(Default)]
struct Failures {
    untold: u64,
    told: Option<Instant>,
}

impl Failures {
    fn note(&mut self, e: &io::Error) {
        self.untold += 1;
        if self.told.is_some_and(|told| told.elapsed() < TELL_EVERY) {
            return;
        }
        match self.untold {
            1 => log::error!(target: "edge::crit", "accept failed: {e}"),
            n => log::error!(target: "edge::crit", "accept failed: {e}; {n} times since this was told last"),
        }
        *self = Failures { untold: 0, told: Some(Instant::now()) };
    }
}

async fn accept(acceptor: Acceptor, slot: Arc<Slot>, front: Arc<Front>) {
    let mut failures = Failures::default();
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
                failures.note(&e);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
