//! `cache`: what the cache of the location is asked to do.

use super::{Action, Reader};
use crate::config::Node;
use crate::config::keys::read_map;
use crate::config::value::{Spanned, Time};
use crate::keys;
use crate::rules::Phase;
use crate::variables::Template;
use std::time::Duration;

/// `cache`
#[derive(Debug)]
pub struct Wish {
    pub bypass: bool,
    pub no_store: bool,
    pub ttl: Option<Duration>,
    pub key: Option<Template>,
    pub tags: Vec<Template>,
}

keys! {
    /// `cache`
    pub struct CacheKeys {
        /// The upstream is asked, whatever is stored; its answer may be stored.
        ["-"] bypass: bool = "false",
        /// How long an answer that may be stored is fresh, whatever it says itself.
        ["-"] ttl: Time,
        /// In the place of `proxy_cache_key`; may hold variables.
        ["-"] key: String,
        /// Tags for `edge cache purge --tag`, beside those of `Cache-Tag`; may hold variables.
        ["-"] tags: Vec<Spanned<String>>,
        /// The answer is not stored.
        ["-"] no_store: bool = "false",
    }
}

pub(super) fn cache(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    let keys: CacheKeys = read_map(node, "`cache`", reader.diagnostics)?;
    if reader.scope.phase > Phase::Request {
        let late = [("bypass", keys.bypass.as_ref().map(|k| k.span)), ("key", keys.key.as_ref().map(|k| k.span))];
        for (name, at) in late.into_iter().filter_map(|(name, at)| Some((name, at?))) {
            reader
                .diagnostics
                .error(at, format!("`{name}` does not work in the phase `{}`: the answer is there", reader.scope.phase))
                .help("write it in a rule of the phase `request`");
        }
    }
    let tags: Vec<Template> =
        keys.tags.iter().flat_map(|tags| &tags.value).filter_map(|tag| reader.template(tag)).collect();
    Some(vec![Action::Cache(Wish {
        bypass: keys.bypass(),
        no_store: keys.no_store(),
        ttl: keys.ttl.as_ref().map(|ttl| ttl.value.0),
        key: keys.key.as_ref().and_then(|key| reader.template(key)),
        tags,
    })])
}
