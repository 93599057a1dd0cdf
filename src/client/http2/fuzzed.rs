//! Bytes for the readers of this room: frames as they are counted, heads on their way to the strict parser and back.

use super::answer::{self, BodyEnd};
use super::meter::Scanner;
use super::request::{self, Framing};
use crate::client::parse::Parser;
use crate::client::settings::Settings;
use crate::fuzzing::{mark, pieces};

pub(crate) fn frames(bytes: &[u8]) -> u64 {
    let (size, bytes) = pieces(bytes);
    let whole = Scanner::default().useful(bytes);
    let mut scanner = Scanner::default();
    let split: usize = bytes.chunks(size).map(|part| scanner.useful(part)).sum();
    assert_eq!(whole, split);
    assert!(whole <= bytes.len().saturating_sub(24));
    mark(whole)
}

/// METHOD, PATH and AUTHORITY in lines, then fields: what is written of them is one head with the framing that is told.
pub(crate) fn head(bytes: &[u8]) -> u64 {
    let mut lines = bytes.split(|b| *b == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let builder = http::Request::builder().method(line());
    let (path, authority) = (line(), line());
    let uri = match authority {
        [] => http::Uri::try_from(path),
        authority => http::Uri::try_from([b"https://", authority, path].concat().as_slice()),
    };
    let Ok(uri) = uri else { return 0 };
    let Ok(mut asked) = builder.uri(uri).body(()) else { return 1 };
    for field in lines {
        let Some(at) = memchr::memchr(b':', field) else { continue };
        let (name, value) = (&field[..at], field[at + 1..].trim_ascii());
        let (Ok(name), Ok(value)) = (http::HeaderName::from_bytes(name), http::HeaderValue::from_bytes(value)) else {
            continue;
        };
        asked.headers_mut().append(name, value);
    }
    let (parts, ()) = asked.into_parts();
    let mut outcome = Vec::new();
    for is_whole in [false, true] {
        let (text, framing) = match request::write(&parts, is_whole) {
            Ok(written) => written,
            Err(refusal) => return mark(refusal.reason),
        };
        let settings = Settings::default();
        let mut parser = Parser::new(&settings);
        match parser.advance(&text, &settings) {
            Ok(end) => {
                assert_eq!(end, Some(text.len()), "two heads, or half a one: {}", text.escape_ascii());
                let Ok(parsed) = parser.finish(text.clone()) else { panic!("{}", text.escape_ascii()) };
                let expected = parsed.head.framing;
                let is_told = match framing {
                    Framing::None => {
                        expected == crate::http::Framing::None || parts.headers.contains_key("content-length")
                    }
                    Framing::Plain => matches!(expected, crate::http::Framing::Length(_)),
                    Framing::Chunked => expected == crate::http::Framing::Chunked,
                };
                assert!(is_told, "{framing:?} is read as {expected:?}: {}", text.escape_ascii());
                outcome.push(mark((parsed.head.headers.len().min(5), framing as u8)));
            }
            Err(refusal) => outcome.push(mark(refusal.reason)),
        }
    }
    mark(outcome)
}

pub(crate) fn answer(bytes: &[u8]) -> u64 {
    let (size, bytes) = pieces(bytes);
    match answer::read(bytes, size % 2 == 0) {
        None => 0,
        Some(read) => {
            assert!(
                !read.head.headers().contains_key("transfer-encoding")
                    && !read.head.headers().contains_key("connection")
            );
            let end = match read.end {
                BodyEnd::None => 0,
                BodyEnd::Length(_) => 1,
                BodyEnd::Chunks => 2,
                BodyEnd::Close => 3,
            };
            mark((read.head.status().as_u16(), end))
        }
    }
}
