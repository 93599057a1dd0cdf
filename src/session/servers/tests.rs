//! Real servers, real memcacheds, several edges: what they see of each other's world.

use super::rig::{LONG, MOMENT, Manner, Memcached, Process, Talker, free};
use super::*;
use std::io::Write;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn brisk() -> Settings {
    Settings {
        ask_every: Duration::from_millis(100),
        suspect_after: Duration::from_millis(600),
        fence: Duration::from_millis(600),
        board_every: Duration::from_millis(200),
        ..Settings::default()
    }
}

fn server(name: &str, address: SocketAddr) -> Server {
    Server { name: name.into(), route: Some(name.into()), address: Address::Tcp(address) }
}

/// An edge that knows `t1` and perhaps more servers.
fn edge(addresses: &[SocketAddr], nodes: &[&Memcached]) -> Servers {
    let servers = addresses.iter().enumerate().map(|(at, address)| server(&format!("t{}", at + 1), *address));
    Servers::start("web", servers.collect(), &nodes.iter().map(|node| node.node()).collect::<Vec<_>>(), brisk())
}

async fn until(edge: &Servers, server: usize, state: State) {
    let reached = edge.wait(LONG, || edge.view(server).state == state).await;
    assert!(reached, "it is {:?}, not {state:?}", edge.view(server).state);
}

/// Whether it is true all the time.
async fn throughout(time: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if !holds() {
            return false;
        }
        tokio::time::sleep(MOMENT).await;
    }
    true
}

