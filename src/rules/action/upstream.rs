//! Actions on whom is asked: `upstream`, `server`, `mirror`.

use super::{Action, Percent, Reader};
use crate::config::Node;
use crate::config::keys::read_map;
use crate::config::value::Spanned;
use crate::keys;

pub(super) fn upstream(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    let name = Spanned::read(node, reader.diagnostics)?;
    Some(vec![Action::Upstream(reader.upstream(&name)?)])
}

pub(super) fn server(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    Some(vec![Action::Server(reader.template_of(node)?)])
}

keys! {
    /// `mirror`
    pub struct MirrorKeys {
        /// The upstream that gets the copy.
        ["-"] upstream: String,
        /// How many of the requests are copied; all by default.
        ["-"] percent: Percent = "100%",
        /// With their bodies, where edge has read them before it asks the upstream.
        ["-"] body: bool = "false",
    }
}

pub(super) fn mirror(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    let keys = match node.as_text() {
        Some(_) => MirrorKeys { upstream: Spanned::read(node, reader.diagnostics), ..MirrorKeys::default() },
        None => read_map(node, "`mirror`", reader.diagnostics)?,
    };
    let Some(name) = &keys.upstream else {
        reader.error(node, "`mirror` has no `upstream`").help("write `mirror: { upstream: NAME, percent: 10% }`");
        return None;
    };
    let upstream = reader.upstream(name)?;
    Some(vec![Action::Mirror { upstream, percent: keys.percent().0, body: keys.body() }])
}
