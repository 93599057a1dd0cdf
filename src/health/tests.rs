//! Checks against servers on loopback that come, go and change their minds; what a reload leaves and what it ends.

use super::*;
use crate::upstream::{Address, NamesSettings, Probe as Kind, ServerSettings, Upstream, UpstreamSettings};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Long enough for whatever happens at once, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// A server that answers with a status; 0: it never answers.
struct Ill {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    asked: Arc<AtomicUsize>,
}

impl Ill {
    async fn with(status: u16) -> Ill {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (status, asked) = (Arc::new(AtomicU16::new(status)), Arc::new(AtomicUsize::new(0)));
        let told = (status.clone(), asked.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (status, asked) = told.clone();
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 4096]).await;
                    asked.fetch_add(1, Ordering::SeqCst);
                    let status = status.load(Ordering::SeqCst);
                    if status == 0 {
                        let _ = stream.read(&mut [0; 1]).await;
                        return;
                    }
                    let answer = format!("HTTP/1.1 {status} A\r\nContent-Length: 9\r\n\r\nI am well");
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Ill { address, status, asked }
    }

    fn turn(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits until it was asked so often once more.
    async fn asked_again(&self, times: usize) {
        let before = self.asked();
        soon("it is asked", || self.asked() >= before + times).await;
    }
}

async fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn check(body: Option<&str>) -> HealthCheck {
    HealthCheck {
        probe: Kind::Http {
            uri: "/ping".into(),
            fields: vec![("Host".into(), "web".into())],
            statuses: vec![(200, 399)],
            body: body.map(|text| crate::pattern::Pattern::compile(text, false).unwrap()),
        },
        interval: Duration::from_millis(20),
        jitter: Duration::ZERO,
        timeout: Duration::from_millis(500),
        rise: 1,
        fall: 1,
        port: None,
    }
}

fn settings(servers: &[SocketAddr], check: Option<HealthCheck>) -> UpstreamSettings {
    UpstreamSettings {
        servers: servers.iter().map(|address| ServerSettings::new(address.to_string())).collect(),
        health_check: check.map(Arc::new),
        ..UpstreamSettings::new("web")
    }
}

/// The checks, and the upstreams they are of.
fn desk() -> (Arc<Upstreams>, Checks) {
    let upstreams = Upstreams::new(NamesSettings::default());
    (upstreams.clone(), Checks::new(upstreams))
}

fn table(upstreams: &Upstreams, settings: UpstreamSettings) -> Arc<Table> {
    upstreams.apply(&[settings], Instant::now())
}

fn healths(table: &Table) -> Vec<Health> {
    let web: &Arc<Upstream> = table.get("web").unwrap();
    web.peers().iter().map(|peer| peer.server.health()).collect()
}

