//! How a Manager loses sessions, or lets edge not keep them: each with what follows and what to write instead.
//!
//! The numbers are those measured on Tomcat 9 with MSM 2.3.2 and memcached 1.6; nothing here is a matter of taste.

use super::manager::Manager;
use super::nodes::Nodes;
use super::xml::Word;
use crate::config::Diagnostics;
use crate::convert::shown;

/// Milliseconds a request may wait for memcached before somebody would call it hanging.
const PATIENCE: i64 = 10_000;
/// Milliseconds that edge waits for a Tomcat that takes a session over.
const TAKEOVER: i64 = 5_000;

/// Notes everything that is known to lose sessions.
pub fn tell(manager: &Manager, d: &mut Diagnostics) {
    switched_off(manager, d);
    login(manager, d);
    nodes(manager, d);
    saving(manager, d);
    waiting(manager, d);
    prefix(manager, d);
    ignoring(manager, d);
    carrying(manager, d);
    match manager.sticky.value {
        true => expiring(manager, d),
        false => locking(manager, d),
    }
}

fn switched_off(manager: &Manager, d: &mut Diagnostics) {
    if !manager.enabled.value {
        d.error(manager.enabled.span, "MSM is switched off: no session is stored").help("take out `enabled=\"false\"`");
    }
    if manager.is_dummy {
        d.error(manager.span, "this Manager is a stand-in that stores no session")
            .help("write `className=\"de.javakaffee.web.msm.MemcachedBackupSessionManager\"`");
    }
}

/// SASL is only in the binary protocol; with the text protocol MSM leaves the name out.
fn login(manager: &Manager, d: &mut Diagnostics) {
    let Some(span) = manager.login else { return };
    if manager.is_binary {
        d.error(span, "MSM logs in to memcached, and edge cannot: it would find no session")
            .help("let memcached be without SASL on a network of its own, and take out `username` and `password`");
    } else {
        d.warning(span, "MSM does not log in with the text protocol: `username` and `password` are not used");
    }
}

fn nodes(manager: &Manager, d: &mut Diagnostics) {
    let Some(nodes) = &manager.nodes else { return };
    if let Some(unknown) = manager.failover.iter().find(|id| !nodes.has(&id.text)) {
        d.error(unknown.span, format!("`{}` is no node of `memcachedNodes`: MSM does not start", shown(&unknown.text)));
    } else if !manager.failover.is_empty() && manager.failover.len() >= nodes.count() {
        d.error(manager.failover[0].span, "every node is one for failover: MSM does not start")
            .help("take `failoverNodes` out");
    }
    if nodes.count() != 1 {
        return;
    }
    let (span, address) = match nodes {
        Nodes::Single(address) => (address.span, address.text.as_str()),
        Nodes::Named(named) => match named.first() {
            Some((id, address)) => (id.span, address.as_str()),
            None => return,
        },
    };
    let follows = match manager.sticky.value {
        true => "while it is away no session is stored, and a Tomcat that dies then takes its sessions along",
        false => "there is no second copy of a session: they are all gone when it dies or restarts",
    };
    d.warning(span, format!("one memcached only: {follows}"))
        .help(format!("name two: `memcachedNodes=\"n1:{address},n2:HOST:11211\"`"));
}

fn saving(manager: &Manager, d: &mut Diagnostics) {
    if !manager.asynchronous.value {
        return;
    }
    let default = if manager.asynchronous.written { "" } else { ", which is MSM's default" };
    d.warning(
        manager.asynchronous.span,
        format!("sessions are saved after the answer has left{default}: a Tomcat that dies loses what it has answered"),
    )
    .help("write `sessionBackupAsync=\"false\"`")
    .help("of 50 reads right after the answer 9 found the state before it; with `false`, none");
}

fn waiting(manager: &Manager, d: &mut Diagnostics) {
    let backup = manager.backup_timeout;
    if !manager.asynchronous.value && backup.value > PATIENCE {
        d.warning(
            backup.span,
            format!("a request that changes its session waits up to {} for a memcached that hangs", time(backup.value)),
        )
        .help("write `sessionBackupTimeout=\"5000\"`")
        .help(
            "with 1800000 a frozen memcached held such requests inside Tomcat for more than 40 s, each with a thread",
        );
    }
    let operation = manager.operation_timeout;
    if operation.value >= TAKEOVER {
        d.warning(
            operation.span,
            format!(
                "MSM waits {} for a memcached that hangs, and edge {} for a Tomcat that takes a session over",
                time(operation.value),
                time(TAKEOVER)
            ),
        )
        .help("write `operationTimeout=\"1000\"`, which is MSM's default");
    }
}

