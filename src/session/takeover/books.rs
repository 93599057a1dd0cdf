//! What memcached is asked for a takeover: the record, the lease's place, and where copies of a session lie.
//!
//! A record stands on the node in the session's id, or on the next one that is up; it is read from all of them, for the view of
//! the edge that wrote it may have been another one, and the greatest generation counts.

use super::ground::Seen;
use super::settings::Settings;
use super::stored::Stored;
use crate::memcached::{Failure, Key, Life, Node, Swap, Token};
use crate::session::id::Id;
use crate::session::record::{Named, Record};
use bytes::Bytes;
use std::future::Future;
use std::sync::Arc;
use tokio::task::JoinSet;

pub struct Books {
    pub nodes: Vec<Arc<Node>>,
    upstream: String,
    life: Life,
}

/// Which state of an item was read where.
#[derive(Clone, Copy, Debug)]
struct Spot {
    node: usize,
    token: Token,
}

#[derive(Clone, Debug, Default)]
pub struct Reading {
    pub record: Option<Record>,
    /// Where what is written next goes, instead of what was read.
    over: Option<Spot>,
    /// The node for what is to be written; none if none is up.
    pub home: Option<usize>,
    /// The home did not answer.
    pub failed: bool,
    /// Something lay there that is no record.
    pub garbage: bool,
}

/// A copy of a session in memcached.
#[derive(Clone, Debug)]
pub struct Found {
    pub id: Named,
    pub value: Bytes,
    pub stored: Stored,
}

#[derive(Debug, Default)]
pub struct Finding {
    /// The likeliest first.
    pub found: Vec<Found>,
    /// A node that may have one is gone or did not answer.
    pub failed: bool,
}

impl Finding {
    /// A node that froze and came back has what a server stored there before; the same server's latest counts.
    fn newest_first(&mut self) {
        let Some(route) = self.found.first().map(|found| found.id.route.clone()) else { return };
        let same = self.found.iter().enumerate().filter(|(_, found)| found.id.route == route);
        // Of equal ones the first.
        if let Some((at, _)) = same.rev().max_by_key(|(_, found)| found.stored.last_backup) {
            self.found[..=at].rotate_right(1);
        }
    }

    pub fn of(&self, id: &str) -> Option<&Found> {
        self.found.iter().find(|found| found.id.text == id)
    }
}

impl Books {
    pub fn new(settings: &Settings, nodes: Vec<Arc<Node>>) -> Books {
        let life = Life::of(settings.session_max_age);
        Books { nodes, upstream: settings.upstream.clone(), life }
    }

    pub fn key(&self, kind: &'static str, context: &str, base: &str) -> Key {
        Key::own(kind, &[&self.upstream, context, base])
    }

    /// Where a session with this node in its id is stored. Without a name there is only one node, and it has none either.
    pub fn node_of(&self, name: Option<&str>) -> Option<usize> {
        self.nodes.iter().position(|node| node.name() == name.unwrap_or_default())
    }

    /// Where a record of it may stand, its home first.
    fn places(&self, id: &Named, seen: &Seen) -> Vec<usize> {
        let (count, first) = (self.nodes.len(), self.node_of(id.node.as_deref()).unwrap_or(0));
        (0..count).map(|step| (first + step) % count).filter(|at| seen.nodes[*at].up).collect()
    }

    /// `key`: of the record; `id`: the one its home goes by.
    pub async fn read(&self, key: &Key, id: &Named, seen: &Seen) -> Reading {
        let places = self.places(id, seen);
        let mut reading = Reading { home: places.first().copied(), ..Reading::default() };
        let asked = self.ask(&places, |node| {
            let key = key.clone();
            async move { node.gets(&key).await }
        });
        for (node, answer) in asked.await {
            match answer {
                Ok(Some((value, token))) => match Record::parse(&value, &id.base) {
                    Some(record) => reading.take(record, Spot { node, token }),
                    None => reading.skip(Spot { node, token }),
                },
                Ok(None) => {}
                Err(_) => reading.failed |= reading.home == Some(node),
            }
        }
        reading
    }

