//! What PCRE says, as a table: patterns as they stand in people's nginx.conf, and PCRE's odd corners. Where a row fails,
//! the translation is wrong.

use super::{Captures, Pattern};

/// A pattern, whether it ignores case, whether it backtracks; subjects and what PCRE2 10.42 says of each: the range of
/// every group, `x` for one that took no part, `-` for no match.
type Row = (&'static str, bool, bool, &'static [(&'static [u8], &'static str)]);

#[rustfmt::skip]
const PATTERNS: &[Row] = &[
    (r"MSIE [1-6]\.(?!.*SV1)", true, true, &[(b"Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)", "25:32"), (b"MSIE 6.0; SV1", "-")]),
    (r".*\.(jsp|action)?$", false, false, &[(b"/a/b.jsp", "0:8,5:8"), (b"/a.css", "-")]),
    (r".*\.(jsp|action)?$", false, false, &[(b"/a.", "0:3,x"), (b"/a.jsp;x=1", "-")]),
    (r".*\.(gif|jpg|jpeg|png|bmp|swf|js|css)$", false, false, &[(b"/i/a.jpeg", "0:9,5:9"), (b"/a.css/b", "-")]),
    (r"\.(gif|jpg)$", true, false, &[(b"/A.GIF", "2:6,3:6"), (b"/a.jpg\x0a", "2:6,3:6")]),
    (r"\.php$", false, false, &[(b"/index.php", "6:10"), (b"/index.php\x0a", "6:10"), (b"/index.php\x0a\x0a", "-")]),
    (r"^/(.*)$", false, false, &[(b"/a/b", "0:4,1:4"), (b"/a\x0ab", "-")]),
    (r"^(.+\.php)(/.+)$", false, false, &[(b"/a.php/info", "0:11,0:6,6:11"), (b"/a.php", "-")]),
    (r"^/user/(\d+)/?$", false, false, &[(b"/user/42/", "0:9,6:8"), (b"/user/x", "-")]),
    (r"^/([a-z]{2})(?:-([A-Z]{2}))?/|/de-AT/x", false, false, &[(b"/de/x", "0:4,1:3,x"), (b"/dex", "-")]),
    (r"\.(?:css|js)(\?.*)?$", false, false, &[(b"/a.js?v=1", "2:9,5:9"), (b"/a.jsx", "-")]),
    (r"/\.(ht|git|svn)", false, false, &[(b"/x/.git/config", "2:7,4:7"), (b"/xgit", "-")]),
    (r"^/(?!api/)(.*)$", false, true, &[(b"/app/x", "0:6,1:6"), (b"/api/x", "-")]),
    (r"^(?!/?(api|static)/).*", false, true, &[(b"/home", "0:5,x"), (b"/api/x", "-")]),
    (r"(?<!\.min)\.js$", false, true, &[(b"/a.js", "2:5"), (b"/a.min.js", "-")]),
    (r"(?<=/v)\d+", false, true, &[(b"/v12/x", "2:4"), (b"/w12", "-")]),
    (r"^/(?<lang>en|de)/(?<rest>.*)", false, false, &[(b"/de/a", "0:5,1:3,4:5"), (b"/fr/a", "-")]),
    (r"^/(?P<user>\w+)$", false, false, &[(b"/ann_1", "0:6,1:6"), (b"/a-b", "-")]),
    (r"^/(?'q'a+)\k'q'$", false, true, &[(b"/aaaa", "0:5,1:3"), (b"/aaa", "-")]),
    (r"^(www\.)?(?<domain>.+)$", false, false, &[(b"www.example.org", "0:15,0:4,4:15"), (b"example.org", "0:11,x,0:11")]),
    (r"^www\d+\.example\.org$", false, false, &[(b"www12.example.org", "0:17"), (b"www.example.org", "-")]),
    (r"~$", false, false, &[(b"/a~", "2:3"), (b"/a~b", "-")]),
    (r"\/images\/(.+)\.(png|webp)$", false, false, &[(b"/images/a.b.png", "0:15,8:11,12:15"), (b"/image/a.png", "-")]),
    (r"^\/a\-b\_c\.d$", false, false, &[(b"/a-b_c.d", "0:8"), (b"/a-b_cxd", "-")]),
    (r"^/[\w\-]+/[\w.-]+$", false, false, &[(b"/a-b/c.d-e", "0:10"), (b"/a b/c", "-")]),
    (r"^/[^/]+/[^/]+$", false, false, &[(b"/a/b", "0:4"), (b"/a/b/c", "-")]),
    (r"[[:alnum:]]+\.html", false, false, &[(b"/ab1.html", "1:9"), (b"/-.html", "-")]),
    (r"^[[:^digit:]]+$", false, false, &[(b"/abc", "0:4"), (b"/a1", "-")]),
    (r"^/[]a]+$", false, false, &[(b"/]a]", "0:4"), (b"/[", "-")]),
    (r"^/[^]a]+$", false, false, &[(b"/bc", "0:3"), (b"/b]", "-")]),
    (r"[a-]b", false, false, &[(b"-b", "0:2"), (b"cb", "-")]),
    (r"a{2}b{1,3}", false, false, &[(b"aabbbb", "0:5"), (b"ab", "-")]),
    (r"a{,2}", false, false, &[(b"a{,2}", "0:5"), (b"aa", "-")]),
    (r"{id}", false, false, &[(b"/x/{id}", "3:7"), (b"/x/id", "-")]),
    (r"a{x", false, false, &[(b"a{x", "0:3"), (b"ax", "-")]),
    (r"]", false, false, &[(b"a]", "1:2"), (b"a", "-")]),
    (r"\Qa.b\E+c", false, false, &[(b"a.bbc", "0:5"), (b"axbc", "-")]),
    (r"\Q.*", false, false, &[(b"a.*", "1:3"), (b"ab", "-")]),
    (r"^/\S+\s\S+$", false, false, &[(b"/a b", "0:4"), (b"/ab", "-")]),
    (r"\h", false, false, &[(b"a\x09", "1:2"), (b"ab", "-")]),
    (r"^a\R?b$", false, true, &[(b"a\x0d\x0ab", "0:4"), (b"ab", "0:2")]),
    (r"^\x2fa\x{2f}", false, false, &[(b"/a/", "0:3"), (b"/ab", "-")]),
    (r"\057a", false, false, &[(b"/a", "0:2"), (b"a", "-")]),
    (r"(a)\1", false, true, &[(b"aa", "0:2,0:1"), (b"ab", "-")]),
    (r"(a)(b)?\g{-2}", false, true, &[(b"aba", "0:3,0:1,1:2"), (b"abb", "-")]),
    (r"(?i)/Admin", false, false, &[(b"/ADMIN", "0:6"), (b"/adm", "-")]),
    (r"/(?i:admin)/X", false, false, &[(b"/AdMiN/X", "0:8"), (b"/AdMiN/x", "-")]),
    (r"(?x) ^ /a   # comment", false, false, &[(b"/a", "0:2"), (b"/ a", "-")]),
    (r"(?s)a.b", false, false, &[(b"a\x0ab", "0:3"), (b"ab", "-")]),
    (r"a.b", false, false, &[(b"a\x0ab", "-"), (b"axb", "0:3")]),
    (r"(?m)^b$", false, true, &[(b"a\x0ab\x0ac", "2:3"), (b"ab", "-")]),
    (r"^a++b", false, true, &[(b"aaab", "0:4"), (b"aaa", "-")]),
    (r"(?>a+)b", false, true, &[(b"aab", "0:3"), (b"aa", "-")]),
    (r"a*?b", false, false, &[(b"aab", "0:3"), (b"c", "-")]),
    (r"^(?:a|ab)(c|bcd)$", false, false, &[(b"abcd", "0:4,1:4"), (b"abc", "0:3,2:3")]),
    (r"()$", false, false, &[(b"", "0:0,0:0"), (b"a", "1:1,1:1")]),
    (r"a", false, false, &[(b"xa", "1:2"), (b"b", "-")]),
    (r"^$", false, false, &[(b"", "0:0"), (b"/", "-")]),
    (r"\bfoo\b", false, false, &[(b"/foo/", "1:4"), (b"/food", "-")]),
    (r"\.(\w{3,4})(?:$|\?)", false, false, &[(b"/a.html?x", "2:8,3:7"), (b"/a.h", "-")]),
    (r"^/a(?#comment)b", false, false, &[(b"/ab", "0:3"), (b"/a", "-")]),
    (r"\e", false, false, &[(b"\x1b", "0:1"), (b"e", "-")]),
    (r"é", false, false, &[(b"/\xc3\xa9", "1:3"), (b"/e", "-")]),
    (r"[é]+", false, false, &[(b"\xc3\xa9", "0:2"), (b"e", "-")]),
    (r"^.{2}$", false, false, &[(b"\xc3\xa9", "0:2"), (b"e", "-")]),
    (r"É", true, false, &[(b"\xc3\xa9", "-"), (b"\xc3\x89", "0:2")]),
    (r"\d{4}-\d{2}-\d{2}", false, false, &[(b"on 2024-01-31", "3:13"), (b"24-1-1", "-")]),
    (r"(bot|spider|crawl)", false, false, &[(b"a crawler", "2:7,2:7"), (b"human", "-")]),
    (r"^(?:GET|HEAD)$", false, false, &[(b"GET", "0:3"), (b"GETS", "-")]),
    (r"^/(a|b(c)?)$", false, false, &[(b"/bc", "0:3,1:3,2:3"), (b"/a", "0:2,1:2,x")]),
    (r"(a|b)*c", false, false, &[(b"abac", "0:4,2:3"), (b"d", "-")]),
    (r"^(x)?(?(1)a|b)", false, true, &[(b"b", "0:1,x"), (b"xb", "-")]),
    (r"(<)?a(?(1)>)", false, true, &[(b"<a>", "0:3,0:1"), (b"<a", "1:2,x")]),
    (r"\Ka", false, true, &[(b"ba", "1:2"), (b"c", "-")]),
    (r"foo\Kbar", false, true, &[(b"foobar", "3:6"), (b"bar", "-")]),
    (r"^/download/(.*)/media/(.*)\..*$", false, false, &[(b"/download/x/media/y.mp3", "0:23,10:11,18:19"), (b"/download/media", "-")]),
    (r"^/(?:index|home)\.(?:html?|php)$", false, false, &[(b"/index.htm", "0:10"), (b"/index.ph", "-")]),
    (r";jsessionid=([^.;]+)(?:\.(\w+))?", false, false, &[(b"/a;jsessionid=AB12.t1", "2:21,14:18,19:21"), (b"/a", "-")]),
    (r"^(.*)/app(;[^?]*)?$", false, false, &[(b"/x/app;j=1", "0:10,0:2,6:10"), (b"/x/apps", "-")]),
    (r"\.(?!php$)[^.]+$", false, true, &[(b"/a.html", "2:7"), (b"/a.php", "-")]),
    (r"(?=.*\d)(?=.*[a-z])^.{3,}$", false, true, &[(b"ab1", "0:3"), (b"abc", "-")]),
];

fn shown(captures: Option<Captures>) -> String {
    let Some(captures) = captures else {
        return "-".to_owned();
    };
    let group = |group| captures.get(group).map_or("x".to_owned(), |(start, end)| format!("{start}:{end}"));
    (0..captures.len()).map(group).collect::<Vec<_>>().join(",")
}

#[test]
fn patterns_mean_what_they_mean_to_pcre() {
    assert!(PATTERNS.len() >= 60);
    for (text, caseless, backtracks, subjects) in PATTERNS {
        let pattern = Pattern::compile(text, *caseless).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(pattern.backtracks(), *backtracks, "{text}");
        for (subject, groups) in *subjects {
            assert_eq!(shown(pattern.captures(subject)), *groups, "{text} on {}", subject.escape_ascii());
            assert_eq!(pattern.is_match(subject), *groups != "-", "{text} on {}", subject.escape_ascii());
        }
    }
}
