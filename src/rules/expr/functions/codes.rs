//! Codings and hashes.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::super::fault::Fault;
use super::super::maps::decoded;
use super::super::value::Value;
use super::texts::text_of;
use super::unfit;
use crate::http::escape;

/// The number of buckets.
const BUCKETS: u64 = 10_000;

fn bytes_of<'a>(value: &'a Value<'_>) -> Result<&'a [u8], Fault> {
    match value {
        Value::Text(text) | Value::Bytes(text) => Ok(text),
        other => Err(unfit("a coding", other)),
    }
}

/// A number from 0 to 9999 that is the same for a key wherever and whenever it is asked for: the first eight bytes,
/// big-endian, of the SHA-256 of salt, a zero byte and key, modulo 10000.
pub fn bucket(key: &Value<'_>, salt: &Value<'_>) -> Result<i64, Fault> {
    let salt = if let Value::Null = salt { &[] } else { text_of(salt)? };
    let digest = Sha256::new().chain_update(salt).chain_update([0]).chain_update(bytes_of(key)?).finalize();
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Ok((number % BUCKETS) as i64)
}

/// SHA-256 in hexadecimal digits.
pub fn hash<'v>(value: &Value<'_>) -> Result<Value<'v>, Fault> {
    let digest = Sha256::digest(bytes_of(value)?);
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    let text: String = digest.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    Ok(Value::made_text(text))
}

pub fn base64_encode<'v>(value: &Value<'_>) -> Result<Value<'v>, Fault> {
    Ok(Value::made_text(STANDARD.encode(bytes_of(value)?)))
}

/// Takes the alphabet of URLs too, with padding or without.
pub fn base64_decode<'v>(value: &Value<'_>) -> Result<Value<'v>, Fault> {
    let text = text_of(value)?;
    let engines = [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];
    let found = engines.iter().find_map(|engine| engine.decode(text).ok());
    found.map(|bytes| Value::Bytes(Cow::Owned(bytes))).ok_or_else(|| Fault::Conversion("this is no base64".into()))
}

pub fn url_encode(value: Value<'_>) -> Result<Value<'_>, Fault> {
    match value {
        Value::Text(Cow::Borrowed(text)) => Ok(Value::Text(escape::uri_component(text))),
        other => Ok(Value::made_text(escape::uri_component(text_of(&other)?))),
    }
}

/// A decoded path, which holds no arguments.
pub fn url_encode_path<'v>(value: &Value<'_>) -> Result<Value<'v>, Fault> {
    Ok(Value::made_text(escape::uri(text_of(value)?).into_owned()))
}

pub fn url_decode(value: Value<'_>) -> Result<Value<'_>, Fault> {
    match value {
        Value::Text(Cow::Borrowed(text)) => Ok(Value::Text(decoded(text))),
        other => Ok(Value::made_text(decoded(text_of(&other)?))),
    }
}
