//! CEL, the language of conditions: parsed by the crate `cel`, checked and run by code of our own.
//!
//! The crate's own interpreter looks names up by text and compiles regular expressions while it runs. Here an expression is
//! checked once, when the configuration is loaded, and becomes a tree of typed nodes: names are known, patterns and networks
//! compiled, and what reads only the request's own bytes allocates nothing.
//!
//! What always holds: an expression that compiles never panics and ends after a bounded number of steps; every mistake
//! says where in the expression it is.

mod check;
mod eval;
mod fault;
mod functions;
#[cfg(test)]
pub(crate) mod fuzzed;
mod grammar;
mod maps;
mod names;
mod node;
mod parse;
mod precheck;
mod quick;
mod scope;
mod time;
mod tokens;
mod types;
mod value;

#[cfg(test)]
mod tests;

pub use fault::Fault;
pub use functions::table::{Signature, TABLE as FUNCTIONS};
pub use maps::Map;
pub use names::{Entry, TABLE as NAMES};
pub use precheck::{Needs, PathTest, Precheck};
pub use scope::{Constant, Mistake, Scope};
pub use time::Timestamp;
pub use types::Kind;
pub use value::{List, Value};

use super::View;
use eval::Evaluation;
use node::Node;

/// A compiled expression.
#[derive(Debug)]
pub struct Expr {
    node: Node,
    kind: Kind,
}

impl Expr {
    /// Compiles an expression of any type; else tells all that is wrong with it.
    pub fn compile(text: &str, scope: &Scope<'_>) -> Result<Expr, Vec<Mistake>> {
        compile(text, scope, false)
    }

    /// Compiles a condition: a bool, or what is known to be one only when it runs.
    pub fn condition(text: &str, scope: &Scope<'_>) -> Result<Expr, Vec<Mistake>> {
        compile(text, scope, true)
    }

    /// The type of what it yields.
    pub fn kind(&self) -> Kind {
        self.kind.clone()
    }

    /// What has to be known before it runs.
    pub fn needs(&self) -> Needs {
        precheck::needs(&self.node)
    }

    /// What must hold for it to be true.
    pub fn precheck(&self) -> Precheck {
        precheck::precheck(&self.node)
    }

    /// The conjuncts that need no memcached, and those that do. Both hold if and only if the whole does.
    pub fn split(self) -> (Option<Expr>, Option<Expr>) {
        let nodes = match self.node {
            Node::All(nodes) => nodes.into_vec(),
            node => vec![node],
        };
        let is_stored = |node: &Node| precheck::needs(node).contains(Needs::SESSION_STORE);
        let (stored, cheap): (Vec<Node>, Vec<Node>) = nodes.into_iter().partition(is_stored);
        let joined = |mut nodes: Vec<Node>| match nodes.len() {
            0 | 1 => nodes.pop(),
            _ => Some(Node::All(nodes.into())),
        };
        let expr = |nodes| joined(nodes).map(|node| Expr { node, kind: Kind::Bool });
        (expr(cheap), expr(stored))
    }

    /// Whether a condition holds.
    pub fn test(&self, view: &View<'_>) -> Result<bool, Fault> {
        Evaluation::new(view).test(&self.node)
    }

    /// Without what makes it quick.
    #[cfg(test)]
    fn slowed(self) -> Expr {
        Expr { node: quick::slowed(self.node), kind: self.kind }
    }

    pub fn evaluate<'v>(&'v self, view: &View<'v>) -> Result<Value<'v>, Fault> {
        Evaluation::new(view).whole(&self.node)
    }
}

fn compile(text: &str, scope: &Scope<'_>, condition: bool) -> Result<Expr, Vec<Mistake>> {
    let run = || {
        let parsed = parse::parse(text).map_err(|mistake| vec![mistake])?;
        let typed = check::check(&parsed, scope, condition)?;
        Ok(Expr { node: quick::quicken(typed.node), kind: typed.kind })
    };
    let unread =
        || vec![Mistake::new(0, text.len(), "this expression cannot be read: the system gave no thread for it")];
    parse::on_a_deep_stack(run).ok_or_else(unread)?
}
