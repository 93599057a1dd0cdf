//! The strict reading of a request head, with nginx's outcomes.
//!
//! Nothing ambiguous leaves this module: one host, one way to know the body's end, names and values without control
//! characters. Where it is stricter than nginx 1.22 the table in `tests.rs` says so. The parser works on a growing
//! buffer and looks at no byte twice in search of a line's end; how the bytes were split into reads never changes the
//! outcome.

pub mod field;
pub mod host;
pub mod line;
mod room;
#[cfg(test)]
mod tests;

use bytes::{BufMut, Bytes, BytesMut};
use http::Method;

use self::field::{Field, NameKind};
use self::line::RequestLine;
use self::room::{Full, Room};
use super::settings::Settings;
use crate::http::pages::internal;
use crate::http::{Framing, Head, Headers, Version};

/// A status with the words of nginx's error log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub status: u16,
    pub reason: &'static str,
}

impl Fault {
    const fn bad(reason: &'static str) -> Self {
        Fault { status: 400, reason }
    }

    const fn too_large(reason: &'static str) -> Self {
        Fault { status: internal::HEADER_TOO_LARGE, reason }
    }
}

/// A request that is not going to be processed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// nginx's status, 494 among them (see [`crate::http::pages::told`]).
    pub status: u16,
    /// What nginx's error log says.
    pub reason: &'static str,
    /// Whether the client is answered. nginx says nothing to a client that took too long or left.
    pub answered: bool,
    /// The request line, as far as it was read.
    pub line: Bytes,
    /// The host, if it was read.
    pub host: Option<Bytes>,
}

/// A head and what was left out of it.
#[derive(Clone, Debug)]
pub struct Parsed {
    pub head: Head,
    /// Names of the fields that `ignore_invalid_headers` dropped.
    pub dropped: Vec<Bytes>,
}

/// Fields that nginx takes once.
const UNIQUE: [&str; 11] = [
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "Expect",
    "Authorization",
    "If-Modified-Since",
    "If-Unmodified-Since",
    "If-Match",
    "If-None-Match",
    "If-Range",
    "Content-Range",
];
/// Most heads have no more fields.
const USUAL: usize = 16;
const HOST: usize = 0;
const CONTENT_LENGTH: usize = 1;
const TRANSFER_ENCODING: usize = 2;

/// The state of reading one head out of a growing buffer.
#[derive(Debug)]
pub struct Parser {
    room: Room,
    /// Where the line being read begins.
    start: usize,
    /// Up to where a line end was looked for.
    scanned: usize,
    line: Option<(usize, usize, RequestLine)>,
    /// Where the fields stand, by positions in the whole buffer.
    fields: Vec<Field>,
    dropped: Vec<Field>,
    /// The first field of each name in [`UNIQUE`], as an index into `fields`.
    unique: [Option<usize>; UNIQUE.len()],
}

impl Parser {
    pub fn new(settings: &Settings) -> Self {
        Parser {
            room: Room::new(settings.client_header_buffer_size, settings.large_client_header_buffers),
            start: 0,
            scanned: 0,
            line: None,
            fields: Vec::new(),
            dropped: Vec::new(),
            unique: [None; UNIQUE.len()],
        }
    }

    /// Reads on in `buffer`, which begins with the bytes of earlier calls. `Some(n)`: the head is its first `n` bytes.
    pub fn advance(&mut self, buffer: &[u8], settings: &Settings) -> Result<Option<usize>, Refusal> {
        self.run(buffer, settings).map_err(|fault| self.refuse(fault, buffer))
    }

    fn run(&mut self, buffer: &[u8], settings: &Settings) -> Result<Option<usize>, Fault> {
        while let Some(n) = memchr::memchr(b'\n', &buffer[self.scanned..]) {
            let end = self.scanned + n;
            if self.take_line(buffer, self.start, end, settings)? {
                return self.judge(buffer).map(|()| Some(end + 1));
            }
            self.start = end + 1;
            self.scanned = end + 1;
        }
        self.scanned = buffer.len();
        self.check_unfinished(&buffer[self.start..])?;
        Ok(None)
    }

