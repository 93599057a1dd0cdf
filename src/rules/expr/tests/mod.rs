//! What expressions mean, what is told of those that are wrong, and that none can do harm.

mod fuzz;
mod jwt;
mod meaning;
mod mistakes;
mod tokens;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use pingora_http::ResponseHeader;

use super::{Constant, Expr, Fault, Mistake, Scope, Value};
use crate::http::{Framing, Head, Version};
use crate::rules::{EdgeFacts, Phase, Vars, View};
use crate::variables::defined::Values;
use crate::variables::{Definitions, Exchange, Peer, Session, StoredSession, Try};

/// A whole world for an expression to read.
pub struct World {
    pub exchange: Exchange,
    pub response: Option<ResponseHeader>,
    pub vars: Vars,
    pub edge: EdgeFacts,
    pub now: SystemTime,
    pub with: BTreeMap<String, Constant>,
    pub known: BTreeSet<String>,
    pub phase: Phase,
}

/// 2026-01-31T22:30:15.25Z, a Saturday.
pub const NOW: Duration = Duration::from_millis(1_769_898_615_250);

pub fn head(target: &str, fields: &[(&'static str, &'static str)]) -> Head {
    let pair = |(name, value): &(&'static str, &'static str)| (Bytes::from(*name), Bytes::from(*value));
    Head {
        method: http::Method::POST,
        target: Bytes::copy_from_slice(target.as_bytes()),
        version: Version::Http11,
        headers: fields.iter().map(pair).collect(),
        line: Bytes::new(),
        framing: Framing::Length(42),
    }
}

/// The names of `World::vars`, the first with a value.
pub fn with_site(site: Option<Bytes>) -> Values {
    let mut names = Vars::default();
    let slot = names.slot("site");
    names.slot("unset");
    let mut made = Values::new(&Arc::new(Definitions::of_names(names)));
    if let Some(site) = site {
        made.set(slot, site);
    }
    made
}

fn exchange() -> Exchange {
    let fields = [
        ("Host", "Shop.Example.com"),
        ("Cookie", "JSESSIONID=AB12-n1.tomcat1; theme=dark"),
        ("User-Agent", "Mozilla/5.0 (X11) Probe/1.2"),
        ("X-Forwarded-For", "203.0.113.9"),
        ("X-Forwarded-For", "10.1.2.3"),
        ("X-Empty", ""),
        ("X-Odd", "caf\u{e9} na\u{ef}ve"),
        ("Authorization", "Bearer abc.def"),
    ];
    let peer = Peer {
        remote: "192.0.2.7:4711".parse().unwrap(),
        local: "127.0.0.1:8888".parse().unwrap(),
        connected: None,
        announced: None,
        announced_server: None,
        socket: None,
        tls: true,
        plain_to_tls: false,
        session: None,
        serial: 3,
        requests: 1,
        accepted: SystemTime::UNIX_EPOCH + NOW,
    };
    let mut exchange = Exchange::new(head("/shop/Cart%20a?a=1&b=x%20y+z&b=2&c&d=%zz", &fields).into(), peer);
    exchange.host = Bytes::from_static(b"shop.example.com");
    exchange.path = b"/shop/Cart a".to_vec();
    exchange.args = Some(b"a=1&b=x%20y+z&b=2&c&d=%zz".to_vec());
    exchange.started_at = SystemTime::UNIX_EPOCH + NOW - Duration::from_secs(2);
    exchange.cache_status = Some("MISS");
    exchange.defined = with_site(Some(Bytes::from_static(b"blue")));
    exchange.tries = vec![
        Try { address: "10.0.0.1:8080".into(), ..Try::default() },
        Try { address: "10.0.0.2:8080".into(), status: 404, ..Try::default() },
    ];
    exchange.session = Some(Box::new(Session {
        id: Some("5f1d".into()),
        route: Some("tomcat1".into()),
        node: Some("n1".into()),
        state: Some("home"),
        stored: Some(StoredSession {
            age: Duration::from_secs(3600),
            idle: Duration::from_millis(1500),
            user: Some("alice".into()),
        }),
    }));
    exchange
}

