//! The directory of files that both proxies serve: the same one, so that times, sizes and ETags are the same.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Sunday, 9 September 2001, 01:46:40 GMT.
const WRITTEN: Duration = Duration::from_secs(1_000_000_000);

/// The password is `pass word`, but for `mallory`, who has two lines, and `dave`.
const USERS: &str = "# alice:{PLAIN}comment\n\
    plain:{PLAIN}pass word\n\
    sha:{SHA}2oguq15ANCGsJCWKX31fllwpyEk=\n\
    ssha:{SSHA}UFAL1Y6rU6p3E9OM0Q51KWVEkV1zYWx0\n\
    apr1:$apr1$abcdefgh$NriZ3KceyQFy368Ufp8U./\n\
    md5:$1$abcdefgh$yTpYrEJJOuAsO2Aee15/D1\n\
    sha256:$5$rounds=1000$saltstring$JPqqlc0DA4hi1oxtk56VxZawMZ5Pnm9OACC9IMydoGB:and more\r\n\
    sha512:$6$rounds=1400$anotherlongsalts$yZYbCSV3SNH4BDzsl/jZOs52Lkq0EWHp7Ssjzzc0YNdXlbd9/PvTNOsh7M.AFMYZUmQilXEiTSO/11Oxs3VYi1\n\
    bcrypt:$2y$04$abcdefghijklmnopqrstuuFcV8WPKEefLKdOWfX8pW1yTVya21P7a\n\
    des:ab3jcLo8aNLw6\n\
    yescrypt:$y$j9T$abcdefgh$53HXNxZB2a7VoI7YjlXnuqZl44ziJZfXwvfzovUJ6J6\n\
    mallory:{PLAIN}first\n\
    mallory:{PLAIN}second\n\
    dave:{PLAIN}a\n\
    last:{PLAIN}pass word";

pub fn style() -> String {
    "body { color: black; background: white }\n".repeat(60)
}

fn page() -> String {
    format!("<html><body>{}</body></html>\n", "<p>A page</p>\n".repeat(40))
}

/// Fills a directory.
pub fn write(root: &Path) {
    let texts: &[(&str, &str)] = &[
        ("index.html", "the index\n"),
        ("a.txt", "0123456789abcdefghij"),
        ("empty.txt", ""),
        ("page.html", &page()),
        ("style.css", &style()),
        ("script.js", &"var a = 1;\n".repeat(100)),
        ("data.json", "{\"a\": 1}\n"),
        ("feed.xml", "<feed/>\n"),
        ("noext", "no extension\n"),
        ("x.weird", "weird\n"),
        ("UPPER.TXT", "upper\n"),
        ("\u{fc}.txt", "umlaut\n"),
        ("sp ace.txt", "space\n"),
        ("per%cent.txt", "percent\n"),
        ("question?.txt", "question\n"),
        ("dir/index.html", "the index of dir\n"),
        ("dir/b.txt", "b\n"),
        ("dir/deep/index.htm", "htm\n"),
        ("noindex/c.txt", "c\n"),
        ("name.html", "name\n"),
        ("name/index.html", "the index of name\n"),
        ("errors/404.html", "the page for 404\n"),
        ("errors/50x.html", "the page for 50x\n"),
        ("only.html.gz", "not gzip at all\n"),
        ("users", USERS),
        ("others", "carol:{PLAIN}secret\nempty:{PLAIN}\n"),
        ("broken", "# nobody\n\nno colon\n:x\nnohash:secret\nstar:*\nbad:$6$rounds=1000\ncut:{SHA}\nalice"),
    ];
    for (path, text) in texts {
        put(root, path, text.as_bytes());
    }
    put(root, "image.png", &[0x89, b'P', b'N', b'G', 0, 1, 2, 3]);
    let big: Vec<u8> = (0..300_000u32).map(|n| b'a' + (n % 23) as u8).collect();
    put(root, "big.txt", &big);
    put(root, "koi8.txt", b"a\xc1\xc2\xa3\x80b");
    link(root);
    for path in ["page.html", "style.css"] {
        let text = if path == "page.html" { page() } else { style() };
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text.as_bytes()).expect("memory takes it");
        put(root, &format!("{path}.gz"), &encoder.finish().expect("memory takes it"));
    }
}

/// Links into the directory and within it.
fn link(root: &Path) {
    std::os::unix::fs::symlink("a.txt", root.join("link.txt")).expect("a link");
    std::os::unix::fs::symlink("dir", root.join("linked")).expect("a link");
}

fn put(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("a directory");
    std::fs::write(&path, bytes).expect("a file to serve");
    let file = File::options().write(true).open(&path).expect("the file just written");
    file.set_modified(UNIX_EPOCH + WRITTEN).expect("a time of a file");
}
