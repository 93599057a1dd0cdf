//! A configuration as it was written: a tree of scalars, lists and maps, every node with its place.
//!
//! Both languages become this tree, edge.yaml by [`super::yaml`] and nginx.conf by the `convert` room, and one set of
//! readers makes typed values of it. So a key that exists in one form exists in the other.

use super::diagnostics::Span;

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub span: Span,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Nothing was written: `key:` or `key: ~`.
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    pub text: String,
    /// Written in quotes, and therefore always a string.
    pub quoted: bool,
    /// Came from `${file:…}` or `${ENV}`: never shown.
    pub secret: bool,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    /// Where the key stands.
    pub span: Span,
    pub value: Node,
}

impl Node {
    pub fn null(span: Span) -> Node {
        Node { span, kind: Kind::Null }
    }

    pub fn scalar(span: Span, text: impl Into<String>) -> Node {
        Self::text(span, text, false)
    }

    /// A scalar that is a string whatever it looks like.
    pub fn quoted(span: Span, text: impl Into<String>) -> Node {
        Self::text(span, text, true)
    }

    fn text(span: Span, text: impl Into<String>, quoted: bool) -> Node {
        let text = text.into();
        Node { span, kind: Kind::Scalar(Scalar { text, quoted, secret: false }) }
    }

    pub fn list(span: Span, items: Vec<Node>) -> Node {
        Node { span, kind: Kind::List(items) }
    }

    pub fn map(span: Span, entries: Vec<Entry>) -> Node {
        Node { span, kind: Kind::Map(entries) }
    }

    /// A map of one entry, whose key stands where the node stands.
    pub fn pair(span: Span, key: impl Into<String>, value: Node) -> Node {
        Node::map(span, vec![Entry { key: key.into(), span, value }])
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a key of a map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.iter().find(|e| e.key == key).map(|e| &e.value)
    }

    /// The items of a list; a single value is a list of one, nothing a list of none.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::List(items) => items,
            Kind::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    /// What was written, in a word, for messages.
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Null => "nothing".into(),
            Kind::Scalar(scalar) if scalar.secret => "a hidden value".into(),
            Kind::Scalar(scalar) => format!("`{}`", scalar.text),
            Kind::List(_) => "a list".into(),
            Kind::Map(_) => "a map".into(),
        }
    }

    /// The tree for printing as YAML, secrets masked.
    pub fn to_yaml(&self) -> serde_yaml::Value {
        use serde_yaml::Value;
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Scalar(scalar) if scalar.secret => Value::String("***".into()),
            Kind::Scalar(scalar) if scalar.quoted => Value::String(scalar.text.clone()),
            Kind::Scalar(scalar) => plain(&scalar.text),
            Kind::List(items) => items.iter().map(Node::to_yaml).collect(),
            Kind::Map(entries) => Value::Mapping(entries.iter().map(|e| (plain(&e.key), e.value.to_yaml())).collect()),
        }
    }
}

/// A plain scalar keeps its looks: a number stays a number.
fn plain(text: &str) -> serde_yaml::Value {
    match serde_yaml::from_str::<serde_yaml::Value>(text) {
        Ok(value @ (serde_yaml::Value::Bool(_) | serde_yaml::Value::Number(_)))
            if serde_yaml::to_string(&value).is_ok_and(|printed| printed.trim_end() == text) =>
        {
            value
        }
        _ => serde_yaml::Value::String(text.to_owned()),
    }
}
