//! Does one case to one proxy and keeps what came back.

use std::net::SocketAddr;
use std::time::Duration;

use crate::support::client::{Client, Failure};
use crate::support::response::Response;

use super::case::{Case, HOST, Step, request};

/// How long a proxy may be silent before that counts as its answer.
const PATIENCE: Duration = Duration::from_secs(8);

pub struct Outcome {
    pub answers: Vec<Answer>,
    /// What became of the connection: `kept alive`, `closed`, or something worse.
    pub end: String,
    /// How many requests the application saw, where that is counted.
    pub tries: Option<usize>,
}

pub enum Answer {
    Whole(Box<Response>),
    /// What came instead of a whole answer, in one word, and the part that came.
    None(&'static str, String),
}

pub fn run(case: &Case, number: usize, proxy: SocketAddr) -> Outcome {
    run_probing(case, number, proxy, probe_answered)
}

/// The same, where `in_step` says whether an answer to the probe (after the last answer) shows that all is well.
pub fn run_probing(case: &Case, number: usize, proxy: SocketAddr, in_step: InStep) -> Outcome {
    let mut client = Client::connect(proxy);
    client.set_patience(PATIENCE);
    let mut outcome = Outcome { answers: Vec::new(), end: String::new(), tries: None };
    let mut may_probe = true;
    for step in &case.steps {
        match step {
            // A proxy may refuse a request before it has read it all: what it answered counts.
            Step::Send(bytes) => drop(client.try_write(&case.bytes(bytes, number))),
            Step::Pause(time) => std::thread::sleep(*time),
            Step::AwaitInterim => drop(client.wait_readable(Duration::from_secs(2))),
            Step::HalfClose => {
                client.half_close();
                may_probe = false;
            }
            Step::Read(method) => match client.response(method) {
                Ok(response) => outcome.answers.push(Answer::Whole(Box::new(response))),
                Err(failure) => {
                    outcome.end = "no (whole) answer".into();
                    outcome.answers.push(none(failure));
                    return outcome;
                }
            },
        }
    }
    outcome.end = end(&mut client, &outcome.answers, may_probe, in_step);
    outcome
}

/// Whether this answer to the probe is what it has to be, after this last answer.
pub type InStep = fn(&Response, &Response) -> bool;

fn probe_answered(page: &Response, last: &Response) -> bool {
    match page.status() {
        200 => page.text().contains("A page") || page.text().contains("attempt"),
        // With dead upstreams every answer is a 502.
        502 => last.status() == 502,
        _ => page.text().contains("attempt"),
    }
}

fn none(failure: Failure) -> Answer {
    let text = failure.to_string();
    // Whether a closed connection shows as an end or as a reset depends on what was on the way.
    let word = match failure {
        Failure::Closed | Failure::Broken(_) => "closed without an answer",
        Failure::Timeout(_) => "silent",
        Failure::Malformed(_) => "not HTTP",
        Failure::Cut(..) => "cut in the body",
    };
    Answer::None(word, text)
}

/// Finds out by one more request whether the connection was kept and is in step.
fn end(client: &mut Client, answers: &[Answer], may_probe: bool, in_step: InStep) -> String {
    let Some(Answer::Whole(last)) = answers.last() else {
        return "nothing asked".into();
    };
    let said_close = last.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    if said_close || !may_probe || last.status() == 101 {
        // nginx lingers for seconds where a request's body may still come: it is told that none does.
        if !client.wait_closed(Duration::from_millis(100)) {
            client.half_close();
        }
        return match client.wait_closed(Duration::from_secs(3)) {
            true if client.left_over().is_empty() => "closed".into(),
            true => format!("closed after more: {:?}", String::from_utf8_lossy(client.left_over())),
            false => "said close and stayed open".into(),
        };
    }
    let probe = request(&["GET /page.html HTTP/1.1", &format!("Host: {HOST}"), "Connection: close"]);
    let _ = client.try_write(&probe);
    match client.response("GET") {
        Ok(page) if in_step(&page, last) => "kept alive".into(),
        Ok(other) => format!("kept alive, but the next answer is\n{other}"),
        Err(Failure::Closed | Failure::Broken(_)) => "closed".into(),
        Err(failure) => format!("kept open, but: {failure}"),
    }
}
