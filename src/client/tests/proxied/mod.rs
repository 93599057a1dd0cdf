//! Through a real `HttpProxy`, on real sockets.

mod front;
mod http2;
mod origin;

use pingora_core::protocols::http::ServerSession;

use self::front::served;
use self::origin::{Origin, origin};
use super::*;

/// Reads one answer with a length; its status line and its body.
async fn answer(peer: &mut (impl AsyncRead + Unpin)) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(peer.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    peer.read_exact(&mut body).await.unwrap();
    (head.lines().next().unwrap().to_string(), body)
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8).collect()
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_with_and_without_bodies() {
    let mut served = served(vec![], Settings::default()).await;
    let mut requests = get("/direct/1");
    requests += "POST /direct/2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /";
    requests += "POST /direct/3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    requests += "\r\nGET http://a/direct/4 HTTP/1.0\r\n\r\n";
    served.peer.write_all(requests.as_bytes()).await.unwrap();
    for n in 1..=4 {
        let (status, body) = answer(&mut served.peer).await;
        assert_eq!(status, "http/1.1 200 ok");
        assert_eq!(body, format!("/direct/{n}").as_bytes());
    }
    assert_eq!(read_to_end(&mut served.peer).await, b"");
    let lines = served.log.lines(4).await;
    assert!(lines[1].starts_with("POST /direct/2 HTTP/1.1 200 sent="), "{}", lines[1]);
}

