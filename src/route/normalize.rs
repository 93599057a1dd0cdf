//! The request target taken apart: what nginx calls `$uri`, `$args` and `$request_uri`.
//!
//! Every later decision (locations, rewrites, files, cache keys) is made on the decoded and normalized path, so that
//! `/a/%2e%2e/b` cannot be one thing to a location and another to the application behind it. The rules are those of
//! nginx's `ngx_http_parse_request_line` and `ngx_http_parse_complex_uri`.
//!
//! Always: a path begins with `/`, holds no NUL and no `.` or `..` segment; with `merge_slashes` no `//` either.

use crate::http::escape::hex;
use bytes::Bytes;

/// A request target, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    /// Decoded and normalized: `$uri`. Shares the target's memory where nothing had to change.
    pub path: Bytes,
    /// What follows the `?`, without a fragment, as sent: `$args`. `Some("")` for a bare `?`, which `$is_args` calls none.
    pub args: Option<Bytes>,
    /// As sent, without scheme and host of an absolute target: `$request_uri`.
    pub original: Bytes,
    /// Host and port of an absolute target, as sent; it outranks the `Host` header.
    pub authority: Option<Bytes>,
    /// The path differs from what was sent, in any way.
    pub changed: bool,
    /// The sent path had `%XX`: whoever writes the path into a new request has to escape it again. Without it nginx copies
    /// the path unescaped, odd bytes included.
    pub quoted: bool,
}

/// Why a target is refused; always 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUri {
    /// `OPTIONS *`: nginx refuses it like any other target without a path; told apart for who wants to answer it.
    #[error("the target is \"*\", which names no resource")]
    Asterisk,
    #[error("the target is neither a path nor an absolute URI")]
    Form,
    #[error("the target holds a space or control character")]
    Control,
    #[error("the path holds a \"%\" without two hexadecimal digits")]
    Percent,
    #[error("the path holds an encoded NUL")]
    Nul,
    #[error("the path leads above the root")]
    AboveRoot,
}

impl Uri {
    /// Parses the target of a request line or the `:path` of HTTP/2.
    pub fn parse(target: &Bytes, merge_slashes: bool) -> Result<Uri, BadUri> {
        if target.iter().any(|b| *b <= b' ' || *b == 0x7f) {
            return Err(BadUri::Control);
        }
        match target.first() {
            Some(b'/') => Uri::split(target.clone(), None, merge_slashes),
            Some(b'*') if target.len() == 1 => Err(BadUri::Asterisk),
            Some(_) => {
                let (authority, rest) = split_absolute(target)?;
                Uri::split(rest, Some(authority), merge_slashes)
            }
            None => Err(BadUri::Form),
        }
    }

    /// `?` or nothing: what joins the path and the arguments (`$is_args`).
    pub fn is_args(&self) -> &'static str {
        if self.args.as_ref().is_some_and(|args| !args.is_empty()) { "?" } else { "" }
    }

    fn split(original: Bytes, authority: Option<Bytes>, merge_slashes: bool) -> Result<Uri, BadUri> {
        let length = original.iter().position(|b| matches!(*b, b'?' | b'#')).unwrap_or(original.len());
        let raw = original.slice(..length);
        let args = original[length..].strip_prefix(b"?").map(|behind| {
            let end = behind.iter().position(|b| *b == b'#').unwrap_or(behind.len());
            original.slice(length + 1..length + 1 + end)
        });
        if !raw.is_empty() && is_plain(&raw) {
            return Ok(Uri { path: raw, args, original, authority, changed: false, quoted: false });
        }
        let path = match raw.is_empty() {
            true => Bytes::from_static(b"/"),
            false => Bytes::from(normalize(&raw, merge_slashes)?),
        };
        Ok(Uri { changed: path != raw, quoted: raw.contains(&b'%'), path, args, original, authority })
    }
}

/// Nothing in it asks for decoding or normalizing. May say no to a path that would not change (`/.hidden`).
fn is_plain(raw: &[u8]) -> bool {
    let mut after_slash = false;
    for b in raw {
        if *b == b'%' || (after_slash && matches!(*b, b'/' | b'.')) {
            return false;
        }
        after_slash = *b == b'/';
    }
    true
}

