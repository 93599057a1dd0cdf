//! Conditional requests: whether the client's copy is still good (304) or its precondition does not hold (412).
//!
//! A pure function over the request's headers and what is known of the representation; local files, the cache and
//! proxied answers use the same. The order is nginx's, which differs from RFC 9110 13.2.2 in one point: with both
//! If-None-Match and If-Modified-Since, **both** must say "unchanged" for a 304 (RFC: the date is ignored).

use http::HeaderMap;
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};

use super::date;

/// What a client can compare its copy with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Validators<'a> {
    /// With its quotes, and `W/` if weak.
    pub etag: Option<&'a [u8]>,
    /// Seconds since 1970.
    pub last_modified: Option<i64>,
}

/// The directive `if_modified_since`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IfModifiedSince {
    /// The header always counts as "modified".
    Off,
    /// Unchanged only at exactly that time.
    #[default]
    Exact,
    /// Unchanged at that time or before.
    Before,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Proceed,
    /// 304
    NotModified,
    /// 412
    PreconditionFailed,
}

/// For a representation that would be answered with 200.
pub fn judge(headers: &HeaderMap, own: Validators<'_>, mode: IfModifiedSince) -> Verdict {
    if let Some(since) = headers.get(IF_UNMODIFIED_SINCE)
        && !unmodified_since(since.as_bytes(), own.last_modified)
    {
        return Verdict::PreconditionFailed;
    }
    if headers.contains_key(IF_MATCH) && !any_line(headers, IF_MATCH, own.etag, Comparison::Strong) {
        return Verdict::PreconditionFailed;
    }
    let since = headers.get(IF_MODIFIED_SINCE);
    let none_match = headers.contains_key(IF_NONE_MATCH);
    if since.is_none() && !none_match {
        return Verdict::Proceed;
    }
    if since.is_some_and(|since| modified_since(since.as_bytes(), own.last_modified, mode)) {
        return Verdict::Proceed;
    }
    if none_match && !any_line(headers, IF_NONE_MATCH, own.etag, Comparison::Weak) {
        return Verdict::Proceed;
    }
    Verdict::NotModified
}

/// A date that cannot be read is no promise that nothing changed: 412, as nginx.
fn unmodified_since(since: &[u8], last_modified: Option<i64>) -> bool {
    match (date::parse(since), last_modified) {
        (Some(since), Some(own)) => since >= own,
        _ => false,
    }
}

