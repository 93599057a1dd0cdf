//! The forms in which files of users keep passwords: those nginx knows, and crypt(3).
//!
//! Always: two texts are compared in constant time; a form that would count for minutes, and one nobody knows, is no
//! password at all. A password ends at its first zero byte, as nginx's does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use sha_crypt::{Sha256Params, Sha512Params, sha256_crypt_b64, sha512_crypt_b64};
use subtle::ConstantTimeEq as _;

/// A form that is not known, or would take too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "its password is kept in a form that edge does not know: expected {{PLAIN}}, {{SHA}}, {{SSHA}}, $apr1$, $1$, $5$, $6$, $2y$ or what \
     the system's crypt(3) knows"
)]
pub struct Unknown;

/// Of `$5$` and `$6$`: some seconds.
const MOST_ROUNDS: u32 = 5_000_000;
/// Of `$2y$`: 2^16 rounds are some seconds.
const MOST_COST: u32 = 16;
const SHA1: usize = 20;

/// Whether this is the password. Counts rounds of a hash: not for a thread that others wait for.
pub fn is(password: &[u8], stored: &[u8]) -> Result<bool, Unknown> {
    let password = password.split(|b| *b == 0).next().unwrap_or_default();
    if stored.starts_with(b"$2") {
        return by_bcrypt(password, stored);
    }
    let own = encrypted(password, stored).or_else(|| system::crypt(password, stored)).ok_or(Unknown)?;
    Ok(own.as_slice().ct_eq(stored).into())
}

/// The password in the form of what is stored.
fn encrypted(password: &[u8], stored: &[u8]) -> Option<Vec<u8>> {
    let form = [&b"{PLAIN}"[..], b"{SSHA}", b"{SHA}", b"$apr1$", b"$1$", b"$5$", b"$6$"];
    let form = form.into_iter().find(|form| stored.starts_with(form))?;
    let rest = &stored[form.len()..];
    Some(match form {
        b"{PLAIN}" => [form, password].concat(),
        b"{SHA}" => [form, STANDARD.encode(sha1(password, b"")).as_bytes()].concat(),
        b"{SSHA}" => {
            let salt = STANDARD.decode(rest).ok().and_then(|sum| sum.get(SHA1..).map(<[u8]>::to_vec));
            let salt = salt.unwrap_or_default();
            let sum = [sha1(password, &salt).as_slice(), &salt].concat();
            [form, STANDARD.encode(sum).as_bytes()].concat()
        }
        b"$5$" | b"$6$" => return sha_crypt(password, form, rest),
        _ => md5_crypt(password, form, salt_of(rest, 8)),
    })
}

fn sha1(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    context.update(password);
    context.update(salt);
    context.finish().as_ref().to_vec()
}

/// What stands before the next `$`, no longer than the form lets it be.
fn salt_of(rest: &[u8], most: usize) -> &[u8] {
    let salt = rest.split(|b| *b == b'$').next().unwrap_or_default();
    &salt[..salt.len().min(most)]
}

/// `$5$` and `$6$`, perhaps with `rounds=N$`.
fn sha_crypt(password: &[u8], form: &[u8], rest: &[u8]) -> Option<Vec<u8>> {
    let (rounds, text, rest) = match rest.strip_prefix(b"rounds=") {
        None => (5000, Vec::new(), rest),
        Some(told) => {
            let end = told.iter().position(|b| *b == b'$')?;
            let digits = std::str::from_utf8(&told[..end]).ok().filter(|digits| digits.starts_with(|c| c != '0'))?;
            let rounds = digits.parse().ok().filter(|rounds| (1000..=MOST_ROUNDS).contains(rounds))?;
            (rounds, format!("rounds={digits}$").into_bytes(), &told[end + 1..])
        }
    };
    let salt = salt_of(rest, 16);
    let sum = match form {
        b"$5$" => sha256_crypt_b64(password, salt, &Sha256Params::new(rounds as usize).ok()?).ok()?,
        _ => sha512_crypt_b64(password, salt, &Sha512Params::new(rounds as usize).ok()?).ok()?,
    };
    Some([form, &text, salt, b"$", sum.as_bytes()].concat())
}

/// `$2y$` and its sisters.
fn by_bcrypt(password: &[u8], stored: &[u8]) -> Result<bool, Unknown> {
    let text = std::str::from_utf8(stored).map_err(|_| Unknown)?;
    let cost = text.get(4..6).and_then(|cost| cost.parse::<u32>().ok()).filter(|cost| (4..=MOST_COST).contains(cost));
    let is_known = ["$2a$", "$2b$", "$2y$"].iter().any(|form| text.starts_with(form));
    cost.filter(|_| is_known && text.len() == 60).ok_or(Unknown)?;
    bcrypt::verify(password, text).map_err(|_| Unknown)
}

