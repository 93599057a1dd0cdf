//! What a user is told of a Tomcat's context.xml or server.xml, word for word, in `context_xml.txt`; and `edge convert`.

use edge::convert::tomcat::Source;
use edge::server::Options;
use serde_yaml::Value as Yaml;
use std::path::Path;

use super::{Desk, Said, read_cases};

const NGINX: &str = "events {} http {
    upstream web { server 10.0.0.1:8080 route=t1; server 10.0.0.2:8080 route=t2; }
    server { listen 8080; location / { proxy_pass http://web; } }
}
";

fn convert(desk: &Desk, files: &[&str]) -> Said {
    let contexts = files.iter().flat_map(|file| ["--context", file]);
    let arguments: Vec<&str> = ["convert", "nginx.conf"].into_iter().chain(contexts).collect();
    desk.edge(&arguments)
}

#[test]
fn what_loses_sessions_is_told_in_these_words() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/messages/context_xml.txt");
    let (mut wrong, mut blessed) = (String::new(), String::new());
    for case in read_cases(&std::fs::read_to_string(&path).unwrap()) {
        let file = if case.configuration.starts_with("<Server") { "server.xml" } else { "context.xml" };
        let desk = Desk::new().with("nginx.conf", NGINX).with(file, &case.configuration);
        let said = convert(&desk, &[file]);
        // A section without a text would not end.
        let about = said.stderr.lines().filter(|line| !line.starts_with("edge: nginx.conf: "));
        let told: String = about.map(|line| format!("{line}\n")).collect();
        let told = if told.is_empty() { "nothing\n" } else { &told };
        blessed += &format!("== {}\n{}--\n{told}", case.title, case.configuration);
        let expected = if said.stderr.contains(" error: ") || said.stderr.starts_with("error: ") { 2 } else { 0 };
        assert_eq!(said.status.code(), Some(expected), "{}: {}", case.title, said.stderr);
        assert!(!told.contains("s3cr") && !said.stdout.contains("s3cr"), "{}: a password:\n{told}", case.title);
        if told != case.said {
            wrong += &format!("== {}\n-- expected\n{}-- said\n{told}\n", case.title, case.said);
        }
    }
    if std::env::var_os("EDGE_TEST_BLESS").is_some() {
        std::fs::write(&path, blessed).unwrap();
        return;
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn a_check_tells_what_loses_sessions_too_and_fails_for_what_cannot_be() {
    let manager = |more: &str| {
        format!(
            "<Context backgroundProcessorDelay='1'><Manager className='de.javakaffee.web.msm.MemcachedBackupSessionManager' \
             requestUriIgnorePattern='.*css' {more}/></Context>"
        )
    };
    let nodes = "memcachedNodes='n1:10.0.0.3:11211,n2:10.0.0.4:11211'";
    let desk = Desk::new().with("nginx.conf", NGINX).with("context.xml", manager(nodes));
    for option in ["--context", "--session"] {
        let said = desk.edge(&["-t", "--offline", "-c", "nginx.conf", option, "context.xml"]);
        assert!(said.status.success(), "{}", said.stderr);
        assert!(said.stderr.contains("context.xml:1:40: warning: sessions are saved after"), "{}", said.stderr);
    }
    desk.put("context.xml", manager("memcachedNodes='redis://10.0.0.3:6379'"));
    let said = desk.edge(&["-t", "--offline", "-c", "nginx.conf", "--context", "context.xml"]);
    assert_eq!(said.status.code(), Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("the sessions are kept in Redis"), "{}", said.stderr);
    let said = desk.edge(&["-t", "--offline", "-c", "nginx.conf", "--context", "conf/none.xml"]);
    assert_eq!(said.status.code(), Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("error: conf/none.xml: No such file or directory"), "{}", said.stderr);
}

/// What an nginx.conf and files of Tomcats come to.
fn tree_of(conf: &str, tomcats: &[String]) -> Yaml {
    let tomcats = tomcats.iter().map(|file| Source { address: None, path: file.into() }).collect();
    let options = Options { file: conf.into(), offline: true, check_only: true, tomcats, ..Options::default() };
    options.read().tree.expect("a tree").to_yaml()
}

/// Also nginx's own mime.types, which names one type in several lines.
#[test]
fn what_is_converted_says_the_same() {
    let conf = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/nginx.conf");
    let desk = Desk::new();
    let said = desk.edge(&["convert", conf]);
    assert!(said.status.success(), "{}", said.stderr);
    desk.put("edge.yaml", &said.stdout);
    let tree = |file: &str| {
        let said = desk.edge(&["-T", "--offline", "-c", file]);
        assert!(said.status.success(), "{file}: {}", said.stderr);
        serde_yaml::from_str::<Yaml>(&said.stdout).unwrap()
    };
    let (before, after) = (tree_of(conf, &[]), tree("edge.yaml"));
    assert_eq!(before, after);
    let extensions = after["types"]["application/octet-stream"].as_sequence().unwrap();
    assert!(extensions.len() >= 10, "{extensions:?}");
}

/// With the Tomcats' files both say conf/edge.yaml's sessions, and nothing has to be written twice.
#[test]
fn what_is_converted_with_the_tomcats_files_passes_the_check_and_says_the_same() {
    let conf = concat!(env!("CARGO_MANIFEST_DIR"), "/conf");
    let server = |port: u16, route: &str| {
        format!(
            "<Server><Service><Connector port='{port}' protocol='HTTP/1.1'/><Engine jvmRoute='{route}'/></Service></Server>"
        )
    };
    let desk = Desk::new().with("1.xml", server(8080, "tomcat1")).with("2.xml", server(8081, "tomcat2"));
    let (nginx, context) = (format!("{conf}/nginx.conf"), format!("{conf}/context.xml"));
    let files = ["--context", &context, "--context", "1.xml", "--context", "2.xml"];
    let said = desk.edge(&[&["convert", &nginx], &files[..]].concat());
    assert!(said.status.success(), "{}", said.stderr);
    desk.put("edge.yaml", &said.stdout);
    let check = desk.check("edge.yaml");
    assert!(check.status.success() && !check.stderr.contains("no route"), "{}", check.stderr);
    let tree = |arguments: &[&str]| {
        let said = desk.edge(&[&["-T", "--offline", "-c"], arguments].concat());
        assert!(said.status.success(), "{arguments:?}: {}", said.stderr);
        serde_yaml::from_str::<Yaml>(&said.stdout).unwrap()
    };
    let paths = [context.clone(), desk.path("1.xml").display().to_string(), desk.path("2.xml").display().to_string()];
    let (direct, converted) = (tree_of(&nginx, &paths), tree(&["edge.yaml"]));
    assert_eq!(direct, converted);
    let shipped = tree(&[&format!("{conf}/edge.yaml")]);
    assert_eq!(direct["session_store"], shipped["session_store"]);
    assert_eq!(direct["upstream"], shipped["upstream"]);
}

#[test]
fn what_cannot_be_converted_stands_as_a_comment_with_its_place() {
    let desk = Desk::new().with(
        "nginx.conf",
        "events {} http { server {\n  listen 8080;\n  auth_jwt \"closed\";\n  location / { return 204; }\n} }\n",
    );
    let said = convert(&desk, &[]);
    assert_eq!(said.status.code(), Some(2), "{}", said.stderr);
    assert!(said.stderr.contains("nginx.conf:3:3: error: edge does not support \"auth_jwt\" yet"), "{}", said.stderr);
    let head = "# nginx.conf, converted\n#\n# Not carried over:\n#   nginx.conf:3: edge does not support \"auth_jwt\" yet\n\
                #       auth_jwt \"closed\";\n\n";
    assert!(said.stdout.starts_with(head), "{}", said.stdout);
    desk.put("edge.yaml", &said.stdout);
    assert!(desk.check("edge.yaml").status.success());
    desk.put("nginx.conf", "events {} http { server {\n");
    let said = convert(&desk, &[]);
    assert_eq!((said.status.code(), said.stdout.as_str()), (Some(1), ""), "{}", said.stderr);
}

/// Comments stay where they stood, and what was included says where it came from.
#[test]
fn a_conversion_keeps_comments_and_says_what_came_from_where() {
    let text = "# The shop's proxy.\nuser a; # not root\nevents {}\nhttp {\n  # many\n  include conf.d/*.conf;\n  # Old clients.\n  map $cookie_JSESSIONID $route {\n    ~\\.(?<r>\\w+)$ $r;\n  }\n\
                  \n  # The shop.\n  server {\n    # plain\n    listen 8080;\n    tcp_nodelay on;\n    # dynamic\n    location / {\n      # to all\n      proxy_pass http://web;\n      # no more\n    }\n    # the end of it\n  }\n}\n# the end\n";
    let desk = Desk::new().with("nginx.conf", text);
    desk.put(
        "conf.d/web.conf",
        "# The Tomcats.\nupstream web {\n  # the first\n  server 127.0.0.1:1;\n  least_conn;\n}\n",
    );
    let said = convert(&desk, &[]);
    assert!(said.status.success(), "{}", said.stderr);
    let expected = "\
# nginx.conf, converted

# The shop's proxy.
# not root
user: a
upstream:
  # from conf.d/web.conf
  # many
  # The Tomcats.
  web:
    servers:
      # the first
      - '127.0.0.1:1'
    balance: least_conn
map:
  # from nginx.conf
  # Old clients.
  $route: { source: $cookie_JSESSIONID, values: { '~\\.(?<r>\\w+)$': $r } }
server:
  # The shop.
  # plain
  - listen: [8080]
    tcp_nodelay: on
    location:
      # dynamic
      - match: /
        # to all
        proxy_pass: http://web
        # no more
      # the end of it
";
    assert!(said.stdout.starts_with(expected), "{}", said.stdout);
    for comment in text.lines().filter_map(|line| line.split_once('#')).map(|(_, comment)| comment.trim()) {
        assert!(said.stdout.contains(&format!("# {comment}\n")), "{comment} is gone:\n{}", said.stdout);
    }
    assert!(
        said.stderr.contains("nginx.conf:8: hint: this map takes the jvmRoute out of session ids"),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr.contains("edge: nginx.conf: ") && said.stderr.contains(" 0 left, 0 to be looked at"),
        "{}",
        said.stderr
    );
    desk.put("edge.yaml", &said.stdout);
    let check = desk.check("edge.yaml");
    assert!(check.status.success(), "{}", check.stderr);
}

#[test]
fn a_conversion_overwrites_a_file_only_when_told_to() {
    let desk = Desk::new().with("nginx.conf", "events {} http { server { listen 8080; return 204; } }\n");
    let said = desk.edge(&["convert", "nginx.conf", "-o", "edge.yaml"]);
    assert!(said.status.success() && said.stdout.is_empty(), "{}{}", said.stdout, said.stderr);
    assert!(desk.check("edge.yaml").status.success());
    desk.put("edge.yaml", "mine");
    let said = desk.edge(&["convert", "nginx.conf", "-o", "edge.yaml"]);
    assert_eq!(
        (said.status.code(), said.stderr.trim_end()),
        (Some(1), "edge: edge.yaml: it exists; --force overwrites it")
    );
    assert_eq!(std::fs::read_to_string(desk.path("edge.yaml")).unwrap(), "mine");
    assert!(desk.edge(&["convert", "nginx.conf", "--force", "-o", "edge.yaml"]).status.success());
    assert!(desk.check("edge.yaml").status.success());
}
