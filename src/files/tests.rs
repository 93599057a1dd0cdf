//! Whole answers over a directory like the one that nginx 1.22 was asked about; the expectations are what it said.

use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use http::HeaderName;
use tempfile::TempDir;

use super::*;

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const ALPHABET: &str = "0123456789abcdefghijklmnopqrstuvwxyz";

struct Site {
    dir: TempDir,
    settings: FileSettings,
    index: Vec<String>,
    /// What the client's Accept-Encoding lets through.
    gzip: bool,
    br: bool,
    zstd: bool,
    error_status: Option<u16>,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["d/sub", "empty", "idxdir/index.html", "alt", "sp ace", "q.css.gz", "b\"\u{fc}"] {
            std::fs::create_dir_all(dir.path().join(name)).expect("a directory");
        }
        let files = [
            ("f.txt", ALPHABET),
            ("e.txt", ""),
            ("d/index.html", "<html>"),
            ("alt/index.htm", "alt"),
            ("z.js", "PLAIN-js"),
            ("z.js.gz", "GZ-of-js!"),
            ("z.js.br", "BR"),
            ("z.js.zst", "ZST"),
            ("o.css.gz", "only gz"),
            ("q.css", "p"),
            ("r.css", "x"),
            ("noext", "noext"),
            ("we?ird%.txt", "w"),
        ];
        for (name, content) in files {
            write(&dir.path().join(name), content);
        }
        mkfifo(&dir.path().join("fifo.txt"));
        mkfifo(&dir.path().join("r.css.gz"));
        std::os::unix::fs::symlink("loop", dir.path().join("loop")).expect("links");
        std::os::unix::fs::symlink("f.txt", dir.path().join("link.txt")).expect("links");
        std::os::unix::fs::symlink("nowhere", dir.path().join("dangling")).expect("links");
        let settings = FileSettings {
            types: Types::new(Types::debian(), "application/octet-stream", None).expect("valid"),
            etag: true,
            if_modified_since: IfModifiedSince::Exact,
            max_ranges: usize::MAX,
            gzip_static: Static::Off,
            brotli_static: Static::Off,
            zstd_static: Static::Off,
            gzip_vary: false,
            listing: None,
            random_index: false,
        };
        Site {
            dir,
            settings,
            index: vec!["index.html".into()],
            gzip: false,
            br: false,
            zstd: false,
            error_status: None,
        }
    }

    /// The answer in one line, as a client would note it; the error page's own headers are not part of it.
    async fn ask(&self, method: &str, target: &str, lines: &[(&str, &str)]) -> String {
        let root = self.dir.path().as_os_str().as_bytes();
        self.ask_mapped(Mapping::Root(root), method, target, lines).await
    }

    async fn ask_mapped(&self, mapping: Mapping<'_>, method: &str, target: &str, lines: &[(&str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            headers.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        let (uri, args) = target.split_once('?').unwrap_or((target, ""));
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = FileRequest {
            method: &method,
            // A target that holds a question mark itself writes it as \u{1}.
            uri: &uri.replace('\u{1}', "?").into_bytes(),
            args: args.as_bytes(),
            headers: &headers,
            mapping,
            index: &self.index,
            accepts_gzip: self.gzip,
            accepts_br: self.br,
            accepts_zstd: self.zstd,
            error_status: self.error_status,
            links: None,
            is_filtered: false,
        };
        describe(answer(&request, &self.settings).await).await
    }

    async fn get(&self, target: &str) -> String {
        self.ask("GET", target, &[]).await
    }
}

fn write(path: &Path, content: &str) {
    let mut file = File::create(path).expect("a file");
    file.write_all(content.as_bytes()).expect("writes");
    file.set_modified(UNIX_EPOCH + Duration::from_secs(784_111_777)).expect("sets the time");
}

fn mkfifo(path: &Path) {
    let name = std::ffi::CString::new(path.as_os_str().as_bytes()).expect("no NUL");
    // SAFETY: `name` is a NUL-terminated string that outlives the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
}

