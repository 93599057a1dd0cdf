//! A way between two programs that can be cut: it refuses, is silent, is late, or carries nonsense.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::{ports, wait};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Open,
    /// Nobody listens, and what was connected is not any more.
    Refused,
    /// Connections stand and are accepted; nothing comes through.
    Silent,
    /// Every piece is late.
    Late(Duration),
    /// Answers are replaced by what is none.
    Garbage,
}

pub struct Relay {
    near: Near,
    way: watch::Sender<Way>,
    runtime: Option<Runtime>,
}

#[derive(Clone)]
enum Near {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Relay {
    /// On a port of its own.
    pub fn to(far: SocketAddr) -> Relay {
        Relay::start(Near::Tcp(ports::local(ports::free())), far)
    }

    /// On a socket of this name.
    pub fn on_socket(path: &Path, far: SocketAddr) -> Relay {
        Relay::start(Near::Unix(path.to_path_buf()), far)
    }

    fn start(near: Near, far: SocketAddr) -> Relay {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (way, seen) = watch::channel(Way::Open);
        runtime.spawn(listen(near.clone(), far, seen));
        let relay = Relay { near, way, runtime: Some(runtime) };
        relay.wait_listening(true);
        relay
    }

    /// Of one on a port.
    pub fn address(&self) -> SocketAddr {
        match &self.near {
            Near::Tcp(address) => *address,
            Near::Unix(path) => panic!("{} is no port", path.display()),
        }
    }

    /// From now on it is so.
    pub fn turn(&self, way: Way) {
        self.way.send_replace(way);
        self.wait_listening(way != Way::Refused);
    }

    fn wait_listening(&self, wanted: bool) {
        let listens = || match &self.near {
            Near::Tcp(address) => wait::accepts(*address),
            Near::Unix(path) => std::os::unix::net::UnixStream::connect(path).is_ok(),
        };
        let reached = wait::until(Duration::from_secs(10), || (listens() == wanted).then_some(()));
        assert!(reached.is_some(), "the relay does not turn");
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn listen(near: Near, far: SocketAddr, mut way: watch::Receiver<Way>) {
    loop {
        if way.wait_for(|way| *way != Way::Refused).await.is_err() {
            return;
        }
        let listener = bind(&near).await;
        let mut refused = way.clone();
        let serve = async {
            loop {
                let near = accept(&listener).await;
                let way = way.clone();
                tokio::spawn(async move { carry(near, far, way).await });
            }
        };
        tokio::select! {
            () = serve => {}
            gone = refused.wait_for(|way| *way == Way::Refused) => if gone.is_err() { return },
        }
    }
}

async fn bind(near: &Near) -> Listener {
    match near {
        Near::Tcp(address) => Listener::Tcp(TcpListener::bind(address).await.expect("its port is free")),
        Near::Unix(path) => {
            let _ = std::fs::remove_file(path);
            Listener::Unix(UnixListener::bind(path).expect("its directory is there"))
        }
    }
}

async fn accept(listener: &Listener) -> Box<dyn Stream> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, _) = listener.accept().await.expect("a connection");
            let _ = stream.set_nodelay(true);
            Box::new(stream)
        }
        Listener::Unix(listener) => Box::new(listener.accept().await.expect("a connection").0),
    }
}

async fn carry(near: Box<dyn Stream>, far: SocketAddr, way: watch::Receiver<Way>) {
    let Ok(far) = TcpStream::connect(far).await else { return };
    let _ = far.set_nodelay(true);
    let (near_in, near_out) = tokio::io::split(near);
    let (far_in, far_out) = tokio::io::split(far);
    let mut refused = way.clone();
    // The end of one way is the end of both.
    tokio::select! {
        _ = pump(near_in, far_out, way.clone(), false) => {}
        _ = pump(far_in, near_out, way, true) => {}
        _ = refused.wait_for(|way| *way == Way::Refused) => {}
    }
}

async fn pump<R: Stream, W: Stream>(
    mut from: ReadHalf<R>,
    mut to: WriteHalf<W>,
    mut way: watch::Receiver<Way>,
    answers: bool,
) -> Option<()> {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut piece).await.ok().filter(|length| *length > 0)?;
        let now = *way.wait_for(|way| *way != Way::Silent).await.ok()?;
        match now {
            Way::Late(by) => tokio::time::sleep(by).await,
            Way::Garbage if answers => {
                to.write_all(b"\x00\xffWHAT? \r\n\r\nVALUE x 0 99999999\r\n").await.ok()?;
                continue;
            }
            _ => {}
        }
        to.write_all(&piece[..length]).await.ok()?;
    }
}
