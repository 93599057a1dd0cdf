//! An answer exactly as it came over the wire: header lines in their order and case, what framed the body, trailers,
//! and the 1xx answers before it.

use std::fmt;

/// Header lines, as they were sent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

#[derive(Clone)]
pub struct Head {
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: String,
    pub status: u16,
    pub reason: String,
    pub headers: Headers,
}

/// What says where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body by its status or the request's method.
    None,
    Length,
    Chunked,
    Close,
}

#[derive(Clone)]
pub struct Response {
    pub head: Head,
    pub framing: Framing,
    pub body: Vec<u8>,
    pub trailers: Headers,
    /// The 1xx answers that came before.
    pub interim: Vec<Head>,
}

impl Headers {
    /// The first value of this name, whatever its case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl Response {
    pub fn status(&self) -> u16 {
        self.head.status
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)
    }

    /// The body as text, whatever bytes there are.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {self}"))
    }

    /// The body without its Content-Encoding (gzip, or none).
    pub fn decoded_body(&self) -> Result<Vec<u8>, String> {
        match self.header("content-encoding") {
            None => Ok(self.body.clone()),
            Some("gzip") => {
                let mut plain = Vec::new();
                let mut decoder = flate2::read::MultiGzDecoder::new(self.body.as_slice());
                std::io::Read::read_to_end(&mut decoder, &mut plain).map_err(|e| format!("bad gzip: {e}"))?;
                Ok(plain)
            }
            Some(other) => Err(format!("content-encoding {other}")),
        }
    }

    pub fn sha256(&self) -> String {
        sha256(&self.body)
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for Head {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        writeln!(out, "{} {} {}", self.version, self.status, self.reason)?;
        for (name, value) in &self.headers.0 {
            writeln!(out, "{name}: {value}")?;
        }
        Ok(())
    }
}

/// For people: the head, and the beginning of the body.
impl fmt::Display for Response {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        for head in &self.interim {
            writeln!(out, "{head}")?;
        }
        write!(out, "{}", self.head)?;
        let body = self.decoded_body().unwrap_or_else(|_| self.body.clone());
        let shown = String::from_utf8_lossy(&body[..body.len().min(800)]);
        let more = if body.len() > 800 { format!("… ({} bytes)", body.len()) } else { String::new() };
        writeln!(out, "\n{}{more}", shown.trim_end())?;
        for (name, value) in &self.trailers.0 {
            writeln!(out, "(trailer) {name}: {value}")?;
        }
        Ok(())
    }
}
