//! Writing odd bytes so that they survive where they go: into a URI, into HTML, into a log line; and reading them back.
//!
//! The tables are nginx's (`ngx_escape_uri`, `ngx_escape_html`, the log module): what edge sends up, redirects to or logs
//! is byte for byte what nginx would write. Nothing is copied where nothing has to be escaped.

use std::borrow::Cow;

/// Bytes to be escaped, one bit each.
struct Table([u64; 4]);

impl Table {
    /// The given characters, all controls, and if so wished everything above ASCII.
    const fn new(characters: &[u8], high: bool) -> Table {
        let upper = if high { u64::MAX } else { 0 };
        let mut bits = [0xffff_ffff, 1 << 63, upper, upper];
        let mut at = 0;
        while at < characters.len() {
            bits[(characters[at] >> 6) as usize] |= 1 << (characters[at] & 63);
            at += 1;
        }
        Table(bits)
    }

    fn holds(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }
}

static URI: Table = Table::new(b" \"#%<>?\\^`{|}", true);
static ARGS: Table = Table::new(b" \"#%&+;<>?\\^`{|}", true);
static COMPONENT: Table = Table::new(b" !\"#$%&'()*+,/:;<=>?@[\\]^`{|}", true);
/// `NGX_ESCAPE_MEMCACHED`: what would end a key, and what escapes.
static MEMCACHED: Table = Table([0xffff_ffff | 1 << b' ' | 1 << b'%', 0, 0, 0]);
static LOG: Table = Table::new(b"\"\\", true);

/// A path, for a request line or a `Location`: `NGX_ESCAPE_URI`.
pub fn uri(bytes: &[u8]) -> Cow<'_, [u8]> {
    percent(bytes, &URI)
}

/// A value that becomes part of the arguments: `NGX_ESCAPE_ARGS`.
pub fn args(bytes: &[u8]) -> Cow<'_, [u8]> {
    percent(bytes, &ARGS)
}

/// One component of a URI, nothing in it a delimiter: `NGX_ESCAPE_URI_COMPONENT`.
pub fn uri_component(bytes: &[u8]) -> Cow<'_, [u8]> {
    percent(bytes, &COMPONENT)
}

/// The key of an item of memcached: `NGX_ESCAPE_MEMCACHED`.
pub fn memcached(bytes: &[u8]) -> Cow<'_, [u8]> {
    percent(bytes, &MEMCACHED)
}

fn percent<'a>(bytes: &'a [u8], table: &Table) -> Cow<'a, [u8]> {
    replace(bytes, |byte| table.holds(byte), |byte, out| push_hex(out, b"%", byte))
}

/// Text in an HTML page or a quoted attribute: `ngx_escape_html`.
pub fn html(bytes: &[u8]) -> Cow<'_, [u8]> {
    let entity = |byte: u8| -> &'static [u8] {
        match byte {
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'&' => b"&amp;",
            b'"' => b"&quot;",
            _ => b"",
        }
    };
    replace(bytes, |byte| !entity(byte).is_empty(), |byte, out| out.extend_from_slice(entity(byte)))
}

/// How `log_format` writes a variable's value (`escape=`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogEscape {
    /// `\xXX` for quotes, backslashes, controls and everything above ASCII.
    #[default]
    Default,
    /// As in a JSON string; bytes above ASCII as they are.
    Json,
    /// Nothing at all.
    None,
}

/// A value in a log line.
pub fn log(bytes: &[u8], how: LogEscape) -> Cow<'_, [u8]> {
    // Without a way out of the loop it is done for many bytes at once.
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') & (*byte != b'"') & (*byte != b'\\');
    if bytes.iter().fold(true, |plain, byte| plain & is_plain(byte)) {
        return Cow::Borrowed(bytes);
    }
    match how {
        LogEscape::Default => replace(bytes, |byte| LOG.holds(byte), |byte, out| push_hex(out, b"\\x", byte)),
        LogEscape::Json => replace(bytes, |byte| byte < 0x20 || matches!(byte, b'"' | b'\\'), push_json),
        LogEscape::None => Cow::Borrowed(bytes),
    }
}

fn push_json(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => return push_hex(out, b"\\u00", byte),
    };
    out.extend_from_slice(&[b'\\', short]);
}

fn push_hex(out: &mut Vec<u8>, mark: &[u8], byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(mark);
    out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

fn replace(bytes: &[u8], special: impl Fn(u8) -> bool, mut write: impl FnMut(u8, &mut Vec<u8>)) -> Cow<'_, [u8]> {
    let Some(first) = bytes.iter().position(|byte| special(*byte)) else {
        return Cow::Borrowed(bytes);
    };
    let mut out = Vec::with_capacity(bytes.len() + 16);
    out.extend_from_slice(&bytes[..first]);
    for byte in &bytes[first..] {
        if special(*byte) {
            write(*byte, &mut out);
        } else {
            out.push(*byte);
        }
    }
    Cow::Owned(out)
}

/// How far `unescape` goes: the types of `ngx_unescape_uri`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unescape {
    /// Every `%XX`.
    All,
    /// Up to the first `?`, sent or decoded; what follows stays as it is.
    Path,
    /// As `Path`, but only what may stand unescaped in a `Location`; the rest keeps its `%XX`.
    Redirect,
}

