//! Moving sessions off a server that lives: `edge upstream move`, and what `up` does for them.

use super::Desk;
use super::commands::{Answer, hint};
use crate::proxy::sessions::Sessions;
use std::sync::Arc;
use std::time::Duration;

/// Requests wait meanwhile; a command ends within a minute.
const LONGEST: Duration = Duration::from_secs(40);

/// `time`: in milliseconds; `how`: `force`, or nothing.
pub async fn depart(desk: &Desk, place: &str, time: &str, how: &str) -> Answer {
    let snapshot = desk.snapshot.load_full();
    let Some((name, server)) = place.split_once('/') else {
        return Answer::failed(format!("expected UPSTREAM/SERVER, such as `web/10.0.0.1:8080`, found `{place}`"));
    };
    let Some(time) = time.parse().ok().map(Duration::from_millis).filter(|time| *time <= LONGEST) else {
        return Answer::failed(format!(
            "the time must be at most {LONGEST:?}: the requests of its sessions wait so long"
        ));
    };
    if snapshot.upstreams.get(name).is_none() {
        let mut known: Vec<&str> = snapshot.sessions.iter().map(|sessions| sessions.upstream()).collect();
        known.sort();
        return Answer::failed(format!("there is no upstream `{name}`; {}", hint(name, &known)));
    }
    let Some(sessions) = sessions_of(&snapshot.sessions, name) else {
        return Answer::failed(format!("the upstream `{name}` has no `session` that could be moved; use `drain`"));
    };
    match sessions.depart(server, time, how == "force").await {
        Ok(told) => {
            log::info!(target: "edge::notice", "{place}: {told}");
            Answer { out: format!("{place}: {told}\n"), ..Answer::default() }
        }
        Err(why) => Answer::failed(format!("{place} keeps its sessions: {why}")),
    }
}

/// After a server was switched `up`: its sessions too.
pub async fn take_back(desk: &Desk, place: &str, answer: Answer) -> Answer {
    let snapshot = desk.snapshot.load_full();
    let (Some((name, server)), None) = (place.split_once('/'), &answer.failure) else { return answer };
    let Some(sessions) = sessions_of(&snapshot.sessions, name) else { return answer };
    match sessions.take_back(server).await {
        Ok(None) => answer,
        Ok(Some(told)) => Answer { out: format!("{}{place}: {told}\n", answer.out), ..answer },
        Err(why) => Answer::failed(format!("{place} is still left by its sessions: {why}")),
    }
}

fn sessions_of<'s>(all: &'s [Arc<Sessions>], upstream: &str) -> Option<&'s Arc<Sessions>> {
    all.iter().find(|sessions| sessions.upstream() == upstream)
}
