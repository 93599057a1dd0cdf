//! No rule file and no request can make rules crash, run for long, or pass unseen.

use bytes::Bytes;
use edge::config::Diagnostics;
use edge::config::yaml;
use edge::http::{Framing, Head, Headers, Version};
use edge::pattern::Pattern;
use edge::route::Uri;
use edge::rules::file::File;
use edge::rules::{EdgeFacts, Met, Names, Outcome, Phase, RuleSet, Run, Step, World, testing};
use edge::variables::defined::Values;
use edge::variables::{Defined, Definitions, Exchange, Peer};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What one request may take for all rules that ship, in a build for tests on a busy machine.
const LONG: Duration = Duration::from_secs(2);

struct Shipped {
    name: String,
    text: String,
    set: RuleSet,
    defined: Defined,
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("lua-free-rules")
}

fn shipped() -> &'static [Shipped] {
    static ALL: OnceLock<Vec<Shipped>> = OnceLock::new();
    ALL.get_or_init(|| {
        let entries = std::fs::read_dir(directory()).unwrap().flatten();
        let mut files: Vec<PathBuf> =
            entries.map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "yaml")).collect();
        files.sort();
        files.iter().map(|path| compiled(path)).collect()
    })
}

fn compiled(path: &Path) -> Shipped {
    let text = std::fs::read_to_string(path).unwrap();
    let mut diagnostics = Diagnostics::new();
    let node = yaml::parse(path, &text, &mut diagnostics).unwrap();
    let groups = [File::read(path, &node, &mut diagnostics).group(None, &mut diagnostics)];
    let defined = testing::defined(&groups);
    let names = Names {
        defined: &defined,
        upstreams: None,
        stores: None,
        prefix: &directory(),
        note: &|_| {},
        counts: &|_| Arc::default(),
    };
    let set = RuleSet::compile(&groups, &names, &mut diagnostics).unwrap();
    assert!(diagnostics.is_empty(), "{diagnostics}");
    Shipped { name: path.file_stem().unwrap().to_string_lossy().into_owned(), text, set, defined }
}

fn exchange(method: &str, target: &[u8], fields: &[(String, Vec<u8>)], defined: &Defined) -> Option<Exchange> {
    let target = Bytes::copy_from_slice(target);
    let uri = Uri::parse(&target, true).ok()?;
    let mut headers = Headers::default();
    for (name, value) in fields {
        headers.push(Bytes::copy_from_slice(name.as_bytes()), Bytes::copy_from_slice(value));
    }
    let head = Head {
        line: Bytes::from_static(b"-"),
        target,
        version: Version::Http11,
        method: http::Method::from_bytes(method.as_bytes()).ok()?,
        headers,
        framing: Framing::Chunked,
    };
    let peer = Peer {
        remote: "[2001:db8::1]:4711".parse().unwrap(),
        local: "127.0.0.1:80".parse().unwrap(),
        connected: None,
        announced: None,
        announced_server: None,
        socket: None,
        tls: false,
        plain_to_tls: false,
        session: None,
        serial: 1,
        requests: 1,
        accepted: UNIX_EPOCH,
    };
    let mut x = Exchange::new(Arc::new(head), peer);
    x.path = uri.path.to_vec();
    x.args = uri.args.as_ref().map(|args| args.to_vec());
    x.request_uri = uri.original;
    x.host = Bytes::from_static(b"shop.example");
    x.defined = Values::new(&Arc::new(Definitions::of_names(defined.clone())));
    Some(x)
}

/// All phases of all files over one request; what conditions had to say that had no value.
fn run_all(method: &str, target: &[u8], fields: &[(String, Vec<u8>)]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut now = UNIX_EPOCH + Duration::from_secs(86_400);
    let begun = Instant::now();
    for file in shipped() {
        let Some(mut x) = exchange(method, target, fields, &file.defined) else { return faults };
        let answer = pingora_http::ResponseHeader::build(200, None).unwrap();
        let mut outcome = Outcome::default();
        for phase in Phase::ALL {
            // Each fault is told once in a minute.
            now += Duration::from_secs(61);
            walk(file, phase, &mut x, &answer, now, &mut outcome);
        }
        faults.extend(outcome.faults.into_iter().map(|fault| format!("{}: {fault}", file.name)));
    }
    assert!(begun.elapsed() < LONG, "it took {:?}", begun.elapsed());
    faults
}

fn walk(
    file: &Shipped,
    phase: Phase,
    x: &mut Exchange,
    answer: &pingora_http::ResponseHeader,
    now: SystemTime,
    outcome: &mut Outcome,
) {
    let edge = EdgeFacts::default();
    let mut run = Run::new(&file.set, phase, x);
    let mut chance = || 0.0;
    for _ in 0..1000 {
        let response = (phase >= Phase::Response).then_some(answer);
        let (vars, chance) = (&file.defined, &mut chance);
        let mut world = World { exchange: &mut *x, response, vars, upstream: Some("app"), edge: &edge, now, chance };
        match run.go(&mut world, outcome) {
            Step::Done | Step::Answered => return,
            Step::Need(_) => run.met(Met::Passed),
        }
    }
    panic!("{} does not end", file.name);
}

