//! How a request of HTTP/2 is read.

use super::*;
use crate::client::BodyLimits;
use crate::http::Framing;

fn field<'h>(head: &'h Head, name: &str) -> Vec<&'h str> {
    let value = |(_, v): (_, &'h Bytes)| std::str::from_utf8(v).unwrap();
    head.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(value).collect()
}

async fn head_of(request: Request<()>) -> Result<Head, Refusal> {
    let mut pair = pair(Settings::default()).await;
    let _sent = pair.send(request, true).await;
    read_head(&mut pair.next().await).await.map(Option::unwrap)
}

#[tokio::test(start_paused = true)]
async fn a_request_is_read_as_the_client_sent_it() {
    let mut request = get("/a%20b{\"}?c=d");
    for crumb in ["a=1", "b=2", "c=3"] {
        request.headers_mut().append("cookie", crumb.parse().unwrap());
    }
    request.headers_mut().append("x-two", "1".parse().unwrap());
    request.headers_mut().append("x-two", "2".parse().unwrap());
    request.headers_mut().append("te", "trailers".parse().unwrap());
    let head = head_of(request).await.unwrap();
    assert_eq!((head.version, head.version.as_str()), (Version::Http2, "HTTP/2.0"));
    assert_eq!(head.line, "GET /a%20b{\"}?c=d HTTP/2.0");
    assert_eq!(head.target, "/a%20b{\"}?c=d");
    assert_eq!(head.framing, Framing::None);
    assert_eq!(field(&head, "host"), ["example.com"]);
    assert_eq!(field(&head, "cookie"), ["a=1; b=2; c=3"]);
    assert_eq!(field(&head, "x-two"), ["1", "2"]);
    assert_eq!(field(&head, "te"), ["trailers"]);
    assert!(head.wants_keepalive() && !head.wants_upgrade());
}