fn response() -> ResponseHeader {
    let mut response = ResponseHeader::build(404, None).unwrap();
    for (name, value) in [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Vary", "Cookie"),
        ("Vary", "Accept"),
        ("Age", "30"),
        ("Content-Length", "99"),
    ] {
        response.append_header(name, value).unwrap();
    }
    response
}

impl std::fmt::Debug for World {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:?} {:?} {:?}", self.exchange.head, self.exchange.path, self.exchange.args)
    }
}

impl World {
    pub fn new() -> World {
        let mut vars = Vars::default();
        vars.slot("site");
        vars.slot("unset");
        let text = |text: &str| Constant::Text(text.to_owned());
        let with = [
            ("rate", Constant::Int(5)),
            ("share", Constant::Double(2.5)),
            ("strict", Constant::Bool(true)),
            ("name", text("shop")),
            ("pattern", text("^/shop/")),
            ("wait", Constant::Duration(Duration::from_secs(90))),
            ("paths", Constant::List(vec![text("/login"), text("/shop/Cart a")])),
            ("networks", Constant::List(vec![text("192.0.2.0/24"), text("2001:db8::/32")])),
            ("limits", Constant::Map(BTreeMap::from([("free".to_owned(), Constant::Int(10))]))),
            ("keys", Constant::Map(BTreeMap::from([("alg".into(), text("HS256")), ("secret".into(), text("s3cret"))]))),
        ];
        World {
            exchange: exchange(),
            response: Some(response()),
            vars,
            edge: EdgeFacts { name: "edge-1".into(), generation: 4 },
            now: SystemTime::UNIX_EPOCH + NOW,
            with: with.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            known: ["site", "unset"].map(String::from).into(),
            phase: Phase::Log,
        }
    }

    pub fn scope(&self) -> Scope<'_> {
        Scope { phase: self.phase, with: &self.with, vars: &self.known }
    }

    pub fn view(&self) -> View<'_> {
        View {
            exchange: &self.exchange,
            response: self.response.as_ref(),
            vars: &self.vars,
            upstream: Some("web"),
            edge: &self.edge,
            now: self.now,
        }
    }

    pub fn compile(&self, text: &str) -> Result<Expr, Vec<Mistake>> {
        Expr::compile(text, &self.scope())
    }

    /// The value as [`shown`] writes it, or the fault behind a `!`.
    pub fn value(&self, text: &str) -> String {
        let expr = match self.compile(text) {
            Ok(expr) => expr,
            Err(mistakes) => return format!("does not compile: {mistakes:?}"),
        };
        match expr.evaluate(&self.view()) {
            Ok(value) => shown(&value),
            Err(fault) => format!("!{fault}"),
        }
    }

    pub fn test(&self, text: &str) -> Result<bool, Fault> {
        Expr::condition(text, &self.scope())
            .unwrap_or_else(|mistakes| panic!("{text}: {mistakes:?}"))
            .test(&self.view())
    }

    /// What is wrong with a condition: `AT+LEN message`, one a line.
    pub fn told(&self, text: &str) -> String {
        let line = |mistake: &Mistake| format!("{}+{} {}", mistake.at, mistake.len, mistake.message);
        match Expr::condition(text, &self.scope()) {
            Ok(_) => "nothing".into(),
            Err(mistakes) => mistakes.iter().map(line).collect::<Vec<_>>().join("\n"),
        }
    }

    pub fn with_head(mut self, head: Head) -> World {
        self.exchange.head = Arc::new(head);
        self
    }
}

/// A value as CEL would write it.
pub fn shown(value: &Value<'_>) -> String {
    let mut text = Vec::new();
    value.write_text(&mut text);
    let text = text.escape_ascii().to_string().replace("\\'", "'").replace("\\\"", "\"");
    match value {
        Value::Text(_) => format!("'{text}'"),
        Value::Bytes(_) => format!("b'{text}'"),
        Value::Uint(_) => format!("{text}u"),
        Value::Double(_) if !text.contains(['.', 'e', 'N', 'I']) => format!("{text}.0"),
        _ => text,
    }
}
