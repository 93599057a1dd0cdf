//! Which of the servers on one listen address a host name means: nginx's `ngx_http_find_virtual_server`.
//!
//! Always: an exact name goes before a leading wildcard, that before a trailing one, the longer wildcard before the
//! shorter, all of them before the regexes, which go in file order. Names are compared in lower case; hosts come lowered
//! from [`validate_host`](super::validate_host). Looking up allocates nothing and takes time bounded by the longest name.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::first::FirstOf;
use crate::pattern::{Captures, Pattern, PatternError};

/// The names of all servers on one address.
#[derive(Debug)]
pub struct ServerNames<T> {
    /// Exact names, and the bare name of each `.name`.
    exact: ByName,
    /// `*.name` and `.name`, as `name`.
    heads: Wildcards,
    /// `name.*`, as `name`.
    tails: Wildcards,
    regexes: FirstOf,
    /// What each regex stands for.
    regex_values: Vec<usize>,
    default: Option<usize>,
    values: Vec<T>,
    conflicts: Vec<(usize, String)>,
}

type ByName = HashMap<Box<[u8]>, usize, BuildHasherDefault<Fnv>>;

/// FNV-1a. All names in the tables come from the configuration, and clients only look: nobody can make them share a place.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The length, which the bytes tell apart as well.
    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Debug, Default)]
struct Wildcards {
    names: ByName,
    /// No name is longer: what bounds the search in a host made of dots.
    longest: usize,
}

/// Why a `server_name` cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("server name {0:?} is invalid: a wildcard is \"*.name\", \".name\" or \"name.*\"")]
    Wildcard(String),
    #[error("server name {0:?} is invalid")]
    Invalid(String),
    #[error("the regex in server name {0:?} is empty")]
    EmptyRegex(String),
    #[error("the regex in server name {name:?} does not compile: {error}")]
    Regex { name: String, error: PatternError },
}

enum Kind {
    Exact,
    Head,
    Dotted,
    Tail,
}

impl<T> Default for ServerNames<T> {
    fn default() -> Self {
        ServerNames {
            exact: ByName::default(),
            heads: Wildcards::default(),
            tails: Wildcards::default(),
            regexes: FirstOf::default(),
            regex_values: Vec::new(),
            default: None,
            values: Vec::new(),
            conflicts: Vec::new(),
        }
    }
}

impl<T> ServerNames<T> {
    /// Takes the servers of an address in file order, each with its names as they stand in the file, and which of them is
    /// the default one. Mistakes come back all at once, with their server's index.
    pub fn new<N: AsRef<str>>(
        servers: impl IntoIterator<Item = (Vec<N>, T)>,
        default: Option<usize>,
    ) -> Result<ServerNames<T>, Vec<(usize, NameError)>> {
        let mut names = ServerNames { default, ..ServerNames::default() };
        let (mut mistakes, mut patterns) = (Vec::new(), Vec::new());
        for (server, (texts, value)) in servers.into_iter().enumerate() {
            names.values.push(value);
            for text in texts.iter().map(AsRef::as_ref) {
                match names.add(text, server, &mut patterns) {
                    Ok(true) => {}
                    Ok(false) => names.conflicts.push((server, text.to_owned())),
                    Err(mistake) => mistakes.push((server, mistake)),
                }
            }
        }
        names.regexes = FirstOf::new(patterns);
        if mistakes.is_empty() { Ok(names) } else { Err(mistakes) }
    }

    /// Names that an earlier server of the address has, which as in nginx are ignored, and the servers that lost them.
    pub fn conflicts(&self) -> &[(usize, String)] {
        &self.conflicts
    }

    /// `Ok(false)`: another server has that name.
    fn add(&mut self, text: &str, server: usize, patterns: &mut Vec<Pattern>) -> Result<bool, NameError> {
        if let Some(regex) = text.strip_prefix('~') {
            patterns.push(compile(text, regex)?);
            self.regex_values.push(server);
            return Ok(true);
        }
        let (kind, name) = classify(text)?;
        let name = name.to_ascii_lowercase().into_bytes().into_boxed_slice();
        Ok(match kind {
            Kind::Exact => insert(&mut self.exact, name, server),
            Kind::Head => self.heads.insert(name, server),
            Kind::Tail => self.tails.insert(name, server),
            // A `.name` of which one half is taken is ignored as a whole.
            Kind::Dotted if self.exact.contains_key(&name) || self.heads.names.contains_key(&name) => false,
            Kind::Dotted => insert(&mut self.exact, name.clone(), server) && self.heads.insert(name, server),
        })
    }

    /// Whether a server has the name, so that not only the default one takes it.
    pub fn knows(&self, host: &[u8]) -> bool {
        self.search(host).0.is_some()
    }