async fn describe(answer: Answer) -> String {
    match answer {
        Answer::Redirect { location } => format!("301 {location}"),
        Answer::Internal { uri } => format!("internal {}", String::from_utf8_lossy(&uri)),
        Answer::Refuse { status, headers, .. } => format!("{status}{}", listed(&headers)),
        Answer::Respond { status, headers, mut body } => {
            let announced = body.len();
            let mut content = vec![];
            while let Some(chunk) = body.next().await.expect("reads") {
                content.extend_from_slice(&chunk);
            }
            assert_eq!(content.len() as u64, announced);
            format!("{status}{} | {}", listed(&headers), String::from_utf8_lossy(&content))
        }
    }
}

/// The headers in their order, the ones that every file of the site shares shortened.
fn listed(headers: &Headers) -> String {
    let spell = |(name, value): &(&str, HeaderValue)| match (*name, value.to_str().expect("text")) {
        ("Content-Type", kind) => format!(" {kind}"),
        ("Content-Length", len) => format!(" len={len}"),
        ("Last-Modified", DATE) => " dated".into(),
        ("ETag", etag) => format!(" {etag}"),
        ("Accept-Ranges", "bytes") => " ranges".into(),
        ("Vary", "Accept-Encoding") => " vary".into(),
        ("Content-Encoding", encoding) => format!(" {encoding}"),
        ("Content-Range", range) => format!(" {range}"),
        other => panic!("an unexpected header {other:?}"),
    };
    headers.iter().map(spell).collect()
}

#[tokio::test]
async fn paths_are_answered_as_nginx_answers_them() {
    let site = Site::new();
    let file = format!("200 text/plain len=36 dated \"2ebc98a1-24\" ranges | {ALPHABET}");
    let table = [
        ("/f.txt", file.as_str()),
        ("/link.txt", &file),
        ("/e.txt", "200 text/plain len=0 dated \"2ebc98a1-0\" ranges | "),
        ("/noext", "200 application/octet-stream len=5 dated \"2ebc98a1-5\" ranges | noext"),
        ("/we\u{1}ird%.txt", "200 text/plain len=1 dated \"2ebc98a1-1\" ranges | w"),
        ("/missing", "404"),
        ("/missing/", "404"),
        ("/f.txt/", "404"),
        ("/f.txt/x", "404"),
        ("/dangling", "404"),
        ("/fifo.txt", "404"),
        ("/fifo.txt/", "404"),
        ("/loop", "403"),
        ("/loop/", "403"),
        ("/loop/x", "403"),
        ("/d", "301 /d/"),
        ("/d?a=b", "301 /d/?a=b"),
        ("/sp ace", "301 /sp%20ace/"),
        ("/b\"\u{fc}", "301 /b%22%C3%BC/"),
        ("/d/", "internal /d/index.html"),
        ("/idxdir/", "internal /idxdir/index.html"),
        ("/idxdir/index.html", "301 /idxdir/index.html/"),
        ("/d/sub/", "403"),
        ("/empty/", "403"),
        ("/", "403"),
    ];
    for (target, expected) in table {
        assert_eq!(site.get(target).await, expected, "{target}");
    }
    let long = ["a", "/"].concat().repeat(2100);
    assert_eq!(site.get(&format!("/{long}")).await, "404");
    assert_eq!(site.get(&format!("/{long}b")).await, "404");
    assert_eq!(site.get(&format!("/{}/", "a".repeat(300))).await, "404");
}

#[tokio::test]
async fn methods_are_refused_as_nginx_refuses_them() {
    let site = Site::new();
    let table = [
        ("POST", ["405", "404", "301 /d/", "internal /d/index.html", "403"]),
        ("PUT", ["405"; 5]),
        ("DELETE", ["405"; 5]),
        ("OPTIONS", ["405"; 5]),
        ("FOO", ["405"; 5]),
        (
            "HEAD",
            [
                "200 text/plain len=36 dated \"2ebc98a1-24\" ranges | ",
                "404",
                "301 /d/",
                "internal /d/index.html",
                "403",
            ],
        ),
    ];
    for (method, expected) in table {
        for (target, expected) in ["/f.txt", "/missing", "/d", "/d/", "/empty/"].iter().zip(expected) {
            assert_eq!(site.ask(method, target, &[]).await, expected, "{method} {target}");
        }
    }
    let partial = site.ask("HEAD", "/f.txt", &[("range", "bytes=1-2")]).await;
    assert_eq!(partial, "206 text/plain len=2 dated \"2ebc98a1-24\" bytes 1-2/36 | ");
}

