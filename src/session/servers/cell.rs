//! What requests read of a server, without a lock: the last decision, and what they have to say to the watch.
//!
//! Which process a request meets. A request is decided with what is known of one process, and must not come to a later one that was
//! not looked at. Nobody tells an edge at once that a process has ended; but the connection that watches it has ended with it.
//! So the processes are numbered by that connection, and who is about to send a request asks the kernel ([`Cell::stands`]) whether the
//! one with the number that was meant is whole. If it is, the process lives, and no other has come after it: whatever connection
//! there was *before* that look leads to it, or to one before it, which is dead and answers nobody.
//!
//! That is true of the connection for good: it cannot come to lead to a later process than the one that it was made to. So it carries
//! the number, and a request that means the same number need not ask again ([`Cell::means`]):
//!
//! - A restart: the connection that is watched has ended, so the next one has another number, and requests mean that one or are
//!   decided anew. One that still means the old number gets a connection to the old process, which breaks; or a new connection,
//!   which carries no number, and asks.
//! - Frozen and resumed: it is the same process with the same number. That its sessions may have been taken meanwhile is told by its
//!   state, which is read after the number, and what was open to it was cut.
//! - The server closes the connection that is watched, as some do now and then: another number for the same process. Each open
//!   connection asks once more and carries that one then.
//! - A doubt, or a question without an answer, makes a second connection while the first one is whole: the same process, so the same
//!   number. If the first one is not, another number, as after a restart.
//! - A reload may make other cells for the same servers: no number is ever given twice.
//!
//! A process that has just ended, unnoticed, takes a request on an open connection with it. So one that must not be repeated asks
//! all the same.

use super::life::State;
use arc_swap::ArcSwapOption;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Moments as milliseconds since one of them, 0 for never: what fits into an atomic.
#[derive(Clone, Copy, Debug)]
pub struct Epoch(Instant);

impl Epoch {
    pub fn begin() -> Epoch {
        Epoch(Instant::now())
    }

    pub fn mark(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.0).as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    pub fn moment(&self, mark: u64) -> Option<Instant> {
        self.0.checked_add(Duration::from_millis(mark.checked_sub(1)?))
    }
}

/// One server.
#[derive(Debug, Default)]
pub struct Cell {
    state: AtomicU8,
    instance: AtomicU64,
    restarted: AtomicU64,
    changed: AtomicU64,
    /// A decision is a moment away.
    pub open: AtomicBool,
    /// How often it was doubted, and up to which doubt it was looked at.
    pub doubts: AtomicU64,
    pub looked: AtomicU64,
    /// When it last answered a request.
    pub heard: AtomicU64,
    /// There is a reason to look.
    pub look: Notify,
    /// The connection that is watched. It ends with the process at its other end, whether that was noticed yet or not.
    line: ArcSwapOption<Watched>,
}

/// The next number of a process, of whatever server.
static NEXT: AtomicU64 = AtomicU64::new(1);

#[derive(Debug)]
struct Watched {
    /// Of the process.
    number: u64,
    /// Of its own: the eye may have closed its one.
    descriptor: OwnedFd,
}

impl Watched {
    /// Asks the kernel, which knows before anybody here does.
    fn is_whole(&self) -> bool {
        is_whole(&self.descriptor)
    }
}

/// Whether the other side has not closed this connection.
pub fn is_whole(descriptor: &OwnedFd) -> bool {
    let closed = libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR;
    let mut asked = libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
    // SAFETY: a plain system call on a value that lives during it; it does not wait.
    let found = unsafe { libc::poll(&raw mut asked, 1, 0) };
    found <= 0 || asked.revents & closed == 0
}

const STATES: [State; 5] = [State::Unknown, State::Up, State::Suspect, State::Fenced, State::Dead];

