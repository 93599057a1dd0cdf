//! Configurations as people write them (`converted/*.conf`): nginx takes them, edge takes them, and no directive of theirs
//! is lost without a word.
//!
//! What edge has no counterpart for is listed beside a configuration (`NAME.left`, `EDGE_TEST_BLESS=1` writes it); one
//! without such a file is carried whole.

mod hostile;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use edge::config::Value;
use edge::config::raw::all_keys;
use edge::config::types::Accepted;
use edge::convert::tomcat::Source;
use edge::convert::write;
use edge::server::{Options, load::Loader};

use crate::support::certificates::Authority;
use crate::support::nginx::Nginx;

/// Lines that say what holds anyway: without them nothing is different, and nothing is said.
const SAYS_THE_DEFAULT: &[&str] = &[
    "worker_processes auto;",
    // The server's own counts.
    "api_gateway: default_type application/octet-stream;",
    // edge's default is nginx 1.31's.
    "proxy_http_version 1.1;",
    "keepalive_requests 1000;",
    "root html;",
    "index index.html;",
    "etag on;",
    "gzip off;",
    "grpc_next_upstream error timeout;",
    "proxy_redirect default;",
    "proxy_cache_methods GET HEAD;",
    "ssl_protocols TLSv1.2 TLSv1.3;",
    // Where the certificate is verified the name is always sent.
    "proxy_ssl_server_name on;",
];

pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/converted")
}

/// The names of the configurations, with their texts.
pub fn all() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = std::fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "conf"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap()))
        .collect();
    all.sort();
    all
}

/// A directory with everything the configurations name.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        let home = crate::support::process::temporary_directory("converted");
        let authority = Authority::new("the test's");
        let issued = authority.server(&["shop.test"]);
        let proxy = "proxy_set_header Host $host;\nproxy_set_header X-Real-IP $remote_addr;\nproxy_http_version 1.1;\n";
        for (name, content) in [
            ("site.pem", issued.certificate_pem()),
            ("site.key", issued.key_pem()),
            ("htpasswd", "jane:{PLAIN}secret\n".into()),
            ("mime.types", std::fs::read_to_string("/etc/nginx/mime.types").unwrap()),
            ("conf.d/backends.conf", "upstream backends {\n    server 127.0.0.1:8080;\n}\n".into()),
            ("conf.d/gzip.conf", "gzip on;\ngzip_vary on;\n".into()),
            ("snippets/proxy.conf", proxy.into()),
            ("snippets/security.conf", "server_tokens off;\nadd_header X-Frame-Options DENY always;\n".into()),
            ("snippets/inner.conf", "allow 127.0.0.1;\ndeny all;\n".into()),
            ("html/index.html", "a page".into()),
            ("context.xml", std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/conf/context.xml")).unwrap()),
            ("tomcat1.xml", server_xml(8080, "tomcat1")),
            ("tomcat2.xml", server_xml(8081, "tomcat2")),
            ("logs/none", String::new()),
            ("run/none", String::new()),
        ] {
            let path = home.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        Home(home)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The files of the Tomcats, for the configuration that has some.
    fn tomcats(&self, name: &str) -> Vec<Source> {
        let files: &[&str] = if name == "tomcats_msm" { &["context.xml", "tomcat1.xml", "tomcat2.xml"] } else { &[] };
        files.iter().map(|file| Source { address: None, path: self.path(file) }).collect()
    }

    fn options(&self, name: &str, file: &str) -> Options {
        let tomcats = if file.ends_with(".conf") { self.tomcats(name) } else { Vec::new() };
        let file = self.path(file);
        Options { file, offline: true, check_only: true, ignore_unsupported: true, tomcats, ..Options::default() }
    }

    fn meaning(&self, name: &str, file: &str, text: &str) -> Meaning {
        std::fs::write(self.path(file), text).unwrap();
        let loaded = Loader::new(self.options(name, file)).load();
        let said = loaded.diagnostics.iter().map(|d| d.message.clone()).collect();
        let snapshot = loaded.snapshot.map(|snapshot| {
            // Each snapshot has a number of its own.
            let text = format!("{snapshot:#?}");
            let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("generation: "));
            let mut lines: Vec<String> = lines.map(str::to_owned).collect();
            lines.sort();
            lines
        });
        Meaning { snapshot, said, shown: loaded.diagnostics.to_string() }
    }
}

fn server_xml(port: u16, route: &str) -> String {
    format!("<Server><Service><Connector port='{port}'/><Engine jvmRoute='{route}'/></Service></Server>")
}

/// What a configuration compiles to, and what is said about it.
struct Meaning {
    /// Its lines, in a fixed order.
    snapshot: Option<Vec<String>>,
    said: BTreeSet<String>,
    shown: String,
}

