//! Whether a server answers a case as the case says: a wrong answer is usually a fast one.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::Command,
    time::Duration,
};

use crate::{
    cases::{Case, Length, Protocol},
    failure::Failure,
    origin,
    process::Ports,
};

const LIMIT: Duration = Duration::from_secs(5);
/// More than any case's answer.
const LONGEST: u64 = 64 << 20;

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// Asks twice, so that a server with a cache is seen filling it and answering from it.
pub fn check(server: &str, case: &Case, ports: Ports) -> Result<(), Failure> {
    for _ in 0..2 {
        let answer = if case.protocol == Protocol::Http1 { ask(case, ports.plain) } else { ask_curl(case, ports.tls) };
        let verdict = answer.map_err(|error| error.to_string());
        let verdict = verdict.and_then(|bytes| read(&bytes)).and_then(|answer| judge(case, &answer));
        verdict.map_err(|why| Failure::WrongAnswer { server: server.to_owned(), case: case.name.to_owned(), why })?;
    }
    Ok(())
}

fn ask(case: &Case, port: u16) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.write_all(request(case, port).as_bytes())?;
    let mut bytes = Vec::new();
    stream.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn request(case: &Case, port: u16) -> String {
    let headers: String = case.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let has_host = case.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"));
    let host = if has_host { String::new() } else { format!("Host: 127.0.0.1:{port}\r\n") };
    format!("GET {} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n", case.target())
}

/// By curl, which speaks TLS and HTTP/2, and fails if it was not HTTP/2.
fn ask_curl(case: &Case, port: u16) -> std::io::Result<Vec<u8>> {
    let mut command = Command::new("curl");
    command.args(["-s", "-k", "-i", "--raw", "--max-time", "5"]);
    command.arg(if case.protocol == Protocol::Http2 { "--http2" } else { "--http1.1" });
    for (name, value) in case.headers {
        command.arg("-H").arg(format!("{name}: {value}"));
    }
    let output = command.arg(format!("https://127.0.0.1:{port}{}", case.target())).output()?;
    let starts = if case.protocol == Protocol::Http2 { &b"HTTP/2 "[..] } else { b"HTTP/1.1 " };
    match output.stdout.strip_prefix(starts) {
        Some(rest) => Ok([b"HTTP/1.1 ", rest].concat()),
        None => Err(std::io::Error::other(format!("curl: {}, {} bytes", output.status, output.stdout.len()))),
    }
}

fn judge(case: &Case, answer: &Answer) -> Result<(), String> {
    if answer.status != case.status {
        return Err(format!("status {} instead of {}", answer.status, case.status));
    }
    let length = answer.body.len();
    match case.length {
        Length::AsOrigin if answer.body != origin::body(case.body).as_bytes() => {
            return Err(format!("a body of {length} bytes that is not the origin's of {}", case.body));
        }
        Length::Exactly(expected) if length != expected => {
            return Err(format!("a body of {length} bytes instead of {expected}"));
        }
        Length::Shorter if length == 0 || length >= case.body => {
            return Err(format!("a body of {length} bytes, not compressed from {}", case.body));
        }
        _ => {}
    }
    for (name, value) in case.answer_headers {
        let found = answer.headers.iter().any(|(n, v)| n.eq_ignore_ascii_case(name) && v == value);
        if !found {
            return Err(format!("no header {name}: {value}"));
        }
    }
    Ok(())
}

fn read(bytes: &[u8]) -> Result<Answer, String> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => {
            return Err(format!("no complete head in {} bytes", bytes.len()));
        }
        Err(error) => return Err(error.to_string()),
    };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers: Vec<_> = response.headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect();
    let find = |name: &str| headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    let body = if find("transfer-encoding").is_some() { unchunk(&bytes[head..])? } else { bytes[head..].to_vec() };
    if find("content-length").is_some_and(|length| response.code != Some(304) && length != body.len().to_string()) {
        return Err(format!("{} bytes do not agree with Content-Length", body.len()));
    }
    Ok(Answer { status: response.code.unwrap_or(0), headers, body })
}

fn unchunk(mut rest: &[u8]) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(rest) else {
            return Err("a chunk without its size".to_owned());
        };
        if size == 0 {
            return Ok(body);
        }
        let end =
            usize::try_from(size).ok().and_then(|size| line.checked_add(size)).ok_or("a chunk of impossible size")?;
        body.extend_from_slice(rest.get(line..end).ok_or("a chunk cut short")?);
        rest = rest.get(end + 2..).ok_or("a chunk without its end")?;
    }
}

fn a_chunked_answer_is_joined() {
    let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n";
    let answer = read(bytes).expect("an answer");
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"abc0123456789".as_slice()));
    assert!(read(&bytes[..bytes.len() - 12]).is_err());
}

fn an_answer_cut_short_is_refused() {
    assert!(read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcd").is_err());
    assert!(read(b"HTTP/1.1 200 OK\r\nContent-Le").is_err());
    assert!(read(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n").is_ok());
}

fn each_expectation_of_a_case_is_held() {
    let case = Case { answer_headers: &[("content-type", "text/css")], ..crate::cases::CASES[0] };
    let headers = vec![("Content-Type".to_owned(), "text/css".to_owned())];
    let right = || Answer { status: 200, headers: headers.clone(), body: origin::body(case.body).into_bytes() };
    assert_eq!(judge(&case, &right()), Ok(()));
    assert!(judge(&case, &Answer { status: 502, ..right() }).is_err());
    assert!(judge(&case, &Answer { headers: vec![], ..right() }).is_err());
    assert!(judge(&case, &Answer { body: vec![b'x'; case.body], ..right() }).is_err());
    let shorter = Case { length: Length::Shorter, ..case };
    assert!(judge(&shorter, &right()).is_err());
    assert_eq!(judge(&shorter, &Answer { body: vec![1], ..right() }), Ok(()));
    let none = Case { length: Length::Exactly(0), ..case };
    assert!(judge(&none, &right()).is_err());
    assert_eq!(judge(&none, &Answer { body: vec![], ..right() }), Ok(()));
}

pub const TESTS: &[(&str, fn())] =
    tests![a_chunked_answer_is_joined, an_answer_cut_short_is_refused, each_expectation_of_a_case_is_held];
