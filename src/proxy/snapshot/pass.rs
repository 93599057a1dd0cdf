//! `proxy_pass`, `grpc_pass` and the keys around them, compiled.

use super::Next;
use super::cache::{self, Caching};
use super::compile::Texts;
use super::cookies::Cookies;
use super::headers::UpstreamField;
use super::limits::Amount;
use super::secure::Secure;
use super::settings::Settings;
use super::store::Store;
use super::url::Url;
use crate::config::raw::Scope;
use crate::config::types::{BindAddress, ProxyHeader, ProxyRedirect, UpstreamVersion};
use crate::config::{Diagnostics, Spanned};
use crate::pattern::Pattern;
use crate::proxy::sessions::{Sessions, Wire};
use crate::upstream::{self, UpstreamSettings};
use crate::variables::{Template, Variable};
use bytes::Bytes;
use http::HeaderName;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Where requests of a location go, and how.
#[derive(Debug)]
pub struct Pass {
    pub target: PassTarget,
    /// What stands in the place of the location's prefix; `None`: the client's URI goes on as it is.
    pub uri: Option<Template>,
    pub http_version: UpstreamVersion,
    /// A gRPC call: HTTP/2 or nothing, both bodies as they come.
    pub grpc: bool,
    /// How TLS is spoken, where the URL asks for it.
    pub secure: Option<Arc<Secure>>,
    /// `proxy_protocol`
    pub proxy_header: ProxyHeader,
    pub method: Option<Template>,
    pub set_body: Option<Template>,
    pub fields: Vec<UpstreamField>,
    pub pass_body: bool,
    pub pass_headers: bool,
    /// Fields of the answer that the client does not see.
    pub hidden: Vec<HeaderName>,
    /// Fields of the answer that edge does not obey, in lower case.
    pub ignored: Vec<String>,
    pub redirect: Vec<Redirect>,
    pub cookies: Cookies,
    /// `proxy_bind`
    pub bind: Option<Bind>,
    pub next: Next,
    pub connect_timeout: Duration,
    pub send_timeout: Duration,
    pub read_timeout: Duration,
    pub buffering: bool,
    /// `proxy_limit_rate`
    pub limit_rate: Amount,
    /// `proxy_buffer_size`: the longest head of an answer, in bytes.
    pub longest_head: u64,
    pub intercept_errors: bool,
    pub ignore_client_abort: bool,
    pub socket_keepalive: bool,
    /// `proxy_force_ranges`
    pub force_ranges: bool,
    /// `proxy_cache`
    pub caching: Option<Arc<Caching>>,
    /// `proxy_store`
    pub store: Option<Store>,
}

/// Who is asked.
#[derive(Debug)]
pub enum PassTarget {
    /// An upstream, or a host that was made one.
    Upstream {
        upstream: Arc<upstream::Upstream>,
        host: Bytes,
        port: Bytes,
        tls: bool,
        /// How its applications keep sessions, if it is said.
        sessions: Option<Arc<Sessions>>,
    },
    /// Known only when a request is there: the whole URL.
    Variable(Template),
}

/// One replacement in `Location` and `Refresh`.
#[derive(Debug)]
pub enum Redirect {
    Prefix { from: Template, to: Template },
    Regex { from: Pattern, to: Template },
}

/// Where connections come from.
#[derive(Debug)]
pub enum Bind {
    Address(IpAddr, u16),
    /// Known only when a request is there.
    Variable(Template),
}

impl Bind {
    /// `192.0.2.1`, `192.0.2.1:4711`, `[2001:db8::1]:4711`
    pub fn parse(text: &str) -> Option<(IpAddr, u16)> {
        let plain = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let address = plain.parse().ok().map(|address| (address, 0));
        address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| (address.ip(), address.port())))
    }
}

/// `proxy_bind`, `memcached_bind`
pub(super) fn bind(
    written: Option<&Spanned<BindAddress>>,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Bind> {
    let written = written?;
    let text = written.value.0.as_ref()?;
    if text.contains('$') {
        return Some(Bind::Variable(texts.template(text, written.span, diagnostics)));
    }
    let parsed = Bind::parse(text);
    if parsed.is_none() {
        diagnostics
            .error(written.span, format!("`{text}` is no address"))
            .help("write `192.0.2.1`, `192.0.2.1:4711` or `[2001:db8::1]:4711`; a name is not looked up");
    }
    parsed.map(|(address, port)| Bind::Address(address, port))
}

/// The upstreams that `proxy_pass` and `grpc_pass` make of plain hosts: those no `upstream` block defines.
pub(super) fn implicit_upstream(
    written: &str,
    grpc: bool,
    is_defined: impl Fn(&str) -> bool,
) -> Option<UpstreamSettings> {
    if written.contains('$') {
        return None;
    }
    let url = if grpc { Url::parse_grpc(written) } else { Url::parse(written) }.ok()?;
    if is_defined(url.authority) {
        return None;
    }
    let mut settings = UpstreamSettings::new(url.address());
    settings.servers.push(upstream::ServerSettings::new(url.address()));
    Some(settings)
}

/// What a `proxy_pass` stands in.
pub(super) struct Place<'p> {
    pub pattern: &'p str,
    pub is_regex: bool,
    pub is_named: bool,
}

