//! What a load has counted, for people when it is not what it should be.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::support::client::Failure;

/// So many failures of a kind are told wholly.
const TOLD: usize = 3;

/// How a request or a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// No connection could be opened.
    Connect,
    Handshake,
    /// Closed before the first byte of an answer that was due.
    Closed,
    /// Reset, or ended without TLS's goodbye.
    Broken,
    Timeout,
    Malformed,
    /// The body ended before its end.
    Cut,
    /// A whole answer, but not the right one.
    Wrong,
    /// An idle connection that was closed although nothing announced it.
    ClosedIdle,
    /// Bytes that nobody asked for.
    Unasked,
    /// The connection did not end well although that was announced.
    End,
}

#[derive(Clone, Default)]
pub struct Report {
    /// Requests that were begun.
    pub requests: usize,
    /// Those whose answers were right.
    pub answered: usize,
    pub opened: usize,
    /// Connections that went on with a TLS session of an earlier one.
    pub resumed: usize,
    /// Connections the server closed after it had said so.
    pub announced: usize,
    /// The longest anybody waited for a right answer.
    pub longest: Duration,
    pub failures: BTreeMap<Kind, Failures>,
}

#[derive(Clone, Default)]
pub struct Failures {
    pub count: usize,
    told: Vec<String>,
}

impl Kind {
    pub fn of(failure: &Failure) -> Kind {
        match failure {
            Failure::Closed => Kind::Closed,
            Failure::Broken(_) => Kind::Broken,
            Failure::Timeout(_) => Kind::Timeout,
            Failure::Malformed(_) => Kind::Malformed,
            Failure::Cut(..) => Kind::Cut,
        }
    }
}

impl Report {
    pub fn count(&self, kind: Kind) -> usize {
        self.failures.get(&kind).map_or(0, |failures| failures.count)
    }

    pub fn failed(&self) -> usize {
        self.failures.values().map(|failures| failures.count).sum()
    }

    /// Every request was answered rightly, and no connection ended that was not announced to.
    pub fn assert_clean(&self) {
        assert!(self.failed() == 0, "{self}");
        assert!(self.answered == self.requests && self.requests > 0, "{self}");
    }

    /// Also, none ended at all.
    pub fn assert_untouched(&self, connections: usize) {
        self.assert_clean();
        assert!(self.opened == connections && self.announced == 0, "of {connections} connections:\n{self}");
    }

    pub(super) fn count_answer(&mut self, took: Duration) {
        self.answered += 1;
        self.longest = self.longest.max(took);
    }

    pub(super) fn fail(&mut self, kind: Kind, what: String) {
        let failures = self.failures.entry(kind).or_default();
        failures.count += 1;
        if failures.told.len() < TOLD {
            failures.told.push(what);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let Report { requests, answered, opened, resumed, announced, longest, failures } = self;
        writeln!(out, "{requests} requests, {answered} answered rightly, the slowest after {longest:?}")?;
        writeln!(
            out,
            "{opened} connections opened ({resumed} with an earlier session), {announced} closed as announced"
        )?;
        for (kind, Failures { count, told }) in failures {
            writeln!(out, "{count} × {kind:?}, the first:")?;
            for one in told {
                writeln!(out, "  {}", one.trim_end().replace('\n', "\n    "))?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}
