use bytes::Bytes;
use tokio::time::Instant;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_head_must_be_whole_in_client_header_timeout_however_busily_it_drips() {
    let mut pair = pair(Settings::default());
    let began = Instant::now();
    let drip = async {
        for byte in b"GET / HTTP/1.1\r\nHost: a\r\nX-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaa".iter().cycle() {
            if pair.peer.write_u8(*byte).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let refusal = tokio::select! {
        r = pair.client.read_head(&pair.settings, &pair.shutdown) => r.unwrap_err(),
        () = drip => unreachable!(),
    };
    assert_eq!((refusal.status, refusal.reason), (408, "client timed out"));
    assert!(!refusal.answered);
    assert_eq!(&refusal.line[..], b"GET / HTTP/1.1");
    assert_eq!(began.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_byte_is_closed_silently_after_client_header_timeout() {
    let mut pair = pair(Settings::default());
    let began = Instant::now();
    assert!(pair.head().await.unwrap().is_none());
    assert_eq!(began.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_after_keepalive_timeout_and_a_begun_head_has_its_own_time() {
    let mut pair = pair(Settings::default());
    pair.send(GET).await;
    assert!(pair.head().await.unwrap().is_some());
    let began = Instant::now();
    assert!(pair.head().await.unwrap().is_none());
    assert_eq!(began.elapsed().as_secs(), 75);

    let began = Instant::now();
    let (mut peer, settings, shutdown) = (pair.peer, pair.settings, pair.shutdown);
    let late = async {
        tokio::time::sleep(Duration::from_secs(70)).await;
        peer.write_all(b"GET").await.unwrap();
        std::future::pending::<()>().await
    };
    let refusal = tokio::select! {
        r = pair.client.read_head(&settings, &shutdown) => r.unwrap_err(),
        () = late => unreachable!(),
    };
    assert_eq!(refusal.status, 408);
    assert_eq!(began.elapsed().as_secs(), 130);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_is_silent_before_a_head_and_logged_within_one() {
    let mut gone = pair(Settings::default());
    gone.peer.shutdown().await.unwrap();
    assert!(gone.head().await.unwrap().is_none());

    let mut partial = pair(Settings::default());
    partial.send(b"GET / HT").await;
    partial.peer.shutdown().await.unwrap();
    let refusal = partial.head().await.unwrap_err();
    assert_eq!((refusal.status, refusal.reason), (400, "client prematurely closed connection"));
    assert!(!refusal.answered);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_closes_an_idle_connection_at_once_and_lets_a_begun_head_finish() {
    let mut idle = pair(Settings::default());
    idle.send(GET).await;
    assert!(idle.head().await.unwrap().is_some());
    let began = Instant::now();
    let switch = idle.switch.clone();
    let (head, ()) = tokio::join!(idle.head(), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        switch.send(true).unwrap();
    });
    assert!(head.unwrap().is_none());
    assert_eq!(began.elapsed().as_millis(), 3000);

    let mut begun = pair(Settings::default());
    begun.send(&GET[..5]).await;
    begun.switch.send(true).unwrap();
    let (mut peer, settings, shutdown) = (begun.peer, begun.settings, begun.shutdown);
    let (head, ()) = tokio::join!(begun.client.read_head(&settings, &shutdown), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        peer.write_all(&GET[5..]).await.unwrap();
    });
    assert!(head.unwrap().is_some());
}

/// Accepted a moment before the end: its request is on the way.
#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_a_moment_for_a_first_request() {
    let mut late = pair(Settings::default());
    late.switch.send(true).unwrap();
    let (mut peer, settings, shutdown) = (late.peer, late.settings, late.shutdown);
    let (head, ()) = tokio::join!(late.client.read_head(&settings, &shutdown), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        peer.write_all(GET).await.unwrap();
    });
    assert!(head.unwrap().is_some());

    let mut silent = pair(Settings::default());
    silent.switch.send(true).unwrap();
    let began = Instant::now();
    assert!(silent.head().await.unwrap().is_none());
    assert_eq!(began.elapsed().as_millis(), 900);
}

#[tokio::test(start_paused = true)]
async fn bytes_after_a_head_stay_for_the_next() {
    let mut pair = pair(Settings::default());
    pair.send(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3").await;
    for target in ["/1", "/2"] {
        assert_eq!(pair.head().await.unwrap().unwrap().target, target);
    }
    pair.send(b" HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(pair.head().await.unwrap().unwrap().target, "/3");
    assert_eq!(pair.client.connection().requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn keepalive_is_what_client_settings_and_count_agree_on() {
    let old = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let close = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let without = Settings { keepalive_timeout: Duration::ZERO, ..Settings::default() };
    let once = Settings { keepalive_requests: 1, ..Settings::default() };
    for (bytes, settings, kept) in [
        (GET, Settings::default(), true),
        (b"GET / HTTP/1.0\r\n\r\n", Settings::default(), false),
        (old, Settings::default(), true),
        (close, Settings::default(), false),
        (GET, without, false),
        (GET, once, false),
    ] {
        let mut pair = pair(settings);
        let head = pair.presented(bytes).await;
        let word = if kept { "keep-alive" } else { "close" };
        assert!(head.contains(&format!("Connection: {word}\r\n")), "{head}");
        assert_eq!(pair.client.finish_request().await, kept, "{head}");
    }
    let mut pair = pair(Settings::default());
    pair.presented(GET).await;
    pair.connection().close_after();
    assert!(!pair.client.finish_request().await);
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_that_is_still_sending_gets_its_answer_and_an_orderly_close() {
    let mut pair = pair_with(Settings::default(), 4096);
    pair.send(b"get / HTTP/1.1\r\n").await;
    let refusal = pair.head().await.unwrap_err();
    assert!(refusal.answered);
    let (mut reader, mut writer) = tokio::io::split(pair.peer);
    let refuse = pair.client.refuse(Bytes::from_static(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    let sending = async {
        let sent = writer.write_all(&[b'x'; 100_000]).await;
        writer.shutdown().await.unwrap();
        sent
    };
    let ((), answer, sent) = tokio::join!(refuse, read_to_end(&mut reader), sending);
    assert!(answer.starts_with(b"HTTP/1.1 400"));
    sent.unwrap();
}

#[tokio::test(start_paused = true)]
async fn lingering_ends_in_time_with_a_client_that_never_stops() {
    let mut pair = pair_with(Settings::default(), 4096);
    pair.send(b"get / HTTP/1.1\r\n").await;
    pair.head().await.unwrap_err();
    let began = Instant::now();
    let (mut reader, mut writer) = tokio::io::split(pair.peer);
    let endless = tokio::spawn(async move {
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    pair.client.refuse(Bytes::from_static(b"answer")).await;
    assert_eq!(began.elapsed().as_secs(), 30);
    assert_eq!(read_to_end(&mut reader).await, b"answer");
    endless.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_connection_has_its_serial_and_counts_its_bytes() {
    let (mut one, two) = (pair(Settings::default()), pair(Settings::default()));
    assert_ne!(one.connection().serial(), two.connection().serial());
    one.presented(GET).await;
    one.client.write_all(b"answer").await.unwrap();
    assert_eq!(one.connection().bytes(), (GET.len() as u64, 6));
    assert_eq!(one.connection().take_sent(), 6);
    assert_eq!(one.connection().take_sent(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_freed_with_its_handle() {
    let mut pair = pair(Settings::default());
    pair.presented(GET).await;
    let weak = Arc::downgrade(pair.client.connection());
    assert!(pair.client.finish_request().await);
    drop(pair.client);
    assert!(weak.upgrade().is_none());
    assert_eq!(read_to_end(&mut pair.peer).await, b"");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_holds_no_buffer() {
    let mut pair = pair(Settings::default());
    pair.presented(&[&post(20_000)[..], &[b'x'; 20_000]].concat()).await;
    pair.connection().collect_body(&BodyLimits::default()).await.unwrap();
    assert!(pair.client.finish_request().await);
    let _ = tokio::time::timeout(Duration::from_secs(1), pair.client.read_head(&pair.settings, &pair.shutdown)).await;
    let connection = pair.connection();
    let wire = connection.lock();
    assert_eq!((wire.inbox.capacity(), wire.script.capacity()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_outlives_its_handle_for_that_request_only() {
    let mut pair = pair(Settings::default());
    pair.presented(GET).await;
    let spare = pair.client.spare();
    pair.connection().keep();
    drop(pair.client);
    pair.client = spare.revive().unwrap();
    assert!(pair.client.finish_request().await);

    // kept, but given back by Pingora after all: nothing of that is left for the next request
    pair.presented(GET).await;
    pair.connection().keep();
    assert!(pair.client.finish_request().await);
    pair.presented(GET).await;
    let spare = pair.client.spare();
    drop(pair.client);
    assert!(spare.revive().is_none());
    assert_eq!(read_to_end(&mut pair.peer).await, b"");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_shut_down_is_not_used_again() {
    let mut pair = pair(Settings::default());
    pair.presented(GET).await;
    pair.connection().keep();
    let spare = pair.client.spare();
    AsyncWriteExt::shutdown(&mut pair.client).await.unwrap();
    drop(pair.client);
    assert!(!spare.revive().unwrap().finish_request().await);
}
