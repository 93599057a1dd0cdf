//! The head of an answer, read as strictly as Pingora reads it, and what it says of the connection.

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Version};
use pingora_error::{Error, ErrorType, Result};
use pingora_http::{IntoCaseHeaderName, ResponseHeader, header_value_from_raw};
use std::mem::MaybeUninit;

const FIELDS: usize = 256;
/// Behind it no more of a head is read.
const LONGEST: usize = 1_048_575;

/// Where in the head a field stands: its name from and to, its value from and to.
type Place = [u32; 4];

/// Takes a whole head out of what was read. `None`: there is no whole one yet.
pub fn parse(inbox: &mut BytesMut) -> Result<Option<ResponseHeader>> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS];
    let mut answer = httparse::Response::new(&mut []);
    let mut parser = httparse::ParserConfig::default();
    parser.allow_spaces_after_header_name_in_responses(true);
    parser.allow_obsolete_multiline_headers_in_responses(true);
    let length = match parser.parse_response_with_uninit_headers(&mut answer, inbox, &mut fields) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if inbox.len() > LONGEST => {
            return Error::e_explain(ErrorType::InvalidHTTPHeader, format!("Response header larger than {LONGEST}"));
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(e) => {
            let text = format!("buf: {}", inbox.escape_ascii());
            return Err(Error::because(ErrorType::InvalidHTTPHeader, text, e));
        }
    };
    let begin = inbox.as_ptr().addr();
    let place = |text: &[u8]| {
        let from = text.as_ptr().addr() - begin;
        [from as u32, (from + text.len()) as u32]
    };
    let mut places: Vec<Place> = Vec::with_capacity(answer.headers.len());
    for field in answer.headers.iter().filter(|field| !field.name.is_empty()) {
        let ([a, b], [c, d]) = (place(field.name.as_bytes()), place(field.value));
        places.push([a, b, c, d]);
    }
    let mut head = ResponseHeader::build(answer.code.unwrap_or_default(), Some(places.len() + 4))?;
    head.set_version(if answer.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 });
    head.set_reason_phrase(answer.reason)?;
    let text = inbox.split_to(length).freeze();
    for [a, b, c, d] in places {
        let name = text.slice(a as usize..b as usize).into_case_header_name();
        let value = header_value_from_raw(text.slice(c as usize..d as usize));
        head.append_header(name, value)?;
    }
    check(&mut head)?;
    Ok(Some(head))
}

/// What is said of the body's length must leave no doubt (RFC 9112 6.3, RFC 9110 8.6).
fn check(head: &mut ResponseHeader) -> Result<()> {
    if !head.headers.contains_key(CONTENT_LENGTH) {
        return Ok(());
    }
    if head.headers.contains_key(TRANSFER_ENCODING) {
        head.remove_header(&CONTENT_LENGTH);
        return Ok(());
    }
    match length(&head.headers) {
        Some(_) => Ok(()),
        None => Error::e_explain(ErrorType::InvalidHTTPHeader, "invalid Content-Length header"),
    }
}

/// The length that all `Content-Length` agree on.
pub fn length(fields: &HeaderMap) -> Option<u64> {
    let mut agreed = None;
    for value in fields.get_all(CONTENT_LENGTH) {
        for text in value.to_str().ok()?.split(',') {
            let text = text.trim();
            // A sign is a number's to `parse`.
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number: u64 = text.parse().ok().filter(|_| is_number)?;
            if agreed.is_some_and(|agreed| agreed != number) {
                return None;
            }
            agreed = Some(number);
        }
    }
    agreed
}

/// Whether the last coding is `chunked`.
pub fn is_chunked(fields: &HeaderMap) -> bool {
    let last = fields.get_all(TRANSFER_ENCODING).iter().next_back();
    let coding = last.and_then(|value| value.as_bytes().rsplit(|byte| *byte == b',').next());
    coding.is_some_and(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked"))
}

/// Whether the server leaves the connection open behind an answer whose end it has shown.
pub fn keeps(head: &ResponseHeader) -> bool {
    // RFC 9112 6.1: such a server does not know what it says.
    if head.version == Version::HTTP_10 && head.headers.contains_key(TRANSFER_ENCODING) {
        return false;
    }
    match says_close(&head.headers) {
        Some(close) => !close,
        None => head.version == Version::HTTP_11,
    }
}

/// What `Connection` says: `close` or `keep-alive`.
pub fn says_close(fields: &HeaderMap) -> Option<bool> {
    let mut said = None;
    for value in fields.get_all(CONNECTION) {
        for word in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if word.eq_ignore_ascii_case(b"close") {
                return Some(true);
            }
            if word.eq_ignore_ascii_case(b"keep-alive") {
                said = Some(false);
            }
        }
    }
    said
}

