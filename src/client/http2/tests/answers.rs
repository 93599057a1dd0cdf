//! How an answer becomes a response.

use super::*;
use proptest::prelude::*;

async fn response_to(
    request: Request<()>,
    text: &[u8],
) -> Result<(Response<()>, Vec<u8>, Option<HeaderMap>), h2::Error> {
    let mut pair = pair(Settings::default()).await;
    let (response, _) = pair.send(request, true).await;
    let mut client = pair.presented().await;
    let (_, got) = tokio::join!(
        async {
            client.write_all(text).await.unwrap();
            drop(client);
        },
        whole(response)
    );
    got
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([
        (http::HeaderName::from_static("grpc-status"), "0".parse().unwrap()),
        (http::HeaderName::from_static("transfer-encoding"), "chunked".parse().unwrap()),
    ])
}

#[tokio::test(start_paused = true)]
async fn a_body_ends_by_length_by_chunks_or_is_none() {
    let head = || Request::head("http://a/").body(()).unwrap();
    type Row = (Request<()>, &'static [u8], u16, &'static [u8]);
    let table: [Row; 7] = [
        (get("/"), OK, 200, b"ok"),
        (get("/"), b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b""),
        (get("/"), b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n10;x=y\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\n", 404, b"abc0123456789abcdef"),
        (get("/"), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, b""),
        (get("/"), b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (get("/"), b"HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n", 304, b""),
        (head(), b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n", 200, b""),
    ];
    for (request, text, status, body) in table {
        let (head, got, trailers) = response_to(request, text).await.unwrap();
        assert_eq!((head.status().as_u16(), &got[..], trailers), (status, body, None), "{}", text.escape_ascii());
    }
}

#[tokio::test(start_paused = true)]
async fn fields_of_the_connection_stay_behind() {
    let text = b"HTTP/1.1 200\r\nConnection: close\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\nX-A:  b \r\n\
        Set-Cookie: a\r\nSet-Cookie: b\r\nProxy-Connection: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let (head, ..) = response_to(get("/"), text).await.unwrap();
    let fields: Vec<_> = head.headers().iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
    assert_eq!(fields, [("x-a", "b"), ("set-cookie", "a"), ("set-cookie", "b")]);
}

#[tokio::test(start_paused = true)]
async fn early_hints_are_passed_and_other_informational_answers_dropped() {
    let text = [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", OK].concat();
    let mut pair = pair(Settings::default()).await;
    let (mut response, _) = pair.send(get("/"), true).await;
    answer(pair.presented().await, &text).await;
    let hint = std::future::poll_fn(|cx| response.poll_informational(cx)).await.unwrap().unwrap();
    assert_eq!((hint.status().as_u16(), hint.headers()["link"].as_bytes()), (103, &b"</a>"[..]));
    assert_eq!(whole(response).await.unwrap().1, b"ok");
}

#[tokio::test(start_paused = true)]
async fn trailers_follow_the_body() {
    for text in [&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"[..], OK] {
        let mut pair = pair(Settings::default()).await;
        let (response, client) = pair.get().await;
        client.connection().set_trailers(trailers());
        answer(client, text).await;
        let (_, body, trailers) = whole(response).await.unwrap();
        assert_eq!((&body[..], trailers.unwrap().len()), (&b"ok"[..], 1));
    }
}

/// gRPC's Trailers-Only: to its clients an end of the stream in a frame of its own is a broken answer.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_all_trailers_ends_with_its_head() {
    let mut pair = pair(Settings::default()).await;
    let (response, mut client) = pair.get().await;
    client.write_all(b"HTTP/1.1 200 OK\r\nGrpc-Status: 12\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    client.flush().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    client.write_all(b"0\r\n\r\n").await.unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "12");
    assert!(response.body().is_end_stream());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_resets_its_stream() {
    let texts: [&[u8]; 9] = [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
        b"HTTP/1.1 200 OK\r\nGrpc-Status: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nok",
    ];
    for text in texts {
        let error = response_to(get("/"), text).await.unwrap_err();
        assert_eq!(error.reason(), Some(h2::Reason::INTERNAL_ERROR), "{}", text.escape_ascii());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_answer_resets_its_stream() {
    let texts: [&[u8]; 5] = [
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno field\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n",
    ];
    for text in texts {
        let mut pair = pair(Settings::default()).await;
        let (response, mut client) = pair.get().await;
        let error = client.write_all(text).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData, "{}", text.escape_ascii());
        drop(client);
        assert_eq!(whole(response).await.unwrap_err().reason(), Some(h2::Reason::INTERNAL_ERROR));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_after_the_end() {
    let mut pair = pair(Settings::default()).await;
    let (response, mut client) = pair.get().await;
    client.write_all(OK).await.unwrap();
    assert!(client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond").await.is_err());
    assert_eq!(whole(response).await.unwrap().1, b"ok");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_body_is_the_same_however_it_was_written(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..12),
        writes in prop::collection::vec(1..2000usize, 1..20).prop_filter("a thousand tiny frames are a flood", |writes| writes.iter().sum::<usize>() > 10 * writes.len()),
    ) {
        let mut text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in &chunks {
            text.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            text.extend_from_slice(chunk);
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"0\r\n\r\n");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let got = runtime.block_on(async {
            let mut pair = pair(Settings::default()).await;
            let (response, mut client) = pair.get().await;
            let write = async {
                let mut rest = &text[..];
                for n in writes.iter().cycle() {
                    if rest.is_empty() {
                        break;
                    }
                    let (now, later) = rest.split_at((*n).min(rest.len()));
                    client.write_all(now).await.unwrap();
                    rest = later;
                }
            };
            // Read along: a client need not keep a thousand small frames that it has not looked at.
            tokio::join!(write, whole(response)).1.unwrap().1
        });
        prop_assert_eq!(got, chunks.concat());
    }
}
