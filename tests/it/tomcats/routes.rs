//! Sessions of plain Tomcats, which keep them in memory: each stays with its own by its route, and the client of a dead one
//! is told another's.

use std::time::Duration;

use crate::support::client::{self, Client};
use crate::support::edge::Edge;
use crate::support::request;
use crate::support::response::Response;
use crate::support::tomcat::{self, Tomcat};
use crate::support::{ports, wait};

/// edge in front of two Tomcats, with more for the first one and for the upstream.
fn edge(tomcats: [&Tomcat; 2], first: &str, upstream: &str) -> Edge {
    let port = ports::free();
    let [a, b] = tomcats.map(|tomcat| format!("address: '{}', route: {}", tomcat.address(), tomcat.route()));
    let text = format!(
        "upstream:\n  app:\n    session: {{}}\n    {upstream}\n    servers:\n      - {{ {a}{first} }}\n      - {{ {b} }}\nserver:\n  \
         - listen: 127.0.0.1:{port}\n    location: [{{ match: /, proxy_pass: 'http://app' }}]\n"
    );
    Edge::yaml(&text, port).start()
}

/// `COUNT ID`
fn counted(answer: &Response) -> (u32, String) {
    let text = answer.text();
    let (count, id) = text.trim().split_once(' ').unwrap_or_else(|| panic!("{answer}"));
    (count.parse().expect("a number"), id.to_owned())
}

fn route(id: &str) -> &str {
    id.rsplit('.').next().unwrap_or_default()
}

fn set_ids(answer: &Response) -> Vec<&str> {
    let all = answer.head.headers.all("set-cookie");
    all.filter_map(|line| line.strip_prefix("JSESSIONID=")?.split(';').next()).collect()
}

#[test]
fn a_session_stays_with_its_tomcat_over_a_thousand_requests() {
    let [first, second] = tomcat::pair();
    for balance in ["balance: round_robin", "balance: least_conn"] {
        let edge = edge([first, second], "", balance);
        // Each of them is closed after a thousand requests.
        let mut client = Client::connect(edge.address());
        let mut without_cookies = Client::connect(edge.address());
        let begin = |client: &mut Client| counted(&client.ask(&request::get("/count")).unwrap());
        let mut sessions: Vec<(u32, String)> = (0..4).map(|_| begin(&mut client)).collect();
        // As Tomcat writes it into links for clients without cookies.
        let (_, in_path) = begin(&mut client);
        for turn in 2..=500 {
            let (count, id) = &mut sessions[turn % 4];
            let cookie = format!("JSESSIONID={id}");
            let answer = client.ask(&request::get("/count").header("Cookie", &cookie)).unwrap();
            *count += 1;
            assert_eq!(counted(&answer), (*count, id.clone()), "{balance}, request {turn}");
            let answer = without_cookies.ask(&request::get(&format!("/count;jsessionid={in_path}"))).unwrap();
            assert_eq!(counted(&answer), (turn as u32, in_path.clone()), "{balance}, request {turn}");
        }
        let at_first = sessions.iter().filter(|(_, id)| route(id) == first.route()).count();
        assert!((1..=3).contains(&at_first), "both have sessions: {sessions:?}");
    }
}

#[test]
fn a_draining_tomcat_keeps_its_sessions_and_gets_no_new_ones() {
    let [first, second] = tomcat::pair();
    let edge = edge([first, second], ", drain: true", "");
    let (_, id) = counted(&client::get(first.address(), "/count"));
    for turn in 2..30 {
        let answer = request::get("/count").header("Cookie", &format!("JSESSIONID={id}")).send(edge.address());
        assert_eq!(counted(&answer), (turn, id.clone()));
        let answer = request::get(&format!("/count;jsessionid={id}")).send(second.address());
        assert_eq!(route(&counted(&answer).1), second.route(), "a Tomcat alone does not know another's session");
        assert_eq!(route(&counted(&client::get(edge.address(), "/count")).1), second.route());
    }
}

#[test]
fn the_session_of_a_killed_tomcat_goes_to_the_other_and_stays_there() {
    let mut first = Tomcat::start("one");
    let second = Tomcat::start("two");
    let edge = edge([&first, &second], "", "");
    let (_, id) = counted(&client::get(first.address(), "/count"));
    let base = id.split('.').next().unwrap_or_default().to_owned();
    let ask = |target: &str, id: &str| {
        request::get(target).header("Cookie", &format!("JSESSIONID={id}")).send(edge.address())
    };
    let answer = ask("/whoami", &id);
    assert_eq!((answer.text().as_str(), set_ids(&answer)), ("one", vec![]));

    first.kill();
    let answer = ask("/whoami", &id);
    assert_eq!((answer.status(), answer.text().as_str()), (200, "two"), "{answer}");
    assert_eq!(answer.header("set-cookie"), Some(format!("JSESSIONID={base}.two; Path=/; HttpOnly").as_str()));
    let in_path = request::get(&format!("/whoami;jsessionid={id}")).send(edge.address());
    assert_eq!((in_path.text().as_str(), set_ids(&in_path)), ("two", vec![]));
    let answer = ask("/count", &id);
    let (count, new) = counted(&answer);
    assert_eq!((count, route(&new), set_ids(&answer)), (1, "two", vec![new.as_str()]), "Tomcat speaks for itself");

    first.restart();
    let back =
        || (request::get(&format!("/whoami;jsessionid={base}.one")).send(edge.address()).text() == "one").then_some(());
    assert!(wait::until(Duration::from_secs(20), back).is_some(), "the restarted Tomcat is used again");
    for turn in 2..20 {
        let answer = ask("/whoami", &format!("{base}.two"));
        assert_eq!((answer.text().as_str(), set_ids(&answer)), ("two", vec![]), "it does not go back");
        assert_eq!(counted(&ask("/count", &new)), (turn, new.clone()));
    }
}
