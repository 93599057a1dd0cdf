//! The method PURGE, for the addresses that `proxy_cache_purge` lists: the answer of this key goes, with all its variants.
//!
//! A path that ends with `*` stands for all that begins so, as with nginx Plus: `PURGE /css/*`. An answer that is stored in
//! parts goes with all of them. What always holds: heads are read and the disk is waited for on threads of their own, and
//! no more than [`MOST`] purges at once do so.

use super::{key_of, url_of};
use crate::cache::key::Key;
use crate::cache::store::{Purge, Zone};
use crate::proxy::content::Content;
use crate::proxy::request::Request;
use crate::proxy::snapshot::{Caching, Network};
use http::Method;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Purges at once; who comes then is told to come again.
const MOST: usize = 8;

static ROOM: Semaphore = Semaphore::const_new(MOST);

enum What {
    Key(Key),
    Address(String),
    Prefix(String),
}

/// `None`: it is another method, or nobody may purge here.
pub async fn answer(request: &mut Request, caching: &Caching, zone: &Arc<Zone>) -> Option<Content> {
    if request.exchange.method.as_str() != "PURGE" || caching.purge.is_empty() {
        return None;
    }
    let from = request.exchange.peer.remote.ip();
    if !caching.purge.iter().any(|network: &Network| network.contains(from)) {
        return Some(Content::status(403));
    }
    let Ok(_place) = ROOM.try_acquire() else { return Some(Content::status(503)) };
    let what = what(request, caching);
    let is_prefix = matches!(what, What::Prefix(_));
    let zone = zone.clone();
    let gone = tokio::task::spawn_blocking(move || what.purge(&zone)).await;
    match gone {
        // As nginx Plus: whether anything began so is not told.
        Ok(gone) if gone > 0 || is_prefix => Some(Content::status(204)),
        Ok(_) => Some(Content::status(404)),
        Err(_) => Some(Content::status(500)),
    }
}

fn what(request: &mut Request, caching: &Caching) -> What {
    let url = url_of(&request.exchange);
    if let Some(prefix) = url.strip_suffix('*') {
        return What::Prefix(prefix.to_owned());
    }
    if caching.slice_in_key {
        return What::Address(url);
    }
    // The key is that of a GET.
    let asked = std::mem::replace(&mut request.exchange.method, Method::GET);
    let key = key_of(caching, request);
    request.exchange.method = asked;
    What::Key(key)
}

impl What {
    fn purge(&self, zone: &Zone) -> u64 {
        let purge = match self {
            What::Key(key) => Purge::Url(key),
            What::Address(url) => Purge::Exact(url),
            What::Prefix(prefix) => Purge::Prefix(prefix),
        };
        zone.purge(purge, false)
    }
}
