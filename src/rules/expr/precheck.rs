//! What an expression needs before it can run, and what must hold for it to be true.

use std::collections::BTreeSet;
use std::ops::{BitOr, BitOrAssign};

/// What has to be known before an expression runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs(u8);

impl Needs {
    pub const NOTHING: Needs = Needs(0);
    /// `exchange.session`, as far as the request itself tells: its id and route.
    pub const SESSION: Needs = Needs(1);
    /// What memcached knows of the session.
    pub const SESSION_STORE: Needs = Needs(2);
    pub const RESPONSE: Needs = Needs(4);
    pub const UPSTREAM: Needs = Needs(8);
    pub const CACHE: Needs = Needs(16);

    pub fn contains(self, other: Needs) -> bool {
        self.0 & other.0 == other.0
    }

    pub fn is_empty(self) -> bool {
        self == Needs::NOTHING
    }
}

impl BitOr for Needs {
    type Output = Needs;

    fn bitor(self, other: Needs) -> Needs {
        Needs(self.0 | other.0)
    }
}

impl BitOrAssign for Needs {
    fn bitor_assign(&mut self, other: Needs) {
        *self = *self | other;
    }
}

/// What must hold for a condition to be true, and is cheap to look up. Each is `None` if anything will do; empty if nothing
/// will: then the condition is never true. The condition is true for some of what passes, not for all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Precheck {
    /// As `request.method` has them.
    pub methods: Option<BTreeSet<String>>,
    /// As `request.path` has them.
    pub paths: Option<BTreeSet<PathTest>>,
    /// As `request.host` has them.
    pub hosts: Option<BTreeSet<Vec<u8>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathTest {
    Exact(Vec<u8>),
    Prefix(Vec<u8>),
}

impl Precheck {
    /// Whether the condition can never be true.
    pub fn is_impossible(&self) -> bool {
        let none = |set: Option<bool>| set == Some(true);
        none(self.methods.as_ref().map(BTreeSet::is_empty))
            || none(self.paths.as_ref().map(BTreeSet::is_empty))
            || none(self.hosts.as_ref().map(BTreeSet::is_empty))
    }
}
