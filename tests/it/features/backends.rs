//! The applications behind the proxies: tables from a part of the target to what is done then.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::support::backend::{Answer, Seen};

/// What a backend does when it is asked.
#[derive(Clone, Copy)]
pub enum Act {
    /// These bytes are a whole answer: the connection stays open.
    Say(&'static str),
    /// These bytes, then the end of the connection.
    Cut(&'static str),
    /// Nothing, for as long as the proxy waits.
    Stall,
    /// These bytes, then nothing.
    SayAndStall(&'static str),
    /// These bytes after a while, then the end.
    Late(u64, &'static str),
    Reset,
    /// One after another, by target; the last one from then on.
    Turns(&'static [Act]),
    /// Says which backend this is and what it was asked.
    Usual,
}

/// The first entry whose text is in the target counts; without one, the usual answer.
pub type Table = &'static [(&'static str, Act)];

pub type Behaviour = Box<dyn Fn(&Seen, &mut Answer) + Send + Sync>;

/// One that has been asked nothing yet.
pub fn behaviour(name: &'static str, table: Table) -> Behaviour {
    let asked: Mutex<HashMap<String, usize>> = Mutex::default();
    Box::new(move |seen, answer| {
        let found = table.iter().find(|(part, _)| seen.target().contains(part));
        let what = match found.map_or(Act::Usual, |(_, act)| *act) {
            Act::Turns(acts) => {
                let mut asked = asked.lock().expect("no one panics holding it");
                let turn = asked.entry(seen.target().to_owned()).or_default();
                *turn += 1;
                acts[(*turn - 1).min(acts.len() - 1)]
            }
            other => other,
        };
        act(what, name, seen, answer);
    })
}

fn act(what: Act, name: &str, seen: &Seen, answer: &mut Answer) {
    match what {
        Act::Say(bytes) => answer.write(without_body(bytes, seen)),
        Act::Cut(bytes) => {
            answer.write(without_body(bytes, seen));
            answer.close();
        }
        Act::Stall => answer.stall(),
        Act::SayAndStall(bytes) => {
            answer.write(bytes);
            answer.stall();
        }
        Act::Late(ms, bytes) => {
            std::thread::sleep(Duration::from_millis(ms));
            answer.write(bytes);
            answer.close();
        }
        Act::Reset => answer.reset(),
        Act::Turns(_) => unreachable!("turns have no turns"),
        Act::Usual => answer.write(without_body(&usual(name, seen), seen)),
    }
}

fn usual(name: &str, seen: &Seen) -> String {
    let body = format!("{name}: {} {}\n", seen.method(), seen.target());
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Backend: {name}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// HEAD is answered with a head.
fn without_body<'b>(bytes: &'b str, seen: &Seen) -> &'b str {
    match bytes.find("\r\n\r\n").filter(|_| seen.method() == "HEAD") {
        Some(at) => &bytes[..at + 4],
        None => bytes,
    }
}
