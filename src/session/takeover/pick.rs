//! Which server takes a session over: all edges come to the same one without asking each other.

use super::world::{Server, State, View};
use crate::session::record::{Former, had};

/// The servers by rendezvous: each has a score of its own for each base, so that one that comes or goes moves no session but
/// its own.
pub fn rendezvous(servers: &[Server], base: &str) -> Vec<usize> {
    let mut order: Vec<usize> = (0..servers.len()).collect();
    order.sort_by_cached_key(|at| (std::cmp::Reverse(score(&servers[*at].name, base)), *at));
    order
}

/// FNV-1a, then SplitMix64's last steps: names that differ in one digit have nothing in common. It must never change, edges of
/// two versions have to agree.
fn score(server: &str, base: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in server.bytes().chain([0]).chain(base.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// For a session that is bound to no server: those that take new ones, backups last, then whoever is up.
pub fn balance(servers: &[Server], views: &[View], base: &str) -> Vec<usize> {
    let mut order = rendezvous(servers, base);
    order.retain(|at| views[*at].state == State::Up);
    order.sort_by_key(|at| (views[*at].draining, servers[*at].backup));
    order
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub server: usize,
    /// It may have a copy from before that MSM would use instead of memcached's.
    pub stale: bool,
}

/// Who is to take it: a server that is up, better one that takes new sessions, never one that had it in the same process
/// unless there is no other.
pub fn target(servers: &[Server], views: &[View], base: &str, former: &[Former]) -> Option<Target> {
    let order = balance(servers, views, base);
    let clean = order.iter().copied().find(|at| !had(former, &servers[*at].name, views[*at].instance));
    let any = order.first().copied();
    clean.map(|server| Target { server, stale: false }).or(any.map(|server| Target { server, stale: true }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(count: usize) -> Vec<Server> {
        let server = |at| Server { name: format!("10.0.0.{at}:8080"), route: Some(format!("t{at}")), backup: false };
        (1..=count).map(server).collect()
    }

    fn up() -> View {
        View {
            state: State::Up,
            instance: 1,
            draining: false,
            changed: None,
            restarted: None,
            uncounted: false,
            moved: false,
        }
    }

    #[test]
    fn the_order_is_what_it_was_in_every_version() {
        let orders = ["A", "B", "375F99F1"].map(|base| rendezvous(&servers(4), base));
        assert_eq!(orders, ORDERS);
    }

    /// Edges of two versions must come to the same server.
    const ORDERS: [[usize; 4]; 3] = [[2, 3, 0, 1], [1, 0, 3, 2], [0, 3, 2, 1]];

    #[test]
    fn sessions_are_spread_and_only_a_dead_servers_move() {
        let (all, mut held) = (servers(4), [0; 4]);
        for at in 0..4000 {
            let base = format!("BASE{at}");
            let order = rendezvous(&all, &base);
            held[order[0]] += 1;
            let without: Vec<usize> = rendezvous(&all[..3], &base);
            let expected: Vec<usize> = order.into_iter().filter(|server| *server != 3).collect();
            assert_eq!(without, expected);
        }
        assert!(held.iter().all(|count| (850..1150).contains(count)), "{held:?}");
    }

    #[test]
    fn a_draining_server_and_a_backup_take_a_session_only_if_there_is_no_other() {
        let mut all = servers(3);
        let mut views = vec![up(); 3];
        let first = rendezvous(&all, "A")[0];
        let rest: Vec<usize> = (0..3).filter(|at| *at != first).collect();
        views[first].draining = true;
        assert_ne!(target(&all, &views, "A", &[]).unwrap().server, first);
        views[first].draining = false;
        all[first].backup = true;
        assert_ne!(target(&all, &views, "A", &[]).unwrap().server, first);
        for at in rest {
            views[at].state = State::Dead;
        }
        assert_eq!(target(&all, &views, "A", &[]), Some(Target { server: first, stale: false }));
        views[first].state = State::Fenced;
        assert_eq!(target(&all, &views, "A", &[]), None);
    }

    #[test]
    fn a_former_owner_takes_it_only_if_there_is_no_other_or_it_was_started_anew() {
        let all = servers(2);
        let first = rendezvous(&all, "A")[0];
        let mut views = vec![up(); 2];
        let former = vec![Former { server: all[first].name.clone(), instance: 1 }];
        assert_eq!(target(&all, &views, "A", &former), Some(Target { server: 1 - first, stale: false }));
        views[1 - first].state = State::Dead;
        assert_eq!(target(&all, &views, "A", &former), Some(Target { server: first, stale: true }));
        views[first].instance = 2;
        assert_eq!(target(&all, &views, "A", &former), Some(Target { server: first, stale: false }));
    }
}
