//! `jwt(token, keys)`: the claims of a signed token (RFC 7519), or null if it cannot be trusted.
//!
//! A key names the one algorithm it is for, so that a token cannot choose how it is checked: `none`, or the public key of an
//! RSA pair taken for a shared secret, get nowhere. What always holds: claims come out only of a token whose signature one
//! of the keys has made, that is valid at the request's time (`exp`, `nbf`), and that asks for nothing unknown (`crit`).

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{hmac, signature};
use serde_json::Value as Json;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::super::fault::Fault;
use super::super::maps::Map;
use super::super::time;
use super::super::value::Value;
use super::texts::text_of;
use crate::config::diagnostics::nearest;

/// How long a token may be.
const LONGEST: usize = 16 << 10;

/// The keys that may have signed a token.
#[derive(Clone, Debug)]
pub(in super::super) struct Keys(Arc<[Key]>);

struct Key {
    algorithm: &'static str,
    check: Check,
    kid: Option<String>,
    issuer: Option<String>,
    audience: Option<String>,
    /// How far clocks may differ, in seconds.
    leeway: f64,
}

enum Check {
    Secret(hmac::Key),
    Public(signature::UnparsedPublicKey<Vec<u8>>),
}

/// What is secret stays out of messages.
impl std::fmt::Debug for Key {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Key({})", self.algorithm)
    }
}

/// How a signature is checked.
#[derive(Clone, Copy)]
enum Algorithm {
    Hmac(hmac::Algorithm),
    Rsa(&'static dyn signature::VerificationAlgorithm),
    Curve(&'static dyn signature::VerificationAlgorithm),
}

const ALGORITHMS: &[&str] =
    &["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

const FIELDS: &[&str] = &["alg", "key", "secret", "kid", "iss", "aud", "leeway"];

fn algorithm(name: &str) -> Option<(&'static str, Algorithm)> {
    use Algorithm::{Curve, Hmac, Rsa};
    let name = *ALGORITHMS.iter().find(|known| **known == name)?;
    let how = match name {
        "HS256" => Hmac(hmac::HMAC_SHA256),
        "HS384" => Hmac(hmac::HMAC_SHA384),
        "HS512" => Hmac(hmac::HMAC_SHA512),
        "RS256" => Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
        "RS384" => Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
        "RS512" => Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
        "PS256" => Rsa(&signature::RSA_PSS_2048_8192_SHA256),
        "PS384" => Rsa(&signature::RSA_PSS_2048_8192_SHA384),
        "PS512" => Rsa(&signature::RSA_PSS_2048_8192_SHA512),
        "ES256" => Curve(&signature::ECDSA_P256_SHA256_FIXED),
        "ES384" => Curve(&signature::ECDSA_P384_SHA384_FIXED),
        _ => Curve(&signature::ED25519),
    };
    Some((name, how))
}

impl Keys {
    /// Reads one key, or a list of them.
    pub fn read(value: &Value<'_>) -> Result<Keys, String> {
        let keys: Result<Arc<[Key]>, String> = match value {
            Value::List(list) => list.as_slice().iter().map(read).collect(),
            one => read(one).map(|key| Arc::from([key])),
        };
        keys.map(Keys)
    }
}

fn read(value: &Value<'_>) -> Result<Key, String> {
    let Value::Map(map) = value else {
        return Err(format!("a key is a map as {{'alg': 'RS256', 'key': '…'}}, not {}", value.type_name()));
    };
    for name in map.keys() {
        let name = String::from_utf8_lossy(name.as_text().unwrap_or_default()).into_owned();
        known(&name)?;
    }
    let field = |name: &str| match map.get(&Value::text(name)) {
        None => Ok(None),
        Some(Value::Text(text)) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        Some(other) => Err(format!("`{name}` of a key is a string, not {}", other.type_name())),
    };
    let wanted = field("alg")?.ok_or_else(|| format!("a key names its algorithm: 'alg' is one of {}", listed()))?;
    let (algorithm, how) = algorithm(&wanted).ok_or_else(|| unknown_algorithm(&wanted))?;
    let leeway = match map.get(&Value::text("leeway")) {
        None => 0.0,
        Some(Value::Duration(nanos)) => nanos as f64 / 1e9,
        Some(Value::Text(text)) => std::str::from_utf8(&text)
            .ok()
            .and_then(time::parse_duration)
            .map(|nanos| nanos as f64 / 1e9)
            .ok_or("`leeway` of a key is a duration as '30s'")?,
        Some(other) => return Err(format!("`leeway` of a key is a duration as '30s', not {}", other.type_name())),
    };
    let check = match (how, field("key")?, field("secret")?) {
        (Algorithm::Hmac(how), None, Some(secret)) => Check::Secret(hmac::Key::new(how, secret.as_bytes())),
        (Algorithm::Hmac(_), ..) => {
            return Err(format!("{algorithm} takes a 'secret', which both sides know, and no 'key'"));
        }
        (Algorithm::Rsa(how) | Algorithm::Curve(how), Some(pem), None) => public(algorithm, how, &pem)?,
        _ => return Err(format!("{algorithm} takes a public 'key' in PEM, and no 'secret'")),
    };
    Ok(Key { algorithm, check, kid: field("kid")?, issuer: field("iss")?, audience: field("aud")?, leeway })
}

fn known(name: &str) -> Result<(), String> {
    if FIELDS.contains(&name) {
        return Ok(());
    }
    if name == "file" {
        return Err("a key's 'file' is read where it stands in a parameter: write jwt(…, with.NAME)".into());
    }
    let meant = nearest(name, FIELDS.iter().copied());
    let hint =
        meant.map_or_else(|| format!("known are: {}", FIELDS.join(", ")), |meant| format!("did you mean '{meant}'?"));
    Err(format!("a key has no '{name}'; {hint}"))
}

fn listed() -> String {
    ALGORITHMS.join(", ")
}

fn unknown_algorithm(name: &str) -> String {
    if name.eq_ignore_ascii_case("none") {
        return "'none' signs nothing: anybody could write such a token".into();
    }
    format!("'{name}' is no algorithm that is known; 'alg' is one of {}", listed())
}

fn public(algorithm: &str, how: &'static dyn signature::VerificationAlgorithm, pem: &str) -> Result<Check, String> {
    let bad = |why: &str| format!("the 'key' is no public key in PEM: {why}");
    let (_, block) = x509_parser::pem::parse_x509_pem(pem.trim_start().as_bytes())
        .map_err(|_| bad("it begins with -----BEGIN PUBLIC KEY-----"))?;
    let of_info = |info: &SubjectPublicKeyInfo<'_>| {
        (info.algorithm.algorithm.to_id_string(), info.subject_public_key.data.to_vec())
    };
    let key = match &*block.label {
        "PUBLIC KEY" => SubjectPublicKeyInfo::from_der(&block.contents).map(|(_, info)| of_info(&info)).ok(),
        "CERTIFICATE" => X509Certificate::from_der(&block.contents).map(|(_, read)| of_info(read.public_key())).ok(),
        "RSA PUBLIC KEY" => Some((RSA.to_owned(), block.contents)),
        label if label.ends_with("PRIVATE KEY") => {
            return Err(bad("it is a private one, which whoever checks a token needs not know"));
        }
        label => return Err(bad(&format!("it is a {label}"))),
    };
    let (kind, key) = key.ok_or_else(|| bad("its inside cannot be read"))?;
    let (wanted, fits) = match algorithm {
        "ES256" => ("a key of the curve P-256", kind == EC && key.len() == 65),
        "ES384" => ("a key of the curve P-384", kind == EC && key.len() == 97),
        "EdDSA" => ("an Ed25519 key", kind == ED25519),
        _ => ("an RSA key", kind == RSA),
    };
    if !fits {
        return Err(format!("{algorithm} takes {wanted}, and this 'key' is another"));
    }
    Ok(Check::Public(signature::UnparsedPublicKey::new(how, key)))
}

/// The kinds of keys, by their object identifiers.
const RSA: &str = "1.2.840.113549.1.1.1";
const EC: &str = "1.2.840.10045.2.1";
const ED25519: &str = "1.3.101.112";

/// The claims, or null.
pub fn claims<'v>(token: &Value<'_>, keys: &Keys, now: SystemTime) -> Result<Value<'v>, Fault> {
    let token = text_of(token)?;
    Ok(verified(token, keys, now).map_or(Value::Null, |claims| of_json(claims)))
}

