//! Runs a feature on both proxies and compares.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use crate::differential::case::{Case, Step};
use crate::differential::compare::{Difference, Ports, compare};
use crate::differential::report::shown_whole;
use crate::differential::run::{self, Answer, Outcome};
use crate::support::backend::Seen;
use crate::support::edge::Edge;
use crate::support::nginx::Nginx;
use crate::support::response::Response;
use crate::support::{ports, wait};

use super::backends::behaviour;
use super::setup::{Feature, Upstream};
use super::wanted;

/// What one proxy made of a case.
struct Result {
    outcome: Outcome,
    /// What each backend was sent.
    seen: Vec<Vec<Seen>>,
}

struct Side {
    results: Vec<Result>,
    log: Vec<String>,
}

impl Feature {
    /// Runs everything; a difference that is not wanted fails, as does a wanted one that is none.
    pub fn check(self) {
        let text = self.nginx_conf();
        if self.converts {
            crate::snapshots::check_conversion(&text);
        }
        let nginx = {
            let nginx = Nginx::start(&text, self.port);
            self.side(&nginx.file("logs/lines.log"), None)
        };
        assert!(
            wait::until(Duration::from_secs(10), || (!wait::accepts(ports::local(self.port))).then_some(())).is_some(),
            "nginx still listens on the port"
        );
        let edge = {
            let edge = Edge::nginx_conf(&text, self.port).start();
            self.side(&edge.file("logs/lines.log"), Some(&nginx))
        };
        let mut used = Vec::new();
        let problems = self.differences(&nginx, &edge, &mut used);
        assert!(problems.is_empty(), "{text}\n{problems}");
        let unused = wanted::unused(self.name, &used);
        assert!(unused.is_empty(), "these wanted differences are none any more: {unused:?}");
    }

    /// `other`: what the other one made of it, whose lines in the log are waited for.
    fn side(&self, log: &Path, other: Option<&Side>) -> Side {
        let lines = other.map_or(0, |other| other.log.len());
        for (name, table, backend) in &self.backends {
            backend.now(behaviour(name, table));
        }
        let address = ports::local(self.port);
        let mut results = Vec::new();
        for (number, case) in self.cases.iter().enumerate() {
            let before: Vec<usize> = self.backends.iter().map(|(_, _, backend)| backend.seen().len()).collect();
            let case = if self.probes { case } else { &unprobed(case) };
            let mut outcome = run::run_probing(case, number, address, |_, _| true);
            outcome.answers.iter_mut().for_each(name_boundaries);
            outcome.answers.iter_mut().for_each(count_from_date);
            if let Some(other) = other.filter(|_| self.awaits) {
                let all: usize = other.results[number].seen.iter().map(Vec::len).sum();
                let come = || {
                    let seen = self.backends.iter().zip(&before);
                    (seen.map(|((_, _, b), from)| b.seen().len() - from).sum::<usize>() >= all).then_some(())
                };
                let _ = wait::until(Duration::from_secs(10), come);
            }
            // A request that was broken off may be noticed any time later.
            let whole = |seen: &Seen| seen.whole.then(|| seen.clone());
            let seen = self.backends.iter().zip(before);
            let seen = seen.map(|((_, _, b), from)| b.seen()[from..].iter().filter_map(whole).collect()).collect();
            results.push(Result { outcome, seen });
        }
        let read = || -> Vec<String> {
            let bytes = std::fs::read(log).unwrap_or_default();
            String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
        };
        // nginx writes lines as they come; edge's may be on their way.
        if lines > 0 {
            let _ = wait::until(Duration::from_secs(2), || (read().len() >= lines).then_some(()));
        } else if log.exists() {
            std::thread::sleep(Duration::from_millis(200));
        }
        Side { results, log: read() }
    }

