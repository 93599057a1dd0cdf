//! Upstreams, compiled: their servers, how one is chosen, how they are checked.

use super::compile::Texts;
use super::memcached;
use super::pass::implicit_upstream;
use crate::config::raw::{self, Raw, UpstreamKeys};
use crate::config::types::{BalanceBy, HealthCheckKeys, HealthCheckType, LeastTime, meant_for_http};
use crate::config::{Diagnostics, Span, Spanned};
use crate::upstream::{self, Balance, HealthCheck, Probe, ServerSettings, Until, UpstreamSettings};
use crate::variables::Template;
use std::sync::Arc;

/// All upstreams: those with a name, and those that `proxy_pass` makes of an address.
pub(super) fn settings(raw: &Raw, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Vec<UpstreamSettings> {
    let mut all: Vec<UpstreamSettings> = Vec::new();
    for upstream in &raw.upstreams {
        if all.iter().any(|u| u.name == *upstream.name) {
            diagnostics.error(upstream.name.span, format!("a second upstream `{}`", upstream.name.value));
        }
        all.push(one_upstream(upstream, texts, diagnostics));
    }
    let mut implicit = Vec::new();
    raw.servers.iter().flat_map(|s| &s.locations).for_each(|l| implicit_of(l, &all, &mut implicit));
    all.extend(implicit);
    all
}

fn implicit_of(location: &raw::Location, defined: &[UpstreamSettings], found: &mut Vec<UpstreamSettings>) {
    let is_defined = |name: &str| defined.iter().any(|u| u.name == name);
    let keys = || [&location.keys].into_iter().chain(location.handling.ifs().map(|inner| &inner.keys));
    let proxied = keys().filter_map(|k| implicit_upstream(k.proxy_pass.as_ref()?, false, is_defined));
    let called = keys().filter_map(|k| implicit_upstream(k.grpc_pass.as_ref()?, true, is_defined));
    let looked_up = keys().filter_map(|k| memcached::implicit_upstream(k.memcached_pass.as_ref()?, is_defined));
    let limited = location.limit_except.iter().filter_map(|limit| limit.keys.proxy_pass.as_ref());
    let limited = limited.filter_map(|p| implicit_upstream(p, false, is_defined));
    for settings in proxied.chain(called).chain(looked_up).chain(limited) {
        if !found.iter().any(|u: &UpstreamSettings| u.name == settings.name) {
            found.push(settings);
        }
    }
    location.locations.iter().for_each(|l| implicit_of(l, defined, found));
}

fn one_upstream(upstream: &raw::Upstream, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> UpstreamSettings {
    let keys = &upstream.keys;
    let mut settings = UpstreamSettings::new(upstream.name.value.clone());
    settings.keepalive = keys.keepalive() as usize;
    settings.keepalive_timeout = keys.keepalive_timeout().0;
    settings.keepalive_requests = keys.keepalive_requests() as usize;
    (settings.balance, settings.hash_key) = super::upstream::balance(keys, texts, diagnostics);
    settings.health_check = super::upstream::health_check(upstream, texts, diagnostics);
    super::upstream::check_servers(upstream, settings.balance, diagnostics);
    let servers = keys.servers.as_ref().map(|s| s.value.as_slice()).unwrap_or_default();
    if keys.servers.as_ref().is_none_or(|s| s.value.is_empty()) {
        diagnostics.error(upstream.name.span, format!("the upstream `{}` has no servers", upstream.name.value));
    }
    let mut routes: Vec<Spanned<String>> = Vec::new();
    for server in servers {
        let server = &server.value.0;
        if let Some(route) = &server.route {
            if let Some(before) = routes.iter().find(|r| r.value == route.value) {
                let place = diagnostics.place(before.span);
                diagnostics
                    .error(
                        route.span,
                        format!("two servers of `{}` have the route `{}`", upstream.name.value, route.value),
                    )
                    .help(format!("the other one stands at {place}; a jvmRoute names one Tomcat"));
            }
            routes.push(route.clone());
        }
        settings.servers.extend(one_server(server, diagnostics));
    }
    settings
}

fn one_server(
    keys: &crate::config::types::UpstreamServerKeys,
    diagnostics: &mut Diagnostics,
) -> Option<ServerSettings> {
    let address = keys.address.as_ref()?;
    if let Err(e) = upstream::names::parse(address) {
        diagnostics
            .error(address.span, format!("`{}` is no address of a server: {e}", address.value))
            .help("write `host:port`, `host` or `unix:/path`");
        return None;
    }
    if keys.weight() == 0 {
        let at = keys.weight.as_ref().map_or(address.span, |w| w.span);
        diagnostics.error(at, "a weight is at least 1").help("`down: true` takes a server out");
    }
    let mut server = ServerSettings::new(address.value.clone());
    server.weight = keys.weight().max(1);
    server.max_fails = keys.max_fails();
    server.fail_timeout = keys.fail_timeout().0;
    server.max_conns = keys.max_conns();
    server.backup = keys.backup();
    server.down = keys.down();
    server.drain = keys.drain();
    server.slow_start = keys.slow_start().0;
    server.route = keys.route.as_ref().map(|r| r.value.clone());
    Some(server)
}

/// The method, and the text that a hash is made of.
pub(super) fn balance(
    keys: &UpstreamKeys,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> (Balance, Option<Template>) {
    let plain = match keys.balance() {
        BalanceBy::RoundRobin => Balance::RoundRobin,
        BalanceBy::LeastConn => Balance::LeastConn,
        BalanceBy::IpHash => Balance::IpHash,
        BalanceBy::Random => Balance::Random,
        BalanceBy::RandomTwo => Balance::RandomTwo,
        BalanceBy::LeastTime(LeastTime::Header) => Balance::LeastTime(Until::Header),
        BalanceBy::LeastTime(LeastTime::LastByte) => Balance::LeastTime(Until::LastByte),
        BalanceBy::Hash { key, consistent } => {
            let method = if consistent { Balance::ConsistentHash } else { Balance::Hash };
            return (method, Some(texts.template(&key, key.span, diagnostics)));
        }
    };
    (plain, None)
}

/// What the method cannot do for a server, as nginx refuses it, and a first server that there has to be.
pub(super) fn check_servers(upstream: &raw::Upstream, balance: Balance, diagnostics: &mut Diagnostics) {
    let servers = upstream.keys.servers.as_ref().map(|s| s.value.as_slice()).unwrap_or_default();
    for server in servers {
        let keys = &server.value.0;
        let mut refuse = |at: Span, parameter: &str| {
            diagnostics
                .error(at, format!("balancing method does not support parameter \"{parameter}\""))
                .help("`round_robin`, `least_conn` and `least_time` do");
        };
        if let Some(backup) = keys.backup.as_ref().filter(|backup| backup.value && !balance.knows_backups()) {
            refuse(backup.span, "backup");
        }
        if let Some(slow) = keys.slow_start.as_ref().filter(|s| !s.0.is_zero() && !balance.honours_slow_start()) {
            refuse(slow.span, "slow_start");
        }
    }
    if !servers.is_empty() && servers.iter().all(|server| server.value.0.backup()) {
        diagnostics
            .error(upstream.name.span, format!("no servers in upstream \"{}\" but backups", upstream.name.value))
            .help("a backup stands in for others: take `backup` from at least one");
    }
}

pub(super) fn health_check(
    upstream: &raw::Upstream,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Arc<HealthCheck>> {
    let keys = &upstream.keys.health_check.as_ref()?.value.0;
    check_amounts(keys, diagnostics);
    let probe = match keys.type_() {
        HealthCheckType::Http => http_probe(keys, &upstream.name, texts, diagnostics)?,
        HealthCheckType::Tcp => {
            for (name, at) in meant_for_http(keys) {
                diagnostics.error(at, format!("`{name}` means nothing where `type` is `tcp`"));
            }
            Probe::Tcp
        }
    };
    Some(Arc::new(HealthCheck {
        probe,
        interval: keys.interval().0,
        jitter: keys.jitter().0,
        timeout: keys.timeout().0,
        rise: keys.rise().max(1),
        fall: keys.fall().max(1),
        port: keys.port.as_ref().map(|port| port.value),
    }))
}

/// None of these may be zero.
fn check_amounts(keys: &HealthCheckKeys, diagnostics: &mut Diagnostics) {
    let time = |key: &Option<crate::config::Spanned<crate::config::Time>>| {
        key.as_ref().filter(|time| time.0.is_zero()).map(|time| time.span)
    };
    let number = |key: &Option<crate::config::Spanned<u32>>| key.as_ref().filter(|n| n.value == 0).map(|n| n.span);
    let port = keys.port.as_ref().filter(|port| port.value == 0).map(|port| port.span);
    let zeros = [
        ("interval", time(&keys.interval)),
        ("timeout", time(&keys.timeout)),
        ("rise", number(&keys.rise)),
        ("fall", number(&keys.fall)),
        ("port", port),
    ];
    for (name, at) in zeros.into_iter().filter_map(|(name, at)| Some((name, at?))) {
        diagnostics.error(at, format!("`{name}` cannot be 0"));
    }
}

fn http_probe(keys: &HealthCheckKeys, name: &str, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Option<Probe> {
    let uri = keys.uri();
    if !uri.starts_with('/') || uri.parse::<http::uri::PathAndQuery>().is_err() {
        let at = keys.uri.as_ref().map(|uri| uri.span).unwrap_or_default();
        diagnostics.error(at, format!("`{uri}` cannot be asked for")).help("a URI begins with `/`, such as `/ping`");
    }
    if let Some(status) = keys.status.as_ref().filter(|status| status.value.is_empty()) {
        diagnostics.error(status.span, "no status would pass").help("write such as `status: [200, 204]`");
    }
    let body = match &keys.body {
        Some(body) => Some(texts.pattern(body, false, body.span, diagnostics)?),
        None => None,
    };
    Some(Probe::Http {
        uri,
        fields: fields(keys, name, diagnostics),
        statuses: keys.status().iter().map(|range| (range.first, range.last)).collect(),
        body,
    })
}

/// The fields of the request: what the configuration says, and what it does not.
fn fields(keys: &HealthCheckKeys, name: &str, diagnostics: &mut Diagnostics) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for (field, value) in keys.headers.iter().flat_map(|headers| headers.iter()) {
        let right =
            http::HeaderName::from_bytes(field.as_bytes()).is_ok() && http::HeaderValue::from_str(value).is_ok();
        match right {
            true => fields.push((field.value.clone(), value.clone())),
            false => {
                diagnostics.error(field.span, format!("`{}: {value}` is no field of a request", field.value));
            }
        }
    }
    let agent = concat!("edge/", env!("CARGO_PKG_VERSION"), " (health check)");
    for (field, value) in [("Host", name), ("User-Agent", agent), ("Connection", "close")] {
        if !fields.iter().any(|(own, _)| own.eq_ignore_ascii_case(field)) {
            fields.push((field.to_owned(), value.to_owned()));
        }
    }
    fields
}
