//! What names mean where an expression stands, and what is told of one that does not compile.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::rules::Phase;

/// What names mean where an expression stands.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    pub phase: Phase,
    /// The parameters: `with.NAME`.
    pub with: &'a BTreeMap<String, Constant>,
    /// What rules or the configuration set: `vars.NAME`.
    pub vars: &'a BTreeSet<String>,
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    Duration(Duration),
    List(Vec<Constant>),
    Map(BTreeMap<String, Constant>),
}

/// Something wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Mistake {
    /// Where in the expression, in bytes.
    pub at: usize,
    pub len: usize,
    pub message: String,
}

impl Mistake {
    pub(super) fn new(at: usize, len: usize, message: impl Into<String>) -> Mistake {
        Mistake { at, len, message: message.into() }
    }
}