/// Decodes `%XX` and resolves `.`, `..` and, if asked to, `//`. Decoded dots and slashes count as if they had been sent
/// plainly, decoded `%`, `#` and `?` as ordinary characters. `raw` begins with `/` and holds neither `?` nor `#`.
fn normalize(raw: &[u8], merge_slashes: bool) -> Result<Vec<u8>, BadUri> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let [first, tail @ ..] = rest {
        let byte = if *first == b'%' {
            let byte = decode(tail)?;
            rest = &tail[2..];
            byte
        } else {
            rest = tail;
            *first
        };
        if byte != b'/' {
            out.push(byte);
        } else if !end_segment(&mut out)? && (!merge_slashes || !out.ends_with(b"/")) {
            out.push(b'/');
        }
    }
    end_segment(&mut out)?;
    Ok(out)
}

fn decode(digits: &[u8]) -> Result<u8, BadUri> {
    let [high, low, ..] = digits else {
        return Err(BadUri::Percent);
    };
    match (hex(*high), hex(*low)) {
        (Some(0), Some(0)) => Err(BadUri::Nul),
        (Some(high), Some(low)) => Ok(high << 4 | low),
        _ => Err(BadUri::Percent),
    }
}

/// Resolves the segment that ends here if it is `.` or `..`; says whether it was, and then the path ends in `/`.
fn end_segment(path: &mut Vec<u8>) -> Result<bool, BadUri> {
    let Some(slash) = path.iter().rposition(|b| *b == b'/') else {
        return Ok(false);
    };
    match &path[slash + 1..] {
        b"." => path.truncate(slash + 1),
        b".." => {
            let above = path[..slash].iter().rposition(|b| *b == b'/').ok_or(BadUri::AboveRoot)?;
            path.truncate(above + 1);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Host (with port) and the rest of `scheme://host[:port][/path][?args]`; the rest is `/` where there is none.
fn split_absolute(target: &Bytes) -> Result<(Bytes, Bytes), BadUri> {
    let scheme = target.iter().position(|b| *b == b':').ok_or(BadUri::Form)?;
    let legal = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    if !target[0].is_ascii_alphabetic() || !target[..scheme].iter().all(legal) || !target[scheme..].starts_with(b"://")
    {
        return Err(BadUri::Form);
    }
    let start = scheme + 3;
    let host = host_length(&target[start..])?;
    let port = match target[start + host..].strip_prefix(b":") {
        Some(port) => 1 + port.iter().take_while(|b| b.is_ascii_digit()).count(),
        None => 0,
    };
    let end = start + host + port;
    let rest = match target.get(end) {
        None => Bytes::from_static(b"/"),
        Some(b'/' | b'?') => target.slice(end..),
        Some(_) => return Err(BadUri::Form),
    };
    Ok((target.slice(start..end), rest))
}

fn host_length(text: &[u8]) -> Result<usize, BadUri> {
    let length = if text.starts_with(b"[") {
        let legal = |b: &&u8| b.is_ascii_alphanumeric() || b":-._~!$&'()*+,;=".contains(b);
        let inside = text[1..].iter().take_while(legal).count();
        if text.get(inside + 1) != Some(&b']') {
            return Err(BadUri::Form);
        }
        inside + 2
    } else {
        text.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')).count()
    };
    if length == 0 { Err(BadUri::Form) } else { Ok(length) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tables::TARGETS;
    use super::*;
    use crate::http::escape;

    fn parse(target: &[u8], merge_slashes: bool) -> Result<Uri, BadUri> {
        Uri::parse(&Bytes::copy_from_slice(target), merge_slashes)
    }

    #[test]
    fn every_target_is_read_as_nginx_reads_it() {
        for (target, merged, kept, args, request_uri) in TARGETS {
            for (merge_slashes, path) in [(true, merged), (false, kept)] {
                let shown = target.escape_ascii();
                let uri = parse(target, merge_slashes);
                match (uri, path) {
                    (Ok(uri), Some(path)) => {
                        assert_eq!(uri.path, *path, "path of {shown}");
                        assert_eq!(uri.args.unwrap_or_default(), *args, "args of {shown}");
                        assert_eq!(uri.original, *request_uri, "original of {shown}");
                    }
                    (Err(_), None) => {}
                    (uri, path) => panic!("{shown}: {uri:?} instead of {path:?}"),
                }
            }
        }
    }

    #[test]
    fn a_refusal_says_what_is_wrong() {
        for (target, error) in [
            (&b"*"[..], BadUri::Asterisk),
            (b"", BadUri::Form),
            (b"a/b", BadUri::Form),
            (b"http:///a", BadUri::Form),
            (b"http://[::1/a", BadUri::Form),
            (b"/a b", BadUri::Control),
            (b"/a?\r\n", BadUri::Control),
            (b"/%4", BadUri::Percent),
            (b"/%+1", BadUri::Percent),
            (b"/%00", BadUri::Nul),
            (b"/a/../..", BadUri::AboveRoot),
        ] {
            assert_eq!(parse(target, true), Err(error), "{}", target.escape_ascii());
        }
    }

    #[test]
    fn a_plain_target_is_not_copied() {
        let target = Bytes::from_static(b"/shop/list.jsp;jsessionid=1.t1?page=2");
        let uri = Uri::parse(&target, true).unwrap();
        assert_eq!(uri.path.as_ptr(), target.as_ptr());
        assert!(!uri.changed && !uri.quoted);
        assert_eq!(uri.args.as_deref(), Some(&b"page=2"[..]));
    }

    #[test]
    fn a_bare_question_mark_is_an_empty_argument_string() {
        assert_eq!(parse(b"/a", true).unwrap().args, None);
        let bare = parse(b"/a?", true).unwrap();
        assert_eq!((bare.args.as_deref(), bare.is_args()), (Some(&b""[..]), ""));
        assert_eq!(parse(b"/a?b", true).unwrap().is_args(), "?");
    }

    #[test]
    fn changed_and_quoted_tell_what_has_to_be_escaped_again() {
        for (target, changed, quoted) in [
            (&b"/.hidden"[..], false, false),
            (b"/a/../b", true, false),
            (b"/%41", true, true),
            (b"/a?%41", false, false),
            (b"http://h?a", true, false),
            (b"http://h/a", false, false),
        ] {
            let uri = parse(target, true).unwrap();
            assert_eq!((uri.changed, uri.quoted), (changed, quoted), "{}", target.escape_ascii());
        }
    }

    #[test]
    fn an_absolute_target_tells_its_host() {
        let uri = parse(b"http://[::1]:8080/a", true).unwrap();
        assert_eq!(uri.authority.as_deref(), Some(&b"[::1]:8080"[..]));
        assert_eq!(parse(b"/a", true).unwrap().authority, None);
    }

    /// Targets that meet the rules often: slashes, dots and percent signs beside arbitrary bytes.
    fn targets() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"/".to_vec()),
            Just(b".".to_vec()),
            Just(b"..".to_vec()),
            Just(b"a".to_vec()),
            Just(b"?".to_vec()),
            Just(b"#".to_vec()),
            any::<u8>().prop_map(|b| format!("%{b:02x}").into_bytes()),
            any::<u8>().prop_map(|b| vec![b]),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| [&b"/"[..], &pieces.concat()].concat())
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(target: Vec<u8>, merge: bool) {
            let _ = parse(&target, merge);
        }

        #[test]
        fn a_path_is_normal_and_stays_so(target in targets(), merge: bool) {
            let Ok(uri) = parse(&target, merge) else { return Ok(()) };
            let mut segments = uri.path.split(|b| *b == b'/');
            prop_assert_eq!(segments.next(), Some(&b""[..]));
            prop_assert!(segments.all(|segment| segment != b"." && segment != b".."));
            prop_assert!(!merge || !uri.path.windows(2).any(|pair| pair == b"//"));
            let again = parse(&escape::uri(&uri.path), merge).unwrap();
            prop_assert_eq!(again.path, uri.path);
        }
    }
}
