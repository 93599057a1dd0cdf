//! What the cache would have to do with a request, told in words. Nothing is looked up.

use super::{holds, url_of};
use crate::cache::policy::Ignored;
use crate::proxy::request::Request;
use crate::proxy::snapshot::{Caching, Network};

/// Lines, each with what it is about; empty where nothing is kept.
pub fn told(request: &Request) -> Vec<(&'static str, String)> {
    let Some(caching) = request.pass().and_then(|pass| pass.caching.as_ref()) else { return Vec::new() };
    let place = caching.zone.settings.path.as_ref().map_or("memory".into(), |path| path.display().to_string());
    let mut lines = vec![("cache", format!("{} ({place}): {}", caching.zone.name, used(caching, request)))];
    lines.push(("key", key_text(caching, request)));
    lines.push(("listed as", url_of(&request.exchange)));
    if let Some(slice) = caching.slice {
        lines.push(("slices", format!("of {slice} bytes")));
    }
    let ignored = ignored(caching.ignored);
    if !ignored.is_empty() {
        lines.push(("ignored", format!("{} of the answer", ignored.join(", "))));
    }
    lines.push(("PURGE", purgers(&caching.purge)));
    lines
}

fn used(caching: &Caching, request: &Request) -> String {
    let method = &request.exchange.method;
    if method.as_str() == "PURGE" && !caching.purge.is_empty() {
        "the answer is forgotten, if the client may ask for that".into()
    } else if !caching.methods.contains(method) {
        format!("not for {method} (proxy_cache_methods)")
    } else if request.exchange.head.wants_upgrade() {
        "not for an upgrade".into()
    } else if holds(&caching.bypass, &request.exchange) {
        "not looked into (proxy_cache_bypass), the answer may be stored".into()
    } else if holds(&caching.no_cache, &request.exchange) {
        "looked into, the answer is not stored (proxy_no_cache)".into()
    } else {
        "looked into, the answer may be stored".into()
    }
}

/// The parts stand apart: which text belongs to which variable decides whether two requests share an answer.
fn key_text(caching: &Caching, request: &Request) -> String {
    let mut parts = Vec::new();
    caching.key.write_parts(&request.exchange, |part| parts.push(String::from_utf8_lossy(part).into_owned()));
    parts.join(" | ")
}

fn ignored(ignored: Ignored) -> Vec<&'static str> {
    let fields = [
        (ignored.x_accel_expires, "X-Accel-Expires"),
        (ignored.cache_control, "Cache-Control"),
        (ignored.cdn_cache_control, "CDN-Cache-Control"),
        (ignored.expires, "Expires"),
        (ignored.set_cookie, "Set-Cookie"),
        (ignored.vary, "Vary"),
    ];
    fields.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect()
}

fn purgers(networks: &[Network]) -> String {
    if networks.is_empty() {
        return "from nobody (proxy_cache_purge)".into();
    }
    let all: Vec<String> = networks.iter().map(Network::to_string).collect();
    format!("from {}", all.join(", "))
}