fn verified(token: &[u8], keys: &Keys, now: SystemTime) -> Option<Json> {
    if token.len() > LONGEST {
        return None;
    }
    let last = token.iter().rposition(|b| *b == b'.')?;
    let (signed, signature) = (&token[..last], &token[last + 1..]);
    let mut parts = signed.split(|b| *b == b'.');
    let (header, payload) = (parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let json = |part: &[u8]| serde_json::from_slice::<Json>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    let header = json(header)?;
    if header.get("crit").is_some() {
        return None;
    }
    let algorithm = header.get("alg")?.as_str()?;
    let kid = header.get("kid").and_then(Json::as_str);
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let may_be = |key: &&Key| {
        key.algorithm == algorithm && key.kid.as_deref().zip(kid).is_none_or(|(of_key, of_token)| of_key == of_token)
    };
    let key = keys.0.iter().filter(may_be).find(|key| key.check.holds(signed, &signature))?;
    let claims = json(payload)?;
    key.accepts(&claims, now).then_some(claims)
}

impl Check {
    fn holds(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            Check::Secret(key) => hmac::verify(key, signed, signature).is_ok(),
            Check::Public(key) => key.verify(signed, signature).is_ok(),
        }
    }
}

impl Key {
    fn accepts(&self, claims: &Json, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let date = |name: &str| claims.get(name).map(|date| date.as_f64().unwrap_or(f64::NAN));
        let issuer = self.issuer.as_deref();
        let audience = self.audience.as_deref();
        // A date that is no number makes both comparisons false.
        claims.is_object()
            && date("exp").is_none_or(|exp| now < exp + self.leeway)
            && date("nbf").is_none_or(|nbf| nbf - self.leeway <= now)
            && issuer.is_none_or(|issuer| claims.get("iss").and_then(Json::as_str) == Some(issuer))
            && audience.is_none_or(|audience| names(claims.get("aud"), audience))
    }
}

fn names(claim: Option<&Json>, audience: &str) -> bool {
    match claim {
        Some(Json::String(one)) => one == audience,
        Some(Json::Array(several)) => several.iter().any(|one| one.as_str() == Some(audience)),
        _ => false,
    }
}

/// Whole numbers become int, or uint if they are too large for that.
fn of_json<'v>(json: Json) -> Value<'v> {
    match json {
        Json::Null => Value::Null,
        Json::Bool(is) => Value::Bool(is),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Value::Int(int),
            (None, Some(uint)) => Value::Uint(uint),
            (None, None) => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::made_text(text),
        Json::Array(items) => Value::made_list(items.into_iter().map(of_json).collect::<Vec<_>>()),
        Json::Object(entries) => {
            let entries: Vec<_> =
                entries.into_iter().map(|(name, value)| (Value::made_text(name), of_json(value))).collect();
            Value::Map(Map::Made(entries.into()))
        }
    }
}
