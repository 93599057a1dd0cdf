use std::io::{ErrorKind, IoSlice};

use tokio::time::Instant;

use super::*;

/// A pair whose network holds 1000 bytes, and a request that was read.
async fn slow(buffering: Buffering) -> Pair {
    let settings = Settings { buffering, ..Settings::default() };
    let mut pair = pair_with(settings, 1000);
    pair.presented(GET).await;
    pair
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8).collect()
}

async fn is_stuck(client: &mut Client, bytes: &[u8]) -> bool {
    tokio::time::timeout(Duration::from_secs(1), client.write_all(bytes)).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_does_not_hold_the_writer_and_gets_every_byte_in_order() {
    let mut pair = slow(Buffering::default()).await;
    let answer = pattern(3_000_000);
    // nobody reads, and all is taken: 64 KiB in memory, the rest in a file
    for part in answer.chunks(70_000) {
        pair.client.write_all(part).await.unwrap();
    }
    pair.client.flush().await.unwrap();
    let connection = pair.connection();
    assert_eq!(connection.queued(), 3_000_000 - 1000);
    assert_eq!(connection.bytes().1, 1000);
    let mut got = vec![0; answer.len()];
    let (read, drained) = tokio::join!(pair.peer.read_exact(&mut got), connection.drained());
    read.unwrap();
    drained.unwrap();
    assert!(got == answer);
    assert_eq!(connection.take_sent(), 3_000_000);
    assert_eq!(connection.queued(), 0);
}

#[tokio::test(start_paused = true)]
async fn bytes_written_while_the_file_drains_come_after_it() {
    // the file is a ring: an answer longer than it goes round
    let buffering = Buffering { memory: 5000, max_temp_file_size: 100_003, ..Buffering::default() };
    let pair = slow(buffering).await;
    let answer = pattern(2_000_000);
    let (mut peer, mut client) = (pair.peer, pair.client);
    let reading = tokio::spawn(async move {
        let mut got = Vec::new();
        let mut part = [0; 777];
        while got.len() < 2_000_000 {
            let n = peer.read(&mut part).await.unwrap();
            got.extend_from_slice(&part[..n]);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        (got, peer)
    });
    for part in answer.chunks(3001) {
        client.write_all(part).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (got, _peer) = reading.await.unwrap();
    assert!(got == answer);
}

#[tokio::test(start_paused = true)]
async fn a_continue_for_the_next_request_waits_behind_a_spilled_answer() {
    let mut pair = slow(Buffering { memory: 1000, ..Buffering::default() }).await;
    let answer = pattern(100_000);
    pair.client.write_all(&answer).await.unwrap();
    assert!(pair.client.finish_request().await);
    pair.presented(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await;
    let connection = pair.connection();
    let collecting = tokio::spawn(async move { connection.collect_body(&BodyLimits::default()).await });
    let mut got = vec![0; answer.len() + 25];
    pair.peer.read_exact(&mut got).await.unwrap();
    assert!(got[..answer.len()] == answer[..]);
    assert_eq!(&got[answer.len()..], b"HTTP/1.1 100 Continue\r\n\r\n");
    pair.send(b"abcde").await;
    assert_eq!(collecting.await.unwrap().unwrap().bytes, "abcde");
}

#[tokio::test(start_paused = true)]
async fn beyond_memory_and_file_the_writer_waits() {
    let buffering = Buffering { memory: 5000, max_temp_file_size: 7000, ..Buffering::default() };
    let mut pair = slow(buffering).await;
    pair.client.write_all(&[b'x'; 13_000]).await.unwrap();
    assert!(is_stuck(&mut pair.client, b"y").await);
    pair.peer.read_exact(&mut [0; 1000]).await.unwrap();
    // memory has room again, but the file's bytes come first
    assert!(is_stuck(&mut pair.client, b"y").await);
    assert_eq!(pair.connection().queued(), 11_000);
    let mut rest = vec![0; 12_001];
    let (written, read) = tokio::join!(pair.client.write_all(b"y"), pair.peer.read_exact(&mut rest));
    written.unwrap();
    read.unwrap();
    assert_eq!(rest.last(), Some(&b'y'));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_writer_goes_on_as_soon_as_there_is_room() {
    let buffering = Buffering { memory: 5000, max_temp_file_size: 0, ..Buffering::default() };
    let mut pair = slow(buffering).await;
    pair.client.write_all(&[b'x'; 6000]).await.unwrap();
    let connection = pair.connection();
    let (mut peer, mut client) = (pair.peer, pair.client);
    let writing = tokio::spawn(async move { client.write_all(b"y").await.map(|()| client) });
    tokio::time::sleep(Duration::from_secs(1)).await;
    peer.read_exact(&mut [0; 2000]).await.unwrap();
    let _client = tokio::time::timeout(Duration::from_secs(1), writing).await.unwrap().unwrap().unwrap();
    assert!(connection.queued() > 3000);
}

#[tokio::test(start_paused = true)]
async fn without_a_place_for_files_memory_alone_is_used() {
    let temp_dir = std::path::Path::new("/nonexistent").into();
    let mut pair = slow(Buffering { memory: 5000, temp_dir, ..Buffering::default() }).await;
    pair.client.write_all(&[b'x'; 6000]).await.unwrap();
    assert!(is_stuck(&mut pair.client, b"y").await);
    let mut got = vec![0; 6001];
    let (written, read) = tokio::join!(pair.client.write_all(b"y"), pair.peer.read_exact(&mut got));
    written.unwrap();
    read.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_buffering_the_writer_waits_and_at_most_send_timeout() {
    let mut pair = slow(Buffering::default().off()).await;
    pair.client.write_all(&[b'x'; 1000]).await.unwrap();
    assert!(is_stuck(&mut pair.client, b"y").await);
    let mut got = vec![0; 1001];
    let (written, read) = tokio::join!(pair.client.write_all(b"y"), pair.peer.read_exact(&mut got));
    written.unwrap();
    read.unwrap();
    assert_eq!(pair.connection().queued(), 0);

    let began = Instant::now();
    let error = pair.client.write_all(&[b'x'; 2000]).await.unwrap_err();
    assert_eq!((error.kind(), began.elapsed().as_secs()), (ErrorKind::TimedOut, 60));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_for_send_timeout_is_given_up() {
    let mut pair = slow(Buffering::default()).await;
    pair.client.write_all(&[b'x'; 200_000]).await.unwrap();
    let began = Instant::now();
    // each byte it takes gives it more time
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(50)).await;
        pair.peer.read_exact(&mut [0; 10]).await.unwrap();
    }
    let connection = pair.connection();
    assert_eq!(connection.drained().await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(began.elapsed().as_secs(), 210);
    assert_eq!(connection.queued(), 0);
    assert_eq!(pair.client.write_all(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert!(!pair.client.finish_request().await);
}

/// Otherwise whoever reads nothing would hold a connection for as long as one that is idle.
#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_not_waited_for_to_ask_again() {
    let mut pair = slow(Buffering::default()).await;
    pair.client.write_all(&[b'x'; 200_000]).await.unwrap();
    assert!(pair.client.finish_request().await);
    let began = Instant::now();
    assert!(pair.head().await.unwrap().is_none());
    assert_eq!(began.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_left_fails_the_next_write() {
    let mut pair = slow(Buffering::default()).await;
    pair.client.write_all(&[b'x'; 5000]).await.unwrap();
    let connection = pair.connection();
    drop(pair.peer);
    assert_eq!(connection.drained().await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(pair.client.write_all(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    // what was queued is no longer counted
    assert_eq!(connection.queued(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_handle_sends_its_queue_first() {
    let mut pair = slow(Buffering::default()).await;
    let answer = pattern(300_000);
    pair.client.write_all(&answer).await.unwrap();
    drop(pair.client);
    assert!(read_to_end(&mut pair.peer).await == answer);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_handle_gives_up_a_client_that_takes_nothing() {
    let mut pair = slow(Buffering::default()).await;
    pair.client.write_all(&pattern(300_000)).await.unwrap();
    let connection = pair.connection();
    drop(pair.client);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(connection.queued(), 0);
    assert_eq!(read_to_end(&mut pair.peer).await.len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_handle_listens_to_a_client_that_is_still_sending() {
    let mut pair = slow(Buffering::default()).await;
    assert!(pair.client.finish_request().await);
    pair.presented(&post(50_000)).await;
    pair.client.write_all(b"no").await.unwrap();
    drop(pair.client);
    pair.peer.write_all(&[b'x'; 50_000]).await.unwrap();
    pair.peer.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut pair.peer).await, b"no");
}

#[tokio::test(start_paused = true)]
async fn shutting_down_waits_for_the_queue() {
    let mut pair = slow(Buffering::default()).await;
    let answer = pattern(50_000);
    pair.client.write_all(&answer).await.unwrap();
    let (shut, got) = tokio::join!(pair.client.shutdown(), read_to_end(&mut pair.peer));
    shut.unwrap();
    assert!(got == answer);
}

#[tokio::test(start_paused = true)]
async fn slices_are_written_in_order_through_socket_memory_and_file() {
    let buffering = Buffering { memory: 5000, ..Buffering::default() };
    let mut pair = slow(buffering).await;
    let answer = pattern(60_000);
    let mut slices: Vec<_> = answer.chunks(900).map(IoSlice::new).collect();
    let mut rest = &mut slices[..];
    while !rest.is_empty() {
        let n = pair.client.write_vectored(rest).await.unwrap();
        IoSlice::advance_slices(&mut rest, n);
    }
    let mut got = vec![0; answer.len()];
    pair.peer.read_exact(&mut got).await.unwrap();
    assert!(got == answer);
}

/// Many clients of every speed at once, on threads: nobody's bytes are lost, mixed up or left behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_clients_of_every_speed_get_their_own_bytes() {
    let work = (0..60usize).map(|n| {
        tokio::spawn(async move {
            let buffering = Buffering {
                memory: [0, 3000, 64 << 10][n % 3],
                max_temp_file_size: [0, 20_000, 1 << 30][n / 3 % 3],
                ..Buffering::default()
            };
            let settings = Settings { buffering, ..Settings::default() };
            let mut pair = pair_with(settings, 500 + 300 * n);
            pair.presented(GET).await;
            let answer: Vec<u8> = (0..100_000).map(|i| ((i * (n + 1)) % 253) as u8).collect();
            let (mut peer, mut client, expected) = (pair.peer, pair.client, answer.clone());
            let reading = tokio::spawn(async move {
                let mut got = Vec::new();
                let mut part = vec![0; 50 + 97 * n];
                loop {
                    match peer.read(&mut part).await.unwrap() {
                        0 => return got,
                        read => got.extend_from_slice(&part[..read]),
                    }
                    if got.len() % 11 == 0 {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
            });
            for part in answer.chunks(50 + 1009 * n) {
                client.write_all(part).await.unwrap();
                client.flush().await.unwrap();
            }
            match n % 2 {
                0 => drop(client),
                _ => client.close().await,
            }
            assert!(reading.await.unwrap() == expected, "{n}");
        })
    });
    for work in work.collect::<Vec<_>>() {
        work.await.unwrap();
    }
}
