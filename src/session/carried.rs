//! Where a session id stands in a request, as Tomcat looks for it, and how another takes its place.
//!
//! Tomcat 9 (CoyoteAdapter): the cookie beats the path parameter; of several cookies of that name each is tried until one names
//! a session; a quoted value is one; names are compared with their case; `%2E` stays what it is; a `;jsessionid=` counts in any
//! segment; `?jsessionid=` does not.

use super::id::Id;

/// The names a session id goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    pub cookie: String,
    /// Without it no id is looked for in paths.
    pub path_parameter: Option<String>,
}

impl Default for Names {
    fn default() -> Self {
        Names { cookie: "JSESSIONID".into(), path_parameter: Some("jsessionid".into()) }
    }
}

impl Names {
    /// Every id of a request, the best first. `cookies`: the `Cookie` fields; `path`: the target as it was sent.
    pub fn ids<'a>(&'a self, cookies: impl Iterator<Item = &'a [u8]>, path: &'a [u8]) -> impl Iterator<Item = Id<'a>> {
        let in_cookies = cookies.flat_map(pairs).filter(|pair| pair.name == self.cookie.as_bytes());
        let in_path = self.path_parameter.iter().flat_map(|name| parameters(path, name));
        in_cookies.map(|pair| pair.value).chain(in_path.map(|found| found.value)).filter_map(Id::parse)
    }

    /// The id that an answer gives to its client, if this field of its is about that.
    pub fn id_set<'a>(&self, set_cookie: &'a [u8]) -> Option<Id<'a>> {
        pairs(set_cookie)
            .next()
            .filter(|pair| pair.name == self.cookie.as_bytes())
            .and_then(|pair| Id::parse(pair.value))
    }

    /// Whether an answer's `Set-Cookie` is about the session's cookie, whatever becomes of it.
    pub fn is_set(&self, set_cookie: &[u8]) -> bool {
        pairs(set_cookie).next().is_some_and(|pair| pair.name == self.cookie.as_bytes())
    }

    /// A `Cookie` field with another id in the place of this one; nothing if it is not there.
    pub fn exchange_cookie(&self, field: &[u8], old: &str, new: &str) -> Option<Vec<u8>> {
        let found = pairs(field).filter(|pair| pair.name == self.cookie.as_bytes() && pair.value == old.as_bytes());
        spliced(field, found.map(|pair| pair.at), new)
    }

    /// A target with another id in the place of this one; nothing if it is not there.
    pub fn exchange_path(&self, target: &[u8], old: &str, new: &str) -> Option<Vec<u8>> {
        let name = self.path_parameter.as_ref()?;
        let found = parameters(target, name).filter(|found| found.value == old.as_bytes());
        spliced(target, found.map(|found| found.at), new)
    }
}

/// A text with `new` in all the places that begin and end there.
fn spliced(text: &[u8], places: impl Iterator<Item = (usize, usize)>, new: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut done = 0;
    for (from, to) in places {
        out.extend_from_slice(&text[done..from]);
        out.extend_from_slice(new.as_bytes());
        done = to;
    }
    out.extend_from_slice(&text[done..]);
    (done > 0).then_some(out)
}

struct Pair<'a> {
    name: &'a [u8],
    value: &'a [u8],
    at: (usize, usize),
}

/// `a=b; c="d"`, quotes left out.
fn pairs(field: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    let mut begins = 0;
    field.split(|b| *b == b';').filter_map(move |part| {
        let from = begins;
        begins += part.len() + 1;
        let equals = memchr::memchr(b'=', part)?;
        let (mut value, mut at) = (&part[equals + 1..], from + equals + 1);
        at += value.len() - value.trim_ascii_start().len();
        value = value.trim_ascii();
        if let [b'"', inside @ .., b'"'] = value {
            (value, at) = (inside, at + 1);
        }
        Some(Pair { name: part[..equals].trim_ascii(), value, at: (at, at + value.len()) })
    })
}

struct Parameter<'a> {
    value: &'a [u8],
    at: (usize, usize),
}

