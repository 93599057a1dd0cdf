use proptest::prelude::*;
use tokio::time::Instant;

use super::*;

/// Decodes what Pingora is given: strictly one chunk after the other.
fn dechunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|w| w == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).ok()?, 16).ok()?;
        bytes = &bytes[end + 2..];
        body.extend_from_slice(bytes.get(..size)?);
        bytes = bytes.get(size..)?.strip_prefix(b"\r\n")?;
        if size == 0 {
            return bytes.is_empty().then_some(body);
        }
    }
}

/// Reads a whole body from the handle, as Pingora does.
async fn streamed(client: &mut Client) -> std::io::Result<Vec<u8>> {
    let mut wire = Vec::new();
    loop {
        if client.read_buf(&mut wire).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(body) = dechunk(&wire) {
            return Ok(body);
        }
    }
}

/// Sends a request and takes its body both ways.
async fn taken(request: &[u8], limits: BodyLimits) -> [Result<Vec<u8>, BodyError>; 2] {
    let mut one = pair(Settings::default());
    one.presented(request).await;
    one.connection().stream_body(limits.clone());
    one.peer.shutdown().await.unwrap();
    let streamed = streamed(&mut one.client).await.map_err(|_| one.connection().body_error().unwrap());
    let mut two = pair(Settings::default());
    two.presented(request).await;
    two.peer.shutdown().await.unwrap();
    let collected = two.connection().collect_body(&limits).await.map(|b| b.bytes.to_vec());
    [streamed, collected]
}

fn chunked(body: &[u8]) -> Vec<u8> {
    [CHUNKED, body].concat()
}

