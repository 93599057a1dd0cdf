//! Asking a running edge over its control socket.

use super::Answer;
use crate::config::diagnostics::plain;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Longer than any command may take.
const LIMIT: Duration = Duration::from_secs(75);
/// The longest answer.
const LONGEST: u64 = 16 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Nobody listens there: edge does not run, or has no control socket.
    #[error("{0}")]
    Nobody(String),
    /// Somebody does, and something went wrong.
    #[error("{0}")]
    Broken(String),
}

/// Asks; ends within a limit.
pub fn ask(path: &Path, words: &[&str]) -> Result<Answer, Unanswered> {
    let told = |e: &io::Error| format!("{}: {}", path.display(), plain(e));
    let stream = connect(path).map_err(|e| Unanswered::Nobody(told(&e)))?;
    let text = converse(stream, words).map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            Unanswered::Broken(format!("{}: no answer within {LIMIT:?}", path.display()))
        }
        _ => Unanswered::Broken(told(&e)),
    })?;
    Answer::from_text(&text)
        .ok_or_else(|| Unanswered::Broken(format!("{}: the answer was cut off; did edge end?", path.display())))
}

/// Without waiting for a place in the queue: who is that busy does not answer either.
fn connect(path: &Path) -> io::Result<UnixStream> {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&socket2::SockAddr::unix(path)?)?;
    socket.set_nonblocking(false)?;
    Ok(UnixStream::from(std::os::fd::OwnedFd::from(socket)))
}

fn converse(mut stream: UnixStream, words: &[&str]) -> io::Result<String> {
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let mut line = serde_json::to_vec(words)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
