//! What an `upstream` says of choosing and of checking its servers, compiled.

use super::compile::Texts;
use crate::config::raw::{self, UpstreamKeys};
use crate::config::types::{BalanceBy, HealthCheckKeys, HealthCheckType, LeastTime, meant_for_http};
use crate::config::{Diagnostics, Span};
use crate::upstream::{Balance, HealthCheck, Probe, Until};
use crate::variables::Template;
use std::sync::Arc;

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
