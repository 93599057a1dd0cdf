//! The handshake. Its time limit is the caller's: a dropped `accept` closes the socket.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use pingora_core::protocols::l4::stream::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

use super::{Server, Session, TlsStream};

/// A ClientHello usually has 500 to 1800 bytes.
const FIRST_READ: usize = 2048;

/// Fatal, `unrecognized_name`, in a record of its own.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// A connection whose handshake is done.
#[derive(Debug)]
pub struct Accepted {
    pub stream: TlsStream,
    pub session: Arc<Session>,
}

/// A connection that will not be one under TLS.
#[derive(Debug)]
pub enum Rejected {
    /// The client speaks no TLS: here is its connection, with all it sent, for nginx's `The plain HTTP request was sent to
    /// HTTPS port` (497).
    Plain(Box<Stream>),
    /// The client has been told, as far as it can be.
    Failed(Failure),
    /// The client went away.
    Closed,
}

/// Why a handshake failed, for the log.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    Tls(rustls::Error),
    #[error("{0}")]
    Io(io::Error),
    #[error("handshake rejected: no server takes {}", .0.as_deref().map_or("clients that name none".to_owned(), |name| format!("`{name}`")))]
    NoServer(Option<String>),
}

impl From<io::Error> for Rejected {
    fn from(error: io::Error) -> Rejected {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Rejected::Closed;
        }
        // tokio-rustls wraps rustls's errors.
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).cloned();
        Rejected::Failed(tls.map_or_else(|| Failure::Io(error), Failure::Tls))
    }
}

/// Accepts a TLS connection. `choose` gets the name that the client asks for, in lower case, and gives the server whose
/// certificate and settings count.
pub async fn accept(
    mut stream: Stream,
    choose: impl FnOnce(Option<&str>) -> Option<Arc<Server>>,
) -> Result<Accepted, Rejected> {
    let began = Instant::now();
    let mut first = [0; FIRST_READ];
    let length = stream.read(&mut first).await?;
    stream.rewind(&first[..length]);
    match first[..length].first() {
        None => return Err(Rejected::Closed),
        Some(byte) if !is_tls(*byte) => return Err(Rejected::Plain(stream.into())),
        Some(_) => {}
    }
    let start = read_hello(stream).await?;
    let name = start.client_hello().server_name().map(str::to_owned);
    let server = choose(name.as_deref());
    match server.as_ref().and_then(|server| Some((server, server.config.clone()?))) {
        Some((server, config)) => shake_hands(start, server, config, began).await,
        None => {
            bid_farewell(start.io, &UNRECOGNIZED_NAME).await;
            Err(Rejected::Failed(Failure::NoServer(name)))
        }
    }
}

/// By nginx's rule: a handshake record, or a ClientHello of SSLv2, which fails with an alert.
fn is_tls(byte: u8) -> bool {
    byte == 22 || byte & 0x80 != 0
}

async fn read_hello(stream: Stream) -> Result<StartHandshake<Stream>, Rejected> {
    let mut acceptor = LazyConfigAcceptor::new(Default::default(), stream);
    match (&mut acceptor).await {
        Ok(start) => Ok(start),
        Err(error) => {
            if let Some(stream) = acceptor.take_io() {
                bid_farewell(stream, &[]).await;
            }
            Err(error.into())
        }
    }
}

async fn shake_hands(
    start: StartHandshake<Stream>,
    server: &Server,
    config: Arc<rustls::ServerConfig>,
    began: Instant,
) -> Result<Accepted, Rejected> {
    match start.into_stream(config).into_fallible().await {
        Ok(stream) => {
            let session = Arc::new(Session::new(stream.get_ref().1, server));
            Ok(Accepted { stream: TlsStream::new(stream, session.clone(), began), session })
        }
        Err((error, stream)) => {
            bid_farewell(stream, &[]).await;
            Err(error.into())
        }
    }
}

/// Sends an alert, or the one that rustls left in the buffer of the stream. A client that takes none is none to worry about.
async fn bid_farewell(mut stream: Stream, alert: &[u8]) {
    let said = async {
        stream.write_all(alert).await?;
        stream.flush().await?;
        stream.shutdown().await
    };
    if let Err(error) = said.await {
        log::debug!("an alert could not be sent: {error}");
    }
}
