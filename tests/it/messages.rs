//! What a user is told who has made a mistake: the words of the real `edge -t`, kept in `messages/*.txt`.
//!
//! Each section there is a configuration and, after `--`, all that is said about it. `EDGE_TEST_BLESS=1` writes what is
//! said now into them: for a change of words that was meant, and is then read in the difference.

mod contexts;
mod dump;
mod hostile;
mod once;

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::support::certificates::Authority;
use crate::support::{process, wait};

/// No check takes longer, whatever the file.
const LIMIT: Duration = Duration::from_secs(20);

/// What a command line said.
pub struct Said {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// A directory with a few files, to run `edge` in.
pub struct Desk(tempfile::TempDir);

impl Desk {
    pub fn new() -> Desk {
        Desk(process::temporary_directory("messages"))
    }

    pub fn with(self, file: &str, content: impl AsRef<[u8]>) -> Desk {
        self.put(file, content);
        self
    }

    pub fn put(&self, file: &str, content: impl AsRef<[u8]>) {
        let path = self.path(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    pub fn edge(&self, arguments: &[&str]) -> Said {
        self.edge_with(arguments, &[])
    }

    pub fn edge_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_edge"));
        command.args(arguments).current_dir(self.0.path()).envs(environment.iter().copied());
        finish(command)
    }

    /// `edge -t -c FILE --offline`.
    pub fn check(&self, file: &str) -> Said {
        self.edge(&["-t", "-c", file, "--offline"])
    }
}

/// Runs a command to its end, which must come.
fn finish(mut command: Command) -> Said {
    let (mut out, mut err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(err.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    let Some(status) = wait::until(LIMIT, || child.try_wait().unwrap()) else {
        let _ = child.kill();
        let _ = child.wait();
        panic!("{command:?} does not end; it said:\n{}", text(&mut err));
    };
    Said { status, stdout: text(&mut out), stderr: text(&mut err) }
}

fn text(file: &mut std::fs::File) -> String {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A section of a file of messages.
struct Case {
    title: String,
    configuration: String,
    said: String,
}

fn read_cases(text: &str) -> Vec<Case> {
    let sections = text.strip_prefix("== ").expect("the file begins with a section").split("\n== ");
    sections
        .map(|section| {
            let (title, rest) = section.split_once('\n').expect("a section has a configuration");
            let (configuration, said) = rest.split_once("\n--\n").unwrap_or((rest, ""));
            let line = |text: &str| format!("{}\n", text.trim_end_matches('\n'));
            Case { title: title.into(), configuration: line(configuration), said: line(said) }
        })
        .collect()
}

/// A configuration that is whole but for its mistake: most cases need no server of their own.
fn completed(file: &str, case: &Case) -> String {
    let lines = || case.configuration.lines();
    let complete = file.ends_with(".conf") || lines().any(|l| l.starts_with("server:") || l.starts_with("# no"));
    match complete {
        true => case.configuration.clone(),
        false => format!("{}server: [{{ listen: 8080 }}]\n", case.configuration),
    }
}

/// The files that every case may name: a certificate with its key, and the key of another.
fn beside() -> [(&'static str, String); 3] {
    let authority = Authority::new("the test's");
    let (one, other) = (authority.server(&["shop.test"]), authority.server(&["shop.test"]));
    [("a.pem", one.certificate_pem()), ("a.key", one.key_pem()), ("other.key", other.key_pem())]
}

/// Checks every section of a file of messages; `file` is what the configuration is called.
fn check_all(messages: &str, file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/messages").join(messages);
    let cases = read_cases(&std::fs::read_to_string(&path).unwrap());
    let (mut wrong, mut blessed) = (String::new(), String::new());
    let files = beside();
    for case in &cases {
        let desk = files.iter().fold(Desk::new(), |desk, (name, content)| desk.with(name, content));
        let said = desk.with(file, completed(file, case)).check(file);
        blessed += &format!("== {}\n{}--\n{}", case.title, case.configuration, said.stderr);
        let refused = said.status.code() == Some(1) && said.stdout.is_empty();
        if said.stderr != case.said || !refused {
            wrong += &format!(
                "== {}\n{}-- expected\n{}-- said\n{}\n",
                case.title, case.configuration, case.said, said.stderr
            );
        }
    }
    if std::env::var_os("EDGE_TEST_BLESS").is_some() {
        std::fs::write(&path, blessed).unwrap();
        return;
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn mistakes_in_edge_yaml_are_told_in_these_words() {
    check_all("edge_yaml.txt", "edge.yaml");
}

#[test]
fn mistakes_in_nginx_conf_are_told_in_these_words() {
    check_all("nginx_conf.txt", "nginx.conf");
}

/// Mistakes in rule files, and tests of theirs that fail.
#[test]
fn mistakes_in_rule_files_are_told_in_these_words() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/messages/rules.txt");
    let cases = read_cases(&std::fs::read_to_string(&path).unwrap());
    assert!(cases.len() >= 60);
    let (mut wrong, mut blessed) = (String::new(), String::new());
    for case in &cases {
        let output = Desk::new().with("a.yaml", &case.configuration).edge(&["rules", "test", "a.yaml"]);
        let said = format!("{}{}", output.stdout, output.stderr);
        blessed += &format!("== {}\n{}--\n{said}", case.title, case.configuration);
        if said != case.said || output.status.code() != Some(1) {
            wrong += &format!("== {}\n{}-- expected\n{}-- said\n{said}\n", case.title, case.configuration, case.said);
        }
    }
    if std::env::var_os("EDGE_TEST_BLESS").is_some() {
        std::fs::write(&path, blessed).unwrap();
        return;
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Whatever the words: a place, the line with a mark below the very word, and a last line that counts.
#[test]
fn every_mistake_has_its_place_and_its_line() {
    for (messages, file, least) in [("edge_yaml.txt", "edge.yaml", 45), ("nginx_conf.txt", "nginx.conf", 20)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/messages").join(messages);
        let cases = read_cases(&std::fs::read_to_string(path).unwrap());
        assert!(cases.len() >= least);
        for case in &cases {
            check_places(&completed(file, case), file, case);
        }
    }
}

fn check_places(configuration: &str, file: &str, case: &Case) {
    let said: Vec<&str> = case.said.lines().collect();
    let mut mistakes = 0;
    for (at, line) in said.iter().enumerate() {
        let Some(place) = line.strip_prefix(&format!("{file}:")) else {
            continue;
        };
        let mut parts = place.split(':');
        let mut number = || parts.next().unwrap().parse::<usize>().unwrap();
        let (row, column) = (number(), number());
        mistakes += usize::from(place.contains(" error: "));
        // At the end of a file there is no line to show.
        let Some(written) = configuration.lines().nth(row - 1) else {
            continue;
        };
        let shown = said[at + 1].split_once(" | ").expect(case.title.as_str()).1;
        let mark = said[at + 2].split_once(" | ").expect(case.title.as_str()).1.find('^').unwrap();
        assert_eq!(shown, written.replace('\t', " "), "{}", case.title);
        assert_eq!(mark + 1, column, "{}", case.title);
    }
    let nowhere = said.iter().filter(|line| line.starts_with("error: ")).count();
    assert!(mistakes + nowhere > 0, "{}", case.title);
    let word = if mistakes + nowhere == 1 { "mistake" } else { "mistakes" };
    let last = match file.ends_with(".conf") {
        true => format!("edge: configuration file {file} test failed: {} {word}", mistakes + nowhere),
        false => format!("edge: {file} is not right: {} {word}", mistakes + nowhere),
    };
    assert_eq!(said.last(), Some(&last.as_str()), "{}", case.title);
}

#[test]
fn a_right_file_is_right() {
    let desk = Desk::new()
        .with("edge.yaml", "server: [{ listen: 8080, location: [{ match: /, return: 204 }] }]\n")
        .with("nginx.conf", "events { } http { server { listen 8080; location / { return 204; } } }\n");
    // The other in nginx's words, for whose scripts look.
    let nginx = "edge: the configuration file nginx.conf syntax is ok\nedge: configuration file nginx.conf test is successful\n";
    for (file, expected) in [("edge.yaml", "edge: edge.yaml is right\n"), ("nginx.conf", nginx)] {
        let said = desk.check(file);
        assert!(said.status.success(), "{}", said.stderr);
        assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("", expected));
        let said = desk.edge(&["-t", "-q", "-c", file, "--offline"]);
        assert!(said.status.success());
        assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("", ""));
    }
    // Nothing was made: no log, no directory, no pid file.
    let left: Vec<_> = std::fs::read_dir(desk.path("")).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn quiet_still_tells_mistakes() {
    let desk = Desk::new().with("edge.yaml", "pidd: x\nserver: [{ listen: 8080 }]\n");
    let said = desk.edge(&["-t", "-q", "-c", "edge.yaml", "--offline"]);
    assert_eq!(said.status.code(), Some(1));
    assert!(said.stderr.contains("edge.yaml:1:1: error: unknown key `pidd`"), "{}", said.stderr);
}

#[test]
fn a_file_that_is_not_there_or_not_known_is_told() {
    let desk = Desk::new().with("edge.toml", "");
    let said = desk.check("edge.yaml");
    assert_eq!(said.status.code(), Some(1));
    assert!(said.stderr.contains("edge.yaml: No such file or directory"), "{}", said.stderr);
    let said = desk.check("nginx.conf");
    assert_eq!(said.status.code(), Some(1));
    assert!(said.stderr.contains("\"nginx.conf\" failed (2: No such file or directory)"), "{}", said.stderr);
    let said = desk.check("edge.toml");
    assert_eq!(said.status.code(), Some(1));
    assert!(said.stderr.contains("must end in `.yaml`, `.yml` or `.conf`"), "{}", said.stderr);
}
