//! What comes before the first byte of HTTP on a connection to a server. Requests are sent by somebody else, who knows how; here it
//! is only done alike.

use async_trait::async_trait;
use std::fmt;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection, whatever it is wrapped in.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A header of the PROXY protocol, TLS, or both. Whoever calls it limits its time.
#[async_trait]
pub trait Opening: fmt::Debug + Send + Sync {
    async fn open(&self, stream: Box<dyn Stream>) -> io::Result<Box<dyn Stream>>;
}
