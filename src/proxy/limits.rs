//! `limit_req`, `limit_conn`, `limit_rate`: whether a request goes on at all, when, and how fast its answer leaves.
//!
//! nginx's preaccess phase: after the rewrites of a location, before anybody asks who the client is and before the cache. A
//! request is counted once, however often it is sent elsewhere inside; what edge asks for itself is not counted.

use super::request::Request;
use super::snapshot::{Limits, Location, Told};
use crate::client::Connection;
use crate::config::types::LimitLogLevel;
use crate::config::value::parse_size;
use crate::http::pages::internal::CLIENT_CLOSED;
use crate::limit::{Ask, Checked, Crowded, Millis, RateVerdict, check_all};
use crate::variables::Template;
use pingora_http::ResponseHeader;
use std::sync::Arc;
use std::time::Duration;

/// The longest keys that nginx counts by.
const LONGEST_KEY: usize = 65_535;
const LONGEST_KEY_AT_ONCE: usize = 255;

/// What came of `limit_req`.
enum Turn {
    Now,
    After(Duration),
    Never(u16),
}

impl Request {
    /// The status of a request that is over a limit of the location; waits for its turn where it has one. `client`: who may leave
    /// meanwhile.
    pub(super) async fn refused_by_limit(
        &mut self,
        location: &Location,
        client: Option<&Arc<Connection>>,
    ) -> Option<u16> {
        let limits = location.limits.as_ref()?;
        if client.is_some_and(|connection| connection.facts().errand.is_some()) {
            return None;
        }
        match self.turn(limits) {
            Turn::Now => {}
            Turn::Never(status) => return Some(status),
            Turn::After(delay) => {
                if !stays_for(delay, client).await {
                    self.log_info("client left while it waited for its turn");
                    return Some(CLIENT_CLOSED);
                }
            }
        }
        self.refused_at_once(limits)
    }

    /// `limit_req`
    fn turn(&mut self, limits: &Limits) -> Turn {
        if self.exchange.limit_req_status.is_some() {
            return Turn::Now;
        }
        let mut asked = Vec::with_capacity(limits.rates.len());
        for (counted, limit) in &limits.rates {
            let key = counted.key.evaluate(&self.exchange);
            if key.len() > LONGEST_KEY {
                self.log_error(format_args!("a key of the zone \"{}\" is more than 65535 bytes", counted.name));
            } else if !key.is_empty() {
                asked.push((counted, limit, key));
            }
        }
        if asked.is_empty() {
            return Turn::Now;
        }
        let asks: Vec<Ask<'_>> =
            asked.iter().map(|(counted, limit, key)| Ask { zone: &counted.zone, key, limit }).collect();
        let checked = check_all(&asks, Millis::now());
        let zone = &asked[checked.by].0.name;
        let (status, turn) = self.told_turn(checked, zone, limits.rate_told);
        self.exchange.limit_req_status = Some(status);
        turn
    }

    /// What becomes of a request, and what `$limit_req_status` says of it; in nginx's words for the log.
    fn told_turn(&self, checked: Checked, zone: &str, told: Told) -> (&'static str, Turn) {
        let dry = if told.dry_run { ", dry run" } else { "" };
        let (whole, part) = (checked.excess / 1000, checked.excess % 1000);
        match checked.verdict {
            RateVerdict::Pass => ("PASSED", Turn::Now),
            RateVerdict::Delay(delay) => {
                let said = format_args!("delaying request{dry}, excess: {whole}.{part:03}, by zone \"{zone}\"");
                self.log_at(quieter(told.level), said);
                match told.dry_run {
                    true => ("DELAYED_DRY_RUN", Turn::Now),
                    false => ("DELAYED", Turn::After(delay)),
                }
            }
            RateVerdict::Refuse { .. } => {
                let said = format_args!("limiting requests{dry}, excess: {whole}.{part:03} by zone \"{zone}\"");
                self.log_at(told.level, said);
                match told.dry_run {
                    true => ("REJECTED_DRY_RUN", Turn::Now),
                    false => ("REJECTED", Turn::Never(told.status)),
                }
            }
        }
    }

    /// `limit_conn`
    fn refused_at_once(&mut self, limits: &Limits) -> Option<u16> {
        if self.exchange.limit_conn_status.is_some() {
            return None;
        }
        let told = limits.connections_told;
        for (counted, most) in &limits.connections {
            let key = counted.key.evaluate(&self.exchange);
            if key.len() > LONGEST_KEY_AT_ONCE {
                self.log_error(format_args!("a key of the zone \"{}\" is more than 255 bytes", counted.name));
                continue;
            }
            if key.is_empty() {
                continue;
            }
            match counted.zone.try_enter(&key, *most) {
                Ok(guard) => self.guards.push(guard),
                Err(crowded) => {
                    self.tell_crowded(crowded, &counted.name, told);
                    self.guards.clear();
                    self.exchange.limit_conn_status = Some(if told.dry_run { "REJECTED_DRY_RUN" } else { "REJECTED" });
                    return (!told.dry_run).then_some(told.status);
                }
            }
            self.exchange.limit_conn_status = Some("PASSED");
        }
        None
    }

