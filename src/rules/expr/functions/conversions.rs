//! From one type to another: `int('7')`, `string(now)`, `duration('5m')`.

use std::borrow::Cow;

use super::super::fault::Fault;
use super::super::time::{self, Timestamp};
use super::super::value::Value;
use super::unfit;

fn no(text: &[u8], what: &str) -> Fault {
    let text = String::from_utf8_lossy(&text[..text.len().min(64)]);
    Fault::Conversion(format!("'{text}' is no {what}").into())
}

/// The text as one that can be read as a number.
fn readable(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
}

pub fn to_bool(value: Value<'_>) -> Result<Value<'_>, Fault> {
    match value {
        Value::Bool(_) => Ok(value),
        Value::Text(text) => match &text[..] {
            b"true" | b"True" | b"TRUE" | b"t" | b"1" => Ok(Value::Bool(true)),
            b"false" | b"False" | b"FALSE" | b"f" | b"0" => Ok(Value::Bool(false)),
            _ => Err(no(&text, "bool")),
        },
        other => Err(unfit("bool", &other)),
    }
}

pub fn to_int<'v>(value: &Value<'_>) -> Result<Value<'v>, Fault> {
    let number = match value {
        Value::Int(number) => Some(*number),
        Value::Uint(number) => i64::try_from(*number).ok(),
        // The ends are doubles themselves, and exact.
        Value::Double(number) if *number > i64::MIN as f64 && *number < i64::MAX as f64 => Some(*number as i64),
        Value::Double(_) => None,
        Value::Text(text) => return readable(text).parse().map(Value::Int).map_err(|_| no(text, "int")),
        Value::Timestamp(at) => Some(at.seconds()),
        Value::Duration(nanos) => Some(*nanos / 1_000_000_000),
        other => return Err(unfit("int", other)),
    };
    number.map(Value::Int).ok_or(Fault::Overflow)
}

pub fn to_uint<'v>(value: &Value<'_>) -> Result<Value<'v>, Fault> {
    let number = match value {
        Value::Uint(number) => Some(*number),
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::Double(number) if *number > -1.0 && *number < u64::MAX as f64 => Some(*number as u64),
        Value::Double(_) => None,
        Value::Text(text) => return readable(text).parse().map(Value::Uint).map_err(|_| no(text, "uint")),
        other => return Err(unfit("uint", other)),
    };
    number.map(Value::Uint).ok_or(Fault::Overflow)
}

pub fn to_double<'v>(value: &Value<'_>) -> Result<Value<'v>, Fault> {
    match value {
        Value::Double(number) => Ok(Value::Double(*number)),
        Value::Int(number) => Ok(Value::Double(*number as f64)),
        Value::Uint(number) => Ok(Value::Double(*number as f64)),
        Value::Duration(nanos) => Ok(Value::Double(*nanos as f64 / 1e9)),
        Value::Text(text) => readable(text).parse().map(Value::Double).map_err(|_| no(text, "double")),
        other => Err(unfit("double", other)),
    }
}

pub fn to_text(value: Value<'_>) -> Result<Value<'_>, Fault> {
    match value {
        Value::Text(_) => Ok(value),
        Value::Bytes(bytes) if std::str::from_utf8(&bytes).is_ok() => Ok(Value::Text(bytes)),
        Value::Bytes(_) => Err(Fault::Conversion("these bytes are no text (UTF-8)".into())),
        Value::List(_) | Value::Map(_) | Value::Null => Err(unfit("string", &value)),
        other => {
            let mut text = Vec::new();
            other.write_text(&mut text);
            Ok(Value::Text(Cow::Owned(text)))
        }
    }
}

pub fn to_bytes(value: Value<'_>) -> Result<Value<'_>, Fault> {
    match value {
        Value::Text(text) | Value::Bytes(text) => Ok(Value::Bytes(text)),
        other => Err(unfit("bytes", &other)),
    }
}

pub fn to_duration<'v>(value: &Value<'_>) -> Result<Value<'v>, Fault> {
    match value {
        Value::Duration(nanos) => Ok(Value::Duration(*nanos)),
        Value::Text(text) => time::parse_duration(readable(text))
            .map(Value::Duration)
            .ok_or_else(|| no(text, "duration; one is written '1h30m', '10s' or '500ms'")),
        other => Err(unfit("duration", other)),
    }
}

pub fn to_timestamp<'v>(value: &Value<'_>) -> Result<Value<'v>, Fault> {
    match value {
        Value::Timestamp(at) => Ok(Value::Timestamp(*at)),
        Value::Int(seconds) => Timestamp::new(*seconds, 0).map(Value::Timestamp).ok_or(Fault::Overflow),
        Value::Text(text) => Timestamp::parse(readable(text))
            .map(Value::Timestamp)
            .ok_or_else(|| no(text, "timestamp; one is written '2026-01-31T12:00:00Z'")),
        other => Err(unfit("timestamp", other)),
    }
}