#[test]
#[ignore = "it is started by other tests as a process of its own"]
fn a_server_for_the_other_tests() {
    let Ok(address) = std::env::var("EDGE_TEST_SERVER") else {
        return;
    };
    let listener = std::net::TcpListener::bind(address).unwrap();
    println!("\nit listens");
    std::io::stdout().flush().unwrap();
    for stream in listener.incoming() {
        std::thread::spawn(move || {
            let mut stream = stream.unwrap();
            let mut bytes = [0; 1024];
            while std::io::Read::read(&mut stream, &mut bytes).is_ok_and(|length| length > 0) {
                stream.write_all(b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n").unwrap();
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_is_noticed_when_it_dies() {
    let address = free();
    let mut best = LONG;
    // The machine may be busy: one of a few must be as quick as that.
    for instance in 1..=5 {
        let mut process = Process::start(address);
        let edge = edge(&[address], &[]);
        assert!(edge.ready(LONG).await);
        assert_eq!((edge.view(0).state, edge.view(0).instance), (State::Up, 1), "try {instance}");
        let began = Instant::now();
        process.kill();
        until(&edge, 0, State::Dead).await;
        best = best.min(began.elapsed());
    }
    assert!(best < Duration::from_millis(50), "{best:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_is_fenced_and_comes_back_as_it_was() {
    let address = free();
    let process = Process::start(address);
    let edge = edge(&[address], &[]);
    assert!(edge.ready(LONG).await);
    process.signal(libc::SIGSTOP);
    until(&edge, 0, State::Suspect).await;
    // No board: the fence begins at once. With no other server this edge would say nothing.
    until(&edge, 0, State::Fenced).await;
    process.signal(libc::SIGCONT);
    until(&edge, 0, State::Up).await;
    assert_eq!((edge.view(0).instance, edge.view(0).restarted), (1, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_back_only_when_it_answers() {
    let address = free();
    let edge = edge(&[address], &[]);
    assert!(edge.ready(LONG).await);
    assert_eq!(edge.view(0).state, State::Dead);
    let talker = Talker::on(address, Manner::Mute).await;
    assert!(throughout(Duration::from_millis(1500), || edge.view(0).state == State::Dead).await);
    talker.is(Manner::Answers, 1);
    talker.hang_up();
    until(&edge, 0, State::Up).await;
    assert_eq!(edge.view(0).instance, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_closes_as_it_said_is_up_throughout() {
    let talker = Talker::start(Manner::Closes).await;
    let edge = edge(&[talker.address], &[]);
    assert!(edge.ready(LONG).await);
    let up = || edge.view(0).state == State::Up && edge.view(0).restarted.is_none();
    assert!(throughout(Duration::from_secs(1), up).await, "{:?}", edge.view(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_without_notice_may_be_a_restart() {
    let talker = Talker::start(Manner::Answers).await;
    let edge = edge(&[talker.address], &[]);
    assert!(edge.ready(LONG).await);
    assert_eq!(edge.view(0).restarted, None);
    talker.hang_up();
    assert!(edge.wait(LONG, || edge.view(0).restarted.is_some()).await);
    assert_eq!((edge.view(0).state, edge.view(0).instance), (State::Up, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_accepts_and_closes_without_an_answer_is_fenced() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut task = JoinSet::new();
    let accepted = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = accepted.clone();
    // A port forwarder without anybody behind it.
    task.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            drop(stream);
        }
    });
    let edge = edge(&[address], &[]);
    until(&edge, 0, State::Fenced).await;
    assert!(accepted.load(Ordering::Relaxed) < 200, "{accepted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubt_is_settled_by_a_look() {
    let mut talker = Talker::start(Manner::Answers).await;
    let edge = edge(&[talker.address, free()], &[]);
    assert!(edge.ready(LONG).await);
    edge.doubt(0);
    assert_eq!(edge.settled(0, LONG).await, State::Up);
    edge.doubt(1);
    assert_eq!(edge.settled(1, LONG).await, State::Dead);
    // The port is closed, a connection is still open.
    talker.listening.shutdown().await;
    let address = talker.address;
    assert!(std::net::TcpStream::connect(address).is_err());
    assert_eq!(edge.view(0).state, State::Up);
    edge.doubt(0);
    assert_eq!(edge.settled(0, LONG).await, State::Dead);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_that_answers_requests_is_not_frozen() {
    let talker = Talker::start(Manner::Answers).await;
    let edge = edge(&[talker.address], &[]);
    assert!(edge.ready(LONG).await);
    talker.is(Manner::Mute, 1);
    let busy = throughout(Duration::from_secs(2), || {
        edge.heard(0);
        edge.view(0).state == State::Up
    });
    assert!(busy.await);
    until(&edge, 0, State::Suspect).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_counts_once_however_many_edges_see_it() {
    let (first, mut second) = (Memcached::start(), Memcached::start());
    let (address, other) = (free(), Talker::start(Manner::Answers).await);
    let mut process = Process::start(address);
    let edges: Vec<Servers> = (0..3).map(|_| edge(&[address, other.address], &[&first, &second])).collect();
    for edge in &edges {
        assert!(edge.ready(LONG).await);
    }
    second.kill();
    for instance in 2..=3 {
        process.kill();
        for edge in &edges {
            until(edge, 0, State::Dead).await;
        }
        process = Process::start(address);
        for edge in &edges {
            until(edge, 0, State::Up).await;
            assert_eq!(edge.view(0).instance, instance);
            assert!(edge.view(0).restarted.is_some());
        }
    }
    let count = edges[0].wait(Duration::from_millis(500), || false);
    assert!(!count.await);
    assert_eq!(first.count().await.as_deref(), Some("3 up"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_refuses_one_edge_alone_is_fenced_by_all_and_not_dead() {
    let memcached = Memcached::start();
    let (t1, t2) = (Talker::start(Manner::Answers).await, Talker::start(Manner::Answers).await);
    let whole = edge(&[t1.address, t2.address], &[&memcached]);
    assert!(whole.ready(LONG).await);
    // A firewall lets this edge through to t2 only.
    let cut = edge(&[free(), t2.address], &[&memcached]);
    until(&cut, 0, State::Fenced).await;
    until(&whole, 0, State::Fenced).await;
    assert_eq!((cut.view(1).state, whole.view(1).state), (State::Up, State::Up));
    assert_eq!((cut.view(0).instance, whole.view(0).instance), (1, 1));
    // It takes its word back as it goes.
    drop(cut);
    until(&whole, 0, State::Up).await;
    assert_eq!((whole.view(0).instance, whole.view(0).restarted), (1, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_reaches_nobody_accuses_nobody() {
    let memcached = Memcached::start();
    let (t1, t2) = (Talker::start(Manner::Answers).await, Talker::start(Manner::Answers).await);
    let whole = edge(&[t1.address, t2.address], &[&memcached]);
    assert!(whole.ready(LONG).await);
    let cut = edge(&[free(), free()], &[&memcached]);
    let up = || [0, 1].iter().all(|server| whole.view(*server).state == State::Up);
    assert!(throughout(Duration::from_secs(2), up).await);
    assert_eq!(cut.view(0).state, State::Suspect);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_edge_cannot_hear_no_edge_uses() {
    let memcached = Memcached::start();
    let (heard, mute) = (Talker::start(Manner::Answers).await, Talker::start(Manner::Mute).await);
    let other = Talker::start(Manner::Answers).await;
    let one = edge(&[heard.address, other.address], &[&memcached]);
    assert!(one.ready(LONG).await);
    let two = edge(&[mute.address, other.address], &[&memcached]);
    until(&two, 0, State::Fenced).await;
    until(&one, 0, State::Fenced).await;
    mute.is(Manner::Answers, 1);
    mute.hang_up();
    until(&two, 0, State::Up).await;
    until(&one, 0, State::Up).await;
    assert_eq!((one.view(0).instance, two.view(0).instance), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_word_of_an_edge_that_was_killed_delays_a_death_no_longer_than_it_lives() {
    let memcached = Memcached::start();
    let (t1, t2) = (Talker::start(Manner::Answers).await, Talker::start(Manner::Answers).await);
    let edge = edge(&[t1.address, t2.address], &[&memcached]);
    assert!(edge.ready(LONG).await);
    let ghost = Arc::new(Board::new("web", vec!["t1".into()], &[memcached.node()]));
    let said = board::Said { words: vec![slot::Word::Up], ..board::Said::default() };
    assert!(ghost.exchange(said).await.stored);
    assert!(edge.wait(Duration::from_millis(500), || false).await || edge.view(0).state == State::Up);
    drop(t1);
    until(&edge, 0, State::Suspect).await;
    until(&edge, 0, State::Dead).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memcached_that_was_emptied_is_told_again() {
    let mut memcached = Memcached::start();
    let (address, other) = (free(), Talker::start(Manner::Answers).await);
    let talker = Talker::on(address, Manner::Answers).await;
    let one = edge(&[address, other.address], &[&memcached]);
    assert!(one.ready(LONG).await);
    drop(talker);
    until(&one, 0, State::Dead).await;
    let _talker = Talker::on(address, Manner::Answers).await;
    until(&one, 0, State::Up).await;
    assert!(one.mark_moved(Moved::Server(0)).await);
    memcached.restart();
    assert_eq!(memcached.count().await, None);
    let end = Instant::now() + LONG;
    while memcached.count().await.as_deref() != Some("2 up") {
        assert!(Instant::now() < end, "{:?}", memcached.count().await);
        tokio::time::sleep(MOMENT).await;
    }
    // An edge that starts knows what is on the board before it serves.
    let two = edge(&[address, other.address], &[&memcached]);
    assert!(two.ready(LONG).await);
    let view = two.view(0);
    assert_eq!((view.state, view.instance, view.moved), (State::Up, 2, true));
    assert!(view.restarted.is_some(), "it has looked at no session since");
    assert!(!two.view(1).moved);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_is_known_to_all_and_needs_one_node() {
    let (first, mut second) = (Memcached::start(), Memcached::start());
    let talker = Talker::start(Manner::Answers).await;
    let (one, two) = (edge(&[talker.address], &[&first, &second]), edge(&[talker.address], &[&first, &second]));
    assert!(one.ready(LONG).await && two.ready(LONG).await);
    second.kill();
    let node = second.node();
    assert!(!one.is_moved(Moved::Node(node.name())));
    assert!(one.mark_moved(Moved::Node(node.name())).await);
    assert!(one.is_moved(Moved::Node(node.name())));
    let end = Instant::now() + LONG;
    while !two.is_moved(Moved::Node(node.name())) {
        assert!(Instant::now() < end);
        tokio::time::sleep(MOMENT).await;
    }
    assert!(!two.is_moved(Moved::Server(0)) && !two.is_moved(Moved::Node("unknown")));
    assert!(!edge(&[talker.address], &[]).mark_moved(Moved::Server(0)).await);
    assert!(!one.mark_moved(Moved::Server(7)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_behind_a_forwarder_tells_its_restarts() {
    let memcached = Memcached::start();
    let talker = Talker::start(Manner::Answers).await;
    let settings = Settings { question: Question::Header("x-instance".into()), ..brisk() };
    let start = || Servers::start("web", vec![server("t1", talker.address)], &[memcached.node()], settings.clone());
    let (one, two) = (start(), start());
    assert!(one.ready(LONG).await && two.ready(LONG).await);
    assert_eq!((one.view(0).instance, two.view(0).instance), (1, 1));
    talker.is(Manner::Answers, 2);
    for edge in [&one, &two] {
        assert!(edge.wait(LONG, || edge.view(0).instance == 2).await);
        assert!(edge.view(0).restarted.is_some());
    }
    // Neither counts what the other has counted.
    let same = || [&one, &two].iter().all(|edge| edge.view(0).instance == 2);
    assert!(throughout(Duration::from_millis(800), same).await);
    let three = start();
    assert!(three.ready(LONG).await);
    assert_eq!((three.view(0).instance, three.view(0).restarted.is_some()), (2, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_is_watched_too() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("socket");
    let at = Server { name: "t1".into(), route: None, address: Address::Unix(path.clone()) };
    let edge = Servers::start("web", vec![at], &[], brisk());
    until(&edge, 0, State::Dead).await;
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = [0; 1024];
            let _ = stream.read(&mut bytes).await;
            let _ = stream.write_all(b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n").await;
            open.push(stream);
        }
    });
    until(&edge, 0, State::Up).await;
    task.shutdown().await;
    until(&edge, 0, State::Dead).await;
}

#[test]
fn an_edge_that_slept_trusts_nothing_until_it_has_read_the_board() {
    let shared = Shared::new("web", vec![server("t1", free())], &[], Settings::default());
    let now = Instant::now();
    shared.hear(&[], now, now);
    shared.cells[0].publish(State::Up, 1, 0, false, 1);
    assert_eq!(shared.view(0, now + Duration::from_secs(2)).state, State::Up);
    assert_eq!(shared.view(0, now + Duration::from_secs(4)).state, State::Suspect);
    let later = now + Duration::from_secs(4);
    assert!(shared.hear(&[], later, later));
    assert_eq!(shared.view(0, now + Duration::from_secs(5)).state, State::Up);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_edges_have_a_voice_than_there_are_slots() {
    let memcached = Memcached::start();
    let boards: Vec<_> =
        (0..=board::SLOTS).map(|_| Arc::new(Board::new("web", vec!["t1".into()], &[memcached.node()]))).collect();
    for (at, board) in boards.iter().enumerate() {
        let said = board::Said { words: vec![slot::Word::Up], ..board::Said::default() };
        // Each finds a place in a few turns; the last one none.
        let mut heard = board::Heard::default();
        for _ in 0..10 {
            heard = board.clone().exchange(said.clone()).await;
            if heard.stored {
                break;
            }
        }
        assert!(heard.board && heard.stored);
        assert_eq!(heard.others.len(), at.min(board::SLOTS));
    }
}
