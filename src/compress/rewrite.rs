//! The response header of an answer that is, or might have been, compressed.
//!
//! After it, nothing in the header speaks of the bytes as they were: no length, no ranges, no strong
//! validator. As nginx's `ngx_http_clear_content_length`, `_clear_accept_ranges` and `_weak_etag`,
//! except that `Vary` is merged into one line instead of being added as another.

use http::Version;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, ETAG, HeaderMap, HeaderValue, TRANSFER_ENCODING, VARY};
use pingora_error::Result;
use pingora_http::ResponseHeader;

use super::decide::{Decision, RequestFacts};

/// Applies a decision to the header of a final answer.
///
/// An HTTP/1.1 body becomes chunked; for HTTP/1.0 the end of the connection ends the body, HTTP/2 has frames.
pub fn rewrite<U>(response: &mut ResponseHeader, decision: Decision, request: &RequestFacts<U>) -> Result<()> {
    if decision.vary {
        add_vary(response)?;
    }
    let Some(algorithm) = decision.algorithm else {
        return Ok(());
    };
    response.insert_header("Content-Encoding", HeaderValue::from_static(algorithm.name()))?;
    response.remove_header(&CONTENT_LENGTH);
    response.remove_header(&ACCEPT_RANGES);
    weaken_etag(response)?;
    if request.version < Version::HTTP_11 || !request.chunked {
        response.remove_header(&TRANSFER_ENCODING);
    } else if request.version == Version::HTTP_11 && !request.head {
        response.insert_header("Transfer-Encoding", HeaderValue::from_static("chunked"))?;
    }
    Ok(())
}

/// A strong validator becomes a weak one; what is neither is dropped.
pub fn weaken_etag(response: &mut ResponseHeader) -> Result<()> {
    let Some(etag) = response.headers.get(ETAG) else {
        return Ok(());
    };
    if etag.len() > 2 && etag.as_bytes().starts_with(b"W/") {
        return Ok(());
    }
    let weak = [b"W/", etag.as_bytes()].concat();
    match HeaderValue::from_bytes(&weak) {
        Ok(weak) if etag.as_bytes().starts_with(b"\"") => response.insert_header("ETag", weak)?,
        _ => {
            response.remove_header(&ETAG);
        }
    }
    Ok(())
}

/// `Vary: Accept-Encoding`, joined with what is there; `*` and a mention of it stay as they are.
pub fn add_vary(response: &mut ResponseHeader) -> Result<()> {
    if varies(&response.headers) {
        return Ok(());
    }
    let mut joined = Vec::new();
    for line in response.headers.get_all(VARY).iter().filter(|line| !line.is_empty()) {
        joined.extend_from_slice(line.as_bytes());
        joined.extend_from_slice(b", ");
    }
    joined.extend_from_slice(b"Accept-Encoding");
    let joined = HeaderValue::from_bytes(&joined).unwrap_or(HeaderValue::from_static("Accept-Encoding"));
    response.insert_header("Vary", joined)
}

fn varies(headers: &HeaderMap) -> bool {
    headers.get_all(VARY).iter().flat_map(|line| line.as_bytes().split(|b| *b == b',')).any(|name| {
        let name = name.trim_ascii();
        name == b"*" || name.eq_ignore_ascii_case(b"accept-encoding")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::negotiate::Algorithm;
    use http::Method;

    fn rewritten(
        version: Version,
        method: Method,
        fields: &[(&'static str, &'static str)],
        vary: bool,
    ) -> ResponseHeader {
        let mut response = ResponseHeader::build(200, None).unwrap();
        for (name, value) in fields {
            response.append_header(*name, *value).unwrap();
        }
        let request = HeaderMap::new();
        let facts = RequestFacts::view(version, &method, &request);
        rewrite(&mut response, Decision { algorithm: Some(Algorithm::Gzip), vary }, &facts).unwrap();
        response
    }

    fn all(response: &ResponseHeader, name: &str) -> Vec<String> {
        response.headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn length_and_ranges_go_and_the_coding_is_named() {
        let fields = [("Content-Length", "1000"), ("Accept-Ranges", "bytes"), ("Content-Encoding", "")];
        let response = rewritten(Version::HTTP_11, Method::GET, &fields, false);
        assert_eq!(all(&response, "content-length"), [""; 0]);
        assert_eq!(all(&response, "accept-ranges"), [""; 0]);
        assert_eq!(all(&response, "content-encoding"), ["gzip"]);
        assert_eq!(all(&response, "transfer-encoding"), ["chunked"]);
        assert_eq!(all(&response, "vary"), [""; 0]);
    }

    #[test]
    fn only_a_body_over_http_1_1_is_chunked() {
        for (version, method) in
            [(Version::HTTP_10, Method::GET), (Version::HTTP_2, Method::GET), (Version::HTTP_11, Method::HEAD)]
        {
            let response = rewritten(version, method, &[("Content-Length", "1000")], false);
            assert_eq!(all(&response, "transfer-encoding"), [""; 0], "{version:?}");
            assert_eq!(all(&response, "content-length"), [""; 0], "{version:?}");
        }
    }

    #[test]
    fn a_strong_etag_is_weakened_and_an_unquoted_one_dropped() {
        for (before, after) in [
            ("\"x\"", vec!["W/\"x\""]),
            ("W/\"x\"", vec!["W/\"x\""]),
            ("x", vec![]),
            ("W/", vec![]),
            ("w/\"x\"", vec![]),
        ] {
            let response = rewritten(Version::HTTP_11, Method::GET, &[("ETag", before)], false);
            assert_eq!(all(&response, "etag"), after, "{before}");
        }
    }

    #[test]
    fn vary_is_merged_without_duplicates() {
        for (before, after) in [
            (&[][..], &["Accept-Encoding"][..]),
            (&["Origin"], &["Origin, Accept-Encoding"]),
            (&["Origin", "Cookie"], &["Origin, Cookie, Accept-Encoding"]),
            (&[""], &["Accept-Encoding"]),
            (&["Origin, accept-encoding"], &["Origin, accept-encoding"]),
            (&["Origin", "ACCEPT-ENCODING"], &["Origin", "ACCEPT-ENCODING"]),
            (&["*"], &["*"]),
            (&["Origin", " *"], &["Origin", " *"]),
            (&["Accept-Encoding-X"], &["Accept-Encoding-X, Accept-Encoding"]),
        ] {
            let fields: Vec<_> = before.iter().map(|value| ("Vary", *value)).collect();
            assert_eq!(all(&rewritten(Version::HTTP_11, Method::GET, &fields, true), "vary"), after, "{before:?}");
        }
    }

    #[test]
    fn chunks_of_the_upstream_are_not_announced_to_http_1_0() {
        let chunked = [("Transfer-Encoding", "chunked")];
        let response = rewritten(Version::HTTP_10, Method::GET, &chunked, false);
        assert_eq!(all(&response, "transfer-encoding"), [""; 0]);
    }
}
