//! `edge` typed where `nginx` was: the same words on the command line, the same files in the same places, the same status.

use std::path::Path;
use std::process::Command;

use crate::messages::{Desk, Said};
use crate::support::edge::program;
use crate::support::{client, ports, wait};

use super::SOON;

fn conf(port: u16, main: &str) -> String {
    format!(
        "{main}\nevents {{}}\nhttp {{ access_log logs/a.log; server {{ listen 127.0.0.1:{port}; return 200 here; }} }}\n"
    )
}

fn desk(port: u16, main: &str) -> Desk {
    Desk::new().with("nginx.conf", conf(port, main)).with("logs/none", "")
}

/// `edge -p DESK WORDS`, from another directory.
fn edge(desk: &Desk, words: &[&str]) -> Said {
    let prefix = desk.path("");
    let elsewhere = Desk::new();
    elsewhere.edge(&[&["-p", prefix.to_str().unwrap(), "-c", "nginx.conf"], words].concat())
}

/// The user of the tests: whoever else it were could not read the directory.
fn user() -> &'static str {
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } == 0 { "user root;" } else { "" }
}

/// An edge in the background, ended with the test.
struct Daemon<'d>(&'d Desk, &'static str);

impl Daemon<'_> {
    fn id(&self) -> Option<i32> {
        std::fs::read_to_string(self.0.path(self.1)).ok()?.trim().parse().ok()
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id() {
            // SAFETY: kill takes two numbers.
            unsafe { libc::kill(id, libc::SIGTERM) };
        }
    }
}

#[test]
fn a_right_configuration_is_told_in_nginx_s_words() {
    let desk = desk(ports::free(), "");
    let file = desk.path("nginx.conf").display().to_string();
    let said = edge(&desk, &["-t"]);
    let expected = format!(
        "edge: the configuration file {file} syntax is ok\nedge: configuration file {file} test is successful\n"
    );
    assert_eq!((said.status.code(), said.stderr), (Some(0), expected));
    let said = edge(&desk, &["-tq"]);
    assert_eq!((said.status.code(), said.stderr.as_str()), (Some(0), ""));
    desk.put("nginx.conf", "http { gzip maybe; }");
    let said = edge(&desk, &["-t"]);
    assert_eq!(said.status.code(), Some(1));
    assert!(
        said.stderr.ends_with(&format!("edge: configuration file {file} test failed: 1 mistake\n")),
        "{}",
        said.stderr
    );
}

#[test]
fn options_may_be_glued_and_a_wrong_one_is_1() {
    let desk = desk(ports::free(), "");
    let prefix = format!("-p{}", desk.path("").display());
    let run = |words: &[&str]| Desk::new().edge(&[&[prefix.as_str()], words].concat());
    assert_eq!(run(&["-cnginx.conf", "-tq", "-gdaemon off;"]).stderr, "");
    // The last one of two counts.
    assert!(run(&["-cnothing.conf", "-tqcnginx.conf"]).status.success());
    for wrong in [&["-z"][..], &["-s", "bad"], &["nonsense"], &["-tc"]] {
        assert_eq!(run(wrong).status.code(), Some(1), "{wrong:?}");
    }
    let said = run(&["-cnginx.conf", "-sstop"]);
    assert_eq!(said.status.code(), Some(1));
    assert!(said.stderr.contains("is edge running? ") && said.stderr.contains("logs/edge.pid"), "{}", said.stderr);
    assert!(run(&["-?"]).status.success() && run(&["-h"]).stdout.contains("-s <SIGNAL>"));
}

#[test]
fn directives_of_the_command_line_are_read_first_and_twice_is_a_mistake() {
    let desk = desk(ports::free(), "daemon off;\npid a.pid;");
    for (globals, expected) in [
        ("pid b.pid;", "nginx.conf:2:1: error: \"pid\" directive is duplicate"),
        ("daemon off;", "nginx.conf:1:1: error: \"daemon\" directive is duplicate"),
        (
            "worker_rlimit_nofile 64; worker_rlimit_nofile 65;",
            "command line:1:26: error: \"worker_rlimit_nofile\" directive is duplicate",
        ),
        ("nonsense on;", "command line:1:1: error: unknown directive \"nonsense\""),
        ("worker_processes 1", "command line:1:19: error: unexpected end of file, expecting \";\""),
    ] {
        let said = edge(&desk, &["-t", "-g", globals]);
        assert_eq!(said.status.code(), Some(1), "{globals}");
        assert!(said.stderr.contains(expected), "{globals}: {}", said.stderr);
    }
    let said = edge(&desk, &["-T", "-g", "worker_rlimit_nofile 77; error_log stderr notice;"]);
    assert!(
        said.status.success() && said.stdout.starts_with("# configuration file /"),
        "{}{}",
        said.stdout,
        said.stderr
    );
    desk.put("edge.yaml", "server: [{ listen: 8080 }]\n");
    let said = desk.edge(&["-t", "-c", "edge.yaml", "-g", "daemon off;"]);
    assert!(
        said.status.code() == Some(1) && said.stderr.contains("-g gives directives of nginx.conf"),
        "{}",
        said.stderr
    );
}

