//! What an expression needs before it can run, and what must hold for it to be true.

use std::collections::BTreeSet;
use std::ops::{BitOr, BitOrAssign};

use super::functions::Function;
use super::functions::paths::is_below;
use super::names::Name;
use super::node::{Comparison, Node};
use super::value::{List, Value};

/// What has to be known before an expression runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs(u8);

impl Needs {
    pub const NOTHING: Needs = Needs(0);
    /// `exchange.session`, as far as the request itself tells: its id and route.
    pub const SESSION: Needs = Needs(1);
    /// What memcached knows of the session.
    pub const SESSION_STORE: Needs = Needs(2);
    pub const RESPONSE: Needs = Needs(4);
    pub const UPSTREAM: Needs = Needs(8);
    pub const CACHE: Needs = Needs(16);

    pub fn contains(self, other: Needs) -> bool {
        self.0 & other.0 == other.0
    }

    pub fn is_empty(self) -> bool {
        self == Needs::NOTHING
    }
}

impl BitOr for Needs {
    type Output = Needs;

    fn bitor(self, other: Needs) -> Needs {
        Needs(self.0 | other.0)
    }
}

impl BitOrAssign for Needs {
    fn bitor_assign(&mut self, other: Needs) {
        *self = *self | other;
    }
}

/// What must hold for a condition to be true, and is cheap to look up. Each is `None` if anything will do; empty if nothing
/// will: then the condition is never true. The condition is true for some of what passes, not for all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Precheck {
    /// As `request.method` has them.
    pub methods: Option<BTreeSet<String>>,
    /// As `request.path` has them.
    pub paths: Option<BTreeSet<PathTest>>,
    /// As `request.host` has them.
    pub hosts: Option<BTreeSet<Vec<u8>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathTest {
    Exact(Vec<u8>),
    Prefix(Vec<u8>),
    /// As `below()` has it: what `;parameters` hide may be anywhere.
    Below(Vec<u8>),
}

impl Precheck {
    /// Whether the condition can never be true.
    pub fn is_impossible(&self) -> bool {
        let none = |set: Option<bool>| set == Some(true);
        none(self.methods.as_ref().map(BTreeSet::is_empty))
            || none(self.paths.as_ref().map(BTreeSet::is_empty))
            || none(self.hosts.as_ref().map(BTreeSet::is_empty))
    }
}

/// What a node needs.
pub(super) fn needs(node: &Node) -> Needs {
    let mut needs = Needs::NOTHING;
    node.walk(&mut |node| {
        if let Node::Name(name) | Node::HasName(name) = node {
            needs |= name.needs();
        }
    });
    needs
}

/// What must hold for a condition to be true.
pub(super) fn precheck(node: &Node) -> Precheck {
    match node {
        Node::Quick(_, whole) => precheck(whole),
        Node::Constant(Value::Bool(true)) => Precheck::default(),
        Node::Constant(_) => Precheck::impossible(),
        Node::All(nodes) => nodes.iter().map(precheck).fold(Precheck::default(), Precheck::and),
        Node::Any(nodes) => nodes.iter().map(precheck).reduce(Precheck::or).unwrap_or_default(),
        Node::Compare(Comparison::Equal, sides) => match &**sides {
            [Node::Name(name), Node::Constant(value)] | [Node::Constant(value), Node::Name(name)] => {
                value.as_text().map_or_else(Precheck::default, |text| of_texts(*name, [text].into_iter()))
            }
            _ => Precheck::default(),
        },
        Node::In(sides) => match &**sides {
            [Node::Name(name), Node::Constant(Value::List(List::Made(values)))] => {
                of_texts(*name, values.iter().filter_map(Value::as_text))
            }
            _ => Precheck::default(),
        },
        Node::InTexts(item, known) => match &**item {
            Node::Name(name) => of_texts(*name, known.iter().map(|text| &text[..])),
            _ => Precheck::default(),
        },
        Node::Call(function, nodes) => match (function, &nodes[..]) {
            (Function::StartsWith, [Node::Name(Name::RequestPath), Node::Constant(start)]) => {
                start.as_text().map_or_else(Precheck::default, of_prefix)
            }
            (Function::Below, [Node::Name(Name::RequestPath), Node::Constant(others)]) => of_areas(others),
            (Function::Matches(pattern), [Node::Name(Name::RequestPath)]) => {
                beginning(pattern.as_str()).map_or_else(Precheck::default, of_prefix)
            }
            _ => Precheck::default(),
        },
        _ => Precheck::default(),
    }
}

