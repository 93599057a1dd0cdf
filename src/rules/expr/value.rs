//! The values of expressions.
//!
//! Texts are bytes: what clients send need not be UTF-8, and a path or header is compared and logged as it came. What is
//! borrowed from the request stays borrowed, and maps of headers, cookies and arguments are looked up where they stand.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::io::Write;
use std::sync::Arc;

use super::maps::Map;
use super::time::{self, Timestamp};
use super::types::Kind;

/// What an expression yields.
#[derive(Clone, Debug)]
pub enum Value<'v> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Cow<'v, [u8]>),
    Bytes(Cow<'v, [u8]>),
    /// In nanoseconds.
    Duration(i64),
    Timestamp(Timestamp),
    List(List<'v>),
    Map(Map<'v>),
    /// What `type(x)` yields.
    Type(&'static str),
}

/// A list: a constant's own or one that was made.
#[derive(Clone, Debug)]
pub enum List<'v> {
    Borrowed(&'v [Value<'v>]),
    Made(Arc<[Value<'v>]>),
}

impl<'v> List<'v> {
    pub fn as_slice(&self) -> &[Value<'v>] {
        match self {
            List::Borrowed(values) => values,
            List::Made(values) => values,
        }
    }
}

impl<'v> Value<'v> {
    pub fn text(text: &'v (impl AsRef<[u8]> + ?Sized)) -> Value<'v> {
        Value::Text(Cow::Borrowed(text.as_ref()))
    }

    pub fn made_text(text: impl Into<Vec<u8>>) -> Value<'v> {
        Value::Text(Cow::Owned(text.into()))
    }

    pub fn made_list(values: impl Into<Arc<[Value<'v>]>>) -> Value<'v> {
        Value::List(List::Made(values.into()))
    }

    /// The type of a constant. It goes through all of a list, which one that was made may hold a thousand times over.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Value::Null => Kind::Null,
            Value::Bool(_) => Kind::Bool,
            Value::Int(_) => Kind::Int,
            Value::Uint(_) => Kind::Uint,
            Value::Double(_) => Kind::Double,
            Value::Text(_) => Kind::Text,
            Value::Bytes(_) => Kind::Bytes,
            Value::Duration(_) => Kind::Duration,
            Value::Timestamp(_) => Kind::Timestamp,
            Value::List(list) => Kind::list(common(list.as_slice().iter())),
            Value::Map(map) => map.kind(),
            Value::Type(_) => Kind::Type,
        }
    }

    /// The name of its type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null_type",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Uint(_) => "uint",
            Value::Double(_) => "double",
            Value::Text(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::Duration(_) => "duration",
            Value::Timestamp(_) => "timestamp",
            Value::List(_) => "list",
            Value::Map(_) => "map",
            Value::Type(_) => "type",
        }
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Value::Int(_) | Value::Uint(_) | Value::Double(_))
    }

    /// What it costs to compare, copy or print it, in steps; `limit` if it is that or more. A list may hold another many
    /// times over, so counting has to end.
    pub(super) fn weight(&self, limit: usize) -> usize {
        let mut left = limit;
        self.weigh(&mut left);
        limit - left
    }

    fn weigh(&self, left: &mut usize) {
        let mut pay = |steps: usize| *left = left.saturating_sub(steps);
        match self {
            Value::Text(text) | Value::Bytes(text) => pay(text.len() / 32),
            Value::List(list) => list.as_slice().iter().for_each(|item| {
                if *left > 0 {
                    *left -= 1;
                    item.weigh(left);
                }
            }),
            Value::Map(Map::Borrowed(entries)) => weigh_entries(entries, left),
            Value::Map(Map::Made(entries)) => weigh_entries(entries, left),
            // Each of its keys is looked up by itself.
            Value::Map(map) => pay(map.weight().saturating_mul(map.weight())),
            _ => {}
        }
    }

    /// The same value, borrowed from this one: nothing is copied.
    pub(super) fn lend(&'v self) -> Value<'v> {
        match self {
            Value::Text(text) => Value::Text(Cow::Borrowed(text)),
            Value::Bytes(bytes) => Value::Bytes(Cow::Borrowed(bytes)),
            Value::List(list) => Value::List(List::Borrowed(list.as_slice())),
            Value::Map(Map::Made(entries)) => Value::Map(Map::Borrowed(entries)),
            other => other.clone(),
        }
    }

    /// The bytes of a text.
    pub fn as_text(&self) -> Option<&[u8]> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Prints as `string()` would; lists and maps as JSON.
    pub fn write_text(&self, out: &mut Vec<u8>) {
        // Writing into memory cannot fail.
        let _ = match self {
            Value::Null => out.write_all(b"null"),
            Value::Bool(is) => write!(out, "{is}"),
            Value::Int(number) => write!(out, "{number}"),
            Value::Uint(number) => write!(out, "{number}"),
            Value::Double(number) => write_double(*number, out),
            Value::Text(text) | Value::Bytes(text) => out.write_all(text),
            Value::Duration(nanos) => time::write_duration(*nanos, out),
            Value::Timestamp(at) => at.write(out),
            Value::Type(name) => out.write_all(name.as_bytes()),
            Value::List(_) | Value::Map(_) => {
                self.write_json(out);
                Ok(())
            }
        };
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Uint(_) => self.write_text(out),
            Value::Double(number) if number.is_finite() => self.write_text(out),
            Value::List(list) => {
                out.push(b'[');
                for (at, item) in list.as_slice().iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    item.write_json(out);
                }
                out.push(b']');
            }
            Value::Map(map) => {
                out.push(b'{');
                for (at, (key, value)) in map.entries().iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    key.write_quoted(out);
                    out.push(b':');
                    value.write_json(out);
                }
                out.push(b'}');
            }
            _ => self.write_quoted(out),
        }
    }

    fn write_quoted(&self, out: &mut Vec<u8>) {
        let mut text = Vec::new();
        self.write_text(&mut text);
        // A text can always be written as JSON.
        out.extend_from_slice(serde_json::to_string(&String::from_utf8_lossy(&text)).unwrap_or_default().as_bytes());
    }
}

