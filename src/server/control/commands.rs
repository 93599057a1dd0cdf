//! What can be asked over the control socket: one table, a function for each row.

use super::{Desk, cache, depart, rules, session};
use crate::config::diagnostics::nearest;
use crate::proxy::api;
use crate::upstream::{DrainSwitch, Upstream};
use std::fmt::Write;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

/// What came of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// For stdout.
    pub out: String,
    /// For stderr.
    pub errors: String,
    /// Why it failed.
    pub failure: Option<String>,
}

type Doing<'d> = Pin<Box<dyn Future<Output = Answer> + Send + 'd>>;

struct Command {
    words: &'static [&'static str],
    /// What further words there must be, for messages.
    arguments: &'static [&'static str],
    run: for<'d> fn(&'d Desk, &'d [String]) -> Doing<'d>,
}

const COMMANDS: &[Command] = &[
    Command { words: &["reload"], arguments: &[], run: |desk, _| Box::pin(reload(desk)) },
    Command {
        words: &["upstream", "drain"],
        arguments: &["UPSTREAM/SERVER"],
        run: |desk, arguments| Box::pin(async move { switch(desk, &arguments[0], DrainSwitch::Drain) }),
    },
    Command {
        words: &["upstream", "up"],
        arguments: &["UPSTREAM/SERVER"],
        run: |desk, arguments| {
            let place = &arguments[0];
            Box::pin(async move { depart::take_back(desk, place, switch(desk, place, DrainSwitch::Up)).await })
        },
    },
    Command {
        words: &["upstream", "move"],
        arguments: &["UPSTREAM/SERVER", "MILLISECONDS", "HOW"],
        run: |desk, arguments| Box::pin(depart::depart(desk, &arguments[0], &arguments[1], &arguments[2])),
    },
    Command { words: &["status"], arguments: &[], run: |desk, _| Box::pin(async move { status(desk) }) },
    Command { words: &["upstream", "list"], arguments: &[], run: |desk, _| Box::pin(async move { list(desk) }) },
    Command {
        words: &["session", "stats"],
        arguments: &["UPSTREAM"],
        run: |desk, arguments| Box::pin(async move { session::stats(desk, &arguments[0]) }),
    },
    Command { words: &["rules", "stats"], arguments: &[], run: |desk, _| Box::pin(async move { rules::stats(desk) }) },
    Command {
        words: &["cache", "stats"],
        arguments: &["ZONE"],
        run: |desk, arguments| Box::pin(async move { cache::stats(desk, &arguments[0]) }),
    },
    Command {
        words: &["cache", "list"],
        arguments: &["ZONE", "PREFIX", "FROM"],
        run: |desk, arguments| Box::pin(cache::list(desk, &arguments[0], &arguments[1], &arguments[2])),
    },
    Command {
        words: &["cache", "purge"],
        arguments: &["ZONE", "KIND", "TEXT", "HOW"],
        run: |desk, arguments| Box::pin(cache::purge(desk, &arguments[0], &arguments[1], &arguments[2], &arguments[3])),
    },
];

/// Does what the words say.
pub async fn run(words: &[String], desk: &Desk) -> Answer {
    let is_asked =
        |command: &&Command| words.iter().zip(command.words).filter(|(a, b)| *a == *b).count() == command.words.len();
    let Some(command) = COMMANDS.iter().find(is_asked) else {
        let known: Vec<String> = COMMANDS.iter().map(|command| command.words.join(" ")).collect();
        let asked = words.join(" ");
        let meant = nearest(&asked, known.iter().map(String::as_str));
        let hint = meant
            .map_or_else(|| format!("known are: {}", known.join(", ")), |meant| format!("did you mean `{meant}`?"));
        return Answer::failed(format!("there is no command `{asked}`; {hint}"));
    };
    let arguments = &words[command.words.len()..];
    if arguments.len() != command.arguments.len() {
        let usage = [command.words, command.arguments].concat().join(" ");
        return Answer::failed(format!("expected `{usage}`"));
    }
    (command.run)(desk, arguments).await
}

/// The process itself reloads; here it is only waited for.
async fn reload(desk: &Desk) -> Answer {
    let (done, wait) = oneshot::channel();
    if desk.reloads.send(done).await.is_err() {
        return Answer::failed("edge is ending".into());
    }
    wait.await.unwrap_or_else(|_| Answer::failed("edge is ending".into()))
}

