//! Windows, resets, and who notices them.

use super::*;
use crate::client::{BodyError, BodyLimits, Buffering};

fn length(bytes: usize) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n").into_bytes()
}

/// Whether a future stays pending for as long as time may pass.
async fn is_stuck<T>(work: impl Future<Output = T>) -> bool {
    tokio::time::timeout(Duration::from_secs(30), work).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn an_answer_goes_no_further_than_the_window() {
    let mut pair = pair(Settings::default()).await;
    let (response, mut client) = pair.get().await;
    client.connection().set_buffering(Buffering::default().off());
    client.write_all(&length(200_000)).await.unwrap();
    let body = vec![b'x'; 200_000];
    let mut written = 0;
    let writing = async {
        while written < body.len() {
            written += client.write(&body[written..]).await.unwrap();
        }
    };
    assert!(is_stuck(writing).await);
    assert_eq!(written, 65_535, "the initial window");
    let (_, got) = tokio::join!(client.write_all(&body[written..]), whole(response));
    assert_eq!(got.unwrap().1.len(), 200_000);
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_has_its_answer_buffered() {
    let mut pair = pair(Settings::default()).await;
    let (response, mut client) = pair.get().await;
    client.write_all(&length(900_000)).await.unwrap();
    client.write_all(&vec![b'x'; 900_000]).await.unwrap();
    drop(client);
    assert_eq!(whole(response).await.unwrap().1.len(), 900_000);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_opens_no_window_is_given_up_after_send_timeout() {
    let mut pair = pair(Settings::default()).await;
    let (response, mut client) = pair.get().await;
    client.write_all(&length(200_000)).await.unwrap();
    client.write_all(&[b'x'; 200_000]).await.unwrap();
    let connection = client.connection().clone();
    let began = Instant::now();
    assert!(connection.drained().await.is_err());
    assert_eq!(began.elapsed().as_secs(), 60);
    drop(client);
    let error = whole(response).await.unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::INTERNAL_ERROR));
}

#[tokio::test(start_paused = true)]
async fn a_body_goes_no_further_than_it_is_read() {
    let mut pair = pair(Settings { initial_window: 40_000, ..Settings::default() }).await;
    // the client learns of the window with the first answer
    let (response, client) = pair.get().await;
    answer(client, OK).await;
    whole(response).await.unwrap();

    let (_response, mut body) = pair.send(post("/"), false).await;
    let mut client = pair.presented().await;
    let mut sent = 0;
    let mut send = async |body: &mut SendStream<Bytes>| {
        while sent < 300_000 {
            body.reserve_capacity(10_000);
            let room = std::future::poll_fn(|cx| body.poll_capacity(cx)).await.unwrap().unwrap();
            body.send_data(vec![b'x'; room].into(), false).unwrap();
            sent += room;
        }
        body.send_data(Bytes::new(), true).unwrap();
        sent
    };
    assert!(is_stuck(send(&mut body)).await);
    let limits = BodyLimits { max_size: None, ..BodyLimits::default() };
    let connection = client.connection().clone();
    let (sent, read) = tokio::join!(send(&mut body), connection.collect_body(&limits));
    assert_eq!(read.unwrap().bytes.len(), sent);
    client.write_all(OK).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reset_reads_as_a_client_that_left() {
    let mut pair = pair(Settings::default()).await;
    let (response, mut client) = pair.get().await;
    // Pingora reads its head, then waits for its client to leave
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(client.read_u8().await.unwrap());
    }
    let mut byte = [0];
    assert!(is_stuck(client.read(&mut byte)).await);
    drop(response);
    assert_eq!(client.read(&mut byte).await.unwrap(), 0);
    assert!(client.write_all(OK).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_reset_in_a_body_breaks_it() {
    let mut pair = pair(Settings::default()).await;
    let (_response, mut body) = pair.send(post("/"), false).await;
    let client = pair.presented().await;
    body.send_data("half".into(), false).unwrap();
    let connection = client.connection().clone();
    let collecting = tokio::spawn(async move { connection.collect_body(&BodyLimits::default()).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    body.send_reset(h2::Reason::CANCEL);
    assert_eq!(collecting.await.unwrap().unwrap_err(), BodyError::GivenUp);
}

/// Reader and writer are different tasks, and each must be woken.
#[tokio::test(start_paused = true)]
async fn a_reset_is_noticed_by_whoever_reads_and_whoever_writes() {
    let mut pair = pair(Settings::default()).await;
    let (response, client) = pair.get().await;
    client.connection().set_buffering(Buffering::default().off());
    let (mut reader, mut writer) = tokio::io::split(client);
    let writing = tokio::spawn(async move {
        writer.write_all(&length(200_000)).await?;
        writer.write_all(&[b'x'; 200_000]).await
    });
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    drop(response);
    let began = Instant::now();
    reading.await.unwrap().unwrap();
    writing.await.unwrap().unwrap_err();
    assert_eq!(began.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_its_connection_leaves_all_its_streams() {
    let mut pair = pair(Settings::default()).await;
    let (_one, first) = pair.get().await;
    let (_two, second) = pair.get().await;
    pair.end.abort();
    for client in [first, second] {
        let (mut reader, _writer) = tokio::io::split(client);
        reader.read_to_end(&mut Vec::new()).await.unwrap();
    }
    pair.served.done.await.unwrap();
}

/// RFC 9113 8.1: what is left of a request after the whole answer is declined, and is no error.
#[tokio::test(start_paused = true)]
async fn the_rest_of_a_body_is_declined_after_the_answer() {
    let mut pair = pair(Settings::default()).await;
    let (response, mut body) = pair.send(post("/"), false).await;
    body.send_data("begun".into(), false).unwrap();
    answer(pair.presented().await, OK).await;
    assert_eq!(whole(response).await.unwrap().1, b"ok");
    let reason = std::future::poll_fn(|cx| body.poll_reset(cx)).await.unwrap();
    assert_eq!(reason, h2::Reason::NO_ERROR);
}

#[tokio::test(start_paused = true)]
async fn streams_are_answered_in_any_order() {
    let mut pair = pair(Settings::default()).await;
    let mut all = Vec::new();
    for _ in 0..100 {
        all.push(pair.get().await);
    }
    for (response, client) in all.into_iter().rev() {
        answer(client, OK).await;
        assert_eq!(whole(response).await.unwrap().1, b"ok");
    }
}

#[tokio::test]
async fn a_preface_is_told_from_a_request_and_stays_to_be_read() {
    let table: [(&[u8], bool); 5] = [
        (&[&PREFACE[..], b"more"].concat(), true),
        (b"GET / HTTP/1.1\r\n\r\n", false),
        (b"PRI * HTTP/1.1\r\n\r\n", false),
        (b"PR", false),
        (b"", false),
    ];
    for (bytes, expected) in table {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut stream = l4::stream::Stream::from(listener.accept().await.unwrap().0);
        let (spoken, ()) = tokio::join!(is_spoken(&mut stream), async {
            for byte in bytes {
                peer.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            peer.shutdown().await.unwrap();
        });
        assert_eq!(spoken.unwrap(), expected, "{}", bytes.escape_ascii());
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, bytes);
    }
    assert_eq!(preface_begins(b""), Preface::Maybe);
    assert_eq!(preface_begins(&PREFACE[..23]), Preface::Maybe);
    assert_eq!(preface_begins(&PREFACE[..]), Preface::Yes);
    assert_eq!(preface_begins(b"PX"), Preface::No);
}
