//! `limit_req`, `limit_conn` and `limit_rate`, compiled, with the zones they count in.

use super::compile::Texts;
use crate::config::raw::{Raw, Scope};
use crate::config::types::{LimitLogLevel, LimitReqKeys};
use crate::config::value::parse_size;
use crate::config::{Diagnostics, Span, Spanned};
use crate::limit::{ConnZone, Delay, KeyChanged, LEAST_SIZE, Rate, RateLimit, RateZone};
use crate::variables::{Exchange, Template};
use std::collections::HashMap;
use std::sync::Arc;

/// The statuses of `limit_req_status` and `limit_conn_status`.
const STATUSES: std::ops::RangeInclusive<u16> = 400..=599;
/// nginx counts in 16 bits.
const MOST_AT_ONCE: std::ops::RangeInclusive<u32> = 1..=65535;

/// A zone with what it counts by.
#[derive(Debug)]
pub struct Counted<Z> {
    pub name: String,
    pub key: Template,
    pub zone: Arc<Z>,
}

/// The zones of a configuration by name.
#[derive(Debug, Default)]
pub struct LimitZones {
    pub rates: HashMap<String, (Arc<Counted<RateZone>>, Rate)>,
    pub connections: HashMap<String, Arc<Counted<ConnZone>>>,
}

/// What a location limits; none of it is empty.
#[derive(Debug)]
pub struct Limits {
    pub rates: Vec<(Arc<Counted<RateZone>>, RateLimit)>,
    pub rate_told: Told,
    pub connections: Vec<(Arc<Counted<ConnZone>>, u32)>,
    pub connections_told: Told,
}

/// What becomes of a request that is over a limit.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    pub status: u16,
    pub level: LimitLogLevel,
    /// It passes, and that is told.
    pub dry_run: bool,
}

/// Bytes, perhaps known only when a request is there.
#[derive(Clone, Debug)]
pub enum Amount {
    Known(u64),
    Text(Template),
}