    /// Refuses a line before its end was read if nothing can make it good. It must refuse only what [`Self::take_line`]
    /// refuses with the same words.
    fn check_unfinished(&self, part: &[u8]) -> Result<(), Fault> {
        if self.line.is_none() {
            line::check_method(&part[leading_crs(part)..])?;
        }
        // the line end is still to come: one byte more at least
        self.room.check(part.len() + 1).map_err(|full| self.too_large(full))
    }

    /// Takes the line `start..end` (`end`: its LF); true at the end of the head.
    fn take_line(&mut self, buffer: &[u8], start: usize, end: usize, settings: &Settings) -> Result<bool, Fault> {
        let line = &buffer[start..end];
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        if self.line.is_none() {
            // empty lines before a request are a robustness of RFC 9112 2.2; nginx skips lone CRs, too
            let skip = leading_crs(text);
            return match &text[skip..] {
                [] => self.take_room(line.len() + 1).map(|()| false),
                text => self.take_request_line(start + skip, line, text).map(|()| false),
            };
        }
        self.take_room(line.len() + 1)?;
        if text.is_empty() {
            return Ok(true);
        }
        self.take_field(buffer, start, text, settings).map(|()| false)
    }

    fn take_room(&mut self, len: usize) -> Result<(), Fault> {
        self.room.take(len).map_err(|full| self.too_large(full))
    }

    fn too_large(&self, full: Full) -> Fault {
        match (full, self.line.is_some()) {
            (Full::Line, false) => Fault { status: 414, reason: "client sent too long URI" },
            (Full::Line, true) => Fault::too_large("client sent too long header line"),
            (Full::Head, _) => Fault::too_large("client sent too large request"),
        }
    }

    fn take_request_line(&mut self, start: usize, line: &[u8], text: &[u8]) -> Result<(), Fault> {
        line::check_method(text)?;
        self.take_room(line.len() + 1)?;
        self.line = Some((start, start + text.len(), line::parse(text)?));
        self.fields = Vec::with_capacity(USUAL);
        Ok(())
    }

    fn take_field(&mut self, buffer: &[u8], start: usize, text: &[u8], settings: &Settings) -> Result<(), Fault> {
        let found = field::parse(text, settings.underscores_in_headers)?;
        let field = Field {
            name: start + found.name.start..start + found.name.end,
            value: start + found.value.start..start + found.value.end,
            kind: found.kind,
        };
        if field.kind != NameKind::Plain && settings.ignore_invalid_headers {
            self.dropped.push(field);
            return Ok(());
        }
        if field.kind == NameKind::Odd {
            // nginx would pass it on; no sane upstream takes it
            return Err(field::INVALID_LINE);
        }
        if self.fields.len() >= settings.max_headers {
            return Err(Fault::too_large("client sent too many header lines"));
        }
        let known = UNIQUE.iter().position(|n| n.as_bytes().eq_ignore_ascii_case(&buffer[field.name.clone()]));
        if let Some(known) = known {
            self.take_unique(known, &buffer[field.value.clone()])?;
        }
        self.fields.push(field);
        Ok(())
    }

    fn take_unique(&mut self, known: usize, value: &[u8]) -> Result<(), Fault> {
        if self.unique[known].is_some() {
            return Err(Fault::bad(match known {
                HOST => "client sent duplicate host header",
                _ => "client sent duplicate header line",
            }));
        }
        if known == HOST && host::parse(value).is_none() {
            return Err(Fault::bad("client sent invalid host header"));
        }
        self.unique[known] = Some(self.fields.len());
        Ok(())
    }

