//! Who takes part: where the program is found, which configuration it gets and how it is started.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::{failure::Failure, many, options::Options, process::Ports};

/// What all ratios refer to.
pub const BASELINE: &str = "nginx-tuned";

pub struct Server {
    pub name: &'static str,
    /// Of Debian, for whoever has not got it.
    pub package: &'static str,
    pub program: &'static str,
    /// In the words of the table's head.
    pub remark: &'static str,
    pub template: &'static str,
    /// The ending tells some programs what they read.
    pub file: &'static str,
    /// `@CONF@` and `@DIR@` are replaced.
    pub arguments: &'static [&'static str],
    pub version: &'static str,
    /// It stands beside another for the sake of one question, and takes part in the cases alone that name it.
    pub only_named: bool,
    /// What the template says of rules is left out.
    pub ruleless: bool,
}

/// A server like any other.
const USUAL: Server = Server {
    name: "",
    package: "",
    program: "",
    remark: "",
    template: "",
    file: "",
    arguments: &[],
    version: "--version",
    only_named: false,
    ruleless: false,
};

/// edge in a configuration without any rule.
pub const RULELESS: &str = "edge-no-rules";

const EDGE: Server = Server {
    name: "edge",
    package: "edge",
    program: "edge",
    template: include_str!("conf/edge.yaml"),
    file: "edge.yaml",
    arguments: &["-c", "@CONF@"],
    ..USUAL
};

pub const SERVERS: &[Server] = &[
    Server {
        name: "nginx-seed",
        package: "nginx",
        program: "nginx",
        remark: "the configuration edge replaces: HTTP/1.0 and a new connection to the origin for each request, \
                 each log line written at once",
        template: include_str!("conf/nginx-seed.conf"),
        file: "nginx.conf",
        arguments: &["-p", "@DIR@", "-e", "@DIR@/error.log", "-c", "@CONF@"],
        version: "-v",
        ..USUAL
    },
    Server {
        name: BASELINE,
        package: "nginx",
        program: "nginx",
        remark: "the same with keepalive and HTTP/1.1 to the origin and a buffered log",
        template: include_str!("conf/nginx-tuned.conf"),
        file: "nginx.conf",
        arguments: &["-p", "@DIR@", "-e", "@DIR@/error.log", "-c", "@CONF@"],
        version: "-v",
        ..USUAL
    },
    Server {
        name: "haproxy",
        package: "haproxy",
        program: "haproxy",
        remark: "one thread, keepalive to the origin, no regular expressions, each log line written at once",
        template: include_str!("conf/haproxy.cfg"),
        file: "haproxy.cfg",
        arguments: &["-db", "-f", "@CONF@"],
        version: "-v",
        ..USUAL
    },
    Server { remark: "the seed's locations in edge.yaml, otherwise its defaults", ..EDGE },
    Server { name: RULELESS, remark: "the same edge.yaml without its rules", only_named: true, ruleless: true, ..EDGE },
];

/// A server whose program was found.
pub struct Contender {
    pub server: &'static Server,
    pub program: PathBuf,
}

/// `nginx` means each `nginx-…`.
pub fn is_meant(server: &Server, name: &str) -> bool {
    server.name == name || server.program == name
}

/// The chosen servers that are there; says of the others how to get them.
pub fn installed(options: &Options) -> Result<Vec<Contender>, Failure> {
    for name in &options.servers {
        if !SERVERS.iter().any(|server| is_meant(server, name)) {
            let known: Vec<_> = SERVERS.iter().map(|server| server.name).collect();
            return Err(Failure::Unknown { kind: "server", name: name.clone(), known: known.join(", ") });
        }
    }
    let is_chosen =
        |server: &&Server| options.servers.is_empty() || options.servers.iter().any(|name| is_meant(server, name));
    let mut contenders = Vec::new();
    for server in SERVERS.iter().filter(is_chosen) {
        match locate(server.program) {
            Some(program) => contenders.push(Contender { server, program }),
            None if server.program == "edge" => {
                eprintln!("skipping edge: neither built by cargo nor named by EDGE_BIN")
            }
            None => eprintln!("skipping {}: not installed (apt-get install {})", server.name, server.package),
        }
    }
    if contenders.is_empty() { Err(Failure::Nothing("servers")) } else { Ok(contenders) }
}

