//! What `edge explain` says of a request's session: whose it is and who would be asked for it. Nobody is asked: no server is watched
//! where no configuration is in force, so that all servers count as alive.

use super::kept::Sessions;
use crate::config::types::RewriteRoute;
use crate::proxy::request::Request;
use crate::session::id::Id;
use crate::session::layout::Layout;
use crate::session::takeover::Carried;

/// A line's name and what it says.
type Line = (&'static str, String);

impl Request {
    /// The session's lines; none where the upstream has no `session`. The request then goes to the session's server.
    pub(in crate::proxy) fn told_of_session(&mut self) -> Vec<Line> {
        let Some(sessions) = self.sessions().cloned() else { return Vec::new() };
        let Some((id, carried)) = self.session_id(&sessions) else {
            let names = sessions.names();
            let path =
                names.path_parameter.as_ref().map(|name| format!(", `;{name}=` in the path")).unwrap_or_default();
            return vec![("session", format!("none (cookie {}{path}): the balancing picks", names.cookie))];
        };
        let owner = id.route().and_then(|route| sessions.place_of(route));
        let mut lines = vec![("session", parts(&id, carried)), ("owner", self.owner(&sessions, &id, owner))];
        lines.extend(self.asked_for(&sessions, &id).map(|asked| ("asked", asked)));
        self.placed.send_to(owner);
        lines
    }

    fn owner(&self, sessions: &Sessions, id: &Id<'_>, owner: Option<usize>) -> String {
        match (owner, id.route()) {
            (Some(owner), Some(route)) => format!("{} (route {route})", sessions.address(owner)),
            (_, Some(route)) => format!("none: no server has the route {route}"),
            (_, None) => "none: the id has no route".to_owned(),
        }
    }

    /// Who is asked where the owner cannot be; nobody, if that is how it is.
    fn asked_for(&self, sessions: &Sessions, id: &Id<'_>) -> Option<String> {
        let (settings, route) = (&sessions.settings, sessions.settings.rewrite_route != RewriteRoute::Off);
        let Some(store) = &settings.store else {
            let told = if route { "; the client is told its route" } else { "" };
            return Some(format!(
                "nobody: without a `store`, another server takes the requests of one that is gone{told}"
            ));
        };
        let context = &settings.takeover.contexts[settings.takeover.context_of(&self.path_of_session())];
        let Some(node) = store.node_of(id) else {
            let name = id.node().unwrap_or_default();
            return Some(format!("nobody: the store has no node `{name}`, so that the session cannot be taken over"));
        };
        let key = Layout::with_prefix(context.key_prefix.as_str()).session(id)?;
        let takeover = if settings.takeover.takeover { "" } else { "; `takeover` is off" };
        let when = if settings.takeover.is_sticky() { "once the owner is gone: " } else { "" };
        Some(format!(
            "{when}memcached {} ({}) for {key}, context {}{takeover}",
            node.name(),
            node.address(),
            context.path
        ))
    }
}

fn parts(id: &Id<'_>, carried: Carried) -> String {
    let place = match carried {
        Carried::Cookie => "cookie",
        Carried::Path => "path",
    };
    let node = id.node().map(|node| format!(", node {node}")).unwrap_or_default();
    let route = id.route().map(|route| format!(", route {route}")).unwrap_or_default();
    format!("{} in the {place}{node}{route}", id.base())
}
