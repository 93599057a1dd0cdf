//! What rules have decided over a request, for whoever does it.

use bytes::Bytes;
use pingora_http::{RequestHeader, ResponseHeader};
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

impl Outcome {
    /// Whether nothing was decided.
    pub fn is_nothing(&self) -> bool {
        let Outcome {
            answer,
            target,
            to_upstream,
            to_client,
            upstream,
            server,
            cache,
            mirrors,
            delay,
            sampled,
            faults,
        } = self;
        let nowhere = answer.is_none() && target.is_none() && upstream.is_none() && server.is_none();
        let unchanged = to_upstream.is_empty() && to_client.is_empty() && *cache == CacheWishes::default();
        nowhere && unchanged && mirrors.is_empty() && delay.is_zero() && sampled.is_none() && faults.is_empty()
    }
}

/// What a request is answered with instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With the page there is for the status.
    Status(u16),
    Text {
        status: u16,
        content_type: Arc<str>,
        body: Bytes,
    },
    Redirect {
        status: u16,
        to: Vec<u8>,
    },
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

/// What says where a message ends or how its connection goes on is edge's alone.
const FRAMING: &[&str] = &[
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a field says where a message ends, or how its connection goes on.
pub fn is_framing(name: &str) -> bool {
    FRAMING.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// For Rust code that decides as rules do.
impl Outcome {
    /// The request is answered with a status, and the page there is for it.
    pub fn respond(&mut self, status: u16) {
        self.answer = Some(Answer::Status(status));
    }

    /// The client is sent elsewhere.
    pub fn redirect(&mut self, status: u16, to: impl Into<Vec<u8>>) {
        self.answer = Some(Answer::Redirect { status, to: to.into() });
    }

    /// What the upstream is sent in the place of a field; empty: it is not sent. False: there is no such field, or it is edge's
    /// alone.
    pub fn set_request_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> bool {
        let change = Change::set(name, value.as_ref());
        self.to_upstream.extend(change.clone());
        change.is_some()
    }

    /// What the client is told in the place of a field, likewise.
    pub fn set_response_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> bool {
        let change = Change::set(name, value.as_ref());
        self.to_client.extend(change.clone());
        change.is_some()
    }
}

impl Change {
    fn set(name: &str, value: &[u8]) -> Option<Change> {
        let fits = http::HeaderName::from_bytes(name.as_bytes()).is_ok() && !is_framing(name);
        fits.then(|| Change { how: How::Set, name: name.into(), value: value.to_vec() })
    }

    /// Changes the fields of an answer. False: the value is one that no field can have.
    pub fn apply(&self, head: &mut ResponseHeader) -> bool {
        if self.how != How::Add {
            head.remove_header(&*self.name);
        }
        !self.has_value() || head.append_header(self.name.to_string(), &self.value[..]).is_ok()
    }

    /// The same for a request.
    pub fn apply_to_request(&self, head: &mut RequestHeader) -> bool {
        if self.how != How::Add {
            head.remove_header(&*self.name);
        }
        !self.has_value() || head.append_header(self.name.to_string(), &self.value[..]).is_ok()
    }

    fn has_value(&self) -> bool {
        self.how != How::Remove && !self.value.is_empty()
    }
}

impl CacheWishes {
    /// What is wished later adds to what was wished before, or takes its place.
    pub fn add(&mut self, wishes: CacheWishes) {
        self.bypass |= wishes.bypass;
        self.no_store |= wishes.no_store;
        self.ttl = wishes.ttl.or(self.ttl);
        self.key = wishes.key.or(self.key.take());
        self.tags.extend(wishes.tags);
    }
}
