//! `session` of an upstream: how its applications keep sessions, and what edge does when one of them dies.

use super::{read_short, short_schema};
use crate::config::diagnostics::Diagnostics;
use crate::config::node::Node;
use crate::config::value::{Arg, Spanned, Time, Value};
use crate::{keys, words};

words! {
    /// How memcached-session-manager keeps sessions (`sticky` of its Manager).
    pub enum SessionMode {
        Sticky = "sticky",
        NonSticky = "non_sticky",
    }
}

words! {
    /// What becomes of the route in a session's id when another server has taken its requests.
    pub enum RewriteRoute {
        /// The client is told the new one.
        On = "on" | "true",
        /// And the server is sent it.
        Both = "both",
        Off = "off" | "false",
    }
}

keys! {
    /// How the applications of an upstream keep their sessions.
    pub struct SessionKeys {
        /// The cookie that holds the session id.
        ["-"] cookie: String = "JSESSIONID",
        /// The parameter of a path that holds it where there is no cookie; `off`: none.
        ["-"] path_parameter: String = "jsessionid",
        /// The `session_store` that memcached-session-manager (MSM) keeps the sessions in. Without it requests follow the route of their
        /// id, and after a failover edge writes the new route into it.
        ["-"] store: String,
        /// Without `store`: what becomes of the route in an id of a server that is gone. `on`: the answer of another server carries the
        /// cookie with that one's route (`Path` of its context, `HttpOnly`, over TLS `Secure`), unless it sets the cookie itself, so that
        /// the client stays there; the server is sent the id as it came, under which Tomcat's replication knows the session. `both`: it
        /// is sent the new route, too, in cookie and path parameter, for applications that look at it. `off`: nothing; the
        /// session's requests go to the same other server, and back when its own one is there again. Right where sessions lie in a
        /// store under the whole id (Tomcat's PersistentManager) and no JvmRouteBinderValve gives them a new one.
        ["-"] rewrite_route: RewriteRoute = "on",
        /// As MSM is configured: `sticky`, or `non_sticky` where each request loads its session.
        ["-"] mode: SessionMode = "sticky",
        /// MSM's `storageKeyPrefix`: `static:x`, `host`, `context`, `webappVersion`, and the hashes of them, with commas between.
        ["-"] storage_key_prefix: String,
        /// The name of Tomcat's `Host`, for `host` in `storage_key_prefix`.
        ["-"] host: String = "localhost",
        /// The `webappVersion` of the applications (parallel deployment), for the same.
        ["-"] webapp_version: String,
        /// The paths of the web applications: a session belongs to one, which is told by the longest of these.
        ["-"] contexts: Vec<Spanned<String>> = "[/]",
        /// Those of the contexts whose users log in by a form of Tomcat's (`<auth-method>FORM`).
        ["-"] form_login: Vec<Spanned<String>>,
        /// MSM's `requestUriIgnorePattern`: what it matches takes no session over.
        ["-"] ignore: String,
        /// Whether a session of a dead server is taken over once, with everybody waiting; `off` loses updates, as other proxies do.
        ["-"] takeover: bool = "on",
        /// How long a request waits for its session to be taken over; then it is answered 503.
        ["-"] takeover_wait: Time = "8s",
        /// After `takeover_wait` a request goes on with what it has, which may lose updates.
        ["-"] proceed: bool = "off",
        /// No session lives longer unused; so long edges remember who took one over.
        ["-"] max_age: Time = "2h",
        /// How long one server may take to take one session over.
        ["-"] probe_timeout: Time = "5s",
        /// The most sessions that are taken over by one server at once.
        ["-"] probes: u32 = "64",
        /// How long connecting to a session's server may take before it is suspected to be dead, whatever `proxy_connect_timeout` says.
        ["-"] owner_connect_timeout: Time = "1s",
        /// How long a server may leave edge's questions without an answer before it is suspected to be dead.
        ["-"] suspect_after: Time = "2s",
        /// Where a server tells which of its starts this is, where a refused connection does not tell of a restart (behind a port
        /// forwarder): a path such as `/instance`, whose answer (200) has another body after each start, or the name of a field in
        /// the answer to `OPTIONS *`.
        ["-"] instance: String,
        /// How long nobody sends anything to a suspect before others may take its sessions.
        ["-"] fence: Time = "2s",
        /// Non-sticky sessions: one request of a session at a time.
        ["-"] serialize: bool = "off",
        /// Keeps sessions that are only read from vanishing from memcached, where MSM does not: after a good answer of its server a
        /// session looks accessed now there. At most three times in the time it may lie idle, and every ten seconds.
        ["-"] keep_alive: bool = "off",
    }
}

/// `session`
#[derive(Clone, Debug)]
pub struct Session(pub SessionKeys);

impl Value for Session {
    fn expected() -> String {
        "the name of a `session_store`, or a map with `cookie`, `store`, `mode`, `contexts` …".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Session> {
        read_short::<Session, _>(node, "store", "`session`", diagnostics).map(Session)
    }

    fn schema() -> serde_json::Value {
        short_schema::<SessionKeys>(serde_json::json!({ "type": "string" }))
    }

    fn from_args(_: &[Arg]) -> Result<Node, String> {
        Err("nginx has no such directive; `--session context.xml` tells edge how the Tomcats keep sessions".into())
    }
}
