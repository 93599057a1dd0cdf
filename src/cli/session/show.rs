//! What is printed of a session.

use crate::memcached::{Failure, Key, Node};
use crate::session::blob::{Header, Unreadable, Validity};
use crate::session::id::Id;
use crate::session::layout::Layout;
use crate::session::store::Store;
use bytes::Bytes;
use std::time::{Duration, UNIX_EPOCH};

/// What is looked for.
pub(super) struct Asked<'a> {
    pub id: Id<'a>,
    pub layout: Layout,
    pub non_sticky: bool,
    /// Milliseconds since 1970.
    pub now: i64,
}

pub(super) struct Found {
    pub text: String,
    /// Whether a Tomcat would go on with it.
    pub is_resumable: bool,
}

/// What one node holds.
struct Held<'s> {
    node: &'s Node,
    /// Session, validity, lock, backup, the backup's validity.
    values: Result<[Option<Bytes>; 5], Failure>,
}

/// Asks every node: a session may lie where its id does not say.
pub(super) async fn look(store: &Store, asked: &Asked<'_>) -> Found {
    let mut held = Vec::new();
    for node in store.nodes() {
        held.push(Held { node, values: ask(node, asked).await });
    }
    let mut report = Report { lines: Vec::new(), asked };
    let own = store.node_of(&asked.id);
    report.identity(own.map(|node| &**node));
    let found = held.iter().find(|held| own.is_some_and(|own| own.name() == held.node.name()));
    let is_resumable = match found {
        Some(held) => report.session(held),
        None => false,
    };
    for held in &held {
        report.elsewhere(held, found.is_some_and(|own| std::ptr::eq(own, held)));
    }
    report.line("expires", "memcached tells nobody how long it still keeps an item (in the protocol edge speaks)");
    Found { text: report.lines.concat(), is_resumable }
}

async fn ask(node: &Node, asked: &Asked<'_>) -> Result<[Option<Bytes>; 5], Failure> {
    let (id, layout) = (&asked.id, &asked.layout);
    let keys =
        [layout.session(id), layout.validity(id), layout.lock(id), layout.backup(id), layout.backup_validity(id)];
    let keys: Vec<Key> = keys.into_iter().flatten().collect();
    let values = node.get_many(&keys).await?;
    values.try_into().map_err(|_| Failure::Broken("a key is too long".into()))
}

struct Report<'a> {
    lines: Vec<String>,
    asked: &'a Asked<'a>,
}

impl Report<'_> {
    fn line(&mut self, what: &str, text: impl AsRef<str>) {
        self.lines.push(format!("{what:<10} {}\n", text.as_ref()));
    }

    fn identity(&mut self, own: Option<&Node>) {
        let id = self.asked.id;
        self.line("session", id.as_str());
        self.line("base", id.base());
        self.line("owner", id.route().unwrap_or("none: the id has no route"));
        let node = match (id.node(), own) {
            (_, Some(node)) => place(node),
            (Some(name), None) => format!("{name}, which the store does not have"),
            (None, None) => "none: it was stored nowhere, or the store has had a single node without a name".into(),
        };
        self.line("node", node);
    }

    /// What the node of its id holds.
    fn session(&mut self, held: &Held<'_>) -> bool {
        let [session, validity, lock, ..] = match &held.values {
            Ok(values) => values,
            Err(failure) => {
                self.line("stored", format!("not known: {} {failure}", place(held.node)));
                return false;
            }
        };
        let Some(value) = session else {
            self.line("stored", "no; if its Tomcat lives, it may have it all the same");
            return false;
        };
        let is_resumable = match Header::read(value) {
            Ok(header) => self.header(&header, value.len(), validity.as_deref()),
            Err(why) => {
                self.line("stored", format!("{} bytes: {why}", value.len()));
                false
            }
        };
        if self.asked.non_sticky {
            self.line("lock", if lock.is_some() { "held: a Tomcat works on it" } else { "none" });
        }
        is_resumable
    }

    fn header(&mut self, header: &Header<'_>, length: usize, validity: Option<&[u8]>) -> bool {
        let now = self.asked.now;
        let attributes = length - header.attributes;
        self.line("stored", format!("{length} bytes, {attributes} of them attributes; format {}", header.version));
        self.line("created", when(header.created, now));
        self.line("saved", when(header.saved, now));
        let validity = validity.filter(|_| self.asked.non_sticky).and_then(Validity::read);
        let (accessed, max_inactive) = match &validity {
            Some(validity) => (validity.this_accessed, validity.max_inactive),
            None => (header.this_accessed, header.max_inactive),
        };
        self.line("accessed", when(accessed, now));
        self.line("timeout", timeout(accessed, max_inactive, now));
        let is_resumable = match &validity {
            Some(validity) => header.is_valid && validity.is_valid(now),
            None => header.is_resumable(now) && !self.asked.non_sticky,
        };
        self.line("valid", self.verdict(header, validity.is_some(), is_resumable));
        self.line("user", user(header));
        if header.has_saved_request() {
            self.line("login", "not finished: the request before it is kept");
        }
        is_resumable
    }

    fn verdict(&self, header: &Header<'_>, has_validity: bool, is_resumable: bool) -> String {
        let why = match (header.is_valid, has_validity || !self.asked.non_sticky) {
            _ if is_resumable => return if header.is_new { "yes, and new" } else { "yes" }.into(),
            (false, _) => "it was invalidated",
            (_, false) => "there is no validity beside it, which a session that is not sticky must have",
            _ => "it was idle for too long",
        };
        format!("no: {why}")
    }

    /// The backup, and what lies where nobody would look for it.
    fn elsewhere(&mut self, held: &Held<'_>, is_own: bool) {
        let [session, _, _, backup, backup_validity] = match &held.values {
            Ok(values) => values,
            Err(_) if is_own => return,
            Err(failure) => return self.line("backup", format!("not known: {} {failure}", place(held.node))),
        };
        if let (Some(value), false) = (session, is_own) {
            self.line("also", format!("under the same key on {}: {}", place(held.node), copy(value, self.asked.now)));
        }
        let Some(value) = backup else { return };
        let validity = if backup_validity.is_some() { "with its validity" } else { "without its validity" };
        self.line("backup", format!("on {}, {validity}: {}", place(held.node), copy(value, self.asked.now)));
    }
}

