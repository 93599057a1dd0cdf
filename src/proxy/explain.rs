//! Why a request is answered as it is: the same decisions that serve requests, told in words.

use super::caching;
use super::content::{self, Content};
use super::headers::{self, BodyFraming};
use super::live::Bound;
use super::request::{NO_ADDRESS, Request};
use super::snapshot::{ListenAddress, PassTarget, Snapshot};
use crate::compress::{self, Algorithm};
use crate::http::{Framing, Head, Headers, Version};
use crate::route::Verdict;
use crate::variables::Peer;
use bytes::Bytes;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

/// A request nobody makes.
pub struct Asked<'a> {
    pub method: &'a str,
    /// `http://host:port/path?query`
    pub url: &'a str,
    /// `Name: value`
    pub fields: &'a [String],
}

/// Tells how a snapshot answers it. An error says what is wrong with the question.
pub async fn explain(snapshot: &Arc<Snapshot>, asked: &Asked<'_>) -> Result<String, String> {
    let (host, port, target) = split(asked.url)?;
    let socket = socket_of(snapshot, port)?;
    let mut request = question(snapshot, socket, asked, host, target)?;
    let mut out = format!("{} {}\n", asked.method, asked.url);
    line(&mut out, "listener", &snapshot.sockets[socket].address.to_string());
    if let Err(status) = content::accept(&mut request) {
        line(&mut out, "answer", &format!("{status}: the request is refused, for its target or its host is no good"));
        return Ok(out);
    }
    tell_server(&mut out, &request);
    line(&mut out, "path", &text(&request.exchange.path));
    tell_locations(&mut out, &request);
    let asked_for = request.exchange.path.clone();
    let content = content::find(&mut request, None).await;
    if request.exchange.path != asked_for {
        line(&mut out, "rewritten", &text(&request.exchange.path));
    }
    let place = if request.location.pattern.is_empty() { "none: the server itself" } else { &request.location.pattern };
    line(&mut out, "location", place);
    let fired = request.exchange.rules.as_ref().map(|rules| rules.fired.join(", "));
    if let Some(fired) = fired.filter(|fired| !fired.is_empty()) {
        line(&mut out, "rules", &fired);
    }
    for (name, told) in request.told_limits() {
        line(&mut out, name, &told);
    }
    tell_access(&mut out, &request);
    tell_content(&mut out, &mut request, &content).await;
    tell_answer(&mut out, &request);
    Ok(out)
}

fn line(out: &mut String, name: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "  {name:<11}{value}");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Host, port and target of a URL.
fn split(url: &str) -> Result<(&str, u16, &str), String> {
    let (rest, usual) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => (rest, 80),
        (_, Some(rest)) => (rest, 443),
        _ => return Err(format!("`{url}` is no URL: write `http://host:port/path`")),
    };
    let (authority, target) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let port = match authority.rsplit_once(':').filter(|(_, p)| !p.contains(']')) {
        Some((_, port)) => port.parse().map_err(|_| format!("`{port}` is not a port"))?,
        None => usual,
    };
    Ok((authority, port, target))
}

fn socket_of(snapshot: &Snapshot, port: u16) -> Result<usize, String> {
    let of_port = |address: &ListenAddress| matches!(address, ListenAddress::Tcp(a) if a.port() == port);
    snapshot.sockets.iter().position(|s| s.virtuals.iter().any(|v| of_port(&v.address))).ok_or_else(|| {
        let known: Vec<String> = snapshot.sockets.iter().map(|s| s.address.to_string()).collect();
        format!("nothing listens on port {port}; the configuration listens on {}", known.join(", "))
    })
}

