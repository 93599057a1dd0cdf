//! Bytes for the readers of this room: what a client sends before anything is known of it.

use super::chunked::{Decoder, Piece};
use super::parse::{Parsed, Parser, Refusal};
use super::present::synthesize;
use super::proxy_protocol::{self, Parsed as Announcement};
use super::settings::Settings;
use crate::fuzzing::{mark, pieces};
use crate::http::{Framing, Head, Version};
use bytes::{Bytes, BytesMut};

/// `None`: more is waited for.
fn parse(bytes: &[u8], size: usize, settings: &Settings) -> Option<(usize, Result<Parsed, Refusal>)> {
    let mut parser = Parser::new(settings);
    let mut there = 0;
    while there < bytes.len() {
        there = (there + size).min(bytes.len());
        match parser.advance(&bytes[..there], settings) {
            Ok(None) => {}
            Ok(Some(end)) => return Some((end, parser.finish(Bytes::copy_from_slice(&bytes[..end])))),
            Err(refusal) => return Some((0, Err(refusal))),
        }
    }
    None
}

/// What a head means to whoever answers it.
fn meaning(head: &Head) -> (String, Bytes, Version, Framing, Vec<(Bytes, Bytes)>) {
    let fields = head.headers.iter().map(|(name, value)| (name.clone(), value.clone()));
    (head.method.to_string(), head.target.clone(), head.version, head.framing, fields.collect())
}

/// A head that is taken has one meaning: to whoever reads it in other pieces, reads it again, or reads what Pingora is given.
pub(crate) fn head(bytes: &[u8]) -> u64 {
    let (size, bytes) = pieces(bytes);
    let odd = Settings { ignore_invalid_headers: false, underscores_in_headers: true, ..Settings::default() };
    let settings = if size % 2 == 0 { odd } else { Settings::default() };
    let whole = parse(bytes, bytes.len().max(1), &settings);
    let split = parse(bytes, size, &settings);
    match (&whole, &split) {
        (None, None) => {}
        (Some((a, Ok(one))), Some((b, Ok(other)))) => {
            assert_eq!((a, meaning(&one.head)), (b, meaning(&other.head)), "another meaning in other pieces");
        }
        (Some((_, Err(one))), Some((_, Err(other)))) => {
            assert_eq!((one.status, one.reason), (other.status, other.reason), "another refusal in other pieces");
        }
        _ => panic!("taken or not by how it is split: {whole:?} {split:?}"),
    }
    match whole {
        None => 0,
        Some((_, Err(refusal))) => mark(refusal.reason),
        Some((end, Ok(parsed))) => {
            assert!(bytes[..end].ends_with(b"\n"));
            is_unambiguous(&parsed.head);
            is_read_again(&parsed.head, &settings);
            is_presentable(&parsed.head, &settings);
            mark((
                parsed.head.framing.has_body(),
                parsed.head.version as u8,
                parsed.dropped.len(),
                parsed.head.headers.len().min(6),
            ))
        }
    }
}

/// One length, one host, nothing that ends a line.
fn is_unambiguous(head: &Head) {
    let count = |name: &str| head.headers.get_all(name).count();
    let (lengths, encodings) = (count("content-length"), count("transfer-encoding"));
    assert!(lengths + encodings <= 1, "{lengths} lengths and {encodings} encodings");
    let expected = match (head.headers.get("content-length"), encodings) {
        (Some(text), _) => Framing::Length(std::str::from_utf8(text).unwrap().parse().unwrap()),
        (None, 1) => Framing::Chunked,
        (None, _) => Framing::None,
    };
    assert_eq!(head.framing, expected);
    assert!(encodings == 0 || head.version >= Version::Http11, "chunks of HTTP/1.0");
    assert!(count("host") <= 1 && (count("host") == 1 || head.version < Version::Http11));
    let breaks = |text: &[u8]| text.iter().any(|b| matches!(b, b'\r' | b'\n' | 0));
    assert!(head.target.starts_with(b"/") && !head.target.iter().any(|b| *b <= b' '), "{:?}", head.target);
    for (name, value) in head.headers.iter() {
        assert!(http::HeaderName::from_bytes(name).is_ok() && !breaks(value), "{name:?}: {value:?}");
        // A tab stays, as with nginx; what frames or names a host has none.
        assert!(!value.starts_with(b" ") && !value.ends_with(b" "), "{name:?}: {value:?}");
    }
}

