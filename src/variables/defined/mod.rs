//! The variables that a configuration itself defines: by `map`, `geo`, `split_clients`, `set` and the named groups of regular
//! expressions. What each is made of is compiled once ([`Definitions`]); what a request has made of it lies in [`Values`].
//!
//! Always: a value is found out when somebody asks for it, once for each request (a `volatile` map: each time), and stays
//! what it was, as in nginx; a variable that needs itself is not found, and a line in the log. A configuration that defines
//! nothing costs a request nothing.

mod geo;
mod map;
mod split;

pub use geo::{Geo, Network, Networks, Places, Ranges};
pub use map::{Map, MapMistake};
pub use split::{Split, SplitMistake};

use super::exchange::{Captures, Exchange};
use super::names::{Defined, Variable};
use super::print;
use crate::pattern::Pattern;
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a name of the configuration stands for.
#[derive(Debug)]
pub enum Definition {
    /// A named group: not found until a pattern has captured it.
    Captured,
    /// `set`: until one has run, what the name means by itself (`$arg_x`), or nothing.
    Set(Option<Variable>),
    Map(Box<Map>),
    Geo(Box<Geo>),
    Split(Box<Split>),
}

/// All names of a configuration with what they stand for, by their slot.
#[derive(Debug, Default)]
pub struct Definitions {
    names: Defined,
    list: Vec<Definition>,
    /// Whether some map captures.
    captures: bool,
}

impl Definitions {
    /// `list` has an item for each name.
    pub fn new(names: Defined, list: Vec<Definition>) -> Definitions {
        let captures = list.iter().any(|d| matches!(d, Definition::Map(map) if map.has_patterns()));
        Definitions { names, list, captures }
    }

    /// Names of which nothing is known but what is set.
    pub fn of_names(names: Defined) -> Definitions {
        let list = (0..names.len()).map(|_| Definition::Captured).collect();
        Definitions::new(names, list)
    }

    /// The slot of a name in lower case.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.names.find(name)
    }

    pub fn names(&self) -> &Defined {
        &self.names
    }

    fn slot(&self, name: &str) -> Option<usize> {
        self.names.find(&name.to_ascii_lowercase())
    }
}

/// What one request has made of the variables so far.
#[derive(Debug, Default)]
pub struct Values {
    /// `None`: nothing is defined.
    definitions: Option<Arc<Definitions>>,
    /// Asked by whoever prints, which changes nothing but this.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    values: Vec<Value>,
    /// What a map has captured, which holds until the next pattern of the request, as in nginx.
    captures: Option<Captures>,
}

#[derive(Clone, Debug, Default)]
enum Value {
    #[default]
    Unknown,
    /// Somebody is finding it out: whoever asks now is asked for by itself.
    Evaluating,
    NotFound,
    Found(Bytes),
}

impl Values {
    pub fn new(definitions: &Arc<Definitions>) -> Values {
        if definitions.list.is_empty() {
            return Values::default();
        }
        let values = vec![Value::Unknown; definitions.list.len()];
        Values { definitions: Some(definitions.clone()), state: Mutex::new(State { values, captures: None }) }
    }

