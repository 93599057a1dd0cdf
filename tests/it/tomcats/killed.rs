//! Tomcats killed and restarted under load: no idempotent request fails, and nothing else is ever run twice.
//!
//! Each request has an id of its own, and each Tomcat writes down what it begins to run, in a file that outlives it.
//! With `EDGE_TEST_LONG=1` there are three Tomcats and more deaths.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::load::{Load, Question, Running, Turn};
use crate::support::tomcat::Tomcat;
use crate::support::{is_long, request, wait};

use super::front;

/// How long each request is worked on: so that a kill meets some.
const WORK: u64 = 20;

/// How each POST ended: the status by the id.
type Outcomes = Arc<Mutex<HashMap<String, u16>>>;

fn start(count: usize) -> Vec<Tomcat> {
    let starting = |number| std::thread::spawn(move || Tomcat::start(&format!("killed{number}")));
    let threads: Vec<_> = (0..count).map(starting).collect();
    threads.into_iter().map(|thread| thread.join().expect("a Tomcat starts")).collect()
}

fn id(turn: Turn) -> String {
    format!("{}-{}", turn.connection, turn.count)
}

fn gets(to: std::net::SocketAddr) -> Running {
    let load = Load::to(to).connections(20);
    let ask = |turn| {
        let id = id(turn);
        Question::get(&format!("/run?id={id}&ms={WORK}")).expecting(200, format!("GET {id}\n"))
    };
    load.asking(ask).start()
}

/// A POST may fail with 502, after which the connection goes on; whether it ran is looked at afterwards.
fn posts(to: std::net::SocketAddr, outcomes: &Outcomes) -> Running {
    let (load, outcomes) = (Load::to(to).connections(10), outcomes.clone());
    let ask = move |turn| {
        let (id, outcomes) = (id(turn), outcomes.clone());
        let post = request::post(&format!("/run?id={id}&ms={WORK}"), format!("body of {id}"));
        Question::new(post).checking(move |seen| {
            let status = seen.answer.status();
            outcomes.lock().unwrap().insert(id.clone(), status);
            match status {
                200 if seen.answer.text() == format!("POST {id}\n") => Ok(()),
                502 => Ok(()),
                _ => Err("neither what was asked for nor 502".into()),
            }
        })
    };
    load.asking(ask).start()
}

/// How often each id was run by all Tomcats together.
fn count_runs(tomcats: &[Tomcat], method: &str) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for line in tomcats.iter().flat_map(Tomcat::runs) {
        if let Some((_, id)) = line.split_once(' ').filter(|(m, _)| *m == method) {
            *counts.entry(id.to_owned()).or_default() += 1;
        }
    }
    counts
}

/// How many GETs were run by two: the first was killed while it ran them.
fn repeated(tomcats: &[Tomcat]) -> usize {
    count_runs(tomcats, "GET").values().filter(|runs| **runs > 1).count()
}

#[test]
fn tomcats_killed_under_load_fail_no_get_and_run_no_post_twice() {
    let (count, deaths) = if is_long() { (3, 12) } else { (2, 3) };
    let mut tomcats = start(count);
    let addresses: Vec<_> = tomcats.iter().map(Tomcat::address).collect();
    let front = front(&addresses);
    let outcomes = Outcomes::default();
    let (gets, posts) = (gets(front.address()), posts(front.address(), &outcomes));
    gets.wait_round();
    posts.wait_round();

    let mut died = 0;
    // One kill at least has to meet a request, which is up to chance.
    while died < deaths || (died < deaths * 4 && repeated(&tomcats) == 0) {
        let tomcat = &mut tomcats[died % count];
        died += 1;
        tomcat.kill();
        // For as long as it takes to be tried again after `fail_timeout`, while it is dead.
        std::thread::sleep(Duration::from_millis(1_500));
        tomcat.restart();
        let before = tomcat.runs().len();
        let used = wait::until(Duration::from_secs(20), || (tomcat.runs().len() > before + 20).then_some(()));
        assert!(used.is_some(), "the restarted Tomcat is not used again:\n{}", gets.so_far());
    }
    gets.wait_round();
    posts.wait_round();

    let (gets, posts) = (gets.finish(), posts.finish());
    gets.assert_clean();
    posts.assert_clean();
    let (got, posted) = (count_runs(&tomcats, "GET"), count_runs(&tomcats, "POST"));
    assert!(got.len() >= gets.answered, "answers to requests that nobody ran");
    let again = repeated(&tomcats);
    assert!(again > 0, "no kill met a request: nothing was proved");

    let twice: Vec<_> = posted.iter().filter(|(_, runs)| **runs > 1).collect();
    assert!(twice.is_empty(), "run more than once: {twice:?}");
    let outcomes = outcomes.lock().unwrap();
    let lost: Vec<_> =
        outcomes.iter().filter(|(id, status)| **status == 200 && !posted.contains_key(id.as_str())).collect();
    assert!(lost.is_empty(), "answered and never run: {lost:?}");
    let failed = outcomes.values().filter(|status| **status == 502).count();
    // Those that were being worked on, and one on each connection that the kill left behind.
    assert!(failed <= 2 * 10 * died, "{failed} of {} POSTs failed by {died} deaths", outcomes.len());
    eprintln!("GET: {gets}{again} were run again\nPOST: {posts}{failed} failed with 502");
}