    fn value<'b>(&self, known: usize, buffer: &'b [u8]) -> Option<&'b [u8]> {
        let field = self.fields.get(self.unique[known]?)?;
        Some(&buffer[field.value.clone()])
    }

    /// What can only be judged when all fields are known, in nginx's order.
    fn judge(&self, buffer: &[u8]) -> Result<(), Fault> {
        let Some((start, _, line)) = &self.line else {
            return Ok(());
        };
        if line.version >= Version::Http11 && self.unique[HOST].is_none() {
            return Err(Fault::bad("client sent HTTP/1.1 request without \"Host\" header"));
        }
        self.framing(buffer)?;
        match &buffer[start + line.method.start..start + line.method.end] {
            b"CONNECT" => Err(Fault { status: 405, reason: "client sent CONNECT method" }),
            b"TRACE" => Err(Fault { status: 405, reason: "client sent TRACE method" }),
            _ => Ok(()),
        }
    }

    fn framing(&self, buffer: &[u8]) -> Result<Framing, Fault> {
        let length = match self.value(CONTENT_LENGTH, buffer) {
            None => None,
            Some(value) => {
                Some(content_length(value).ok_or(Fault::bad("client sent invalid \"Content-Length\" header"))?)
            }
        };
        let Some(encoding) = self.value(TRANSFER_ENCODING, buffer) else {
            return Ok(length.map_or(Framing::None, Framing::Length));
        };
        let old = matches!(&self.line, Some((_, _, line)) if line.version < Version::Http11);
        if old {
            return Err(Fault::bad("client sent HTTP/1.0 request with \"Transfer-Encoding\" header"));
        }
        if !encoding.eq_ignore_ascii_case(b"chunked") {
            return Err(Fault { status: 501, reason: "client sent unknown \"Transfer-Encoding\"" });
        }
        if length.is_some() {
            return Err(Fault::bad(
                "client sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time",
            ));
        }
        Ok(Framing::Chunked)
    }

    /// Makes the head out of the bytes [`Self::advance`] counted.
    pub fn finish(self, head: Bytes) -> Result<Parsed, Refusal> {
        match self.build(&head) {
            Ok(parsed) => Ok(parsed),
            Err(fault) => Err(self.refuse(fault, &head)),
        }
    }

    fn build(&self, head: &Bytes) -> Result<Parsed, Fault> {
        const UNFINISHED: Fault = Fault::bad("client sent invalid request");
        let (start, end, line) = self.line.as_ref().ok_or(UNFINISHED)?;
        let text = head.slice(*start..*end);
        let method = Method::from_bytes(&text[line.method.clone()]).map_err(|_| UNFINISHED)?;
        let authority = line.authority.clone().map(|r| text.slice(r));
        let mut headers = Headers::with_capacity(self.fields.len() + 1);
        if let (Some(authority), None) = (&authority, self.unique[HOST]) {
            headers.push(Bytes::from_static(b"Host"), authority.clone());
        }
        for (i, field) in self.fields.iter().enumerate() {
            let value = match &authority {
                // RFC 9112 3.2.2: the authority of an absolute-form replaces what Host says
                Some(authority) if self.unique[HOST] == Some(i) => authority.clone(),
                _ => head.slice(field.value.clone()),
            };
            headers.push(head.slice(field.name.clone()), value);
        }
        Ok(Parsed {
            head: Head {
                method,
                target: origin_form(text.slice(line.target.clone())),
                version: line.version,
                headers,
                line: text,
                framing: self.framing(head)?,
            },
            dropped: self.dropped.iter().map(|f| head.slice(f.name.clone())).collect(),
        })
    }

    /// A refusal with what is known of the request.
    pub fn refuse(&self, fault: Fault, buffer: &[u8]) -> Refusal {
        const LINE_SHOWN: usize = 2048;
        let line = match &self.line {
            Some((start, end, _)) => &buffer[*start..*end],
            None => {
                buffer[self.start.min(buffer.len())..].split(|b| *b == b'\r' || *b == b'\n').next().unwrap_or_default()
            }
        };
        Refusal {
            status: fault.status,
            reason: fault.reason,
            answered: true,
            line: Bytes::copy_from_slice(&line[..line.len().min(LINE_SHOWN)]),
            host: self.value(HOST, buffer).map(Bytes::copy_from_slice),
        }
    }
}

fn leading_crs(text: &[u8]) -> usize {
    text.iter().take_while(|b| **b == b'\r').count()
}

/// nginx's `ngx_atoof`: digits only, up to the largest `off_t`.
fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length: u64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    (length <= i64::MAX as u64).then_some(length)
}

/// `/` before what an absolute-form had instead of a path.
fn origin_form(target: Bytes) -> Bytes {
    match target.first() {
        None => Bytes::from_static(b"/"),
        Some(b'?') => {
            let mut whole = BytesMut::with_capacity(target.len() + 1);
            whole.put_u8(b'/');
            whole.put_slice(&target);
            whole.freeze()
        }
        Some(_) => target,
    }
}
