//! The request for an upstream as it goes over the wire, written without a map of its fields: the map is most of what making a
//! request costs, and most requests need none.
//!
//! What always holds: the text is byte for byte the one that the map would make. What is not plain (a name that comes twice, a
//! value that no field may have) is left to the map, which puts such fields together, or refuses them.

use super::upstream::{BodyFraming, Fields, target, write_fields};
use crate::config::types::UpstreamVersion;
use crate::http::bytes::{ByteSet, has_controls};
use crate::proxy::request::Request;
use crate::proxy::snapshot::Pass;
use bytes::{BufMut, BytesMut};
use http::Method;
use pingora_error::Result;

/// Of nearly all names; others are left to the map.
static USUAL: ByteSet = ByteSet::alphanumeric_and(b"-_");

/// Room for the usual head.
const ROOM: usize = 512;

/// The head of a request, and what it says.
#[derive(Debug, Default)]
pub struct Wire {
    pub text: BytesMut,
    pub method: Method,
    /// The server is asked to close the connection behind its answer.
    pub closes: bool,
    pub asks_upgrade: bool,
    pub has_length: bool,
    pub is_chunked: bool,
}

/// The head of the request, if it is plain.
pub fn plain_for_upstream(request: &Request, pass: &Pass, framing: BodyFraming) -> Result<Option<Wire>> {
    let method = &request.exchange.method;
    if pass.method.is_some() || pass.grpc || request.cache.is_some() || *method == Method::CONNECT {
        return Ok(None);
    }
    let target = target(request, pass);
    if target.first() != Some(&b'/') || !target.iter().all(u8::is_ascii_graphic) {
        return Ok(None);
    }
    let mut text = BytesMut::with_capacity(ROOM);
    text.put_slice(method.as_str().as_bytes());
    text.put_u8(b' ');
    text.put_slice(&target);
    text.put_slice(if pass.http_version == UpstreamVersion::Http10 { b" HTTP/1.0\r\n" } else { b" HTTP/1.1\r\n" });
    let wire = Wire { text, method: method.clone(), ..Wire::default() };
    let mut writing = Writing { wire, names: Vec::with_capacity(16), ..Writing::default() };
    write_fields(&mut writing, request, pass, framing, false)?;
    let Writing { mut wire, has_host, is_odd, .. } = writing;
    wire.text.put_slice(b"\r\n");
    Ok((has_host && !is_odd).then_some(wire))
}

#[derive(Default)]
struct Writing {
    wire: Wire,
    /// Where names stand in the text.
    names: Vec<(usize, usize)>,
    has_host: bool,
    is_odd: bool,
}

impl Writing {
    fn knows(&self, name: &[u8]) -> bool {
        self.names.iter().any(|(from, to)| self.wire.text[*from..*to].eq_ignore_ascii_case(name))
    }

    /// What a field says of the request.
    fn note(&mut self, name: &[u8], value: &[u8]) {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        let wire = &mut self.wire;
        match name.len() {
            4 if is("Host") => {
                self.has_host = true;
                self.is_odd |= value.contains(&b'@');
            }
            7 => wire.asks_upgrade |= is("Upgrade"),
            10 if is("Connection") => {
                let mut words = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
                wire.closes = words.any(|word| word.eq_ignore_ascii_case(b"close"));
            }
            14 => wire.has_length |= is("Content-Length"),
            17 => wire.is_chunked |= is("Transfer-Encoding"),
            _ => {}
        }
    }
}

impl Fields for Writing {
    fn has(&self, name: &str) -> bool {
        self.knows(name.as_bytes())
    }

    fn append(&mut self, name: &[u8], value: &[u8]) -> Result<()> {
        self.is_odd |= name.is_empty() || !USUAL.holds_all(name) || has_controls(value) || self.knows(name);
        self.note(name, value);
        let text = &mut self.wire.text;
        let from = text.len();
        text.put_slice(name);
        self.names.push((from, text.len()));
        text.put_slice(b": ");
        text.put_slice(value);
        text.put_slice(b"\r\n");
        Ok(())
    }

    fn set(&mut self, name: &'static str, value: &[u8]) -> Result<()> {
        self.append(name.as_bytes(), value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(fields: &[(&str, &[u8])]) -> Writing {
        let mut writing = Writing::default();
        fields.iter().for_each(|(name, value)| writing.append(name.as_bytes(), value).unwrap());
        writing
    }

    #[test]
    fn fields_stand_as_they_came_and_say_what_concerns_the_connection() {
        let writing = written(&[("hOst", b"a.test"), ("X-oDD", b"\xe9 \t"), ("connection", b"x, Close")]);
        assert_eq!(&writing.wire.text[..], b"hOst: a.test\r\nX-oDD: \xe9 \t\r\nconnection: x, Close\r\n");
        assert!(writing.has_host && !writing.is_odd && writing.wire.closes && !writing.wire.asks_upgrade);
        assert!(writing.has("x-odd") && !writing.has("x-od"));
        assert!(written(&[("Upgrade", b"websocket")]).wire.asks_upgrade);
        let framed = written(&[("content-length", b"1")]).wire;
        assert!(
            framed.has_length && !framed.is_chunked && written(&[("Transfer-Encoding", b"chunked")]).wire.is_chunked
        );
    }

    #[test]
    fn what_a_map_would_write_otherwise_or_refuse_is_odd() {
        let odd: &[&[(&str, &[u8])]] = &[
            &[("A", b"1"), ("B", b"2"), ("a", b"3")],
            &[("A", b"x\r\ny")],
            &[("A", b"\x7f")],
            &[("A b", b"x")],
            &[("", b"x")],
            &[("Host", b"user@a.test")],
        ];
        assert!(odd.iter().all(|fields| written(fields).is_odd));
        let mut writing = written(&[("Content-Length", b"7")]);
        writing.set("Content-Length", b"8").unwrap();
        assert!(writing.is_odd);
    }
}