fn time(milliseconds: i64) -> String {
    match milliseconds {
        ms if ms % 60_000 == 0 => format!("{} min", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{} s", ms / 1_000),
        ms => format!("{ms} ms"),
    }
}

/// MSM takes the node out of the whole key, where the first dash and the first dot may be the prefix's.
fn prefix(manager: &Manager, d: &mut Diagnostics) {
    let Some(prefix) = &manager.prefix else { return };
    let path = manager.context.path.as_str();
    for token in prefix.text.split(',') {
        if !is_token(token) {
            d.error(prefix.span, format!("`{}` is no part of a storageKeyPrefix: MSM does not start", shown(token)))
                .help("expected `static:text`, `host`, `host.hash`, `context`, `context.hash` or `webappVersion`");
        } else if misleads(token, path) {
            d.warning(prefix.span, misled(token)).help(instead_of(prefix, path)).help(
                "MSM looks for the node behind the first dash of the whole key: ids then name no node and nothing is \
                 stored; non-sticky, every request begins a session",
            );
        }
    }
}

fn is_token(token: &str) -> bool {
    match token.strip_prefix("static:") {
        Some(text) => !text.is_empty() && !text.contains(':'),
        None => ["host", "host.hash", "context", "context.hash", "webappVersion"].contains(&token),
    }
}

fn misleads(token: &str, path: &str) -> bool {
    match token.strip_prefix("static:") {
        Some(text) => text.contains(['.', '-']),
        None => token == "host" || token == "context" && path.contains(['.', '-']),
    }
}

fn misled(token: &str) -> String {
    match token {
        "host" => "a name of a host with `.` or `-` in the storageKeyPrefix keeps MSM from storing any session".into(),
        "context" => "the `.` or `-` of the context's path keeps MSM from storing any session".into(),
        _ => format!("the `.` or `-` of `{}` keeps MSM from storing any session", shown(token)),
    }
}

fn instead_of(prefix: &Word, path: &str) -> String {
    let better = |token: &str| match token {
        good if !misleads(good, path) => good.to_owned(),
        "host" | "context" => format!("{token}.hash"),
        text => text.replace(['.', '-'], "_"),
    };
    let whole: Vec<String> = prefix.text.split(',').map(better).collect();
    format!("write `storageKeyPrefix=\"{}\"`", shown(&whole.join(",")))
}

fn ignoring(manager: &Manager, d: &mut Diagnostics) {
    const SUCH_AS: &str = r#"write `requestUriIgnorePattern=".*\.(png|gif|jpg|css|js|ico)$"`"#;
    let Some(pattern) = &manager.ignore else {
        d.warning(
            manager.span,
            "no `requestUriIgnorePattern`: MSM minds the session of every image and style sheet too",
        )
        .help(SUCH_AS)
        .help("after a Tomcat's death they all are requests that may take the session over");
        return;
    };
    let begins = pattern.text.trim_start_matches('^');
    if ["/", r"\.", r"\/"].iter().any(|begin| begins.starts_with(begin)) {
        d.warning(pattern.span, "this pattern never matches: MSM holds it against the whole of `GET /style.css`")
            .help(SUCH_AS);
    }
}

fn carrying(manager: &Manager, d: &mut Diagnostics) {
    let cookies = manager.context.cookies;
    if !cookies.value {
        d.warning(cookies.span, "without cookies a client learns of its session's new id only from links")
            .help("a page that was open when its Tomcat died goes on with the old id; take out `cookies=\"false\"`");
    }
}

/// MSM renews what is only read as often as the background thread of the Context allows it.
fn expiring(manager: &Manager, d: &mut Diagnostics) {
    let delay = manager.context.background_delay;
    if delay.value > 0 {
        return;
    }
    d.warning(
        delay.span,
        "a session that is only read leaves memcached while its Tomcat still serves it: lost when that Tomcat dies",
    )
    .help("write `<Context backgroundProcessorDelay=\"1\">`, or `keep_alive` in the upstream's `session` of edge.yaml")
    .help("read every 3 s, with a timeout of 20 s, its key was gone after 14 s");
}

fn locking(manager: &Manager, d: &mut Diagnostics) {
    let mode = manager.locking.as_ref().map_or("none", |word| word.text.as_str());
    let span = manager.locking.as_ref().map_or(manager.sticky.span, |word| word.span);
    match mode {
        "all" | "auto" => {}
        pattern if pattern.starts_with("uriPattern:") => {}
        "none" => {
            d.warning(span, "not sticky and without locks: requests of one session at the same time undo each other")
                .help("write `lockingMode=\"auto\"`, or `serialize: true` in the upstream's `session` of edge.yaml")
                .help("of 100 updates, 10 at a time, 72 to 80 were lost without any failure; with `auto` 0 to 2");
        }
        other => {
            d.error(span, format!("MSM has no lockingMode `{}`", shown(other)))
                .help("expected `none`, `all`, `auto` or `uriPattern:regex`");
        }
    }
}
