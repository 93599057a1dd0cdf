//! The values of expressions.
//!
//! Texts are bytes: what clients send need not be UTF-8, and a path or header is compared and logged as it came. What is
//! borrowed from the request stays borrowed.

use std::borrow::Cow;

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
}

impl Value<'_> {
    pub fn kind(&self) -> Kind {
        match self {
            Value::Null => Kind::Null,
            Value::Bool(_) => Kind::Bool,
            Value::Int(_) => Kind::Int,
            Value::Uint(_) => Kind::Uint,
            Value::Double(_) => Kind::Double,
            Value::Text(_) => Kind::Text,
            Value::Bytes(_) => Kind::Bytes,
        }
    }

    /// Prints as `string()` would; lists and maps as JSON.
    pub fn write_text(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(is) => out.extend_from_slice(if *is { b"true" } else { b"false" }),
            Value::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Value::Uint(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Value::Double(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Value::Text(text) | Value::Bytes(text) => out.extend_from_slice(text),
        }
    }
}