fn question(
    snapshot: &Arc<Snapshot>,
    socket: usize,
    asked: &Asked<'_>,
    host: &str,
    target: &str,
) -> Result<Request, String> {
    let mut headers: Headers = Headers::default();
    for field in asked.fields {
        let (name, value) =
            field.split_once(':').ok_or_else(|| format!("`{field}` is no field: write `Name: value`"))?;
        headers.push(Bytes::copy_from_slice(name.trim().as_bytes()), Bytes::copy_from_slice(value.trim().as_bytes()));
    }
    if !headers.contains("host") {
        headers.push(Bytes::from_static(b"Host"), Bytes::copy_from_slice(host.as_bytes()));
    }
    let method = http::Method::from_bytes(asked.method.as_bytes());
    let head = Head {
        method: method.map_err(|_| format!("`{}` is no method", asked.method))?,
        target: Bytes::copy_from_slice(target.as_bytes()),
        version: Version::Http11,
        headers,
        line: format!("{} {target} HTTP/1.1", asked.method).into(),
        framing: Framing::None,
    };
    let local = match &snapshot.sockets[socket].address {
        ListenAddress::Tcp(address) => *address,
        ListenAddress::Unix(_) => NO_ADDRESS,
    };
    let client = SocketAddr::from(([127, 0, 0, 1], 0));
    let peer = Peer {
        remote: client,
        connected: None,
        local,
        announced: None,
        announced_server: None,
        socket: None,
        tls: asked.url.starts_with("https://"),
        plain_to_tls: false,
        session: None,
        serial: 0,
        requests: 1,
        accepted: SystemTime::now(),
    };
    let mut request = Request::new(Arc::new(head), peer, Arc::new(Bound { snapshot: snapshot.clone(), socket }));
    // Nobody is asked for a password, and nobody inside whether a request may come in that nobody makes.
    request.is_errand = true;
    Ok(request)
}

/// Who is asked before the location answers.
fn tell_access(out: &mut String, request: &Request) {
    let access = &request.location.access;
    let rules = access.rules.as_ref().map(|rules| format!("allow and deny ({} rules)", rules.0.len()));
    let basic = access.basic.as_ref().map(|_| "auth_basic".to_owned());
    let inquiry = access.inquiry.as_ref().map(|asked| format!("auth_request {}", text(&asked.uri)));
    let asked: Vec<String> = [rules, basic, inquiry].into_iter().flatten().collect();
    let and = if access.satisfy_any { " or " } else { " and " };
    if !asked.is_empty() {
        line(out, "let in by", &asked.join(and));
    }
}

fn tell_server(out: &mut String, request: &Request) {
    let virtual_ = request.bound.virtual_for(request.exchange.peer.local);
    let named = virtual_.names.find_with_pattern(&request.exchange.host).1.is_some()
        || Arc::ptr_eq(&request.server, &virtual_.default) && *request.exchange.host == *request.server.name.as_bytes();
    let others = virtual_.names.values().len();
    let why = match (named, Arc::ptr_eq(&request.server, &virtual_.default)) {
        (true, _) => "by its name".to_owned(),
        (false, true) if others == 1 => "the only one of this address".to_owned(),
        (false, true) => format!("the default of {others} servers: none is named `{}`", text(&request.exchange.host)),
        (false, false) => "by its name".to_owned(),
    };
    let name = if request.server.name.is_empty() { "without a name" } else { &request.server.name };
    line(out, "server", &format!("{name}: {why}"));
}

fn tell_locations(out: &mut String, request: &Request) {
    for step in request.server.locations.explain(&request.exchange.path) {
        let mark = match step.verdict {
            Verdict::Won => "=>",
            Verdict::Remembered | Verdict::Lost => " -",
            Verdict::NoMatch | Verdict::NotTried => "  ",
        };
        let _ = writeln!(out, "    {mark} {}{}: {}", "  ".repeat(step.depth), step.location, step.why);
    }
}