impl Cell {
    /// Whoever reads the state reads at least this instance. Whether anything has changed.
    pub fn publish(&self, state: State, instance: u64, restarted: u64, open: bool, now: u64) -> bool {
        let before = (self.instance.load(Ordering::Relaxed), self.restarted.load(Ordering::Relaxed));
        let was_open = self.open.load(Ordering::Relaxed);
        self.instance.store(instance, Ordering::Relaxed);
        self.restarted.store(restarted, Ordering::Relaxed);
        let number = STATES.iter().position(|s| *s == state).unwrap_or_default() as u8;
        let (known, differs) =
            (self.state() != State::Unknown, self.state() != state || before != (instance, restarted));
        if known && differs {
            // Before the state, and the end of the millisecond: what was looked at before this is never taken for newer.
            self.changed.store(now.saturating_add(1), Ordering::Release);
        }
        let state_before = self.state.swap(number, Ordering::Release);
        self.open.store(open, Ordering::Release);
        before != (instance, restarted) || state_before != number || was_open != open
    }

    pub fn state(&self) -> State {
        STATES[usize::from(self.state.load(Ordering::Acquire)) % STATES.len()]
    }

    pub fn instance(&self) -> u64 {
        self.instance.load(Ordering::Relaxed)
    }

    pub fn changed(&self) -> u64 {
        self.changed.load(Ordering::Acquire)
    }

    pub fn restarted(&self) -> u64 {
        self.restarted.load(Ordering::Relaxed)
    }

    /// Another connection is watched. After what was seen before it is published: whoever finds its number has decided with that.
    pub fn watch(&self, descriptor: OwnedFd) {
        // As long as the one before is whole, it is the same process, and what was decided with it holds.
        let same = self.line.load().as_ref().filter(|line| line.is_whole()).map(|line| line.number);
        let number = same.unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed));
        self.line.store(Some(Arc::new(Watched { number, descriptor })));
    }

    /// The number of the process that is watched; 0 if there was none.
    pub fn standing(&self) -> u64 {
        self.line.load().as_ref().map_or(0, |line| line.number)
    }

    /// Whether a connection is watched that the server has not closed.
    pub fn is_watched(&self) -> bool {
        self.line.load().as_ref().is_some_and(|line| line.is_whole())
    }

    /// Whether that is the process still, as far as is known: nobody is asked.
    pub fn means(&self, number: u64) -> bool {
        number != 0 && self.standing() == number
    }

    /// Whether it is, and lives.
    pub fn stands(&self, number: u64) -> bool {
        self.line.load().as_ref().map_or(number == 0, |line| line.number == number && line.is_whole())
    }

    /// A look is wanted; its number.
    pub fn doubt(&self) -> u64 {
        let number = self.doubts.fetch_add(1, Ordering::AcqRel) + 1;
        self.look.notify_one();
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_second_look_while_the_connection_is_whole_makes_no_other_process_of_it() {
        let cell = Cell::default();
        let (ours, theirs) = UnixStream::pair().unwrap();
        cell.watch(ours.into());
        let meant = cell.standing();
        let (again, others) = UnixStream::pair().unwrap();
        cell.watch(again.into());
        assert!(cell.stands(meant) && cell.is_watched());
        drop((theirs, others));
        assert!(!cell.stands(meant) && !cell.is_watched());
        let (ours, _theirs) = UnixStream::pair().unwrap();
        cell.watch(ours.into());
        assert!(!cell.stands(meant) && cell.is_watched());
    }

    #[test]
    fn a_process_is_meant_until_another_is_watched_and_no_number_is_given_twice() {
        let (cell, other) = (Cell::default(), Cell::default());
        assert!(!cell.means(cell.standing()), "nobody is watched");
        let (ours, theirs) = UnixStream::pair().unwrap();
        cell.watch(ours.into());
        let (elsewhere, _theirs) = UnixStream::pair().unwrap();
        other.watch(elsewhere.into());
        let meant = cell.standing();
        assert!(cell.means(meant) && cell.stands(meant) && meant != other.standing());
        drop(theirs);
        assert!(cell.means(meant) && !cell.stands(meant), "only who asks the kernel knows by now");
        let (ours, _theirs) = UnixStream::pair().unwrap();
        cell.watch(ours.into());
        assert!(!cell.means(meant) && cell.standing() != other.standing());
    }
}