/// The lines of each directive of a text that has one a line: a block goes with all it holds.
fn directives(text: &str) -> Vec<RangeInclusive<usize>> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if line.ends_with('{') && !line.starts_with('#') {
            let mut depth = 0;
            let end = lines[at..].iter().position(|line| {
                depth += i32::from(line.ends_with('{')) - i32::from(*line == "}");
                depth == 0
            });
            found.push(at..=at + end.expect("a block ends"));
        } else if line.ends_with(';') {
            found.push(at..=at);
        }
    }
    found
}

fn without(text: &str, gone: &RangeInclusive<usize>) -> String {
    text.lines().enumerate().filter(|(at, _)| !gone.contains(at)).map(|(_, line)| format!("{line}\n")).collect()
}

/// Whether edge takes the directive without needing it, which its documentation says.
fn is_accepted(name: &str) -> bool {
    all_keys().any(|key| key.name == name && (key.kind.expected)() == Accepted::expected())
}

#[test]
fn there_are_many_and_nginx_takes_them() {
    let all = all();
    assert!(all.len() >= 25, "{}", all.len());
    let home = Home::new();
    for (name, text) in all.iter().filter(|(name, _)| name != "openresty") {
        std::fs::write(home.path("nginx.conf"), text).unwrap();
        let mut nginx = std::process::Command::new("/usr/sbin/nginx");
        nginx.arg("-p").arg(home.0.path()).args(["-c", "nginx.conf", "-e", "logs/error.log", "-t"]);
        let said = nginx.output().unwrap();
        assert!(said.status.success(), "{name}: {}", String::from_utf8_lossy(&said.stderr));
    }
    // The one way to know that the check checks.
    assert!(Nginx::check("events {} http { nonsense on; }").is_err());
}

#[test]
fn what_is_left_is_listed_beside_each() {
    let home = Home::new();
    let (mut wrong, mut carried) = (String::new(), 0);
    for (name, text) in all() {
        let meaning = home.meaning(&name, "nginx.conf", &text);
        assert!(meaning.snapshot.is_some(), "{name}: {}", meaning.shown);
        let ending = ": it is left out";
        let left: String =
            meaning.said.iter().filter_map(|said| said.strip_suffix(ending)).map(|said| format!("{said}\n")).collect();
        let beside = directory().join(format!("{name}.left"));
        let listed = std::fs::read_to_string(&beside).unwrap_or_default();
        let total = directives(&text).len();
        carried += usize::from(left.is_empty());
        println!("{name}: {} of {total} directives are carried", total - left.lines().count());
        if left == listed {
            continue;
        }
        match std::env::var_os("EDGE_TEST_BLESS") {
            Some(_) if left.is_empty() => std::fs::remove_file(&beside).unwrap(),
            Some(_) => std::fs::write(&beside, &left).unwrap(),
            None => wrong += &format!("{name} leaves\n{left}and not\n{listed}"),
        }
    }
    println!("{carried} configurations are carried whole");
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn each_means_the_same_when_it_was_converted() {
    let home = Home::new();
    for (name, text) in all() {
        let conf = home.meaning(&name, "nginx.conf", &text);
        let tree = home.options(&name, "nginx.conf").read().tree.expect("a tree");
        let yaml = write::yaml(&tree, &Default::default());
        let converted = home.meaning(&name, "edge.yaml", &yaml);
        assert!(converted.snapshot.is_some(), "{name}: {}\n{yaml}", converted.shown);
        let (a, b) = (conf.snapshot.unwrap_or_default(), converted.snapshot.unwrap_or_default());
        let differing: Vec<_> = a.iter().zip(&b).filter(|(a, b)| a != b).take(5).collect();
        assert!(a == b, "{name}:\n{yaml}\n{differing:#?}");
    }
}

/// Whatever directive is taken away, either something else is compiled or something else is said.
#[test]
fn no_directive_is_lost_without_a_word() {
    let home = Home::new();
    let (mut silent, mut unused) = (Vec::new(), SAYS_THE_DEFAULT.to_vec());
    for (name, text) in all() {
        let whole = home.meaning(&name, "nginx.conf", &text);
        let again = home.meaning(&name, "nginx.conf", &text);
        assert!(again.snapshot == whole.snapshot && again.said == whole.said, "{name} never means the same twice");
        for gone in directives(&text) {
            let line = text.lines().nth(*gone.start()).unwrap().trim();
            let directive = line.split([' ', ';']).next().unwrap();
            let rest = home.meaning(&name, "nginx.conf", &without(&text, &gone));
            if rest.snapshot != whole.snapshot || rest.said != whole.said || is_accepted(directive) {
                continue;
            }
            let whose = format!("{name}: {line}");
            match SAYS_THE_DEFAULT.iter().find(|default| **default == line || **default == whose) {
                Some(default) => unused.retain(|other| other != default),
                None => silent.push(whose),
            }
        }
    }
    assert!(silent.is_empty(), "nothing changes without\n{}", silent.join("\n"));
    assert!(unused.is_empty(), "these say more than the default: {unused:?}");
}