    /// The server for a host as `validate_host` returns it (`""`: none was sent), or the default one; and what its regex
    /// captured, if it was found by one that captures.
    pub fn find(&self, host: &[u8]) -> (Option<&T>, Option<Captures>) {
        let (server, pattern) = self.search(host);
        let captures = pattern.filter(|pattern| pattern.groups() > 0).and_then(|pattern| pattern.captures(host));
        (server.or(self.default).and_then(|server| self.values.get(server)), captures)
    }

    /// The same without what was captured: the regex that found the host, for who may ask it later.
    pub fn find_with_pattern(&self, host: &[u8]) -> (Option<&T>, Option<&Pattern>) {
        let (server, pattern) = self.search(host);
        (server.or(self.default).and_then(|server| self.values.get(server)), pattern)
    }

    fn search(&self, host: &[u8]) -> (Option<usize>, Option<&Pattern>) {
        let exact = self.exact.get(host).copied();
        let named = exact.or_else(|| self.heads.find_head(host)).or_else(|| self.tails.find_tail(host));
        if named.is_some() || host.is_empty() {
            return (named, None);
        }
        match self.regexes.find(host) {
            Some(index) => (self.regex_values.get(index).copied(), self.regexes.patterns().get(index)),
            None => (None, None),
        }
    }

    /// All values, in file order.
    pub fn values(&self) -> &[T] {
        &self.values
    }
}

fn insert(names: &mut ByName, name: Box<[u8]>, server: usize) -> bool {
    let free = !names.contains_key(&name);
    if free {
        names.insert(name, server);
    }
    free
}

impl Wildcards {
    fn insert(&mut self, name: Box<[u8]>, server: usize) -> bool {
        self.longest = self.longest.max(name.len());
        insert(&mut self.names, name, server)
    }

    /// The longest name behind a dot of the host.
    fn find_head(&self, host: &[u8]) -> Option<usize> {
        let start = host.len().saturating_sub(self.longest + 1);
        let mut dots = (start..host.len()).filter(|at| host[*at] == b'.');
        dots.find_map(|at| self.names.get(&host[at + 1..]).copied())
    }

    /// The longest name before a dot of the host.
    fn find_tail(&self, host: &[u8]) -> Option<usize> {
        let end = host.len().min(self.longest + 1);
        let mut dots = (0..end).rev().filter(|at| host[*at] == b'.');
        dots.find_map(|at| self.names.get(&host[..at]).copied())
    }
}

/// As nginx, a regex with an upper-case letter ignores case: hosts are lowered, it could not match otherwise.
fn compile(name: &str, regex: &str) -> Result<Pattern, NameError> {
    if regex.is_empty() {
        return Err(NameError::EmptyRegex(name.to_owned()));
    }
    let caseless = regex.bytes().any(|b| b.is_ascii_uppercase());
    Pattern::compile(regex, caseless).map_err(|error| NameError::Regex { name: name.to_owned(), error })
}