    fn differences(&self, nginx: &Side, edge: &Side, used: &mut Vec<usize>) -> String {
        let mut text = String::new();
        for (number, case) in self.cases.iter().enumerate() {
            let (left, right) = (&nginx.results[number], &edge.results[number]);
            let name = format!("{}: {}", self.name, case.name);
            let mut found = self.compare(left, right);
            found.retain(|difference| !wanted::mark(&name, difference, used));
            if found.is_empty() {
                continue;
            }
            let _ = write!(text, "\n=== {name}\n    {}\n", case.shown(number));
            found.iter().for_each(|d| write_difference(d, &mut text));
            let _ = write!(text, "{}{}", shown_whole("nginx", &left.outcome), shown_whole("edge", &right.outcome));
        }
        for number in 0..nginx.log.len().max(edge.log.len()) {
            let line = |side: &Side| side.log.get(number).cloned().unwrap_or_else(|| "(absent)".into());
            for difference in compare_lines(&line(nginx), &line(edge)) {
                let name = format!("{}: log", self.name);
                if !wanted::mark(&name, &difference, used) {
                    let _ = writeln!(text, "\n=== {name}: line {number}\n    {}\n    {}", line(nginx), line(edge));
                    write_difference(&difference, &mut text);
                }
            }
        }
        text
    }

    fn compare(&self, left: &Result, right: &Result) -> Vec<Difference> {
        let same = Ports { left: self.port, right: self.port };
        let mut found = compare(&left.outcome, &right.outcome, &same);
        found.retain(|difference| !is_by_name(difference, left, right));
        for (l, r) in left.outcome.answers.iter().zip(&right.outcome.answers) {
            if let (Answer::Whole(l), Answer::Whole(r)) = (l, r) {
                found.extend(self.spelled.then(|| spelling(l, r)).into_iter().flatten());
                if l.status() == r.status() && l.head.reason != r.head.reason {
                    found.push(difference("reason", &l.head.reason, &r.head.reason));
                }
            }
        }
        for (at, (l, r)) in left.seen.iter().zip(&right.seen).enumerate() {
            let name = self.backends[at].0;
            if l.len() != r.len() {
                found.push(difference(&format!("{name}: requests"), &l.len().to_string(), &r.len().to_string()));
                continue;
            }
            for (l, r) in l.iter().zip(r) {
                found.extend(compare_seen(name, &seen_facts(l, self.upstream), &seen_facts(r, self.upstream)));
            }
        }
        found
    }
}

/// A page of errors is as long as the name of who wrote it; with HEAD nothing but the length tells.
fn is_by_name(difference: &Difference, left: &Result, right: &Result) -> bool {
    let more = |side: &Result| -> Option<i64> {
        let Some(Answer::Whole(answer)) = side.outcome.answers.first() else { return None };
        (answer.body.is_empty()).then_some(answer.header("server")?.len() as i64)
    };
    let (l, r) = (difference.left.parse::<i64>(), difference.right.parse::<i64>());
    match (difference.what.as_str(), l, r, more(left), more(right)) {
        ("header:content-length", Ok(l), Ok(r), Some(nginx), Some(edge)) => l - r == nginx - edge,
        _ => false,
    }
}

/// An `Expires` of a few days around the answer's date is counted from that.
fn count_from_date(answer: &mut Answer) {
    let Answer::Whole(response) = answer else { return };
    let read = |name: &str| httpdate::parse_http_date(response.header(name)?).ok();
    let (Some(date), Some(expires)) = (read("date"), read("expires")) else { return };
    let Ok(before) = date.duration_since(expires) else { return };
    if before.is_zero() || before > Duration::from_secs(200_000) {
        return;
    }
    let minutes = before.as_secs().saturating_add(5) / 60;
    for (name, value) in &mut response.head.headers.0 {
        if name.eq_ignore_ascii_case("expires") {
            *value = format!("{minutes} minutes before the date");
        }
    }
}

/// A number of bytes that differs by the proxy's name, once (in `Server`) or twice (in a page of its own, too).
fn is_longer_by_name(left: &str, right: &str) -> bool {
    const LONGER: i64 = "nginx/1.22.1".len() as i64 - concat!("edge/", env!("CARGO_PKG_VERSION")).len() as i64;
    let number = |text: &str| text.rsplit('=').next().and_then(|digits| digits.parse::<i64>().ok());
    match (number(left), number(right)) {
        (Some(l), Some(r))
            if left.contains("bytes_sent") || left.contains("sent_content_length") || !left.contains('=') =>
        {
            l - r == LONGER || l - r == 2 * LONGER
        }
        _ => false,
    }
}

