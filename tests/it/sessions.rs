//! The promise: whatever dies, no update of a session that a client was told of is lost, none is made twice, and nobody gets a
//! new session instead of the one he has.
//!
//! Each scenario is played with one, two and three edges, which share nothing but memcached, in front of three stand-ins for
//! Tomcats, by visitors each of whom sends six updates, a page and a static file at the same time, spread over the edges. At the
//! end every edge shows what each session holds. `EDGE_TEST_LONG=1` takes 2,000 visitors instead of 60; `EDGE_BIN` names another
//! binary than this build's; `EDGE_TEST_REPORT` names a file for a table.

mod apart;
mod closing;
mod compared;
mod dying;
mod leaving;
mod newcomer;
mod picture;
mod report;
mod rig;
mod visitor;
mod wire;

use rig::Plan;

/// What other proxies lose at least; they were measured to lose twice as much.
const MUCH: f64 = 0.3;

/// Plays it with one, two and three edges.
fn each(name: &'static str, scenario: impl Fn(Plan) + Sync) {
    std::thread::scope(|scope| {
        for edges in 1..=3 {
            let scenario = &scenario;
            scope.spawn(move || scenario(Plan::of(name, edges)));
        }
    });
}
