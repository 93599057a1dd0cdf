//! Time limits, floods, and the end of a connection.

use super::*;

const NO_ERROR: u32 = 0;
const PROTOCOL_ERROR: u32 = 1;
const CALM: u32 = 11;

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_ends_after_client_header_timeout() {
    let (mut peer, ours) = tokio::io::duplex(1000);
    let served = serve_on(ours, Settings { header_timeout: Duration::from_secs(7), ..Settings::default() });
    let began = Instant::now();
    peer.write_all(&PREFACE[..10]).await.unwrap();
    peer.read_to_end(&mut Vec::new()).await.unwrap_or_default();
    drop(peer);
    served.done.await.unwrap();
    assert!((7..13).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());

    let mut raw = raw(Settings { header_timeout: Duration::from_secs(7), ..Settings::default() }).await;
    let began = Instant::now();
    assert_eq!(goaway(&mut raw.peer).await, Some(NO_ERROR));
    assert_eq!(began.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn something_else_than_a_preface_ends_the_connection() {
    let (mut peer, ours) = tokio::io::duplex(1000);
    let served = serve_on(ours, Settings::default());
    peer.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    drop(peer);
    served.done.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_after_keepalive_timeout() {
    let mut pair = pair(Settings::default()).await;
    let (response, client) = pair.get().await;
    tokio::time::sleep(Duration::from_secs(500)).await;
    answer(client, OK).await;
    whole(response).await.unwrap();
    assert_eq!(pair.ended().await, (None, 75));
}

#[tokio::test(start_paused = true)]
async fn without_a_keepalive_timeout_a_connection_ends_with_its_last_stream() {
    let mut pair = pair(Settings { idle_timeout: Duration::ZERO, ..Settings::default() }).await;
    let (one, first) = pair.get().await;
    let (two, second) = pair.get().await;
    answer(first, OK).await;
    whole(one).await.unwrap();
    answer(second, OK).await;
    assert_eq!(whole(two).await.unwrap().1, b"ok");
    assert_eq!(pair.ended().await, (None, 0));
}

#[tokio::test(start_paused = true)]
async fn after_keepalive_requests_the_client_is_sent_elsewhere() {
    let mut pair = pair(Settings { keepalive_requests: 3, ..Settings::default() }).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(pair.get().await);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(pair.peer.clone().ready().await.is_err());
    for (response, client) in all {
        answer(client, OK).await;
        assert_eq!(whole(response).await.unwrap().1, b"ok");
    }
    assert_eq!(pair.ended().await, (None, 0));
}

#[tokio::test(start_paused = true)]
async fn when_the_server_stops_what_runs_is_finished() {
    let mut pair = pair(Settings::default()).await;
    let (response, client) = pair.get().await;
    pair.served.switch.send(true).unwrap();
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(pair.peer.clone().ready().await.is_err());
    answer(client, OK).await;
    assert_eq!(whole(response).await.unwrap().1, b"ok");
    assert_eq!(pair.ended().await, (None, 0));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_when_the_server_stops() {
    let pair = pair(Settings::default()).await;
    pair.served.switch.send(true).unwrap();
    assert_eq!(pair.ended().await, (None, 0));
}

#[tokio::test(start_paused = true)]
async fn when_the_listener_is_gone_the_next_request_is_the_last() {
    let mut pair = pair(Settings::default()).await;
    pair.served.gone.store(true, Ordering::Relaxed);
    let (response, client) = pair.get().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(pair.peer.clone().ready().await.is_err());
    answer(client, OK).await;
    assert_eq!(whole(response).await.unwrap().1, b"ok");
    assert_eq!(pair.ended().await, (None, 0));
}

/// It acknowledges nothing and goes on as if nothing had been said.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_hear_the_farewell_is_left() {
    let mut raw = raw(Settings::default()).await;
    raw.served.switch.send(true).unwrap();
    let began = Instant::now();
    assert_eq!(goaway(&mut raw.peer).await, Some(NO_ERROR));
    assert_eq!(goaway(&mut raw.peer).await, Some(NO_ERROR));
    assert_eq!(began.elapsed().as_secs(), 5);
    raw.served.done.await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 10);
}

/// Rapid reset (CVE-2023-44487).
#[tokio::test(start_paused = true)]
async fn streams_that_are_reset_at_once_are_a_flood() {
    let mut raw = raw(Settings::default()).await;
    let mut streams = std::mem::replace(&mut raw.served.streams, mpsc::unbounded_channel().1);
    tokio::spawn(async move { while streams.recv().await.is_some() {} });
    let reason = raw.flood(|n| {
        let stream = 2 * n + 1;
        let request = frame(HEADERS, END_STREAM | END_HEADERS, stream, GET);
        [request, frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    });
    assert_eq!(reason.await, Some(CALM));
}

/// The same, but each stream is seen before it is reset.
#[tokio::test(start_paused = true)]
async fn streams_that_are_given_up_again_and_again_are_a_flood() {
    let mut pair = pair(Settings::default()).await;
    for n in 0.. {
        let Ok(mut peer) = pair.peer.clone().ready().await else {
            assert!((100..110).contains(&n), "{n}");
            break;
        };
        let Ok((response, _)) = peer.send_request(get("/"), true) else { continue };
        let Some(client) = pair.served.streams.recv().await else { continue };
        drop(response);
        let (mut reader, _writer) = tokio::io::split(client);
        reader.read_to_end(&mut Vec::new()).await.unwrap();
    }
    assert_eq!(pair.ended().await.0, Some(h2::Reason::ENHANCE_YOUR_CALM));
}

/// MadeYouReset (CVE-2025-8671): the client makes the server reset its streams.
#[tokio::test(start_paused = true)]
async fn streams_that_the_client_has_reset_for_it_are_a_flood() {
    let mut raw = raw(Settings::default()).await;
    let mut streams = std::mem::replace(&mut raw.served.streams, mpsc::unbounded_channel().1);
    tokio::spawn(async move { while streams.recv().await.is_some() {} });
    let reason = raw.flood(|n| {
        let stream = 2 * n + 1;
        let request = frame(HEADERS, END_STREAM | END_HEADERS, stream, GET);
        [request, frame(WINDOW_UPDATE, 0, stream, &[0, 0, 0, 0])].concat()
    });
    assert!(matches!(reason.await, Some(CALM | PROTOCOL_ERROR)));
}

#[tokio::test(start_paused = true)]
async fn a_head_without_an_end_is_a_flood() {
    let raw = raw(Settings::default()).await;
    let reason = raw.flood(|n| match n {
        0 => frame(HEADERS, END_STREAM, 1, GET),
        _ => frame(CONTINUATION, 0, 1, &[]),
    });
    assert_eq!(reason.await, Some(CALM));
}

#[tokio::test(start_paused = true)]
async fn pings_and_settings_without_an_end_are_a_flood() {
    for what in [frame(PING, 0, 0, &[0; 8]), frame(4, 0, 0, &[0, 3, 0, 0, 0, 9])] {
        let raw = raw(Settings::default()).await;
        let many = what.repeat(3000);
        assert_eq!(raw.flood(move |_| many.clone()).await, Some(CALM));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_left() {
    let mut raw = raw(Settings::default()).await;
    let began = Instant::now();
    raw.peer.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 1, GET)).await.unwrap();
    raw.peer.write_all(&frame(WINDOW_UPDATE, 0, 0, &[0, 16, 0, 0])).await.unwrap();
    raw.peer.write_all(&frame(WINDOW_UPDATE, 0, 1, &[0, 16, 0, 0])).await.unwrap();
    let mut client = raw.served.streams.recv().await.unwrap();
    let head = read_head(&mut client).await.unwrap().unwrap();
    client.present(Arc::new(head));
    client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n").await.unwrap();
    client.write_all(&[b'x'; 900_000]).await.unwrap();
    drop(client);
    raw.served.done.await.unwrap();
    assert!((60..200).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

/// What the client has reset still runs; it may not run without bound.
#[tokio::test(start_paused = true)]
async fn more_streams_than_twice_the_limit_are_refused() {
    let mut pair = pair(Settings { max_concurrent_streams: 2, ..Settings::default() }).await;
    let mut running = Vec::new();
    for _ in 0..4 {
        let (response, client) = pair.get().await;
        drop(response);
        tokio::time::sleep(Duration::from_secs(1)).await;
        running.push(client);
    }
    let (response, _) = pair.send(get("/"), true).await;
    assert_eq!(whole(response).await.unwrap_err().reason(), Some(h2::Reason::REFUSED_STREAM));
    running.clear();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (response, client) = pair.get().await;
    answer(client, OK).await;
    assert_eq!(whole(response).await.unwrap().1, b"ok");
}
