//! Names that must mean something: caches, upstreams, named locations.

use super::compile::Texts;
use super::limits;
use crate::config::diagnostics::nearest;
use crate::config::raw::{self, Raw};
use crate::config::{Diagnostics, Spanned};

/// Names that must mean something, whether or not anybody uses what they stand in.
pub(super) fn check(raw: &Raw, texts: &Texts<'_>, diagnostics: &mut Diagnostics) {
    for (_, format) in raw.main.log_format.iter().flat_map(|f| f.iter()) {
        if let Some(text) = &format.0.format {
            texts.template(text, text.span, diagnostics);
        }
    }
    check_cache(&raw.scope, raw, diagnostics);
    limits::check(&raw.scope, raw, diagnostics);
    for server in &raw.servers {
        check_cache(&server.scope, raw, diagnostics);
        limits::check(&server.scope, raw, diagnostics);
        server.locations.iter().for_each(|l| check_location(l, raw, diagnostics));
        let mut names = Vec::new();
        server.locations.iter().for_each(|l| named_locations(l, &mut names));
        check_named(&server.scope, &server.handling, &names, diagnostics);
        server.locations.iter().for_each(|l| check_named_in(l, &names, diagnostics));
    }
}

fn check_location(location: &raw::Location, raw: &Raw, diagnostics: &mut Diagnostics) {
    check_cache(&location.scope, raw, diagnostics);
    limits::check(&location.scope, raw, diagnostics);
    if let Some(pass) = &location.keys.proxy_pass {
        check_upstream(pass, super::Url::parse(pass), raw, diagnostics);
    }
    if let Some(pass) = &location.keys.grpc_pass {
        check_upstream(pass, super::Url::parse_grpc(pass), raw, diagnostics);
    }
    location.locations.iter().for_each(|l| check_location(l, raw, diagnostics));
}

fn check_cache(scope: &raw::Scope, raw: &Raw, diagnostics: &mut Diagnostics) {
    let Some(zone) = scope.proxy_cache.as_ref().filter(|z| !matches!(z.as_str(), "off" | "false")) else { return };
    let zones = || raw.main.proxy_cache_path.iter().flat_map(|p| p.0.iter()).map(|(name, _)| name.as_str());
    if !zones().any(|name| name == zone.as_str()) {
        diagnostics
            .error(zone.span, format!("no cache is named `{}`", zone.as_str()))
            .did_you_mean(zone.as_str(), zones())
            .help("`proxy_cache_path` names the caches");
    }
}

/// A host may be called anything, so that only what looks like an upstream can be told.
fn check_upstream(
    pass: &Spanned<String>,
    url: Result<super::Url<'_>, &'static str>,
    raw: &Raw,
    diagnostics: &mut Diagnostics,
) {
    let Ok(url) = url else { return };
    let names = || raw.upstreams.iter().map(|u| u.name.as_str());
    let plain = !url.authority.contains(['.', ':', '$']) && !names().any(|name| name == url.authority);
    if let Some(meant) = nearest(url.authority, names()).filter(|_| plain) {
        diagnostics
            .warning(pass.span, format!("`{}` is no upstream: it is taken for a host", url.authority))
            .help(format!("did you mean `{meant}`?"));
    }
}

fn named_locations<'r>(location: &'r raw::Location, names: &mut Vec<&'r str>) {
    names.extend(location.keys.pattern.as_deref().map(|p| p.trim()).filter(|p| p.starts_with('@')));
    location.locations.iter().for_each(|l| named_locations(l, names));
}

fn check_named_in(location: &raw::Location, names: &[&str], diagnostics: &mut Diagnostics) {
    check_named(&location.scope, &location.handling, names, diagnostics);
    location.locations.iter().for_each(|l| check_named_in(l, names, diagnostics));
}

/// `try_files` and `error_page` may lead to a location by its name, which has to be there.
fn check_named(scope: &raw::Scope, handling: &raw::Handling, names: &[&str], diagnostics: &mut Diagnostics) {
    let last = handling.try_files.iter().filter_map(|files| files.value.last());
    let pages = scope.error_page.iter().flat_map(|pages| &pages.0).map(|page| &page.uri);
    for target in last.chain(pages).filter(|t| t.starts_with('@') && !names.contains(&t.as_str())) {
        diagnostics
            .error(target.span, format!("no location of this server is named `{}`", target.as_str()))
            .did_you_mean(target, names.iter().copied());
    }
}
