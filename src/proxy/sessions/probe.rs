//! The question that makes a Tomcat take a session over: `HEAD <context>/WEB-INF/edge` with the client's Host and Cookie.
//!
//! Tomcat answers 404 before any filter or servlet (StandardContextValve), but not before MSM, so that nothing of the
//! application runs and the session moves all the same. It goes over a connection of its own: one from the pool may break
//! under it, and then nobody would know whether the session has moved.

use crate::session::carried::Names;
use crate::session::servers::{Opening, Stream};
use crate::session::takeover::{Carried, Probe, Probed, SetCookie};
use crate::upstream::Address;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// The longest head that is read; Tomcat's own limit is 8 KiB.
const LONGEST: usize = 16 * 1024;

/// Asks once. Ends within the probe's time.
pub async fn ask(address: &Address, opening: Option<&dyn Opening>, names: &Names, probe: &Probe) -> Probed {
    match timeout(probe.timeout, exchange(address, opening, &request(names, probe))).await {
        Ok(Ok(head)) => read(&head, names).unwrap_or(Probed::Broken),
        Ok(Err(Broken::Refused)) => Probed::Refused,
        Ok(Err(Broken::Later)) => Probed::Broken,
        Err(_) => Probed::Timeout,
    }
}

/// When a question came to nothing.
enum Broken {
    /// Before it was sent.
    Refused,
    Later,
}

async fn exchange(address: &Address, opening: Option<&dyn Opening>, request: &[u8]) -> Result<Vec<u8>, Broken> {
    let refused = |_: io::Error| Broken::Refused;
    let mut stream: Box<dyn Stream> = match address {
        Address::Tcp(address) => {
            let stream = TcpStream::connect(address).await.map_err(refused)?;
            let _ = stream.set_nodelay(true);
            Box::new(stream)
        }
        Address::Unix(path) => Box::new(UnixStream::connect(path).await.map_err(refused)?),
    };
    if let Some(opening) = opening {
        stream = opening.open(stream).await.map_err(refused)?;
    }
    head_of_answer(stream, request).await.map_err(|_| Broken::Later)
}

async fn head_of_answer(mut stream: Box<dyn Stream>, request: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(request).await?;
    let mut head = Vec::with_capacity(1024);
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        if head.len() > LONGEST || stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(head)
}

fn request(names: &Names, probe: &Probe) -> Vec<u8> {
    let (mut path, mut cookie) = (probe.path.clone(), probe.cookie.clone());
    match (probe.carried, &names.path_parameter) {
        (Carried::Path, Some(parameter)) => path.push_str(&format!(";{parameter}={}", probe.id)),
        _ => {
            let exchanged = cookie.as_deref().and_then(|c| names.exchange_cookie(c, &probe.asked, &probe.id));
            cookie = exchanged.or(cookie);
        }
    }
    let mut out = format!("HEAD {path} HTTP/1.1\r\nHost: {}\r\n", probe.host).into_bytes();
    if let Some(cookie) = cookie {
        out.extend_from_slice(b"Cookie: ");
        out.extend_from_slice(&cookie);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(concat!("User-Agent: edge/", env!("CARGO_PKG_VERSION"), " (takeover)\r\n").as_bytes());
    out.extend_from_slice(b"Connection: close\r\n\r\n");
    out
}

fn read(head: &[u8], names: &Names) -> Option<Probed> {
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut answer = httparse::Response::new(&mut fields);
    if !answer.parse(head).ok()?.is_complete() {
        return None;
    }
    let set = answer.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("set-cookie"));
    // The last one counts, as for a browser.
    let mut set_cookie = set.filter_map(|field| {
        let line = std::str::from_utf8(field.value).ok()?;
        names.id_set(field.value).map(|id| SetCookie { line: line.to_owned(), id: id.as_str().to_owned() })
    });
    Some(Probed::Answer { status: answer.code?, set_cookie: set_cookie.next_back() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::net::TcpListener;

    fn probe(carried: Carried, cookie: Option<&str>) -> Probe {
        Probe {
            path: "/shop/WEB-INF/edge".into(),
            host: "www.example.com".into(),
            cookie: cookie.map(|c| c.as_bytes().to_vec()),
            carried,
            asked: "a-n1.t1".into(),
            id: "a-n1.t2".into(),
            timeout: Duration::from_millis(300),
        }
    }

    fn text(probe: &Probe) -> String {
        String::from_utf8(request(&Names::default(), probe)).unwrap()
    }

    #[test]
    fn the_question_carries_the_id_as_the_client_did() {
        let in_cookie = text(&probe(Carried::Cookie, Some("x=1; JSESSIONID=a-n1.t1")));
        assert!(in_cookie.starts_with("HEAD /shop/WEB-INF/edge HTTP/1.1\r\nHost: www.example.com\r\n"), "{in_cookie}");
        assert!(in_cookie.contains("\r\nCookie: x=1; JSESSIONID=a-n1.t2\r\n"), "{in_cookie}");
        let in_path = text(&probe(Carried::Path, None));
        assert!(in_path.starts_with("HEAD /shop/WEB-INF/edge;jsessionid=a-n1.t2 HTTP/1.1\r\n"), "{in_path}");
        assert!(!in_path.contains("Cookie"), "{in_path}");
    }

    #[test]
    fn the_answer_tells_the_new_id() {
        let head = b"HTTP/1.1 404 \r\nSet-Cookie: x=1\r\nset-cookie: JSESSIONID=a-n1.t2; Path=/shop; HttpOnly\r\n\r\n";
        let set = SetCookie { line: "JSESSIONID=a-n1.t2; Path=/shop; HttpOnly".into(), id: "a-n1.t2".into() };
        assert_eq!(read(head, &Names::default()), Some(Probed::Answer { status: 404, set_cookie: Some(set) }));
        assert_eq!(read(b"SSH-2.0\r\n\r\n", &Names::default()), None);
    }

    #[tokio::test]
    async fn what_comes_to_nothing_is_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap());
        let asked = ask(&address, None, &Names::default(), &probe(Carried::Cookie, None)).await;
        assert_eq!(asked, Probed::Timeout, "it accepts and does not answer");
        let (asked, ()) = tokio::join!(
            async { ask(&address, None, &Names::default(), &probe(Carried::Cookie, None)).await },
            async {
                // The connection of the question before comes first.
                for _ in 0..2 {
                    drop(listener.accept().await.unwrap());
                }
            }
        );
        assert_eq!(asked, Probed::Broken);
        drop(listener);
        assert_eq!(ask(&address, None, &Names::default(), &probe(Carried::Cookie, None)).await, Probed::Refused);
    }
}