    fn tell_crowded(&self, crowded: Crowded, zone: &str, told: Told) {
        let dry = if told.dry_run { ", dry run," } else { "" };
        match crowded {
            Crowded::Limit => self.log_at(told.level, format_args!("limiting connections{dry} by zone \"{zone}\"")),
            Crowded::Zone => self.log_error(format_args!("the zone \"{zone}\" has no room for another key")),
        }
    }

    fn log_at(&self, level: LimitLogLevel, said: std::fmt::Arguments<'_>) {
        match level {
            LimitLogLevel::Error => self.log_error(said),
            LimitLogLevel::Warn => self.log_warn(said),
            LimitLogLevel::Notice => self.log_notice(said),
            LimitLogLevel::Info => self.log_info(said),
        }
    }

    /// What would be counted, for `edge explain`.
    pub(super) fn told_limits(&self) -> Vec<(&'static str, String)> {
        let Some(limits) = &self.location.limits else { return Vec::new() };
        let by = |key: &Template| {
            let key = key.evaluate(&self.exchange);
            if key.is_empty() { "not counted: its key is empty".into() } else { format!("by `{}`", key.escape_ascii()) }
        };
        let rates = limits.rates.iter().map(|(counted, limit)| {
            let (rate, burst) = (limit.rate, limit.burst);
            ("limit_req", format!("{rate}, burst {burst}, in zone `{}`, {}", counted.name, by(&counted.key)))
        });
        let connections = limits
            .connections
            .iter()
            .map(|(counted, most)| ("limit_conn", format!("{most} in zone `{}`, {}", counted.name, by(&counted.key))));
        rates.chain(connections).collect()
    }

    /// `limit_rate`: how fast the answer leaves. `answer`: an upstream's, which may say so itself.
    pub(super) fn pace(&mut self, connection: &Connection, answer: Option<&ResponseHeader>) {
        self.settle_rate(answer);
        // Nobody is at the other end of an errand's connection.
        if self.exchange.limit_rate > 0 && connection.facts().errand.is_none() {
            let after = self.location.limit_rate_after.of(&self.exchange);
            connection.limit_rate(self.exchange.limit_rate, after, self.exchange.started);
        }
    }

    /// `$limit_rate` as it is from now on: what the upstream says, what was set, or what the location says.
    pub(super) fn settle_rate(&mut self, answer: Option<&ResponseHeader>) {
        if let Some(rate) = answer.and_then(|answer| self.accelerated(answer)) {
            self.exchange.limit_rate = rate;
        } else if !self.rate_is_set {
            self.exchange.limit_rate = self.location.limit_rate.of(&self.exchange);
        }
        self.rate_is_set = true;
    }

    /// `set $limit_rate`; as in nginx, what is no size changes nothing.
    pub(super) fn set_rate(&mut self, value: &[u8]) {
        match std::str::from_utf8(value).ok().and_then(parse_size) {
            Some(rate) => (self.exchange.limit_rate, self.rate_is_set) = (rate, true),
            None => self.log_error(format_args!("invalid $limit_rate \"{}\"", value.escape_ascii())),
        }
    }

    /// `proxy_limit_rate`: how long the next piece of an upstream's answer is not read.
    pub(super) fn pace_of_upstream(&self, bytes: usize) -> Option<Duration> {
        let pass = self.pass().filter(|pass| pass.buffering)?;
        let rate = pass.limit_rate.of(&self.exchange);
        (rate > 0).then(|| Duration::from_millis((bytes as u64).saturating_mul(1000) / rate))
    }

    /// `X-Accel-Limit-Rate`
    fn accelerated(&self, answer: &ResponseHeader) -> Option<u64> {
        let pass = self.pass().filter(|pass| !pass.ignored.iter().any(|name| name == "x-accel-limit-rate"))?;
        let value = answer.headers.get("x-accel-limit-rate")?.to_str().ok()?;
        value.parse().ok().filter(|_| !pass.grpc)
    }
}

/// That a request waits is told a level lower than that one is refused.
fn quieter(level: LimitLogLevel) -> LimitLogLevel {
    match level {
        LimitLogLevel::Error => LimitLogLevel::Warn,
        LimitLogLevel::Warn => LimitLogLevel::Notice,
        LimitLogLevel::Notice | LimitLogLevel::Info => LimitLogLevel::Info,
    }
}

/// Waits; false if the client leaves before.
pub(super) async fn stays_for(delay: Duration, client: Option<&Arc<Connection>>) -> bool {
    let Some(client) = client else {
        tokio::time::sleep(delay).await;
        return true;
    };
    tokio::select! {
        biased;
        () = client.left() => false,
        () = tokio::time::sleep(delay) => true,
    }
}