/// Apache's `$apr1$` and FreeBSD's `$1$`, which differ by these letters.
fn md5_crypt(password: &[u8], form: &[u8], salt: &[u8]) -> Vec<u8> {
    let mut sum: [u8; 16] =
        Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize().into();
    let mut context = Md5::new().chain_update(password).chain_update(form).chain_update(salt);
    let mut left = password.len();
    while left > 0 {
        context.update(&sum[..left.min(16)]);
        left = left.saturating_sub(16);
    }
    let mut bits = password.len();
    while bits > 0 {
        context.update(if bits & 1 == 1 { &[0] } else { &password[..1] });
        bits >>= 1;
    }
    sum = context.finalize().into();
    for round in 0..1000 {
        let mut context = Md5::new();
        let odd = round & 1 == 1;
        context.update(if odd { password } else { &sum[..] });
        if round % 3 != 0 {
            context.update(salt);
        }
        if round % 7 != 0 {
            context.update(password);
        }
        context.update(if odd { &sum[..] } else { password });
        sum = context.finalize().into();
    }
    let mut out = [form, salt, b"$"].concat();
    for [a, b, c] in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        let value = u32::from(sum[a]) << 16 | u32::from(sum[b]) << 8 | u32::from(sum[c]);
        write_64(value, 4, &mut out);
    }
    write_64(sum[11].into(), 2, &mut out);
    out
}

fn write_64(mut value: u32, digits: usize, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for _ in 0..digits {
        out.push(DIGITS[(value & 63) as usize]);
        value >>= 6;
    }
}

/// What only the system's libcrypt knows: DES, which old files hold, and yescrypt. Where there is none, they are unknown.
mod system {
    use std::ffi::{CStr, CString, c_char, c_void};
    use std::sync::LazyLock;

    type CryptR = unsafe extern "C" fn(*const c_char, *const c_char, *mut c_void) -> *mut c_char;

    /// More than any libcrypt's `struct crypt_data`.
    const DATA: usize = 256 << 10;

    static CRYPT_R: LazyLock<Option<CryptR>> = LazyLock::new(|| {
        [c"libcrypt.so.1", c"libcrypt.so.2"].into_iter().find_map(|name| {
            // SAFETY: the names end with a zero; the library is the system's own and never closed, so that the function,
            // which has had this signature in every libcrypt, stays where it is.
            unsafe {
                let library = libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
                let function = (!library.is_null()).then(|| libc::dlsym(library, c"crypt_r".as_ptr()))?;
                (!function.is_null()).then(|| std::mem::transmute::<*mut c_void, CryptR>(function))
            }
        })
    });

    pub fn crypt(password: &[u8], stored: &[u8]) -> Option<Vec<u8>> {
        let function = (*CRYPT_R).filter(|_| is_des(stored) || is_yescrypt(stored))?;
        let (password, stored) = (CString::new(password).ok()?, CString::new(stored).ok()?);
        // Zeros, aligned as a struct wants to be.
        let mut data = vec![0_u64; DATA / 8];
        // SAFETY: both texts end with a zero; the room is larger than what the function works in and outlives the result,
        // which is null or a text in it.
        unsafe {
            let text = function(password.as_ptr(), stored.as_ptr(), data.as_mut_ptr().cast());
            (!text.is_null()).then(|| CStr::from_ptr(text).to_bytes().to_vec())
        }
        .filter(|text| !text.starts_with(b"*"))
    }

    fn is_des(stored: &[u8]) -> bool {
        stored.len() == 13 && stored.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/'))
    }

