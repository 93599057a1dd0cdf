//! HTTP/2 in front of the same proxy.

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use http::Request;
use tokio::net::TcpListener;

use super::front::{Served, served_http2};
use super::origin::{Origin, origin};
use super::*;

async fn http2(served: Served) -> (SendRequest<Bytes>, impl Sized) {
    let Served { peer, log, _switch } = served;
    let (send, connection) = h2::client::handshake(peer).await.unwrap();
    tokio::spawn(connection);
    (send, (log, _switch))
}

async fn send(peer: &SendRequest<Bytes>, method: &str, target: &str, body: Option<Vec<u8>>) -> ResponseFuture {
    let uri = format!("http://a{target}");
    let request = Request::builder().method(method).uri(uri).body(()).unwrap();
    let mut peer = peer.clone().ready().await.unwrap();
    let (response, mut stream) = peer.send_request(request, body.is_none()).unwrap();
    if let Some(body) = body {
        stream.send_data(body.into(), true).unwrap();
    }
    response
}

async fn whole(response: ResponseFuture) -> Result<(u16, Vec<u8>), h2::Error> {
    let response = response.await?;
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok((status, bytes))
}

#[tokio::test]
async fn many_streams_at_once_get_their_own_answers() {
    let origin = origin(Origin::default()).await;
    let (peer, _kept) = http2(served_http2(vec![origin.address]).await).await;
    let work = (0..80usize).map(|n| {
        let peer = peer.clone();
        tokio::spawn(async move {
            let way = ["direct", "collect", "stream"][n % 3];
            let body = (n % 2 == 0).then(|| pattern(n * 5000));
            let target = format!("/{way}/{n}");
            let expected = match (way, &body) {
                ("direct", _) => target.clone().into_bytes(),
                (_, body) => [target.as_bytes(), b"|", &body.clone().unwrap_or_default()].concat(),
            };
            let method = if body.is_some() { "POST" } else { "GET" };
            let (status, got) = whole(send(&peer, method, &target, body).await).await.unwrap();
            assert_eq!(status, 200, "{target}");
            assert!(got == expected, "{target}: {} for {}", got.len(), expected.len());
        })
    });
    for work in work.collect::<Vec<_>>() {
        work.await.unwrap();
    }
}

#[tokio::test]
async fn a_large_answer_passes_through_the_windows() {
    let answer = pattern(5 << 20);
    let origin = origin(Origin { answer: Some(answer.clone().into()), ..Origin::default() }).await;
    let (peer, _kept) = http2(served_http2(vec![origin.address]).await).await;
    assert!(whole(send(&peer, "GET", "/", None).await).await.unwrap().1 == answer);
    assert_eq!(whole(send(&peer, "HEAD", "/direct", None).await).await.unwrap(), (200, vec![]));
}

#[tokio::test]
async fn an_upstream_that_breaks_off_resets_the_stream() {
    let answers = [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ];
    for answer in answers {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (peer, _kept) = http2(served_http2(vec![listener.local_addr().unwrap()]).await).await;
        let breaking = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            while stream.read_u8().await.unwrap() != b'\n' {}
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        };
        let response = send(&peer, "GET", "/", None).await;
        let (got, ()) = tokio::join!(whole(response), breaking);
        assert_eq!(got.unwrap_err().reason(), Some(h2::Reason::INTERNAL_ERROR), "{answer}");
        // and only the stream
        assert_eq!(whole(send(&peer, "GET", "/direct", None).await).await.unwrap().0, 200);
    }
}

#[tokio::test]
async fn a_stream_that_is_reset_while_the_upstream_thinks_is_a_client_that_left() {
    let origin = origin(Origin { never_answers: true, ..Origin::default() }).await;
    let served = served_http2(vec![origin.address]).await;
    let log = served.log.clone();
    let (peer, _kept) = http2(served).await;
    let response = send(&peer, "GET", "/gone", None).await;
    origin.wait_requests(1).await;
    drop(response);
    let lines = log.lines(1).await;
    assert!(lines[0].starts_with("GET /gone HTTP/2.0 499 "), "{}", lines[0]);
}

#[tokio::test]
async fn a_refused_stream_is_answered() {
    let (peer, _kept) = http2(served_http2(vec![]).await).await;
    assert_eq!(whole(send(&peer, "get", "/", None).await).await.unwrap(), (400, vec![]));
    assert_eq!(whole(send(&peer, "GET", "/direct", None).await).await.unwrap().0, 200);
}
