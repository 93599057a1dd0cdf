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

impl Constant {
    /// Puts the text of each file that a key for `jwt()` names (`{alg: RS256, file: keys/site.pem}`) in its place, as its
    /// `key`. Reading is the caller's: rules open no files. All that cannot be read is told.
    pub fn read_key_files(&mut self, read: &mut dyn FnMut(&str) -> Result<String, String>) -> Result<(), Vec<String>> {
        match self {
            Constant::List(items) => {
                let told = items.iter_mut().filter_map(|item| item.read_key_files(read).err());
                let told: Vec<String> = told.flatten().collect();
                if told.is_empty() { Ok(()) } else { Err(told) }
            }
            Constant::Map(entries) if entries.contains_key("alg") => {
                let Some(Constant::Text(file)) = entries.get("file") else { return Ok(()) };
                let text = read(file).map_err(|why| vec![why])?;
                entries.remove("file");
                entries.insert("key".into(), Constant::Text(text));
                Ok(())
            }
            _ => Ok(()),
        }
    }
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
