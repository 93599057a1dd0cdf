//! One connection to a server, and what is on its way over it.

use super::super::line::Line;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A socket without anything around it.
#[derive(Debug)]
pub enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    pub fn descriptor(&self) -> RawFd {
        match self {
            Socket::Tcp(socket) => socket.as_raw_fd(),
            Socket::Unix(socket) => socket.as_raw_fd(),
        }
    }

    /// Whether the runtime has heard of something to read, or of the end. No system call.
    fn is_stirred(&self) -> bool {
        let nothing = || Ok(());
        match self {
            Socket::Tcp(socket) => socket.try_io(Interest::READABLE, nothing).is_ok(),
            Socket::Unix(socket) => socket.try_io(Interest::READABLE, nothing).is_ok(),
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tcp(socket) => Pin::new(socket).poll_read(cx, buf),
            Socket::Unix(socket) => Pin::new(socket).poll_read(cx, buf),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Socket::Tcp(socket) => Pin::new(socket).poll_write(cx, bytes),
            Socket::Unix(socket) => Pin::new(socket).poll_write(cx, bytes),
        }
    }
}

/// A connection and what is known of it. It holds no bytes: between two answers there are none.
#[derive(Debug)]
pub struct Link {
    // Closed before it is counted as closed.
    socket: Socket,
    line: Arc<Line>,
}

impl Link {
    pub fn new((socket, line): (Socket, Line)) -> Link {
        Link { socket, line: Arc::new(line) }
    }

    pub fn line(&self) -> &Arc<Line> {
        &self.line
    }

    #[cfg(test)]
    pub fn descriptor(&self) -> RawFd {
        self.socket.descriptor()
    }

    /// Whether the server has neither closed it nor said anything. One system call: what the runtime knows of a socket may be
    /// a turn old, and bytes that nobody asked for must not be taken for an answer.
    pub fn is_silent(&self) -> bool {
        let mut byte = 0_u8;
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        // SAFETY: the descriptor is open as long as the socket lives, and there is room for the one byte.
        let read = unsafe { libc::recv(self.socket.descriptor(), (&raw mut byte).cast(), 1, flags) };
        read < 0 && io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock
    }

    /// The same as far as the runtime knows.
    pub fn is_calm(&self) -> bool {
        !self.socket.is_stirred()
    }

    /// Reads once, about so many bytes at most; 0 is the end.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, inbox: &mut BytesMut, size: usize) -> Poll<io::Result<usize>> {
        if inbox.capacity() - inbox.len() < size / 4 {
            inbox.reserve(size);
        }
        let space = inbox.spare_capacity_mut();
        let most = space.len().min(size);
        let mut buf = ReadBuf::uninit(&mut space[..most]);
        ready!(self.socket.poll_read(cx, &mut buf))?;
        let n = buf.filled().len();
        // SAFETY: so many bytes of the spare capacity were just filled.
        unsafe { inbox.advance_mut(n) };
        Poll::Ready(Ok(n))
    }

    /// Writes what the socket takes of a request; how much that was. Ready once nothing is left.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, sending: &mut Sending) -> Poll<io::Result<()>> {
        while sending.is_under_way() {
            match ready!(self.socket.poll_write(cx, sending.next()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => sending.advance(n),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// A request on its way to the server.
#[derive(Default)]
pub struct Sending {
    /// The head, and a body that is small.
    text: BytesMut,
    /// A body that is not.
    body: Bytes,
    /// What is left of the head.
    head: usize,
    /// Bytes that the socket took.
    taken: u64,
}

/// A larger body is not copied behind the head.
const SMALL: usize = 16 << 10;

impl Sending {
    pub fn new(mut text: BytesMut, body: Bytes) -> Sending {
        let head = text.len();
        if body.len() > SMALL {
            return Sending { text, body, head, taken: 0 };
        }
        text.extend_from_slice(&body);
        Sending { text, body: Bytes::new(), head, taken: 0 }
    }

    pub fn is_under_way(&self) -> bool {
        !self.text.is_empty() || !self.body.is_empty()
    }

    pub fn is_in_head(&self) -> bool {
        self.head > 0
    }

    /// Bytes that the socket took.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Nothing more of it is sent.
    pub fn give_up(&mut self) {
        self.text = BytesMut::new();
        self.body = Bytes::new();
    }

    fn next(&self) -> &[u8] {
        if self.text.is_empty() { &self.body } else { &self.text }
    }

    fn advance(&mut self, n: usize) {
        self.taken += n as u64;
        self.head = self.head.saturating_sub(n);
        match self.text.is_empty() {
            true => self.body.advance(n),
            false => self.text.advance(n),
        }
    }
}