/// A request as it goes over the wire, its body behind it in chunks if it says so.
pub fn framed(mut text: BytesMut, is_chunked: bool, body: Bytes) -> (BytesMut, Bytes) {
    if !is_chunked {
        return (text, body);
    }
    if body.has_remaining() {
        text.extend_from_slice(format!("{:X}\r\n", body.len()).as_bytes());
        text.extend_from_slice(&body);
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"0\r\n\r\n");
    (text, Bytes::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<ResponseHeader>> {
        parse(&mut BytesMut::from(text))
    }

    fn head(fields: &str) -> ResponseHeader {
        read(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")).unwrap().unwrap()
    }

    #[test]
    fn a_head_is_taken_out_as_it_stands_there_and_only_as_a_whole() {
        let text = "HTTP/1.1 404 Not here\r\nX-oDD: a \r\nx-odd:b\r\nSet-Cookie: c=1\r\n\r\n";
        for end in 0..text.len() {
            assert!(read(&text[..end]).unwrap().is_none(), "{end}");
        }
        let mut inbox = BytesMut::from(&format!("{text}body")[..]);
        let head = parse(&mut inbox).unwrap().unwrap();
        assert_eq!(&inbox[..], b"body");
        let mut wire = Vec::new();
        head.header_to_h1_wire(&mut wire);
        assert_eq!(wire, b"X-oDD: a\r\nx-odd: b\r\nSet-Cookie: c=1\r\n");
        assert_eq!((head.status.as_u16(), head.get_reason_phrase()), (404, Some("Not here")));
    }

    #[test]
    fn a_length_is_one_number_or_the_answer_is_refused() {
        for good in ["5", "5, 5", " 05 ", "5\r\nContent-Length: 5"] {
            assert_eq!(length(&head(&format!("Content-Length: {good}\r\n")).headers), Some(5), "{good}");
        }
        for bad in ["+5", "-5", "5,", "5, 6", "5\r\nContent-Length: 6", "x", "", "18446744073709551616"] {
            let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {bad}\r\n\r\n");
            assert_eq!(*read(&text).unwrap_err().etype(), ErrorType::InvalidHTTPHeader, "{bad}");
        }
        let chunked = head("Content-Length: x\r\nTransfer-Encoding: chunked\r\n");
        assert!(is_chunked(&chunked.headers) && !chunked.headers.contains_key(CONTENT_LENGTH));
        assert!(!is_chunked(&head("Transfer-Encoding: chunked, gzip\r\n").headers));
    }

    #[test]
    fn what_is_no_head_is_refused() {
        for bad in ["HTTP/2 200 OK\r\n\r\n", "hello\r\n", "HTTP/1.1 2 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nA B: c\r\n\r\n"]
        {
            assert_eq!(*read(bad).unwrap_err().etype(), ErrorType::InvalidHTTPHeader, "{bad}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "a".repeat(LONGEST));
        assert!(read(&endless).is_err());
    }

    #[test]
    fn a_server_keeps_the_connection_unless_it_says_otherwise() {
        assert!(keeps(&head("")) && keeps(&head("Connection: x, Keep-Alive\r\n")));
        assert!(!keeps(&head("Connection: keep-alive, CLOSE\r\n")));
        let old = |fields: &str| read(&format!("HTTP/1.0 200 OK\r\n{fields}\r\n")).unwrap().unwrap();
        assert!(!keeps(&old("")) && keeps(&old("Connection: keep-alive\r\n")));
        assert!(!keeps(&old("Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n")));
    }

    #[test]
    fn a_body_is_framed_as_the_head_says() {
        let framed = |chunked, body: &str| {
            let (text, body) = framed(BytesMut::from("H"), chunked, Bytes::copy_from_slice(body.as_bytes()));
            [text.to_vec(), body.to_vec()].concat()
        };
        assert_eq!(framed(false, "abc"), b"Habc");
        assert_eq!(framed(true, "0123456789abcdef"), b"H10\r\n0123456789abcdef\r\n0\r\n\r\n");
        assert_eq!(framed(true, ""), b"H0\r\n\r\n");
    }
}
