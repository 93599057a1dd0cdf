//! Which tokens are believed.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};

use super::super::Constant;
use super::World;

fn part(json: &str) -> String {
    URL_SAFE_NO_PAD.encode(json)
}

fn signed(header: &str, claims: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let text = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(text.as_bytes()));
    format!("{text}.{signature}")
}

fn hs256(header: &str, claims: &str, secret: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    signed(header, claims, |text| hmac::sign(&key, text).as_ref().to_vec())
}

/// What `jwt` makes of a token.
fn claims(token: &str, keys: Constant) -> String {
    let mut world = World::new();
    world.with.insert("keys".into(), keys);
    world.exchange.defined = vec![Some(Bytes::copy_from_slice(token.as_bytes())), None];
    world.value("jwt(vars.site, with.keys)")
}

fn key(fields: &[(&str, &str)]) -> Constant {
    let text = |text: &str| Constant::Text(text.to_owned());
    Constant::Map(fields.iter().map(|(name, value)| (name.to_string(), text(value))).collect())
}

#[test]
fn a_token_is_believed_if_its_key_signed_it() {
    let shared = || key(&[("alg", "HS256"), ("secret", "s3cret")]);
    let good = hs256(r#"{"alg":"HS256"}"#, r#"{"sub":"alice","n":[1,2.5],"admin":true}"#, "s3cret");
    assert_eq!(claims(&good, shared()), r#"{"admin":true,"n":[1,2.5],"sub":"alice"}"#);
    let bad = [
        hs256(r#"{"alg":"HS256"}"#, "{}", "other"),
        hs256(r#"{"alg":"HS512"}"#, "{}", "s3cret"),
        hs256(r#"{"alg":"none"}"#, "{}", "s3cret"),
        hs256(r#"{}"#, "{}", "s3cret"),
        hs256(r#"{"alg":"HS256","crit":["b64"]}"#, "{}", "s3cret"),
        hs256(r#"{"alg":"HS256"}"#, "[]", "s3cret"),
        hs256(r#"{"alg":"HS256"}"#, "no json", "s3cret"),
        format!("{}.{}.", part(r#"{"alg":"none"}"#), part("{}")),
        good.replacen('.', "..", 1),
        format!("{good}."),
        good[..good.len() - 2].to_owned(),
        "a.b".into(),
        String::new(),
        "x".repeat(20_000),
    ];
    for token in bad {
        assert_eq!(claims(&token, shared()), "null", "{token}");
    }
}

#[test]
fn a_token_is_believed_in_its_time_only() {
    let at = |seconds: i64| super::NOW.as_secs() as i64 + seconds;
    let token = |claims: &str| hs256(r#"{"alg":"HS256"}"#, claims, "k");
    let strict = || key(&[("alg", "HS256"), ("secret", "k")]);
    let lenient = || key(&[("alg", "HS256"), ("secret", "k"), ("leeway", "60s")]);
    let in_time = token(&format!(r#"{{"exp":{},"nbf":{}}}"#, at(10), at(-10)));
    assert_ne!(claims(&in_time, strict()), "null");
    for claim in [format!(r#"{{"exp":{}}}"#, at(-10)), format!(r#"{{"nbf":{}}}"#, at(10))] {
        assert_eq!(claims(&token(&claim), strict()), "null");
        assert_ne!(claims(&token(&claim), lenient()), "null");
    }
    assert_eq!(claims(&token(r#"{"exp":"soon"}"#), strict()), "null");
    let mut world = World::new();
    world.exchange.defined = vec![Some(Bytes::from(hs256(r#"{"alg":"HS256"}"#, r#"{"exp":10}"#, "s3cret"))), None];
    world.now = UNIX_EPOCH + Duration::from_secs(9);
    assert_eq!(world.value("jwt(vars.site, with.keys).exp"), "10");
}

#[test]
fn keys_are_chosen_by_id_and_ask_for_issuer_and_audience() {
    let named = |kid: &str, secret: &str| key(&[("alg", "HS256"), ("secret", secret), ("kid", kid)]);
    let two = || Constant::List(vec![named("a", "one"), named("b", "two")]);
    assert_ne!(claims(&hs256(r#"{"alg":"HS256","kid":"b"}"#, "{}", "two"), two()), "null");
    assert_ne!(claims(&hs256(r#"{"alg":"HS256"}"#, "{}", "two"), two()), "null");
    assert_eq!(claims(&hs256(r#"{"alg":"HS256","kid":"a"}"#, "{}", "two"), two()), "null");
    let strict = || key(&[("alg", "HS256"), ("secret", "k"), ("iss", "me"), ("aud", "shop")]);
    let token = |claims: &str| hs256(r#"{"alg":"HS256"}"#, claims, "k");
    assert_ne!(claims(&token(r#"{"iss":"me","aud":["x","shop"]}"#), strict()), "null");
    assert_ne!(claims(&token(r#"{"iss":"me","aud":"shop"}"#), strict()), "null");
    assert_eq!(claims(&token(r#"{"iss":"me","aud":"x"}"#), strict()), "null");
    assert_eq!(claims(&token(r#"{"aud":"shop"}"#), strict()), "null");
}

#[test]
fn public_keys_check_what_private_ones_signed() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let random = SystemRandom::new();
    let signer = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pair.serialize_der(), &random).unwrap();
    let sign = |text: &[u8]| signer.sign(&random, text).unwrap().as_ref().to_vec();
    let token = signed(r#"{"alg":"ES256"}"#, r#"{"sub":"bob"}"#, sign);
    let pem = pair.public_key_pem();
    assert_eq!(claims(&token, key(&[("alg", "ES256"), ("key", &pem)])), r#"{"sub":"bob"}"#);
    // The public key is no secret: a token that was signed with it as if it were one is not believed.
    let forged = hs256(r#"{"alg":"HS256"}"#, "{}", &pem);
    assert_eq!(claims(&forged, key(&[("alg", "ES256"), ("key", &pem)])), "null");

    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let signer = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pair.serialize_der()).unwrap();
    let token = signed(r#"{"alg":"EdDSA"}"#, "{}", |text| signer.sign(text).as_ref().to_vec());
    assert_eq!(claims(&token, key(&[("alg", "EdDSA"), ("key", &pair.public_key_pem())])), "{}");
    let wrong = claims(&token, key(&[("alg", "ES256"), ("key", &pair.public_key_pem())]));
    assert!(wrong.contains("ES256 takes a key of the curve P-256"), "{wrong}");
}

#[test]
fn tokens_of_rsa_are_checked() {
    for (algorithm, token) in [("RS256", RS256), ("PS256", PS256)] {
        let keys = || key(&[("alg", algorithm), ("key", RSA)]);
        assert_eq!(claims(token, keys()), r#"{"exp":1900000000,"sub":"alice"}"#);
        assert_eq!(claims(&token.replacen(".eyJzdWIi", ".eyJzdWIj", 1), keys()), "null");
    }
    assert_eq!(claims(PS256, key(&[("alg", "RS256"), ("key", RSA)])), "null");
}

#[test]
fn claims_are_read_with_care() {
    let mut world = World::new();
    let token = hs256(r#"{"alg":"HS256"}"#, r#"{"sub":"alice","roles":["admin"],"n":3}"#, "s3cret");
    let ask = |world: &World, text: &str| world.value(&text.replace("CLAIMS", "jwt(vars.site, with.keys)"));
    world.exchange.defined = vec![Some(Bytes::from(token)), None];
    assert_eq!(ask(&world, "CLAIMS != null && CLAIMS.sub == 'alice'"), "true");
    assert_eq!(ask(&world, "'admin' in CLAIMS.roles && CLAIMS.n > 2"), "true");
    assert_eq!(ask(&world, "has(CLAIMS.email)"), "false");
    assert_eq!(ask(&world, "CLAIMS.sub.size()"), "5");
    assert_eq!(ask(&world, "CLAIMS.n.startsWith('a')"), "!a function of texts is not asked of int");
    world.exchange.defined = vec![None, None];
    assert_eq!(ask(&world, "CLAIMS"), "null");
    assert_eq!(ask(&world, "CLAIMS.sub == 'alice'"), "!there is no `sub`");
    assert_eq!(ask(&world, "has(CLAIMS.sub)"), "false");
}

/// Made by OpenSSL for these tests.
const RSA: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsqtiHRO8lGRHYtQFzxC1
W6YqndFyBy17gJJlwaw0VSi1f26ATYj4gVr5t/NLN6ut2ksiHqTHnHetzaoVeKWZ
C8NXUIwbkzhXX8Ean0vo3S4MjDiolE7OCMEswlHYlNIAJ9asHIFA2oRvQzx/3RYA
aRs0CkIgSQuQrz3HydrZ5UYBbYjD2IkKcLVjY3RcU0p8bUalTKYV+C9kT812KUEC
T3YJ2rpxO7ju/ZlUEDjL2O++5B/aq6RS1Khh0GrDwgEoNQxMjZxGsadFaKDNYQ+X
ZrH2KIMngC2mu0NJuo5VEmXP/C2pNtSJO2uoJZGPiHuKrh7rB0Lci5axLmkMAZME
swIDAQAB
-----END PUBLIC KEY-----";
const RS256: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MTkwMDAwMDAwMH0.kM_HBPy5JC3OlwtP3XDEq3eWomu8Pdc3LLT\
    6CDqzf4Yyiz2g1PI-n5y2AbttmW4f7JSpiENC57-dqPkPRxNjnNck99fA2qWOCGG17tWTfDgGYv6ncSpZQyETH0SZcmIlCr58B9g\
    j5lzadSt-ohSsssmWsyIcqzwSpIkTJRPqt8dJroaNlJwhyj-HL5k-pXzgEPUSrAFG9l0F0tlPS1M8qSkNF3H2Bj04UHUuQNsA4gJ\
    62H-rE7xggV88DahT39APx6VbaQ6u0-VqTPYrWZgiRELyM5NGJgVVN7EoBp-AIPwdGonWY0sup2zJUS7A9uhm0LPH50Hsf21-uqe\
    cAvEHTQ";
const PS256: &str = "eyJhbGciOiJQUzI1NiJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MTkwMDAwMDAwMH0.UsR50vGoYogh2VZCY1L9y6TKlI9DaCAmKQg\
    x56K2aiGKp3UIlK48_v3DU-WzsR8tZK5WfUg2S6RagDLQ-cgS9T65Q28GWPQMH46OEcQYJnOnOLMNRQcJtENEZ3wBYcrW3zcO8XS\
    T6Bm7FiwM8H2zqpfl6FyFsEllp-zFC2p57ddYU_6iac-gVcOwtBTDS9OXHmPOudm8RNX8zK9oJgYPHMp-bwCDzS5tLMxKz7-E_6C\
    B41_FO7dkAbdCVLGsT-2g6CS6h-ziWuVFXJJi3_LhXEQQQ6fuuwBqMCz7TTQyixqnmEODaZ8Ny0oaNGIsjviiEzV_IfjXWEkDh_m\
    tCk4j8Q";
