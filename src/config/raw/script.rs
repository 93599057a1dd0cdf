//! An `if` as a step of a script: a block with a condition, in which other keys may stand than in a location.

use super::{Block, Handling, IfKeys, LocationKeys, Scope};
use crate::config::diagnostics::{Diagnostics, Span};
use crate::config::keys::{Contexts, Key, Keys};
use crate::config::node::Node;
use crate::config::types::{Condition, ScriptStep};
use crate::config::value::Spanned;

/// One `if`. In a location it is a location of its own, which takes what it does not say itself from the one around it.
#[derive(Clone, Debug)]
pub struct If {
    pub span: Span,
    pub condition: Spanned<Condition>,
    /// `proxy_pass`, `grpc_pass`
    pub keys: LocationKeys,
    pub handling: Handling,
    pub scope: Scope,
    /// The keys that mean something in a location alone.
    of_location: Vec<(&'static str, Span)>,
}

/// The keys that an `if` of a server may hold.
const OF_SCRIPT: &[&str] = &["if", "return", "rewrite", "rewrite_log", "uninitialized_variable_warn"];

impl If {
    pub fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<If> {
        let block = Block::open(node, "an `if`", diagnostics)?;
        let mut own = IfKeys::default();
        let (mut keys, mut handling, mut scope) = (LocationKeys::default(), Handling::default(), Scope::default());
        block.each(Contexts::IF, diagnostics, |key, value, d| {
            own.read_key(key, value, d)
                || keys.read_key(key, value, d)
                || handling.read_key(key, value, d)
                || scope.read_key(key, value, d)
        });
        for step in steps(&handling) {
            if let ScriptStep::If(inner) = &step.value {
                diagnostics
                    .error(inner.span, "an `if` may not stand in another `if`")
                    .help("write a `map` over both variables (`$a:$b`), or `set` one in the first and ask it in a second `if`");
            }
        }
        let is_of_location = |key: &Key| key.contexts.contains(Contexts::IF) && !OF_SCRIPT.contains(&key.name);
        let known = |name: &str| super::all_keys().find(|key| key.name == name && is_of_location(key));
        let entries = node.as_map().unwrap_or_default();
        let of_location = entries.iter().filter_map(|e| Some((known(&e.key)?.name, e.span))).collect();
        Some(If { span: node.span, condition: own.condition?, keys, handling, scope, of_location })
    }
}

/// The steps of a block that stand in its list.
fn steps(handling: &Handling) -> impl Iterator<Item = &Spanned<ScriptStep>> {
    handling.rewrite.iter().flat_map(|list| &list.value)
}

impl Handling {
    /// The `if`s of a block.
    pub fn ifs(&self) -> impl Iterator<Item = &If> {
        steps(self).filter_map(|step| match &step.value {
            ScriptStep::If(inner) => Some(&**inner),
            _ => None,
        })
    }
}

/// Where no location has been found yet there is none to be changed.
pub(super) fn check_server(handling: &Handling, diagnostics: &mut Diagnostics) {
    for step in steps(handling) {
        let ScriptStep::If(inner) = &step.value else { continue };
        for (name, span) in &inner.of_location {
            diagnostics
                .error(*span, format!("`{name}` may not stand in an `if` of a server"))
                .help("such an `if` holds `rewrite` and `return`; write this one into a location");
        }
    }
}
