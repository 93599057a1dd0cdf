use super::*;
use crate::limit::{Delay, Rate};

const REFUSED: fn(u64) -> RateVerdict = |ms| RateVerdict::Refuse { retry_after: Duration::from_millis(ms) };
const DELAYED: fn(u64) -> RateVerdict = |ms| RateVerdict::Delay(Duration::from_millis(ms));

fn limit(rate: &str, burst: u32, delay: Delay) -> RateLimit {
    RateLimit { rate: Rate::parse(rate).unwrap(), burst, delay }
}

fn zone() -> RateZone {
    RateZone::new(1 << 20)
}

#[test]
fn without_a_burst_one_passes_in_its_time() {
    let (zone, limit) = (zone(), limit("10r/s", 0, Delay::All));
    assert_eq!(zone.check(b"a", &limit, Millis(5)), RateVerdict::Pass);
    assert_eq!(zone.check(b"a", &limit, Millis(5)), REFUSED(100));
    assert_eq!(zone.check(b"a", &limit, Millis(104)), REFUSED(1));
    assert_eq!(zone.check(b"a", &limit, Millis(105)), RateVerdict::Pass);
    assert_eq!(zone.check(b"a", &limit, Millis(106)), REFUSED(99));
    assert_eq!(zone.check(b"b", &limit, Millis(106)), RateVerdict::Pass);
}

#[test]
fn a_burst_waits_for_its_turns() {
    let (zone, limit) = (zone(), limit("10r/s", 3, Delay::All));
    let said: Vec<RateVerdict> = (0..6).map(|_| zone.check(b"a", &limit, Millis(1000))).collect();
    assert_eq!(said, [RateVerdict::Pass, DELAYED(100), DELAYED(200), DELAYED(300), REFUSED(100), REFUSED(100)]);
    assert_eq!(zone.check(b"a", &limit, Millis(1150)), DELAYED(250));
    assert_eq!(zone.check(b"a", &limit, Millis(9000)), RateVerdict::Pass);
}

#[test]
fn nodelay_lets_a_burst_pass_and_delay_a_part_of_it() {
    let none = limit("10r/s", 2, Delay::None);
    let here = zone();
    let said: Vec<RateVerdict> = (0..4).map(|_| here.check(b"a", &none, Millis(0))).collect();
    assert_eq!(said, [RateVerdict::Pass, RateVerdict::Pass, RateVerdict::Pass, REFUSED(100)]);
    let some = limit("10r/s", 3, Delay::After(2));
    let here = zone();
    let said: Vec<RateVerdict> = (0..5).map(|_| here.check(b"a", &some, Millis(0))).collect();
    let pass = RateVerdict::Pass;
    assert_eq!(said, [pass, pass, pass, DELAYED(100), REFUSED(100)]);
}

#[test]
fn what_leaks_is_rounded_down_as_in_nginx() {
    // 1r/m is 16 thousandths per second: a request is forgotten after 62.5 seconds.
    let (zone, limit) = (zone(), limit("1r/m", 0, Delay::All));
    assert_eq!(zone.check(b"a", &limit, Millis(0)), RateVerdict::Pass);
    assert_eq!(zone.check(b"a", &limit, Millis(62_499)), REFUSED(63));
    assert_eq!(zone.check(b"a", &limit, Millis(62_500)), RateVerdict::Pass);
    let exact = RateLimit { rate: Rate::parse("5/m").unwrap(), ..limit };
    assert_eq!(zone.check(b"b", &exact, Millis(0)), RateVerdict::Pass);
    assert_eq!(zone.check(b"b", &exact, Millis(0)), REFUSED(12_000));
    assert_eq!(zone.check(b"b", &exact, Millis(12_000)), RateVerdict::Pass);
}

#[test]
fn what_one_limit_refuses_no_other_has_counted() {
    let (wide, narrow) = (zone(), zone());
    let (many, few) = (limit("1r/s", 5, Delay::None), limit("1r/s", 1, Delay::None));
    let both = |first: &RateZone, second: &RateZone, now| {
        let asks = [Ask { zone: first, key: b"server", limit: &many }, Ask { zone: second, key: b"a", limit: &few }];
        check_all(&asks, Millis(now))
    };
    assert_eq!(both(&wide, &narrow, 0).verdict, RateVerdict::Pass);
    assert_eq!(both(&wide, &narrow, 0).verdict, RateVerdict::Pass);
    for _ in 0..20 {
        assert_eq!(both(&wide, &narrow, 0), Checked { verdict: REFUSED(1000), by: 1, excess: 2000 });
    }
    // 2 of 6 were counted, so that 4 are left.
    let left = (0..10).filter(|_| wide.check(b"server", &many, Millis(0)) == RateVerdict::Pass).count();
    assert_eq!(left, 4);
    assert_eq!(both(&wide, &narrow, 0).by, 0);
}

#[test]
fn of_several_delays_the_longest_is_waited_for() {
    let (slow, fast) = (limit("1r/s", 5, Delay::All), limit("100r/s", 5, Delay::All));
    for (limits, by) in [([&slow, &fast], 0), ([&fast, &slow], 1)] {
        let zones = [zone(), zone()];
        let asks = [0, 1].map(|at| Ask { zone: &zones[at], key: b"a", limit: limits[at] });
        assert_eq!(check_all(&asks, Millis(0)).verdict, RateVerdict::Pass);
        assert_eq!(check_all(&asks, Millis(0)), Checked { verdict: DELAYED(1000), by, excess: 1000 });
    }
}

#[test]
fn a_full_zone_forgets_who_came_longest_ago() {
    let (zone, limit) = (RateZone::new(32 << 10), limit("1/h", 0, Delay::All));
    let most = (32 << 10) / 128;
    for key in 0..most as u32 {
        assert_eq!(zone.check(&key.to_be_bytes(), &limit, Millis(0)), RateVerdict::Pass);
    }
    assert!(matches!(zone.check(&0u32.to_be_bytes(), &limit, Millis(0)), RateVerdict::Refuse { .. }));
    assert_eq!(zone.check(b"another", &limit, Millis(0)), RateVerdict::Pass);
    assert!(matches!(zone.check(&0u32.to_be_bytes(), &limit, Millis(0)), RateVerdict::Refuse { .. }));
    assert_eq!(zone.check(&1u32.to_be_bytes(), &limit, Millis(0)), RateVerdict::Pass);
    assert_eq!(zone.0.len(), most);
    // No room at all: as nginx, which could not allocate a node.
    assert!(matches!(zone.check(&[b'x'; 60_000], &limit, Millis(0)), RateVerdict::Refuse { .. }));
}

#[test]
fn many_threads_let_no_more_pass_than_one() {
    let (zone, limit) = (zone(), limit("1/h", 99, Delay::None));
    let passed: usize = std::thread::scope(|scope| {
        let count = || (0..500).filter(|_| zone.check(b"a", &limit, Millis(0)) == RateVerdict::Pass).count();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(passed, 100);
}
