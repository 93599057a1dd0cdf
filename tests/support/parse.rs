//! What the strict client takes for HTTP, and nothing else.

use super::client::Failure;
use super::response::{Framing, Head, Headers};

pub fn parse_head(lines: &[String]) -> Result<Head, Failure> {
    let malformed = |what: &str| Failure::Malformed(format!("{what}: {lines:?}"));
    let first = lines.first().ok_or_else(|| malformed("an empty head"))?;
    let mut parts = first.splitn(3, ' ');
    let version = parts.next().unwrap_or_default();
    if version != "HTTP/1.1" && version != "HTTP/1.0" {
        return Err(malformed("the version"));
    }
    let status = parts.next().unwrap_or_default();
    if status.len() != 3 || !status.bytes().all(|b| b.is_ascii_digit()) {
        return Err(malformed("the status"));
    }
    let reason = parts.next().ok_or_else(|| malformed("no space after the status"))?;
    let mut headers = Headers::default();
    for line in &lines[1..] {
        headers.0.push(parse_line(line)?);
    }
    let status = status.parse().expect("three digits");
    Ok(Head { version: version.into(), status, reason: reason.into(), headers })
}

pub fn parse_line(line: &str) -> Result<(String, String), Failure> {
    let malformed = || Failure::Malformed(format!("a header line: {line:?}"));
    let (name, value) = line.split_once(':').ok_or_else(malformed)?;
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) || value.contains(['\r', '\0']) {
        return Err(malformed());
    }
    Ok((name.into(), value.trim_matches([' ', '\t']).into()))
}

pub fn framing(head: &Head, method: &str) -> Result<Framing, Failure> {
    let length = content_length(&head.headers)?;
    let encodings: Vec<&str> = head.headers.all("transfer-encoding").collect();
    if length.is_some() && !encodings.is_empty() {
        return Err(Failure::Malformed(format!("both Content-Length and Transfer-Encoding:\n{head}")));
    }
    if method == "HEAD" || head.status < 200 || head.status == 204 || head.status == 304 {
        return Ok(Framing::None);
    }
    match (encodings.as_slice(), length) {
        ([], Some(_)) => Ok(Framing::Length),
        ([], None) => Ok(Framing::Close),
        ([one], _) if one.eq_ignore_ascii_case("chunked") && head.version == "HTTP/1.1" => Ok(Framing::Chunked),
        _ => Err(Failure::Malformed(format!("Transfer-Encoding {encodings:?} in {}", head.version))),
    }
}

pub fn content_length(headers: &Headers) -> Result<Option<u64>, Failure> {
    let values: Vec<&str> = headers.all("content-length").collect();
    match values.as_slice() {
        [] => Ok(None),
        [one] if !one.is_empty() && one.bytes().all(|b| b.is_ascii_digit()) => {
            one.parse().map(Some).map_err(|e| Failure::Malformed(format!("Content-Length {one}: {e}")))
        }
        _ => Err(Failure::Malformed(format!("Content-Length {values:?}"))),
    }
}

/// Bytes as text, each byte one character, so that nothing is lost or refused.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}
