//! Answers that need neither a file nor an upstream: a picture of one pixel, and how many connections there are. An error is
//! the status the request is refused with.

use super::content::{Content, headers_of};
use super::request::Request;
use crate::files;
use crate::variables::counts;

fn is_read(request: &Request) -> Result<(), u16> {
    matches!(request.exchange.method, http::Method::GET | http::Method::HEAD).then_some(()).ok_or(405)
}

/// `empty_gif`: the picture of one transparent pixel that nginx sends, and its date.
pub fn empty_gif(request: &Request) -> Result<Content, u16> {
    const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x01\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x01\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02L\x01\x00;";
    const MODIFIED: (&str, http::HeaderValue) =
        ("Last-Modified", http::HeaderValue::from_static("Mon, 28 Sep 1970 06:00:00 GMT"));
    is_read(request)?;
    let validators = files::conditional::Validators { etag: None, last_modified: Some(23_349_600) };
    match files::conditional::judge(&headers_of(request), validators, request.location.files.if_modified_since) {
        files::conditional::Verdict::PreconditionFailed => return Err(412),
        files::conditional::Verdict::NotModified => {
            return Ok(Content::File { status: 304, headers: vec![MODIFIED], body: Box::new(files::Body::empty()) });
        }
        files::conditional::Verdict::Proceed => {}
    }
    let headers = vec![
        ("Content-Type", http::HeaderValue::from_static("image/gif")),
        ("Content-Length", http::HeaderValue::from(GIF.len())),
        MODIFIED,
    ];
    Ok(Content::File { status: 200, headers, body: Box::new(files::Body::text(GIF.to_vec())) })
}

/// `stub_status`
pub fn status(request: &Request) -> Result<Content, u16> {
    is_read(request)?;
    let counts = counts::read();
    let text = format!(
        "Active connections: {} \nserver accepts handled requests\n {} {} {} \nReading: {} Writing: {} Waiting: {} \n",
        counts.active, counts.accepted, counts.handled, counts.requests, counts.reading, counts.writing, counts.waiting
    );
    let kind = http::HeaderValue::from_static("text/plain");
    Ok(Content::Text { status: 200, content_type: Some(kind), body: text.into() })
}