#[tokio::test]
async fn index_names_are_tried_in_their_order() {
    let mut site = Site::new();
    site.index = ["nope.html", "index.html", "index.htm", "/abs.txt"].map(String::from).to_vec();
    assert_eq!(site.get("/d/").await, "internal /d/index.html");
    assert_eq!(site.get("/alt/").await, "internal /alt/index.htm");
    assert_eq!(site.get("/empty/").await, "internal /abs.txt");
    assert_eq!(site.get("/missing/").await, "404");
    site.index = vec!["nope.html".into(), "index.htm".into()];
    assert_eq!(site.get("/d/").await, "403");
    site.index = vec!["../f.txt".into()];
    assert_eq!(site.get("/d/").await, "404");
    site.index = vec![];
    assert_eq!(site.get("/d/").await, "403");
    assert_eq!(site.get("/missing/").await, "404");
}

#[tokio::test]
async fn an_alias_is_looked_up_and_redirected_by_its_own_path() {
    let site = Site::new();
    let at = |name: &str| site.dir.path().join(name).into_os_string().into_encoded_bytes();
    let slashed = [at("d"), b"/".to_vec()].concat();
    let prefix = Mapping::Alias { path: &slashed, prefix_len: 3 };
    assert_eq!(site.ask_mapped(prefix, "GET", "/i/", &[]).await, "internal /i/index.html");
    assert_eq!(site.ask_mapped(prefix, "GET", "/i/sub?x=1", &[]).await, "301 /i/sub/?x=1");
    let bare = at("d");
    let slashless = Mapping::Alias { path: &bare, prefix_len: 2 };
    assert_eq!(site.ask_mapped(slashless, "GET", "/j../f.txt", &[]).await, "404");
    assert_eq!(site.ask_mapped(slashless, "GET", "/j", &[]).await, "301 /j/");
    let file = at("f.txt");
    let typed = site.ask_mapped(Mapping::Whole(&file), "GET", "/rf/x.png", &[]).await;
    assert!(typed.starts_with("200 image/png len=36"), "{typed}");
    assert_eq!(site.ask_mapped(Mapping::Whole(&file), "GET", "/rf/", &[]).await, "500");
    let empty = at("empty");
    assert_eq!(site.ask_mapped(Mapping::Whole(&empty), "GET", "/rn/", &[]).await, "403");
}

#[tokio::test]
async fn conditions_come_before_ranges() {
    let site = Site::new();
    let same = "\"2ebc98a1-24\"";
    let full = format!("200 text/plain len=36 dated {same} ranges | {ALPHABET}");
    let part = format!("206 text/plain len=2 dated {same} bytes 1-2/36 | 12");
    let unchanged = format!("304 dated {same} | ");
    let range = ("range", "bytes=1-2");
    let table: [(&[(&str, &str)], &str); 10] = [
        (&[("if-none-match", same)], &unchanged),
        (&[("if-modified-since", DATE)], &unchanged),
        (&[("if-none-match", same), range], &unchanged),
        (&[("if-none-match", "\"x\""), range], &part),
        (&[("if-match", same), ("range", "bytes=99-")], "416 bytes */36"),
        (&[("if-match", "\"x\""), ("range", "bytes=99-")], "412"),
        (&[("if-unmodified-since", "junk")], "412"),
        (&[range, ("if-range", same)], &part),
        (&[range, ("if-range", "\"x\"")], &full),
        (&[range], &part),
    ];
    for (lines, expected) in table {
        assert_eq!(site.ask("GET", "/f.txt", lines).await, expected, "{lines:?}");
    }
}

