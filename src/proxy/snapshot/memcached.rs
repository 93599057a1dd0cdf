//! `memcached_pass` and the keys around it, compiled.

use super::Next;
use super::compile::Texts;
use super::pass::{Bind, bind};
use crate::config::raw::Scope;
use crate::config::types::MemcachedNext;
use crate::config::{Diagnostics, Spanned};
use crate::proxy::memcached::Idle;
use crate::upstream::{self, UpstreamSettings, names};
use crate::variables::Template;
use std::sync::Arc;
use std::time::Duration;

/// Whose items are the answers of a location.
#[derive(Debug)]
pub struct Memcached {
    pub upstream: Arc<upstream::Upstream>,
    /// `$memcached_key`; `None`: nothing sets it.
    pub key: Option<Template>,
    /// `memcached_bind`
    pub bind: Option<Bind>,
    pub next: Next,
    pub connect_timeout: Duration,
    pub send_timeout: Duration,
    pub read_timeout: Duration,
    /// The longest first line of an answer.
    pub buffer_size: usize,
    /// Items that have one of these bits among their flags are compressed.
    pub gzip_flag: u32,
    pub socket_keepalive: bool,
    pub idle: Idle,
}

/// The upstream that `memcached_pass` makes of an address.
pub(super) fn implicit_upstream(written: &str, is_defined: impl Fn(&str) -> bool) -> Option<UpstreamSettings> {
    if is_defined(written) || names::parse(written).is_err() {
        return None;
    }
    let mut settings = UpstreamSettings::new(written);
    settings.servers.push(upstream::ServerSettings::new(written));
    Some(settings)
}

impl Memcached {
    pub(super) fn compile(
        written: &Spanned<String>,
        scope: &Scope,
        texts: &Texts<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Memcached> {
        let upstream = Self::upstream(written, texts, diagnostics)?;
        let words = scope.memcached_next_upstream();
        let words = words.iter().map(|word| match word {
            MemcachedNext::InvalidResponse => "invalid_header",
            MemcachedNext::NotFound => "http_404",
            other => other.word(),
        });
        let mut next = Next::from_words(words).unwrap_or_default();
        next.tries = scope.memcached_next_upstream_tries();
        next.timeout = scope.memcached_next_upstream_timeout().0;
        let is_set = texts.defined.find("memcached_key").is_some();
        Some(Memcached {
            upstream,
            key: is_set.then(|| texts.template("$memcached_key", written.span, diagnostics)),
            bind: bind(scope.memcached_bind.as_ref(), texts, diagnostics),
            next,
            connect_timeout: scope.memcached_connect_timeout().0,
            send_timeout: scope.memcached_send_timeout().0,
            read_timeout: scope.memcached_read_timeout().0,
            buffer_size: usize::try_from(scope.memcached_buffer_size().0).unwrap_or(usize::MAX),
            gzip_flag: scope.memcached_gzip_flag(),
            socket_keepalive: scope.memcached_socket_keepalive(),
            idle: Idle::default(),
        })
    }

    fn upstream(
        written: &Spanned<String>,
        texts: &Texts<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Arc<upstream::Upstream>> {
        let found = texts.upstreams.get(written).cloned();
        let is_address =
            written.starts_with("unix:") || written.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty());
        if found.is_none() || !(is_address || texts.raw.upstreams.iter().any(|u| *u.name == **written)) {
            diagnostics
                .error(written.span, format!("`{}` is neither an upstream nor an address with a port", written.value))
                .help("write the name of an upstream, `127.0.0.1:11211` or `unix:/run/memcached.sock`");
            return None;
        }
        found
    }
}