fn classify(text: &str) -> Result<(Kind, &str), NameError> {
    let (kind, name) = if let Some(name) = text.strip_prefix("*.") {
        (Kind::Head, name)
    } else if let Some(name) = text.strip_prefix('.') {
        (Kind::Dotted, name)
    } else if let Some(name) = text.strip_suffix(".*") {
        (Kind::Tail, name)
    } else {
        (Kind::Exact, text)
    };
    if name.contains('*') {
        return Err(NameError::Wildcard(text.to_owned()));
    }
    let empty = name.is_empty() && !text.is_empty();
    if empty
        || name.starts_with('.')
        || name.contains("..")
        || name.bytes().any(|b| b <= b' ' || b == b'/' || b == 0x7f)
    {
        return Err(NameError::Invalid(text.to_owned()));
    }
    Ok((kind, name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tables::{HOSTS, SERVERS};
    use super::super::validate_host;
    use super::*;

    fn names(servers: &[&[&'static str]]) -> ServerNames<usize> {
        let servers = servers.iter().enumerate().map(|(index, names)| (names.to_vec(), index));
        ServerNames::new(servers, None).unwrap()
    }

    #[test]
    fn every_host_finds_the_server_it_finds_in_nginx() {
        let names = names(SERVERS);
        for (text, name, server) in HOSTS {
            let (Some(name), Ok(host)) = (name, validate_host(text.as_bytes())) else {
                continue;
            };
            assert_eq!(*host.name, *name.as_bytes());
            assert_eq!(names.find(&host.name).0, server.as_ref(), "{text:?}");
        }
    }

    #[test]
    fn a_request_without_a_host_finds_the_empty_name_and_no_regex() {
        assert_eq!(names(&[&["~^$"], &[""]]).find(b"").0, Some(&1));
        assert_eq!(names(&[&["~^$"], &["a"]]).find(b"").0, None);
    }

    #[test]
    fn who_matches_nothing_finds_the_default_server() {
        let names = ServerNames::new([(vec!["a"], 'a'), (vec!["b"], 'b')], Some(1)).unwrap();
        assert_eq!((names.find(b"a").0, names.find(b"c").0), (Some(&'a'), Some(&'b')));
    }

    #[test]
    fn a_regex_gives_its_captures() {
        let names = names(&[&[r"~^www\d+\.(?<domain>.+)$"]]);
        let (server, captures) = names.find(b"www12.example.org");
        assert_eq!(server, Some(&0));
        assert_eq!(captures.unwrap().text(1, b"www12.example.org"), Some(&b"example.org"[..]));
        let pattern = names.find_with_pattern(b"www12.example.org").1.unwrap();
        assert_eq!(pattern.names().collect::<Vec<_>>(), [("domain", 1)]);
    }

    #[test]
    fn a_regex_with_an_upper_case_letter_ignores_case() {
        assert_eq!(names(&[&["~^Caps"]]).find(b"caps").0, Some(&0));
    }

    #[test]
    fn a_name_belongs_to_the_first_server_that_has_it() {
        for (servers, conflict, bare, deep) in [
            ([["a.x"], [".a.x"]], Some(".a.x"), Some(0), None),
            ([[".a.x"], ["a.x"]], Some("a.x"), Some(0), Some(0)),
            ([["*.a.x"], [".a.x"]], Some(".a.x"), None, Some(0)),
            ([[".a.x"], ["*.a.x"]], Some("*.a.x"), Some(0), Some(0)),
            ([["A.x"], ["a.x"]], Some("a.x"), Some(0), None),
            ([["*.a.x"], ["a.x"]], None, Some(1), Some(0)),
            ([["~a"], ["~a"]], None, Some(0), Some(0)),
        ] {
            let numbered = servers.iter().enumerate().map(|(index, names)| (names.to_vec(), index));
            let names = ServerNames::new(numbered, None).unwrap();
            let found = names.conflicts().first().map(|(server, name)| (*server, name.as_str()));
            assert_eq!(found, conflict.map(|name| (1, name)), "{servers:?}");
            assert_eq!(names.find(b"a.x").0.copied(), bare, "{servers:?}");
            assert_eq!(names.find(b"b.a.x").0.copied(), deep, "{servers:?}");
        }
    }

    #[test]
    fn names_that_nginx_refuses_are_refused_together() {
        let bad = ["*", "*.", "**.a", "a.*.b", "*a.b", "a*", "*.a.*", ".", "..", "a..b", "a/b", "a b", "~(", "~"];
        let mistakes = ServerNames::new([(bad.to_vec(), ())], None).unwrap_err();
        assert_eq!(mistakes.len(), bad.len(), "{mistakes:?}");
    }

    #[test]
    fn a_host_made_of_dots_is_searched_in_no_time() {
        let names = names(&[&["*.example.org"], &["www.*"]]);
        let host = "a.".repeat(16_000);
        for _ in 0..1000 {
            assert_eq!(names.find(host.as_bytes()).0, None);
        }
    }

    /// nginx's rules, naively: every name of every server is looked at.
    fn reference(servers: &[Vec<String>], host: &str) -> Option<usize> {
        let all = || {
            servers.iter().enumerate().flat_map(|(server, names)| names.iter().map(move |name| (server, name.as_str())))
        };
        let longest = |found: &mut dyn Iterator<Item = (usize, usize)>| {
            found.fold(None, |best: Option<(usize, usize)>, next| best.filter(|best| best.1 >= next.1).or(Some(next)))
        };
        let exact = all().find(|(_, name)| *name == host);
        let head = longest(&mut all().filter_map(|(server, name)| {
            let tail = name.strip_prefix('*')?;
            (host.ends_with(tail)).then_some((server, name.len()))
        }));
        let tail = longest(&mut all().filter_map(|(server, name)| {
            let head = name.strip_suffix('*')?;
            (host.starts_with(head)).then_some((server, name.len()))
        }));
        exact.map(|(server, _)| server).or(head.map(|(server, _)| server)).or(tail.map(|(server, _)| server))
    }

    proptest! {
        #[test]
        fn finding_agrees_with_looking_at_every_name(
            servers in prop::collection::vec(prop::collection::vec("([*][.])?[ab]([.][ab]){0,2}|[ab]([.][ab]){0,2}[.][*]", 1..4), 1..5),
            hosts in prop::collection::vec("[ab.]{1,8}", 8),
        ) {
            let numbered = servers.iter().cloned().enumerate().map(|(index, names)| (names, index));
            let names = ServerNames::new(numbered, None).unwrap();
            for host in hosts.iter().filter(|host| validate_host(host.as_bytes()).is_ok() && !host.ends_with('.')) {
                prop_assert_eq!(names.find(host.as_bytes()).0.copied(), reference(&servers, host), "{}", host);
            }
        }
    }
}
