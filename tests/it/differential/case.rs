//! One thing to do to a proxy: bytes to send, answers to read.

use std::time::Duration;

/// The name in the seed's `server_name`.
pub const HOST: &str = "172.168.1.221";

pub enum Step {
    Send(Vec<u8>),
    /// Reads one answer, to a request with this method.
    Read(String),
    /// Waits for a 100 (Continue), or whatever comes instead, before sending on.
    AwaitInterim,
    Pause(Duration),
    HalfClose,
}

pub struct Case {
    /// Unique; wanted differences name cases by it.
    pub name: String,
    pub steps: Vec<Step>,
}

impl Case {
    fn new(name: &str) -> Case {
        Case { name: name.into(), steps: Vec::new() }
    }

    fn step(mut self, step: Step) -> Case {
        self.steps.push(step);
        self
    }

    /// On the same connection, after the answer: another request.
    pub fn then(self, request: impl AsRef<[u8]>) -> Case {
        let request = request.as_ref();
        let method = method(request);
        self.step(Step::Send(request.into())).step(Step::Read(method))
    }

    /// The same after a pause.
    pub fn then_after(self, pause: Duration, request: impl AsRef<[u8]>) -> Case {
        self.step(Step::Pause(pause)).then(request)
    }

    /// `{u}` in what is sent becomes a number no other case has: a URL the proxy's cache has not seen.
    pub fn bytes(&self, send: &[u8], number: usize) -> Vec<u8> {
        let mut bytes = send.to_vec();
        while let Some(at) = bytes.windows(3).position(|three| three == b"{u}") {
            bytes.splice(at..at + 3, number.to_string().bytes());
        }
        bytes
    }

    /// All that is sent, for people.
    pub fn shown(&self, number: usize) -> String {
        let mut all = String::new();
        for step in &self.steps {
            if let Step::Send(bytes) = step {
                let bytes = self.bytes(bytes, number);
                let cut = &bytes[..bytes.len().min(700)];
                all += &cut.escape_ascii().to_string().replace("\\r\\n", "\\r\\n\n    ");
                all += if cut.len() < bytes.len() { "…\n    " } else { "" };
            }
        }
        all.trim_end().to_string()
    }
}

/// These bytes, one answer.
pub fn raw(name: &str, bytes: impl AsRef<[u8]>) -> Case {
    Case::new(name).then(bytes)
}

/// A request from its lines.
pub fn lines(name: &str, lines: &[&str]) -> Case {
    raw(name, request(lines))
}

/// GET, HTTP/1.1, with the usual Host.
pub fn get(name: &str, target: &str) -> Case {
    get_with(name, target, &[])
}

/// The same with these header lines.
pub fn get_with(name: &str, target: &str, headers: &[&str]) -> Case {
    ask(name, "GET", target, headers, "")
}

/// Any method, any header lines, these bytes as the body (its framing is among the headers).
pub fn ask(name: &str, method: &str, target: &str, headers: &[&str], body: &str) -> Case {
    raw(name, ask_bytes(method, target, headers, body))
}

pub fn ask_bytes(method: &str, target: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let first = format!("{method} {target} HTTP/1.1");
    let host = format!("Host: {HOST}");
    let mut all = vec![first.as_str(), &host];
    all.extend_from_slice(headers);
    let mut bytes = request(&all);
    bytes.extend_from_slice(body.as_bytes());
    bytes
}

/// Lines joined as a head.
pub fn request(lines: &[&str]) -> Vec<u8> {
    format!("{}\r\n\r\n", lines.join("\r\n")).into_bytes()
}

/// Several requests in one write, all answers read afterwards.
pub fn pipelined(name: &str, requests: &[Vec<u8>]) -> Case {
    let case = Case::new(name).step(Step::Send(requests.concat()));
    requests.iter().fold(case, |case, request| case.step(Step::Read(method(request))))
}

/// In several writes with a pause between them, one answer.
pub fn in_pieces(name: &str, pieces: &[&[u8]], pause: Duration) -> Case {
    let mut case = Case::new(name);
    for piece in pieces {
        case = case.step(Step::Send(piece.to_vec())).step(Step::Pause(pause));
    }
    case.step(Step::Read(method(pieces[0])))
}

/// The head, then the body once the proxy has said anything.
pub fn expecting(name: &str, head: Vec<u8>, body: &[u8]) -> Case {
    let method = method(&head);
    let case = Case::new(name).step(Step::Send(head)).step(Step::AwaitInterim);
    case.step(Step::Send(body.to_vec())).step(Step::Read(method))
}

/// These bytes and no more: the client's side of the connection is closed.
pub fn half_closed(name: &str, bytes: impl AsRef<[u8]>) -> Case {
    let bytes = bytes.as_ref();
    let case = Case::new(name).step(Step::Send(bytes.into())).step(Step::HalfClose);
    case.step(Step::Read(method(bytes)))
}

fn method(request: &[u8]) -> String {
    let first = request.split(|b| b" \r\n".contains(b)).find(|word| !word.is_empty()).unwrap_or_default();
    String::from_utf8_lossy(first).into_owned()
}
