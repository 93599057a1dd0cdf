//! A listener that can be switched off and on again at the same address.
//!
//! The demo kills its applications as a machine would: connections vanish at once and the port refuses. While a
//! service is off its port stays bound without listening, because a free port could be handed out as the local end
//! of a connection, even of one to itself, and then a dead application would seem to answer.
//! At most `CONNECTIONS` are served at a time; a panic in one of them ends that one.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Mutex, oneshot};
use tokio::task::{JoinHandle, JoinSet};

const CONNECTIONS: usize = 512;
const BACKLOG: u32 = 1024;

/// What is done with each accepted connection.
pub(super) type Serve = Arc<dyn Fn(TcpStream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

pub(super) struct Service {
    pub address: SocketAddr,
    serve: Serve,
    up: AtomicBool,
    state: Mutex<State>,
}

enum State {
    On(Running),
    /// The socket that keeps the port, if it could be had.
    Off(Option<TcpSocket>),
}

struct Running {
    /// Dropping it stops the service, so that a forgotten one ends too.
    _stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Service {
    /// Listens on loopback; port 0 picks a free one.
    pub async fn start(port: u16, serve: Serve) -> io::Result<Service> {
        let socket = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        let service = Service {
            address: socket.local_addr()?,
            serve,
            up: AtomicBool::new(false),
            state: Mutex::new(State::Off(Some(socket))),
        };
        service.resume().await?;
        Ok(service)
    }

    /// Listens again; does nothing while it listens.
    pub async fn resume(&self) -> io::Result<()> {
        let mut state = self.state.lock().await;
        let State::Off(reserved) = &mut *state else {
            return Ok(());
        };
        let socket = match reserved.take() {
            Some(socket) => socket,
            None => bind(self.address)?,
        };
        let listener = socket.listen(BACKLOG)?;
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(accept(listener, self.serve.clone(), stopped));
        *state = State::On(Running { _stop: stop, ended });
        self.up.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Drops the listener and every connection; when it returns, all are gone and the port refuses.
    pub async fn halt(&self) {
        let mut state = self.state.lock().await;
        self.up.store(false, Ordering::SeqCst);
        if let State::On(running) = std::mem::replace(&mut *state, State::Off(None)) {
            drop(running._stop);
            let _ = running.ended.await;
            *state = State::Off(bind(self.address).ok());
        }
    }

    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::SeqCst)
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // Connections of an earlier life may linger in TIME_WAIT; a second listener is refused all the same.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn accept(listener: TcpListener, serve: Serve, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    connections.spawn(serve(stream));
                }
                // Out of descriptors: they come back, and a busy loop would not help.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
        }
    }
    drop(listener);
    connections.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn echo() -> Serve {
        Arc::new(|mut stream| {
            Box::pin(async move {
                let mut byte = [0];
                while stream.read_exact(&mut byte).await.is_ok() {
                    let _ = stream.write_all(&byte).await;
                }
            })
        })
    }

    async fn ask(stream: &mut TcpStream) -> io::Result<u8> {
        stream.write_all(b"x").await?;
        stream.read_u8().await
    }

    #[tokio::test]
    async fn a_halted_service_drops_connections_and_refuses_until_it_resumes_on_its_port() {
        let service = Service::start(0, echo()).await.unwrap();
        for _ in 0..3 {
            let mut stream = TcpStream::connect(service.address).await.unwrap();
            assert_eq!(ask(&mut stream).await.unwrap(), b'x');
            service.halt().await;
            assert!(!service.is_up());
            assert!(ask(&mut stream).await.is_err());
            let refused = TcpStream::connect(service.address).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            service.resume().await.unwrap();
            service.resume().await.unwrap();
            assert!(service.is_up());
        }
    }

    #[tokio::test]
    async fn a_port_that_another_service_listens_on_is_an_error() {
        let first = Service::start(0, echo()).await.unwrap();
        let second = Service::start(first.address.port(), echo()).await;
        assert_eq!(second.err().unwrap().kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn a_halted_port_stays_bound() {
        let service = Service::start(0, echo()).await.unwrap();
        service.halt().await;
        let other = TcpSocket::new_v4().unwrap();
        let taken = other.bind(service.address).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        service.resume().await.unwrap();
    }
}
