//! TLS and HTTP/2 as other people's clients see them: curl, h2load, rustls.
//!
//! With `EDGE_TEST_FRONT=nginx` the same tests run against Debian's nginx.

mod clients;
mod handshakes;
mod http2;

use std::net::SocketAddr;

use crate::support::backend::{Backend, answer};
use crate::support::certificates::{Authority, Issued};
use crate::support::curl::Curl;
use crate::support::front::{Configuration, Front};
use crate::support::load::origin;
use crate::support::ports;
use crate::support::request::HOST;
use crate::support::response::sha256;

/// What goes up and comes down whole.
const MUCH: usize = 5 << 20;

/// One `server`.
struct Site<'a> {
    /// One, or several with blanks between.
    name: &'a str,
    /// None: a plain listener.
    certificate: Option<&'a Issued>,
    /// nginx's words; values of a list have blanks between them.
    settings: Vec<(&'a str, String)>,
}

impl<'a> Site<'a> {
    fn tls(name: &'a str, certificate: &'a Issued) -> Site<'a> {
        Site { name, certificate: Some(certificate), settings: Vec::new() }
    }

    fn plain(name: &'a str) -> Site<'a> {
        Site { name, certificate: None, settings: Vec::new() }
    }

    fn with(mut self, key: &'a str, value: impl ToString) -> Site<'a> {
        self.settings.push((key, value.to_string()));
        self
    }
}

/// What `/own` answers: scheme, protocol, TLS version, the server's name, what became of the client's certificate.
const OWN: &str = "$scheme $server_protocol $ssl_protocol $server_name $ssl_client_verify";

/// These servers behind one port; all but `/own` is the backend's.
fn front(sites: &[Site], is_http2: bool, backend: SocketAddr) -> Front {
    let port = ports::free();
    let yaml: Vec<String> = sites.iter().map(|site| site.yaml(port, is_http2, backend)).collect();
    let conf: Vec<String> = sites.iter().map(|site| site.conf(port, is_http2, backend)).collect();
    Front::start(&Configuration {
        port,
        edge_yaml: format!("client_max_body_size: 64m\nserver:\n{}", yaml.concat()),
        nginx_conf: format!(
            "worker_processes 1; events {{ worker_connections 1024; }}\n\
             http {{ access_log off; client_max_body_size 64m; ssl_protocols TLSv1.2 TLSv1.3;\n{}}}\n",
            conf.concat()
        ),
    })
}

impl Site<'_> {
    fn yaml(&self, port: u16, is_http2: bool, backend: SocketAddr) -> String {
        let mut text = match self.certificate {
            None => format!("  - listen: 127.0.0.1:{port}\n"),
            Some(issued) => format!(
                "  - listen: {{ address: '127.0.0.1:{port}', ssl: true }}\n    ssl_certificate: {}\n    \
                 ssl_certificate_key: {}\n",
                issued.certificate.display(),
                issued.key.display()
            ),
        };
        let list = |value: &str| format!("['{}']", value.replace(' ', "', '"));
        text += &format!("    server_name: {}\n", list(self.name));
        if is_http2 {
            text += "    http2: on\n";
        }
        for (key, value) in &self.settings {
            let value = if *key == "ssl_protocols" { list(value) } else { value.clone() };
            text += &format!(
                "    {key}: {value}
"
            );
        }
        text + &format!(
            "    location:
      - {{ match: = /own, return: {{ status: 200, text: '{OWN}' }} }}
      - {{ match: /, proxy_pass: 'http://{backend}' }}
      - {{ match: = /ws, proxy_pass: 'http://{backend}', proxy_set_header: {{ Upgrade: $http_upgrade, Connection: upgrade }} }}
"
        )
    }

    fn conf(&self, port: u16, is_http2: bool, backend: SocketAddr) -> String {
        let http2 = if is_http2 { " http2" } else { "" };
        let mut text = match self.certificate {
            None => format!("server {{ listen 127.0.0.1:{port}{http2};\n"),
            Some(issued) => format!(
                "server {{ listen 127.0.0.1:{port} ssl{http2};\n  ssl_certificate {};\n  ssl_certificate_key {};\n",
                issued.certificate.display(),
                issued.key.display()
            ),
        };
        for (key, value) in self.settings.iter().chain(&[("server_name", self.name.to_owned())]) {
            text += &format!("  {key} {value};\n");
        }
        text + &format!(
            "  proxy_http_version 1.1;
  location = /own {{ return 200 '{OWN}'; }}
  location / {{ proxy_pass http://{backend}; proxy_set_header Connection ''; }}
  location = /ws {{
    proxy_pass http://{backend}; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
  }}
}}
"
        )
    }
}

/// What a load's origin does, and `/much`, `/echo`, `/trailers`, `/etag`.
fn backend() -> Backend {
    Backend::start(|seen, to| {
        match seen.target() {
        "/much" => to.write(answer(200, "application/octet-stream", &String::from_utf8_lossy(&much()))),
        "/echo" => to.write(answer(200, "text/plain", &format!("{} {}", seen.body.len(), sha256(&seen.body)))),
        "/trailers" => to.write(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nwhole\r\n0\r\nX-Sum: 5\r\n\r\n",
        ),
        "/etag" if seen.header("if-none-match") == Some("\"a\"") => {
            to.write("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n");
        }
        "/etag" => to.write("HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 5\r\n\r\nfresh"),
        "/head" if seen.method() == "HEAD" => to.write("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"),
        _ => origin::behave(seen, to),
    }
    })
}

fn much() -> Vec<u8> {
    (0..MUCH).map(|at| b'a' + (at % 23) as u8).collect()
}

/// One server with a certificate of the authority's, and everything that is needed to talk to it.
struct Stage {
    authority: Authority,
    front: Front,
    backend: Backend,
}

impl Stage {
    fn start(is_http2: bool) -> Stage {
        let (authority, backend) = (Authority::new("the test's"), backend());
        let issued = authority.server(&[HOST]);
        let front = front(&[Site::tls(HOST, &issued)], is_http2, backend.address());
        Stage { authority, front, backend }
    }

    fn curl(&self) -> Curl {
        curl(&self.front, &self.authority, HOST)
    }
}

/// curl that trusts this authority alone.
fn curl(front: &Front, authority: &Authority, name: &str) -> Curl {
    Curl::https(name, front.address()).with(["--cacert"]).with([authority.file()])
}