impl Pass {
    /// Whether the servers are spoken to over TLS, as far as the configuration says.
    pub fn is_tls(&self) -> bool {
        match &self.target {
            PassTarget::Upstream { tls, .. } => *tls,
            PassTarget::Variable(_) => false,
        }
    }

    pub(super) fn compile(
        written: &Spanned<String>,
        place: &Place<'_>,
        scope: &Scope,
        texts: &Texts<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Pass> {
        let settings = Settings::proxy(scope);
        let (target, uri) = match written.contains('$') {
            true => (PassTarget::Variable(texts.template(written, written.span, diagnostics)), None),
            false => Self::fixed(written, place, texts, diagnostics)?,
        };
        let http_version = scope.proxy_http_version();
        if let (UpstreamVersion::Http2, Some(body)) = (http_version, &scope.proxy_set_body) {
            diagnostics
                .error(body.span, "`proxy_set_body` does not go with `proxy_http_version: 2`")
                .help("write `proxy_http_version: 1.1` here");
        }
        let store = Store::compile(scope, texts, diagnostics);
        let pass = Pass {
            uri: uri.as_ref().map(|u| texts.template(u, written.span, diagnostics)),
            redirect: Self::redirects(written, uri.as_deref(), place, scope, texts, diagnostics),
            http_version,
            cookies: Cookies::compile(scope, texts, diagnostics),
            bind: bind(scope.proxy_bind.as_ref(), texts, diagnostics),
            method: scope.proxy_method.as_ref().map(|m| texts.template(m, m.span, diagnostics)),
            set_body: scope.proxy_set_body.as_ref().map(|b| texts.template(b, b.span, diagnostics)),
            pass_body: scope.proxy_pass_request_body(),
            pass_headers: scope.proxy_pass_request_headers(),
            buffering: scope.proxy_buffering(),
            limit_rate: Amount::compile(scope.proxy_limit_rate.as_ref(), texts, diagnostics),
            ignore_client_abort: scope.proxy_ignore_client_abort(),
            force_ranges: scope.proxy_force_ranges(),
            caching: cache::compile(scope, texts, diagnostics).filter(|_| store.is_none()),
            store,
            ..Self::plain(written, target, scope, &settings, texts, diagnostics)
        };
        pass.look_at_slices(scope, diagnostics);
        pass.tell_sessions();
        Some(pass)
    }

    /// Whoever watches the servers of sessions speaks to them as this does.
    fn tell_sessions(&self) {
        if let PassTarget::Upstream { sessions: Some(sessions), .. } = &self.target {
            sessions.note_wire(|| Wire::of(self));
        }
    }

    /// Nothing but the user's own field asks for a part, as in nginx.
    fn look_at_slices(&self, scope: &Scope, diagnostics: &mut Diagnostics) {
        let is_on = self.caching.as_ref().is_some_and(|caching| caching.slice.is_some());
        let asks = |field: &UpstreamField| {
            field.name.eq_ignore_ascii_case("range") && field.value.uses(|v| matches!(v, Variable::SliceRange))
        };
        if let (true, false, Some(written)) = (is_on, self.fields.iter().any(asks), &scope.slice) {
            diagnostics
                .warning(written.span, "`slice` asks for no part here: no `proxy_set_header` sends `Range: $slice_range`")
                .help(
                    "write `proxy_set_header: { Range: $slice_range }`; without it the upstream sends all of an answer for \
                     each part",
                );
        }
    }

    /// `grpc_pass`: the same way over HTTP/2, with nothing held back in either direction.
    pub(super) fn compile_grpc(
        written: &Spanned<String>,
        scope: &Scope,
        texts: &Texts<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Pass> {
        let target = match Url::parse_grpc(written) {
            _ if written.contains('$') => PassTarget::Variable(texts.template(written, written.span, diagnostics)),
            Ok(url) => Self::target(&url, written, texts, diagnostics)?,
            Err(why) => {
                diagnostics.error(written.span, format!("`grpc_pass: {}`: {why}", written.value)).help(
                    "write `grpc://NAME` with the name of an upstream, `grpc://host:port` or, with TLS, `grpcs://…`",
                );
                return None;
            }
        };
        let settings = Settings::grpc(scope);
        let bind = bind(scope.grpc_bind.as_ref(), texts, diagnostics);
        let pass = Pass { grpc: true, bind, ..Self::plain(written, target, scope, &settings, texts, diagnostics) };
        pass.tell_sessions();
        Some(pass)
    }

    /// What both have, and for the rest what a gRPC call needs.
    fn plain(
        written: &Spanned<String>,
        target: PassTarget,
        scope: &Scope,
        settings: &Settings<'_>,
        texts: &Texts<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Pass {
        let tls = match &target {
            PassTarget::Upstream { tls, .. } => *tls,
            PassTarget::Variable(_) => !["http://", "grpc://"].iter().any(|scheme| written.starts_with(scheme)),
        };
        // Who names the scheme by a variable may mean plain HTTP only, and is not warned.
        let certain = matches!(&target, PassTarget::Upstream { .. }) || written.starts_with("https://");
        let secure = tls.then(|| Secure::compile(&settings.tls, written.span, certain, texts, diagnostics)).flatten();
        Pass {
            target,
            uri: None,
            http_version: UpstreamVersion::Http2,
            grpc: false,
            secure: secure.map(Arc::new),
            proxy_header: scope.proxy_protocol(),
            method: None,
            set_body: None,
            fields: settings.fields(texts, diagnostics),
            pass_body: true,
            pass_headers: true,
            hidden: settings.hidden(),
            ignored: settings.ignored(),
            redirect: Vec::new(),
            cookies: Cookies::default(),
            bind: None,
            next: settings.next,
            connect_timeout: settings.connect_timeout,
            send_timeout: settings.send_timeout,
            read_timeout: settings.read_timeout,
            buffering: false,
            limit_rate: Amount::Known(0),
            longest_head: settings.longest_head,
            intercept_errors: settings.intercept_errors,
            ignore_client_abort: false,
            socket_keepalive: settings.socket_keepalive,
            force_ranges: false,
            caching: None,
            store: None,
        }
    }

    /// What its connections speak if the upstream agrees.
    pub fn version(&self) -> http::Version {
        match self.http_version {
            UpstreamVersion::Http10 => http::Version::HTTP_10,
            UpstreamVersion::Http11 => http::Version::HTTP_11,
            UpstreamVersion::Http2 => http::Version::HTTP_2,
        }
    }

    /// The upstream and the URI of a URL without variables.
    fn fixed(
        written: &Spanned<String>,
        place: &Place<'_>,
        texts: &Texts<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<(PassTarget, Option<String>)> {
        let url = match Url::parse(written) {
            Ok(url) => url,
            Err(why) => {
                diagnostics.error(written.span, format!("`proxy_pass: {}`: {why}", written.value)).help(
                    "write `http://NAME` with the name of an upstream, or `http://host:port`; `https://` for TLS",
                );
                return None;
            }
        };
        if url.uri.is_some() && (place.is_regex || place.is_named) {
            diagnostics
                .error(
                    written.span,
                    "`proxy_pass` can have no URI part in a location given by a regular expression or a name",
                )
                .help(format!("write `proxy_pass: {}://{}`, or a `rewrite` before it", url.scheme(), url.authority));
            return None;
        }
        let target = Self::target(&url, written, texts, diagnostics)?;
        Some((target, url.uri.map(str::to_owned)))
    }

    fn target(
        url: &Url<'_>,
        written: &Spanned<String>,
        texts: &Texts<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<PassTarget> {
        let is_defined = texts.raw.upstreams.iter().any(|u| *u.name == url.authority);
        let name = if is_defined { url.authority.to_owned() } else { url.address() };
        let Some(upstream) = texts.upstreams.get(&name) else {
            diagnostics.error(written.span, format!("`{}` is neither an upstream nor an address", url.authority));
            return None;
        };
        Some(PassTarget::Upstream {
            upstream: upstream.clone(),
            host: Bytes::copy_from_slice(url.host().as_bytes()),
            port: Bytes::copy_from_slice(url.port().as_bytes()),
            tls: url.tls,
            sessions: texts.sessions.get(&name).cloned(),
        })
    }

    /// With a URI its text becomes the location's; without one the upstream's root becomes ours.
    fn default_redirect(written: &Spanned<String>, uri: Option<&str>, place: &Place<'_>) -> Redirect {
        let (from, to) = match uri {
            Some(_) if !place.is_regex => (written.value.clone(), place.pattern.to_owned()),
            _ => (format!("{}/", written.value.trim_end_matches('/')), "/".to_owned()),
        };
        Redirect::Prefix { from: Template::literal(from), to: Template::literal(to) }
    }

    fn redirects(
        written: &Spanned<String>,
        uri: Option<&str>,
        place: &Place<'_>,
        scope: &Scope,
        texts: &Texts<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Vec<Redirect> {
        let pairs = match scope.proxy_redirect() {
            ProxyRedirect::Off => return Vec::new(),
            // nginx has no default where proxy_pass has variables.
            ProxyRedirect::Default if written.contains('$') => return Vec::new(),
            ProxyRedirect::Default => return vec![Self::default_redirect(written, uri, place)],
            ProxyRedirect::Pairs(pairs) => pairs,
        };
        pairs
            .iter()
            .filter_map(|(from, to)| {
                if from.value == "default" && to == "default" {
                    let is_known = !written.contains('$');
                    return is_known.then(|| Self::default_redirect(written, uri, place));
                }
                let to = texts.template(to, from.span, diagnostics);
                let (regex, insensitive) = match from.strip_prefix("~*") {
                    Some(rest) => (Some(rest), true),
                    None => (from.strip_prefix('~'), false),
                };
                match regex {
                    Some(regex) => {
                        let from = texts.pattern(regex.trim_start(), insensitive, from.span, diagnostics)?;
                        Some(Redirect::Regex { from, to })
                    }
                    None => Some(Redirect::Prefix { from: texts.template(from, from.span, diagnostics), to }),
                }
            })
            .collect()
    }
}
