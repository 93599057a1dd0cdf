//! What a client named as the host, checked: nginx's `ngx_http_validate_host`.
//!
//! The name decides which server answers and goes into redirects, cache keys and upstream requests, so it is checked once,
//! here. The grammar is RFC 3986's, as nginx since 1.29 has it; Debian's 1.22 lets more pass (see the tests).
//!
//! Always: a name is lower case, without port and final dot, not empty, and holds no space, control, slash or `..`.

use crate::http::bytes::ByteSet;
use std::borrow::Cow;

/// RFC 3986's unreserved, sub-delims and the percent sign.
static NAME: ByteSet = ByteSet::alphanumeric_and(b"-._~!$&'()*+,;=%");

/// A host that may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host<'h> {
    /// `$host`; borrowed if nothing had to be lowered.
    pub name: Cow<'h, [u8]>,
    /// The port that was named with it.
    pub port: Option<u16>,
}

/// The `Host` field, `:authority` or absolute target names no host; always 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid host")]
pub struct InvalidHost;

/// Takes name and port from a `Host` field, an `:authority` or the authority of an absolute target. A request without any
/// has no name; its servers are those for `""`.
pub fn validate_host(text: &[u8]) -> Result<Host<'_>, InvalidHost> {
    let (name, rest) = if text.starts_with(b"[") {
        let end = text.iter().position(|b| *b == b']').ok_or(InvalidHost)?;
        text.split_at(end + 1)
    } else {
        let end = text.iter().position(|b| *b == b':').unwrap_or(text.len());
        text.split_at(end)
    };
    let legal = if name.starts_with(b"[") { is_literal(name) } else { is_name(name) };
    let port = parse_port(rest)?;
    let name = name.strip_suffix(b".").unwrap_or(name);
    if !legal || name.is_empty() {
        return Err(InvalidHost);
    }
    let lowered = name.iter().any(u8::is_ascii_uppercase);
    let name = if lowered { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) };
    Ok(Host { name, port })
}

fn is_name(name: &[u8]) -> bool {
    let mut before = 0;
    name.iter().all(|b| NAME.holds(*b) && !(std::mem::replace(&mut before, *b) == b'.' && *b == b'.'))
}

fn is_literal(name: &[u8]) -> bool {
    let inside = &name[1..name.len() - 1];
    let legal = |b: &u8| b.is_ascii_alphanumeric() || b":-._~!$&'()*+,;=".contains(b);
    !inside.is_empty() && inside.iter().all(legal) && !inside.windows(2).any(|pair| pair == b"..")
}

/// `:8080`; `:` alone and nothing at all name no port.
fn parse_port(rest: &[u8]) -> Result<Option<u16>, InvalidHost> {
    let Some(digits) = rest.strip_prefix(b":") else {
        return if rest.is_empty() { Ok(None) } else { Err(InvalidHost) };
    };
    let mut port = 0u16;
    for digit in digits {
        let value = char::from(*digit).to_digit(10).ok_or(InvalidHost)?;
        port = port.checked_mul(10).and_then(|port| port.checked_add(value as u16)).ok_or(InvalidHost)?;
    }
    Ok(Some(port).filter(|_| port > 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tables::HOSTS;
    use super::*;

    /// What 1.22 lets pass and this does not.
    const STRICTER: &[&str] = &[
        "[",
        "[::1",
        "a]b",
        "a[b",
        "ex\"ample",
        "é.org",
        "a@b",
        "a\\b",
        "example.org:8x",
        "a:-1",
        "a:b:c",
        "[::1]:x",
        "[::1].",
        "[::2]x",
        "[]",
    ];

    #[test]
    fn hosts_are_read_as_nginx_reads_them_or_stricter() {
        for (text, name, _) in HOSTS {
            let host = validate_host(text.as_bytes()).ok();
            if STRICTER.contains(text) {
                assert_eq!((host, name.is_some()), (None, true), "{text:?}");
                continue;
            }
            assert_eq!(host.as_ref().map(|host| &*host.name), name.map(str::as_bytes), "{text:?}");
        }
    }

    #[test]
    fn a_port_is_told_and_checked() {
        for (text, port) in [
            ("a:80", Ok(Some(80))),
            ("a", Ok(None)),
            ("a:", Ok(None)),
            ("a:0", Ok(None)),
            ("[::1]:65535", Ok(Some(65535))),
            ("a:65536", Err(InvalidHost)),
        ] {
            assert_eq!(validate_host(text.as_bytes()).map(|host| host.port), port, "{text}");
        }
    }

    #[test]
    fn a_lower_case_name_is_not_copied() {
        assert!(matches!(validate_host(b"example.org:80").unwrap().name, Cow::Borrowed(b"example.org")));
        assert!(matches!(validate_host(b"Example.org.").unwrap().name, Cow::Owned(_)));
    }

    proptest! {
        #[test]
        fn a_valid_host_stays_valid(text in "[a-cA-C.:\\[\\]0-9%/ ]{0,12}") {
            if let Ok(host) = validate_host(text.as_bytes()) {
                prop_assert_eq!(&validate_host(&host.name).unwrap().name, &host.name);
                prop_assert!(!host.name.ends_with(b".") && !host.name.is_empty());
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(text: Vec<u8>) {
            let _ = validate_host(&text);
        }
    }
}
