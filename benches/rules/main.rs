//! What a rule's condition costs: `cargo bench --bench rules`.
//!
//! A harness of its own, as for the store: what is wanted is a median, and how often memory was asked for, which no other
//! counts along the way. It fails if a condition over method, path or host asks for any, or if a condition of two parts takes
//! longer than it may; and if fifty rules none of which fires ask for memory, or take longer than they may.
//!
//! What always holds: each condition that is timed was checked to have the value it should.

#[path = "../store/rounds.rs"]
mod rounds;

use std::alloc::{GlobalAlloc, Layout};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use edge::config::{Diagnostics, yaml};
use edge::http::{Framing, Head, Version};
use edge::rules::expr::{Constant, Expr, Scope};
use edge::rules::file::File;
use edge::rules::{EdgeFacts, Names, Outcome, Phase, RuleSet, Run, Step, Vars, View, World};
use edge::variables::{Exchange, Peer};
use rounds::Rounds;

type Failed = Box<dyn std::error::Error>;

/// The binary's own, which is asked through a counter.
struct Counting(mimalloc::MiMalloc);

static ASKED: AtomicU64 = AtomicU64::new(0);

// SAFETY: each call is passed on as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { self.0.dealloc(at, layout) }
    }
}

#[global_allocator]
static GLOBAL: Counting = Counting(mimalloc::MiMalloc);

/// How long a condition of two parts may take.
const TWO_PARTS: Duration = Duration::from_nanos(600);

/// How long fifty rules may take of which none fires.
const NONE_FIRES: Duration = Duration::from_micros(10);

/// A name, the condition, what it is, and whether it may ask for memory.
const CONDITIONS: &[(&str, &str, bool, bool)] = &[
    ("a method is compared", "request.method == 'POST'", true, false),
    ("a method is another", "request.method == 'PUT'", false, false),
    ("two parts, both hold", "request.method == 'POST' && request.path.startsWith('/shop/')", true, false),
    ("two parts, a list", "request.method == 'POST' && request.path in with.paths", true, false),
    ("two parts, a header", "request.method == 'POST' && request.header('user-agent').contains('Probe')", true, false),
    (
        "a path in a list of nine",
        "request.path in ['/1', '/2', '/3', '/4', '/5', '/6', '/7', '/8', '/9']",
        false,
        false,
    ),
    ("two parts, an area", "request.method == 'POST' && below(request.path, ['/admin', '/shop/cart'])", true, false),
    ("a header is looked up", "request.headers['x-requested-with'] == 'fetch'", true, false),
    ("a header is not there", "has(request.headers.referer)", false, false),
    ("a cookie is looked up", "request.cookie('theme') == 'dark'", true, false),
    ("an argument is looked up", "request.arg('page') == '2'", true, false),
    ("a regular expression", "request.path.matches('^/shop/[a-z]+/[0-9]+$')", true, true),
    ("two networks", "cidr(client.ip, ['10.0.0.0/8', '192.0.2.0/24'])", true, false),
    ("the time of day", "time_between('00:00', '24:00')", true, false),
    ("a bucket", "percent(request.cookie('theme')) < 101.0", true, true),
    ("a macro over headers", "request.headers.exists(name, name == 'x-requested-with')", true, true),
];

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("rules: {failed}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), Failed> {
    let exchange = exchange()?;
    let (vars, edge) = (Vars::default(), EdgeFacts::default());
    let now = SystemTime::now();
    let view = View { exchange: &exchange, response: None, vars: &vars, upstream: None, edge: &edge, now };
    let paths = ["/login", "/shop/cart/12"].map(|path| Constant::Text(path.into()));
    let with = BTreeMap::from([("paths".to_owned(), Constant::List(paths.into()))]);
    let scope = Scope { phase: Phase::Request, with: &with, vars: &BTreeSet::new() };

    println!("| what | ns, median | fastest and slowest round |\n|---|--:|--:|");
    for (name, text, expected, may_allocate) in CONDITIONS {
        let expr = Expr::condition(text, &scope).map_err(|mistakes| format!("{text}: {mistakes:?}"))?;
        let found = expr.test(&view)?;
        if found != *expected {
            return Err(format!("{text} is {found}").into());
        }
        let before = ASKED.load(Ordering::Relaxed);
        std::hint::black_box(expr.test(&view)?);
        let asked = ASKED.load(Ordering::Relaxed) - before;
        if asked > 0 && !may_allocate {
            return Err(format!("{text} asks for memory {asked} times").into());
        }
        Rounds::of(20_000).try_time(name, || {
            std::hint::black_box(expr.test(&view)?);
            Ok(())
        })?;
        let took = fastest(&expr, &view)?;
        if name.starts_with("two parts") && took > TWO_PARTS {
            return Err(format!("{text} takes {took:?}").into());
        }
    }
    fifty_rules()?;
    Rounds::of(50).time("a condition of two parts is compiled", || {
        drop(std::hint::black_box(Expr::condition(CONDITIONS[2].1, &scope)));
    });
    Ok(())
}