    /// Writes it where it was read, or where it belongs. False: somebody else was faster.
    pub async fn write(&self, key: &Key, reading: &Reading, record: &Record) -> Result<bool, Failure> {
        let text = record.to_text();
        if let Some(spot) = reading.over {
            let node = &self.nodes[spot.node];
            let swap = node.cas(key, text.as_bytes(), self.life, spot.token).await?;
            return match swap {
                Swap::Stored => Ok(true),
                Swap::Changed => Ok(false),
                Swap::Gone => node.add(key, text.as_bytes(), self.life).await,
            };
        }
        match reading.home {
            Some(home) => self.nodes[home].add(key, text.as_bytes(), self.life).await,
            None => Err(Failure::Open),
        }
    }

    /// On the next node too: should the first one die, late ids still find their way. Never instead of a later one.
    pub async fn copy(&self, key: &Key, id: &Named, seen: &Seen, record: &Record) {
        let Some(next) = self.places(id, seen).get(1).map(|at| &self.nodes[*at]) else { return };
        let text = record.to_text();
        let Ok(found) = next.gets(key).await else { return };
        // If it fails there is one copy less, for a second failure.
        match found {
            None => drop(next.add(key, text.as_bytes(), self.life).await),
            Some((value, _)) if is_later(&value, record) => {}
            Some((_, token)) => drop(next.cas(key, text.as_bytes(), self.life, token).await),
        }
    }

    /// On any other node that is up: the one where it belongs does not answer any more.
    pub async fn write_elsewhere(&self, key: &Key, id: &Named, seen: &Seen, not: usize, record: &Record) -> bool {
        for at in self.places(id, seen).into_iter().filter(|at| *at != not) {
            if self.nodes[at].add(key, record.to_text().as_bytes(), self.life).await.is_ok_and(|added| added) {
                return true;
            }
        }
        false
    }

    /// The copies of a session: under the ids that are `likely`, and under each route on each node that is up. `prefix`: what
    /// MSM puts before its keys.
    pub async fn find(&self, prefix: &str, likely: &[&Named], routes: &[&str], seen: &Seen) -> Finding {
        let mut finding = Finding::default();
        let Some(first) = likely.first() else { return finding };
        finding.failed = self.node_of(first.node.as_deref()).is_some_and(|at| !seen.nodes[at].up);
        let up: Vec<usize> = (0..self.nodes.len()).filter(|at| seen.nodes[*at].up).collect();
        let asked = self.ask(&up, |node| {
            let ids = candidates(node.name(), &first.base, likely, routes);
            let keyed: Vec<(String, Key)> =
                ids.into_iter().filter_map(|id| Some((key_of(prefix, &id)?, id))).map(swap).collect();
            async move {
                let (ids, keys): (Vec<String>, Vec<Key>) = keyed.into_iter().unzip();
                let values = node.get_many(&keys).await?;
                Ok(ids.into_iter().zip(values).filter_map(|(id, value)| Some((id, value?))).collect::<Vec<_>>())
            }
        });
        for (node, answer) in asked.await {
            match answer {
                Ok(values) => finding.found.extend(values.into_iter().filter_map(|(id, value)| found(&id, value))),
                Err(_) => finding.failed |= self.node_of(first.node.as_deref()) == Some(node),
            }
        }
        let rank = |found: &Found| likely.iter().position(|id| id.text == found.id.text).unwrap_or(likely.len());
        finding.found.sort_by_key(rank);
        finding.newest_first();
        finding
    }

    /// Stores a session that is nowhere else any more as it was.
    pub async fn put_back(&self, prefix: &str, id: &Named, value: &[u8], life: Life) -> Result<bool, Failure> {
        match (self.node_of(id.node.as_deref()), key_of(prefix, &id.text)) {
            (Some(node), Some(key)) => self.nodes[node].add(&key, value, life).await,
            _ => Ok(false),
        }
    }