/// Below the prefix: logs, the pid file, `root`. Beside the configuration: what it includes, certificates, users.
#[test]
fn relative_paths_begin_where_nginx_s_do() {
    let port = ports::free();
    let text = format!(
        "pid n.pid; error_log e.log; events {{}} http {{ include more.conf; access_log a.log; server {{ listen 127.0.0.1:{port}; root html; \
         location /closed {{ auth_basic a; auth_basic_user_file users; }} }} }}"
    );
    let desk = Desk::new().with("conf/nginx.conf", &text).with("conf/more.conf", "server_tokens off;\n");
    let desk = desk
        .with("conf/users", "a:{PLAIN}b\n")
        .with("html/index.html", "the page")
        .with("html/closed/index.html", "in");
    let prefix = desk.path("").display().to_string();
    let words = ["-p", &prefix, "-c", "conf/nginx.conf", "-g", &format!("daemon on; {}", user())];
    // nginx has the same opinion.
    let nginx = Command::new("/usr/sbin/nginx").args(&words[..4]).args(["-e", "n.log", "-t"]).output().unwrap();
    assert!(nginx.status.success(), "{}", String::from_utf8_lossy(&nginx.stderr));
    let _ = std::fs::remove_file(desk.path("n.pid"));
    let daemon = Daemon(&desk, "n.pid");
    let said = Desk::new().edge(&words);
    assert!(said.status.success(), "{}", said.stderr);
    assert!(daemon.id().is_some());
    assert_eq!(client::get(ports::local(port), "/").text(), "the page");
    let closed =
        crate::support::request::get("/closed/").header("Authorization", "Basic YTpi").send(ports::local(port));
    assert_eq!(closed.text(), "in");
    for file in ["a.log", "e.log", "n.pid"] {
        assert!(desk.path(file).exists(), "{file}");
    }
}

#[test]
fn the_error_log_of_the_command_line_is_there_whatever_is_read() {
    let port = ports::free();
    let desk = desk(port, "nonsense on;");
    let said = edge(&desk, &["-e", "early.log"]);
    assert_eq!(said.status.code(), Some(1));
    let log = std::fs::read_to_string(desk.path("early.log")).unwrap();
    assert!(log.contains(" [emerg] ") && log.contains(": unknown directive \"nonsense\" in "), "{log}");
    assert!(log.trim_end().ends_with("the configuration has mistakes"), "{log}");
    // Without one in the configuration it goes on there.
    desk.put("nginx.conf", conf(port, "pid p.pid;"));
    let daemon = Daemon(&desk, "p.pid");
    let said = edge(&desk, &["-e", "second.log", "-g", &format!("daemon on; {}", user())]);
    assert!(said.status.success(), "{}", said.stderr);
    assert!(desk.path("second.log").exists() && !desk.path("logs/error.log").exists());
    desk.put("nginx.conf", "http { nonsense on; }");
    // SAFETY: kill takes two numbers.
    unsafe { libc::kill(daemon.id().unwrap(), libc::SIGHUP) };
    let told = || std::fs::read_to_string(desk.path("second.log")).unwrap().contains("unknown directive").then_some(());
    assert!(wait::until(SOON, told).is_some());
    assert_eq!(client::get(ports::local(port), "/").text(), "here");
    // One that cannot be opened is told, and stops nothing.
    desk.put("other.conf", conf(port, ""));
    let said = edge(&desk, &["-c", "other.conf", "-t", "-e", "none/none.log"]);
    assert!(
        said.status.success() && said.stderr.contains("[alert] could not open error log file: "),
        "{}",
        said.stderr
    );
    assert!(edge(&desk, &["-c", "other.conf", "-t", "-e", "stderr"]).status.success());
}

