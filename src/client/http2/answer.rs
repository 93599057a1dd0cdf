//! The head of an HTTP/1.1 answer that is to become an HTTP/2 response.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::CONNECTION_SPECIFIC;

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// There is no body.
    None,
    Length(u64),
    Chunks,
    /// The end of the connection.
    Close,
}

#[derive(Debug)]
pub struct Answer {
    pub head: Response<()>,
    pub end: BodyEnd,
}

/// Reads a whole head, its empty line included; `to_head`: it answers a HEAD. `None`: it is not one, which nobody above
/// should ever write.
pub fn read(text: &[u8], to_head: bool) -> Option<Answer> {
    let mut lines = text.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut words = lines.next()?.split(|b| *b == b' ');
    if !words.next()?.starts_with(b"HTTP/1.") {
        return None;
    }
    let mut head = Response::new(());
    *head.status_mut() =
        StatusCode::from_bytes(words.next()?).ok().filter(|s| *s != StatusCode::SWITCHING_PROTOCOLS)?;
    for line in lines.take_while(|line| !line.is_empty()) {
        let colon = memchr::memchr(b':', line)?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        head.headers_mut().try_append(name, value).ok()?;
    }
    let end = body_end(&head, to_head)?;
    for name in CONNECTION_SPECIFIC {
        head.headers_mut().remove(name);
    }
    Some(Answer { head, end })
}

fn body_end(head: &Response<()>, to_head: bool) -> Option<BodyEnd> {
    let status = head.status();
    if to_head || status.is_informational() || matches!(status.as_u16(), 204 | 304) {
        return Some(BodyEnd::None);
    }
    if head.headers().contains_key(TRANSFER_ENCODING) {
        return Some(BodyEnd::Chunks);
    }
    match head.headers().get(CONTENT_LENGTH) {
        None => Some(BodyEnd::Close),
        Some(length) => Some(BodyEnd::Length(length.to_str().ok()?.parse().ok()?)),
    }
}
