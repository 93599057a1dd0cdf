//! The grammar of a session id: `base [ "-" node ] [ "." route ]`, read as memcached-session-manager reads it
//! (SessionIdFormat.java), and checked: what is an [`Id`] may stand in a memcached command, a cookie and a path.
//!
//! MSM: the first dot begins the route, whatever it holds; the first dash begins the node, if it stands before that dot.

use crate::memcached::Key;

/// The longest id that is read. MSM's longest key, `bak:validity:` and a prefix before it, has to stay within memcached's 250.
pub const LONGEST: usize = 200;

/// A session id, borrowed from where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id<'a> {
    text: &'a str,
    /// Where the base ends.
    base: usize,
    /// Where the route's dot stands, or the end.
    dot: usize,
}

impl<'a> Id<'a> {
    /// Nothing if it cannot be a session id: empty, too long, or with a byte that a cookie (RFC 6265 4.1.1), a path or a line of
    /// memcached's protocol would not carry unharmed.
    pub fn parse(text: &'a [u8]) -> Option<Id<'a>> {
        if text.len() > LONGEST || !text.iter().copied().all(is_good) {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        let dot = text.find('.').unwrap_or(text.len());
        let base = text[..dot].find('-').unwrap_or(dot);
        (base > 0).then_some(Id { text, base, dot })
    }

    /// The session as MSM stores it: `before` is what MSM puts in front (`bak:validity:` and the storage key prefix).
    pub fn key(&self, before: &str) -> Option<Key> {
        Key::checked(format!("{before}{}", self.text))
    }

    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// What stays the same while the session moves; never empty.
    pub fn base(&self) -> &'a str {
        &self.text[..self.base]
    }

    /// The memcached node that holds the session; MSM leaves it out where it has only one node or could store nothing.
    pub fn node(&self) -> Option<&'a str> {
        (self.base < self.dot).then(|| &self.text[self.base + 1..self.dot])
    }

    /// The `jvmRoute` of the Tomcat that owns it.
    pub fn route(&self) -> Option<&'a str> {
        (self.dot < self.text.len()).then(|| &self.text[self.dot + 1..])
    }

    /// The same session, owned by another Tomcat.
    pub fn with_route(&self, route: &str) -> String {
        format!("{}.{route}", &self.text[..self.dot])
    }
}

/// Visible ASCII but for what ends or quotes a cookie's value, a path parameter, a segment, or begins a query or fragment.
fn is_good(byte: u8) -> bool {
    GOOD[usize::from(byte)]
}

/// Looked up, because each request with a session asks for each byte of its id.
const GOOD: [bool; 256] = {
    let bad = b"\"\\,;/?#<>{}|^`[]";
    let (mut good, mut byte) = ([false; 256], b'!');
    while byte <= b'~' {
        good[byte as usize] = true;
        byte += 1;
    }
    let mut at = 0;
    while at < bad.len() {
        good[bad[at] as usize] = false;
        at += 1;
    }
    good
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(text: &str) -> Option<(&str, Option<&str>, Option<&str>)> {
        Id::parse(text.as_bytes()).map(|id| (id.base(), id.node(), id.route()))
    }

    #[test]
    fn ids_are_read_as_msm_reads_them() {
        assert_eq!(parts("375F99F1-n1.t1"), Some(("375F99F1", Some("n1"), Some("t1"))));
        assert_eq!(parts("375F99F1.t1"), Some(("375F99F1", None, Some("t1"))));
        assert_eq!(parts("375F99F1-n1"), Some(("375F99F1", Some("n1"), None)));
        assert_eq!(parts("375F99F1"), Some(("375F99F1", None, None)));
        assert_eq!(parts("a-n1-n2.t2"), Some(("a", Some("n1-n2"), Some("t2"))));
        assert_eq!(parts("x.t1-n1"), Some(("x", None, Some("t1-n1"))));
        assert_eq!(parts("a-n1.t2.t3"), Some(("a", Some("n1"), Some("t2.t3"))));
        assert_eq!(parts("a-.t1"), Some(("a", Some(""), Some("t1"))));
        assert_eq!(parts("a-n1."), Some(("a", Some("n1"), Some(""))));
    }

    #[test]
    fn what_could_harm_is_no_id() {
        for bad in
            ["", "-n1.t1", ".t1", "a b", "a\r\nflush_all", "a\0", "a\x7f", "ä", "a;b", "a\"", "a/b", "a?b", "a,b"]
        {
            assert_eq!(parts(bad), None, "{bad:?}");
        }
        assert!(parts(&"A".repeat(LONGEST)).is_some());
        assert_eq!(parts(&"A".repeat(LONGEST + 1)), None);
    }

    #[test]
    fn a_session_changes_its_owner_and_nothing_else() {
        let moved = |text: &str| Id::parse(text.as_bytes()).map(|id| id.with_route("t2"));
        assert_eq!(moved("a-n1.t1").as_deref(), Some("a-n1.t2"));
        assert_eq!(moved("a").as_deref(), Some("a.t2"));
        assert_eq!(moved("a-n1.t2.t3").as_deref(), Some("a-n1.t2"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(text in proptest::collection::vec(any::<u8>(), 0..260)) {
            if let Some(id) = Id::parse(&text) {
                prop_assert!(!id.base().is_empty());
                let node = id.node().map(|node| format!("-{node}")).unwrap_or_default();
                let route = id.route().map(|route| format!(".{route}")).unwrap_or_default();
                prop_assert_eq!(format!("{}{node}{route}", id.base()), id.as_str());
            }
        }
    }
}