/// Written down it is read as the same.
fn is_read_again(head: &Head, settings: &Settings) {
    let fields = head.headers.iter().map(|(name, value)| [&name[..], b": ", value, b"\r\n"].concat());
    let version: &[u8] = if head.version == Version::Http10 { b"HTTP/1.0" } else { b"HTTP/1.1" };
    let line = [head.method.as_str().as_bytes(), b" ", &head.target, b" ", version, b"\r\n"].concat();
    let text = [line, fields.collect::<Vec<_>>().concat(), b"\r\n".to_vec()].concat();
    // What was spread over several lines may be too long with its line ends.
    let room = Settings { large_client_header_buffers: (64, 64 << 10), max_headers: 10_000, ..settings.clone() };
    let Some((end, Ok(again))) = parse(&text, text.len(), &room) else {
        panic!("not read again: {}", text.escape_ascii())
    };
    assert_eq!((end, meaning(&again.head)), (text.len(), meaning(head)));
}

/// Pingora reads from it what we read.
fn is_presentable(head: &Head, settings: &Settings) {
    let text = synthesize(head, true);
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut request = httparse::Request::new(&mut fields);
    assert_eq!(request.parse(&text), Ok(httparse::Status::Complete(text.len())), "{}", text.escape_ascii());
    assert_eq!(request.method, Some(head.method.as_str()));
    assert!(request.path.is_some_and(|path| path.parse::<http::Uri>().is_ok()), "{:?}", request.path);
    let of = |wanted: &str| request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(wanted)).count();
    let chunked = head.framing.has_body() || head.wants_upgrade();
    assert_eq!((of("host"), of("content-length"), of("transfer-encoding")), (1, 0, usize::from(chunked)));
    let room = Settings { large_client_header_buffers: (64, 64 << 10), ..settings.clone() };
    assert!(matches!(parse(&text, text.len(), &room), Some((_, Ok(_)))), "{}", text.escape_ascii());
}

/// The body and where it ends; `None`: refused, or not over.
fn decoded(bytes: &[u8], size: usize) -> (bool, Vec<u8>, Option<usize>) {
    let (mut decoder, mut buffer, mut body) = (Decoder::new(Framing::Chunked), BytesMut::new(), Vec::new());
    let mut left = bytes;
    loop {
        match decoder.next(&mut buffer) {
            Ok(Piece::Data(count)) => body.extend_from_slice(&buffer.split_to(count)),
            Ok(Piece::End) => return (true, body, Some(bytes.len() - left.len() - buffer.len())),
            Ok(Piece::More) if left.is_empty() => return (true, body, None),
            Ok(Piece::More) => {
                let (piece, rest) = left.split_at(size.min(left.len()));
                buffer.extend_from_slice(piece);
                left = rest;
            }
            Err(_) => return (false, body, None),
        }
    }
}

/// The body that a reader of fewer rules finds there.
fn by_another_reader(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut rest, mut body) = (bytes, Vec::new());
    loop {
        let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(rest) else { return None };
        if size == 0 {
            return Some(body);
        }
        rest = &rest[line..];
        body.extend_from_slice(rest.get(..size as usize)?);
        rest = rest.get(size as usize + 2..)?;
    }
}

/// The same body and the same end in any pieces, and for any reader.
pub(crate) fn chunked(bytes: &[u8]) -> u64 {
    let (size, bytes) = pieces(bytes);
    let (taken, body, end) = decoded(bytes, bytes.len().max(1));
    let (split_taken, split_body, split_end) = decoded(bytes, size);
    assert_eq!((taken, end), (split_taken, split_end), "another end in other pieces");
    if taken {
        assert_eq!(body, split_body);
    }
    if let Some(end) = end {
        // It takes no blank before the line end.
        if let Some(theirs) = by_another_reader(&bytes[..end]) {
            assert_eq!(theirs, body, "another body for another reader");
        }
        let again = match body.as_slice() {
            [] => b"0\r\n\r\n".to_vec(),
            body => [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat(),
        };
        assert_eq!(decoded(&again, size), (true, body.clone(), Some(again.len())));
    }
    mark((taken, end.is_some(), body.len().min(20)))
}

/// No header is longer than it is, a beginning is waited for, and what is told can be told on.
pub(crate) fn proxy_protocol(bytes: &[u8]) -> u64 {
    match proxy_protocol::parse(bytes) {
        Announcement::Broken => {
            let longer = [bytes, b"\r\n"].concat();
            assert_eq!(proxy_protocol::parse(&longer), Announcement::Broken);
            1
        }
        Announcement::Partial => 2 + bytes.len() as u64 / 16,
        Announcement::Whole(announced, length) => {
            assert!(length <= bytes.len());
            for shorter in [length - 1, length / 2] {
                assert_eq!(proxy_protocol::parse(&bytes[..shorter]), Announcement::Partial);
            }
            assert_eq!(announced.source.is_some(), announced.destination.is_some());
            if let (Some(source), Some(destination)) = (announced.source, announced.destination) {
                let text = proxy_protocol::write(proxy_protocol::Version::V2, Some((source, destination)));
                assert!(matches!(proxy_protocol::parse(&text), Announcement::Whole(_, length) if length == text.len()));
            }
            mark((announced.source.is_some(), length))
        }
    }
}
