//! The id of a session whose server is gone gets the route of the one that has taken its requests, where nobody else writes it:
//! `rewrite_route` of a `session` without a store.
//!
//! The server is sent the id as it came, unless `both` is said: Tomcat's replication knows the session under the whole old id,
//! finds it, and gives it the new one itself (JvmRouteBinderValve). Only an id whose route is a server's is touched: another
//! may have its dot for something else. And only a cookie is told: an id in a path belongs to one page, and a cookie would
//! count for all of the browser's.

use super::kept::Sessions;
use crate::config::types::RewriteRoute;
use crate::proxy::request::Request;
use crate::session::takeover::Carried;

impl Request {
    /// The session's id with the route of the server that is asked in its own's place.
    pub(super) fn rerouted_id(&self, sessions: &Sessions) -> Option<(String, Carried)> {
        if !self.placed.strays || sessions.settings.rewrite_route == RewriteRoute::Off {
            return None;
        }
        let (_, chosen) = self.attempts.asked()?;
        let route = chosen.settings().route.as_deref()?;
        let (id, carried) = self.session_id(sessions)?;
        (id.route() != Some(route) && sessions.has_route(id.route())).then(|| (id.with_route(route), carried))
    }

    /// The `Set-Cookie` that tells the client this id, as Tomcat would write it.
    pub(super) fn rerouted_cookie(&self, sessions: &Sessions) -> Option<String> {
        let (id, carried) = self.rerouted_id(sessions)?;
        if carried != Carried::Cookie {
            return None;
        }
        let takeover = &sessions.settings.takeover;
        let path = self.read_for_session().path;
        let context = &takeover.contexts[takeover.context_of(&String::from_utf8_lossy(&path))].path;
        let secure = if self.is_over_tls() { "; Secure" } else { "" };
        Some(format!("{}={id}; Path={context}; HttpOnly{secure}", sessions.names().cookie))
    }

    /// Whether the client speaks TLS, to edge or to whoever stands before it. Who claims that falsely restricts only itself.
    fn is_over_tls(&self) -> bool {
        let told = self.exchange.head.headers.get("x-forwarded-proto");
        self.exchange.peer.tls || told.is_some_and(|proto| proto.eq_ignore_ascii_case(b"https"))
    }
}
