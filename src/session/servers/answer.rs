//! What a server says to the question whether it lives: any HTTP status is an answer, since it took a living process to say it.

use sha2::{Digest, Sha256};

/// More of an answer is not read; its beginning was enough.
pub const LONGEST: usize = 16 * 1024;

/// What a server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// `OPTIONS *`, which Tomcat's connector answers without an application.
    Options,
    /// The same, and this field of the answer tells the instance.
    Header(String),
    /// `GET` of this path; the body of a 200 tells the instance.
    Path(String),
    /// Nothing: whoever accepts connections lives. For servers that do not speak plain HTTP; a frozen one goes unnoticed.
    Connect,
}

impl Question {
    /// Whether the server tells which instance it is, so that it need not be guessed from refused connections.
    pub fn tells_instance(&self) -> bool {
        matches!(self, Question::Header(_) | Question::Path(_))
    }

    pub fn request(&self, host: &str) -> String {
        let line = match self {
            Question::Path(path) => format!("GET {path}"),
            _ => "OPTIONS *".to_owned(),
        };
        format!("{line} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: edge\r\nConnection: keep-alive\r\n\r\n")
    }
}

/// How far an answer is read.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// The rest has not come yet.
    More,
    /// It is none of HTTP.
    Nonsense,
    /// It lives.
    Answer {
        /// Whether the connection may be asked again.
        keeps: bool,
        /// Which instance it says it is.
        token: Option<u64>,
    },
}

/// Reads what has come; `ended` if no more will.
pub fn read(bytes: &[u8], question: &Question, ended: bool) -> Reading {
    if !has_status(bytes) {
        let may_become = !ended && b"HTTP/1.1 200".starts_with(&bytes[..bytes.len().min(5)]) && bytes.len() < 16;
        return if may_become { Reading::More } else { Reading::Nonsense };
    }
    let over = Reading::Answer { keeps: false, token: None };
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut head = httparse::Response::new(&mut fields);
    match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => read_body(&head, &bytes[length..], question, ended),
        Ok(httparse::Status::Partial) if !ended && bytes.len() < LONGEST => Reading::More,
        _ => over,
    }
}

/// `HTTP/1.1 200`: it is nobody but a server of HTTP.
fn has_status(bytes: &[u8]) -> bool {
    bytes.len() >= 12
        && bytes.starts_with(b"HTTP/1.")
        && bytes[8] == b' '
        && bytes[9..12].iter().all(u8::is_ascii_digit)
}

fn read_body(head: &httparse::Response, rest: &[u8], question: &Question, ended: bool) -> Reading {
    let status = head.code.unwrap_or_default();
    let field = |name: &str| head.headers.iter().find(|f| f.name.eq_ignore_ascii_case(name)).map(|f| f.value);
    let says = |name: &str, word: &str| {
        field(name).is_some_and(|value| String::from_utf8_lossy(value).to_ascii_lowercase().contains(word))
    };
    let framed = if (100..200).contains(&status) || status == 101 {
        None
    } else if matches!(status, 204 | 304) {
        Some(Some((Vec::new(), 0)))
    } else if says("transfer-encoding", "chunked") {
        Some(unchunk(rest))
    } else {
        field("content-length")
            .and_then(|text| std::str::from_utf8(text).ok()?.trim().parse::<usize>().ok())
            .map(|length| rest.get(..length).map(|body| (body.to_vec(), length)))
    };
    let (body, used) = match framed {
        Some(Some((body, used))) => (Some(body), Some(used)),
        // The end of the connection is the end of the body.
        None if ended => (Some(rest.to_vec()), None),
        _ if ended || rest.len() >= LONGEST => (None, None),
        None if !matches!(question, Question::Path(_)) => (None, None),
        _ => return Reading::More,
    };
    let closes = says("connection", "close") || (head.version == Some(0) && !says("connection", "keep-alive"));
    let token = match question {
        Question::Header(name) => field(name).and_then(token_of),
        Question::Path(_) if status == 200 => body.as_deref().and_then(token_of),
        _ => None,
    };
    Reading::Answer { keeps: !closes && used == Some(rest.len()), token }
}

