//! Who has taken a session over, as all edges read it in memcached.
//!
//! Lines of text, read strictly: whatever else lies under the key (another version's, half of it, garbage) is no record, and
//! the session's own keys tell where it is. A record is only ever added or compared and swapped, never set.
//!
//! ```text
//!   edge1 GENERATION taking|done INSTANCE
//!   SERVER
//!   ID
//!   the line of Set-Cookie, or nothing
//!   INSTANCE FORMER OWNER        any number of them
//! ```

use crate::session::id::Id;

/// The first word; another layout gets another one.
const VERSION: &str = "edge1";
/// Former owners that are remembered: more takeovers than this within a session's life forget the oldest.
const FORMER: usize = 16;
/// A longer Set-Cookie is not handed on: the server will say it again.
const LONGEST_COOKIE: usize = 4096;

/// An id in its parts, owned. See [`Id`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub text: String,
    pub base: String,
    pub node: Option<String>,
    pub route: Option<String>,
}

impl Named {
    pub fn parse(text: &str) -> Option<Named> {
        Id::parse(text.as_bytes()).as_ref().map(Named::from)
    }
}

impl From<&Id<'_>> for Named {
    fn from(id: &Id<'_>) -> Named {
        Named {
            text: id.as_str().to_owned(),
            base: id.base().to_owned(),
            node: id.node().map(str::to_owned),
            route: id.route().map(str::to_owned),
        }
    }
}

/// A server that had the session, and may still have a copy: in the process that was its `instance`-th.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    pub server: String,
    pub instance: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Grows with each change of the server or of what it is to take.
    pub generation: u32,
    pub server: String,
    /// Which start of that server took it, or is to take it.
    pub instance: u64,
    /// Whether the server has it. If not, `id` is the one by which it is to find it.
    pub done: bool,
    pub id: Named,
    /// What the server said to the first request, for whoever still comes with another id.
    pub set_cookie: Option<String>,
    pub former: Vec<Former>,
}

impl Record {
    pub fn to_text(&self) -> String {
        let state = if self.done { "done" } else { "taking" };
        let cookie = self.set_cookie.as_deref().filter(|line| is_line(line) && line.len() <= LONGEST_COOKIE);
        let mut text = format!("{VERSION} {} {state} {}\n", self.generation, self.instance);
        text.push_str(&format!("{}\n{}\n{}\n", self.server, self.id.text, cookie.unwrap_or_default()));
        let skipped = self.former.len().saturating_sub(FORMER);
        for former in self.former.iter().skip(skipped) {
            text.push_str(&format!("{} {}\n", former.instance, former.server));
        }
        text
    }

    /// Of the session with this base; nothing if it is anything else.
    pub fn parse(bytes: &[u8], base: &str) -> Option<Record> {
        let text = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
        let mut lines = text.split('\n');
        let (generation, done, instance) = head(lines.next()?)?;
        let server = lines.next().filter(|name| !name.is_empty() && is_line(name))?.to_owned();
        let id = Named::parse(lines.next()?).filter(|id| id.base == base)?;
        let cookie = lines.next().filter(|line| is_line(line) && line.len() <= LONGEST_COOKIE)?;
        let set_cookie = (!cookie.is_empty()).then(|| cookie.to_owned());
        let former = lines.map(former).collect::<Option<Vec<Former>>>()?;
        let bounded = former.len() <= FORMER;
        bounded.then_some(Record { generation, server, instance, done, id, set_cookie, former })
    }
}

/// Whether this process of a server had the session before: its copy is stale and MSM would use it unasked.
pub fn had(former: &[Former], server: &str, instance: u64) -> bool {
    former.iter().any(|former| former.server == server && former.instance == instance)
}

fn head(line: &str) -> Option<(u32, bool, u64)> {
    let mut words = line.split(' ');
    let version = words.next()?;
    let generation = words.next()?.parse().ok()?;
    let done = match words.next()? {
        "done" => true,
        "taking" => false,
        _ => return None,
    };
    let instance = words.next()?.parse().ok()?;
    (version == VERSION && words.next().is_none()).then_some((generation, done, instance))
}

fn former(line: &str) -> Option<Former> {
    let (instance, server) = line.split_once(' ')?;
    let good = !server.is_empty() && is_line(server);
    good.then_some(())?;
    Some(Former { server: server.to_owned(), instance: instance.parse().ok()? })
}

/// Whether it can stand on a line of its own and, later, in a head: nothing that ends one.
fn is_line(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ' || byte == b'\t' || byte.is_ascii_graphic() || byte >= 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record() -> Record {
        Record {
            generation: 3,
            server: "127.0.0.1:8081".to_owned(),
            instance: 7,
            done: true,
            id: Named::parse("AB12-n1.t2").unwrap(),
            set_cookie: Some("JSESSIONID=AB12-n1.t2; Path=/; HttpOnly".to_owned()),
            former: vec![
                Former { server: "127.0.0.1:8080".to_owned(), instance: 2 },
                Former { server: "unix:/run/a b".to_owned(), instance: 0 },
            ],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut record = record();
        assert_eq!(Record::parse(record.to_text().as_bytes(), "AB12"), Some(record.clone()));
        record.done = false;
        record.set_cookie = None;
        record.former.clear();
        assert_eq!(Record::parse(record.to_text().as_bytes(), "AB12"), Some(record));
    }

    #[test]
    fn a_record_of_another_session_is_none() {
        assert_eq!(Record::parse(record().to_text().as_bytes(), "AB13"), None);
    }

    #[test]
    fn whatever_is_no_record_is_none() {
        let good = record().to_text();
        let bad = [
            String::new(),
            "\u{1}".to_owned(),
            good.replace("edge1", "edge2"),
            good.replace("done", "taken"),
            good.replace(" 7\n", " 7 8\n"),
            good.replace("edge1 3", "edge1 -3"),
            good.replace("127.0.0.1:8081\n", "\n"),
            good.replace("AB12-n1.t2\n", "A B12-n1.t2\n"),
            good.replace("HttpOnly", "Http\rOnly"),
            good.replace("2 127", "x 127"),
            good.trim_end().to_owned(),
            format!("{good}\n"),
            good.lines().take(3).collect::<Vec<_>>().join("\n"),
        ];
        for text in bad {
            assert_eq!(Record::parse(text.as_bytes(), "AB12"), None, "{text:?}");
        }
    }

    #[test]
    fn a_cookie_that_would_end_a_line_is_left_out() {
        let record = Record { set_cookie: Some("a=b\r\nX: y".to_owned()), ..record() };
        assert_eq!(Record::parse(record.to_text().as_bytes(), "AB12").unwrap().set_cookie, None);
    }

    #[test]
    fn only_the_last_former_owners_are_kept() {
        let former = (0..20).map(|at| Former { server: format!("s{at}"), instance: at }).collect();
        let read = Record::parse(Record { former, ..record() }.to_text().as_bytes(), "AB12").unwrap();
        assert_eq!(read.former.len(), 16);
        let had = |server, instance| had(&read.former, server, instance);
        assert!(had("s19", 19) && !had("s19", 18) && !had("s3", 3));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Record::parse(&bytes, "A");
        }

        #[test]
        fn a_cut_record_is_none(cut in 0usize..200) {
            let text = record().to_text();
            // Only a cut at the end of a whole former owner leaves a record.
            if let Some(read) = text.as_bytes().get(..cut).and_then(|part| Record::parse(part, "AB12")) {
                prop_assert!(text.starts_with(&read.to_text()));
            }
        }
    }
}
