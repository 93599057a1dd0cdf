//! Actions on fields: `set_…`, `add_…` and `remove_…` of requests and answers.

use super::{Action, Reader};
use crate::config::node::Kind;
use crate::config::{Node, Span, Spanned};
use crate::rules::outcome::{How, is_framing};
use crate::variables::Template;
use std::sync::Arc;

/// One change of one field.
#[derive(Debug)]
pub struct FieldChange {
    pub how: How,
    pub name: Arc<str>,
    pub value: Template,
}

pub(super) fn set_request(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    Some(changes(node, How::Set, reader).into_iter().map(Action::RequestField).collect())
}

pub(super) fn add_request(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    Some(changes(node, How::Add, reader).into_iter().map(Action::RequestField).collect())
}

pub(super) fn remove_request(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    Some(removals(node, reader).into_iter().map(Action::RequestField).collect())
}

pub(super) fn set_response(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    Some(changes(node, How::Set, reader).into_iter().map(Action::ResponseField).collect())
}

pub(super) fn add_response(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    Some(changes(node, How::Add, reader).into_iter().map(Action::ResponseField).collect())
}

pub(super) fn remove_response(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    Some(removals(node, reader).into_iter().map(Action::ResponseField).collect())
}

/// `{NAME: text}`
pub(super) fn changes(node: &Node, how: How, reader: &mut Reader<'_>) -> Vec<FieldChange> {
    let Some(entries) = node.as_map() else {
        let found = node.describe();
        reader.error(node, format!("expected a map of fields, found {found}")).help("write `{ X-Name: text }`");
        return Vec::new();
    };
    let mut changes = Vec::new();
    for e in entries {
        let Some(name) = checked(&e.key, e.span, reader) else { continue };
        // Nothing is a value: `Accept-Encoding: ''`.
        let value = match e.value.kind {
            Kind::Null => Some(Template::literal("")),
            _ => reader.template_of(&e.value),
        };
        changes.extend(value.map(|value| FieldChange { how, name, value }));
    }
    changes
}

fn removals(node: &Node, reader: &mut Reader<'_>) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    for item in node.items() {
        let Some(name): Option<Spanned<String>> = Spanned::read(item, reader.diagnostics) else { continue };
        if let Some(name) = checked(&name, name.span, reader) {
            changes.push(FieldChange { how: How::Remove, name, value: Template::literal("") });
        }
    }
    changes
}

fn checked(name: &str, at: Span, reader: &mut Reader<'_>) -> Option<Arc<str>> {
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        reader.diagnostics.error(at, format!("`{name}` is not a valid name of a field"));
        return None;
    }
    if is_framing(name) {
        reader
            .diagnostics
            .error(
                at,
                format!(
                    "`{name}` is no rule's business: it says where a message ends, or whether its connection stays"
                ),
            )
            .help("edge writes it itself, for each connection");
        return None;
    }
    Some(name.into())
}
