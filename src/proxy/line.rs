//! One connection to a server, from its first request to its last.
//!
//! Pingora keeps idle connections, but neither counts what went over one nor how many lie idle for an upstream, and it forgets
//! what the server said of how long it waits. A [`Line`] rides on the connection (in its digest) and knows. Its request holds
//! a [`Lease`]; at the end of the answer that decides whether the connection is kept (`keepalive`, `keepalive_requests`,
//! `Keep-Alive: timeout=N`). One that is not is shut for reading, which Pingora finds when it is about to keep it.
//!
//! Always: a connection serves one request at a time, HTTP/2 ones too, so that the holder of the lease alone touches it.

use crate::upstream::{Connections, UpstreamSettings};
use pingora_core::protocols::Digest;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_http::ResponseHeader;
use std::collections::HashMap;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A server that says how long it waits is taken to wait so much less: its clock began earlier, and a request takes time to
/// get there. A request that meets the server's close is lost, or must be sent twice, which a POST may not.
pub const MARGIN: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub struct Line {
    descriptor: RawFd,
    connections: Arc<Connections>,
    /// Where it can be cut from outside, if anybody might want to.
    listed: Option<(Arc<Lines>, u64)>,
    requests: AtomicU32,
    /// Which process of the server it leads to, by the session room's numbers; 0: that was not looked at.
    process: AtomicU64,
    /// The server may close it from here on.
    until: Mutex<Option<Instant>>,
}

impl Line {
    /// A connection that was just made.
    pub fn new(descriptor: RawFd, connections: Arc<Connections>, lines: Option<&Arc<Lines>>) -> Line {
        connections.open();
        let listed = lines.and_then(|lines| Some((lines.clone(), lines.list(descriptor)?)));
        let (requests, process) = (AtomicU32::new(0), AtomicU64::new(0));
        Line { descriptor, connections, listed, requests, process, until: Mutex::new(None) }
    }

    /// What a stream carries so that [`Line::of`] finds it.
    pub fn digest(self) -> Option<ProxyDigest> {
        // Pingora wants a response with its data; nobody reads it.
        let response = ResponseHeader::build(200, Some(0)).ok()?;
        Some(ProxyDigest::new(Box::new(response), Some(Box::new(Arc::new(self)))))
    }

    pub fn of(digest: &Digest) -> Option<&Arc<Line>> {
        digest.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref()
    }

    /// Whether it is known to lead to this process, or to one that has ended before it.
    pub fn leads_to(&self, process: u64) -> bool {
        process != 0 && self.process.load(Relaxed) == process
    }

    /// This process was found alive after the connection was made.
    pub fn note_process(&self, process: u64) {
        self.process.store(process, Relaxed);
    }

    /// Whether the server may be closing it by now: nothing is to be sent over it any more.
    pub fn is_outlived(&self, now: Instant) -> bool {
        self.until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| now >= until)
    }

    pub fn lease(self: &Arc<Self>) -> Lease {
        self.requests.fetch_add(1, Relaxed);
        self.connections.begin();
        Lease { line: self.clone(), held: true }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.connections.close();
        if let Some((lines, number)) = &self.listed {
            lines.open().remove(number);
        }
    }
}

/// The connections to one server, so that all of them can be cut at once: a server that may be dead must not go on with requests
/// whose session somebody else is about to take over.
#[derive(Debug, Default)]
pub struct Lines {
    /// Descriptors of their own: whoever reads and writes may have closed his, and the number may be another socket's by now.
    open: Mutex<HashMap<u64, OwnedFd>>,
    next: AtomicU64,
}

impl Lines {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, OwnedFd>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its number; nothing if the process has no descriptor left, and then it cannot be cut.
    fn list(&self, descriptor: RawFd) -> Option<u64> {
        // SAFETY: the caller holds the descriptor open.
        let own = unsafe { BorrowedFd::borrow_raw(descriptor) }.try_clone_to_owned().ok()?;
        let number = self.next.fetch_add(1, Relaxed);
        self.open().insert(number, own);
        Some(number)
    }

    /// Ends them all; who waits for an answer finds his connection closed.
    pub fn cut(&self) {
        for descriptor in self.open().values() {
            // SAFETY: a plain system call on a descriptor of our own.
            unsafe { libc::shutdown(descriptor.as_raw_fd(), libc::SHUT_RDWR) };
        }
    }
}

/// A request's hold on its connection.
#[derive(Debug)]
pub struct Lease {
    line: Arc<Line>,
    held: bool,
}

