//! Runs a checked expression over a request.
//!
//! Steps are counted: each node is one, and what goes through texts and lists pays for their length, so that no expression
//! runs for longer than some milliseconds whatever a client sends. `&&` and `||` absorb faults as CEL has it: `false && x` is
//! false whatever becomes of `x`, and `x && false` too.

use std::cmp::Ordering;

use super::fault::Fault;
use super::functions::{Function, arithmetic};
use super::maps::Map;
use super::names;
use super::node::{Comparison, Macro, Node, Repeat};
use super::value::{List, Value, compare, equal};
use crate::rules::View;

/// How many steps an expression may take: about a millisecond.
const STEPS: usize = 20_000;

/// What is left of the steps.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Budget {
    pub fn new() -> Budget {
        Budget(STEPS)
    }

    pub fn spend(&mut self, steps: usize) -> Result<(), Fault> {
        match self.0.checked_sub(steps) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => Err(Fault::TooExpensive),
        }
    }

    /// Pays for going through a value.
    pub fn spend_value(&mut self, value: &Value<'_>) -> Result<(), Fault> {
        self.spend(value.weight(self.0.saturating_add(1)))
    }

    /// Pays for going through a text.
    pub fn spend_text(&mut self, len: usize) -> Result<(), Fault> {
        self.spend(len / 32)
    }
}

pub(super) struct Evaluation<'v, 'a> {
    view: &'a View<'v>,
    budget: Budget,
    /// The variables of the macros that are running, the outer first.
    locals: Vec<Value<'v>>,
}

impl<'v, 'a> Evaluation<'v, 'a> {
    pub fn new(view: &'a View<'v>) -> Evaluation<'v, 'a> {
        Evaluation { view, budget: Budget::new(), locals: Vec::new() }
    }

