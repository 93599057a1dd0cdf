//! The names that a configuration itself defines: of `map`, `geo` and `split_clients`, of `set`, and of named groups of
//! regular expressions. They are gathered before any text is read, because each may stand in any of them.

use crate::config::raw::{self, If, Raw};
use crate::config::types::{Condition, ProxyRedirect, ScriptStep};
use crate::config::{Diagnostics, Spanned};
use crate::pattern::Pattern;
use crate::variables::{Defined, Variable};

pub(super) fn names(raw: &Raw, diagnostics: &mut Diagnostics) -> Defined {
    let mut names = Names { defined: Defined::default(), diagnostics };
    let main = &raw.main;
    let maps = main.map.iter().flat_map(|all| all.iter()).map(|(name, _)| name);
    let geos = main.geo.iter().flat_map(|all| all.iter()).map(|(name, _)| name);
    let splits = main.split_clients.iter().flat_map(|all| all.iter()).map(|(name, _)| name);
    maps.chain(geos).chain(splits).for_each(|name| names.define(name));
    for (_, map) in main.map.iter().flat_map(|all| all.iter()) {
        for (key, _) in map.0.values.iter().flat_map(|values| values.iter()) {
            if let Some(regex) = key.strip_prefix('~') {
                names.take(regex.strip_prefix('*').unwrap_or(regex));
            }
        }
    }
    for server in &raw.servers {
        for name in server.keys.server_name() {
            if let Some(regex) = name.strip_prefix('~') {
                names.take(regex);
            }
        }
        names.of_steps(&server.handling);
        names.of_redirects(&server.scope);
        server.locations.iter().for_each(|l| names.of_location(l));
    }
    names.of_redirects(&raw.scope);
    let mut defined = names.defined;
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

/// A name as it is written, without its `$`; `None` if it is none.
pub(super) fn name_of(written: &str) -> Option<&str> {
    let name = written.strip_prefix('$')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(is_name) && !name.starts_with(|c: char| c.is_ascii_digit())).then_some(name)
}

struct Names<'d> {
    defined: Defined,
    diagnostics: &'d mut Diagnostics,
}

impl Names<'_> {
    /// A name that is written down to be defined.
    fn define(&mut self, written: &Spanned<String>) {
        match name_of(written) {
            Some(name) if Variable::is_own(name) => {
                self.diagnostics
                    .error(written.span, format!("`${name}` has a meaning of its own, which nothing can change"))
                    .help("take another name");
            }
            Some(name) => drop(self.defined.slot(&name.to_ascii_lowercase())),
            None => {
                self.diagnostics
                    .error(written.span, format!("`{}` is no name of a variable", written.value))
                    .help("write `$` and letters, digits and `_`");
            }
        }
    }

    /// What can be set is defined, or one of nginx's own that can be.
    fn of_set(&mut self, written: &Spanned<String>) {
        match name_of(written) {
            Some(name) if super::script::own_settable(name).is_some() => {}
            _ => self.define(written),
        }
    }

    /// The named groups of an expression; whether it compiles is told where it is used.
    fn take(&mut self, regex: &str) {
        if let Ok(pattern) = Pattern::compile(regex, false) {
            for (name, _) in pattern.names() {
                self.defined.slot(&name.to_ascii_lowercase());
            }
        }
    }

    fn of_location(&mut self, location: &raw::Location) {
        let pattern = location.keys.pattern.as_deref().map(String::as_str).unwrap_or_default();
        if let Some(regex) = pattern.strip_prefix('~') {
            self.take(regex.trim_start_matches('*').trim_start());
        }
        self.of_steps(&location.handling);
        self.of_redirects(&location.scope);
        location.locations.iter().for_each(|l| self.of_location(l));
    }

    fn of_steps(&mut self, handling: &raw::Handling) {
        for step in handling.rewrite.iter().flat_map(|list| &list.value) {
            match &step.value {
                ScriptStep::Rewrite(rewrite) => {
                    rewrite.0.pattern.iter().for_each(|pattern| self.take(pattern));
                }
                ScriptStep::Set(set) => set.iter().for_each(|(name, _)| self.of_set(name)),
                ScriptStep::If(inner) => self.of_if(inner),
                ScriptStep::Return(_) | ScriptStep::Break => {}
            }
        }
    }

    fn of_if(&mut self, inner: &If) {
        if let Condition::Matches { pattern, .. } = &inner.condition.value {
            self.take(pattern);
        }
        self.of_steps(&inner.handling);
    }

    fn of_redirects(&mut self, scope: &raw::Scope) {
        if let Some(ProxyRedirect::Pairs(pairs)) = scope.proxy_redirect.as_deref() {
            pairs
                .iter()
                .filter_map(|(from, _)| from.strip_prefix('~'))
                .for_each(|regex| self.take(regex.trim_start_matches('*').trim_start()));
        }
    }
}