#[tokio::test]
async fn several_ranges_come_in_parts_that_repeat_the_type() {
    let mut site = Site::new();
    let charset = Charset::new("utf-8");
    site.settings.types = Types::new(Types::debian(), "", Some(&charset)).expect("valid");
    let answer = site.ask("GET", "/f.txt", &[("range", "bytes=1-2,4-5")]).await;
    let (head, body) = answer.split_once(" | ").expect("a body");
    let boundary = head.split_once("boundary=").and_then(|(_, rest)| rest.split(' ').next()).expect("a boundary");
    // 228 is what nginx announced for the same.
    let multi = format!("206 multipart/byteranges; boundary={boundary} len=228 dated \"2ebc98a1-24\"");
    assert_eq!(head, multi);
    let kind = "Content-Type: text/plain; charset=utf-8\r\nContent-Range: bytes";
    let parts = format!("\r\n--{boundary}\r\n{kind} 1-2/36\r\n\r\n12\r\n--{boundary}\r\n{kind} 4-5/36\r\n\r\n45");
    assert_eq!(body, format!("{parts}\r\n--{boundary}--\r\n"));
    let untyped = site.ask("GET", "/noext", &[("range", "bytes=0-0,2-2")]).await;
    assert!(untyped.contains(" len=142 ") && !untyped.contains("Content-Type"), "{untyped}");
}

#[tokio::test]
async fn directives_turn_headers_off() {
    let mut site = Site::new();
    site.settings.etag = false;
    let untagged = format!("200 text/plain len=36 dated ranges | {ALPHABET}");
    assert_eq!(site.ask("GET", "/f.txt", &[("if-none-match", "\"2ebc98a1-24\"")]).await, untagged);
    assert_eq!(site.ask("GET", "/f.txt", &[("if-none-match", "*")]).await, "304 dated | ");
    site.settings.max_ranges = 0;
    let rangeless = format!("200 text/plain len=36 dated | {ALPHABET}");
    assert_eq!(site.ask("GET", "/f.txt", &[("range", "bytes=0-0")]).await, rangeless);
    site.settings.if_modified_since = IfModifiedSince::Before;
    let later = [("if-modified-since", "Sun, 06 Nov 2094 08:49:37 GMT")];
    assert_eq!(site.ask("GET", "/f.txt", &later).await, "304 dated | ");
}

#[tokio::test]
async fn gzip_static_is_answered_as_nginx_answers_it() {
    let (js, css) = ("application/javascript", "text/css");
    let plain_js = format!("200 {js} len=8 dated \"2ebc98a1-8\" ranges | PLAIN-js");
    let gzip_js = format!("200 {js} len=9 dated \"2ebc98a1-9\" gzip | GZ-of-js!");
    let only_gz = format!("200 {css} len=7 dated \"2ebc98a1-7\" gzip | only gz");
    let beside_dir = format!("200 {css} len=1 dated \"2ebc98a1-1\" ranges | p");
    let beside_fifo = format!("200 {css} len=1 dated \"2ebc98a1-1\" ranges | x");
    let table: [(Static, bool, [&str; 4]); 5] = [
        (Static::Off, true, [&plain_js, "404", &beside_dir, &beside_fifo]),
        (Static::On, true, [&gzip_js, &only_gz, &beside_dir, "404"]),
        (Static::On, false, [&plain_js, "404", &beside_dir, &beside_fifo]),
        (Static::Always, true, [&gzip_js, &only_gz, &beside_dir, "404"]),
        (Static::Always, false, [&gzip_js, &only_gz, &beside_dir, "404"]),
    ];
    let mut site = Site::new();
    for (mode, accepted, expected) in table {
        (site.settings.gzip_static, site.gzip) = (mode, accepted);
        for (target, expected) in ["/z.js", "/o.css", "/q.css", "/r.css"].iter().zip(expected) {
            assert_eq!(site.get(target).await, expected, "{mode:?} {accepted} {target}");
        }
    }
    (site.settings.gzip_static, site.gzip) = (Static::On, true);
    assert_eq!(site.ask("GET", "/z.js", &[("range", "bytes=1-3")]).await, gzip_js);
    assert_eq!(site.ask("GET", "/z.js", &[("if-none-match", "*")]).await, "304 dated \"2ebc98a1-9\" | ");
    assert_eq!(site.ask("POST", "/z.js", &[]).await, "405");
    assert_eq!(site.ask("POST", "/o.css", &[]).await, "404");
}

