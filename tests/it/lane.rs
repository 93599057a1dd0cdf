//! What an upstream answers takes the lane, or, where that is shut, Pingora's way: both must send the same to the server and to
//! the client, say the same in the logs, and fail alike.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::backend::{Answer, Backend, Seen};
use crate::support::client::{Client, Failure};
use crate::support::edge::Edge;
use crate::support::http2::{self, Http2};
use crate::support::request::{self, Request};
use crate::support::response::{Framing, Response};
use crate::support::{ports, wait};

const PLAIN: &str = "HTTP/1.1 200 Fine\r\nContent-Type: text/plain\r\nX-oDD: a\r\nX-Odd: b\r\nSet-Cookie: JSESSIONID=1; \
                     Path=/\r\nKeep-Alive: timeout=20\r\nRefresh: 5; url=http://app/x\r\nContent-Length: 11\r\n\r\nhello world";

/// What the server says to `/N…`.
const ANSWERS: &[&str] = &[
    PLAIN,
    "HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\nuntil the end",
    "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nold",
    "HTTP/1.1 204 No Content\r\nETag: \"x\"\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 5\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 1\r\n\r\nx",
    "HTTP/1.1 200 OK\r\nX-Folded: a\r\n  b\r\nX-Space : c\r\nContent-Length: 1\r\n\r\nx",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
    "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx",
    "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    "HTTP/1.1 404 Gone Fishing\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\ngone",
    "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nWWW-Authenticate: Basic\r\n\r\nbusy",
    "HTTP/1.1 302 Found\r\nLocation: http://app/there\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX-Accel-Buffering: no\r\nX-Accel-Limit-Rate: 100000\r\nContent-Length: 2\r\n\r\nno",
    "HTTP/1.1 200 OK\r\nX-Accel-Redirect: /0/inside\r\nX-Kept: no\r\nCache-Control: x\r\nContent-Length: 1\r\n\r\nx",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nxy and more than that",
    "hello\r\n",
    "",
    "HTTP/1.1 200 OK\r\nDate: then\r\nServer: own\r\nExpires: 0\r\nContent-Length: 1\r\n\r\nx",
    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: text/css\r\nContent-Length: 1\r\n\r\nx",
];

const EXTRAS: &[&str] = &[
    "",
    "proxy_buffering off;",
    "gzip on; gzip_types *; gzip_min_length 1; gzip_vary on; gzip_http_version 1.0;",
    "proxy_intercept_errors on; error_page 404 /0/page; error_page 503 =200 @text;",
    "proxy_http_version 1.0;",
    "proxy_method HEAD; keepalive_timeout 65s 60s;",
    "proxy_set_header Host $host; proxy_set_header Connection close; proxy_set_header X-Real $remote_addr; add_header X-Up \
     $upstream_http_x_odd always; expires 1h; proxy_hide_header X-Odd;",
    "proxy_set_header Host \"\"; proxy_set_body \"own $uri\"; proxy_pass_request_headers off;",
    "proxy_next_upstream error http_503 http_404 invalid_header; proxy_buffer_size 120;",
    "proxy_cookie_path / /app/; proxy_cookie_flags ~ secure; proxy_redirect http://app/ /here/; charset utf-8; server_tokens off;",
    "keepalive_requests 1;",
    "chunked_transfer_encoding off;",
];

fn questions(target: &str) -> Vec<Request> {
    let all = vec![
        request::get(target),
        request::head(target),
        request::get(target).header("Accept-Encoding", "gzip").header("X-oWn", "é").header("Connection", "close"),
        request::post(target, "a body"),
        Request::new("POST", target).chunked(&[b"in ", b"pieces"]),
        Request::new("OPTIONS", target),
        Request::new("DELETE", target),
    ];
    all.into_iter().map(|question| question.host("edge.test")).collect()
}

const LOG: &str = "$request_method $uri $status $upstream_addr $upstream_status $request_completion \
                   $sent_http_content_type $upstream_http_etag $request_length";

