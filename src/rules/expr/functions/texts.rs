//! Functions over texts. Characters are counted as CEL does, by code points; bytes that are no UTF-8 count one each.

use std::borrow::Cow;

use super::super::eval::Budget;
use super::super::fault::Fault;
use super::super::value::Value;
use super::arithmetic::LONGEST;
use super::{Function, unfit};
use crate::pattern::Pattern;

/// How many pieces a text may be split into.
const MOST_PIECES: usize = 4096;

/// The functions that take nothing but texts, numbers and lists of texts.
pub fn call<'v>(function: &Function, arguments: &mut [Value<'v>], budget: &mut Budget) -> Result<Value<'v>, Fault> {
    let first = arguments.get_mut(0).map_or(Value::Null, |value| std::mem::replace(value, Value::Null));
    let (second, third) = (arguments.get(1), arguments.get(2));
    if matches!(function, Function::Join) {
        return join(&first, second, budget);
    }
    let Value::Text(text) = first else { return Err(unfit("a function of texts", &first)) };
    let other = || second.map_or(Ok(&b""[..]), text_of);
    Ok(match function {
        Function::Contains => Value::Bool(memchr::memmem::find(&text, other()?).is_some()),
        Function::StartsWith => Value::Bool(text.starts_with(other()?)),
        Function::EndsWith => Value::Bool(text.ends_with(other()?)),
        Function::LowerAscii => Value::Text(changed(text, u8::is_ascii_uppercase, <[u8]>::make_ascii_lowercase)),
        Function::UpperAscii => Value::Text(changed(text, u8::is_ascii_lowercase, <[u8]>::make_ascii_uppercase)),
        Function::Trim => Value::Text(part(text, |text| {
            let start = text.len() - text.trim_ascii_start().len();
            (start, start + text.trim_ascii().len())
        })),
        Function::Split => split(&text, other()?, third, budget)?,
        Function::Replace => {
            let with = third.map_or(Ok(&b""[..]), text_of)?;
            replace(&text, other()?, with, budget)?
        }
        Function::Substring => substring(text, second, third)?,
        Function::CharAt => {
            let at = number_of(second)?;
            if at == length(&text) {
                Value::text("")
            } else {
                substring(text, second, Some(&Value::Int(at as i64 + 1)))?
            }
        }
        Function::IndexOf => Value::Int(index_of(&text, other()?, third)?),
        Function::LastIndexOf => {
            Value::Int(memchr::memmem::rfind(&text, other()?).map_or(-1, |at| length(&text[..at]) as i64))
        }
        // The others are not asked for here.
        _ => return Err(unfit("a function of texts", &Value::Text(text))),
    })
}

pub fn matches(text: &Value<'_>, pattern: &Pattern) -> Result<bool, Fault> {
    pattern.finds(text_of(text)?).ok_or_else(|| given_up(pattern))
}

/// What a group took, or ''.
pub fn extract<'v>(text: Value<'v>, pattern: &Pattern, group: usize) -> Result<Value<'v>, Fault> {
    let Value::Text(text) = text else { return Err(unfit("extract", &text)) };
    let range = pattern.captures(&text).and_then(|captures| captures.get(group)).unwrap_or_default();
    Ok(Value::Text(part(text, |_| range)))
}

fn given_up(pattern: &Pattern) -> Fault {
    Fault::GivenUp(pattern.as_str().into())
}

/// How many characters.
pub fn length(text: &[u8]) -> usize {
    if text.is_ascii() { text.len() } else { characters(text).count() }
}

/// The places at which characters begin.
fn characters(text: &[u8]) -> impl Iterator<Item = usize> {
    let chunks = text.utf8_chunks();
    chunks
        .scan(0, |at, chunk| {
            let start = *at;
            *at += chunk.valid().len() + chunk.invalid().len();
            let broken = start + chunk.valid().len()..*at;
            Some(chunk.valid().char_indices().map(move |(at, _)| start + at).chain(broken))
        })
        .flatten()
}

/// The byte at which a character begins; the text's end for the one behind the last.
fn byte_of(text: &[u8], character: usize) -> Option<usize> {
    if text.is_ascii() {
        return (character <= text.len()).then_some(character);
    }
    characters(text).chain([text.len()]).nth(character)
}

pub(super) fn text_of<'a>(value: &'a Value<'_>) -> Result<&'a [u8], Fault> {
    value.as_text().ok_or_else(|| unfit("a function of texts", value))
}

