//! Bytes for what rules read: an expression over a request, a token.

use super::tests::{World, shown, with_site};
use super::value::Value;
use super::{Constant, Expr};
use crate::fuzzing::{lines, mark};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use ring::hmac;
use std::collections::BTreeMap;

/// An expression and what a client wrote: it compiles and ends in a value or a fault, or each mistake has its place.
pub(crate) fn expression(bytes: &[u8]) -> u64 {
    let [text, field] = lines(bytes);
    let text = String::from_utf8_lossy(text);
    let mut world = World::new();
    world.exchange.path = field.to_vec();
    world.exchange.args = Some(field.to_vec());
    world.exchange.defined = with_site(Some(Bytes::copy_from_slice(field)));
    match world.compile(&text) {
        Ok(expr) => {
            let outcome = expr.evaluate(&world.view()).map(|value| (value.type_name(), shown(&value).len().min(12)));
            mark((outcome.map_err(|fault| fault.to_string().len()), parts(expr)))
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            for mistake in &mistakes {
                let end = mistake.at + mistake.len;
                assert!(text.is_char_boundary(mistake.at) && text.is_char_boundary(end), "{mistake:?}");
                assert!(!mistake.message.contains("cannot be read"), "{mistake:?}");
            }
            mark(mistakes.iter().map(|mistake| mistake.message.len()).take(2).collect::<Vec<_>>())
        }
    }
}

/// A condition is split into what asks memcached and what does not.
fn parts(expr: Expr) -> (bool, bool) {
    let (cheap, stored) = expr.split();
    (cheap.is_some(), stored.is_some())
}

/// A token as it is; HEADER and CLAIMS, signed: what was not signed is not believed, what was is read whatever it holds.
pub(crate) fn jwt(bytes: &[u8]) -> u64 {
    let [header, claims] = lines(bytes);
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"s3cret");
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = hmac::sign(&key, text.as_bytes());
    let signed = format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)).into_bytes();
    let forged = format!("{text}.{}", URL_SAFE_NO_PAD.encode(b"0123456789abcdef0123456789abcdef")).into_bytes();
    let mut world = World::new();
    let field = |name: &str, value: &str| (name.to_owned(), Constant::Text(value.to_owned()));
    world.with.insert("keys".into(), Constant::Map(BTreeMap::from([field("alg", "HS256"), field("secret", "s3cret")])));
    let expr = world.compile("jwt(vars.site, with.keys)").unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let mut believed = |token: Vec<u8>| {
        world.exchange.defined = with_site(Some(Bytes::from(token)));
        match expr.evaluate(&world.view()) {
            Ok(Value::Null) => None,
            Ok(claims) => Some(shown(&claims).len()),
            Err(fault) => panic!("{fault}"),
        }
    };
    assert_eq!(believed(bytes.to_vec()), None, "nobody signed it");
    assert_eq!(believed(forged), None, "nobody signed it");
    mark(believed(signed))
}
