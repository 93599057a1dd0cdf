//! `sticky` of upstreams, compiled.

use super::compile::Texts;
use crate::config::raw::{self, Raw};
use crate::config::types::{LearnKeys, StickyExpires, StickyKeys};
use crate::config::{Diagnostics, Span, Spanned};
use crate::session::sticky::{Cookie, Expires, Learn, Limits, Sticky, is_same_site};
use crate::variables::Template;
use std::collections::BTreeMap;

/// What binds the clients of each upstream that says so.
pub(super) fn sticky(raw: &Raw, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> BTreeMap<String, Sticky> {
    let mut all = BTreeMap::new();
    for upstream in &raw.upstreams {
        let Some(written) = &upstream.keys.sticky else { continue };
        if let Some(session) = &upstream.keys.session {
            let place = diagnostics.place(session.span);
            diagnostics
                .error(written.span, "`sticky` and `session` both say which server a request belongs to")
                .help(format!("`session` at {place} follows the route of a session's id: leave one of them out"));
        }
        if let Some(sticky) = one(upstream, written.span, &written.value.0, texts, diagnostics) {
            all.insert(upstream.name.value.clone(), sticky);
        }
    }
    all
}

fn one(
    upstream: &raw::Upstream,
    at: Span,
    keys: &StickyKeys,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Sticky> {
    if keys.cookie.is_none() {
        check_lost(keys, diagnostics);
    }
    match (&keys.cookie, &keys.route, &keys.learn) {
        (Some(name), None, None) => {
            check_values(upstream, diagnostics);
            cookie(keys, name, texts, diagnostics).map(Sticky::Cookie)
        }
        (None, Some(route), None) => {
            check_routes(upstream, diagnostics);
            variables("route", route.span, &route.value, texts, diagnostics).map(Sticky::Route)
        }
        (None, None, Some(by)) => learn(upstream, by.span, &by.value.0, texts, diagnostics).map(Sticky::Learn),
        (None, None, None) => {
            diagnostics.error(at, "`sticky` does not say what binds a client").help(
                "write `cookie: NAME`, `route: [$VARIABLE]` or `learn: { create: $VARIABLE, lookup: $VARIABLE }`",
            );
            None
        }
        _ => {
            diagnostics
                .error(at, "`sticky` binds clients in several ways")
                .help("take all but one of `cookie`, `route` and `learn` out");
            None
        }
    }
}

/// What says something of a cookie that is not there.
fn check_lost(keys: &StickyKeys, diagnostics: &mut Diagnostics) {
    fn at<T>(name: &'static str, key: &Option<Spanned<T>>) -> Option<(&'static str, Span)> {
        key.as_ref().map(|key| (name, key.span))
    }
    let lost = [
        at("expires", &keys.expires),
        at("domain", &keys.domain),
        at("path", &keys.path),
        at("secure", &keys.secure),
        at("httponly", &keys.httponly),
        at("samesite", &keys.samesite),
    ];
    for (name, at) in lost.into_iter().flatten() {
        diagnostics.error(at, format!("`{name}` belongs to `cookie`")).help("write `cookie: NAME` beside it");
    }
}

fn cookie(
    keys: &StickyKeys,
    name: &Spanned<String>,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Cookie> {
    // A cookie's name is a token, as that of a field.
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        diagnostics
            .error(name.span, format!("`{}` is no name of a cookie", name.value))
            .help("letters, digits, `-` and `_` will do");
        return None;
    }
    if let Some(path) = keys.path.as_ref().filter(|path| !path.bytes().all(is_of_attribute)) {
        diagnostics.error(path.span, "the `path` of a cookie has no `;` and nothing but visible ASCII");
    }
    if let Some(domain) = keys.domain.as_ref().filter(|domain| !domain.bytes().all(is_of_attribute)) {
        diagnostics.error(domain.span, "the `domain` of a cookie has no `;` and nothing but visible ASCII");
    }
    let mut template =
        |key: &Option<Spanned<String>>| key.as_ref().map(|text| texts.template(text, text.span, diagnostics));
    let (domain, samesite) = (template(&keys.domain), template(&keys.samesite));
    let unknown = samesite.as_ref().and_then(Template::as_literal).is_some_and(|value| !is_same_site(value));
    if let (true, Some(written)) = (unknown, &keys.samesite) {
        diagnostics.error(written.span, format!("expected `strict`, `lax` or `none`, found `{}`", written.value));
    }
    Some(Cookie {
        name: name.value.clone(),
        expires: keys.expires.as_ref().map(|expires| match expires.value {
            StickyExpires::Max => Expires::Max,
            StickyExpires::After(time) => Expires::After(time.0),
        }),
        domain,
        path: keys.path.as_ref().map(|path| path.value.clone()),
        secure: keys.secure(),
        httponly: keys.httponly(),
        samesite,
    })
}

fn is_of_attribute(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b';'
}

/// nginx's least zone.
const LEAST: u64 = 32 * 1024;

fn learn(
    upstream: &raw::Upstream,
    at: Span,
    keys: &LearnKeys,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Learn> {
    let (Some(create), Some(lookup)) = (&keys.create, &keys.lookup) else {
        diagnostics
            .error(at, "`learn` needs `create` and `lookup`")
            .help("write such as `learn: { create: $upstream_cookie_sid, lookup: $cookie_sid }`");
        return None;
    };
    if let Some(size) = keys.size.as_ref().filter(|size| size.value.0 < LEAST) {
        diagnostics.error(size.span, "zone is too small").help("`32k` is the least, room for 250 ids");
    }
    if let Some(timeout) = keys.timeout.as_ref().filter(|timeout| timeout.value.0.is_zero()) {
        diagnostics.error(timeout.span, "invalid timeout").help("every id would be forgotten at once");
    }
    let create = variables("create", create.span, &create.value, texts, diagnostics);
    let lookup = variables("lookup", lookup.span, &lookup.value, texts, diagnostics);
    Some(Learn {
        create: create?,
        lookup: lookup?,
        limits: Limits::of_size(keys.size().0, keys.timeout().0),
        learned: texts.resources.learned.of(&upstream.name),
    })
}

/// Texts that say something else for each request.
fn variables(
    name: &str,
    at: Span,
    written: &[Spanned<String>],
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<Template>> {
    if written.is_empty() {
        diagnostics.error(at, format!("`{name}` names no variable"));
        return None;
    }
    let compiled: Vec<Template> = written
        .iter()
        .map(|text| {
            let template = texts.template(text, text.span, diagnostics);
            if !text.contains('$') {
                diagnostics
                    .error(text.span, format!("invalid variable name \"{}\"", text.value))
                    .help("a variable begins with `$`, such as `$cookie_route`");
            }
            template
        })
        .collect();
    Some(compiled)
}

/// A server without a route is named by no request.
fn check_routes(upstream: &raw::Upstream, diagnostics: &mut Diagnostics) {
    for server in upstream.keys.servers.iter().flat_map(|servers| &servers.value) {
        let server = &server.value.0;
        if let (Some(address), None) = (&server.address, &server.route) {
            diagnostics
                .warning(address.span, format!("`{}` has no route: no client can be bound to it", address.value))
                .help("write `route:` with what the variables of `sticky` say for this server");
        }
    }
}

/// What a cookie cannot hold.
fn check_values(upstream: &raw::Upstream, diagnostics: &mut Diagnostics) {
    for server in upstream.keys.servers.iter().flat_map(|servers| &servers.value) {
        let Some(route) = &server.value.0.route else { continue };
        if route.is_empty() || !route.bytes().all(|byte| is_of_attribute(byte) && !b"\",\\".contains(&byte)) {
            diagnostics
                .error(route.span, format!("`{}` cannot stand in a cookie", route.value))
                .help("letters, digits, `.`, `-` and `_` will do");
        }
    }
}
