//! A request to send: written as one reads it, byte-exact where a test wants it odd.

use std::net::SocketAddr;

use super::client::{Client, Failure};
use super::response::Response;

/// The name every test's requests are for unless they say otherwise.
pub const HOST: &str = "shop.test";

#[derive(Clone)]
pub struct Request {
    method: String,
    target: String,
    version: String,
    host: Option<String>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

pub fn get(target: &str) -> Request {
    Request::new("GET", target)
}

pub fn head(target: &str) -> Request {
    Request::new("HEAD", target)
}

pub fn post(target: &str, body: impl Into<Vec<u8>>) -> Request {
    Request::new("POST", target).body(body)
}

impl Request {
    pub fn new(method: &str, target: &str) -> Request {
        Request {
            method: method.into(),
            target: target.into(),
            version: "HTTP/1.1".into(),
            host: Some(HOST.into()),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn version(mut self, version: &str) -> Request {
        self.version = version.into();
        self
    }

    pub fn host(mut self, host: &str) -> Request {
        self.host = Some(host.into());
        self
    }

    pub fn without_host(mut self) -> Request {
        self.host = None;
        self
    }

    /// Adds a header line; the same name again is a second line.
    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// A body with its Content-Length.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.header("Content-Length", &length)
    }

    /// A body in chunks of these pieces.
    pub fn chunked(mut self, pieces: &[&[u8]]) -> Request {
        for piece in pieces {
            self.body.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            self.body.extend_from_slice(piece);
            self.body.extend_from_slice(b"\r\n");
        }
        self.body.extend_from_slice(b"0\r\n\r\n");
        self.header("Transfer-Encoding", "chunked")
    }

    pub fn method(&self) -> &str {
        &self.method
    }

    /// `GET /x`, for messages.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    pub fn head_bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} {}\r\n", self.method, self.target, self.version);
        if let Some(host) = &self.host {
            head += &format!("Host: {host}\r\n");
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        head.into_bytes()
    }

    pub fn body_bytes(&self) -> &[u8] {
        &self.body
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut all = self.head_bytes();
        all.extend_from_slice(&self.body);
        all
    }

    /// Sends it on a connection of its own, which ends with it.
    pub fn try_send(&self, to: SocketAddr) -> Result<Response, Failure> {
        let mut client = Client::try_connect(to)?;
        client.ask(&self.clone().header("Connection", "close"))
    }

    pub fn send(&self, to: SocketAddr) -> Response {
        self.try_send(to).unwrap_or_else(|failure| panic!("{} {}: {failure}", self.method, self.target))
    }
}
