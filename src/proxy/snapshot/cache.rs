//! The cache of a location, and the zones it is kept in, compiled.

use super::compile::Texts;
use crate::cache::policy::{Failures, Ignored, UseRules, Valid};
use crate::cache::store::{Zone, ZoneSettings, Zones};
use crate::config::raw::{Raw, Scope};
use crate::config::types::{CachePathKeys, CacheStatus};
use crate::config::{Diagnostics, Span, Spanned};
use crate::system;
use crate::variables::{Template, Variable};
use http::Method;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A zone that a configuration names. It is opened when the whole configuration is known to be right.
#[derive(Clone)]
pub struct ZonePlace {
    pub name: String,
    pub settings: ZoneSettings,
    pub at: Span,
    zone: Arc<OnceLock<Arc<Zone>>>,
}

impl std::fmt::Debug for ZonePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ZonePlace").field("name", &self.name).field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl ZonePlace {
    /// `None` where a configuration is only looked at.
    pub fn zone(&self) -> Option<&Arc<Zone>> {
        self.zone.get()
    }

    /// Says what would keep the zone from being opened, and makes nothing. Whoever checks may be another user than the one
    /// edge runs as, so that what is forbidden is only a warning.
    pub(super) fn look(&self, diagnostics: &mut Diagnostics) {
        let Some(path) = &self.settings.path else { return };
        let there = path.ancestors().find_map(|above| Some((above, std::fs::metadata(above).ok()?)));
        let Some((above, metadata)) = there else { return };
        if !metadata.is_dir() {
            diagnostics
                .error(self.at, format!("the cache `{}` cannot have {}", self.name, path.display()))
                .help(format!("{} is not a directory: name one, or one that can be made", above.display()));
        } else if !system::may_write(above) {
            diagnostics
                .warning(self.at, format!("the cache `{}` cannot write to {}", self.name, path.display()))
                .help(format!("{} must belong to the user edge runs as", above.display()));
        }
    }

    /// Opens the zone, or gives it these limits.
    pub fn open(&self, zones: &Zones, diagnostics: &mut Diagnostics) {
        match zones.apply(&self.name, &self.settings) {
            // It was empty: a place is opened once, by whoever compiled it.
            Ok(zone) => drop(self.zone.set(zone)),
            Err(e) => drop(diagnostics.error(self.at, e.to_string())),
        }
    }
}

/// What a location keeps, and when it is used.
#[derive(Debug)]
pub struct Caching {
    pub zone: ZonePlace,
    pub key: Template,
    pub methods: Vec<Method>,
    pub valid: Valid,
    pub ignored: Ignored,
    pub use_rules: UseRules,
    pub bypass: Vec<Template>,
    pub no_cache: Vec<Template>,
    pub min_uses: u32,
    pub lock: Option<Lock>,
    pub revalidate: bool,
    pub convert_head: bool,
    pub max_range_offset: Option<u64>,
    /// Who may send PURGE.
    pub purge: Vec<Network>,
    /// Bytes of one part; `None`: an answer is stored as a whole.
    pub slice: Option<u64>,
    pub method_in_key: bool,
    pub slice_in_key: bool,
    pub authorization_in_key: bool,
}

/// `proxy_cache_lock`
#[derive(Clone, Copy, Debug)]
pub struct Lock {
    pub age: Duration,
    pub timeout: Duration,
}

/// `10.0.0.0/8`, `::1`, `all`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    pub fn parse(text: &str) -> Option<Network> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok()).filter(|bits| *bits <= most)?;
        Some(Network { address, bits })
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let wide = |ip: IpAddr| match ip {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, true),
            IpAddr::V6(v6) => (v6.to_bits(), false),
        };
        let ((own, is_v4), (other, other_is_v4)) = (wide(self.address), wide(address.to_canonical()));
        let mask = if self.bits == 0 { 0 } else { u128::MAX << (128 - u32::from(self.bits)) };
        is_v4 == other_is_v4 && own & mask == other & mask
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let most = if self.address.is_ipv4() { 32 } else { 128 };
        match self.bits == most {
            true => write!(f, "{}", self.address),
            false => write!(f, "{}/{}", self.address, self.bits),
        }
    }
}

/// The zones by name.
pub(super) fn zones(raw: &Raw, texts: &Texts<'_>) -> HashMap<String, ZonePlace> {
    let named = raw.main.proxy_cache_path.iter().flat_map(|paths| paths.0.iter());
    named
        .map(|(name, path)| {
            let settings = zone_settings(&path.0, texts);
            let place = ZonePlace { name: name.value.clone(), settings, at: name.span, zone: Arc::default() };
            (name.value.clone(), place)
        })
        .collect()
}

fn zone_settings(keys: &CachePathKeys, texts: &Texts<'_>) -> ZoneSettings {
    let usual = ZoneSettings::default();
    ZoneSettings {
        path: keys.path.as_ref().map(|path| texts.path(path)),
        levels: keys.levels().split(':').filter_map(|level| level.parse().ok()).collect(),
        memory: keys.memory().0,
        max_size: keys.max_size.as_ref().map(|size| size.value.0),
        min_free: keys.min_free.as_ref().map_or(usual.min_free, |size| size.value.0),
        inactive: keys.inactive().0,
        loader_files: keys.loader_files() as usize,
        loader_sleep: keys.loader_sleep().0,
        loader_threshold: keys.loader_threshold().0,
    }
}

