//! The race that MSM loses updates in, brought about by a store that answers when it is told to.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::Barrier;

use super::*;

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
                        Some("get") if line.contains("ping") => b"END\r\n".to_vec(),
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

fn blob(counter: i32) -> Vec<u8> {
    let mut blob = Blob::new("A-n1.t1".to_string(), 1800, millis());
    blob.attributes.set_number("counter", counter);
    blob.encode()
}

fn sessions(route: &str, store: std::net::SocketAddr) -> Arc<Sessions> {
    let msm = Msm::new(vec![(Some("n1".to_string()), store)]);
    Arc::new(Sessions::new(Some(route.to_string()), msm))
}

async fn arrived(sessions: &Sessions, id: &str) -> Visit {
    let mut visit = Visit::new("GET /".to_string(), Default::default());
    sessions.arrive(&[id], false, &mut visit).await;
    sessions.take(&mut visit).await;
    visit
}

async fn count(sessions: &Arc<Sessions>, id: &str) -> i32 {
    let mut visit = arrived(sessions, id).await;
    let (counter, _) = sessions.open(&mut visit).await.count(None);
    sessions.leave(&visit).await;
    counter
}

#[tokio::test]
async fn several_first_requests_at_once_each_count_on_a_copy_of_their_own() {
    let store = holding_store(3, blob(10)).await;
    let sessions = sessions("t2", store);
    let old = "A-n1.t1";
    let counts = tokio::join!(count(&sessions, old), count(&sessions, old), count(&sessions, old));
    assert_eq!(counts, (11, 11, 11));
    let visit = arrived(&sessions, "A-n1.t2").await;
    assert_eq!(visit.session.unwrap().state().counter(), Some(11), "two acknowledged updates are lost");
}

#[tokio::test]
async fn a_first_request_alone_loses_nothing() {
    let store = holding_store(1, blob(10)).await;
    let sessions = sessions("t2", store);
    assert_eq!(count(&sessions, "A-n1.t1").await, 11);
    let new = "A-n1.t2";
    let counts = tokio::join!(count(&sessions, new), count(&sessions, new), count(&sessions, new));
    assert_eq!(counts, (12, 13, 14));
}

#[tokio::test]
async fn memory_for_sessions_is_bounded() {
    let sessions = sessions("t1", "127.0.0.1:1".parse().unwrap());
    for _ in 0..SESSIONS + 5 {
        sessions.open(&mut Visit::default()).await;
    }
    assert_eq!(lock(&sessions.local).len(), SESSIONS);
}