fn number_of(value: Option<&Value<'_>>) -> Result<usize, Fault> {
    match value {
        None => Ok(0),
        Some(Value::Int(number)) => usize::try_from(*number).map_err(|_| outside()),
        Some(other) => Err(unfit("a place in a text", other)),
    }
}

fn outside() -> Fault {
    Fault::Missing("such place in the text".into())
}

/// A part of a text, borrowed if the text is.
fn part<'v>(text: Cow<'v, [u8]>, range: impl FnOnce(&[u8]) -> (usize, usize)) -> Cow<'v, [u8]> {
    let (start, end) = range(&text);
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(start..end).unwrap_or_default()),
        Cow::Owned(mut text) => {
            text.truncate(end);
            text.drain(..start.min(end));
            Cow::Owned(text)
        }
    }
}

fn changed<'v>(text: Cow<'v, [u8]>, wants: fn(&u8) -> bool, change: fn(&mut [u8])) -> Cow<'v, [u8]> {
    if !text.iter().any(wants) {
        return text;
    }
    let mut text = text.into_owned();
    change(&mut text);
    Cow::Owned(text)
}

fn substring<'v>(text: Cow<'v, [u8]>, from: Option<&Value<'_>>, to: Option<&Value<'_>>) -> Result<Value<'v>, Fault> {
    let start = byte_of(&text, number_of(from)?).ok_or_else(outside)?;
    let end = match to {
        Some(_) => byte_of(&text, number_of(to)?).ok_or_else(outside)?,
        None => text.len(),
    };
    if end < start {
        return Err(outside());
    }
    Ok(Value::Text(part(text, |_| (start, end))))
}

fn index_of(text: &[u8], wanted: &[u8], from: Option<&Value<'_>>) -> Result<i64, Fault> {
    let start = byte_of(text, number_of(from)?).ok_or_else(outside)?;
    let found = memchr::memmem::find(&text[start..], wanted);
    Ok(found.map_or(-1, |at| length(&text[..start + at]) as i64))
}

fn split<'v>(text: &[u8], by: &[u8], most: Option<&Value<'_>>, budget: &mut Budget) -> Result<Value<'v>, Fault> {
    let most = match most {
        Some(Value::Int(most)) if *most < 0 => usize::MAX,
        Some(most) => number_of(Some(most))?,
        None => usize::MAX,
    };
    let mut pieces = Vec::new();
    let mut rest = text;
    // Without a separator, into characters.
    let next = |rest: &[u8]| match by.len() {
        0 => characters(rest).nth(1).map(|at| (at, at)),
        len => memchr::memmem::find(rest, by).map(|at| (at, at + len)),
    };
    while most > 0 {
        budget.spend(1)?;
        let found = (pieces.len() + 1 < most).then(|| next(rest)).flatten();
        let Some((end, after)) = found else { break };
        if pieces.len() >= MOST_PIECES {
            return Err(Fault::TooLarge);
        }
        pieces.push(Value::made_text(&rest[..end]));
        rest = &rest[after..];
    }
    if most > 0 && !(by.is_empty() && text.is_empty()) {
        pieces.push(Value::made_text(rest));
    }
    Ok(Value::made_list(pieces))
}

fn join<'v>(list: &Value<'_>, between: Option<&Value<'_>>, budget: &mut Budget) -> Result<Value<'v>, Fault> {
    let Value::List(list) = list else { return Err(unfit("join", list)) };
    let between = between.map_or(Ok(&b""[..]), text_of)?;
    let mut text = Vec::new();
    for (at, item) in list.as_slice().iter().enumerate() {
        let item = text_of(item)?;
        if at > 0 {
            text.extend_from_slice(between);
        }
        budget.spend(1)?;
        budget.spend_text(item.len() + between.len())?;
        text.extend_from_slice(item);
        if text.len() > LONGEST {
            return Err(Fault::TooLarge);
        }
    }
    Ok(Value::made_text(text))
}

fn replace<'v>(text: &[u8], from: &[u8], to: &[u8], budget: &mut Budget) -> Result<Value<'v>, Fault> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = (!from.is_empty()).then(|| memchr::memmem::find(rest, from)).flatten() {
        budget.spend(1)?;
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        if out.len() > LONGEST {
            return Err(Fault::TooLarge);
        }
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    budget.spend_text(out.len())?;
    Ok(Value::made_text(out))
}