    /// The value of a whole expression, which whoever gets it goes through once more.
    pub fn whole(&mut self, node: &'v Node) -> Result<Value<'v>, Fault> {
        let value = self.value(node)?;
        self.budget.spend_value(&value)?;
        Ok(value)
    }

    pub fn test(&mut self, node: &'v Node) -> Result<bool, Fault> {
        match node {
            Node::All(nodes) => self.join(nodes, false),
            Node::Any(nodes) => self.join(nodes, true),
            Node::Not(inner) => self.test(inner).map(|is| !is),
            Node::Quick(quick, _) => quick.holds(self.view, &mut self.budget),
            Node::Compare(how, sides) => {
                self.budget.spend(1)?;
                self.compare(*how, sides)
            }
            _ => match self.value(node)? {
                Value::Bool(is) => Ok(is),
                other => Err(Fault::Type(format!("a condition is {} instead of bool", other.type_name()).into())),
            },
        }
    }

    /// `&&` if one `false` decides, `||` if one `true` does. A fault counts only if nothing decides.
    fn join(&mut self, nodes: &'v [Node], decides: bool) -> Result<bool, Fault> {
        let mut fault = None;
        for node in nodes {
            match self.test(node) {
                Ok(is) if is == decides => return Ok(decides),
                Ok(_) => {}
                Err(Fault::TooExpensive) => return Err(Fault::TooExpensive),
                Err(other) => fault = fault.or(Some(other)),
            }
        }
        fault.map_or(Ok(!decides), Err)
    }

    pub fn value(&mut self, node: &'v Node) -> Result<Value<'v>, Fault> {
        self.budget.spend(1)?;
        match node {
            Node::Constant(value) => Ok(value.lend()),
            Node::Name(name) => name.read(self.view).or_else(|| name.absent()).ok_or_else(|| missing(name.as_str())),
            Node::Variable(name) => Ok(self.variable(name).unwrap_or(Value::text(""))),
            Node::HasName(name) => Ok(Value::Bool(name.read(self.view).is_some())),
            Node::HasVariable(name) => Ok(Value::Bool(self.variable(name).is_some())),
            Node::Local(slot) => self.locals.get(*slot).cloned().ok_or_else(|| missing("variable")),
            Node::Not(_) | Node::All(_) | Node::Any(_) | Node::Compare(..) | Node::Quick(..) => {
                self.test(node).map(Value::Bool)
            }
            Node::Negate(inner) => arithmetic::negate(self.value(inner)?),
            Node::Choice(nodes) => {
                let [condition, yes, no] = &**nodes;
                if self.test(condition)? { self.value(yes) } else { self.value(no) }
            }
            Node::Arithmetic(how, sides) => {
                let (left, right) = (self.value(&sides[0])?, self.value(&sides[1])?);
                arithmetic::apply(*how, left, right, &mut self.budget)
            }
            Node::In(sides) => {
                let (item, of) = (self.value(&sides[0])?, self.value(&sides[1])?);
                self.is_in(&item, &of).map(Value::Bool)
            }
            Node::InTexts(item, known) => {
                let item = self.value(item)?;
                Ok(Value::Bool(item.as_text().is_some_and(|text| known.contains(text))))
            }
            Node::Index(sides) => {
                let (of, key) = (self.value(&sides[0])?, self.value(&sides[1])?);
                self.index(&of, &key)
            }
            Node::Select(of, key) => {
                let of = self.value(of)?;
                self.index(&of, key)
            }
            Node::Has(of, key) => match self.value(of)? {
                Value::Map(map) => {
                    self.budget.spend(map.weight())?;
                    Ok(Value::Bool(map.contains(key)))
                }
                Value::Null => Ok(Value::Bool(false)),
                other => Err(nothing_in(&other)),
            },
            Node::List(nodes) => {
                let values: Result<Vec<_>, _> = nodes.iter().map(|node| self.value(node)).collect();
                Ok(Value::made_list(values?))
            }
            Node::Map(entries) => self.map(entries),
            Node::Macro(repeat) => self.repeat(repeat),
            Node::Call(function, nodes) => self.call(function, nodes),
        }
    }

    fn variable(&self, name: &str) -> Option<Value<'v>> {
        let exchange = self.view.exchange;
        exchange.defined.value(self.view.vars.find(name)?, exchange).map(Value::made_text)
    }

    fn compare(&mut self, how: Comparison, sides: &'v [Node; 2]) -> Result<bool, Fault> {
        let (left, right) = (self.value(&sides[0])?, self.value(&sides[1])?);
        self.budget.spend_value(&left)?;
        match how {
            Comparison::Equal => return Ok(equal(&left, &right)),
            Comparison::NotEqual => return Ok(!equal(&left, &right)),
            _ => {}
        }
        let Some(order) = compare(&left, &right) else { return not_comparable(&left, &right) };
        Ok(match how {
            Comparison::Less => order == Ordering::Less,
            Comparison::LessOrEqual => order != Ordering::Greater,
            Comparison::Greater => order == Ordering::Greater,
            _ => order != Ordering::Less,
        })
    }

    fn index(&mut self, of: &Value<'v>, key: &Value<'_>) -> Result<Value<'v>, Fault> {
        let missing = || {
            let mut text = Vec::new();
            key.write_text(&mut text);
            missing(&String::from_utf8_lossy(&text))
        };
        match of {
            Value::Map(map) => {
                self.budget.spend(map.weight())?;
                map.get(key).ok_or_else(missing)
            }
            Value::List(list) => {
                let item = place(key)?.and_then(|at| list.as_slice().get(at)).ok_or_else(missing)?;
                self.budget.spend_value(item)?;
                Ok(item.clone())
            }
            Value::Null => Err(missing()),
            other => Err(nothing_in(other)),
        }
    }

    fn is_in(&mut self, item: &Value<'v>, of: &Value<'v>) -> Result<bool, Fault> {
        match of {
            Value::List(list) => {
                self.budget.spend_value(of)?;
                Ok(list.as_slice().iter().any(|known| equal(known, item)))
            }
            Value::Map(map) => {
                self.budget.spend(map.weight())?;
                Ok(map.contains(item))
            }
            other => Err(Fault::Type(format!("`in` looks into a list or map, not {}", other.type_name()).into())),
        }
    }

    fn map(&mut self, nodes: &'v [(Node, Node)]) -> Result<Value<'v>, Fault> {
        let mut entries: Vec<(Value<'v>, Value<'v>)> = Vec::with_capacity(nodes.len());
        for (key, value) in nodes {
            let (key, value) = (self.value(key)?, self.value(value)?);
            self.budget.spend(entries.len())?;
            if entries.iter().any(|(known, _)| equal(known, &key)) {
                return Err(Fault::Conversion("a map has one of its keys twice".into()));
            }
            entries.push((key, value));
        }
        Ok(Value::Map(Map::Made(entries.into())))
    }

    fn call(&mut self, function: &'v Function, nodes: &'v [Node]) -> Result<Value<'v>, Fault> {
        if let (Function::Cidr(networks), [Node::Name(names::Name::ClientIp)]) = (function, nodes) {
            // Without making a text of the address first.
            self.budget.spend(networks.len())?;
            return Ok(Value::Bool(networks.contain(names::client_ip(self.view))));
        }
        let mut arguments = [Value::Null, Value::Null, Value::Null];
        for (argument, node) in arguments.iter_mut().zip(nodes) {
            *argument = self.value(node)?;
        }
        // As many as the check lets through.
        let count = nodes.len().min(arguments.len());
        function.call(&mut arguments[..count], self.view.now, &mut self.budget)
    }

