//! `add_trailer`: fields behind the body, over HTTP/1.1 in chunks and over HTTP/2.

use super::client::has_conditional_fields;
use crate::client::Connection;
use crate::http::Version;
use crate::proxy::request::Request;
use bytes::{BufMut, BytesMut};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora_error::Result;
use pingora_http::ResponseHeader;

/// Makes room for the trailers of an answer with this head, if there are to be any.
pub fn announce(request: &mut Request, connection: &Connection, head: &mut ResponseHeader) -> Result<()> {
    let location = request.location.clone();
    let status = head.status.as_u16();
    let is_told = location.answer.trailers.iter().any(|field| field.always || has_conditional_fields(status));
    let is_empty = head.headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() == b"0");
    let version = request.exchange.head.version;
    let has_no_body = request.is_head() || is_empty || status < 200 || matches!(status, 204 | 304);
    if !is_told || has_no_body || request.told.is_some() || version == Version::Http10 || !location.chunked {
        return Ok(());
    }
    request.exchange.answer.status = status;
    request.note_sent_head(head);
    head.remove_header(&CONTENT_LENGTH);
    head.insert_header(TRANSFER_ENCODING, "chunked")?;
    request.has_trailers = true;
    tell(request, connection);
    Ok(())
}

/// Says what the trailers are as far as it is known by now.
pub fn tell(request: &Request, connection: &Connection) {
    if !request.has_trailers {
        return;
    }
    if connection.is_http2() {
        return connection.set_trailers(with_own(request, HeaderMap::new()));
    }
    let mut lines = BytesMut::new();
    for (name, value) in own(request) {
        lines.put_slice(name.as_bytes());
        lines.put_slice(b": ");
        lines.put_slice(value.as_bytes());
        lines.put_slice(b"\r\n");
    }
    connection.set_trailer_lines(lines.freeze());
}

/// The upstream's and those of the location.
pub fn with_own(request: &Request, mut fields: HeaderMap) -> HeaderMap {
    for (name, value) in own(request) {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            fields.append(name, value);
        }
    }
    fields
}

fn own(request: &Request) -> impl Iterator<Item = (&str, HeaderValue)> {
    let status = request.exchange.answer.status;
    let told = request.location.answer.trailers.iter().filter(|_| request.has_trailers);
    let told = told.filter(move |field| field.always || has_conditional_fields(status));
    told.filter_map(|field| {
        let value = HeaderValue::from_bytes(&field.value.evaluate(&request.exchange)).ok()?;
        (!value.is_empty()).then_some((field.name.as_str(), value))
    })
}
