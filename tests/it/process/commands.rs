//! The control socket: a reload that says what came of it, and servers taken out of rotation.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::messages::{Desk, Said};
use crate::support::backend::Backend;
use crate::support::client;
use crate::support::edge::Edge;
use crate::support::{ports, wait};

use super::control::{start, tell};
use super::{HEAD, SOON, one_more_saying, saying};

/// Writes a configuration, and reloads it in vain; gives what was said.
fn refused(edge: &Edge, configuration: &str) -> String {
    edge.write_configuration(configuration);
    let said = tell(edge, "reload");
    assert_eq!(said.status.code(), Some(1), "{}", said.stderr);
    assert_eq!(client::get(edge.address(), "/").text(), "old");
    said.stderr
}

#[test]
fn a_reload_succeeds_when_the_new_configuration_is_in_force() {
    let port = ports::free();
    let edge = start(&saying(port, "old"), port);
    edge.write_configuration(&saying(port, "new"));
    let said = tell(&edge, "reload");
    assert!(said.status.success() && said.stderr.is_empty(), "{}", said.stderr);
    // No waiting: that is the promise.
    assert_eq!(client::get(edge.address(), "/").text(), "new");
}

#[test]
fn a_reload_that_is_refused_says_why_and_changes_nothing() {
    let (port, taken, other) = (ports::free(), ports::free(), ports::free());
    let edge = start(&saying(port, "old"), port);
    let file = edge.file("edge.yaml");

    let said = refused(&edge, &(saying(port, "new") + "    servername: a\n"));
    assert!(said.contains(&format!("{}:6:5: error: unknown key `servername`", file.display())), "{said}");
    assert!(said.ends_with("edge: nothing was reloaded: the configuration has mistakes\n"), "{said}");

    let _taken = TcpListener::bind(ports::local(taken)).unwrap();
    // The one that could be opened is not kept, whatever comes after it.
    let said = refused(&edge, &(saying(port, "new") + &one_more_saying(other, "o") + &one_more_saying(taken, "t")));
    let told = format!("edge: nothing was reloaded: cannot listen on 127.0.0.1:{taken}: Address already in use");
    assert!(said.contains(&told), "{said}");
    assert!(!wait::accepts(ports::local(other)));

    let said = refused(&edge, &format!("access_log: logs\n{}", saying(port, "new")));
    assert!(
        said.contains("edge.yaml:1:13: error: the log ") && said.contains("logs cannot be opened: Is a directory"),
        "{said}"
    );
}

/// Where the pid file cannot be written nothing else is changed. The edge is asked where it listens, not where the new file says.
#[test]
fn a_pid_file_that_cannot_be_written_refuses_the_whole_reload() {
    let (port, other) = (ports::free(), ports::free());
    let edge = start(&format!("control: logs/c.sock\n{}", saying(port, "old")), port);
    let new = saying(port, "new") + &one_more_saying(other, "o");
    let said = refused(&edge, &format!("control: logs/c.sock\npid: edge.yaml/x.pid\n{new}"));
    assert!(said.contains("nothing was reloaded: the pid file ") && said.contains("cannot be written"), "{said}");
    assert!(!wait::accepts(ports::local(other)));
    assert!(edge.file("logs/edge.pid").exists());
}

#[test]
fn without_a_control_socket_hup_is_sent_and_that_is_told() {
    let port = ports::free();
    let edge = start(&format!("control: off\n{}", saying(port, "old")), port);
    assert!(!edge.file("logs/edge.sock").exists());
    edge.write_configuration(&format!("control: off\n{}", saying(port, "new")));
    let said = tell(&edge, "reload");
    assert!(said.status.success());
    assert!(said.stderr.contains("what came of it stands in the error log"), "{}", said.stderr);
    assert!(wait::until(SOON, || (client::get(edge.address(), "/").text() == "new").then_some(())).is_some());
}