/// Keys are compared each with each.
fn weigh_entries(entries: &[(Value<'_>, Value<'_>)], left: &mut usize) {
    *left = left.saturating_sub(entries.len().saturating_mul(entries.len().div_ceil(8)));
    for (key, value) in entries {
        if *left == 0 {
            return;
        }
        key.weigh(left);
        value.weigh(left);
    }
}

fn write_double(number: f64, out: &mut Vec<u8>) -> std::io::Result<()> {
    let size = number.abs();
    match () {
        () if number.is_nan() => write!(out, "NaN"),
        () if number.is_infinite() => write!(out, "{}", if number > 0.0 { "+Inf" } else { "-Inf" }),
        () if size != 0.0 && !(1e-5..1e21).contains(&size) => write!(out, "{number:e}"),
        () => write!(out, "{number}"),
    }
}

/// The kind that all of these have, or dyn.
pub(super) fn common<'a, 'v: 'a>(mut values: impl Iterator<Item = &'a Value<'v>>) -> Kind {
    let Some(first) = values.next().map(Value::kind) else { return Kind::Dyn };
    if values.all(|value| value.kind() == first) { first } else { Kind::Dyn }
}

/// Whether two values are equal, as CEL has it: numbers by what they are worth, whatever their types; values of other
/// types that differ are not equal, which is no fault.
pub(super) fn equal(a: &Value<'_>, b: &Value<'_>) -> bool {
    match (a, b) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Text(a), Value::Text(b)) | (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::Type(a), Value::Type(b)) => a == b,
        (Value::Duration(a), Value::Duration(b)) => a == b,
        (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            let (a, b) = (a.as_slice(), b.as_slice());
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            let (a, b) = (a.entries(), b.entries());
            let has = |key: &Value<'_>, value: &Value<'_>| b.iter().any(|(k, v)| equal(k, key) && equal(v, value));
            a.len() == b.len() && a.iter().all(|(key, value)| has(key, value))
        }
        _ => numbers(a, b) == Some(Ordering::Equal),
    }
}

/// What comes first; `None` if the values cannot be compared, or one is not a number (NaN).
pub(super) fn compare(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) | (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
        (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
        _ => numbers(a, b),
    }
}

fn numbers(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Uint(a), Value::Uint(b)) => Some(a.cmp(b)),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Uint(a), Value::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Double(a), Value::Int(b)) => double_and(*a, i128::from(*b)),
        (Value::Double(a), Value::Uint(b)) => double_and(*a, i128::from(*b)),
        (Value::Int(_) | Value::Uint(_), Value::Double(_)) => numbers(b, a).map(Ordering::reverse),
        _ => None,
    }
}

/// Compares without the loss of turning a large whole number into a double.
fn double_and(a: f64, b: i128) -> Option<Ordering> {
    if a.is_nan() {
        return None;
    }
    // Whole numbers of 64 bits lie well within i128, and the conversion keeps to its ends.
    let whole = (a.trunc() as i128).cmp(&b);
    Some(whole.then_with(|| a.fract().partial_cmp(&0.0).unwrap_or(Ordering::Equal)))
}