    /// Nothing in here can be left half done by a panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `set`
    pub fn set(&mut self, slot: usize, value: Bytes) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = state.values.get_mut(slot) {
            *place = Value::Found(value);
        }
    }

    /// What the variable says now; `None`: it is not found.
    pub fn value(&self, slot: usize, x: &Exchange) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        self.write(slot, x, &mut value).then_some(value)
    }

    /// The named groups of a pattern have captured this; what maps have captured before holds no more.
    pub fn captured(&mut self, pattern: &Pattern, captures: &Captures) {
        let Some(definitions) = &self.definitions else { return };
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.captures = None;
        note_groups(definitions, state, pattern, captures);
    }

    /// The same for a pattern of a map.
    fn captured_by_map(&self, pattern: &Pattern, captures: Captures) {
        let Some(definitions) = &self.definitions else { return };
        let mut state = self.state();
        note_groups(definitions, &mut state, pattern, &captures);
        state.captures = Some(captures);
    }

    /// Whether printing may change what `$1` is.
    pub(super) fn may_capture(&self) -> bool {
        self.definitions.as_ref().is_some_and(|definitions| definitions.captures)
    }

    /// What a map has captured, if a map was the last to capture.
    fn with_captured<R>(&self, use_it: impl FnOnce(&Captures) -> R) -> Option<R> {
        if !self.may_capture() {
            return None;
        }
        self.state().captures.as_ref().map(use_it)
    }

    /// Appends the value; false where there is none.
    pub(super) fn write(&self, slot: usize, x: &Exchange, out: &mut Vec<u8>) -> bool {
        let Some(definition) = self.definitions.as_ref().and_then(|d| d.list.get(slot)) else { return false };
        let known = std::mem::replace(&mut self.state().values[slot], Value::Evaluating); // as many as definitions
        let (value, found) = match known {
            Value::Unknown => self.find_out(definition, slot, x, out),
            Value::Evaluating => {
                log::error!("*{} cycle while evaluating variable \"{}\"", x.peer.serial, self.name(slot));
                (Value::Evaluating, false)
            }
            Value::NotFound => (Value::NotFound, false),
            Value::Found(value) => {
                out.extend_from_slice(&value);
                (Value::Found(value), true)
            }
        };
        self.state().values[slot] = value;
        found
    }

    /// What is to be remembered, and whether something was appended.
    fn find_out(&self, definition: &Definition, slot: usize, x: &Exchange, out: &mut Vec<u8>) -> (Value, bool) {
        let from = out.len();
        match definition {
            Definition::Captured => return (Value::Unknown, false),
            Definition::Set(Some(variable)) => return (Value::Unknown, print::value(variable, x, out)),
            Definition::Set(None) if x.warns_of_uninitialized => {
                log::warn!("*{} using uninitialized \"{}\" variable", x.peer.serial, self.name(slot));
            }
            Definition::Set(None) => {}
            Definition::Map(map) => map.write(x, out),
            Definition::Geo(geo) => out.extend_from_slice(geo.find(x)),
            Definition::Split(split) => out.extend_from_slice(split.find(x)),
        }
        match definition {
            Definition::Map(map) if map.volatile => (Value::Unknown, true),
            _ => (Value::Found(Bytes::copy_from_slice(&out[from..])), true),
        }
    }

    fn name(&self, slot: usize) -> &str {
        self.definitions.as_ref().and_then(|d| d.names.name(slot)).unwrap_or_default()
    }
}

fn note_groups(definitions: &Definitions, state: &mut State, pattern: &Pattern, captures: &Captures) {
    for (name, group) in pattern.names() {
        if let Some(place) = definitions.slot(name).and_then(|slot| state.values.get_mut(slot)) {
            let value = captures.get(group).map(Bytes::copy_from_slice);
            *place = value.map_or(Value::NotFound, Value::Found);
        }
    }
}

impl Exchange {
    /// What the group of the last pattern that matched has captured; nothing if it has not.
    pub fn with_capture<R>(&self, group: usize, use_it: impl FnOnce(&[u8]) -> R) -> R {
        let mut use_it = Some(use_it);
        let mut once = |value: Option<&[u8]>| use_it.take().map(|use_it| use_it(value.unwrap_or_default()));
        match self.defined.with_captured(|captures| once(captures.get(group))).flatten() {
            Some(done) => done,
            // Nobody has called it yet, so it is there.
            None => once(self.captures.get(group)).unwrap_or_else(|| unreachable!("it is called once")),
        }
    }

    /// A pattern was found in a subject: `$1` and the named groups are its own from now on.
    pub fn capture(&mut self, pattern: &Pattern, subject: &[u8]) {
        // The names of groups are variables like others, and what nobody asks for is not kept.
        let is_asked = self.asks_captures || self.defined.definitions.is_some();
        let captures = match pattern.groups() {
            1.. if is_asked => Captures::new(pattern.clone(), subject.to_vec()),
            _ => Captures::default(),
        };
        self.defined.captured(pattern, &captures);
        self.captures = captures;
    }

    /// A pattern was not found: `$1` is nothing, as in nginx; named groups keep what they have.
    pub fn forget_captures(&mut self) {
        self.captures = Captures::default();
        self.defined.state.get_mut().unwrap_or_else(PoisonError::into_inner).captures = None;
    }
}

#[cfg(test)]
mod tests;