/// Decodes `%XX`. As nginx, it drops the `%` of a sequence that is none: `%zz` becomes `zz`, `%4z` nothing.
pub fn unescape(bytes: &[u8], how: Unescape) -> Cow<'_, [u8]> {
    if !bytes.contains(&b'%') {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            out.push(*first);
            if *first == b'?' && how != Unescape::All {
                out.extend_from_slice(rest);
                break;
            }
            continue;
        }
        let (decoded, used) = decode(tail);
        rest = &tail[used..];
        let Some(byte) = decoded else { continue };
        let kept = how == Unescape::Redirect && used == 2 && !(b'&'..0x7f).contains(&byte);
        if kept {
            out.push(b'%');
            out.extend_from_slice(&tail[..2]);
        } else {
            out.push(byte);
        }
        if byte == b'?' && used == 2 && how != Unescape::All {
            out.extend_from_slice(rest);
            break;
        }
    }
    Cow::Owned(out)
}

/// What the text behind a `%` stands for, and how many of its bytes are used up.
fn decode(tail: &[u8]) -> (Option<u8>, usize) {
    match tail {
        [] => (None, 0),
        [high, rest @ ..] => match (hex(*high), rest) {
            (None, _) => (Some(*high), 1),
            (Some(_), []) => (None, 1),
            (Some(high), [low, ..]) => (hex(*low).map(|low| high << 4 | low), 2),
        },
    }
}

/// The value of a hexadecimal digit.
pub fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_ends_a_key_of_memcached() {
        assert_eq!(&*memcached(b"/a b%\r\nset x"), b"/a%20b%25%0D%0Aset%20x");
        assert_eq!(&*memcached("/ä?b=\u{7f}".as_bytes()), "/ä?b=\u{7f}".as_bytes());
    }

    fn every_byte() -> Vec<u8> {
        (0..=255).collect()
    }

    /// The printable characters an escape leaves alone.
    fn left_alone(escape: fn(&[u8]) -> Cow<'_, [u8]>) -> String {
        every_byte().iter().filter(|b| *escape(&[**b]) == [**b]).map(|b| char::from(*b)).collect()
    }

    const ALPHANUMERIC: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    fn sorted(text: String) -> String {
        let mut bytes = text.into_bytes();
        bytes.sort_unstable();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn each_escape_leaves_alone_what_nginx_leaves_alone() {
        assert_eq!(left_alone(uri), sorted(format!("{ALPHANUMERIC}!$&'()*+,-./:;=@[]_~")));
        assert_eq!(left_alone(args), sorted(format!("{ALPHANUMERIC}!$'()*,-./:=@[]_~")));
        assert_eq!(left_alone(uri_component), sorted(format!("{ALPHANUMERIC}-._~")));
    }

    #[test]
    fn the_digits_are_upper_case() {
        assert_eq!(*uri(b"/a b\xfe"), *b"/a%20b%FE");
        assert_eq!(*log(b"a\"\x1b\xfe\\", LogEscape::Default), *b"a\\x22\\x1B\\xFE\\x5C");
    }

    #[test]
    fn json_knows_the_short_forms_and_leaves_utf8_alone() {
        let escaped = log("\"\\\n\r\t\u{8}\u{c}\u{1f}ä\u{7f}".as_bytes(), LogEscape::Json).into_owned();
        assert_eq!(String::from_utf8(escaped).unwrap(), "\\\"\\\\\\n\\r\\t\\b\\f\\u001Fä\u{7f}");
        assert_eq!(*log(b"\"\n", LogEscape::None), *b"\"\n");
    }

    #[test]
    fn html_escapes_what_could_end_text_or_attribute() {
        assert_eq!(*html(b"<a href=\"?x&y\">'"), *b"&lt;a href=&quot;?x&amp;y&quot;&gt;'");
    }

    #[test]
    fn what_needs_nothing_is_not_copied() {
        assert!(matches!(uri(b"/a/b.html"), Cow::Borrowed(_)));
        assert!(matches!(unescape(b"/a/b.html", Unescape::All), Cow::Borrowed(_)));
    }

    #[test]
    fn unescaping_drops_what_is_no_sequence() {
        for (text, plain) in [(&b"%41%zzb%4zc%"[..], &b"Azzbc"[..]), (b"a%4", b"a"), (b"%", b""), (b"%25%32", b"%2")] {
            assert_eq!(*unescape(text, Unescape::All), *plain, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_question_mark_ends_the_unescaping_of_a_path() {
        assert_eq!(*unescape(b"%41?%41", Unescape::Path), *b"A?%41");
        assert_eq!(*unescape(b"%41%3f%41", Unescape::Path), *b"A?%41");
        assert_eq!(*unescape(b"%41?%41", Unescape::All), *b"A?A");
    }

    #[test]
    fn a_redirect_keeps_what_must_stay_escaped() {
        assert_eq!(*unescape(b"/%41%0d%0a%20%e4%25", Unescape::Redirect), *b"/A%0d%0a%20%e4%25");
    }

    proptest! {
        #[test]
        fn unescaping_undoes_escaping(bytes: Vec<u8>) {
            for escape in [uri, args, uri_component] {
                let escaped = escape(&bytes).into_owned();
                prop_assert!(escaped.iter().all(|b| b.is_ascii_graphic()));
                prop_assert_eq!(&*unescape(&escaped, Unescape::All), &bytes[..]);
            }
        }

        #[test]
        fn no_escape_lets_a_line_end_through(bytes: Vec<u8>) {
            for how in [LogEscape::Default, LogEscape::Json] {
                prop_assert!(log(&bytes, how).iter().all(|b| *b >= 0x20));
            }
        }
    }
}
