//! The method PURGE, for the addresses that `proxy_cache_purge` lists: the answer of this key goes, with all its variants.

use super::key_of;
use crate::cache::store::{Purge, Zone};
use crate::proxy::content::Content;
use crate::proxy::request::Request;
use crate::proxy::snapshot::Caching;
use http::Method;

/// `None`: it is another method, or nobody may purge here.
pub fn answer(request: &mut Request, caching: &Caching, zone: &Zone) -> Option<Content> {
    if request.exchange.method.as_str() != "PURGE" || caching.purge.is_empty() {
        return None;
    }
    let from = request.exchange.peer.remote.ip();
    if !caching.purge.iter().any(|network| network.contains(from)) {
        return Some(Content::status(403));
    }
    // The key is that of a GET.
    let asked = std::mem::replace(&mut request.exchange.method, Method::GET);
    let key = key_of(caching, &request.exchange);
    request.exchange.method = asked;
    let gone = zone.purge(Purge::Url(&key), false);
    Some(Content::status(if gone > 0 { 204 } else { 404 }))
}