#[tokio::test]
async fn gzip_vary_names_every_answer_that_could_have_been_another() {
    let mut site = Site::new();
    (site.settings.gzip_static, site.settings.gzip_vary) = (Static::On, true);
    let js = "200 application/javascript";
    assert_eq!(site.get("/z.js").await, format!("{js} len=8 dated vary \"2ebc98a1-8\" ranges | PLAIN-js"));
    assert_eq!(site.get("/o.css").await, "404 vary");
    assert_eq!(site.get("/missing.js").await, "404");
    assert!(!site.get("/f.txt").await.contains("vary"));
    assert_eq!(site.ask("GET", "/z.js", &[("if-none-match", "*")]).await, "304 dated vary \"2ebc98a1-8\" | ");
    assert_eq!(site.ask("GET", "/z.js", &[("if-match", "\"x\"")]).await, "412 vary");
    site.gzip = true;
    assert_eq!(site.get("/z.js").await, format!("{js} len=9 dated vary \"2ebc98a1-9\" gzip | GZ-of-js!"));
    assert_eq!(site.get("/r.css").await, "404 vary");
    site.settings.gzip_static = Static::Always;
    assert_eq!(site.get("/z.js").await, format!("{js} len=9 dated \"2ebc98a1-9\" gzip | GZ-of-js!"));
}

#[tokio::test]
async fn brotli_is_preferred_where_both_are_there() {
    let mut site = Site::new();
    (site.settings.gzip_static, site.settings.brotli_static) = (Static::On, Static::On);
    (site.gzip, site.br) = (true, true);
    assert_eq!(site.get("/z.js").await, "200 application/javascript len=2 dated \"2ebc98a1-2\" br | BR");
    assert_eq!(site.get("/o.css").await, "200 text/css len=7 dated \"2ebc98a1-7\" gzip | only gz");
    site.br = false;
    assert_eq!(site.get("/z.js").await, "200 application/javascript len=9 dated \"2ebc98a1-9\" gzip | GZ-of-js!");
}

#[tokio::test]
async fn zstd_stands_between_brotli_and_gzip() {
    let mut site = Site::new();
    (site.settings.gzip_static, site.settings.zstd_static) = (Static::On, Static::On);
    (site.gzip, site.zstd) = (true, true);
    let zst = "200 application/javascript len=3 dated \"2ebc98a1-3\" zstd | ZST";
    assert_eq!(site.get("/z.js").await, zst);
    assert_eq!(site.ask("GET", "/z.js", &[("range", "bytes=0-1")]).await, zst);
    assert!(site.ask("POST", "/z.js", &[]).await.starts_with("405"));
    (site.settings.brotli_static, site.br) = (Static::On, true);
    assert_eq!(site.get("/z.js").await, "200 application/javascript len=2 dated \"2ebc98a1-2\" br | BR");
    (site.br, site.zstd) = (false, false);
    assert!(site.get("/z.js").await.ends_with("gzip | GZ-of-js!"));
    site.settings.zstd_static = Static::Always;
    assert_eq!(site.get("/z.js").await, zst);
}

#[tokio::test]
async fn an_error_page_heeds_neither_conditions_nor_ranges() {
    let mut site = Site::new();
    site.error_status = Some(404);
    let page = format!("404 text/plain len=36 \"2ebc98a1-24\" | {ALPHABET}");
    for lines in [[("range", "bytes=0-1")], [("if-none-match", "\"2ebc98a1-24\"")]] {
        assert_eq!(site.ask("GET", "/f.txt", &lines).await, page, "{lines:?}");
    }
}

#[tokio::test]
async fn a_refusal_says_to_the_log_what_failed() {
    let site = Site::new();
    let root = site.dir.path().as_os_str().as_bytes();
    let request = FileRequest {
        method: &Method::GET,
        uri: b"/missing",
        args: b"",
        headers: &HeaderMap::new(),
        mapping: Mapping::Root(root),
        index: &[],
        accepts_gzip: false,
        accepts_br: false,
        accepts_zstd: false,
        error_status: None,
        links: None,
        is_filtered: false,
    };
    let Answer::Refuse { status: 404, reason: Some(reason), .. } = answer(&request, &site.settings).await else {
        panic!("not refused");
    };
    let text = reason.to_string();
    assert!(text.contains("/missing") && text.contains("No such file"), "{text}");
}

#[test]
fn nothing_in_a_redirect_can_end_the_header() {
    let mut out = String::new();
    escape(&mut out, b"/a\r\nX: \xff~", b" ");
    assert_eq!(out, "/a%0D%0AX:%20%FF~");
}
