//! The parser against nginx's observed outcomes, and against itself: however the bytes arrive, the outcome is the same.

mod observed;
mod stricter;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn parse_with(bytes: &[u8], settings: &Settings) -> Result<Parsed, Refusal> {
    parse_in_pieces(bytes, &[bytes.len()], settings)
}

/// Feeds the parser a growing buffer, cut at `cuts`.
fn parse_in_pieces(bytes: &[u8], cuts: &[usize], settings: &Settings) -> Result<Parsed, Refusal> {
    let mut parser = Parser::new(settings);
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        if let Some(end) = parser.advance(&bytes[..cut], settings)? {
            return parser.finish(Bytes::copy_from_slice(&bytes[..end]));
        }
    }
    let unfinished = Fault { status: 0, reason: "unfinished" };
    Err(parser.refuse(unfinished, bytes))
}

fn parse(bytes: &[u8]) -> Result<Parsed, Refusal> {
    parse_with(bytes, &Settings::default())
}

fn status(bytes: &[u8]) -> u16 {
    parse(bytes).map_or_else(|r| r.status, |_| 200)
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// Compares the parser with nginx's outcome, or with what `stricter.rs` says instead.
fn check(table: &[(&[u8], u16)], request: impl Fn(&[u8]) -> Vec<u8>) {
    let mut wrong = Vec::new();
    for (input, nginx) in table {
        let expected = stricter::STRICTER.iter().find(|(other, _)| other == input).map_or(*nginx, |(_, ours)| *ours);
        let got = status(&request(input));
        if got != expected {
            wrong.push(format!("{}: {got}, expected {expected}", input.escape_ascii()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn with_line(line: &[u8]) -> Vec<u8> {
    join(&[line, b"\r\nHost: a\r\nConnection: close\r\n\r\n"])
}

fn with_field(field: &[u8]) -> Vec<u8> {
    join(&[b"GET / HTTP/1.1\r\nHost: a\r\n", field, b"\r\n\r\n"])
}

fn post_with(name: &[u8], value: &[u8]) -> Vec<u8> {
    join(&[b"POST / HTTP/1.1\r\nHost: a\r\n", name, b": ", value, b"\r\n\r\n"])
}

#[test]
fn request_lines_are_judged_as_by_nginx() {
    check(observed::LINES, with_line);
}

#[test]
fn fields_are_judged_as_by_nginx() {
    check(observed::FIELDS, with_field);
}

#[test]
fn hosts_are_judged_as_by_nginx() {
    check(observed::HOSTS, |host| join(&[b"GET / HTTP/1.1\r\nHost: ", host, b"\r\n\r\n"]));
}

#[test]
fn lengths_and_encodings_are_judged_as_by_nginx() {
    check(observed::LENGTHS, |value| post_with(b"Content-Length", value));
    check(observed::ENCODINGS, |value| post_with(b"Transfer-Encoding", value));
}

#[test]
fn fields_that_come_twice_are_judged_as_by_nginx() {
    check(observed::TWICE, |name| with_field(&join(&[name, b": a\r\n", name, b": a"])));
}

#[test]
fn whole_requests_are_judged_as_by_nginx() {
    check(observed::WHOLE, <[u8]>::to_vec);
}

#[test]
fn the_words_are_those_of_nginxs_error_log() {
    let reason = |bytes: &[u8]| parse(bytes).map(|_| "").unwrap_or_else(|r| r.reason);
    for (bytes, words) in [
        (&b"get / HTTP/1.1\r\n\r\n"[..], "client sent invalid method"),
        (b"GET a HTTP/1.1\r\n\r\n", "client sent invalid request"),
        (b"GET / HTTP/2.0\r\n\r\n", "client sent invalid version"),
        (b"GET http://a..b/ HTTP/1.1\r\n\r\n", "client sent invalid host in request line"),
        (b"GET / HTTP/1.1\r\n\r\n", "client sent HTTP/1.1 request without \"Host\" header"),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "client sent invalid host header"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "client sent duplicate host header"),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "client sent invalid header line"),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "client sent CONNECT method"),
        (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "client sent TRACE method"),
    ] {
        assert_eq!(reason(bytes), words, "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_refusal_knows_the_line_and_the_host() {
    let refusal = parse(b"GET /x HTTP/1.1\r\nHost: a:80\r\nContent-Length: -1\r\n\r\n").unwrap_err();
    assert_eq!(&refusal.line[..], b"GET /x HTTP/1.1");
    assert_eq!(refusal.host.as_deref(), Some(&b"a:80"[..]));
    let refusal = parse(b"GET /x y HTTP/1.1\r\nHost: a\r\n\r\n").unwrap_err();
    assert_eq!(&refusal.line[..], b"GET /x y HTTP/1.1");
    assert_eq!(refusal.host, None);
}

#[test]
fn a_head_keeps_what_the_client_wrote() {
    let bytes =
        b"\r\nPOST /a%2f?b HTTP/1.1\r\nhOsT: A.b:80\r\nX-Empty:\r\nx-a:  1, 2 \r\nContent-Length: 7\r\n\r\nbody";
    let head = parse(bytes).unwrap().head;
    assert_eq!(head.method, "POST");
    assert_eq!(&head.target[..], b"/a%2f?b");
    assert_eq!(&head.line[..], b"POST /a%2f?b HTTP/1.1");
    assert_eq!(head.framing, Framing::Length(7));
    let fields: Vec<_> = head.headers.iter().map(|(n, v)| (&n[..], &v[..])).collect();
    assert_eq!(
        fields,
        [(&b"hOsT"[..], &b"A.b:80"[..]), (b"X-Empty", b""), (b"x-a", b"1, 2"), (b"Content-Length", b"7")]
    );
}

#[test]
fn an_absolute_form_becomes_an_origin_form_and_its_authority_the_host() {
    let head = parse(b"GET HTTP://b:8080?q HTTP/1.1\r\nA: b\r\nHost: a\r\n\r\n").unwrap().head;
    assert_eq!(&head.target[..], b"/?q");
    assert_eq!(head.headers.get("host"), Some(&b"b:8080"[..]));
    assert_eq!(head.headers.len(), 2);
    let head = parse(b"GET http://b HTTP/1.0\r\n\r\n").unwrap().head;
    assert_eq!(&head.target[..], b"/");
    assert_eq!(head.headers.get("host"), Some(&b"b"[..]));
}

#[test]
fn versions_after_1_1_are_1_1() {
    let version = |text: &str| {
        let bytes = format!("GET / {text}\r\nHost: a\r\n\r\n");
        parse(bytes.as_bytes()).unwrap().head.version
    };
    assert_eq!(version("HTTP/1.0"), Version::Http10);
    assert_eq!(version("HTTP/1.00"), Version::Http10);
    assert_eq!(version("HTTP/1.1"), Version::Http11);
    assert_eq!(version("HTTP/1.9"), Version::Http11);
}

#[test]
fn odd_names_are_dropped_or_kept_as_configured() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nX_A: 1\r\nX.A: 2\r\nX(A: 3\r\nX-A: 4\r\n\r\n";
    let names = |settings: &Settings, bytes: &[u8]| -> Vec<Bytes> {
        let head = parse_with(bytes, settings).unwrap().head;
        head.headers.iter().skip(1).map(|(n, _)| n.clone()).collect()
    };
    let mut settings = Settings::default();
    assert_eq!(names(&settings, bytes), ["X-A"]);
    assert_eq!(parse(bytes).unwrap().dropped, ["X_A", "X.A", "X(A"]);
    settings.underscores_in_headers = true;
    assert_eq!(names(&settings, bytes), ["X_A", "X-A"]);
    settings.underscores_in_headers = false;
    settings.ignore_invalid_headers = false;
    assert_eq!(parse_with(bytes, &settings).unwrap_err().status, 400);
    let tokens = b"GET / HTTP/1.1\r\nHost: a\r\nX_A: 1\r\nX.A: 2\r\n\r\n";
    assert_eq!(names(&settings, tokens), ["X_A", "X.A"]);
}

/// A request line and fields of exact lengths, their line ends counted.
fn sized_line(len: usize) -> Vec<u8> {
    let fill = "a".repeat(len - "GET / HTTP/1.1\r\n".len());
    format!("GET /{fill} HTTP/1.1\r\n").into_bytes()
}

fn sized_field(len: usize) -> Vec<u8> {
    format!("X-A: {}\r\n", "a".repeat(len - "X-A: \r\n".len())).into_bytes()
}

/// As nginx with `client_header_buffer_size 1k; large_client_header_buffers 4 8k`.
#[test]
fn lines_and_heads_are_limited_as_by_nginx() {
    const REST: &[u8] = b"Host: a\r\nConnection: close\r\n";
    let line = |n| join(&[&sized_line(n), REST, b"\r\n"]);
    for n in [1023, 1024, 1025, 8191, 8192] {
        assert_eq!(status(&line(n)), 200, "{n}");
    }
    assert_eq!(status(&line(8193)), 414);
    let fields = |len, count| join(&[b"GET / HTTP/1.1\r\n", REST, &sized_field(len).repeat(count), b"\r\n"]);
    for (len, count, expected) in [
        (1024, 1, 200),
        (8191, 1, 200),
        (8192, 1, 200),
        (8193, 1, 494),
        (8192, 3, 200),
        (8192, 4, 494),
        (8100, 4, 200),
        (8100, 5, 494),
        (1000, 32, 200),
        (1000, 40, 494),
    ] {
        assert_eq!(status(&fields(len, count)), expected, "{count} fields of {len}");
    }
    let big = sized_field(8192);
    assert_eq!(status(&join(&[&sized_line(8192), REST, &big.repeat(3), b"\r\n"])), 494);
    let last = sized_field(8000);
    assert_eq!(status(&join(&[&sized_line(8192), &big.repeat(2), &last, REST, b"\r\n"])), 200);
    let many = |count| join(&[b"GET / HTTP/1.1\r\nHost: a\r\n", &b"A: b\r\n".repeat(count), b"\r\n"]);
    assert_eq!(status(&many(999)), 200);
    assert_eq!(status(&many(1000)), 494);
}

#[test]
fn what_can_never_be_good_is_refused_before_its_line_ends() {
    assert_eq!(status(b"\x16\x03\x01"), 400);
    assert_eq!(status(&sized_line(9000)[..8500]), 414);
    assert_eq!(status(&join(&[b"GET / HTTP/1.1\r\n", &sized_field(9000)[..8500]])), 494);
    assert_eq!(status(&b"\r\n".repeat(20_000)), 494);
}

fn outcome(result: Result<Parsed, Refusal>) -> Result<(String, Vec<Bytes>), (u16, &'static str)> {
    match result {
        Ok(parsed) => Ok((format!("{:?}", parsed.head), parsed.dropped)),
        Err(refusal) => Err((refusal.status, refusal.reason)),
    }
}

fn small() -> Settings {
    Settings {
        client_header_buffer_size: 40,
        large_client_header_buffers: (2, 60),
        max_headers: 5,
        ..Settings::default()
    }
}

fn cuts(bytes: &[u8], seed: &[usize]) -> Vec<usize> {
    let mut cuts: Vec<usize> = seed.iter().map(|n| n % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    cuts
}

/// Bytes that look like heads often enough to get deep into the parser.
fn headish() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        &b"GET"[..],
        b"POST",
        b"CONNECT",
        b" ",
        b"  ",
        b"/",
        b"/a?b",
        b"http://",
        b"h",
        b"[::1]",
        b":80",
        b" HTTP/1.1",
        b" HTTP/1.0",
        b" HTTP/2.0",
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"Host: a\r\n",
        b"Host",
        b":",
        b": ",
        b"a",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"X_A: 1\r\n",
        b"\0",
        b"\t",
        b"\x80",
        b"\x7f",
        b"X-A: 1",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ]);
    prop::collection::vec(word, 0..16).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn however_a_head_is_split_the_outcome_is_the_same(bytes in headish(), seed in prop::collection::vec(any::<usize>(), 0..12)) {
        for settings in [Settings::default(), small()] {
            let whole = outcome(parse_with(&bytes, &settings));
            let split = outcome(parse_in_pieces(&bytes, &cuts(&bytes, &seed), &settings));
            prop_assert_eq!(&whole, &split);
            let single: Vec<usize> = (0..bytes.len()).collect();
            prop_assert_eq!(&whole, &outcome(parse_in_pieces(&bytes, &single, &settings)));
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
        let _ = parse(&join(&[b"GET / HTTP/1.1\r\n", &bytes]));
        let _ = parse(&join(&[b"GET ", &bytes, b" HTTP/1.1\r\nHost: a\r\n\r\n"]));
        let _ = parse(&join(&[b"GET / HTTP/1.1\r\nHost: ", &bytes, b"\r\n\r\n"]));
    }

    #[test]
    fn whatever_passes_is_free_of_control_characters(bytes in headish()) {
        if let Ok(parsed) = parse(&bytes) {
            prop_assert!(parsed.head.target.starts_with(b"/"));
            for (name, value) in parsed.head.headers.iter() {
                prop_assert!(http::HeaderName::from_bytes(name).is_ok());
                prop_assert!(http::HeaderValue::from_bytes(value).is_ok());
            }
        }
    }
}
