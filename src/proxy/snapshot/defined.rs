//! The variables that a configuration itself defines.

use crate::config::raw::{self, Raw};
use crate::config::types::ProxyRedirect;
use crate::pattern::Pattern;
use crate::variables::Defined;

/// The names that regular expressions with named groups define.
pub(super) fn names(raw: &Raw) -> Defined {
    let mut defined = Defined::default();
    let mut take = |text: &str, insensitive: bool| {
        if let Ok(pattern) = Pattern::compile(text, insensitive) {
            for (name, _) in pattern.names() {
                defined.slot(&name.to_ascii_lowercase());
            }
        }
    };
    for server in &raw.servers {
        for name in server.keys.server_name() {
            if let Some(regex) = name.strip_prefix('~') {
                take(regex, true);
            }
        }
        server.handling.rewrite.iter().flat_map(|l| &l.value).for_each(|r| take_rewrite(r, &mut take));
        redirect_names(&server.scope, &mut take);
        server.locations.iter().for_each(|l| location_names(l, &mut take));
    }
    redirect_names(&raw.scope, &mut take);
    let mut set = |scope: &raw::Scope| {
        for name in super::access::defined_names(scope) {
            defined.slot(&name.to_ascii_lowercase());
        }
    };
    set(&raw.scope);
    for server in &raw.servers {
        set(&server.scope);
        server.locations.iter().for_each(|l| each_scope(l, &mut set));
    }
    defined
}

fn each_scope(location: &raw::Location, each: &mut impl FnMut(&raw::Scope)) {
    each(&location.scope);
    location.locations.iter().for_each(|l| each_scope(l, each));
}

fn take_rewrite(rewrite: &crate::config::types::Rewrite, take: &mut impl FnMut(&str, bool)) {
    if let Some(pattern) = &rewrite.0.pattern {
        take(pattern, false);
    }
}

fn location_names(location: &raw::Location, take: &mut impl FnMut(&str, bool)) {
    let pattern = location.keys.pattern.as_deref().map(String::as_str).unwrap_or_default();
    if let Some(regex) = pattern.strip_prefix('~') {
        take(regex.trim_start_matches('*').trim_start(), true);
    }
    location.handling.rewrite.iter().flat_map(|l| &l.value).for_each(|r| take_rewrite(r, take));
    redirect_names(&location.scope, take);
    location.locations.iter().for_each(|l| location_names(l, take));
}

fn redirect_names(scope: &raw::Scope, take: &mut impl FnMut(&str, bool)) {
    if let Some(ProxyRedirect::Pairs(pairs)) = scope.proxy_redirect.as_deref() {
        pairs
            .iter()
            .filter_map(|(from, _)| from.strip_prefix('~'))
            .for_each(|regex| take(regex.trim_start_matches('*').trim_start(), true));
    }
}