impl Lease {
    /// The whole answer is there, and Pingora still holds the connection. `announced`: what the server said of how long it
    /// waits for another request.
    pub fn end(&mut self, settings: &UpstreamSettings, announced: Option<Duration>, now: Instant) {
        self.release();
        let spent = self.line.requests.load(Relaxed) as usize >= settings.keepalive_requests;
        let too_many = self.line.connections.idle() > settings.keepalive;
        let too_short = announced.is_some_and(|a| a <= MARGIN);
        let is_last = spent || too_many || too_short;
        if is_last {
            // SAFETY: a plain system call; the descriptor is open as long as Pingora holds the connection, and it does.
            unsafe { libc::shutdown(self.line.descriptor, libc::SHUT_RD) };
        }
        // The task that drives a connection of HTTP/2 may find it shut only after Pingora has handed it to another request.
        let until = if is_last { Some(now) } else { announced.map(|a| now + a.saturating_sub(MARGIN)) };
        *self.line.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    fn release(&mut self) {
        if std::mem::take(&mut self.held) {
            self.line.connections.end();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.release();
    }
}

/// `Keep-Alive: timeout=5, max=100`
pub fn announced(head: &ResponseHeader) -> Option<Duration> {
    let value = head.headers.get("keep-alive")?.to_str().ok()?;
    value.split(',').find_map(|parameter| {
        let (name, seconds) = parameter.split_once('=')?;
        let seconds = seconds.trim().trim_matches('"').parse::<u32>().ok()?;
        name.trim().eq_ignore_ascii_case("timeout").then(|| Duration::from_secs(u64::from(seconds)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    fn settings(keepalive: usize, requests: usize) -> UpstreamSettings {
        UpstreamSettings { keepalive, keepalive_requests: requests, ..UpstreamSettings::new("u") }
    }

    fn is_shut(mut stream: &UnixStream) -> bool {
        stream.set_nonblocking(true).unwrap();
        matches!(stream.read(&mut [0]), Ok(0))
    }

    fn line(connections: &Arc<Connections>) -> (UnixStream, UnixStream, Arc<Line>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let line = Arc::new(Line::new(ours.as_raw_fd(), connections.clone(), None));
        (ours, theirs, line)
    }

    #[test]
    fn a_connection_is_shut_after_its_last_request() {
        let (stream, _theirs, line) = line(&Arc::default());
        line.lease().end(&settings(8, 2), None, Instant::now());
        assert!(!is_shut(&stream));
        assert!(!line.is_outlived(Instant::now()));
        line.lease().end(&settings(8, 2), None, Instant::now());
        assert!(is_shut(&stream) && line.is_outlived(Instant::now()));
    }

    #[test]
    fn no_more_connections_lie_idle_than_keepalive_says() {
        let connections = Arc::default();
        let lines: Vec<_> = (0..3).map(|_| line(&connections)).collect();
        let mut leases: Vec<_> = lines.iter().map(|(_, _, line)| line.lease()).collect();
        leases.iter_mut().for_each(|lease| lease.end(&settings(2, 100), None, Instant::now()));
        let shut: Vec<bool> = lines.iter().map(|(stream, ..)| is_shut(stream)).collect();
        assert_eq!(shut, [false, false, true]);
        drop((lines, leases));
        assert_eq!(connections.idle(), 0);
    }

    #[test]
    fn all_connections_to_a_server_are_cut_at_once_and_no_other() {
        let lines = Arc::new(Lines::default());
        let make = || {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let line = Line::new(ours.as_raw_fd(), Arc::default(), Some(&lines));
            (ours, theirs, line)
        };
        let (first, second) = (make(), make());
        let (gone, _theirs, line) = make();
        drop(line);
        lines.cut();
        assert!(is_shut(&first.0) && is_shut(&second.0) && !is_shut(&gone));
        drop((first, second));
        assert!(lines.open().is_empty());
    }

    #[test]
    fn what_a_server_announces_is_believed_but_for_a_margin() {
        let now = Instant::now();
        let (stream, _theirs, line) = line(&Arc::default());
        line.lease().end(&settings(8, 100), Some(Duration::from_secs(2)), now);
        assert!(!line.is_outlived(now + Duration::from_millis(1499)));
        assert!(line.is_outlived(now + Duration::from_millis(1500)));
        line.lease().end(&settings(8, 100), Some(Duration::ZERO), now);
        assert!(is_shut(&stream));
    }

    #[test]
    fn the_announcement_is_read_as_servers_write_it() {
        let read = |value: &str| {
            let mut head = ResponseHeader::build(200, None).unwrap();
            head.insert_header("Keep-Alive", value).unwrap();
            announced(&head).map(|d| d.as_secs())
        };
        assert_eq!(read("timeout=5, max=100"), Some(5));
        assert_eq!(read("max=100,Timeout = 20"), Some(20));
        assert_eq!(read("timeout=soon"), None);
        assert_eq!(read("60"), None);
    }
}