    fn repeat(&mut self, repeat: &'v Macro) -> Result<Value<'v>, Fault> {
        let over = match self.value(&repeat.over)? {
            Value::List(list) => list,
            Value::Map(map) => {
                self.budget.spend(map.weight().saturating_mul(4))?;
                let keys = map.keys();
                List::Made(keys.into())
            }
            other => {
                return Err(Fault::Type(format!("a list or map is gone through, not {}", other.type_name()).into()));
            }
        };
        match repeat.what {
            Repeat::All => self.decide(repeat, over.as_slice(), false),
            Repeat::Exists => self.decide(repeat, over.as_slice(), true),
            Repeat::ExistsOne => {
                let mut count = 0;
                for item in over.as_slice() {
                    self.enter(repeat, item)?;
                    count += usize::from(self.test(&repeat.each)?);
                }
                Ok(Value::Bool(count == 1))
            }
            Repeat::Map | Repeat::Filter => self.collect(repeat, over.as_slice()),
        }
    }

    /// Makes an item the variable of the macro.
    fn enter(&mut self, repeat: &Macro, item: &Value<'v>) -> Result<(), Fault> {
        self.budget.spend(1)?;
        self.budget.spend_value(item)?;
        // A fault that was absorbed has left inner variables here.
        self.locals.truncate(repeat.slot);
        self.locals.push(item.clone());
        Ok(())
    }

    fn decide(&mut self, repeat: &'v Macro, items: &[Value<'v>], decides: bool) -> Result<Value<'v>, Fault> {
        let mut fault = None;
        for item in items {
            self.enter(repeat, item)?;
            match self.test(&repeat.each) {
                Ok(is) if is == decides => return Ok(Value::Bool(decides)),
                Ok(_) => {}
                Err(Fault::TooExpensive) => return Err(Fault::TooExpensive),
                Err(other) => fault = fault.or(Some(other)),
            }
        }
        fault.map_or(Ok(Value::Bool(!decides)), Err)
    }

    fn collect(&mut self, repeat: &'v Macro, items: &[Value<'v>]) -> Result<Value<'v>, Fault> {
        let mut made = Vec::new();
        for item in items {
            self.enter(repeat, item)?;
            let condition = if repeat.what == Repeat::Filter { Some(&repeat.each) } else { repeat.only.as_ref() };
            if let Some(condition) = condition
                && !self.test(condition)?
            {
                continue;
            }
            made.push(if repeat.what == Repeat::Filter { item.clone() } else { self.value(&repeat.each)? });
        }
        Ok(Value::made_list(made))
    }
}

fn missing(what: &str) -> Fault {
    Fault::Missing(format!("`{what}`").into())
}

fn not_comparable(left: &Value<'_>, right: &Value<'_>) -> Result<bool, Fault> {
    if left.is_number() && right.is_number() {
        // One of them is no number (NaN), which is neither less nor more than any.
        return Ok(false);
    }
    Err(Fault::Type(format!("{} and {} cannot be compared", left.type_name(), right.type_name()).into()))
}

fn nothing_in(value: &Value<'_>) -> Fault {
    Fault::Type(format!("{} has nothing in it", value.type_name()).into())
}

/// A place in a list; `None` if none can be there.
fn place(key: &Value<'_>) -> Result<Option<usize>, Fault> {
    match key {
        Value::Int(at) => Ok(usize::try_from(*at).ok()),
        Value::Uint(at) => Ok(usize::try_from(*at).ok()),
        Value::Double(at) => Ok((at.fract() == 0.0 && (0.0..1e9).contains(at)).then_some(*at as usize)),
        other => Err(Fault::Type(format!("a list is indexed by int, not {}", other.type_name()).into())),
    }
}
