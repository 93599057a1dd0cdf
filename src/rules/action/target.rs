//! `rewrite`: another path, other arguments.

use super::{Action, Reader};
use crate::config::Node;
use crate::config::keys::read_map;
use crate::config::value::Spanned;
use crate::keys;
use crate::pattern::Pattern;
use crate::rules::place;
use crate::variables::Template;

/// `rewrite`
#[derive(Debug)]
pub enum Rewrite {
    /// What is `None` stays.
    To { path: Option<Template>, query: Option<Template> },
    /// As nginx's `rewrite`: what the expression finds in the path is what `$1` says; the client's arguments are kept behind those
    /// of the replacement, unless it ends in `?`.
    Match { pattern: Pattern, to: Template, drops_args: bool },
}

keys! {
    /// `rewrite`
    pub struct RewriteKeys {
        /// The path, with variables.
        ["-"] path: String,
        /// The arguments, without the `?`; empty: none.
        ["-"] query: String,
        /// A regular expression over the path.
        ["-"] pattern ("match"): String,
        /// What the target becomes where it matches, with `$1` and variables.
        ["-"] to: String,
    }
}

pub(super) fn rewrite(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    let keys: RewriteKeys = read_map(node, "`rewrite`", reader.diagnostics)?;
    let rewrite = match (&keys.pattern, &keys.to) {
        (Some(pattern), Some(to)) => {
            if keys.path.is_some() || keys.query.is_some() {
                reader.error(node, "a rewrite has either `match` and `to`, or `path` and `query`");
            }
            let pattern = compiled(pattern, reader);
            let drops_args = to.ends_with('?');
            let text = Spanned { value: to.strip_suffix('?').unwrap_or(to).to_owned(), span: to.span };
            Rewrite::Match { pattern: pattern?, to: reader.template(&text)?, drops_args }
        }
        (None, None) if keys.path.is_some() || keys.query.is_some() => {
            if let Some(path) = keys.path.as_ref().filter(|path| !path.starts_with(['/', '$'])) {
                let message = format!("the path `{}` does not begin with `/`", path.value);
                reader.diagnostics.error(path.span, message);
            }
            let path = keys.path.as_ref().and_then(|path| reader.template(path));
            let query = keys.query.as_ref().and_then(|query| reader.template(query));
            Rewrite::To { path, query }
        }
        _ => {
            reader.error(node, "a rewrite has `path` or `query`, or both `match` and `to`");
            return None;
        }
    };
    Some(vec![Action::Rewrite(rewrite)])
}

fn compiled(text: &Spanned<String>, reader: &mut Reader<'_>) -> Option<Pattern> {
    match Pattern::compile(text, false) {
        Ok(pattern) => Some(pattern),
        Err(e) => {
            let span = e.offset.map_or(text.span, |at| place::within(text, at, 1, reader.diagnostics));
            reader.diagnostics.error(span, format!("the regular expression does not compile: {}", e.message));
            None
        }
    }
}
