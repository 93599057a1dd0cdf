//! The decision itself: what has to be done for a session, from its id, its record and the views. Nothing is asked here.

use super::counts::Cause;
use super::ground::Seen;
use super::pick;
use super::settings::Mode;
use super::world::State;
use crate::session::record::{Named, Record, had};
use std::time::Duration;

/// MSM's client of memcached comes back to a node up to 30 s (`msm.maxReconnectDelay`) after it is there again, and gives each
/// session another node until then.
pub const NODE_SETTLES: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is there.
    Serve { server: usize },
    /// Nobody can say yet: until the views change.
    Watch,
    /// Its holder is up but may not have it in its heap, or would give it another id: one first.
    Gate { server: usize, cause: Cause },
    /// Its holder is gone: another one.
    Move { from: Option<usize>, cause: Cause },
    /// This server is to take it.
    Join { server: usize },
}

/// What is known of a session's id, and of its node.
pub struct Subject<'a> {
    pub asked: &'a Named,
    pub record: Option<&'a Record>,
    /// The node of the current id, if it is one of ours.
    pub node: Option<usize>,
}

pub fn step(seen: &Seen, mode: Mode, subject: &Subject) -> Step {
    match mode {
        Mode::Sticky => sticky(seen, subject),
        Mode::NonSticky => non_sticky(seen, subject),
    }
}

fn sticky(seen: &Seen, subject: &Subject) -> Step {
    let holder = match subject.record {
        Some(record) => seen.server_named(&record.server),
        None => seen.server_of(subject.asked.route.as_deref()),
    };
    let Some(server) = holder else { return Step::Move { from: None, cause: Cause::UnknownRoute } };
    let gone = |cause| match subject.record {
        Some(record) if !record.done => Step::Move { from: Some(server), cause: Cause::ChosenDied },
        _ => Step::Move { from: Some(server), cause },
    };
    match seen.views[server].state {
        State::Suspect | State::Unknown | State::Leaving => Step::Watch,
        State::Left if subject.record.is_some_and(|record| stays(record, seen, server)) => {
            at_holder(seen, subject, server)
        }
        State::Left => gone(Cause::Moved),
        State::Dead => gone(Cause::Died),
        State::Fenced => gone(Cause::Fenced),
        State::Up => at_holder(seen, subject, server),
    }
}

/// Whether it was looked for when its server had been left, and could not move: it was noted as one that has it all the same.
fn stays(record: &Record, seen: &Seen, server: usize) -> bool {
    had(&record.former, &record.server, seen.views[server].instance)
}

fn at_holder(seen: &Seen, subject: &Subject, server: usize) -> Step {
    let view = &seen.views[server];
    let same_process = subject.record.is_none_or(|record| record.instance == view.instance);
    if subject.record.is_some_and(|record| !record.done) {
        let again = Step::Move { from: Some(server), cause: Cause::ChosenDied };
        return if same_process { Step::Join { server } } else { again };
    }
    // Without a record nobody has asked it since it was started anew, and with one perhaps not, if that was not counted.
    let unasked = subject.record.is_none() || view.uncounted;
    let restarted = !same_process || (unasked && view.restarted.is_some());
    if restarted {
        return Step::Gate { server, cause: Cause::Restarted };
    }
    if node_is_doubtful(seen, subject) {
        return Step::Gate { server, cause: Cause::Node };
    }
    if subject.record.is_none() && view.moved {
        return Step::Gate { server, cause: Cause::Returned };
    }
    Step::Serve { server }
}

/// In non-sticky mode any server can serve any session; only the node in its id matters.
fn non_sticky(seen: &Seen, subject: &Subject) -> Step {
    let Some(server) = preference(seen, subject.asked).first().copied() else { return Step::Watch };
    let taking = subject.record.filter(|record| !record.done);
    match taking {
        Some(record) => match seen.server_named(&record.server).filter(|server| seen.is_up(*server)) {
            Some(server) => Step::Join { server },
            None => Step::Gate { server, cause: Cause::Node },
        },
        None if node_is_doubtful(seen, subject) => Step::Gate { server, cause: Cause::Node },
        None => Step::Serve { server: holder_of(seen, subject).unwrap_or(server) },
    }
}

fn holder_of(seen: &Seen, subject: &Subject) -> Option<usize> {
    let server = seen.server_named(&subject.record?.server)?;
    (seen.is_up(server) && !seen.views[server].draining).then_some(server)
}

/// Non-sticky: the server its route names, then by rendezvous.
pub fn preference(seen: &Seen, id: &Named) -> Vec<usize> {
    let mut order = pick::balance(&seen.servers, &seen.views, &id.base);
    if let Some(route) = seen.server_of(id.route.as_deref()).filter(|server| !seen.views[*server].draining) {
        order.sort_by_key(|server| *server != route);
    }
    order
}

/// Whether MSM may give the session another node, and with it another id, at its next request.
fn node_is_doubtful(seen: &Seen, subject: &Subject) -> bool {
    // With no node at all left there is nowhere to go.
    if seen.nodes.iter().all(|node| !node.up) {
        return false;
    }
    subject.node.map(|node| &seen.nodes[node]).is_some_and(|node| !node.up || is_settling(node.changed, seen))
}

fn is_settling(changed: Option<std::time::Instant>, seen: &Seen) -> bool {
    changed.is_some_and(|changed| seen.at.saturating_duration_since(changed) < NODE_SETTLES)
}

#[cfg(test)]
#[path = "step_tests.rs"]
mod tests;