/// An edge whose way is open or shut, before these servers.
fn edge(upstream: &str, extra: &str, way: &str) -> Edge {
    let port = ports::free();
    let text = format!(
        "error_log logs/error.log info;\nevents {{}}\nhttp {{\n  log_format main '{LOG}';\n  access_log logs/access.log main;\n  \
         upstream app {{ {upstream} }}\n  server {{\n    listen 127.0.0.1:{port}; http2 on; absolute_redirect off;\n    location / {{ proxy_pass http://app; {extra} \
         }}\n    location @text {{ return 200 own; }}\n    location /slow/ {{ proxy_pass http://app; proxy_read_timeout 300ms; }}\n  \
         }}\n}}\n"
    );
    Edge::nginx_conf(&text, port).with_environment("EDGE_SHORT_WAY", way).start()
}

/// One edge for each way.
fn both(upstream: &str, extra: &str) -> [Edge; 2] {
    ["on", "off"].map(|way| edge(upstream, extra, way))
}

fn said(response: &Response) -> String {
    let lines = response.head.headers.0.iter().filter(|(name, _)| !["Date", "Expires"].contains(&&**name));
    let lines: Vec<String> = lines.map(|(name, value)| format!("{name}: {value}")).collect();
    let body = response.decoded_body().map_or("?".into(), |body| String::from_utf8_lossy(&body).into_owned());
    let framing = match response.framing {
        Framing::None => "none",
        Framing::Length => "length",
        Framing::Chunked => "chunked",
        Framing::Close => "close",
    };
    format!("{} {}\n{}\n{framing}\n{body}", response.status(), response.head.reason, lines.join("\n"))
}

/// What comes of a request, without what only the clock decides.
fn told(edge: &Edge, request: &Request) -> String {
    match Client::connect(edge.address()).ask(request) {
        Ok(response) => said(&response),
        Err(Failure::Cut(response, _)) => format!("cut: {}", said(&response)),
        Err(failure) => format!("{failure:?}"),
    }
}