fn switch(desk: &Desk, place: &str, to: DrainSwitch) -> Answer {
    let snapshot = desk.snapshot.load_full();
    let Some((name, server)) = place.split_once('/') else {
        return Answer::failed(format!("expected UPSTREAM/SERVER, such as `web/10.0.0.1:8080`, found `{place}`"));
    };
    let Some(upstream) = snapshot.upstreams.get(name) else {
        let known: Vec<&str> = sorted(desk_upstreams(&snapshot)).into_iter().map(|u| u.name()).collect();
        return Answer::failed(format!("there is no upstream `{name}`; {}", hint(name, &known)));
    };
    let meant = upstream.set_drain(server, to, Instant::now());
    if meant == 0 {
        let peers = upstream.peers();
        let mut known: Vec<&str> = Vec::new();
        for peer in peers.iter() {
            known.push(&peer.settings.address);
            known.extend(peer.settings.route.as_deref());
        }
        known.dedup();
        return Answer::failed(format!("the upstream `{name}` has no server `{server}`; {}", hint(server, &known)));
    }
    let (servers, done) = (plural(meant, "server"), if to == DrainSwitch::Drain { "drained" } else { "up" });
    log::info!(target: "edge::notice", "{servers} of {name} {done}: {server}");
    Answer { out: format!("{servers} of {name} {done}\n"), ..Answer::default() }
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("{count} {what}") } else { format!("{count} {what}s") }
}

/// The word that was meant, or all there are, if they are few.
pub(super) fn hint(written: &str, known: &[&str]) -> String {
    const SHOWN: usize = 20;
    match nearest(written, known.iter().copied()) {
        Some(word) => format!("did you mean `{word}`?"),
        None if known.is_empty() => "there is none".into(),
        None if known.len() > SHOWN => format!("there are {}, such as {}", known.len(), known[..SHOWN].join(", ")),
        None => format!("known are: {}", known.join(", ")),
    }
}

fn desk_upstreams(snapshot: &crate::proxy::snapshot::Snapshot) -> Vec<&Arc<Upstream>> {
    snapshot.upstreams.iter().collect()
}

fn sorted(mut upstreams: Vec<&Arc<Upstream>>) -> Vec<&Arc<Upstream>> {
    upstreams.sort_by_key(|upstream| upstream.name());
    upstreams
}

/// The report of the live page, in one line of JSON.
fn status(desk: &Desk) -> Answer {
    let report = api::Report::of(&desk.snapshot.load());
    Answer { out: format!("{}\n", report.to_json()), ..Answer::default() }
}

/// One line for each server: `UPSTREAM/SERVER`, its address, its state, its requests.
fn list(desk: &Desk) -> Answer {
    let snapshot = desk.snapshot.load_full();
    let now = Instant::now();
    let mut out = String::new();
    for upstream in sorted(desk_upstreams(&snapshot)) {
        let peers = upstream.peers();
        for peer in peers.iter() {
            let (server, written) = (&peer.server, &peer.settings.address);
            let state = api::state(&snapshot, upstream, peer, now);
            // To write to a text does not fail.
            let _ = writeln!(
                out,
                "{}/{written}\t{}\t{state}\t{} in flight, {} in all, {} failed",
                upstream.name(),
                server.address(),
                server.in_flight(),
                server.requests(),
                server.failures()
            );
        }
        for written in &peers.unresolved {
            let _ = writeln!(out, "{}/{written}\t-\tunresolved\t", upstream.name());
        }
    }
    Answer { out, ..Answer::default() }
}

impl Answer {
    pub fn failed(why: String) -> Answer {
        Answer { failure: Some(why), ..Answer::default() }
    }

    /// As it goes over the socket.
    pub fn to_text(&self) -> String {
        let lines =
            |mark: &'static str, text: &str| text.lines().map(|line| format!("{mark} {line}\n")).collect::<String>();
        let end = match &self.failure {
            None => "= ok\n".to_owned(),
            Some(why) => format!("= failed {}\n", why.replace('\n', " ")),
        };
        lines("o", &self.out) + &lines("e", &self.errors) + &end
    }

    /// `None`: the last line, which says how it ended, is not there.
    pub fn from_text(text: &str) -> Option<Answer> {
        let mut answer = Answer::default();
        for line in text.lines() {
            match line.split_at_checked(2)? {
                ("o ", text) => answer.out += &format!("{text}\n"),
                ("e ", text) => answer.errors += &format!("{text}\n"),
                ("= ", "ok") => return Some(answer),
                ("= ", why) => {
                    answer.failure = Some(why.strip_prefix("failed ").unwrap_or(why).to_owned());
                    return Some(answer);
                }
                _ => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let failed = Answer { out: "a\n\nb\n".into(), errors: "e: 1\n   ^\n".into(), failure: Some("why: x".into()) };
        assert_eq!(Answer::from_text(&failed.to_text()), Some(failed));
        let done = Answer::default();
        assert_eq!(Answer::from_text(&done.to_text()), Some(done));
    }

    #[test]
    fn an_answer_that_was_cut_off_is_none() {
        for cut in ["", "o a\n", "e x\no y\n", "nonsense\n= ok\n", "o\n= ok\n"] {
            assert_eq!(Answer::from_text(cut), None, "{cut:?}");
        }
    }

    #[test]
    fn what_was_meant_is_told() {
        assert_eq!(hint("webb", &["web", "app"]), "did you mean `web`?");
        assert_eq!(hint("x", &["web", "app"]), "known are: web, app");
        assert_eq!(hint("x", &[]), "there is none");
    }
}