#[tokio::test]
async fn pipelined_requests_are_proxied_in_order_and_the_upstream_sees_clean_ones() {
    let origin = origin(Origin::default()).await;
    let mut served = served(vec![origin.address], Settings::default()).await;
    let mut requests = get("/1?a=<b>");
    requests += "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde";
    requests += "POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: 1\r\n\r\n";
    requests += &get("/4");
    served.peer.write_all(requests.as_bytes()).await.unwrap();
    for expected in ["/1?a=%3Cb%3E|", "/2|abcde", "/3|abc", "/4|"] {
        let (status, body) = answer(&mut served.peer).await;
        assert_eq!(status, "http/1.1 200 ok");
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
    let lines = served.log.lines(4).await;
    assert!(lines.iter().all(|l| l.contains("drained=true error=none")), "{lines:?}");
}

/// Nothing depends on how the bytes arrive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_a_pipeline_is_cut_the_answers_are_the_same() {
    let origin = origin(Origin::default()).await;
    let mut requests = get("/direct/1") + &get("/2");
    requests += "POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    requests += "POST /collect/4 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x\r\nd\r\n0\r\nT: 1\r\n\r\n";
    requests += "POST /direct/5 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    requests += &(get("/6") + "GET / HTTP/1.1\r\n\r\n");
    for size in [1, 2, 3, 7, 31, 64, 200, 1000] {
        let served = served(vec![origin.address], Settings::default()).await;
        served.peer.set_nodelay(true).unwrap();
        let (mut reader, mut writer) = tokio::io::split(served.peer);
        let requests = requests.clone();
        let sending = tokio::spawn(async move {
            for piece in requests.as_bytes().chunks(size) {
                writer.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            writer
        });
        for expected in ["/direct/1", "/2|", "/3|abc", "/collect/4|abcd", "/direct/5", "/6|"] {
            assert_eq!(String::from_utf8(answer(&mut reader).await.1).unwrap(), expected, "{size}");
        }
        assert_eq!(answer(&mut reader).await.0, "http/1.1 400 refused");
        drop(sending.await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collected_put_of_a_mebibyte_is_tried_again_on_a_second_upstream() {
    let body = pattern(1 << 20);
    // the first takes the head and some of the body, and is gone
    let broken = origin(Origin { breaks_after: Some(200_000), ..Origin::default() }).await;
    let whole = origin(Origin::default()).await;
    let mut served = served(vec![broken.address, whole.address], Settings::default()).await;
    let head = format!("PUT /collect HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    for _ in 0..2 {
        served.peer.write_all(head.as_bytes()).await.unwrap();
        served.peer.write_all(&body).await.unwrap();
        let (status, echoed) = answer(&mut served.peer).await;
        assert_eq!(status, "http/1.1 200 ok");
        assert!(echoed == [b"/collect|", &body[..]].concat());
    }
    assert_eq!(broken.requests(), 2);
    assert_eq!(whole.requests(), 2);
    assert!(whole.last_head().contains(&format!("Content-Length: {}\r\n", body.len())), "{}", whole.last_head());
    assert!(!whole.last_head().contains("chunked"));
}

#[tokio::test]
async fn a_collected_chunked_body_goes_up_with_its_length() {
    let origin = origin(Origin::default()).await;
    let mut served = served(vec![origin.address], Settings::default()).await;
    for (body, expected) in [("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "/collect|abcde"), ("0\r\n\r\n", "/collect|")] {
        let request = format!("POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        served.peer.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(answer(&mut served.peer).await.1, expected.as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_client_does_not_hold_its_upstream() {
    let size = 20 << 20;
    let origin = origin(Origin { answer: Some(pattern(size).into()), ..Origin::default() }).await;
    let mut served = served(vec![origin.address], Settings::default()).await;
    served.peer.write_all(get("/big").as_bytes()).await.unwrap();
    // the upstream is done although not one byte was read
    origin.wait_answered(1).await;
    let (_, body) = answer(&mut served.peer).await;
    assert!(body == pattern(size));
    let line = served.log.lines(1).await.remove(0);
    let sent: usize = line.split("sent=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(sent > size && sent < size + 500, "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_while_the_upstream_thinks_is_noticed() {
    let origin = origin(Origin { never_answers: true, ..Origin::default() }).await;
    let mut served = served(vec![origin.address], Settings::default()).await;
    served.peer.write_all((get("/1") + &get("/2")).as_bytes()).await.unwrap();
    origin.wait_requests(1).await;
    drop(served.peer);
    let lines = served.log.lines(1).await;
    assert!(lines[0].starts_with("GET /1 HTTP/1.1 499"), "{lines:?}");
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn a_streamed_body_that_breaks_has_its_status_and_reaches_no_upstream_whole() {
    for (body, status) in [("5\r\nabcde\r\nx\r\n", "http/1.1 400 bad request"), ("200001\r\n", "http/1.1 413")] {
        let origin = origin(Origin::default()).await;
        let mut served = served(vec![origin.address], Settings::default()).await;
        let head = "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        served.peer.write_all((head.to_string() + body).as_bytes()).await.unwrap();
        if status.ends_with("413") {
            served.peer.write_all(&vec![b'x'; 0x200001]).await.unwrap();
        }
        let (line, _) = answer(&mut served.peer).await;
        assert!(line.starts_with(status), "{line}");
        assert_eq!(origin.requests(), 0);
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_collected_has_its_status() {
    let mut served = served(vec![], Settings::default()).await;
    let request = "POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n";
    served.peer.write_all(request.as_bytes()).await.unwrap();
    let (line, _) = answer(&mut served.peer).await;
    assert!(line.starts_with("http/1.1 413"), "{line}");
}

#[tokio::test]
async fn a_refused_request_never_reaches_pingora() {
    let mut served = served(vec![], Settings::default()).await;
    let requests = get("/direct") + "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + &get("/direct");
    served.peer.write_all(requests.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut served.peer).await.1, b"/direct");
    assert_eq!(answer(&mut served.peer).await.0, "http/1.1 400 refused");
    served.peer.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut served.peer).await, b"");
    assert_eq!(served.log.lines(1).await.len(), 1);
}

/// On one thread: Pingora ends an upgraded connection at once if the 101 is there before it has looked at the (empty)
/// request body it sends, which an origin on another thread can bring about.
#[tokio::test]
async fn a_websocket_passes_through() {
    let origin = origin(Origin::default()).await;
    let mut served = served(vec![origin.address], Settings::default()).await;
    let request = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nearly";
    served.peer.write_all(request.as_bytes()).await.unwrap();
    let (status, _) = answer(&mut served.peer).await;
    assert!(status.starts_with("http/1.1 101"), "{status}");
    let mut echo = [0; 5];
    served.peer.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"early");
    for word in [&b"later"[..], b"\r\n\0\xff!"] {
        served.peer.write_all(word).await.unwrap();
        served.peer.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, word);
    }
    served.peer.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut served.peer).await, b"");
    assert!(served.log.lines(1).await[0].contains(" 101 "));
}

#[tokio::test]
async fn an_expectation_is_met_by_us_and_not_passed_on() {
    let origin = origin(Origin::default()).await;
    let mut served = served(vec![origin.address], Settings::default()).await;
    for target in ["/stream", "/collect"] {
        let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
        served.peer.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(answer(&mut served.peer).await.0, "http/1.1 100 continue");
        served.peer.write_all(b"abc").await.unwrap();
        assert_eq!(answer(&mut served.peer).await.1, format!("{target}|abc").as_bytes());
        assert!(!origin.last_head().contains("Expect"));
    }
}

/// Whatever passes our parser is presented so that Pingora takes it.
#[tokio::test]
async fn pingora_accepts_every_presented_head() {
    let mut heads: Vec<Vec<u8>> = Vec::new();
    for b in (1..=255u8).filter(|b| !b.is_ascii_control() && *b != b' ') {
        heads.push([b"GET /a", &[b][..], b"b?c", &[b], b"d HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
        heads.push([b"GET / HTTP/1.1\r\nHost: a\r\nRange: ", &[b][..], b"\t\r\nVia: x\r\n\r\n"].concat());
        heads.push([b"GET / HTTP/1.1\r\nHost: x", &[b][..], b"\r\n\r\n"].concat());
    }
    for method in ["OPTIONS", "PURGE", "M-SEARCH", "_", "-", "PRI"] {
        heads.push(format!("{method} //a//../%zz HTTP/1.1\r\nHost: [::1]:80\r\nIf-Match: \r\n\r\n").into_bytes());
    }
    heads.push(b"GET http://a HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n".to_vec());
    let mut passed = 0;
    for head in heads {
        let mut pair = pair(Settings::default());
        pair.send(&head).await;
        let Ok(Some(parsed)) = pair.head().await else {
            continue;
        };
        passed += 1;
        pair.client.present(Arc::new(parsed));
        let mut session = ServerSession::new_http1(Box::new(pair.client));
        let read = session.read_request().await;
        assert!(matches!(read, Ok(true)), "{read:?} {}", head.escape_ascii());
        assert!(session.digest().and_then(Connection::of).is_some());
    }
    assert!(passed > 500, "{passed}");
}

#[tokio::test]
async fn a_shared_handle_knows_its_addresses() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let socket = pingora_core::protocols::SocketDigest::from_raw_fd(std::os::fd::AsRawFd::as_raw_fd(&accepted));
    let mut stream: Stream = Box::new(pingora_core::protocols::l4::stream::Stream::from(accepted));
    stream.set_socket_digest(socket);
    let facts = Facts::of(&*stream, Arc::new("listener"));
    assert_eq!(facts.remote, Some(peer.local_addr().unwrap()));
    assert_eq!(facts.local, Some(listener.local_addr().unwrap()));
    let client = Client::new(stream, facts, Arc::new(Settings::default()));
    assert_eq!(client.connection().facts().listener.downcast_ref(), Some(&"listener"));
    let back = Client::from_stream(Box::new(client)).unwrap();
    assert_eq!(back.connection().requests(), 0);
    let other: Stream = Box::new(tokio::io::duplex(1).0);
    assert!(Client::from_stream(other).is_err());
}