const FIELDS: &[&str] = &[
    "Host",
    "User-Agent",
    "Referer",
    "Origin",
    "Cookie",
    "Authorization",
    "X-Api-Key",
    "X-Request-Id",
    "traceparent",
    "Accept",
    "X-Canary",
    "X-HTTP-Method-Override",
    "Access-Control-Request-Method",
];

fn fields() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = prop_oneof![prop::sample::select(FIELDS).prop_map(str::to_owned), "[A-Za-z-]{1,12}"];
    let value = prop_oneof![
        prop::collection::vec(any::<u8>().prop_filter("no line ends", |b| !matches!(b, 0 | b'\n' | b'\r')), 0..40),
        "[ -~]{0,60}".prop_map(String::into_bytes),
        "Bearer [A-Za-z0-9_.=-]{0,80}".prop_map(String::into_bytes),
        "(JSESSIONID|variant)=[A-Za-z0-9.;= -]{0,30}".prop_map(String::into_bytes),
    ];
    prop::collection::vec((name, value), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// A condition with a fault is false: what protects something must have none, whatever a client sends.
    #[test]
    fn no_request_leaves_a_rule_that_ships_without_an_answer(
        method in prop_oneof!["GET|POST|HEAD|OPTIONS|put", "[A-Z]{1,10}"],
        target in prop_oneof![
            "/[ -~]{0,60}".prop_map(|text| text.replace(' ', "%20").into_bytes()),
            prop::collection::vec(any::<u8>(), 0..60).prop_map(|tail| [b"/", &tail[..]].concat()),
            "(/|//|/;|/\\.\\.;|/api|/admin|/login|%2[eEfF]|%3[bB]|%0[aAdD]|[?&=;]|a){1,12}".prop_map(|text| format!("/{text}").into_bytes()),
        ],
        fields in fields(),
    ) {
        let faults = run_all(&method, &target, &fields);
        prop_assert!(faults.is_empty(), "{faults:#?}");
    }

    /// Nor does a file that is none, or was one.
    #[test]
    fn no_rule_file_makes_the_check_crash(
        which in 0..64_usize,
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..6),
    ) {
        let files = shipped();
        let mut text = files[which % files.len()].text.clone().into_bytes();
        for (at, byte, how) in cuts {
            let at = at.index(text.len());
            match how {
                0 => text[at] = byte,
                1 => drop(text.remove(at)),
                2 => text.insert(at, byte),
                _ => text.truncate(text.len().max(400) - 300),
            }
            if text.is_empty() {
                text.push(byte);
            }
        }
        check(&String::from_utf8_lossy(&text));
    }

    #[test]
    fn no_bytes_make_the_check_crash(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&format!("rules: [{{ name: a, when: {:?}, then: [{{ respond: 403 }}] }}]", String::from_utf8_lossy(&bytes)));
        check(&String::from_utf8_lossy(&bytes));
    }
}

fn check(text: &str) {
    let begun = Instant::now();
    let path = Path::new("mutated.yaml");
    let mut diagnostics = Diagnostics::new();
    if let Some(node) = yaml::parse(path, text, &mut diagnostics) {
        let file = File::read(path, &node, &mut diagnostics);
        testing::run(&file, &directory(), &mut diagnostics);
    }
    // What is told can be printed.
    let _ = diagnostics.to_string();
    assert!(begun.elapsed() < Duration::from_secs(20), "it took {:?}:\n{text}", begun.elapsed());
}

#[test]
fn long_requests_leave_no_rule_that_ships_without_an_answer() {
    let long = |text: &str, times: usize| text.repeat(times).into_bytes();
    let path = [b"/api".to_vec(), long("/..;a=b%3b", 700)].concat();
    let fields: Vec<(String, Vec<u8>)> = FIELDS.iter().map(|name| ((*name).to_owned(), long("a=b; ", 1600))).collect();
    assert_eq!(run_all("POST", &path, &fields), Vec::<String>::new());
    assert_eq!(run_all("GET", &long("/A", 4000), &fields[4..5]), Vec::<String>::new());
    assert_eq!(run_all("GET", &[b"/?".to_vec(), long("_metho%64=&", 700)].concat(), &fields), Vec::<String>::new());
    // Long as it is, it is looked at: a pattern that gives up would be a fault.
    let pattern = Pattern::compile(r"^(.*/)*x$", false).unwrap();
    assert!(!pattern.is_match(&long("/a", 4000)));
}
