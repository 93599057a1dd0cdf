//! Differences between nginx 1.22 and edge in the features' tests that are wanted, each with its reason.
//!
//! An entry for one configuration (no star before `: `) that matches nothing any more fails that one's test.

use crate::differential::compare::Difference;
use crate::differential::wanted::Wanted;

const fn wanted(case: &'static str, what: &'static str, why: &'static str) -> Wanted {
    Wanted { case, what, why }
}

const KEEPS: &str = "edge keeps connections to upstreams, as nginx 1.31, and asks again if one that lay idle breaks";
const INTERIM: &str = "nginx 1.22 takes an interim answer for the answer; 1.31 reads on, as edge does";
const NOT_HTTP: &str =
    "nginx 1.22 takes what is not HTTP/1 for HTTP/0.9 or passes the line on; edge answers 502 (nginx 1.31: likewise)";
const INVALID: &str = "edge refuses an answer that HTTP does not allow";
const REPAIRED: &str = "RFC 9112 5: a proxy takes the space before the colon, and the fold, out of an answer";
const LENGTHS: &str = "edge refuses an answer whose length is no number or two, as nginx 1.31";
const CONTROL: &str = "a control character in a value is refused (RFC 9110 5.5)";
const NAMES: &str = "a name that is no token is refused; nginx passes it on";
const JOINED: &str = "fields of one name are joined, as in nginx since 1.23";
const ESCAPED: &str = "bytes that no URI may have are sent encoded: they mean the same, and no request line breaks";
const STREAMED: &str =
    "a body that is streamed is passed as it comes, in chunks; nginx knows its length once it has it all";
const NO_BODY: &str = "edge does not look at a body that nobody reads before it answers";
const UNREAD: &str = "a head that is refused is kept as far as its line";
const WAITS: &str = "a client that waits to be asked for a body nobody reads is not asked: whether it sends it then is unknown, so the \
     connection ends (RFC 9110 10.1.1); nginx takes whatever comes next for the body";
const PARTS: &str = "a part of a file is the same bytes whatever the client accepts; nginx sends all of it, compressed, \
     to one that accepts that";

const VALIDATED: &str = "a 304 keeps the validators that it is about";
const QUESTIONED: &str = "a byte that the table does not have is `?` wherever it stands; nginx passes a piece in which it finds none of the table's";
const PART: &str = "a part is not changed: a text may begin in it and not end, and its place in the whole is told";
const CODED: &str = "what is compressed is not looked through: to change its bytes is to break it";
const LENGTH: &str = "what is stored has a known length";
const WHOLE: &str = "what was fetched is stored, though its client got a page instead; nginx throws it away";
const OWN: &str = "edge's own 502 and 504 are not kept: a server that is back is seen at once";

const MAPPED: &str = "an address of IPv4 is told as one, however it came";
const DEMAND: &str =
    "what the location that was asked demands is told, whoever made it; nginx knows what an upstream demands alone";
const ONCE: &str = "two demands that are the same are one";