/// A chunked body and how many bytes it took, if it is complete.
fn unchunk(mut rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (whole, mut body) = (rest.len(), Vec::new());
    loop {
        let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(rest) else {
            return None;
        };
        let size = usize::try_from(size).ok().filter(|size| *size <= LONGEST)?;
        let chunk = rest.get(line..line + size)?;
        rest = rest[line + size..].strip_prefix(b"\r\n")?;
        if size == 0 {
            return Some((body, whole - rest.len()));
        }
        body.extend_from_slice(chunk);
    }
}

/// The same in every edge, whatever it was built with.
fn token_of(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii();
    let hash = Sha256::digest(text);
    let first = hash.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes));
    first.filter(|_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps(text: &str) -> Option<bool> {
        match read(text.as_bytes(), &Question::Options, false) {
            Reading::Answer { keeps, .. } => Some(keeps),
            _ => None,
        }
    }

    fn token(text: &str, question: &Question, ended: bool) -> Option<u64> {
        match read(text.as_bytes(), question, ended) {
            Reading::Answer { token, .. } => token,
            _ => None,
        }
    }

    #[test]
    fn any_status_is_an_answer() {
        assert_eq!(keeps("HTTP/1.1 200 \r\nAllow: GET\r\nContent-Length: 0\r\n\r\n"), Some(true));
        assert_eq!(keeps("HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno"), Some(true));
        assert_eq!(keeps("HTTP/1.1 204 \r\n\r\n"), Some(true));
        assert_eq!(keeps("HTTP/1.1 404 \r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"), Some(true));
        assert_eq!(keeps("HTTP/1.1 400 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), Some(false));
        assert_eq!(keeps("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"), Some(false));
        assert_eq!(keeps("HTTP/1.1 200 OK\r\n\r\nuntil the end"), Some(false));
        assert_eq!(keeps("HTTP/1.1 200 OK\r\nbad field\r\n\r\n"), Some(false));
        assert_eq!(keeps("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ntoo much"), Some(false));
    }

    #[test]
    fn what_is_not_complete_is_waited_for_and_what_is_not_http_is_no_answer() {
        for part in
            ["", "HTT", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx"]
        {
            assert_eq!(read(part.as_bytes(), &Question::Options, false), Reading::More, "{part:?}");
        }
        for bad in ["SSH-2.0-OpenSSH", "\u{15}\u{3}\u{3}", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 abc 12345"] {
            assert_eq!(read(bad.as_bytes(), &Question::Options, false), Reading::Nonsense, "{bad:?}");
        }
        assert_eq!(read(b"HTTP/1.", &Question::Options, true), Reading::Nonsense);
        assert_eq!(keeps(&format!("HTTP/1.1 200 OK\r\nA: {}", "a".repeat(LONGEST))), Some(false));
    }

    #[test]
    fn an_instance_is_told_by_a_field_or_a_body() {
        let header = Question::Header("X-Instance".into());
        let with = |value: &str| format!("HTTP/1.1 200 OK\r\nx-instance: {value}\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(token(&with("a"), &header, false), token(&with(" a "), &header, false));
        assert_ne!(token(&with("a"), &header, false), token(&with("b"), &header, false));
        assert_eq!(token(&with(""), &header, false), None);
        let path = Question::Path("/id".into());
        let plain = token("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n42\n", &path, false);
        assert!(plain.is_some());
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n4\r\n1\r\n2\r\n0\r\n\r\n";
        assert_eq!(token(chunked, &path, false), plain);
        assert_eq!(token("HTTP/1.1 200 OK\r\n\r\n42", &path, true), plain);
        assert_eq!(token("HTTP/1.1 404 \r\nContent-Length: 2\r\n\r\n42", &path, false), None);
        assert_eq!(read(b"HTTP/1.1 200 OK\r\n\r\n42", &path, false), Reading::More);
    }
}
