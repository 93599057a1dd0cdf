//! `+ - * / %` and the sign: checked, so that what leaves its range is a fault.

use std::borrow::Cow;

use super::super::eval::Budget;
use super::super::fault::Fault;
use super::super::node::Arithmetic;
use super::super::value::Value;

/// How long a text may become.
pub(in super::super) const LONGEST: usize = 64 << 10;

pub(in super::super) fn negate<'v>(value: Value<'v>) -> Result<Value<'v>, Fault> {
    match value {
        Value::Int(number) => number.checked_neg().map(Value::Int).ok_or(Fault::Overflow),
        Value::Double(number) => Ok(Value::Double(-number)),
        Value::Duration(nanos) => nanos.checked_neg().map(Value::Duration).ok_or(Fault::Overflow),
        other => Err(Fault::Type(format!("{} has no sign", other.type_name()).into())),
    }
}

pub(in super::super) fn apply<'v>(
    how: Arithmetic,
    left: Value<'v>,
    right: Value<'v>,
    budget: &mut Budget,
) -> Result<Value<'v>, Fault> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => ints(how, a, b),
        (Value::Uint(a), Value::Uint(b)) => uints(how, a, b),
        (Value::Double(a), Value::Double(b)) if how != Arithmetic::Remainder => Ok(Value::Double(doubles(how, a, b))),
        (left, right) => match how {
            Arithmetic::Add => add(left, right, budget),
            Arithmetic::Subtract => subtract(left, right),
            _ => Err(unfit(how, &left, &right)),
        },
    }
}

fn ints<'v>(how: Arithmetic, a: i64, b: i64) -> Result<Value<'v>, Fault> {
    let result = match how {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
        Arithmetic::Multiply => a.checked_mul(b),
        Arithmetic::Divide | Arithmetic::Remainder if b == 0 => return Err(Fault::Division),
        Arithmetic::Divide => a.checked_div(b),
        Arithmetic::Remainder => a.checked_rem(b),
    };
    result.map(Value::Int).ok_or(Fault::Overflow)
}

fn uints<'v>(how: Arithmetic, a: u64, b: u64) -> Result<Value<'v>, Fault> {
    let result = match how {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
        Arithmetic::Multiply => a.checked_mul(b),
        Arithmetic::Divide | Arithmetic::Remainder if b == 0 => return Err(Fault::Division),
        Arithmetic::Divide => a.checked_div(b),
        Arithmetic::Remainder => a.checked_rem(b),
    };
    result.map(Value::Uint).ok_or(Fault::Overflow)
}

fn doubles(how: Arithmetic, a: f64, b: f64) -> f64 {
    match how {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide | Arithmetic::Remainder => a / b,
    }
}

fn add<'v>(left: Value<'v>, right: Value<'v>, budget: &mut Budget) -> Result<Value<'v>, Fault> {
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => joined(a, &b, budget).map(Value::Text),
        (Value::Bytes(a), Value::Bytes(b)) => joined(a, &b, budget).map(Value::Bytes),
        (Value::Duration(a), Value::Duration(b)) => a.checked_add(b).map(Value::Duration).ok_or(Fault::Overflow),
        (Value::Timestamp(at), Value::Duration(by)) | (Value::Duration(by), Value::Timestamp(at)) => {
            at.plus(by).map(Value::Timestamp).ok_or(Fault::Overflow)
        }
        (Value::List(a), Value::List(b)) => {
            let (a, b) = (a.as_slice(), b.as_slice());
            budget.spend(a.len() + b.len())?;
            Ok(Value::made_list([a, b].concat()))
        }
        (left, right) => Err(unfit(Arithmetic::Add, &left, &right)),
    }
}

fn joined<'v>(a: Cow<'v, [u8]>, b: &[u8], budget: &mut Budget) -> Result<Cow<'v, [u8]>, Fault> {
    if a.len() + b.len() > LONGEST {
        return Err(Fault::TooLarge);
    }
    budget.spend_text(a.len() + b.len())?;
    let mut a = a.into_owned();
    a.extend_from_slice(b);
    Ok(Cow::Owned(a))
}

fn subtract<'v>(left: Value<'v>, right: Value<'v>) -> Result<Value<'v>, Fault> {
    let result = match (&left, &right) {
        (Value::Duration(a), Value::Duration(b)) => a.checked_sub(*b).map(Value::Duration),
        (Value::Timestamp(at), Value::Duration(by)) => {
            by.checked_neg().and_then(|by| at.plus(by)).map(Value::Timestamp)
        }
        (Value::Timestamp(a), Value::Timestamp(b)) => a.since(*b).map(Value::Duration),
        _ => return Err(unfit(Arithmetic::Subtract, &left, &right)),
    };
    result.ok_or(Fault::Overflow)
}

fn unfit(how: Arithmetic, left: &Value<'_>, right: &Value<'_>) -> Fault {
    Fault::Type(format!("{} {} {} has no meaning", left.type_name(), how.sign(), right.type_name()).into())
}
