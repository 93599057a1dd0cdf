//! What rules have decided over a request, for whoever does it.

use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Everything rules have decided so far, phase after phase.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The request goes no further.
    pub answer: Option<Answer>,
    /// The request's target is another one.
    pub target: Option<Target>,
    /// Fields of the request that the upstream is sent.
    pub to_upstream: Vec<Change>,
    /// Fields of the answer that the client is told.
    pub to_client: Vec<Change>,
    pub upstream: Option<Arc<str>>,
    /// A server of the upstream, by its route or its address.
    pub server: Option<Vec<u8>>,
    pub cache: CacheWishes,
    pub mirrors: Vec<Copy>,
    /// How long the request waits before it goes on.
    pub delay: Duration,
    /// Whether it has a line in the access log; `None`: as the configuration says.
    pub sampled: Option<bool>,
    /// Conditions that had no value, each told once in a minute.
    pub faults: Vec<String>,
}

/// What a request is answered with instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With the page there is for the status.
    Status(u16),
    Text { status: u16, content_type: Arc<str>, body: Bytes },
    Redirect { status: u16, to: Vec<u8> },
    /// The connection is closed.
    Close,
}

impl Answer {
    pub fn status(&self) -> u16 {
        match self {
            Answer::Status(status) | Answer::Text { status, .. } | Answer::Redirect { status, .. } => *status,
            Answer::Close => 444,
        }
    }
}

/// Another path, other arguments, or both; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    pub path: Option<Vec<u8>>,
    /// Empty: there are none any more.
    pub query: Option<Vec<u8>>,
}

/// A field that is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub how: How,
    pub name: Arc<str>,
    pub value: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// In the place of all fields of this name; an empty value removes them.
    Set,
    /// Beside those of this name; an empty value adds nothing.
    Add,
    Remove,
}

/// What the cache is asked to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheWishes {
    /// The upstream is asked, whatever is stored.
    pub bypass: bool,
    /// The answer is not stored.
    pub no_store: bool,
    pub ttl: Option<Duration>,
    pub key: Option<Vec<u8>>,
    pub tags: Vec<String>,
}

/// A copy of the request that is sent to another upstream, and whose answer nobody reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    pub upstream: Arc<str>,
    /// With the body of the request.
    pub body: bool,
}

impl Outcome {
    /// Notes what a rule wants of the cache; what it does not mention stays.
    pub(super) fn wish(&mut self, wishes: CacheWishes) {
        let cache = &mut self.cache;
        cache.bypass |= wishes.bypass;
        cache.no_store |= wishes.no_store;
        cache.ttl = wishes.ttl.or(cache.ttl);
        cache.key = wishes.key.or(cache.key.take());
        cache.tags.extend(wishes.tags);
    }
}
