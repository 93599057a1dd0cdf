//! The nodes of memcached: what is asked of them, with checked keys and a limit on every wait.
//!
//! `memcache-async` speaks the protocol and checks nothing: a CR LF in a key is a command, and a `get` that was given up
//! leaves its answer for whoever asks next on that connection. Hence a [`Key`] is the only thing that is ever sent as a key, and
//! a connection whose question was not answered whole is never used again.
//!
//! ```text
//!   node        what can be asked, and how long it is waited for
//!   question    each question in the protocol's words
//!   wire        a connection during one question; `reply` sees every byte before the protocol's reader does
//!   pool        the connections that lie idle, and whose turn it is
//!   breaker     a node that failed is left alone
//!   watch       a connection in the background that sees a node go and come back
//!   address     `host:port`, names looked up
//! ```
//!
//! Nothing newer than memcached 1.4.15 is used.

mod address;
mod breaker;
#[cfg(test)]
pub(crate) mod fuzzed;
mod key;
mod node;
mod pool;
mod question;
mod reply;
mod watch;
mod wire;

pub use breaker::Sight;
pub use key::Key;
pub use node::{Limits, Node};

use std::time::Duration;

/// How long an item lives. memcached reads more than 30 days as a date, so that no more is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life(u32);

impl Life {
    const LONGEST: u64 = 30 * 24 * 3600;

    /// Rounded up to whole seconds: an item never lives shorter than it is to.
    pub fn of(time: Duration) -> Life {
        let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        Life(seconds.clamp(1, Life::LONGEST) as u32)
    }

    /// Until memcached needs the room.
    pub const FOREVER: Life = Life(0);

    pub fn seconds(self) -> u32 {
        self.0
    }
}

/// Which state of an item was read (`gets`), for [`Node::cas`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(u64);

/// What became of a compare-and-swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    Stored,
    /// Somebody else has changed it meanwhile.
    Changed,
    /// It is not there any more.
    Gone,
}

/// Why a node did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    Refused(String),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// What came back is no answer of memcached's, or the connection broke.
    #[error("{0}")]
    Broken(String),
    /// It failed before and is left alone for a while.
    #[error("left alone after failures")]
    Open,
    /// As many requests wait for it as may.
    #[error("too many wait for it")]
    Busy,
    /// Bytes of a value that memcached would not store, or that is more than an edge reads.
    #[error("a value of {0} bytes is too large")]
    TooLarge(usize),
}