fn access_lines(edge: &Edge, count: usize) -> Vec<String> {
    let lines = || -> Vec<String> {
        let text = std::fs::read_to_string(edge.file("logs/access.log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    wait::until(Duration::from_secs(5), || (lines().len() >= count).then_some(()));
    lines()
}

/// What was said of requests, without when, by whom, and of which connection.
fn error_lines(edge: &Edge) -> Vec<String> {
    let text = std::fs::read_to_string(edge.file("logs/error.log")).unwrap_or_default();
    let about = text.lines().filter_map(|line| line.split_once('*')?.1.split_once(' '));
    // How far a reader of chunks had come is told by each in its own words.
    let words = |line: &str| {
        let (from, to) = (line.find(" context: "), line.find(", client: ").unwrap_or_default());
        from.map_or(line.to_owned(), |from| [&line[..from], &line[to..]].concat())
    };
    about.map(|(_, line)| words(line)).filter(|line| line.contains("request:")).collect()
}

fn by_number(seen: &Seen, answer: &mut Answer<'_>) {
    let number =
        seen.target().trim_start_matches('/').split('/').next().and_then(|number| number.parse::<usize>().ok());
    let text = number.and_then(|number| ANSWERS.get(number)).copied().unwrap_or(PLAIN);
    // The end of a connection comes with the bytes before it, so that it is met by both in the same place.
    let head = text.to_ascii_lowercase();
    let frames = |text: &str| text.contains("content-length") || text.contains("chunked") || text.contains(" 204 ");
    answer.write(text);
    if !frames(&head) || text.contains("Connection: close") || text.contains("Content-Length: 2\r\n\r\nxy") {
        answer.close();
    }
}

#[test]
fn both_ways_ask_and_tell_the_same() {
    for extra in EXTRAS {
        let backends = [Backend::start(by_number), Backend::start(by_number)];
        let edges = [0, 1].map(|at| {
            let address = backends[at].address();
            edge(&format!("server {address} max_fails=0;"), extra, ["on", "off"][at])
        });
        let mut lines = 0;
        for (number, answer) in ANSWERS.iter().enumerate() {
            for question in questions(&format!("/{number}/x%20y?a=b")) {
                let [short, long] = [0, 1].map(|at| told(&edges[at], &question));
                assert_eq!(short, long, "{extra}\n{answer}\n{}", question.line());
                lines += 1;
                let [short, long] = [0, 1].map(|at| {
                    let lines = access_lines(&edges[at], lines);
                    lines.last().unwrap().replace(&backends[at].address().to_string(), "SERVER")
                });
                assert_eq!(short, long, "{extra}\n{answer}\n{}", question.line());
            }
        }
        let [short, long] = [0, 1].map(|at| {
            let all = backends[at].seen().into_iter();
            all.map(|seen| (seen.head, seen.body)).collect::<Vec<_>>()
        });
        assert_eq!(short, long, "{extra}");
        // What is said last may come a little later.
        let counts = || [0, 1].map(|at| error_lines(&edges[at]).len());
        wait::until(Duration::from_secs(5), || (counts()[0] == counts()[1]).then_some(()));
        let [short, long] = [0, 1].map(|at| {
            let lines = error_lines(&edges[at]);
            lines.iter().map(|line| line.replace(&backends[at].address().to_string(), "SERVER")).collect::<Vec<_>>()
        });
        assert_eq!(short, long, "{extra}");
    }
}

/// What comes of a request over a stream of HTTP/2.
async fn told_by_stream(edge: &Edge, method: &str, path: &str, body: &[u8]) -> String {
    let client = Http2::open(edge.address(), None).await;
    let answer = match (method, body) {
        ("GET", b"") => client.get(path).await,
        _ => client.ask(method, path, body).await,
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(e) => return format!("reset: {:?}", e.reason()),
    };
    let fields = |map: &http::HeaderMap| {
        let of_the_clock = |name: &http::HeaderName| name == "date" || name == "expires";
        let lines =
            map.iter().filter(|(name, _)| !of_the_clock(name)).map(|(name, value)| format!("{name}: {value:?}"));
        lines.collect::<BTreeSet<String>>()
    };
    let (head, trailers) = (fields(&answer.head.headers), fields(&answer.trailers));
    format!("{} {head:?} {} {trailers:?}", answer.status(), answer.text())
}

#[test]
fn streams_of_http2_are_asked_for_and_told_the_same_on_both_ways() {
    for extra in
        ["", "proxy_buffering off;", "gzip on; gzip_types *; gzip_min_length 1;", EXTRAS[3], EXTRAS[6], EXTRAS[8]]
    {
        let backends = [Backend::start(by_number), Backend::start(by_number)];
        let edges = [0, 1].map(|at| {
            let address = backends[at].address();
            edge(&format!("server {address} max_fails=0;"), extra, ["on", "off"][at])
        });
        let mut lines = 0;
        for (number, answer) in ANSWERS.iter().enumerate() {
            for (method, body) in [("GET", &b""[..]), ("HEAD", b""), ("POST", b"a body"), ("DELETE", b"")] {
                let path = format!("/{number}/x%20y?a=b");
                let [short, long] = [0, 1].map(|at| http2::run(told_by_stream(&edges[at], method, &path, body)));
                assert_eq!(short, long, "{extra}\n{answer}\n{method}");
                lines += 1;
                let [short, long] = [0, 1].map(|at| {
                    let lines = access_lines(&edges[at], lines);
                    lines.last().unwrap().replace(&backends[at].address().to_string(), "SERVER")
                });
                assert_eq!(short, long, "{extra}\n{answer}\n{method}");
            }
        }
        let [short, long] =
            [0, 1].map(|at| backends[at].seen().into_iter().map(|seen| (seen.head, seen.body)).collect::<Vec<_>>());
        assert_eq!(short, long, "{extra}");
    }
}

#[test]
fn a_stream_that_is_given_up_ends_its_request_and_harms_no_other() {
    let (silent, good) = (Backend::silent(), Backend::saying("good"));
    let edge = edge(&format!("server {};", silent.address()), "", "on");
    http2::run(async {
        let client = Http2::open(edge.address(), None).await;
        let mut given_up = client.begin("GET", "/wait", &[]).await;
        given_up.up.end().expect("a stream");
        assert!(silent.wait_requests(1));
        given_up.up.cancel();
        assert!(access_lines(&edge, 1)[0].starts_with("GET /wait 499 "));
        assert!(wait::until(Duration::from_secs(5), || (silent.open_connections() == 0).then_some(())).is_some());
        // Many at once share the connection.
        let other = self::edge(&format!("server {};", good.address()), "", "on");
        let client = Http2::open(other.address(), None).await;
        let ask = |_| {
            let client = client.clone();
            tokio::spawn(async move { client.get("/").await })
        };
        for answer in (0..50).map(ask).collect::<Vec<_>>() {
            assert_eq!(answer.await.expect("a task").expect("an answer").text(), "good");
        }
    });
}

/// The answers of which beginnings are sent, and whether the end of the connection ends them.
const CUT: [&str; 3] = [
    "HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 9\r\n\r\n012345678",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n5;x\r\n01234\r\n0\r\nX: y\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: y\r\n\r\nas long as it is open",
];

#[test]
fn an_answer_that_is_cut_anywhere_is_cut_alike() {
    let backend = Backend::start(|seen, answer| {
        let numbers: Vec<usize> = seen.target().split('/').filter_map(|number| number.parse().ok()).collect();
        answer.write(&CUT[numbers[0]].as_bytes()[..numbers[1]]);
        answer.close();
    });
    let edges = both(&format!("server {} max_fails=0;", backend.address()), "proxy_next_upstream off;");
    let mut lines = 0;
    for (number, text) in CUT.iter().enumerate() {
        for end in 0..=text.len() {
            let question = request::get(&format!("/{number}/{end}")).host("edge.test");
            let [short, long] = [0, 1].map(|at| told(&edges[at], &question));
            assert_eq!(short, long, "{:?}", &text[..end]);
            assert_eq!(
                short.contains("cut"),
                end < text.len() && number < 2 && text[..end].contains("\r\n\r\n"),
                "{short}"
            );
            lines += 1;
        }
    }
    let [short, long] = [0, 1].map(|at| access_lines(&edges[at], lines));
    assert_eq!(short, long);
    let [short, long] = [0, 1].map(|at| error_lines(&edges[at]));
    assert_eq!(short, long);
}

#[test]
fn an_answer_comes_whole_however_it_is_cut_into_packets() {
    let long = "0123456789".repeat(30_000);
    let chunks: String = long.as_bytes().chunks(7001).fold(String::new(), |text, chunk| {
        text + &format!("{:x}\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap())
    });
    let texts = [
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{long}", long.len()),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{long}"),
    ];
    let backend = Backend::start(move |seen, answer| {
        let numbers: Vec<usize> = seen.target().split('/').filter_map(|number| number.parse().ok()).collect();
        texts[numbers[0]].as_bytes().chunks(numbers[1]).for_each(|piece| answer.write(piece));
        if numbers[0] == 2 {
            answer.close();
        }
    });
    for extra in ["", "proxy_buffering off;", "gzip on; gzip_types *;"] {
        let edge = edge(&format!("server {};", backend.address()), extra, "on");
        let mut client = Client::connect(edge.address());
        for number in 0..3 {
            for size in [301, 5003, 60_000, 1_000_000] {
                let question = request::get(&format!("/{number}/{size}")).header("Accept-Encoding", "gzip");
                let response = client.ask(&question).unwrap();
                assert!(response.decoded_body().unwrap() == long.as_bytes(), "{extra} {number} {size}");
            }
        }
    }
}

#[test]
fn a_kept_connection_that_was_closed_or_spoke_unasked_is_not_used() {
    let backend = Backend::saying("x");
    let edge = edge(&format!("server {};", backend.address()), "", "on");
    let ask = || told(&edge, &request::get("/"));
    let expected = ask();
    assert_eq!((ask(), backend.connections()), (expected.clone(), 1), "a silent one is used again");
    // More than was announced, together with the answer and after it.
    let answer =
        |rest: &str| format!("HTTP/1.1 200 Mock\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx{rest}");
    let (whole, behind) = (answer(""), answer("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"));
    backend.now(move |_, out| out.write(&behind));
    assert_eq!((ask(), backend.connections()), (expected.clone(), 1));
    let (sent, told_of) = std::sync::mpsc::channel();
    let once = whole.clone();
    backend.now(move |_, out| {
        out.write(&once);
        std::thread::sleep(Duration::from_millis(50));
        out.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
        let _ = sent.send(());
    });
    assert_eq!((ask(), backend.connections()), (expected.clone(), 2));
    told_of.recv_timeout(Duration::from_secs(5)).unwrap();
    backend.now(move |_, out| {
        out.write(&whole);
        out.close();
    });
    assert_eq!((ask(), backend.connections()), (expected.clone(), 3));
    assert!(wait::until(Duration::from_secs(5), || (backend.open_connections() == 0).then_some(())).is_some());
    assert_eq!((ask(), backend.connections()), (expected, 4));
}

#[test]
fn who_leaves_before_the_answer_is_logged_as_499_and_his_request_ended() {
    let backend = Backend::silent();
    let edges = both(&format!("server {};", backend.address()), "");
    for (at, edge) in edges.iter().enumerate() {
        let mut client = Client::connect(edge.address());
        client.write(request::get("/wait").bytes());
        assert!(backend.wait_requests(at + 1));
        drop(client);
        assert!(access_lines(edge, 1)[0].starts_with("GET /wait 499 "));
        assert!(wait::until(Duration::from_secs(5), || (backend.open_connections() == 0).then_some(())).is_some());
    }
}

#[test]
fn requests_that_come_while_an_answer_is_waited_for_are_answered_in_turn() {
    let backend = Backend::start(|seen, answer| {
        std::thread::sleep(Duration::from_millis(30));
        let target = seen.target().to_owned();
        answer.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}", target.len()));
    });
    let edge = edge(&format!("server {};", backend.address()), "", "on");
    let mut client = Client::connect(edge.address());
    let targets: Vec<String> = (0..5).map(|number| format!("/{number}")).collect();
    for target in &targets {
        client.write(request::get(target).bytes());
        std::thread::sleep(Duration::from_millis(10));
    }
    for target in &targets {
        assert_eq!(client.response("GET").unwrap().text(), *target);
    }
    assert_eq!(backend.connections(), 1);
}

#[test]
fn a_server_that_fails_is_followed_by_the_next_on_both_ways() {
    let failing =
        [Backend::hanging_up(), Backend::resetting(), Backend::cutting_after("HTTP/1.1 200 O"), Backend::silent()];
    let good = Backend::saying("good");
    let closed = ports::local(ports::free());
    let bad = failing.iter().map(Backend::address).chain([closed]);
    for bad in bad {
        let upstream = format!("server {bad} max_fails=0; server {} backup;", good.address());
        let edges = both(&upstream, "");
        let mut outcomes = BTreeSet::new();
        for edge in &edges {
            let asked =
                ["GET", "POST", "PUT"].map(|method| told(edge, &Request::new(method, "/slow/x").host("edge.test")));
            outcomes.insert((asked, access_lines(edge, 3)));
        }
        assert_eq!(outcomes.len(), 1, "{outcomes:#?}");
    }
}

#[test]
fn an_answer_that_comes_before_the_body_was_taken_reaches_the_client() {
    let port = ports::free();
    let listener = std::net::TcpListener::bind(ports::local(port)).unwrap();
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
            std::thread::sleep(Duration::from_millis(300));
        }
    });
    let edge = edge(&format!("server 127.0.0.1:{port} max_fails=0;"), "client_max_body_size 100m;", "on");
    let question = request::post("/", vec![b'x'; 30 << 20]).host("edge.test");
    let response = Client::connect(edge.address()).ask(&question).unwrap();
    assert_eq!((response.status(), response.text()), (413, "no".to_owned()));
}

