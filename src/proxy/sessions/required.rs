//! `session: required`: who comes without a session, or with one that is not there, is answered here.
//!
//! Always: memcached is asked once at the most, and not at all for a session whose server lives, since memcached-session-manager
//! lets sessions that are only read vanish there. What cannot be known passes, unless `strict` is on.

use super::kept::{Live, Sessions};
use super::look::{Look, look};
use crate::proxy::redirect;
use crate::proxy::request::Request;
use crate::proxy::snapshot::Location;
use crate::session::id::Id;
use crate::session::takeover::{State, World};
use crate::variables::Template;
use http::Method;
use std::sync::Arc;

/// What a location demands of sessions.
#[derive(Debug)]
pub struct Demand {
    pub sessions: Arc<Sessions>,
    /// Where who has none is sent.
    pub redirect: Option<Template>,
    /// It must be in memcached.
    pub strict: bool,
}

/// How a request is answered that has no session.
#[derive(Debug)]
pub(in crate::proxy) enum Refused {
    Status(u16),
    Redirect { status: u16, location: Vec<u8> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Pass,
    Refuse,
    /// It must be known, and cannot.
    Unavailable,
}

impl Request {
    /// Nothing if it may go on.
    pub(in crate::proxy) async fn refused_without_session(&self, location: &Location) -> Option<Refused> {
        self.refused_by(location.demand.as_ref()?).await
    }

    /// The same for what a rule demands.
    pub(in crate::proxy) async fn refused_by(&self, demand: &Demand) -> Option<Refused> {
        // The page that tells who was refused.
        if self.error_page_used && self.failed == 401 {
            return None;
        }
        let login = demand.redirect.as_ref().and_then(|to| to.as_literal());
        if login.is_some_and(|to| !to.is_empty() && to.split(|b| *b == b'?').next() == Some(&self.exchange.path)) {
            return None;
        }
        match self.judge_session(demand).await {
            Verdict::Pass => None,
            Verdict::Unavailable => {
                self.log_error("memcached does not say whether the session is there, and `session` is strict");
                Some(Refused::Status(503))
            }
            Verdict::Refuse => Some(match &demand.redirect {
                None => Refused::Status(401),
                Some(to) => Refused::Redirect {
                    status: if matches!(self.exchange.method, Method::GET | Method::HEAD) { 302 } else { 303 },
                    location: redirect::absolute(self, to.evaluate(&self.exchange).into_owned()),
                },
            }),
        }
    }

    async fn judge_session(&self, demand: &Demand) -> Verdict {
        let sessions = &demand.sessions;
        let Some((id, carried)) = self.session_id(sessions) else { return Verdict::Refuse };
        // Where no configuration is in force nobody is asked.
        let Some(live) = sessions.live() else { return Verdict::Pass };
        let read = self.read_for_session();
        let asked = self.asked(&read, id, carried);
        let sticky = sessions.settings.takeover.is_sticky();
        if sticky && !demand.strict && (owner_may_live(&live, &id) || live.affinity.is_known(&asked)) {
            return Verdict::Pass;
        }
        let found = look(&sessions.settings, &id, asked.path, &sessions.routes()).await;
        judge(&found, demand.strict, live.affinity.node_is_clean(&id))
    }
}

/// Whether the server that the id names is there and was not given up.
fn owner_may_live(live: &Live, id: &Id<'_>) -> bool {
    let servers = &live.outside.servers;
    let owner = servers.iter().position(|server| server.route.is_some() && server.route.as_deref() == id.route());
    owner.is_some_and(|owner| !matches!(live.outside.view(owner).state, State::Dead | State::Fenced))
}

/// `node_is_clean`: no session has left the node that was asked.
fn judge(found: &Look, strict: bool, node_is_clean: bool) -> Verdict {
    match found {
        Look::There(_) => Verdict::Pass,
        Look::Missing if strict || node_is_clean => Verdict::Refuse,
        Look::NotKnown if strict => Verdict::Unavailable,
        Look::Missing | Look::NotKnown => Verdict::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_known_passes_unless_it_must_be() {
        let there = Look::There(crate::variables::StoredSession::default());
        for (found, strict, clean, expected) in [
            (&there, true, false, Verdict::Pass),
            (&Look::Missing, false, true, Verdict::Refuse),
            (&Look::Missing, false, false, Verdict::Pass),
            (&Look::Missing, true, false, Verdict::Refuse),
            (&Look::NotKnown, false, true, Verdict::Pass),
            (&Look::NotKnown, true, true, Verdict::Unavailable),
        ] {
            assert_eq!(judge(found, strict, clean), expected, "{found:?} {strict} {clean}");
        }
    }
}