    /// With the usual parameters: others may take any time, and any memory.
    fn is_yescrypt(stored: &[u8]) -> bool {
        matches!(stored, [b'$', b'y', b'$', b'j', b'7'..=b'9' | b'A', b'T', b'$', ..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DES: &str = "ab3jcLo8aNLw6";
    const YES: &str = "$y$j9T$abcdefgh$53HXNxZB2a7VoI7YjlXnuqZl44ziJZfXwvfzovUJ6J6";

    #[test]
    fn every_form_is_known_and_tells_passwords_apart() {
        for stored in [
            "{PLAIN}pass word",
            "{SHA}2oguq15ANCGsJCWKX31fllwpyEk=",
            "{SSHA}UFAL1Y6rU6p3E9OM0Q51KWVEkV1zYWx0",
            "$apr1$abcdefgh$NriZ3KceyQFy368Ufp8U./",
            "$1$abcdefgh$yTpYrEJJOuAsO2Aee15/D1",
            "$1$a$BqhxWMW7V5k08txv4Cy6c1",
            "$1$$jJtdJ/Tlr.pylZQFemrPm0",
            "$5$abcdefgh$.QMzy7v4vXPoalf3eRONDBUv8WZTVbTMR1FBCZC1/L2",
            "$5$rounds=1000$saltstring$JPqqlc0DA4hi1oxtk56VxZawMZ5Pnm9OACC9IMydoGB",
            "$6$abcdefgh$YN8B0zmx4g7gHNsAPRHBHL7/9D2xv7Ojh6WbPzJjQGPPjUs3FiTtHkWxn/GwRo78ZpAtbvjbXJsaUxh7djdaf0",
            "$6$rounds=1400$anotherlongsalts$yZYbCSV3SNH4BDzsl/jZOs52Lkq0EWHp7Ssjzzc0YNdXlbd9/PvTNOsh7M.AFMYZUmQilXEiTSO/11Oxs3VYi1",
            "$6$$mcd8qJiAXpf5ErbYnrmCSXLrpkZkzOahXIyBF2.LIgKqVLVlVLMIPm39ymmS245v8q930S7rXOnXeObuO31xk.",
            "$2y$04$abcdefghijklmnopqrstuuFcV8WPKEefLKdOWfX8pW1yTVya21P7a",
            "$2a$04$abcdefghijklmnopqrstuuFcV8WPKEefLKdOWfX8pW1yTVya21P7a",
            "$2b$05$abcdefghijklmnopqrstuuIt/9/tGzLcigNq/.RWIDjeEVR30RSf.",
        ] {
            assert_eq!(is(b"pass word", stored.as_bytes()), Ok(true), "{stored}");
            assert_eq!(is(b"pass word\0and more", stored.as_bytes()), Ok(true), "{stored}");
            for wrong in ["", "pass", "pass wore", "pass word "] {
                assert_eq!(is(wrong.as_bytes(), stored.as_bytes()), Ok(false), "{stored} {wrong}");
            }
        }
    }

    #[test]
    fn empty_and_long_passwords_are_hashed_as_crypt_hashes_them() {
        let (long, longer) = ("a".repeat(72), "a".repeat(80));
        for (password, stored) in [
            ("", "$1$abcdefgh$M55TzYaaccxVGbptZWaxX/"),
            ("", "$5$abcdefgh$mnv0N8gJGuJiQCFVlADjwwxPyRiUO8rGuljjETTLqw9"),
            (&"x".repeat(100), "$1$abcdefgh$ax3Kvr/hbxTbyc0QiTLcg/"),
            (
                &"x".repeat(100),
                "$6$abcdefgh$TtI8Nf3XUr2hnuBuhqT5oHncObLx.L79LpqMrqeqTFOCP6JmkErg7tHQlmKe6Gt18.7w11o0VZEekyNxE9KjC1",
            ),
            (&long, "$2y$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe"),
            (&longer, "$2y$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe"),
        ] {
            assert_eq!(is(password.as_bytes(), stored.as_bytes()), Ok(true), "{stored}");
        }
    }

    #[test]
    fn what_only_the_system_knows_is_asked_of_it() {
        for stored in [DES, YES] {
            assert_eq!(is(b"pass word", stored.as_bytes()), Ok(true), "{stored}: is libcrypt installed?");
            assert_eq!(is(b"another", stored.as_bytes()), Ok(false), "{stored}");
        }
    }

    #[test]
    fn what_is_no_hash_or_counts_too_long_is_no_password() {
        for stored in [
            "",
            "plain",
            "*",
            "$",
            "$2",
            "$2y$",
            "$2y$31$abcdefghijklmnopqrstuuFcV8WPKEefLKdOWfX8pW1yTVya21P7a",
            "$2x$04$abcdefghijklmnopqrstuuFcV8WPKEefLKdOWfX8pW1yTVya21P7a",
            "$2y$04$abcdefghijklmnopqrstuuFcV8WPKEefLKdOWfX8pW1yTVya21P7",
            "$2y$04$\u{fc}bcdefghijklmnopqrstuuFcV8WPKEefLKdOWfX8pW1yTVya21P7",
            "$6$rounds=999999999$a$b",
            "$6$rounds=10$a$b",
            "$6$rounds=01000$a$b",
            "$6$rounds=x$a$b",
            "$6$rounds=1000",
            "$y$jzT$abcdefgh$53HXNxZB2a7VoI7YjlXnuqZl44ziJZfXwvfzovUJ6J6",
            "$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA",
        ] {
            assert_eq!(is(b"pass word", stored.as_bytes()), Err(Unknown), "{stored}");
        }
        // Salts and sums of the wrong length are ends of passwords that nobody has.
        for stored in ["$1$abcdefghi$yTpYrEJJOuAsO2Aee15/D1", "{SSHA}", "{SSHA}!", "{SHA}", "$5$", "$apr1$", "{PLAIN}"]
        {
            assert_eq!(is(b"pass word", stored.as_bytes()), Ok(false), "{stored}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_file_breaks_it(
            form in "(\\{SSHA\\}|\\{SHA\\}|\\$1\\$|\\$apr1\\$|\\$5\\$|\\$2y\\$0[3-5]\\$|\\$)",
            rest in prop::collection::vec(any::<u8>(), 0..80),
            password in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let stored = [form.as_bytes(), &rest].concat();
            prop_assert_ne!(is(&password, &stored), Ok(true));
        }
    }
}