/// Conditions of rules as people write them, by an example each; `N` is another number each time.
const OTHERS: &[&str] = &[
    "request.path == '/elsewhere/N'",
    "request.path.startsWith('/elsewhere/N/')",
    "below(request.path, '/adminN')",
    "below(request.path, ['/privateN', '/shop/secret/N']) && !cidr(client.ip, '10.0.0.0/8')",
    "request.method == 'DELETE' && request.path != '/N'",
    "request.host == 'wwwN.example.com'",
    "request.host.endsWith('.exampleN.org')",
    "request.header('user-agent').contains('scannerN')",
    "request.header('x-toolN') != ''",
    "request.cookie('groupN') == 'b' || request.arg('groupN') == 'b'",
];

/// All rules of a server have a look at each request: one that concerns none of them is not to pay for that.
fn fifty_rules() -> Result<(), Failed> {
    let rules = (0..50).map(|at| {
        let when = OTHERS[at % OTHERS.len()].replace('N', &at.to_string());
        format!("  - {{ name: r{at}, when: \"{when}\", then: [{{ respond: 403 }}] }}\n")
    });
    let text = format!("rules:\n{}", rules.collect::<String>());
    let (path, mut diagnostics) = (Path::new("fifty.yaml"), Diagnostics::new());
    let node = yaml::parse(path, &text, &mut diagnostics).ok_or("no YAML")?;
    let groups = [File::read(path, &node, &mut diagnostics).group(None, &mut diagnostics)];
    let vars = Vars::default();
    let names = Names {
        defined: &vars,
        upstreams: None,
        stores: None,
        prefix: Path::new("."),
        note: &|_| {},
        counts: &|_| Arc::default(),
    };
    let set = RuleSet::compile(&groups, &names, &mut diagnostics).ok_or("no rules")?;
    if !diagnostics.is_empty() {
        return Err(diagnostics.to_string().into());
    }
    let (mut exchange, edge, now) = (exchange()?, EdgeFacts::default(), SystemTime::now());
    let mut chance = || 0.0;
    let mut pass = || {
        let mut outcome = Outcome::default();
        let mut run = Run::new(&set, Phase::Request, &exchange);
        let (exchange, chance) = (&mut exchange, &mut chance);
        let mut world = World { exchange, response: None, vars: &vars, upstream: None, edge: &edge, now, chance };
        let step = run.go(&mut world, &mut outcome);
        matches!(step, Step::Done) && outcome.is_nothing()
    };
    let before = ASKED.load(Ordering::Relaxed);
    if !pass() {
        return Err("one of the fifty rules fires".into());
    }
    let asked = ASKED.load(Ordering::Relaxed) - before;
    if asked > 0 {
        return Err(format!("fifty rules of which none fires ask for memory {asked} times").into());
    }
    Rounds::of(2000).time("fifty rules, none fires", || {
        std::hint::black_box(pass());
    });
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let begun = Instant::now();
        (0..200).for_each(|_| {
            std::hint::black_box(pass());
        });
        best = best.min(begun.elapsed() / 200);
    }
    match best > NONE_FIRES {
        true => Err(format!("fifty rules of which none fires take {best:?}").into()),
        false => Ok(()),
    }
}

/// The fastest of some rounds, as others may want the processor too.
fn fastest(expr: &Expr, view: &View<'_>) -> Result<Duration, Failed> {
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let begun = Instant::now();
        for _ in 0..1000 {
            std::hint::black_box(expr.test(view)?);
        }
        best = best.min(begun.elapsed() / 1000);
    }
    Ok(best)
}

fn exchange() -> Result<Exchange, Failed> {
    let fields = [
        ("Host", "shop.example.com"),
        ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Probe/1.2"),
        ("Accept", "text/html,application/xhtml+xml"),
        ("Accept-Language", "en-US,en;q=0.5"),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("Connection", "keep-alive"),
        ("Cookie", "JSESSIONID=0123456789ABCDEF-n1.tomcat1; theme=dark"),
        ("X-Requested-With", "fetch"),
    ];
    let head = Head {
        method: http::Method::POST,
        target: Bytes::from_static(b"/shop/cart/12?sort=name&page=2"),
        version: Version::Http11,
        headers: fields.iter().map(|(name, value)| (Bytes::from(*name), Bytes::from(*value))).collect(),
        line: Bytes::from_static(b"POST /shop/cart/12?sort=name&page=2 HTTP/1.1"),
        framing: Framing::None,
    };
    let peer = Peer {
        remote: "192.0.2.7:4711".parse()?,
        local: "127.0.0.1:8888".parse()?,
        connected: None,
        announced: None,
        announced_server: None,
        socket: None,
        tls: false,
        plain_to_tls: false,
        session: None,
        serial: 1,
        requests: 1,
        accepted: SystemTime::now(),
    };
    let mut exchange = Exchange::new(head.into(), peer);
    exchange.host = Bytes::from_static(b"shop.example.com");
    exchange.path = b"/shop/cart/12".to_vec();
    exchange.args = Some(b"sort=name&page=2".to_vec());
    Ok(exchange)
}