/// A name is one of these texts.
fn of_texts<'t>(name: Name, texts: impl Iterator<Item = &'t [u8]>) -> Precheck {
    let mut precheck = Precheck::default();
    match name {
        // What is not UTF-8 is no method.
        Name::RequestMethod => {
            precheck.methods = Some(texts.filter_map(|text| String::from_utf8(text.to_vec()).ok()).collect());
        }
        Name::RequestPath => precheck.paths = Some(texts.map(|text| PathTest::Exact(text.to_vec())).collect()),
        Name::RequestHost => precheck.hosts = Some(texts.map(<[u8]>::to_vec).collect()),
        _ => {}
    }
    precheck
}

fn of_prefix(start: &[u8]) -> Precheck {
    Precheck { paths: Some(BTreeSet::from([PathTest::Prefix(start.to_vec())])), ..Precheck::default() }
}

fn of_areas(others: &Value<'_>) -> Precheck {
    let area = |other: &Value<'_>| {
        let other = other.as_text()?;
        // Below the root lies everything.
        Some(other.strip_suffix(b"/").unwrap_or(other).to_vec()).filter(|other| !other.is_empty())
    };
    let areas: Option<BTreeSet<PathTest>> = match others {
        Value::List(others) => others.as_slice().iter().map(|other| area(other).map(PathTest::Below)).collect(),
        other => area(other).map(|other| BTreeSet::from([PathTest::Below(other)])),
    };
    Precheck { paths: areas, ..Precheck::default() }
}

/// The text with which whatever matches a regular expression begins, as far as that is plain to see.
fn beginning(pattern: &str) -> Option<&[u8]> {
    let rest = pattern.strip_prefix('^')?.as_bytes();
    if pattern.contains('|') {
        return None;
    }
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_');
    let mut len = rest.iter().take_while(|byte| plain(byte)).count();
    if matches!(rest.get(len), Some(b'?' | b'*' | b'{')) {
        // The last one need not be there.
        len = len.saturating_sub(1);
    }
    (len > 0).then(|| &rest[..len])
}

impl Precheck {
    fn impossible() -> Precheck {
        Precheck { methods: Some(BTreeSet::new()), ..Precheck::default() }
    }

    fn and(self, other: Precheck) -> Precheck {
        Precheck {
            methods: both(self.methods, other.methods, |a, b| &a & &b),
            paths: both(self.paths, other.paths, |a, b| {
                a.iter().flat_map(|a| b.iter().filter_map(move |b| a.and(b))).collect()
            }),
            hosts: both(self.hosts, other.hosts, |a, b| &a & &b),
        }
    }

    fn or(self, other: Precheck) -> Precheck {
        // What can never be true adds nothing.
        if self.is_impossible() {
            return other;
        }
        if other.is_impossible() {
            return self;
        }
        Precheck {
            methods: self.methods.zip(other.methods).map(|(a, b)| &a | &b),
            paths: self.paths.zip(other.paths).map(|(a, b)| &a | &b),
            hosts: self.hosts.zip(other.hosts).map(|(a, b)| &a | &b),
        }
    }
}

fn both<T>(a: Option<T>, b: Option<T>, and: impl FnOnce(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(and(a, b)),
        (a, b) => a.or(b),
    }
}

impl PathTest {
    pub fn holds(&self, path: &[u8]) -> bool {
        match self {
            PathTest::Exact(text) => path == text,
            PathTest::Prefix(text) => path.starts_with(text),
            PathTest::Below(text) => path.contains(&b';') || is_below(path, text),
        }
    }

    /// What passes both tests.
    fn and(&self, other: &PathTest) -> Option<PathTest> {
        match (self, other) {
            (PathTest::Exact(text), test) | (test, PathTest::Exact(text)) => {
                test.holds(text).then(|| PathTest::Exact(text.clone()))
            }
            (PathTest::Prefix(a), PathTest::Prefix(b)) if a.starts_with(b) => Some(self.clone()),
            (PathTest::Prefix(a), PathTest::Prefix(b)) => b.starts_with(a).then(|| other.clone()),
            // Both must hold; one of them is enough to know.
            (PathTest::Below(_), PathTest::Prefix(_)) => Some(other.clone()),
            (_, PathTest::Below(_)) => Some(self.clone()),
        }
    }
}
