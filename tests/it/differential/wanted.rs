//! Every difference between Debian's nginx 1.22 and edge that is wanted, each with its reason.
//!
//! An entry that matches nothing any more fails the test, as does a difference that no entry matches.

use super::compare::Difference;

pub struct Wanted {
    /// The case's name; a star stands for anything.
    pub case: &'static str,
    /// The difference's name, as in `compare`; a star stands for anything.
    pub what: &'static str,
    pub why: &'static str,
}

const fn wanted(case: &'static str, what: &'static str, why: &'static str) -> Wanted {
    Wanted { case, what, why }
}

const DIRECTORY: &str = "Tomcat redirects to a path over HTTP/1.1, to a whole URL over HTTP/1.0";

/// In front of live Tomcats, from edge.yaml and from nginx.conf.
pub const LIVE: &[Wanted] = &[
    wanted(
        "*",
        "json:protocol",
        "edge speaks HTTP/1.1 to upstreams, as nginx 1.31; 1.22 speaks HTTP/1.0",
    ),
    wanted(
        "*",
        "json:headers.connection",
        "edge keeps connections to upstreams; 1.22 sends Connection: close",
    ),
    wanted(
        "file: cut in a body without a length",
        "answer",
        "over HTTP/1.1 a cut in a chunked body shows; over HTTP/1.0 nginx 1.22 takes it for the end",
    ),
    wanted("file: a directory without its slash*", "header:location", DIRECTORY),
    wanted("method: HEAD /docs", "header:location", DIRECTORY),
];

/// In front of dead upstreams.
pub const DEAD: &[Wanted] = &[];

/// In front of failing upstreams.
pub const FAILING: &[Wanted] = &[];

impl Wanted {
    pub fn matches(&self, case: &str, difference: &Difference) -> bool {
        fits(self.case, case) && fits(self.what, &difference.what)
    }
}

/// Whether a text fits a pattern in which each star stands for any text.
pub fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, rest)) => match text.strip_prefix(before) {
            Some(after) => (0..=after.len()).any(|at| after.is_char_boundary(at) && fits(rest, &after[at..])),
            None => false,
        },
    }
}

#[test]
fn a_star_in_a_pattern_stands_for_anything() {
    assert!(fits("*", "anything"));
    assert!(fits("path: *", "path: a"));
    assert!(fits("*js*", "a.js?x"));
    assert!(fits("*: GET", "method: GET"));
    assert!(!fits("path: *", "method: a"));
    assert!(!fits("a*b", "abc"));
}
