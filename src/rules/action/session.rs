//! `require_session`: as the key `session: required`, where a rule says so.

use super::{Action, Reader};
use crate::config::keys::read_map;
use crate::config::value::Value;
use crate::config::{Node, Span};
use crate::keys;
use crate::variables::Template;
use std::sync::Arc;

/// Who has no session is refused.
#[derive(Debug)]
pub struct Demand {
    /// Where who has none is sent; 401 without it.
    pub redirect: Option<Template>,
    pub strict: bool,
    /// Whose sessions are meant; by default those of the location's upstream, else of the only one that keeps them.
    pub upstream: Option<Arc<str>>,
    /// Where it is written.
    pub at: Span,
}

keys! {
    /// `require_session`
    pub struct DemandKeys {
        /// Where who has none is sent (302, 303 after a POST); may hold variables. Without it the answer is 401.
        ["-"] redirect: String,
        /// The session must be in memcached, even if its server lives; 503 where memcached does not answer.
        ["-"] strict: bool = "off",
        /// The upstream whose `session` says how sessions are kept.
        ["-"] upstream: String,
    }
}

pub(super) fn require(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    let keys: DemandKeys = match node.as_text() {
        Some(_) if bool::read(node, reader.diagnostics)? => DemandKeys::default(),
        Some(_) => {
            reader.error(node, "`require_session: false` demands nothing").help("take it out");
            return None;
        }
        None => read_map(node, "`require_session`", reader.diagnostics)?,
    };
    let upstream = match &keys.upstream {
        Some(name) => Some(reader.upstream(name)?),
        None => None,
    };
    let redirect = keys.redirect.as_ref().and_then(|to| reader.template(to));
    let place = reader.parts.demands.len();
    reader.parts.demands.push(Demand { redirect, strict: keys.strict(), upstream, at: node.span });
    Some(vec![Action::RequireSession(place)])
}