impl Amount {
    pub(super) fn compile(
        written: Option<&Spanned<String>>,
        texts: &Texts<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Amount {
        let Some(written) = written else { return Amount::Known(0) };
        let text = texts.template(written, written.span, diagnostics);
        match text.as_literal() {
            Some(_) => Amount::Known(parse_size(written).unwrap_or(0)),
            None => Amount::Text(text),
        }
    }

    /// What is no size limits nothing.
    pub fn of(&self, exchange: &Exchange) -> u64 {
        match self {
            Amount::Known(bytes) => *bytes,
            Amount::Text(text) => std::str::from_utf8(&text.evaluate(exchange)).ok().and_then(parse_size).unwrap_or(0),
        }
    }
}

/// The zones by name.
pub(super) fn zones(raw: &Raw, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> LimitZones {
    let mut zones = LimitZones::default();
    for (name, zone) in raw.main.limit_req_zone.iter().flat_map(|zones| zones.0.iter()) {
        let (Some(key), Some(size)) = (&zone.0.key, &zone.0.size) else { continue };
        let at = zone.0.rate.as_ref().map_or(name.span, |rate| rate.span);
        let Some(rate) = Rate::parse(&zone.0.rate()).filter(|rate| rate.thousandths > 0) else {
            diagnostics
                .error(at, format!("`{}` is no rate", zone.0.rate()))
                .help("write how many in which time: `10r/s`, `30r/m`, or `10/s`, `5/m`, `100/h`");
            continue;
        };
        let Some(bytes) = size_of(name, size.value.0, size.span, diagnostics) else { continue };
        let made = texts.resources.limits.rate(name, bytes, key);
        if let Some(counted) = counted(name, key, made, texts, diagnostics) {
            zones.rates.insert(name.value.clone(), (counted, rate));
        }
    }
    for (name, zone) in raw.main.limit_conn_zone.iter().flat_map(|zones| zones.0.iter()) {
        let (Some(key), Some(size)) = (&zone.0.key, &zone.0.size) else { continue };
        let Some(bytes) = size_of(name, size.value.0, size.span, diagnostics) else { continue };
        let made = texts.resources.limits.connections(name, bytes, key);
        if let Some(counted) = counted(name, key, made, texts, diagnostics) {
            zones.connections.insert(name.value.clone(), counted);
        }
    }
    zones
}

fn size_of(name: &str, bytes: u64, at: Span, diagnostics: &mut Diagnostics) -> Option<usize> {
    let size = usize::try_from(bytes).ok().filter(|size| *size >= LEAST_SIZE);
    if size.is_none() {
        diagnostics
            .error(at, format!("the zone `{name}` is too small: it needs {}k at least", LEAST_SIZE >> 10))
            .help("a key takes 128 bytes: `10m` holds some 80 000 of them");
    }
    size
}

fn counted<Z>(
    name: &str,
    key: &Spanned<String>,
    made: Result<Arc<Z>, KeyChanged>,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Arc<Counted<Z>>> {
    let template = texts.template(key, key.span, diagnostics);
    match made {
        Ok(zone) => Some(Arc::new(Counted { name: name.to_owned(), key: template, zone })),
        Err(changed) => {
            diagnostics
                .error(key.span, changed.to_string())
                .help("what it has counted would mean something else: give the zone another name");
            None
        }
    }
}

/// What is wrong with the limits that stand in a block itself.
pub(super) fn check(scope: &Scope, raw: &Raw, diagnostics: &mut Diagnostics) {
    let rates: Vec<&str> =
        raw.main.limit_req_zone.iter().flat_map(|zones| zones.0.iter()).map(|(name, _)| name.as_str()).collect();
    let connections: Vec<&str> =
        raw.main.limit_conn_zone.iter().flat_map(|zones| zones.0.iter()).map(|(name, _)| name.as_str()).collect();
    let limits = scope.limit_req.iter().flat_map(|limits| &limits.value.0);
    check_zones("limit_req_zone", limits.filter_map(|limit| limit.0.zone.as_ref()), &rates, diagnostics);
    let limits: Vec<_> = scope.limit_conn.iter().flat_map(|limits| limits.iter()).collect();
    check_zones("limit_conn_zone", limits.iter().map(|(name, _)| *name), &connections, diagnostics);
    for (_, count) in limits.into_iter().filter(|(_, count)| !MOST_AT_ONCE.contains(&count.value)) {
        diagnostics.error(count.span, "a number of requests in flight must be from 1 to 65535");
    }
    let statuses = [("limit_req_status", &scope.limit_req_status), ("limit_conn_status", &scope.limit_conn_status)];
    for (key, written) in statuses {
        if let Some(written) = written.as_ref().filter(|status| !STATUSES.contains(&status.value)) {
            diagnostics.error(written.span, format!("`{key}` must be from 400 to 599"));
        }
    }
    let amounts = [&scope.limit_rate, &scope.limit_rate_after, &scope.proxy_limit_rate];
    for written in amounts.into_iter().flatten().filter(|text| !text.contains('$') && parse_size(text).is_none()) {
        diagnostics.error(written.span, format!("expected a size such as `512k` or `2m`, found `{}`", written.value));
    }
}

fn check_zones<'s>(
    key: &str,
    named: impl Iterator<Item = &'s Spanned<String>>,
    there: &[&str],
    diagnostics: &mut Diagnostics,
) {
    let mut seen: Vec<&str> = Vec::new();
    for name in named {
        if !there.contains(&name.as_str()) {
            diagnostics
                .error(name.span, format!("no zone is named `{}`", name.value))
                .did_you_mean(name, there.iter().copied())
                .help(format!("`{key}` names the zones"));
        } else if seen.contains(&name.as_str()) {
            diagnostics.error(name.span, format!("the zone `{}` limits here already", name.value));
        }
        seen.push(name);
    }
}

/// `None`: nothing is limited.
pub(super) fn compile(scope: &Scope, texts: &Texts<'_>) -> Option<Arc<Limits>> {
    let rates = scope.limit_req.iter().flat_map(|limits| &limits.value.0);
    let rates: Vec<_> = rates.filter_map(|limit| rate_of(&limit.0, texts)).collect();
    let connections = scope.limit_conn.iter().flat_map(|limits| limits.iter());
    let connections: Vec<_> = connections
        .filter_map(|(name, count)| Some((texts.limits.connections.get(name.as_str())?.clone(), count.value)))
        .collect();
    if rates.is_empty() && connections.is_empty() {
        return None;
    }
    let rate_told = Told {
        status: scope.limit_req_status(),
        level: scope.limit_req_log_level(),
        dry_run: scope.limit_req_dry_run(),
    };
    let connections_told = Told {
        status: scope.limit_conn_status(),
        level: scope.limit_conn_log_level(),
        dry_run: scope.limit_conn_dry_run(),
    };
    Some(Arc::new(Limits { rates, rate_told, connections, connections_told }))
}

fn rate_of(keys: &LimitReqKeys, texts: &Texts<'_>) -> Option<(Arc<Counted<RateZone>>, RateLimit)> {
    let (zone, rate) = texts.limits.rates.get(keys.zone.as_ref()?.as_str())?;
    let delay = match &keys.delay {
        _ if keys.nodelay() => Delay::None,
        Some(count) => Delay::After(count.value),
        None => Delay::All,
    };
    Some((zone.clone(), RateLimit { rate: *rate, burst: keys.burst(), delay }))
}
