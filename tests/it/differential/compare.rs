//! Finds what differs between two outcomes, after making alike what may differ at any time.
//!
//! Every difference has a name (`what`) by which it can be listed as wanted: `status`, `version`, `header:NAME`, `body`,
//! `json:FIELD` (of an echo), `interim`, `trailers`, `answer` (one has none), `count`, `end`, `tries`.

use std::collections::BTreeMap;

use crate::support::response::Response;

use super::run::{Answer, Outcome};

pub struct Difference {
    pub what: String,
    pub left: String,
    pub right: String,
}

/// The port of each side: a proxy may write its own port into a Location.
pub struct Ports {
    pub left: u16,
    pub right: u16,
}

pub fn compare(left: &Outcome, right: &Outcome, ports: &Ports) -> Vec<Difference> {
    let mut found = Vec::new();
    for (l, r) in left.answers.iter().zip(&right.answers) {
        match (l, r) {
            (Answer::Whole(l), Answer::Whole(r)) => compare_answers(l, r, ports, &mut found),
            (Answer::None(l, _), Answer::None(r, _)) if l == r => {}
            _ => found.push(Difference { what: "answer".into(), left: word(l), right: word(r) }),
        }
    }
    // What came after an answer that differs altogether says nothing of its own.
    if found.iter().any(|difference| difference.what == "answer") {
        return found;
    }
    note("count", &left.answers.len(), &right.answers.len(), &mut found);
    note("end", &left.end, &right.end, &mut found);
    note("tries", &left.tries, &right.tries, &mut found);
    found
}

fn compare_answers(left: &Response, right: &Response, ports: &Ports, found: &mut Vec<Difference>) {
    if left.status() != right.status() {
        note("status", &left.status(), &right.status(), found);
        return;
    }
    let (left, right) = (facts(left, ports.left), facts(right, ports.right));
    let absent = || "(absent)".to_string();
    for what in left.keys().chain(right.keys().filter(|what| !left.contains_key(*what))) {
        let (l, r) = (left.get(what).cloned(), right.get(what).cloned());
        if l != r {
            let (left, right) = (l.unwrap_or_else(absent), r.unwrap_or_else(absent));
            found.push(Difference { what: what.clone(), left, right });
        }
    }
}

fn note<T: PartialEq + std::fmt::Debug>(what: &str, left: &T, right: &T, found: &mut Vec<Difference>) {
    if left != right {
        found.push(Difference { what: what.into(), left: format!("{left:?}"), right: format!("{right:?}") });
    }
}

fn word(answer: &Answer) -> String {
    match answer {
        Answer::Whole(response) => format!("{} with {} bytes", response.status(), response.body.len()),
        Answer::None(word, _) => (*word).to_string(),
    }
}

/// All that can be said about an answer, made comparable.
fn facts(response: &Response, port: u16) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    facts.insert("version".to_string(), response.head.version.clone());
    let interim: Vec<String> = response.interim.iter().map(|head| head.status.to_string()).collect();
    facts.insert("interim".into(), interim.join(" "));
    facts.insert("trailers".into(), response.trailers.0.iter().map(|(n, v)| format!("{n}: {v}\n")).collect());
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &response.head.headers.0 {
        let name = name.to_ascii_lowercase();
        let value = header(&name, value, response, port);
        headers.entry(name).or_default().push(value);
    }
    for (name, mut values) in headers {
        values.sort();
        facts.insert(format!("header:{name}"), values.join("\n"));
    }
    body(response, port, &mut facts);
    facts
}

/// Header values that differ from one moment, or one proxy, to the next by nature.
fn header(name: &str, value: &str, response: &Response, port: u16) -> String {
    match name {
        // The second in which it was answered.
        "date" => httpdate::parse_http_date(value).map_or_else(|_| value.into(), |_| "a date".into()),
        // Counted from that second.
        "expires" => after_date(value, response).unwrap_or_else(|| value.into()),
        // Each names itself.
        "server" if is_own_name(value) => "SERVER".into(),
        // An error page is as long as the server's name; that the length is right was checked by reading the body.
        "content-length" if value == response.body.len().to_string() => "exact".into(),
        // A session id is random.
        "set-cookie" => match value.strip_prefix("JSESSIONID=").and_then(|rest| rest.split_once(';')) {
            Some((_, attributes)) => format!("JSESSIONID=ID;{attributes}"),
            None => value.into(),
        },
        "location" => value.replace(&format!(":{port}"), ":PORT"),
        _ => value.into(),
    }
}

/// None for a time that was not counted from the date: one in the past, or years away.
fn after_date(expires: &str, response: &Response) -> Option<String> {
    let expires = httpdate::parse_http_date(expires).ok()?;
    let date = httpdate::parse_http_date(response.header("date")?).ok()?;
    let seconds = expires.duration_since(date).ok()?.as_secs();
    // The clock may tick between the two.
    (seconds < 86_400).then(|| format!("{} minutes after the date", (seconds + 5) / 60))
}

fn is_own_name(value: &str) -> bool {
    ["nginx", "edge"].iter().any(|name| value == *name || value.starts_with(&format!("{name}/")))
}

fn body(response: &Response, port: u16, facts: &mut BTreeMap<String, String>) {
    // Two encoders never make the same bytes: what they decode to counts.
    let body = match response.decoded_body() {
        Ok(body) => body,
        Err(problem) => format!("{problem}: {:?}", response.body).into_bytes(),
    };
    let text = body.iter().map(|b| char::from(*b)).collect::<String>();
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(serde_json::Value::Object(fields)) if fields.contains_key("body_sha256") => {
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("headers", serde_json::Value::Object(headers)) => {
                        facts.extend(headers.iter().map(|(n, v)| (format!("json:headers.{n}"), v.to_string())));
                    }
                    (_, value) => drop(facts.insert(format!("json:{name}"), value.to_string())),
                }
            }
        }
        _ => drop(facts.insert("body".into(), without_own_name(&text).replace(&format!(":{port}"), ":PORT"))),
    }
}

/// nginx's own pages end with its name.
fn without_own_name(text: &str) -> String {
    let Some((before, rest)) = text.split_once("<hr><center>") else {
        return text.into();
    };
    match rest.split_once("</center>") {
        Some((name, after)) if is_own_name(name) => format!("{before}<hr><center>SERVER</center>{after}"),
        _ => text.into(),
    }
}