#[test]
fn a_slow_client_holds_up_no_more_than_buffers_have_room_for() {
    let length = 64 << 20;
    let written = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = written.clone();
    let backend = Backend::start(move |_, answer| {
        answer.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"));
        while counted.load(std::sync::atomic::Ordering::SeqCst) < length && !answer.is_lost() {
            answer.write([b'x'; 64 << 10]);
            counted.fetch_add(64 << 10, std::sync::atomic::Ordering::SeqCst);
        }
    });
    let edge = edge(&format!("server {};", backend.address()), "proxy_max_temp_file_size 0;", "on");
    let mut client = Client::connect_narrowly(edge.address());
    client.write(request::get("/").bytes());
    assert_eq!(client.head("GET").unwrap().status, 200);
    // It stands still once all is full.
    let mut before = 0;
    wait::until(Duration::from_secs(10), || {
        std::thread::sleep(Duration::from_millis(200));
        let now = written.load(std::sync::atomic::Ordering::SeqCst);
        (std::mem::replace(&mut before, now) == now && now > 0).then_some(())
    });
    assert!(before < length / 2, "{before} bytes were read for a client that takes nothing");
    let mut got = 0;
    while let Some(piece) = client.piece().unwrap() {
        got += piece.len();
    }
    assert_eq!(got, length);
}