const ALL: &[Wanted] = &[
    wanted("real_ip*: * ::ffff:192.0.2.1]", "body", MAPPED),
    wanted("real_ip: log", "addr", MAPPED),
    wanted("real_ip forwarded: log", "addr", MAPPED),
    wanted("real_ip recursive: log", "addr", MAPPED),
    wanted("real_ip any field: log", "addr", MAPPED),
    wanted("satisfy *: *-who/a.txt*", "header:www-authenticate", DEMAND),
    wanted("auth_basic and error_page: /shut", "header:www-authenticate", ONCE),
    wanted("small cache*: *", "header:age", "a stored answer tells its age (RFC 9111 5.1)"),
    wanted("cache*: *", "header:age", "a stored answer tells its age (RFC 9111 5.1)"),
    wanted("revalidate: *", "header:age", "a stored answer tells its age (RFC 9111 5.1)"),
    wanted("no revalidate: *", "header:age", "a stored answer tells its age (RFC 9111 5.1)"),
    wanted("stale: *", "header:age", "a stored answer tells its age (RFC 9111 5.1)"),
    wanted("background: *", "header:age", "a stored answer tells its age (RFC 9111 5.1)"),
    wanted("stale: *", "a: requests", KEEPS),
    wanted("background: /own/sie then", "a: requests", KEEPS),
    wanted("cache*: *chunks*", "header:transfer-encoding", LENGTH),
    wanted("cache*: *chunks*", "header:content-length", LENGTH),
    wanted("cache*: *chunks*", "header:accept-ranges", LENGTH),
    wanted("cache forced ranges: *chunks* [Range: bytes=*", "status", LENGTH),
    wanted("cache forced ranges: log", "cache", LENGTH),
    wanted("cache*: GET /end*", "header:transfer-encoding", LENGTH),
    wanted("cache*: *end*", "header:content-length", LENGTH),
    wanted("cache*: *Range: *", "header:accept-ranges", "an answer that is a part says that there are parts"),
    wanted(
        "small answers_on_their_way: *Range: *",
        "header:accept-ranges",
        "an answer that is a part says that there are parts",
    ),
    wanted("cache*: *Range: bytes=10-*", "header:*", "a page says nothing of how long the answer holds"),
    wanted("cache first*: GET *T3 [] *", "*", WHOLE),
    wanted("cache first*: GET *D3 [] *", "*", WHOLE),
    wanted("cache first*: GET *6 [] *", "*", WHOLE),
    wanted("cache first*: GET *10 [] *", "*", WHOLE),
    wanted("cache first*: GET *15 [] *", "*", WHOLE),
    wanted("cache first*: log*", "cache", WHOLE),
    wanted("cache*: GET /ranges/2 [] *", "*", WHOLE),
    wanted("cache failures: *hangup *", "a: requests", KEEPS),
    wanted("cache failures: GET /*/hangup [] *", "header:x-cache", OWN),
    wanted("cache failures: GET /*/silent [] *", "header:x-cache", OWN),
    wanted("cache failures: GET /*/silent [] *", "a: requests", OWN),
    wanted("cache failures: log", "cache", OWN),
    wanted("cache uses: HEAD *", "a: line", "the head is enough where nothing is stored"),
    wanted("cache*: GET /expired-but-max-age *", "*", "max-age goes before Expires, as in nginx since 1.23"),
    wanted("cache: log", "cache", "max-age goes before Expires, as in nginx since 1.23"),
    wanted("cache, times: log", "cache", "max-age goes before Expires, as in nginx since 1.23"),
    wanted("cache, a time: log", "cache", "max-age goes before Expires, as in nginx since 1.23"),
    wanted("cache, ignoring*: GET /cookie *", "header:set-cookie", "a stored answer sets no cookie"),
    wanted("shapes*: /1*", "interim", INTERIM),
    wanted("shapes*: /1*", "header:*", INTERIM),
    wanted("shapes*: /noreason", "*", "edge writes the space after the status that nginx leaves out"),
    wanted("shapes*: /chunkbad", "answer", "both cut the answer off; edge has sent its head before"),
    wanted("shapes*: /differing", "*", LENGTHS),
    wanted("shapes*: /badlength", "*", LENGTHS),
    wanted("shapes*: /negative", "*", LENGTHS),
    wanted("shapes: /09", "*", NOT_HTTP),
    wanted("shapes*: /http2", "*", NOT_HTTP),
    wanted("shapes*: /http12", "*", NOT_HTTP),
    wanted("shapes*: /status*", "*", NOT_HTTP),
    wanted(
        "shapes*: /chunkgzip",
        "*",
        "a coding of the transfer that is not chunked alone is refused, as in nginx 1.31",
    ),
    wanted("shapes*: /twolengths", "*", LENGTHS),
    wanted("underscores_in_headers: both seen", "body", JOINED),
    wanted("ignore_invalid_headers off: both seen", "body", JOINED),
    wanted("both settings: both seen", "body", JOINED),
    wanted(
        "settings of servers: c",
        "body",
        "how heads are read is the default server's to say, as nginx documents it",
    ),
    wanted("return that redirects: /crlf/*", "header:*", "nginx lets the line break through, and with it a field"),
    wanted("shapes*: /crlffirst", "*", "edge reads over an empty line before the answer"),
    wanted("shapes*: /nocolon", "status", INVALID),
    wanted("shapes*: /control", "status", INVALID),
    wanted("shapes*: /spacecolon", "status", REPAIRED),
    wanted("shapes*: /folded", "status", REPAIRED),
    wanted("shapes*: /cuthead", "a: requests", KEEPS),
    wanted("shapes*: /hangup", "a: requests", KEEPS),
    wanted("shapes*: /reset", "a: requests", KEEPS),
    wanted(
        "shapes compressed: /trailers",
        "header:content-encoding",
        "an answer that announces trailers is not compressed: they are about the bytes as they were",
    ),
    wanted("error_page of applications: /plain/hangup", "a: requests", KEEPS),
    wanted("error_page of applications: /plain/garbage", "answer", NOT_HTTP),
    wanted(
        "error_page of refusals: CONNECT",
        "status",
        "405 for CONNECT whatever its target, which nginx 1.22 reads first",
    ),
    wanted("all servers fail: */garbage", "*", NOT_HTTP),
    wanted("next upstream*: */garbage", "*", NOT_HTTP),
    wanted("all servers fail: /hangup", "a: requests", KEEPS),
    wanted("all servers fail: /hangup", "b: requests", KEEPS),
    wanted("next upstream*: /hangup", "a: requests", KEEPS),
    wanted("fields: a control in the value*", "*", CONTROL),
    wanted("underscores_in_headers: a control in the value*", "*", CONTROL),
    wanted("ignore_invalid_headers off: a control in the value*", "*", CONTROL),
    wanted("both settings: a control in the value*", "*", CONTROL),
    wanted("ignore_invalid_headers off: an umlaut", "*", NAMES),
    wanted("ignore_invalid_headers off: an umlaut seen", "*", NAMES),
    wanted("ignore_invalid_headers off: a quote*", "*", NAMES),
    wanted("both settings: an umlaut", "*", NAMES),
    wanted("both settings: an umlaut seen", "*", NAMES),
    wanted("both settings: a quote*", "*", NAMES),
    wanted("large_client_header_buffers: * fields", "body", JOINED),
    wanted("return of a text: /variables [X-Y: one] [Cookie: C=7] [X-y: two]", "body", JOINED),
    wanted("proxy_pass: *\"<>|^`{}", "*", ESCAPED),
    wanted("proxy_pass with variables: *%20b?*", "*", ESCAPED),
    wanted(
        "fields of the request: /nohost/x",
        "a: field host",
        "HTTP/1.1 has to have a Host: an empty one is valid, none is not",
    ),
    wanted(
        "fields of the request: 1.0 *host",
        "a: field host",
        "HTTP/1.1 has to have a Host: an empty one is valid, none is not",
    ),
    wanted(
        "fields of the request: /inherit/hop *",
        "a: field trailer",
        "Trailer is for one connection's chunks; edge passes no trailers on",
    ),
    wanted(
        "fields of the request: POST /length/p",
        "a: *",
        "a body is always sent with its length: without one it would be the next request",
    ),
    wanted(
        "fields of the request: /upgrade/h *",
        "a: field content-length",
        "Pingora is told of an open body, so that an upgrade under load is not taken for ended, and would announce one",
    ),
    wanted("fields of the answer: /hop", "header:*", "fields that are for one connection go no further"),
    wanted("fields of the answer: /types", "header:content-type", "the first of two counts, as in nginx 1.31"),
    wanted(
        "fields of the answer: /pass/accel",
        "header:*",
        "an answer always has a Date and a Server (RFC 9110 6.6.1)",
    ),
    wanted("server_tokens: /pp/none", "header:*", "an answer always has a Date and a Server (RFC 9110 6.6.1)"),
    wanted(
        "method and body of the request: POST /nobody/*",
        "*",
        "without the body its length is not sent either; nginx's upstream waits for it",
    ),
    wanted("method and body of the request: POST /unbuffered/c*", "a: field *", STREAMED),
    wanted("wrong bodies: /s/ *", "a: field *", STREAMED),
    wanted("wrong bodies: * a bare line feed", "*", "a chunk's line ends in CR LF"),
    wanted("wrong bodies: /t/ *", "status", NO_BODY),
    wanted("Expect: none", "interim", "nobody is asked for a body there is none of (RFC 9110 10.1.1)"),
    wanted("Expect: *", "interim", WAITS),
    wanted("Expect: *", "header:connection", WAITS),
    wanted("Expect: *", "end", WAITS),
    wanted("pipelining: chunks", "a: field *", STREAMED),
    wanted("client_max_body_size: /s/ * in chunks", "a: *", STREAMED),
    wanted("conditions: *", "end", "nginx says keep-alive with its 412 and closes"),
    wanted(
        "gzip*: /f/page.html [Accept-Encoding: gzip] [Range: *",
        "status",
        "a part of the file is sent as it is; nginx gives up the range for gzip",
    ),
    wanted("spelling: /a.txt [Range: *", "header:vary", PARTS),
    wanted("gzip_proxied: /vary *", "header:vary", "one Vary with both instead of two"),
    wanted("log *: log", "sent_connection", "nginx has forgotten by then that it keeps the connection"),
    wanted(
        "log *: log",
        "upstream_response_length",
        "the length of the body; nginx 1.22 counts the chunks' sizes with it",
    ),
    wanted("log *: log", "upstream_bytes_received", "the head and the body; nginx counts the chunks' sizes with it"),
    wanted(
        "log lines: log",
        "request_completion",
        "an answer that broke off is not complete; nginx says OK if the upstream was the one that ended it",
    ),
    wanted("log lines: log", "content_length", "the field, not what was counted"),
    wanted("log of refusals: 09", "answer", "HTTP/0.9 is refused"),
    wanted("log of refusals: log", "request_length", UNREAD),
    wanted("log of refusals: log", "status", "HTTP/0.9 is refused"),
    wanted("log of refusals: log", "body_bytes_sent", "HTTP/0.9 is refused"),
    wanted("log of refusals: log", "bytes_sent", "HTTP/0.9 is refused"),
    wanted("log of refusals: log", "request", "a line too long for any buffer is logged in part"),
    wanted("log of refusals: log", "*uri", UNREAD),
    wanted("log of refusals: log", "sent_content_*", UNREAD),
    wanted("log of refusals: log", "*host", UNREAD),
    wanted("log of refusals: log", "content_length", UNREAD),
    wanted("log of refusals: log", "request_*", UNREAD),
    wanted("log of refusals: log", "document_root", UNREAD),
    wanted("log of refusals: log", "server_protocol", UNREAD),
    wanted("log lines: log", "http_host", "an absolute target's authority is the Host (RFC 9112 3.2.2)"),
    wanted(
        "log lines: log",
        "request_length",
        "an absolute target's authority is the Host (RFC 9112 3.2.2); chunks are counted without their sizes",
    ),
    wanted("gzip*: /notransform*", "*", "Cache-Control: no-transform is obeyed"),
    wanted("gzip of everything: /f/empty.txt*", "*", "nothing is gained by compressing nothing"),
    wanted("types and charsets: /cp/param", "header:content-type", "a type with parameters is still that type"),
    wanted("return of a status: /30*", "header:location", "no empty Location is sent"),
    wanted("return of a status: /304", "*", "a 304 has no body and says nothing of one"),
    wanted("add_header: /s304", "*", "a 304 has no body and says nothing of one"),
    wanted(
        "keepalive: /none",
        "header:keep-alive",
        "a keepalive_timeout in a location is both values; nginx inherits the second",
    ),
    wanted(
        "proxy_bind: /wrong",
        "*",
        "an upstream that cannot be reached is 502, from whatever address that was tried",
    ),
    wanted("both bodies: /* [*", "*: field *", "what is put into another answer is asked for as a whole"),
    wanted("sub_filter_types any: /*", "header:etag", VALIDATED),
    wanted("sub_filter_types any: /*", "header:last-modified", VALIDATED),
    wanted("override_charset to utf-8: *", "body", QUESTIONED),
    wanted("empty_gif: *", "end", "nginx says keep-alive with its 412 and closes"),
    wanted("sub_filter*: /206", "*", PART),
    wanted("sub_filter*: /coded", "*", CODED),
    wanted("charset to utf-8: *", "body", QUESTIONED),
    wanted("odd memcached: /cut", "*", "an item is sent once it is there as a whole; nginx has sent its beginning"),
    wanted("try_files: /c200/x", "*", "nginx says nothing for =200"),
];

/// Whether the difference is wanted; entries that say so are noted.
pub fn mark(case: &str, difference: &Difference, used: &mut Vec<usize>) -> bool {
    let before = used.len();
    used.extend((0..ALL.len()).filter(|at| ALL[*at].matches(case, difference)));
    used.len() > before
}

/// The entries for a feature that matched nothing.
pub fn unused(feature: &str, used: &[usize]) -> Vec<&'static str> {
    let own = format!("{feature}: ");
    (0..ALL.len()).filter(|at| ALL[*at].case.starts_with(&own) && !used.contains(at)).map(|at| ALL[at].case).collect()
}