/// With `daemon on` what was started ends with every listener bound and the pid file written; without a word about it edge
/// stays, but where it was called `nginx`.
#[test]
fn daemon_on_and_nginx_s_name_lead_into_the_background() {
    let port = ports::free();
    let desk = desk(port, "pid p.pid;");
    std::os::unix::fs::symlink(program(), desk.path("nginx")).unwrap();
    let prefix = desk.path("").display().to_string();
    for (program, globals) in [(program(), "daemon on;"), (desk.path("nginx"), "")] {
        let daemon = Daemon(&desk, "p.pid");
        let mut command = Command::new(program);
        command.args(["-p", &prefix, "-c", "nginx.conf", "-e", "e.log", "-g", &format!("{globals} {}", user())]);
        assert!(command.status().unwrap().success());
        assert_eq!(client::get(ports::local(port), "/").text(), "here");
        let id = daemon.id().unwrap();
        for (word, there) in [("reload", true), ("reopen", true), ("quit", false)] {
            let said = edge(&desk, &["-s", word]);
            assert!(said.status.success(), "{word}: {}", said.stderr);
            // SAFETY: kill takes two numbers; WINCH says nothing to a process that has no workers of its own.
            assert!(!there || unsafe { libc::kill(id, libc::SIGWINCH) } == 0);
        }
        let gone = || (!desk.path("p.pid").exists() && !wait::accepts(ports::local(port))).then_some(());
        assert!(wait::until(SOON, gone).is_some());
    }
}

#[test]
fn the_version_names_the_modules_that_are_there() {
    let said = Desk::new().edge(&["-V"]);
    assert!(said.status.success());
    let has = |text: &str| said.stderr.contains(text);
    assert!(
        has("edge version: edge/") && has("\nnginx version: nginx/1.") && has("\nTLS SNI support enabled\n"),
        "{}",
        said.stderr
    );
    assert!(has("\nbuilt by rustc 1.") && has("\nbuilt with rustls 0."), "{}", said.stderr);
    assert!(
        has("\nconfigure arguments: --with-http_ssl_module ") && has(" --without-http_fastcgi_module"),
        "{}",
        said.stderr
    );
    let said = Desk::new().edge(&["-v"]);
    assert!(said.status.success() && said.stderr.starts_with("edge version: edge/"), "{}", said.stderr);
    assert!(Desk::new().edge(&["--version"]).stdout.starts_with("edge "));
}

#[test]
fn what_is_not_supported_stops_a_start_unless_it_may_be_left_out() {
    let text = "mail { server { listen 25; } }\nevents {}\nhttp { server { listen 8080; ssi on;\n location / { fastcgi_pass a; auth_jwt b; } } }";
    let desk = Desk::new().with("nginx.conf", text);
    let said = edge(&desk, &[]);
    assert_eq!(said.status.code(), Some(1));
    for told in [
        "nginx.conf:1:1: error: edge does not support \"mail\"\n",
        "nginx.conf:3:30: error: edge does not support \"ssi\"\n",
        "nginx.conf:4:15: error: edge does not support \"fastcgi_pass\"\n",
        "nginx.conf:4:31: error: edge does not support \"auth_jwt\" yet\n",
    ] {
        assert!(said.stderr.contains(told), "{told}: {}", said.stderr);
    }
    let said = edge(&desk, &["-t", "--ignore-unsupported"]);
    assert!(said.status.success(), "{}", said.stderr);
    assert_eq!(said.stderr.matches(": it is left out\n").count(), 4, "{}", said.stderr);
}

/// What Debian installs, with what it includes, as it is; and started, on another port and with other places for logs.
#[test]
fn debian_s_own_nginx_conf_starts() {
    let said = Desk::new().edge(&["-t", "-c", "/etc/nginx/nginx.conf"]);
    assert!(said.status.success() && said.stderr.contains("test is successful"), "{}", said.stderr);
    let port = ports::free();
    let desk = Desk::new();
    let home = desk.path("");
    let read = |path: &str| std::fs::read_to_string(Path::new("/etc/nginx").join(path)).unwrap();
    let moved = |text: String| {
        let text = text.replace("/etc/nginx", home.to_str().unwrap()).replace("/var/log/nginx", home.to_str().unwrap());
        let text = text.replace("/run/nginx.pid", &format!("{}/nginx.pid", home.display()));
        text.replace("user www-data;", user()).replace("80 default_server", &format!("127.0.0.1:{port} default_server"))
    };
    desk.put("mime.types", read("mime.types"));
    desk.put("nginx.conf", moved(read("nginx.conf")));
    let site = moved(read("sites-available/default")).replace("listen [::]:", "# listen [::]:");
    desk.put("sites-enabled/default", site.replace("/var/www/html", &format!("{}/html", home.display())));
    desk.put("html/index.html", "Debian's page");
    let daemon = Daemon(&desk, "nginx.pid");
    let said = edge(&desk, &["-g", "daemon on; master_process on;"]);
    assert!(said.status.success(), "{}", said.stderr);
    assert!(daemon.id().is_some());
    assert_eq!(client::get(ports::local(port), "/").text(), "Debian's page");
}