#[test]
fn the_socket_is_for_its_owner_alone_and_goes_with_edge() {
    let port = ports::free();
    let mut edge = start(&format!("control: run/here.sock\n{}", saying(port, "a")), port);
    let socket = edge.file("run/here.sock");
    let mode = wait::until(SOON, || std::fs::metadata(&socket).ok()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    super::reload(&edge, &format!("control: run/there.sock\n{}", saying(port, "a")));
    assert!(!socket.exists() && edge.file("run/there.sock").exists());
    edge.signal(libc::SIGQUIT);
    assert!(edge.wait_end(SOON).is_some());
    assert!(!edge.file("run/there.sock").exists());
}

#[test]
fn nonsense_is_answered_and_silence_is_not_waited_for_by_others() {
    let port = ports::free();
    let edge = start(&saying(port, "a"), port);
    let path = edge.file("logs/edge.sock");
    let _silent: Vec<UnixStream> = (0..10).map(|_| UnixStream::connect(&path).unwrap()).collect();
    let ask = |line: &[u8]| {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(line).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    for (line, expected) in [
        (&b"reload\n"[..], "= failed expected one line, a JSON list of words"),
        (b"[\"relaod\"]\n", "= failed there is no command `relaod`; did you mean `reload`?"),
        (b"[]\n", "= failed there is no command ``; known are: reload, upstream drain"),
        (b"[\"upstream\", \"drain\"]\n", "= failed expected `upstream drain UPSTREAM/SERVER`"),
        (b"[\"upstream\", \"list\"]\n", "= ok"),
    ] {
        let answer = ask(line);
        assert!(answer.contains(expected), "{answer}");
    }
}

struct Rotation {
    edge: Edge,
    a: Backend,
    b: Backend,
}

impl Rotation {
    fn start() -> Rotation {
        let (port, a, b) = (ports::free(), Backend::saying("a"), Backend::saying("b"));
        let configuration = format!(
            "{HEAD}upstream:\n  web:\n    servers:\n      - {{ address: '{}', route: tomcat1 }}\n      - {{ address: '{}', route: tomcat2 }}\n\
             server:\n  - listen: 127.0.0.1:{port}\n    location:\n      - {{ match: /, proxy_pass: 'http://web' }}\n",
            a.address(),
            b.address()
        );
        Rotation { edge: start(&configuration, port), a, b }
    }

    fn upstream(&self, words: &[&str]) -> Said {
        let file = self.edge.file("edge.yaml");
        let all = [&["upstream"], words, &["-c", file.to_str().unwrap()]].concat();
        Desk::new().edge(&all)
    }

    /// Who answers ten requests.
    fn answering(&self) -> String {
        let mut texts: Vec<String> = (0..10).map(|_| client::get(self.edge.address(), "/").text()).collect();
        texts.sort();
        texts.dedup();
        texts.concat()
    }
}

#[test]
fn a_drained_server_gets_nothing_until_it_is_up_again() {
    let rotation = Rotation::start();
    assert_eq!(rotation.answering(), "ab");
    for server in ["tomcat1".to_owned(), rotation.a.address().to_string()] {
        let place = format!("web/{server}");
        let said = rotation.upstream(&["drain", &place]);
        assert!(said.status.success(), "{}", said.stderr);
        assert_eq!(said.stdout, "1 server of web drained\n");
        assert_eq!(rotation.answering(), "b");
        let list = rotation.upstream(&["list"]).stdout;
        assert!(
            list.contains(&format!("web/{}\t{}\tdraining\t0 in flight", rotation.a.address(), rotation.a.address())),
            "{list}"
        );
        assert!(list.contains(&format!("web/{}\t{}\tup\t", rotation.b.address(), rotation.b.address())), "{list}");
        // What an operator has said survives a reload.
        assert!(tell(&rotation.edge, "reload").status.success());
        assert_eq!(rotation.answering(), "b");
        let said = rotation.upstream(&["up", &place]);
        assert_eq!(said.stdout, "1 server of web up\n");
        assert_eq!(rotation.answering(), "ab");
    }
}

#[test]
fn what_there_is_not_cannot_be_drained() {
    let rotation = Rotation::start();
    for (place, expected) in [
        ("bew/tomcat1", "edge: there is no upstream `bew`; known are: web\n"),
        ("web/tomact1", "edge: the upstream `web` has no server `tomact1`; did you mean `tomcat1`?\n"),
        ("web", "edge: expected UPSTREAM/SERVER, such as `web/10.0.0.1:8080`, found `web`\n"),
    ] {
        let said = rotation.upstream(&["drain", place]);
        assert_eq!((said.status.code(), said.stderr.as_str()), (Some(1), expected));
    }
    let desk = Desk::new().with("edge.yaml", "server: [{ listen: 8080 }]\n").with("off.yaml", "control: off\n");
    let said = desk.edge(&["upstream", "list"]);
    assert_eq!(said.stderr, "edge: is edge running? ./logs/edge.sock: No such file or directory\n");
    let said = desk.edge(&["upstream", "list", "-c", "off.yaml"]);
    assert_eq!(said.stderr, "edge: this needs the control socket, and the configuration says `control: off`\n");
}

/// More connections than that are refused, from the reload on.
#[test]
fn a_reload_changes_worker_connections() {
    let port = ports::free();
    let edge = start(&saying(port, "a"), port);
    let mut first = client::Client::connect(edge.address());
    assert_eq!(first.ask(&crate::support::request::get("/")).unwrap().text(), "a");
    super::reload(&edge, &format!("worker_connections: 1\n{}", saying(port, "b")));
    let mut second = client::Client::connect(edge.address());
    assert!(second.wait_closed(SOON));
    assert!(edge.wait_error("1 worker_connections are not enough"));
    assert_eq!(first.ask(&crate::support::request::get("/")).unwrap().text(), "b");
}

#[test]
fn explain_tells_which_coding_a_client_gets() {
    let text = "gzip: { disable: Old }\nbrotli: { types: [a/b] }\nzstd: on\nserver: [{ listen: 8080 }]\n";
    let desk = Desk::new().with("edge.yaml", text);
    let told = |fields: &[&str]| {
        let fields = fields.iter().flat_map(|field| ["-H", field]);
        let words: Vec<&str> = ["explain", "GET", "http://a.test:8080/"].into_iter().chain(fields).collect();
        let said = desk.edge(&words);
        assert!(said.status.success(), "{}", said.stderr);
        let lines = said.stdout.lines().map(str::trim_start).filter(|line| {
            let name = line.split(' ').next().unwrap_or_default();
            ["gzip", "br", "zstd"].contains(&name)
        });
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let yes = "yes, if the answer's type and length allow it";
    let only = "only where none of more weight is used";
    let not_accepted = "no: the client does not accept it";
    let line = |name: &str, why: &str| format!("{name:<11}{why}");
    let all = told(&["Accept-Encoding: gzip, br, zstd"]);
    assert_eq!(all, [line("zstd", yes), line("br", only), line("gzip", only)]);
    let weighted = told(&["Accept-Encoding: gzip, br;q=0.5, zstd;q=0"]);
    assert_eq!(weighted, [line("zstd", not_accepted), line("br", only), line("gzip", yes)]);
    let none = "no: this client gets none (gzip_disable, gzip_proxied or gzip_http_version)";
    assert_eq!(told(&["Accept-Encoding: br", "User-Agent: Old/1"])[1], line("br", none));
}

#[test]
fn explain_tells_where_a_session_is_and_who_would_be_asked_for_it() {
    let text = "session_store: { msm: { memcached: { n1: '127.0.0.1:1', n2: '127.0.0.1:2' } } }
upstream:
  app:
    session: { store: msm, contexts: [/, /shop], storage_key_prefix: context }
    servers: [{ address: '127.0.0.1:3', route: t1 }, { address: '127.0.0.1:4', route: t2 }]
  tomcats:
    session: { cookie: SID }
    servers: [{ address: '127.0.0.1:3', route: t1 }, { address: '127.0.0.1:4', route: t2 }]
server:
  - listen: 8080
    location: [{ match: /, proxy_pass: 'http://app' }, { match: /own, proxy_pass: 'http://tomcats' }]
";
    let desk = Desk::new().with("edge.yaml", text);
    let told = |target: &str, cookie: &str| {
        let cookie = format!("Cookie: {cookie}");
        let said = desk.edge(&["explain", "GET", &format!("http://a.test:8080{target}"), "-H", &cookie]);
        assert!(said.status.success(), "{}", said.stderr);
        let lines = said.stdout.lines().map(str::trim_start).filter_map(|line| {
            let (name, value) = line.split_once(' ')?;
            ["session", "owner", "asked"].contains(&name).then(|| format!("{name} {}", value.trim_start()))
        });
        let server = said.stdout.lines().rfind(|line| line.trim_start().starts_with("server "));
        (lines.collect::<Vec<_>>(), server.unwrap_or_default().trim_start().to_owned())
    };
    let (lines, server) = told("/shop/x", "a=b; JSESSIONID=ABC-n1.t2");
    assert_eq!(
        lines,
        [
            "session ABC in the cookie, node n1, route t2",
            "owner 127.0.0.1:4 (route t2)",
            "asked once the owner is gone: memcached n1 (127.0.0.1:1) for /shop_ABC-n1.t2, context /shop",
        ]
    );
    assert_eq!(server, "server     127.0.0.1:4");
    let (lines, _) = told("/x;jsessionid=ABC-n3.t9", "a=b");
    assert_eq!(lines[0], "session ABC in the path, node n3, route t9");
    assert_eq!(lines[1], "owner none: no server has the route t9");
    assert_eq!(lines[2], "asked nobody: the store has no node `n3`, so that the session cannot be taken over");
    let (lines, _) = told("/x", "a=b");
    assert_eq!(lines, ["session none (cookie JSESSIONID, `;jsessionid=` in the path): the balancing picks"]);
    let (lines, server) = told("/own", "JSESSIONID=ABC.t2; SID=DEF.t1");
    assert_eq!(lines[0], "session DEF in the cookie, route t1");
    assert!(lines[2].starts_with("asked nobody: without a `store`"), "{lines:?}");
    assert_eq!(server, "server     127.0.0.1:3");
}
