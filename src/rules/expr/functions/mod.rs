//! What expressions may call: one table for the check and the documentation, and the functions themselves.
//!
//! What a function needs beside its arguments is made when the expression is checked: patterns, networks, keys.

pub(super) mod arithmetic;
pub(super) mod codes;
pub(super) mod conversions;
pub(super) mod jwt;
pub(super) mod networks;
pub(super) mod paths;
pub(super) mod table;
pub(super) mod texts;

use std::time::SystemTime;

use super::eval::Budget;
use super::fault::Fault;
use super::maps::Map;
use super::time::{Offset, Part, Timestamp};
use super::value::Value;
use crate::pattern::Pattern;
use networks::Networks;

/// A function with what was made for it at the check.
#[derive(Clone, Debug)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    LowerAscii,
    UpperAscii,
    Trim,
    Split,
    Join,
    Replace,
    Substring,
    IndexOf,
    LastIndexOf,
    CharAt,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Duration,
    Timestamp,
    Type,
    Dyn,
    /// A part of a timestamp or duration.
    Part(Part, Offset),
    Matches(Pattern),
    /// What a group takes.
    Extract(Pattern, usize),
    Cidr(Networks),
    /// Whether a path lies below another.
    Below,
    /// From a second of the day to another.
    TimeBetween(i64, i64, Offset),
    Jwt(jwt::Keys),
    Bucket,
    Percent,
    Hash,
    Base64Encode,
    Base64Decode,
    UrlEncode,
    UrlEncodePath,
    UrlDecode,
    /// A key of a map, or ''.
    Field,
}

impl Function {
    /// Whether it is known as soon as its arguments are.
    pub fn is_pure(&self) -> bool {
        !matches!(self, Function::TimeBetween(..) | Function::Jwt(_))
    }

    /// Calls it with as many arguments as the check let through; it may take them.
    pub fn call<'v>(
        &self,
        arguments: &mut [Value<'v>],
        now: SystemTime,
        budget: &mut Budget,
    ) -> Result<Value<'v>, Fault> {
        match self.answer(arguments, now, budget)? {
            Value::Text(text) | Value::Bytes(text) if text.len() > arithmetic::LONGEST => Err(Fault::TooLarge),
            value => Ok(value),
        }
    }

    fn answer<'v>(
        &self,
        arguments: &mut [Value<'v>],
        now: SystemTime,
        budget: &mut Budget,
    ) -> Result<Value<'v>, Fault> {
        for argument in &*arguments {
            if let Value::Text(text) | Value::Bytes(text) = argument {
                budget.spend_text(text.len())?;
            }
        }
        let mut take =
            |at: usize| arguments.get_mut(at).map_or(Value::Null, |value| std::mem::replace(value, Value::Null));
        match self {
            Function::Size => size(&take(0), budget),
            Function::Bool => conversions::to_bool(take(0)),
            Function::Int => conversions::to_int(&take(0)),
            Function::Uint => conversions::to_uint(&take(0)),
            Function::Double => conversions::to_double(&take(0)),
            Function::Text => conversions::to_text(take(0)),
            Function::Bytes => conversions::to_bytes(take(0)),
            Function::Duration => conversions::to_duration(&take(0)),
            Function::Timestamp => conversions::to_timestamp(&take(0)),
            Function::Type => Ok(Value::Type(take(0).type_name())),
            Function::Dyn => Ok(take(0)),
            Function::Part(part, offset) => part_of(&take(0), *part, *offset),
            Function::Matches(pattern) => texts::matches(&take(0), pattern).map(Value::Bool),
            Function::Extract(pattern, group) => texts::extract(take(0), pattern, *group),
            Function::Cidr(networks) => networks::cidr(&take(0), networks, budget),
            Function::Below => paths::below(&take(0), &take(1), budget),
            Function::TimeBetween(from, to, offset) => {
                let second = Timestamp::from(now).second_of_day(*offset);
                let within = if from <= to { *from <= second && second < *to } else { *from <= second || second < *to };
                Ok(Value::Bool(within))
            }
            Function::Jwt(keys) => {
                // Some signatures take a tenth of a millisecond.
                budget.spend(1000)?;
                jwt::claims(&take(0), keys, now)
            }
            Function::Bucket => codes::bucket(&take(0), &take(1)).map(Value::Int),
            Function::Percent => codes::bucket(&take(0), &take(1)).map(|bucket| Value::Double(bucket as f64 / 100.0)),
            Function::Hash => codes::hash(&take(0)),
            Function::Base64Encode => codes::base64_encode(&take(0)),
            Function::Base64Decode => codes::base64_decode(&take(0)),
            Function::UrlEncode => codes::url_encode(take(0)),
            Function::UrlEncodePath => codes::url_encode_path(&take(0)),
            Function::UrlDecode => codes::url_decode(take(0)),
            Function::Field => field(&take(0), &take(1), budget),
            _ => texts::call(self, arguments, budget),
        }
    }
}

fn size<'v>(of: &Value<'_>, budget: &mut Budget) -> Result<Value<'v>, Fault> {
    let size = match of {
        Value::Text(text) => texts::length(text),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.as_slice().len(),
        Value::Map(map) => {
            budget.spend(map.weight().saturating_mul(4))?;
            map.len()
        }
        other => return Err(unfit("size", other)),
    };
    Ok(Value::Int(size as i64))
}

fn field<'v>(of: &Value<'v>, key: &Value<'_>, budget: &mut Budget) -> Result<Value<'v>, Fault> {
    let Value::Map(map) = of else { return Err(unfit("the name of a field", of)) };
    budget.spend(Map::weight(map))?;
    Ok(map.get(key).unwrap_or(Value::text("")))
}

fn part_of<'v>(of: &Value<'_>, part: Part, offset: Offset) -> Result<Value<'v>, Fault> {
    match of {
        Value::Timestamp(at) => Ok(Value::Int(at.part(part, offset))),
        Value::Duration(nanos) => Ok(Value::Int(match part {
            Part::Hours => nanos / 3_600_000_000_000,
            Part::Minutes => nanos / 60_000_000_000,
            Part::Seconds => nanos / 1_000_000_000,
            Part::Milliseconds => nanos / 1_000_000 % 1000,
            _ => return Err(unfit("a date", of)),
        })),
        other => Err(unfit("a part of a time", other)),
    }
}

/// A function got a value of a type that it does not take, which the check could not know.
fn unfit(function: &str, value: &Value<'_>) -> Fault {
    Fault::Type(format!("{function} is not asked of {}", value.type_name()).into())
}
