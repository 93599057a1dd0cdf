//! Actions that keep something: `set`, `log`, `sample`.

use super::{Action, Percent, Reader};
use crate::config::Node;
use crate::config::node::Entry;
use crate::config::value::{Spanned, Value};
use crate::rules::expr::Expr;
use crate::rules::parameters::is_name;
use crate::variables::{Defined, Variable};

pub(super) fn set(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    let each = |_: &str, slot, value| Action::Set { slot, value };
    named(node, reader, each)
}

pub(super) fn log(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    let each = |name: &str, slot, value| Action::Log { name: name.into(), slot, value };
    named(node, reader, each)
}

/// `{NAME: expression}`
fn named(node: &Node, reader: &mut Reader<'_>, make: impl Fn(&str, usize, Expr) -> Action) -> Option<Vec<Action>> {
    let Some(entries) = node.as_map() else {
        let found = node.describe();
        reader
            .error(node, format!("expected a map of names with expressions, found {found}"))
            .help("write `{ kind: \"'mobile'\" }`: a text stands in quotes inside of an expression");
        return None;
    };
    let mut actions = Vec::new();
    for e in entries {
        let Some(slot) = slot(e, reader) else { continue };
        let text: Option<Spanned<String>> = Spanned::read(&e.value, reader.diagnostics);
        let value = text.and_then(|text| reader.expression(&text));
        actions.extend(value.map(|value| make(&e.key, slot, value)));
    }
    Some(actions)
}

fn slot(e: &Entry, reader: &mut Reader<'_>) -> Option<usize> {
    if !is_name(&e.key) || e.key.bytes().any(|b| b.is_ascii_uppercase()) {
        reader
            .diagnostics
            .error(e.span, format!("`{}` is no name of a variable", e.key))
            .help("a name has small letters, digits and `_`, and does not begin with a digit");
        return None;
    }
    if Variable::find(&e.key, &Defined::default()).is_some() && !Variable::yields(&e.key) {
        reader
            .diagnostics
            .error(e.span, format!("`${}` is a variable of edge's own, and is not set", e.key))
            .help("take another name");
        return None;
    }
    // Whoever made the table has asked every rule for its names.
    reader.names.defined.find(&e.key)
}

pub(super) fn sample(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    Some(vec![Action::Sample(Percent::read(node, reader.diagnostics)?.0)])
}