fn modified_since(since: &[u8], last_modified: Option<i64>, mode: IfModifiedSince) -> bool {
    let (Some(since), Some(own)) = (date::parse(since), last_modified) else {
        return true;
    };
    match mode {
        IfModifiedSince::Off => true,
        IfModifiedSince::Exact => since != own,
        IfModifiedSince::Before => since < own,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// A list header may come in several lines that mean one list (RFC 9110 5.3); nginx looks at the first only.
fn any_line(headers: &HeaderMap, name: http::HeaderName, own: Option<&[u8]>, how: Comparison) -> bool {
    headers.get_all(name).iter().any(|line| lists(line.as_bytes(), own, how))
}

/// Whether a list of entity tags names `own`. As nginx: split at every comma, also one within quotes, which can
/// only miss a match; a `*` counts only alone.
fn lists(list: &[u8], own: Option<&[u8]>, how: Comparison) -> bool {
    if list == b"*" {
        return true;
    }
    let Some(own) = own else { return false };
    if how == Comparison::Strong && own.starts_with(b"W/") {
        return false;
    }
    let own = opaque(own, how);
    list.split(|&byte| byte == b',').any(|tag| opaque(tag.trim_ascii(), how) == own)
}

fn opaque(tag: &[u8], how: Comparison) -> &[u8] {
    match how {
        Comparison::Weak => tag.strip_prefix(b"W/").unwrap_or(tag),
        Comparison::Strong => tag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const ETAG: &[u8] = b"\"2ebc98a1-24\"";
    const WHEN: i64 = 784_111_777;
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const OWN: Validators<'static> = Validators { etag: Some(ETAG), last_modified: Some(WHEN) };

    fn judged(lines: &[(&'static str, &str)], own: Validators<'_>, mode: IfModifiedSince) -> u16 {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).expect("a header"));
        }
        match judge(&headers, own, mode) {
            Verdict::Proceed => 200,
            Verdict::NotModified => 304,
            Verdict::PreconditionFailed => 412,
        }
    }

    /// All rows as nginx 1.22 answered them: tag list, If-None-Match, If-Match.
    #[test]
    fn tags_are_compared_as_nginx_compares_them() {
        let table = [
            ("*", 304, 200),
            ("\"2ebc98a1-24\"", 304, 200),
            ("W/\"2ebc98a1-24\"", 304, 412),
            ("\"x\"", 200, 412),
            ("\"x\", \"2ebc98a1-24\"", 304, 200),
            ("\"x\",\"2ebc98a1-24\"", 304, 200),
            ("\"2ebc98a1-24\", \"x\"", 304, 200),
            ("\"x\" , W/\"2ebc98a1-24\"", 304, 412),
            ("*, \"2ebc98a1-24\"", 304, 200),
            ("*, \"x\"", 200, 412),
            ("\"2ebc98a1-24", 200, 412),
            ("2ebc98a1-24", 200, 412),
            ("\"2ebc98a1-24\"x", 200, 412),
            ("\"2ebc98a1-24\" ", 304, 200),
            ("\"2ebc98a1-24\";", 200, 412),
            ("", 200, 412),
            ("W/", 200, 412),
            ("W/*", 200, 412),
            ("w/\"2ebc98a1-24\"", 200, 412),
            ("\"a,b\",\"2ebc98a1-24\"", 304, 200),
            (", \"2ebc98a1-24\"", 304, 200),
            (",,\"2ebc98a1-24\"", 304, 200),
            ("\"xxxxxxxxxxxxxxxxxxx\" \"2ebc98a1-24\"", 200, 412),
            ("\"verylongtagverylongtagverylongtag\"", 200, 412),
        ];
        for (list, none_match, matches) in table {
            assert_eq!(judged(&[("if-none-match", list)], OWN, IfModifiedSince::Exact), none_match, "{list}");
            assert_eq!(judged(&[("if-match", list)], OWN, IfModifiedSince::Exact), matches, "{list}");
        }
    }

    #[test]
    fn dates_are_compared_by_the_mode() {
        let table = [
            (DATE, 200, 304, 304, 200),
            (EARLIER, 200, 200, 200, 412),
            (LATER, 200, 200, 304, 200),
            ("junk", 200, 200, 200, 412),
            ("", 200, 200, 200, 412),
        ];
        for (since, off, exact, before, unmodified) in table {
            let modified = [("if-modified-since", since)];
            assert_eq!(judged(&modified, OWN, IfModifiedSince::Off), off, "{since}");
            assert_eq!(judged(&modified, OWN, IfModifiedSince::Exact), exact, "{since}");
            assert_eq!(judged(&modified, OWN, IfModifiedSince::Before), before, "{since}");
            assert_eq!(judged(&[("if-unmodified-since", since)], OWN, IfModifiedSince::Off), unmodified, "{since}");
        }
    }

    /// As nginx 1.22 answered them.
    #[test]
    fn several_conditions_must_all_agree() {
        let same = "\"2ebc98a1-24\"";
        let table: [(&[(&'static str, &str)], u16); 10] = [
            (&[("if-modified-since", DATE), ("if-none-match", same)], 304),
            (&[("if-modified-since", DATE), ("if-none-match", "\"x\"")], 200),
            (&[("if-modified-since", EARLIER), ("if-none-match", same)], 200),
            (&[("if-unmodified-since", DATE), ("if-match", same)], 200),
            (&[("if-unmodified-since", EARLIER), ("if-match", same)], 412),
            (&[("if-unmodified-since", DATE), ("if-match", "\"x\"")], 412),
            (&[("if-unmodified-since", DATE), ("if-none-match", same)], 304),
            (&[("if-unmodified-since", EARLIER), ("if-none-match", same)], 412),
            (&[("if-match", same), ("if-modified-since", DATE)], 304),
            (&[("if-match", "\"x\""), ("if-modified-since", DATE)], 412),
        ];
        for (lines, status) in table {
            assert_eq!(judged(lines, OWN, IfModifiedSince::Exact), status, "{lines:?}");
        }
        let off = [("if-modified-since", DATE), ("if-none-match", same)];
        assert_eq!(judged(&off, OWN, IfModifiedSince::Off), 200);
    }

    #[test]
    fn without_an_etag_only_a_star_matches() {
        let own = Validators { etag: None, last_modified: Some(WHEN) };
        assert_eq!(judged(&[("if-none-match", "\"2ebc98a1-24\"")], own, IfModifiedSince::Exact), 200);
        assert_eq!(judged(&[("if-none-match", "*")], own, IfModifiedSince::Exact), 304);
        assert_eq!(judged(&[("if-match", "\"2ebc98a1-24\"")], own, IfModifiedSince::Exact), 412);
        assert_eq!(judged(&[("if-match", "*")], own, IfModifiedSince::Exact), 200);
    }

    #[test]
    fn without_a_modification_time_no_date_matches() {
        let own = Validators { etag: Some(ETAG), last_modified: None };
        assert_eq!(judged(&[("if-modified-since", DATE)], own, IfModifiedSince::Before), 200);
        assert_eq!(judged(&[("if-unmodified-since", DATE)], own, IfModifiedSince::Before), 412);
    }

    #[test]
    fn a_weak_etag_of_ours_never_satisfies_if_match() {
        let own = Validators { etag: Some(b"W/\"a\""), last_modified: None };
        assert_eq!(judged(&[("if-match", "W/\"a\"")], own, IfModifiedSince::Exact), 412);
        assert_eq!(judged(&[("if-none-match", "\"a\"")], own, IfModifiedSince::Exact), 304);
    }

    #[test]
    fn a_list_over_two_lines_is_one_list() {
        let lines = [("if-none-match", "\"x\""), ("if-none-match", "\"2ebc98a1-24\"")];
        assert_eq!(judged(&lines, OWN, IfModifiedSince::Exact), 304);
    }
}