#[tokio::test(start_paused = true)]
async fn good_chunks_are_decoded() {
    for (body, expected) in [
        (&b"5\r\nabcde\r\n0\r\n\r\n"[..], &b"abcde"[..]),
        (b"5;x=y\r\nabcde\r\n0;z\r\n\r\n", b"abcde"),
        (b"5 \r\nabcde\r\n0\r\n\r\n", b"abcde"),
        (b"2\r\nab\r\n003\r\ncde\r\n000\r\n\r\n", b"abcde"),
        (b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n", b"01234567890123456789"),
        (b"0\r\n\r\n", b""),
        (b"0000000000000000000000000\r\n\r\n", b""),
    ] {
        for result in taken(&chunked(body), BodyLimits::default()).await {
            assert_eq!(result.as_deref(), Ok(expected), "{}", body.escape_ascii());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn bad_chunks_are_refused() {
    let long_extension = [b"5;", &[b'x'; 5000][..], b"\r\nabcde\r\n0\r\n\r\n"].concat();
    let many_extensions = format!("1;{}\r\na\r\n", "x".repeat(100)).repeat(300).into_bytes();
    let long_trailer = format!("0\r\nX: {}\r\n\r\n", "x".repeat(20_000)).into_bytes();
    let many_trailers = [b"0\r\n", &b"X: y\r\n".repeat(200)[..], b"\r\n"].concat();
    for body in [
        &b"5\nabcde\n0\n\n"[..],
        b"5\r\nabcde\r\n0\n\r\n",
        b" 5\r\nabcde\r\n",
        b"0x5\r\nabcde\r\n",
        b"g\r\n",
        b"\r\n",
        b"-5\r\n",
        b"+5\r\n",
        b"5\r\nabcdef\r\n",
        b"5\r\nabcde0\r\n\r\n",
        b"5\r\nabcde\r0\r\n",
        b"5\rabcde\r\n",
        b"5;\0\r\nabcde\r\n",
        b"5;a\rb\r\nabcde\r\n",
        b"5x\r\nabcde\r\n",
        b"ffffffffffffffff\r\n",
        b"fffffffffffffffff\r\n",
        b"8000000000000000\r\n",
        b"0\r\nA b\r\n\r\n",
        b"0\r\nA\r\n\r\n",
        b"0\r\n A: b\r\n\r\n",
        b"0\r\nA : b\r\n\r\n",
        b"0\r\nA: b\n\r\n",
        b"0\r\nA: \x01\r\n\r\n",
        b"0\r\n\r\r\n\r\n",
        &long_extension,
        &many_extensions,
        &long_trailer,
        &many_trailers,
    ] {
        for result in taken(&chunked(body), BodyLimits::default()).await {
            let error = result.expect_err(&body.escape_ascii().to_string());
            assert!(matches!(error, BodyError::Malformed(_)), "{error:?} {}", body.escape_ascii());
            assert_eq!(error.status(), 400);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_ends_too_soon_is_no_body() {
    for request in [
        chunked(b"5\r\nabc"),
        chunked(b"5\r\nabcde\r\n"),
        chunked(b"5\r\nabcde\r\n0\r\n"),
        [post(5), b"abcd".to_vec()].concat(),
    ] {
        for result in taken(&request, BodyLimits::default()).await {
            assert_eq!(result, Err(BodyError::Closed));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn client_max_body_size_holds_for_said_and_for_counted_lengths() {
    let limits = BodyLimits { max_size: Some(5), ..BodyLimits::default() };
    let six: &[&[u8]] = &[&post(6), b"abcdef"];
    for request in [six.concat(), chunked(b"5\r\nabcde\r\n1\r\nf\r\n0\r\n\r\n"), chunked(b"6\r\nabcdef\r\n0\r\n\r\n")] {
        for result in taken(&request, limits.clone()).await {
            assert_eq!(result, Err(BodyError::TooLarge));
        }
    }
    for result in taken(&chunked(b"5\r\nabcde\r\n0\r\n\r\n"), limits).await {
        assert_eq!(result.unwrap(), b"abcde");
    }
}

#[tokio::test(start_paused = true)]
async fn a_chunk_beyond_client_max_body_size_is_refused_with_its_first_byte() {
    let limits = BodyLimits { max_size: Some(5), ..BodyLimits::default() };
    for (body, error) in [
        (&b"3\r\nabc\r\nffff\r\nd"[..], BodyError::TooLarge),
        (b"6\r\na", BodyError::TooLarge),
        // Nothing of it has come: whether it will is unknown.
        (b"6\r\n", BodyError::Closed),
        (b"5\r\na", BodyError::Closed),
    ] {
        for result in taken(&chunked(body), limits.clone()).await {
            assert_eq!(result, Err(error), "{}", body.escape_ascii());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_collected_body_goes_to_a_file_beyond_its_buffer_and_comes_back_whole() {
    let body: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let request = [post(body.len()), body.clone()].concat();
    let limits = BodyLimits { max_size: None, buffer: 10_000, ..BodyLimits::default() };
    let mut pair = pair(Settings::default());
    let connection = pair.connection();
    let (mut peer, settings, shutdown) = (pair.peer, pair.settings, pair.shutdown);
    let sending = tokio::spawn(async move { peer.write_all(&request).await.map(|()| peer) });
    let head = pair.client.read_head(&settings, &shutdown).await.unwrap().unwrap();
    pair.client.present(Arc::new(head));
    let collected = connection.collect_body(&limits).await.unwrap();
    assert!(collected.bytes == body);
    let _peer = sending.await.unwrap().unwrap();
    // what Pingora reads: the synthetic head, one byte for each piece of the body, and then nothing
    let mut text = vec![0; 4096];
    let n = pair.client.read(&mut text).await.unwrap();
    let pieces = b"1\r\n-\r\n".repeat(body.len().div_ceil(collected.piece()));
    let stand_in = [&b"\r\n\r\n"[..], &pieces, b"0\r\n\r\n"].concat();
    assert!(text[..n].ends_with(&stand_in), "{}", text[..n].escape_ascii());
    assert!(is_silent(&mut pair.client).await);
    assert!(pair.client.finish_request().await);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_stored_is_an_error_of_ours() {
    let mut pair = pair(Settings::default());
    pair.presented(&[post(100), vec![b'x'; 100]].concat()).await;
    let limits =
        BodyLimits { buffer: 10, temp_dir: std::path::Path::new("/nonexistent").into(), ..BodyLimits::default() };
    let error = pair.connection().collect_body(&limits).await.unwrap_err();
    assert_eq!(error, BodyError::Storage(std::io::ErrorKind::NotFound));
    assert_eq!(error.status(), 500);
    assert!(!pair.client.finish_request().await);
}

#[tokio::test(start_paused = true)]
async fn an_empty_collected_body_is_none_for_pingora() {
    let mut pair = pair(Settings::default());
    pair.presented(&chunked(b"0\r\n\r\n")).await;
    let body = pair.connection().collect_body(&BodyLimits::default()).await.unwrap();
    assert!(body.bytes.is_empty());
    assert_eq!(streamed(&mut pair.client).await.unwrap(), b"");
    assert!(pair.client.finish_request().await);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_body_collects_nothing_and_gives_pingora_nothing() {
    let mut pair = pair(Settings::default());
    let head = pair.presented(GET).await;
    assert!(!head.contains("Transfer-Encoding"));
    let body = pair.connection().collect_body(&BodyLimits::default()).await.unwrap();
    assert!(body.bytes.is_empty());
    assert!(is_silent(&mut pair.client).await);
}

#[tokio::test(start_paused = true)]
async fn a_body_is_consumed_once() {
    let mut pair = pair(Settings::default());
    pair.presented(&[&post(5)[..], b"abcde"].concat()).await;
    let connection = pair.connection();
    connection.collect_body(&BodyLimits::default()).await.unwrap();
    assert_eq!(connection.collect_body(&BodyLimits::default()).await.unwrap_err(), BodyError::Consumed);
}

#[tokio::test(start_paused = true)]
async fn trailers_are_kept_but_for_those_that_mean_something() {
    let request = chunked(b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\nHost: b\r\nx-end: \r\n\r\n");
    let mut pair = pair(Settings::default());
    pair.presented(&request).await;
    assert_eq!(streamed(&mut pair.client).await.unwrap(), b"abc");
    let trailers = pair.connection().trailers();
    let names: Vec<_> = trailers.iter().map(|(n, _)| n.clone()).collect();
    assert_eq!(names, ["X-Sum", "x-end"]);
    assert_eq!(trailers.get("x-sum"), Some(&b"1"[..]));
}

#[tokio::test(start_paused = true)]
async fn client_body_timeout_is_between_two_reads() {
    let mut pair = pair(Settings::default());
    pair.presented(&post(100)).await;
    let began = Instant::now();
    let (mut peer, connection) = (pair.peer, pair.client.connection().clone());
    let drip = async {
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_secs(50)).await;
            peer.write_all(b"x").await.unwrap();
        }
        std::future::pending::<()>().await
    };
    tokio::select! {
        r = streamed(&mut pair.client) => assert!(r.is_err()),
        () = drip => unreachable!(),
    }
    assert_eq!(connection.body_error(), Some(BodyError::Timeout));
    assert_eq!(BodyError::Timeout.status(), 408);
    assert_eq!(began.elapsed().as_secs(), 310);
}

#[tokio::test(start_paused = true)]
async fn a_continue_is_sent_when_the_body_is_first_wanted() {
    let request = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n";
    for collect in [false, true] {
        let mut pair = pair(Settings::default());
        let head = pair.presented(request).await;
        assert!(!head.contains("Expect"));
        assert!(is_silent(&mut pair.peer).await);
        let connection = pair.connection();
        let (mut peer, mut client) = (pair.peer, pair.client);
        let body = async {
            match collect {
                true => connection.collect_body(&BodyLimits::default()).await.unwrap().bytes.to_vec(),
                false => streamed(&mut client).await.unwrap(),
            }
        };
        let polite = async {
            let mut answer = [0; 25];
            peer.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
            peer.write_all(b"abcde").await.unwrap();
        };
        let (body, ()) = tokio::join!(body, polite);
        assert_eq!(body, b"abcde");
        assert_eq!(connection.take_sent(), 25);
    }
}

#[tokio::test(start_paused = true)]
async fn a_continue_is_not_sent_for_nothing() {
    for request in [
        &b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nabcde"[..],
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: something\r\nContent-Length: 5\r\n\r\nabcde",
    ] {
        let mut pair = pair(Settings::default());
        pair.presented(request).await;
        assert_eq!(streamed(&mut pair.client).await.unwrap(), b"abcde");
        assert!(is_silent(&mut pair.peer).await);
    }
    let mut large = pair(Settings::default());
    large.presented(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n").await;
    let error = large.connection().collect_body(&BodyLimits::default()).await.unwrap_err();
    assert_eq!(error, BodyError::TooLarge);
    assert!(is_silent(&mut large.peer).await);
}

#[tokio::test(start_paused = true)]
async fn a_discarded_body_is_over_for_pingora_and_read_before_the_next_head() {
    let mut pair = pair(Settings::default());
    pair.presented(&[&post(100_000)[..], b"abc"].concat()).await;
    assert!(pair.connection().discard_body());
    assert_eq!(streamed(&mut pair.client).await.unwrap(), b"");
    let (mut peer, settings, shutdown) = (pair.peer, pair.settings, pair.shutdown);
    let sending = tokio::spawn(async move {
        peer.write_all(&vec![b'x'; 99_997]).await.unwrap();
        peer.write_all(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        peer
    });
    assert!(pair.client.finish_request().await);
    let head = pair.client.read_head(&settings, &shutdown).await.unwrap().unwrap();
    assert_eq!(head.target, "/next");
    drop(sending.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_discarded_body_that_is_slow_long_or_broken_ends_the_connection() {
    let mut slow = pair(Settings::default());
    slow.presented(&post(10)).await;
    slow.connection().discard_body();
    let began = Instant::now();
    assert!(!slow.client.finish_request().await);
    assert_eq!(began.elapsed().as_secs(), 5);

    let mut long = pair(Settings::default());
    long.presented(&post(100 << 20)).await;
    long.connection().discard_body();
    assert!(!long.client.finish_request().await);

    let mut broken = pair(Settings::default());
    broken.presented(&chunked(b"x")).await;
    broken.connection().discard_body();
    assert!(!broken.client.finish_request().await);
}

#[tokio::test(start_paused = true)]
async fn an_unfulfilled_expectation_ends_the_connection_as_nobody_knows_what_follows() {
    let request = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let mut waiting = pair(Settings::default());
    waiting.presented(request).await;
    assert!(!waiting.connection().discard_body());
    assert_eq!(streamed(&mut waiting.client).await.unwrap(), b"");
    assert!(!waiting.client.finish_request().await);

    let mut sending = pair(Settings::default());
    sending.presented(&[&request[..], b"abcde"].concat()).await;
    assert!(sending.connection().discard_body());
    assert!(sending.client.finish_request().await);
}

#[tokio::test(start_paused = true)]
async fn a_body_half_read_by_pingora_is_not_discarded_under_its_hands() {
    let mut pair = pair(Settings::default());
    pair.presented(&[&post(10)[..], b"abc"].concat()).await;
    let mut some = [0; 100];
    assert!(pair.client.read(&mut some).await.unwrap() > 0);
    assert!(!pair.connection().discard_body());
    // nor when it broke: an upstream must not take the beginning for the whole
    pair.peer.shutdown().await.unwrap();
    assert!(pair.client.read(&mut some).await.is_err());
    assert!(!pair.connection().discard_body());
    assert!(pair.client.read(&mut some).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_collection_that_was_given_up_ends_the_connection() {
    let mut pair = pair(Settings::default());
    pair.presented(&post(10)).await;
    let connection = pair.connection();
    let limits = BodyLimits::default();
    let wait = tokio::time::timeout(Duration::from_secs(1), connection.collect_body(&limits));
    assert!(wait.await.is_err());
    assert!(!pair.client.finish_request().await);
}

#[tokio::test(start_paused = true)]
async fn after_a_broken_collection_an_upstream_may_still_make_the_error_page() {
    let mut pair = pair(Settings::default());
    pair.presented(&chunked(b"5\r\nabcde\r\nx")).await;
    let connection = pair.connection();
    assert!(connection.collect_body(&BodyLimits::default()).await.is_err());
    assert!(!connection.discard_body());
    assert_eq!(streamed(&mut pair.client).await.unwrap(), b"");
    assert!(is_silent(&mut pair.client).await);
    pair.peer.shutdown().await.unwrap();
    assert_eq!(pair.client.read(&mut [0]).await.unwrap(), 0);
    assert!(!pair.client.finish_request().await);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_pingora_sees_the_client_leave_but_not_what_it_sends() {
    let mut pair = pair(Settings::default());
    pair.presented(GET).await;
    pair.send(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(is_silent(&mut pair.client).await);
    pair.peer.shutdown().await.unwrap();
    assert_eq!(pair.client.read(&mut [0]).await.unwrap(), 0);
    pair.connection().ignore_abort(true);
    assert!(is_silent(&mut pair.client).await);
    assert!(pair.client.finish_request().await);
    assert_eq!(pair.head().await.unwrap().unwrap().target, "/next");
}

#[tokio::test(start_paused = true)]
async fn reading_ahead_is_bounded() {
    let mut pair = pair_with(Settings::default(), 1 << 20);
    pair.presented(GET).await;
    pair.send(&[b'x'; 200_000]).await;
    assert!(is_silent(&mut pair.client).await);
    assert!(pair.connection().bytes().0 < 64 << 10);
}

#[tokio::test(start_paused = true)]
async fn after_an_upgrade_bytes_pass_as_they_are_those_read_ahead_first() {
    let request = b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    let mut pair = pair(Settings::default());
    pair.presented(request).await;
    pair.send(b"early").await;
    let connection = pair.connection();
    let (mut peer, mut client) = (pair.peer, pair.client);
    // a read that is pending when the protocol changes must look again
    let reading = tokio::spawn(async move {
        let mut early = [0; 5];
        client.read_exact(&mut early).await.map(|_| (early, client))
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    connection.upgrade();
    let read = tokio::time::timeout(Duration::from_secs(1), reading).await;
    let (early, mut client) = read.unwrap().unwrap().unwrap();
    assert_eq!(&early, b"early");
    peer.write_all(b"later\r\n0\r\n\r\n").await.unwrap();
    let mut later = [0; 12];
    client.read_exact(&mut later).await.unwrap();
    assert_eq!(&later, b"later\r\n0\r\n\r\n");
    client.write_all(b"down").await.unwrap();
    client.flush().await.unwrap();
    let mut down = [0; 4];
    peer.read_exact(&mut down).await.unwrap();
    assert_eq!(&down, b"down");
    peer.shutdown().await.unwrap();
    assert_eq!(client.read(&mut later).await.unwrap(), 0);
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn however_a_chunked_body_is_cut_and_sent_it_comes_out_the_same(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..400), 0..12),
        pieces in prop::collection::vec(1usize..300, 1..40),
        collect in any::<bool>(),
        buffer in 0usize..3000,
    ) {
        let mut request = CHUNKED.to_vec();
        for chunk in &chunks {
            request.extend_from_slice(format!("{:x};e=1\r\n", chunk.len()).as_bytes());
            request.extend_from_slice(chunk);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"0\r\nA: b\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n");
        let body = run(async move {
            let mut pair = pair(Settings::default());
            let (mut peer, settings, shutdown) = (pair.peer, pair.settings, pair.shutdown);
            let sending = tokio::spawn(async move {
                let mut rest = &request[..];
                for size in pieces.iter().cycle() {
                    let n = rest.len().min(*size);
                    peer.write_all(&rest[..n]).await.unwrap();
                    tokio::task::yield_now().await;
                    rest = &rest[n..];
                    if rest.is_empty() {
                        break;
                    }
                }
                peer
            });
            let head = pair.client.read_head(&settings, &shutdown).await.unwrap().unwrap();
            pair.client.present(Arc::new(head));
            let body = if collect {
                let limits = BodyLimits { buffer, ..BodyLimits::default() };
                pair.client.connection().clone().collect_body(&limits).await.unwrap().bytes.to_vec()
            } else {
                let mut text = Vec::new();
                while !text.ends_with(b"\r\n\r\n") {
                    text.push(pair.client.read_u8().await.unwrap());
                }
                streamed(&mut pair.client).await.unwrap()
            };
            assert!(pair.client.finish_request().await);
            let next = pair.client.read_head(&settings, &shutdown).await.unwrap().unwrap();
            assert_eq!(next.target, "/next");
            drop(sending.await.unwrap());
            body
        });
        prop_assert_eq!(body, chunks.concat());
    }

    #[test]
    fn random_bytes_as_a_body_never_panic_and_never_hang(bytes in prop::collection::vec(any::<u8>(), 0..400), collect in any::<bool>()) {
        run(async move {
            let [one, two] = taken(&chunked(&bytes), BodyLimits::default()).await;
            assert_eq!(one.is_ok(), two.is_ok(), "{collect}");
        });
    }
}
