//! The host of a request: the `Host` field or the authority of an absolute-form, by the rules of nginx 1.29's
//! `ngx_http_validate_host` (RFC 3986 3.2.2, no user information, a port of digits). 1.22 lets more through.

use crate::http::bytes::ByteSet;

/// RFC 3986's unreserved and sub-delims.
static NAME: ByteSet = ByteSet::alphanumeric_and(b"-._~!$&'()*+,;=");

/// The parts of a host that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host<'a> {
    /// Without port and without a trailing dot, in the client's case: `$host` is this in lower case.
    pub name: &'a [u8],
    pub port: Option<u16>,
}

/// Reads `name[:port]`; `None` if it is not one.
pub fn parse(host: &[u8]) -> Option<Host<'_>> {
    let end = match host.first()? {
        b'[' => literal_end(host)?,
        _ => name_end(host)?,
    };
    let port = match &host[end..] {
        [] | [b':'] => None,
        [b':', digits @ ..] => Some(port(digits)?),
        _ => return None,
    };
    let name = &host[..end];
    let name = name.strip_suffix(b".").unwrap_or(name);
    (!name.is_empty()).then_some(Host { name, port })
}

fn literal_end(host: &[u8]) -> Option<usize> {
    let end = host.iter().position(|b| *b == b']')?;
    let inside = &host[1..end];
    let fits = |b: &u8| NAME.holds(*b) || *b == b':';
    (!inside.is_empty() && inside.iter().all(fits)).then_some(end + 1)
}

fn name_end(host: &[u8]) -> Option<usize> {
    let (mut i, mut before) = (0, 0);
    while let Some(b) = host.get(i) {
        match *b {
            b'.' if before == b'.' => return None,
            b if NAME.holds(b) => i += 1,
            b':' => return Some(i),
            b'%' if host.get(i + 1..i + 3).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit)) => i += 3,
            _ => return None,
        }
        before = *b;
    }
    Some(host.len())
}

fn port(digits: &[u8]) -> Option<u16> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}
