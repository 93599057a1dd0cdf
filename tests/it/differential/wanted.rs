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
    wanted("*", "json:protocol", "edge speaks HTTP/1.1 to upstreams, as nginx 1.31; 1.22 speaks HTTP/1.0"),
    wanted("*", "json:headers.connection", "edge keeps connections to upstreams; 1.22 sends Connection: close"),
    wanted(
        "file: cut in a body without a length",
        "answer",
        "over HTTP/1.1 a cut in a chunked body shows; over HTTP/1.0 nginx 1.22 takes it for the end",
    ),
    wanted("file: a directory without its slash*", "header:location", DIRECTORY),
    wanted("method: HEAD /docs", "header:location", DIRECTORY),
    wanted("path: a fragment*", "*", FRAGMENT),
    wanted("path: less-than", "*", ENCODED),
    wanted("path: a backquote", "*", ENCODED),
    wanted("path: quotes", "*", ENCODED),
    wanted("path: a query with quotes", "*", ENCODED),
    wanted("header: a control byte in the value", "*", CONTROL),
    wanted("header: a DEL byte in the value", "*", CONTROL),
    wanted("target: absolute with a port", "json:headers.host", AUTHORITY),
    wanted("target: absolute with another host", "json:headers.host", AUTHORITY),
    wanted("host: absolute target, 1.0, without Host", "json:headers.host", AUTHORITY),
    wanted(
        "host: none in 1.0",
        "json:headers.host",
        "HTTP/1.1 to the upstream demands a Host; of a client that names none it is empty (RFC 9112 3.2)",
    ),
    wanted("host: *", "body", HOST),
    wanted("host: *", "header:*", HOST),
    wanted("host: *", "end", HOST),
    wanted("host: a port that is too big", "status", HOST),
    wanted(
        "method: CONNECT to an authority",
        "status",
        "405 as nginx since 1.21.1 for CONNECT; 1.22 stumbles over the target before and says 400",
    ),
    wanted("version: 0.9", "answer", "HTTP/0.9 has no head to check and nobody speaks it: 400"),
    wanted("chunks: LF only*", "*", CHUNKS),
    wanted("chunks: shorter than its size", "*", CHUNKS),
    wanted(
        "framing: a vertical tab before chunked",
        "status",
        "a control character in a value is 400 before the value is looked at (RFC 9110 5.5)",
    ),
    wanted("expect: nothing to send", "interim", EXPECT),
    wanted("expect: without a body", "interim", EXPECT),
    wanted(
        "answer: Upgrade*",
        "header:upgrade",
        "Upgrade concerns one connection only (RFC 9110 7.6.1); nginx passes it on",
    ),
    wanted(
        "gzip: an answer no-transform",
        "*",
        "Cache-Control: no-transform is obeyed (RFC 9110 7.7); nginx compresses",
    ),
    wanted("range: * of a script", "header:accept-ranges", "an answer that is a part says that there are parts"),
    wanted("range: * of a script", "header:cache-control", PAGE),
    wanted("range: * of a script", "header:expires", PAGE),
    wanted("condition: *, a script", "end", "nginx says keep-alive with its 412 and closes"),
];

const FRAGMENT: &str = "a fragment is no part of a request target (RFC 9112 3.2): the location was chosen without it, so the \
                        upstream is asked without it; nginx passes it on";
const ENCODED: &str = "bytes that no URI may hold (RFC 3986 2) go to the upstream encoded, where they mean the same; nginx \
                       passes them on and Tomcat refuses them";
const CONTROL: &str =
    "a control character in a value is refused by edge (RFC 9110 5.5); nginx passes it on to Tomcat's 400";
const AUTHORITY: &str =
    "the host of an absolute target replaces Host (RFC 9112 3.2.2), so that routing and upstream see one host";
const HOST: &str =
    "a Host that RFC 3986 3.2.2 does not allow is refused by edge itself; nginx 1.22 passes most on to Tomcat's 400";
const CHUNKS: &str = "chunks are read strictly (RFC 9112 7.1): what two readers could take for different bodies is 400";
const PAGE: &str = "a page that stands for a range nobody can give says nothing of how long the answer holds";
const EXPECT: &str =
    "a request without a body has nothing to continue with (RFC 9110 10.1.1); nginx sends 100 all the same";

/// In front of dead upstreams.
pub const DEAD: &[Wanted] = &[
    wanted("dead: HEAD *", "header:content-length", NAME),
    wanted("dead: an old browser", "body", PADDING),
    wanted("dead: Chrome", "body", PADDING),
];

const PADDING: &str =
    "no padding for browsers that hid short pages of errors (`msie_padding` is accepted): they are gone";
const NAME: &str = "edge's name and version are shorter than nginx's on the page HEAD is told the length of";

/// In front of failing upstreams.
pub const FAILING: &[Wanted] = &[
    wanted("failing *: * to HEAD", "header:content-length", NAME),
    wanted("failing always: *", "tries", REUSED),
    wanted("failing *: garbage of *", "answer", NINE),
    wanted("failing *: no-space of *", "answer", NINE),
    wanted("failing *: wrong-version of *", "*", VERSION),
];

const REUSED: &str =
    "a kept connection that breaks says nothing of the server: the request goes out once more on a fresh one";
const NINE: &str =
    "nginx 1.22 takes what is no status line for an answer of HTTP/0.9 and passes it on; edge calls it invalid";
const VERSION: &str = "an answer of an unknown HTTP version is invalid; nginx takes any";

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