#[tokio::test(start_paused = true)]
async fn all_streams_have_the_number_of_their_connection_and_are_counted_over_it() {
    let mut pair = pair(Settings::default()).await;
    let mut serials = Vec::new();
    let mut responses = Vec::new();
    for n in 1..=3 {
        responses.push(pair.send(get("/"), true).await);
        let client = pair.presented().await;
        assert_eq!(client.connection().requests(), n);
        assert!(client.connection().is_http2());
        serials.push(client.connection().serial());
        answer(client, OK).await;
    }
    assert_eq!(serials, [serials[0]; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_body_without_a_length_is_read_with_its_trailers() {
    let mut pair = pair(Settings::default()).await;
    let (_response, mut body) = pair.send(post("/"), false).await;
    let mut client = pair.next().await;
    let head = read_head(&mut client).await.unwrap().unwrap();
    assert_eq!(head.framing, Framing::Chunked);
    assert_eq!(field(&head, "transfer-encoding"), [""; 0]);
    client.present(Arc::new(head));
    for part in ["hello", "", " world"] {
        body.send_data(part.into(), false).unwrap();
    }
    let fields = HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), "7".parse().unwrap())]);
    body.send_trailers(fields).unwrap();
    let read = client.connection().collect_body(&BodyLimits::default()).await.unwrap();
    assert_eq!(read.bytes, "hello world");
    assert_eq!(read.trailers.get("x-sum"), Some(&b"7"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_body_of_a_length_is_read_as_it_is() {
    let mut pair = pair(Settings::default()).await;
    let mut request = post("/");
    request.headers_mut().append("content-length", "5".parse().unwrap());
    request.headers_mut().append("expect", "100-continue".parse().unwrap());
    let (response, mut body) = pair.send(request, false).await;
    let mut client = pair.next().await;
    let head = read_head(&mut client).await.unwrap().unwrap();
    assert_eq!(head.framing, Framing::Length(5));
    client.present(Arc::new(head));
    body.send_data("he".into(), false).unwrap();
    body.send_data("llo".into(), true).unwrap();
    let read = client.connection().collect_body(&BodyLimits::default()).await.unwrap();
    assert_eq!(read.bytes, "hello");
    // nginx says no 100 in HTTP/2, and neither may it stand in the answer
    answer(client, OK).await;
    assert_eq!(whole(response).await.unwrap().1, b"ok");
}

#[tokio::test(start_paused = true)]
async fn what_nginx_refuses_is_refused() {
    let with = |name: &'static str, value: &str| {
        let mut request = get("/");
        request.headers_mut().append(name, value.parse().unwrap());
        request
    };
    let mut twice = with("host", "example.com");
    twice.headers_mut().append("host", "example.com".parse().unwrap());
    assert_eq!(field(&head_of(twice).await.unwrap(), "host"), ["example.com"]);

    let mut lengths = with("content-length", "0");
    lengths.headers_mut().append("content-length", "0".parse().unwrap());
    let table = [
        (with("host", "example.org"), 400, "client sent \":authority\" and \"Host\" headers that differ"),
        (with("x-long", &"x".repeat(9000)), 494, "client sent too long header line"),
        (get(&format!("/{}", "x".repeat(9000))), 414, "client sent too long URI"),
        (lengths, 400, "client sent duplicate header line"),
        (Request::connect("example.com:443").body(()).unwrap(), 405, "client sent CONNECT method"),
        (Request::trace("http://example.com/").body(()).unwrap(), 405, "client sent TRACE method"),
        (Request::builder().method("get").uri("http://a/").body(()).unwrap(), 400, "client sent invalid method"),
        (Request::get("http://u@a/").body(()).unwrap(), 400, "client sent invalid host header"),
    ];
    for (request, status, reason) in table {
        let shown = format!("{request:?}");
        let refusal = head_of(request).await.expect_err(&shown);
        assert_eq!((refusal.status, refusal.reason), (status, reason), "{shown}");
        assert!(refusal.answered);
        assert!(!refusal.line.ends_with(b"HTTP/1.1"), "{:?}", refusal.line);
    }
}

#[test]
fn nothing_can_be_read_as_another_request() {
    let parts = |uri: &str| {
        let mut parts = Request::new(()).into_parts().0;
        parts.uri = uri.parse().unwrap();
        parts
    };
    let refused = |parts: &http::request::Parts| request::write(parts, true).unwrap_err().reason;
    let mut target = http::uri::Parts::default();
    target.path_and_query = "*".parse().ok();
    let mut star = parts("/");
    star.uri = http::Uri::from_parts(target).unwrap();
    assert_eq!(refused(&star), "client sent invalid \":path\" header");
    assert_eq!(refused(&parts("/")), "client sent neither \":authority\" nor \"Host\" header");
    for name in CONNECTION_SPECIFIC {
        let mut parts = parts("http://a/");
        parts.headers.append(name, "chunked".parse().unwrap());
        assert_eq!(refused(&parts), "client sent connection-specific header");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_answered_and_harms_no_other_stream() {
    let mut pair = pair(Settings::default()).await;
    let (other, running) = pair.get().await;
    let mut request = post("/");
    request.headers_mut().append("host", "example.org".parse().unwrap());
    let (response, _body) = pair.send(request, false).await;
    let mut client = pair.next().await;
    let refusal = read_head(&mut client).await.unwrap_err();
    assert_eq!(refusal.line, "POST / HTTP/2.0");
    assert_eq!(refusal.host.as_deref(), Some(&b"example.com"[..]));
    let began = Instant::now();
    let page = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/html\r\n\r\nno";
    client.refuse(page.into()).await;
    assert_eq!(began.elapsed().as_secs(), 0, "lingered");
    let (head, body, _) = whole(response).await.unwrap();
    assert_eq!((head.status().as_u16(), &body[..]), (400, &b"no"[..]));
    assert!(!head.headers().contains_key("connection"));
    answer(running, OK).await;
    assert_eq!(whole(other).await.unwrap().1, b"ok");
}

#[tokio::test(start_paused = true)]
async fn a_stream_has_one_request_only() {
    let mut pair = pair(Settings::default()).await;
    let (response, _body) = pair.send(post("/"), false).await;
    let mut client = pair.presented().await;
    client.write_all(OK).await.unwrap();
    assert!(!client.finish_request().await);
    client.close().await;
    // RFC 9113 8.1: the answer is whole, and the rest of the request is not wanted
    assert_eq!(whole(response).await.unwrap().1, b"ok");
}
