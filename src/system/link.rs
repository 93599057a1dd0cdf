//! The way to the keeper: one question at a time, each with a limit.

use super::channel::{Channel, Received, Reply, Request};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer is waited for.
pub const LIMIT: Duration = Duration::from_secs(10);

struct Link {
    channel: Channel,
    /// So that an answer that came too late is not taken for the next one.
    number: u32,
}

static LINK: OnceLock<Mutex<Link>> = OnceLock::new();

/// From now on the keeper is asked over this channel.
pub fn connect(channel: Channel) -> io::Result<()> {
    channel.set_limit(LIMIT)?;
    let _ = LINK.set(Mutex::new(Link { channel, number: 0 }));
    Ok(())
}

pub fn has_keeper() -> bool {
    LINK.get().is_some()
}

/// Asks the keeper; a refusal and a keeper that has died are errors.
pub fn ask(request: &Request, descriptor: Option<BorrowedFd<'_>>) -> io::Result<Reply> {
    let link = LINK.get().ok_or_else(|| io::Error::from(io::ErrorKind::PermissionDenied))?;
    let mut link = link.lock().unwrap_or_else(PoisonError::into_inner);
    link.number = link.number.wrapping_add(1);
    let number = link.number;
    link.channel.send(number, &request.to_bytes(), descriptor)?;
    let end = Instant::now() + LIMIT;
    while Instant::now() < end {
        let Some(Received { number: of, bytes, descriptor }) = link.channel.receive()? else {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the process that stayed root has ended"));
        };
        if of == number {
            return Reply::from_bytes(&bytes, descriptor);
        }
    }
    Err(io::Error::from(io::ErrorKind::TimedOut))
}
