//! `session` of a server or location: who comes without a session is not let in.

use crate::config::diagnostics::Diagnostics;
use crate::config::keys::{Keys, map_schema, read_map};
use crate::config::node::Node;
use crate::config::value::{Arg, Value, mismatch};
use crate::keys;

keys! {
    /// What is asked of the session of a request.
    pub struct SessionDemandKeys {
        /// Whether there must be one.
        ["-"] required: bool = "on",
        /// The upstream whose `session` says how sessions are kept; by default that of `proxy_pass`, else the only one that has it.
        ["-"] upstream: String,
        /// Where who has none is sent (302, 303 after a POST); may hold variables. A path that stands here alone needs no session itself.
        /// Without it the answer is 401, for which `error_page` may have a page.
        ["-"] redirect: String,
        /// The session must be in memcached, even if its server lives; 503 where memcached does not answer. Sessions that MSM has
        /// let vanish there (see `keep_alive` of an upstream's `session`) or has not saved yet are refused then.
        ["-"] strict: bool = "off",
    }
}

/// `session: required`
#[derive(Clone, Debug)]
pub struct SessionDemand(pub SessionDemandKeys);

impl Value for SessionDemand {
    fn expected() -> String {
        "`required`, `off`, or a map with `required`, `upstream`, `redirect` and `strict`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<SessionDemand> {
        if node.as_map().is_some() {
            return read_map(node, "`session`", diagnostics).map(SessionDemand);
        }
        let mut keys = SessionDemandKeys::default();
        match node.as_text() {
            Some("required") => {}
            Some("off" | "false") => {
                keys.read_key("required", node, diagnostics);
            }
            _ => return mismatch(node, diagnostics),
        }
        Some(SessionDemand(keys))
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({ "anyOf": [{ "enum": ["required", "off", false] }, map_schema::<SessionDemandKeys>()] })
    }

    fn from_args(_: &[Arg]) -> Result<Node, String> {
        Err("nginx has no such directive: it is a key of edge.yaml".into())
    }
}