/// `None`: nothing is kept.
pub(super) fn compile(scope: &Scope, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Option<Arc<Caching>> {
    let named = scope.proxy_cache();
    let zone = texts.zones.get(named.as_str())?.clone();
    let at = scope.proxy_cache_key.as_ref().map(|key| key.span).unwrap_or_default();
    let key = texts.template(&scope.proxy_cache_key(), at, diagnostics);
    let slice = Some(scope.slice().0).filter(|size| *size > 0);
    let slice_in_key = key.uses(|v| matches!(v, Variable::SliceRange));
    if let (Some(_), false, Some(written)) = (slice, slice_in_key, &scope.slice) {
        diagnostics
            .error(written.span, "`slice` needs `$slice_range` in `proxy_cache_key`: all parts would be stored as one")
            .help(format!("write `proxy_cache_key: {}$slice_range`", scope.proxy_cache_key()));
    }
    let words = scope.proxy_cache_use_stale();
    let use_stale = Failures::from_words(words.iter().map(|word| word.word())).unwrap_or_default();
    let templates = |list: &Option<Spanned<Vec<Spanned<String>>>>, diagnostics: &mut Diagnostics| {
        let texts_of = list.iter().flat_map(|list| &list.value);
        texts_of.map(|text| texts.template(text, text.span, diagnostics)).collect()
    };
    Some(Arc::new(Caching {
        method_in_key: key.uses(|v| matches!(v, Variable::RequestMethod)),
        authorization_in_key: key.uses(is_authorization),
        slice_in_key,
        zone,
        key,
        methods: methods(scope, diagnostics),
        valid: valid(scope),
        ignored: ignored(scope),
        use_rules: UseRules {
            use_stale,
            background_update: scope.proxy_cache_background_update(),
            obey_request: scope.proxy_cache_obey_request(),
        },
        bypass: templates(&scope.proxy_cache_bypass, diagnostics),
        no_cache: templates(&scope.proxy_no_cache, diagnostics),
        min_uses: scope.proxy_cache_min_uses(),
        lock: scope
            .proxy_cache_lock()
            .then(|| Lock { age: scope.proxy_cache_lock_age().0, timeout: scope.proxy_cache_lock_timeout().0 }),
        revalidate: scope.proxy_cache_revalidate(),
        convert_head: scope.proxy_cache_convert_head(),
        max_range_offset: scope.proxy_cache_max_range_offset.as_ref().map(|offset| offset.value.0),
        purge: networks(scope, diagnostics),
        slice,
    }))
}

fn is_authorization(variable: &Variable) -> bool {
    match variable {
        Variable::RequestHeader(name) => name == "authorization",
        Variable::RemoteUser => true,
        _ => false,
    }
}

fn methods(scope: &Scope, diagnostics: &mut Diagnostics) -> Vec<Method> {
    const KNOWN: [&str; 3] = ["GET", "HEAD", "POST"];
    let mut methods = vec![Method::GET, Method::HEAD];
    for word in scope.proxy_cache_methods() {
        match (KNOWN.contains(&word.as_str()), Method::from_bytes(word.as_bytes())) {
            (true, Ok(method)) => methods.push(method),
            _ => {
                diagnostics
                    .error(word.span, format!("answers to `{}` are not stored", word.value))
                    .did_you_mean(&word, KNOWN)
                    .help("the methods are GET, HEAD and POST");
            }
        }
    }
    methods
}

fn valid(scope: &Scope) -> Valid {
    let rules = scope.proxy_cache_valid.iter().flat_map(|valid| &valid.value.0);
    Valid(
        rules
            .map(|(status, time)| match status {
                CacheStatus::Code(code) => (Some(*code), time.0),
                CacheStatus::Any => (None, time.0),
            })
            .collect(),
    )
}

/// `proxy_ignore_headers`, as far as it concerns the cache.
fn ignored(scope: &Scope) -> Ignored {
    let names: Vec<String> =
        scope.proxy_ignore_headers.iter().flat_map(|list| &list.value).map(|name| name.to_ascii_lowercase()).collect();
    let has = |name: &str| names.iter().any(|n| n == name);
    Ignored {
        x_accel_expires: has("x-accel-expires"),
        cache_control: has("cache-control"),
        cdn_cache_control: has("cdn-cache-control") || has("cache-control"),
        expires: has("expires"),
        set_cookie: has("set-cookie"),
        vary: has("vary"),
    }
}

fn networks(scope: &Scope, diagnostics: &mut Diagnostics) -> Vec<Network> {
    let mut networks = Vec::new();
    for text in scope.proxy_cache_purge.iter().flat_map(|list| &list.value) {
        match Network::parse(text) {
            Some(network) => networks.push(network),
            None => {
                diagnostics
                    .error(text.span, format!("`{}` is no address", text.value))
                    .help("write `127.0.0.1`, `10.0.0.0/8` or `::1`");
            }
        }
    }
    networks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_begins_as_it_does() {
        let holds = |network: &str, address: &str| {
            Network::parse(network).is_some_and(|network| network.contains(address.parse().unwrap()))
        };
        assert!(holds("10.0.0.0/8", "10.1.2.3") && !holds("10.0.0.0/8", "11.1.2.3"));
        assert!(holds("127.0.0.1", "127.0.0.1") && !holds("127.0.0.1", "127.0.0.2"));
        assert!(holds("0.0.0.0/0", "9.9.9.9") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("::1", "::1") && holds("10.0.0.0/8", "::ffff:10.0.0.1"));
        assert!(holds("2001:db8::/32", "2001:db8:1::1") && !holds("2001:db8::/32", "2001:db9::1"));
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "x", "::/129", "10.0.0.1/"] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }
}