fn place(node: &Node) -> String {
    match node.name() {
        "" => node.address().to_owned(),
        name => format!("{name} ({})", node.address()),
    }
}

/// A copy in a few words.
fn copy(value: &[u8], now: i64) -> String {
    match Header::read(value) {
        Ok(header) => format!("{} bytes, saved {}", value.len(), when(header.saved, now)),
        Err(Unreadable::Missing) => "only the mark that it is missing".into(),
        Err(why) => why.to_string(),
    }
}

fn user(header: &Header<'_>) -> String {
    match (header.has_principal(), header.user()) {
        (false, _) => "none has logged in".into(),
        (true, Some(name)) => format!("{name} ({})", header.authentication),
        (true, None) => format!("one has logged in ({}), whose name cannot be read", header.authentication),
    }
}

fn timeout(accessed: i64, max_inactive: i32, now: i64) -> String {
    if max_inactive <= 0 {
        return "never".into();
    }
    let idle = now.saturating_sub(accessed).max(0);
    let all = i64::from(max_inactive) * 1000;
    match all.saturating_sub(idle) {
        left @ 1.. => format!("after {} without an access; {} are left", lasting(all), lasting(left)),
        over => format!("after {} without an access; over for {}", lasting(all), lasting(-over)),
    }
}

/// A moment and how long ago that was. A clock may be ahead of the one here.
fn when(at: i64, now: i64) -> String {
    let date = u64::try_from(at).ok().filter(|ms| *ms < 1 << 47).map(Duration::from_millis);
    let date = date.map_or("no date".into(), |since| httpdate::fmt_http_date(UNIX_EPOCH + since));
    match now.saturating_sub(at) {
        ago @ 0.. => format!("{date}, {} ago", lasting(ago)),
        ahead => format!("{date}, {} ahead of the clock here", lasting(ahead.saturating_neg())),
    }
}

/// Milliseconds, in the two largest units that matter.
fn lasting(ms: i64) -> String {
    let seconds = ms / 1000;
    let (d, h, m, s) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match (d, h, m) {
        (0, 0, 0) if s == 0 => format!("{ms}ms"),
        (0, 0, 0) => format!("{s}s"),
        (0, 0, _) => format!("{m}m {s}s"),
        (0, ..) => format!("{h}h {m}m"),
        _ => format!("{d}d {h}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_two_units() {
        let texts = [0, 999, 1000, 59_999, 61_000, 3_600_000, 90_061_000].map(lasting);
        assert_eq!(texts, ["0ms", "999ms", "1s", "59s", "1m 1s", "1h 0m", "1d 1h"]);
    }

    #[test]
    fn any_time_can_be_told() {
        for at in [i64::MIN, -1, 0, 1_795_358_886_877, i64::MAX] {
            for now in [i64::MIN, 0, 1_795_358_886_877, i64::MAX] {
                assert!(!when(at, now).is_empty());
                assert!(!timeout(at, i32::MAX, now).is_empty());
            }
        }
        assert_eq!(when(784_111_777_000, 784_111_787_000), "Sun, 06 Nov 1994 08:49:37 GMT, 10s ago");
        assert_eq!(timeout(0, 1800, 60_000), "after 30m 0s without an access; 29m 0s are left");
        assert_eq!(timeout(0, 60, 61_000), "after 1m 0s without an access; over for 1s");
        assert_eq!(timeout(0, 0, 61_000), "never");
    }
}