/// The values of a parameter in the segments of a path.
fn parameters<'a>(target: &'a [u8], name: &'a str) -> impl Iterator<Item = Parameter<'a>> {
    let path = &target[..memchr::memchr2(b'?', b'#', target).unwrap_or(target.len())];
    memchr::memchr_iter(b';', path).filter_map(move |semicolon| {
        let parameter = &path[semicolon + 1..];
        let value = parameter.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        let value = &value[..memchr::memchr2(b';', b'/', value).unwrap_or(value.len())];
        let from = semicolon + 1 + name.len() + 1;
        Some(Parameter { value, at: (from, from + value.len()) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ids(cookies: &[&str], path: &str) -> Vec<String> {
        let names = Names::default();
        let found = names.ids(cookies.iter().map(|c| c.as_bytes()), path.as_bytes());
        found.map(|id| id.as_str().to_owned()).collect()
    }

    #[test]
    fn the_cookie_beats_the_path_parameter() {
        assert_eq!(ids(&["JSESSIONID=a.t1"], "/x;jsessionid=b.t2"), ["a.t1", "b.t2"]);
    }

    #[test]
    fn every_cookie_of_the_name_counts_in_order() {
        assert_eq!(ids(&["x=1; JSESSIONID=a; y=2;JSESSIONID=\"b\"", "JSESSIONID=c"], "/"), ["a", "b", "c"]);
    }

    #[test]
    fn names_are_compared_with_their_case() {
        assert_eq!(ids(&["jsessionid=a; XJSESSIONID=b"], "/;JSESSIONID=c"), [""; 0]);
    }

    #[test]
    fn a_path_parameter_counts_in_any_segment_and_not_in_the_query() {
        assert_eq!(ids(&[], "/a;x=1;jsessionid=b-n1.t1;y=2/c?jsessionid=d"), ["b-n1.t1"]);
        assert_eq!(ids(&[], "/a;jsessionid=b/c;jsessionid=d"), ["b", "d"]);
        assert_eq!(ids(&[], "/a;xjsessionid=b"), [""; 0]);
    }

    #[test]
    fn what_is_no_id_is_passed_over() {
        assert_eq!(ids(&["JSESSIONID=; JSESSIONID=a b; JSESSIONID=ok.t1"], "/"), ["ok.t1"]);
    }

    #[test]
    fn another_id_takes_the_place_of_one() {
        let names = Names::default();
        let cookie = |field: &str| {
            let new = names.exchange_cookie(field.as_bytes(), "a-n1.t1", "a-n1.t2")?;
            Some(String::from_utf8(new).unwrap())
        };
        assert_eq!(cookie("x=a-n1.t1; JSESSIONID=a-n1.t1; y=2").as_deref(), Some("x=a-n1.t1; JSESSIONID=a-n1.t2; y=2"));
        assert_eq!(cookie("JSESSIONID=\"a-n1.t1\"").as_deref(), Some("JSESSIONID=\"a-n1.t2\""));
        assert_eq!(cookie("JSESSIONID=b"), None);
        let path = |target: &str| {
            let new = names.exchange_path(target.as_bytes(), "a-n1.t1", "a-n1.t2")?;
            Some(String::from_utf8(new).unwrap())
        };
        assert_eq!(path("/x;jsessionid=a-n1.t1;k/y?z=a-n1.t1").as_deref(), Some("/x;jsessionid=a-n1.t2;k/y?z=a-n1.t1"));
        assert_eq!(path("/x;jsessionid=a-n1.t11"), None);
    }

    #[test]
    fn an_answer_gives_an_id() {
        let names = Names::default();
        let set = |line: &str| names.id_set(line.as_bytes()).map(|id| id.as_str().to_owned());
        assert_eq!(set("JSESSIONID=a-n1.t2; Path=/; HttpOnly").as_deref(), Some("a-n1.t2"));
        assert_eq!(set("x=1; JSESSIONID=a"), None);
        assert_eq!(set("JSESSIONID=; Max-Age=0"), None);
        assert!(names.is_set(b"JSESSIONID=; Max-Age=0"));
    }

    proptest! {
        #[test]
        fn nothing_breaks_on_any_bytes(field in proptest::collection::vec(any::<u8>(), 0..80), path in "[;=a-c/?#jsessionid]{0,60}") {
            let names = Names::default();
            for id in names.ids([&field[..]].into_iter(), path.as_bytes()) {
                let changed = names.exchange_cookie(&field, id.as_str(), "new").or_else(|| names.exchange_path(path.as_bytes(), id.as_str(), "new"));
                prop_assert!(changed.is_some());
            }
            names.id_set(&field);
        }
    }
}