/// Finds a program in the PATH or where Debian keeps servers; edge is the one cargo has just built, unless
/// EDGE_BIN names another (to compare two builds).
pub fn locate(program: &str) -> Option<PathBuf> {
    if program == "edge" {
        let built = option_env!("CARGO_BIN_EXE_edge").map(PathBuf::from);
        return env::var_os("EDGE_BIN").map(PathBuf::from).or(built).filter(|path| path.is_file());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let debian = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(debian).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// Fills a template's `@NAME@`s in.
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("@{name}@"), value))
}

/// What all servers stand before.
#[derive(Clone, Copy)]
pub struct Behind {
    pub origin: [u16; 2],
    pub memcached: Option<u16>,
}

/// A server's configuration.
pub fn configuration(server: &Server, dir: &Path, ports: Ports, behind: Behind) -> String {
    fill_addresses(server.template, !server.ruleless, dir, ports, behind)
}

/// A template with the values that each may use.
pub fn fill_addresses(template: &str, with_rules: bool, dir: &Path, ports: Ports, behind: Behind) -> String {
    let [a, b] = behind.origin.map(|port| port.to_string());
    let dir = dir.display().to_string();
    let memcached = behind.memcached.map(|port| port.to_string()).unwrap_or_default();
    let marks = [("#sessions ", behind.memcached.is_some()), ("#rules ", with_rules)];
    let lines = template.lines().filter_map(|line| {
        match marks.iter().find_map(|(mark, is_there)| Some((line.strip_prefix(mark)?, *is_there))) {
            Some((line, is_there)) => is_there.then_some(line),
            None => Some(line),
        }
    });
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    let (plain, tls) = (ports.plain.to_string(), ports.tls.to_string());
    let addresses =
        [("PORT", &*plain), ("TLS_PORT", &tls), ("ORIGIN_A", &a), ("ORIGIN_B", &b), ("MEMCACHED", &memcached)];
    fill(&fill(&many::fill(&text), &addresses), &[("DIR", &dir)])
}

fn a_family_names_each_of_its_members() {
    let meant = |name| SERVERS.iter().filter(|server| is_meant(server, name)).count();
    assert_eq!((meant("nginx"), meant("nginx-seed"), meant("edge"), meant("ngin")), (2, 1, 2, 0));
}

fn no_place_of_a_template_stays_empty() {
    for server in SERVERS {
        for memcached in [None, Some(4)] {
            let ports = Ports { plain: 1, tls: 5 };
            let filled = configuration(server, Path::new("/d"), ports, Behind { origin: [2, 3], memcached });
            assert!(!filled.contains('@'), "{}: {filled}", server.name);
            assert!(filled.contains("127.0.0.1:1") && filled.contains("127.0.0.1:2"), "{}", server.name);
            let has_sessions = server.program == "edge" && memcached.is_some();
            assert_eq!(filled.contains("127.0.0.1:4"), has_sessions, "{}: {filled}", server.name);
        }
    }
}

fn edge_without_rules_differs_by_its_rules_alone() {
    let of = |name| {
        let server = SERVERS.iter().find(|server| server.name == name).expect("it takes part");
        configuration(server, Path::new("/d"), Ports { plain: 1, tls: 5 }, Behind { origin: [2, 3], memcached: None })
    };
    let (ruled, ruleless) = (of("edge"), of(RULELESS));
    // What is written of rules: the key, and the rules below it.
    let is_rule = |line: &&str| line.trim() == "rules:" || line.trim().starts_with("- { name: ");
    let without: Vec<&str> = ruled.lines().filter(|line| !is_rule(line)).collect();
    assert_eq!(ruled.lines().filter(is_rule).count(), 2 + 20 + 50);
    assert_eq!(without, ruleless.lines().collect::<Vec<_>>());
    assert!(!ruleless.contains("rules:") && !ruleless.contains("when:"), "{ruleless}");
}

pub const TESTS: &[(&str, fn())] = tests![
    a_family_names_each_of_its_members,
    edge_without_rules_differs_by_its_rules_alone,
    no_place_of_a_template_stays_empty,
];