    /// The same of several nodes at once, in their order: a slow one costs its own limit and no more.
    async fn ask<T, F>(&self, nodes: &[usize], question: impl Fn(Arc<Node>) -> F) -> Vec<(usize, Result<T, Failure>)>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        if let [node] = nodes {
            return vec![(*node, question(self.nodes[*node].clone()).await)];
        }
        let mut asked = JoinSet::new();
        for node in nodes {
            let (at, question) = (*node, question(self.nodes[*node].clone()));
            asked.spawn(async move { (at, question.await) });
        }
        let mut answers: Vec<(usize, Result<T, Failure>)> = asked.join_all().await;
        answers.sort_by_key(|(at, _)| nodes.iter().position(|node| node == at));
        answers
    }
}

impl Reading {
    /// Where memcached cannot be asked: what this edge alone knows.
    pub fn alone(record: Option<Record>) -> Reading {
        Reading { record, ..Reading::default() }
    }

    fn take(&mut self, record: Record, spot: Spot) {
        let rank = |record: &Record| (record.generation, record.done);
        if self.record.as_ref().is_none_or(|kept| rank(kept) < rank(&record)) {
            self.record = Some(record);
            self.over = Some(spot);
        }
    }

    /// No record, but it is in a record's way.
    fn skip(&mut self, spot: Spot) {
        self.garbage = true;
        if self.record.is_none() && self.home == Some(spot.node) {
            self.over = Some(spot);
        }
    }
}

fn key_of(prefix: &str, id: &str) -> Option<Key> {
    Id::parse(id.as_bytes())?.key(prefix)
}

fn is_later(value: &[u8], record: &Record) -> bool {
    Record::parse(value, &record.id.base).is_some_and(|found| found.generation > record.generation)
}

fn swap((key, id): (Key, String)) -> (String, Key) {
    (id, key)
}

/// The ids under which a node may hold it.
fn candidates(node: &str, base: &str, likely: &[&Named], routes: &[&str]) -> Vec<String> {
    let stem = if node.is_empty() { base.to_owned() } else { format!("{base}-{node}") };
    let here = likely.iter().filter(|id| id.node.as_deref().unwrap_or_default() == node);
    let mut ids: Vec<String> = here.map(|id| id.text.clone()).collect();
    for id in routes.iter().map(|route| format!("{stem}.{route}")) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

fn found(id: &str, value: Bytes) -> Option<Found> {
    let stored = Stored::read(&value).filter(|stored| stored.valid)?;
    Some(Found { id: Named::parse(id)?, value, stored })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(id: &str, last_backup: i64) -> Found {
        let stored = Stored { valid: true, max_inactive: 1800, last_backup, logged_in: false, saved_request: false };
        Found { id: Named::parse(id).unwrap(), value: Bytes::new(), stored }
    }

    #[test]
    fn of_a_servers_copies_the_latest_counts() {
        let first = |copies: &[(&str, i64)]| {
            let found = copies.iter().map(|(id, at)| copy(id, *at)).collect();
            let mut finding = Finding { found, failed: false };
            finding.newest_first();
            finding.found[0].id.text.clone()
        };
        assert_eq!(first(&[("A-n1.t1", 5), ("A-n2.t1", 6)]), "A-n2.t1");
        assert_eq!(first(&[("A-n1.t1", 5), ("A-n2.t1", 5)]), "A-n1.t1");
        // Another server's clock says nothing.
        assert_eq!(first(&[("A-n1.t1", 5), ("A-n1.t2", 9)]), "A-n1.t1");
    }

    #[test]
    fn a_session_is_looked_for_under_each_route_of_each_node() {
        let asked = Named::parse("A-n1.t9").unwrap();
        assert_eq!(candidates("n1", "A", &[&asked], &["t1", "t2"]), ["A-n1.t9", "A-n1.t1", "A-n1.t2"]);
        assert_eq!(candidates("n2", "A", &[&asked], &["t1", "t2"]), ["A-n2.t1", "A-n2.t2"]);
        let asked = Named::parse("A.t1").unwrap();
        assert_eq!(candidates("", "A", &[&asked], &["t1", "t2"]), ["A.t1", "A.t2"]);
    }
}