async fn tell_content(out: &mut String, request: &mut Request, content: &Content) {
    match content {
        // Nothing is looked up where nothing is sent.
        Content::Stored(_) | Content::Composed(_) => {}
        Content::Proxy => tell_proxy(out, request).await,
        Content::Memcached => line(out, "answer", "an item of memcached, which is not asked for here"),
        Content::Text { status, body, .. } => line(out, "answer", &format!("{status}, a text of {} bytes", body.len())),
        Content::Redirect { status, location } => line(out, "answer", &format!("{status} to {}", text(location))),
        Content::File { status, body, .. } => {
            line(out, "file", &text(&request.exchange.filename));
            line(out, "answer", &format!("{status}, {} bytes", body.len()));
        }
        Content::Status { status, .. } => {
            if !request.exchange.filename.is_empty() {
                line(out, "file", &text(&request.exchange.filename));
            }
            line(out, "answer", &format!("{status}, with edge's own page"));
        }
        Content::Close => line(out, "answer", "none: the connection is closed"),
    }
}

async fn tell_proxy(out: &mut String, request: &mut Request) {
    request.name_target();
    for (name, value) in caching::told(request) {
        line(out, name, &value);
    }
    for (name, value) in request.told_of_session() {
        line(out, name, &value);
    }
    // Choosing sets $proxy_host as well; nobody is connected to.
    let chosen = request.next_peer().await;
    let Some(pass) = request.pass() else { return };
    let wanted = request.wanted_upstream().and_then(|name| request.bound.snapshot.upstreams.get(name));
    let upstream = match (&pass.target, wanted) {
        (_, Some(upstream)) => format!("{}, as a rule wants it", upstream.name()),
        (PassTarget::Upstream { upstream, .. }, None) => {
            let servers: Vec<String> = upstream.settings().servers.iter().map(|s| s.address.clone()).collect();
            format!("{} ({})", upstream.name(), servers.join(", "))
        }
        (PassTarget::Variable(_), None) => "named by variables".to_owned(),
    };
    line(out, "upstream", &upstream);
    match chosen {
        Ok(_) => line(out, "server", &request.exchange.tries.last().map(|t| t.address.clone()).unwrap_or_default()),
        Err(status) => line(out, "server", &format!("none can be asked: {status}")),
    }
    if let Ok(mut sent) = headers::for_upstream(request, pass, BodyFraming::of(request, pass), pass.version()) {
        request.told_upstream_request(&mut sent);
        line(out, "sent", &format!("{} {}", sent.method, text(sent.raw_path())));
        for (name, value) in sent.case_header_iter() {
            line(out, "", &format!("{}: {}", text(name.as_slice()), text(value.as_bytes())));
        }
    }
}

/// A line for each coding that is on, in edge's order of preference.
fn tell_compression(out: &mut String, request: &Request) {
    let settings = &request.location.compress;
    let facts = headers::compression_facts(request);
    for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| settings.rules(*algorithm).on) {
        let accepted = match settings.is_gzip_alone() {
            true => facts.accepted.gzip_as_nginx(),
            false => facts.accepted.ranked().any(|accepted| accepted == algorithm),
        };
        let rules = settings.rules(algorithm);
        let allowed = compress::gzip_ok(rules, &facts, &http::HeaderMap::new(), SystemTime::now());
        let first = facts.accepted.ranked().find(|accepted| settings.rules(*accepted).on);
        let why = match (accepted, allowed) {
            (false, _) => "no: the client does not accept it",
            (true, false) => "no: this client gets none (gzip_disable, gzip_proxied or gzip_http_version)",
            (true, true) if first.is_some_and(|first| first != algorithm) => "only where none of more weight is used",
            (true, true) => "yes, if the answer's type and length allow it",
        };
        line(out, algorithm.name(), why);
    }
}

fn tell_answer(out: &mut String, request: &Request) {
    let location = &request.location;
    for field in &location.answer.add {
        let always = if field.always { ", whatever the status" } else { "" };
        line(out, "adds", &format!("{}: {}{always}", field.name, text(&field.value.evaluate(&request.exchange))));
    }
    tell_compression(out, request);
    for log in &location.access_logs {
        line(out, "log", &log.file.path().display().to_string());
    }
}