/// The boundaries between parts are counted.
fn name_boundaries(answer: &mut Answer) {
    let Answer::Whole(response) = answer else { return };
    let boundary = response.header("content-type").and_then(|kind| kind.split_once("boundary="));
    let Some(boundary) = boundary.map(|(_, boundary)| boundary.to_string()) else { return };
    let named = "B".repeat(boundary.len());
    let body: String = response.body.iter().map(|b| char::from(*b)).collect();
    response.body = body.replace(&boundary, &named).chars().map(|c| c as u8).collect();
    for (_, value) in &mut response.head.headers.0 {
        *value = value.replace(&boundary, &named);
    }
}

fn difference(what: &str, left: &str, right: &str) -> Difference {
    Difference { what: what.into(), left: left.into(), right: right.into() }
}

/// Fields that both sides have, named in other letters.
fn spelling(left: &Response, right: &Response) -> Vec<Difference> {
    let names = |side: &Response| -> Vec<String> { side.head.headers.0.iter().map(|(name, _)| name.clone()).collect() };
    let (left, right) = (names(left), names(right));
    let spelled = |l: &&String| right.iter().find(|r| r.eq_ignore_ascii_case(l)).filter(|_| !right.contains(*l));
    left.iter().filter_map(|l| spelled(&l).map(|r| difference("spelling", l, r))).collect()
}

fn write_difference(difference: &Difference, text: &mut String) {
    let short = |text: &str| text.chars().take(300).collect::<String>();
    let (left, right) = (short(&difference.left), short(&difference.right));
    let _ = writeln!(text, "  {}\n    nginx: {left}\n    edge:  {right}", difference.what);
}

/// The case with no probe after it: nginx would otherwise be asked one more time.
fn unprobed(case: &Case) -> Case {
    let copy = case.steps.iter().map(|step| match step {
        Step::Send(bytes) => Step::Send(bytes.clone()),
        Step::Read(method) => Step::Read(method.clone()),
        Step::AwaitInterim => Step::AwaitInterim,
        Step::Pause(time) => Step::Pause(*time),
        Step::HalfClose => Step::HalfClose,
    });
    Case { name: case.name.clone(), steps: copy.chain([Step::HalfClose]).collect() }
}

/// A request an upstream got: its line, each field by its name in lower case, its body.
fn seen_facts(seen: &Seen, upstream: Upstream) -> Vec<(String, String)> {
    let mut lines = seen.head.split("\r\n").filter(|line| !line.is_empty());
    let mut facts = vec![("line".to_string(), lines.next().unwrap_or_default().to_string())];
    let fields = lines.map(|line| line.split_once(": ").unwrap_or((line, "")));
    facts.extend(
        fields.map(|(name, value)| (format!("field {}", name.to_ascii_lowercase()), value.to_string())).filter(
            |(name, value)| {
                let default = name == "field connection" && matches!(value.as_str(), "close" | "keep-alive");
                upstream == Upstream::Exactly || !default
            },
        ),
    );
    facts.push(("body".into(), seen.body.iter().map(|b| char::from(*b)).collect()));
    facts.sort();
    facts
}

fn compare_seen(backend: &str, left: &[(String, String)], right: &[(String, String)]) -> Vec<Difference> {
    let only = |these: &[(String, String)], those: &[(String, String)]| -> Vec<(String, String)> {
        let mut rest = those.to_vec();
        let mut only = these.to_vec();
        only.retain(|fact| match rest.iter().position(|other| other == fact) {
            Some(at) => {
                rest.remove(at);
                false
            }
            None => true,
        });
        only
    };
    let (l, r) = (only(left, right), only(right, left));
    let mut names: Vec<&String> = l.iter().chain(&r).map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    let all = |facts: &[(String, String)], name: &str| -> String {
        let values: Vec<&str> = facts.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
        if values.is_empty() { "(absent)".into() } else { values.join(" | ") }
    };
    names.into_iter().map(|name| difference(&format!("{backend}: {name}"), &all(&l, name), &all(&r, name))).collect()
}

/// Lines of `name=value` parted by tabs; times are made alike by the format, which has none.
fn compare_lines(left: &str, right: &str) -> Vec<Difference> {
    let (l, r): (Vec<&str>, Vec<&str>) = (left.split('\t').collect(), right.split('\t').collect());
    if l.len() != r.len() {
        return vec![difference("line", left, right)];
    }
    l.iter()
        .zip(&r)
        .filter(|(l, r)| l != r && !is_longer_by_name(l, r))
        .map(|(l, r)| difference(l.split('=').next().unwrap_or_default(), l, r))
        .collect()
}
