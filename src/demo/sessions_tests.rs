//! Ids, and the race that MSM loses updates in, brought about by a store that answers when it is told to.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::Barrier;

use super::*;

#[test]
fn ids_are_read_as_msm_reads_them() {
    for (text, base, node, route) in [
        ("A", "A", None, None),
        ("A.t1", "A", None, Some("t1")),
        ("A-n1", "A", Some("n1"), None),
        ("A-n1.t1", "A", Some("n1"), Some("t1")),
        ("a-n1-n2.t2", "a", Some("n1-n2"), Some("t2")),
        ("x.t1-n1", "x", None, Some("t1-n1")),
        ("a-n1.t2.t3", "a", Some("n1"), Some("t2.t3")),
    ] {
        assert_eq!(Id::parse(text), Some(Id { base, node, route }), "{text}");
    }
    for text in ["", ".t1", "-n1.t1", "a b", "a\r\nb", "a\0", "ä", &"a".repeat(201)] {
        assert_eq!(Id::parse(text), None, "{text}");
    }
}

/// A store that holds back answers to `get` until as many came as the barrier waits for.
async fn holding_store(gets: usize, value: Vec<u8>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let barrier = Arc::new(Barrier::new(gets));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (barrier, value) = (barrier.clone(), value.clone());
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
                    let reply = match line.split(' ').next() {
                        Some("get") => {
                            barrier.wait().await;
                            let head = format!("VALUE x 0 {}\r\n", value.len());
                            [head.as_bytes(), &value, b"\r\nEND\r\n"].concat()
                        }
                        Some("delete") => b"DELETED\r\n".to_vec(),
                        Some("set") => {
                            let length: usize = line.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
                            let mut data = vec![0; length + 2];
                            tokio::io::AsyncReadExt::read_exact(&mut stream, &mut data).await.unwrap();
                            b"STORED\r\n".to_vec()
                        }
                        _ => b"ERROR\r\n".to_vec(),
                    };
                    stream.write_all(&reply).await.unwrap();
                    line.clear();
                }
            });
        }
    });
    address
}

fn blob(counter: u32) -> Vec<u8> {
    let now = millis();
    let id = "A-n1.t1".to_string();
    let times = (now, now, now, now);
    let (created, last_accessed, accessed, saved) = times;
    Blob { id, created, last_accessed, accessed, saved, max_inactive: 1800, is_new: false, counter }.encode()
}

async fn count(sessions: &Sessions, id: &str) -> u32 {
    let mut visit = sessions.enter(&[id], false).await;
    let (counter, _) = sessions.open(&mut visit).await.count();
    sessions.leave(&visit).await;
    counter
}

#[tokio::test]
async fn several_first_requests_at_once_each_count_on_a_copy_of_their_own() {
    let store = holding_store(3, blob(10)).await;
    let sessions = Sessions::new("t2".to_string(), Client::new(store));
    let old = "A-n1.t1";
    let counts = tokio::join!(count(&sessions, old), count(&sessions, old), count(&sessions, old));
    assert_eq!(counts, (11, 11, 11));
    let visit = sessions.enter(&["A-n1.t2"], false).await;
    assert_eq!(visit.session.unwrap().read().0.counter, 11, "two acknowledged updates are lost");
}

#[tokio::test]
async fn a_first_request_alone_loses_nothing() {
    let store = holding_store(1, blob(10)).await;
    let sessions = Sessions::new("t2".to_string(), Client::new(store));
    assert_eq!(count(&sessions, "A-n1.t1").await, 11);
    let new = "A-n1.t2";
    let counts = tokio::join!(count(&sessions, new), count(&sessions, new), count(&sessions, new));
    assert_eq!(counts, (12, 13, 14));
}

#[tokio::test]
async fn memory_for_sessions_is_bounded() {
    let sessions = Sessions::new("t1".to_string(), Client::new("127.0.0.1:1".parse().unwrap()));
    for _ in 0..SESSIONS + 5 {
        let mut visit = sessions.enter(&[], false).await;
        sessions.open(&mut visit).await;
    }
    assert_eq!(lock(&sessions.local).len(), SESSIONS);
}