#[tokio::test]
async fn the_first_round_decides_before_the_start_is_over() {
    let (well, ill, mute) = (Ill::with(200).await, Ill::with(503).await, Ill::with(0).await);
    let (upstreams, checks) = desk();
    let strict = HealthCheck { rise: 9, fall: 9, ..check(None) };
    let table = table(&upstreams, settings(&[well.address, ill.address, mute.address], Some(strict)));
    let began = Instant::now();
    checks.begin(&table).await;
    assert_eq!(healths(&table), [Health::Up, Health::Down, Health::Down]);
    assert!(began.elapsed() >= Duration::from_millis(500), "the mute one has its timeout, and only that");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn without_checks_the_start_waits_for_nobody() {
    let (upstreams, checks) = desk();
    let table = table(&upstreams, settings(&["127.0.0.1:1".parse().unwrap()], None));
    checks.begin(&table).await;
    assert_eq!((healths(&table), checks.running()), (vec![Health::Unknown], 0));
}

#[tokio::test]
async fn a_server_falls_and_rises_with_its_answers() {
    let server = Ill::with(200).await;
    let (upstreams, checks) = desk();
    let table = table(&upstreams, settings(&[server.address], Some(HealthCheck { rise: 2, fall: 2, ..check(None) })));
    checks.begin(&table).await;
    server.turn(404);
    soon("it is down", || healths(&table) == [Health::Down]).await;
    assert!(server.asked() >= 3, "one bad check is not enough");
    server.turn(301);
    soon("it is up", || healths(&table) == [Health::Up]).await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_holds_up_no_other() {
    let (mute, well) = (Ill::with(0).await, Ill::with(200).await);
    let (upstreams, checks) = desk();
    let patient = HealthCheck { timeout: Duration::from_secs(60), ..check(None) };
    let table = table(&upstreams, settings(&[mute.address, well.address], Some(patient)));
    checks.apply(&table);
    well.asked_again(5).await;
    assert_eq!(healths(&table), [Health::Unknown, Health::Up]);
    assert_eq!(mute.asked(), 1);
}

#[tokio::test]
async fn the_body_has_a_say() {
    let server = Ill::with(200).await;
    for (pattern, expected) in [("^I am w", Health::Up), ("^well", Health::Down), ("(?i)WELL$", Health::Up)] {
        let (upstreams, checks) = desk();
        let table = table(&upstreams, settings(&[server.address], Some(check(Some(pattern)))));
        checks.begin(&table).await;
        assert_eq!(healths(&table), [expected], "{pattern}");
    }
}

#[tokio::test]
async fn a_connection_is_enough_for_tcp_and_may_go_to_another_port() {
    let mute = Ill::with(0).await;
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (address, port, expected) in
        [(mute.address, None, Health::Up), (dead, None, Health::Down), (dead, Some(mute.address.port()), Health::Up)]
    {
        let (upstreams, checks) = desk();
        let tcp = HealthCheck { probe: Kind::Tcp, port, ..check(None) };
        let table = table(&upstreams, settings(&[address], Some(tcp)));
        checks.begin(&table).await;
        assert_eq!(healths(&table), [expected], "{address} {port:?}");
    }
}

#[tokio::test]
async fn a_socket_of_this_machine_can_be_checked() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("s");
    let probe = Probe::new(&HealthCheck { probe: Kind::Tcp, ..check(None) });
    let address = Address::Unix(path.as_path().into());
    assert!(probe.check(&address).await.is_err());
    let _listener = tokio::net::UnixListener::bind(&path).unwrap();
    assert_eq!(probe.check(&address).await, Ok(()));
}

#[tokio::test]
async fn a_reload_that_changes_nothing_goes_on_with_the_same_checks() {
    let server = Ill::with(503).await;
    let (upstreams, checks) = desk();
    let slow = HealthCheck { interval: Duration::from_secs(3600), ..check(None) };
    let mut now = table(&upstreams, settings(&[server.address], Some(slow.clone())));
    checks.begin(&now).await;
    for _ in 0..5 {
        let next = table(&upstreams, settings(&[server.address], Some(slow.clone())));
        assert_eq!(healths(&next), [Health::Down], "no gap");
        checks.apply(&next);
        now = next;
    }
    assert_eq!((healths(&now), server.asked(), checks.running()), (vec![Health::Down], 1, 1));
}

#[tokio::test]
async fn a_changed_check_begins_anew_and_its_first_answer_decides() {
    let server = Ill::with(503).await;
    let (upstreams, checks) = desk();
    let slow = HealthCheck { interval: Duration::from_secs(3600), rise: 9, ..check(None) };
    let old = table(&upstreams, settings(&[server.address], Some(slow.clone())));
    checks.begin(&old).await;
    server.turn(200);
    let new = table(&upstreams, settings(&[server.address], Some(HealthCheck { fall: 7, ..slow })));
    checks.apply(&new);
    assert_eq!(healths(&new), [Health::Down], "what was known holds until then");
    soon("the new check passes", || healths(&new) == [Health::Up]).await;
    assert_eq!((server.asked(), checks.running()), (2, 1));
}

#[tokio::test]
async fn a_check_that_is_taken_out_leaves_nothing_known() {
    let server = Ill::with(503).await;
    let (upstreams, checks) = desk();
    let old = table(&upstreams, settings(&[server.address], Some(check(None))));
    checks.begin(&old).await;
    let new = table(&upstreams, settings(&[server.address], None));
    checks.apply(&new);
    assert_eq!((healths(&new), checks.running()), (vec![Health::Unknown], 0));
    // The configuration before is still used by somebody, and does not bring the check back.
    let asked = server.asked();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(server.asked() <= asked + 1, "one may have been under way");
    assert_eq!(healths(&old), [Health::Unknown]);
}

#[tokio::test]
async fn a_server_of_an_old_configuration_is_checked_until_that_is_gone() {
    let (stays, goes) = (Ill::with(200).await, Ill::with(200).await);
    let (upstreams, checks) = desk();
    let old = table(&upstreams, settings(&[stays.address, goes.address], Some(check(None))));
    checks.begin(&old).await;
    let new = table(&upstreams, settings(&[stays.address], Some(check(None))));
    checks.apply(&new);
    goes.asked_again(3).await;
    drop(old);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let asked = goes.asked();
    stays.asked_again(5).await;
    assert_eq!(goes.asked(), asked, "nobody wants it any more");
    checks.apply(&new);
    assert_eq!(checks.running(), 1);
}

#[tokio::test]
async fn a_server_that_is_down_by_configuration_is_not_checked() {
    let server = Ill::with(200).await;
    let (upstreams, checks) = desk();
    let mut settings = settings(&[server.address], Some(check(None)));
    settings.servers[0].down = true;
    let table = table(&upstreams, settings);
    checks.begin(&table).await;
    assert_eq!((server.asked(), checks.running()), (0, 0));
}

#[tokio::test]
async fn new_addresses_of_a_name_are_checked_at_once() {
    use crate::upstream::names::{Lookup, Names};
    let server = Ill::with(503).await;
    let round = Arc::new(AtomicUsize::new(0));
    let rounds = round.clone();
    // Nobody listens on 127.0.0.2 there.
    let lookup: Lookup = Box::new(move |_| {
        let ip = if rounds.fetch_add(1, Ordering::SeqCst) == 0 { "127.0.0.2" } else { "127.0.0.1" };
        Box::pin(async move { Ok(vec![ip.parse().unwrap()]) })
    });
    let upstreams = Upstreams::with_names(Names::with_lookup(NamesSettings::default(), lookup));
    let checks = Arc::new(Checks::new(upstreams.clone()));
    let slow = HealthCheck { interval: Duration::from_secs(3600), ..check(None) };
    let mut settings = settings(&[], Some(slow));
    settings.servers.push(ServerSettings::new(format!("app:{}", server.address.port())));
    let table = table(&upstreams, settings);
    checks.begin(&table).await;
    assert_eq!(healths(&table), [Health::Down]);
    let task = tokio::spawn({
        let checks = checks.clone();
        async move { checks.keep_checking().await }
    });
    upstreams.resolve().await;
    assert_eq!(healths(&table), [Health::Unknown], "another server now");
    soon("it is checked", || healths(&table) == [Health::Down]).await;
    assert_eq!((server.asked(), checks.running()), (1, 1));
    task.abort();
}

#[tokio::test]
async fn the_checks_of_an_upstream_are_spread_over_the_interval() {
    let servers = [Ill::with(200).await, Ill::with(200).await];
    let (upstreams, checks) = desk();
    let slow = HealthCheck { interval: Duration::from_secs(2), ..check(None) };
    let table = table(&upstreams, settings(&servers.each_ref().map(|server| server.address), Some(slow)));
    checks.begin(&table).await;
    let began = Instant::now();
    soon("the second server's second check", || servers[1].asked() == 2).await;
    let half = began.elapsed();
    assert_eq!(servers[0].asked(), 1, "{half:?}");
    soon("the first server's second check", || servers[0].asked() == 2).await;
    assert!(began.elapsed() > half + Duration::from_millis(500), "{half:?} {:?}", began.elapsed());
}

#[tokio::test]
async fn an_end_in_the_middle_of_a_check_says_nothing_any_more() {
    let mute = Ill::with(0).await;
    let (upstreams, checks) = desk();
    let hasty = HealthCheck { timeout: Duration::from_millis(50), ..check(None) };
    let old = table(&upstreams, settings(&[mute.address], Some(hasty)));
    checks.apply(&old);
    mute.asked_again(1).await;
    let new = table(&upstreams, settings(&[mute.address], None));
    checks.apply(&new);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(healths(&new), [Health::Unknown]);
}
