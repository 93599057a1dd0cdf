//! Fields that are added, set or hidden, compiled.

use super::compile::Texts;
use crate::config::raw::Scope;
use crate::config::types::{self, ListInherit, RuleSource, RulesInherit};
use crate::config::value::Repeated;
use crate::config::{Diagnostics, Named, Span, Spanned};
use crate::variables::Template;
use std::time::Duration;

/// A field added to answers.
#[derive(Debug)]
pub struct AddHeader {
    pub name: String,
    pub value: Template,
    pub always: bool,
}

/// A field sent to an upstream; nothing is sent where the value turns out empty.
#[derive(Debug)]
pub struct UpstreamField {
    pub name: String,
    pub value: Template,
}

/// `expires`
#[derive(Clone, Debug, PartialEq)]
pub enum Expires {
    Off,
    Epoch,
    Max,
    /// After access, in seconds; negative: `no-cache`.
    Access(i64),
    /// After the last modification.
    Modified(i64),
    /// At a time of day, in seconds since midnight.
    Daily(u32),
    /// Known only when a request is there.
    Variable(Template),
}

impl Expires {
    /// nginx's forms: `15m`, `-1`, `modified +24h`, `@15h30m`, `epoch`, `max`, `off`.
    pub fn parse(text: &str) -> Option<Expires> {
        let seconds = |text: &str| {
            let (sign, text) = match text.as_bytes().first()? {
                b'-' => (-1, &text[1..]),
                b'+' => (1, &text[1..]),
                _ => (1, text),
            };
            crate::config::value::parse_time(text).map(|d| sign * d.as_secs() as i64)
        };
        match text {
            "off" | "false" => return Some(Expires::Off),
            "epoch" => return Some(Expires::Epoch),
            "max" => return Some(Expires::Max),
            _ => {}
        }
        if let Some(time) = text.strip_prefix('@') {
            let time = crate::config::value::parse_time(time)?;
            return (time < Duration::from_secs(86_400)).then_some(Expires::Daily(time.as_secs() as u32));
        }
        match text.strip_prefix("modified ") {
            Some(time) => seconds(time.trim()).map(Expires::Modified),
            None => seconds(text).map(Expires::Access),
        }
    }

    pub(super) fn compile(written: &str, at: Span, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Expires {
        if written.contains('$') {
            return Expires::Variable(texts.template(written, at, diagnostics));
        }
        Expires::parse(written).unwrap_or_else(|| {
            diagnostics
                .error(at, format!("`{written}` is not a value of `expires`"))
                .help("expected `15m`, `-1`, `modified +24h`, `@15h30m`, `epoch`, `max` or `off`");
            Expires::Off
        })
    }
}

pub(super) fn add_fields(
    written: &Option<Spanned<Named<types::AddHeader>>>,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Vec<AddHeader> {
    let Some(written) = written else {
        return Vec::new();
    };
    written
        .iter()
        .map(|(name, field)| {
            let text = field.0.value.as_ref();
            check_name(name, diagnostics);
            AddHeader {
                name: name.value.clone(),
                value: text.map(|t| texts.template(t, t.span, diagnostics)).unwrap_or(Template::literal("")),
                always: field.0.always(),
            }
        })
        .collect()
}

pub(super) fn upstream_fields(
    written: Option<&Spanned<Named<String>>>,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Vec<UpstreamField> {
    let Some(written) = written else {
        return Vec::new();
    };
    written
        .iter()
        .map(|(name, value)| {
            check_name(name, diagnostics);
            UpstreamField { name: name.value.clone(), value: texts.template(value, name.span, diagnostics) }
        })
        .collect()
}

/// A name that is no token would break every message it is put into.
fn check_name(name: &Spanned<String>, diagnostics: &mut Diagnostics) {
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        diagnostics.error(name.span, format!("`{}` is not a valid name of a field", name.value));
    }
}

/// A block's lists with those of the block outside, as `…_inherit` says; warns of what nginx's rule drops.
pub(super) fn inherit_lists(inner: &Scope, outer: &Scope, diagnostics: &mut Diagnostics) -> Scope {
    let mut scope = inner.inherit(outer);
    macro_rules! list {
        ($list:ident, $mode:ident) => {
            match (scope.$mode(), &inner.$list, &outer.$list) {
                (ListInherit::Merge, Some(own), Some(others)) => {
                    let mut merged = own.clone();
                    let names: Vec<String> = own.iter().map(|(n, _)| n.to_ascii_lowercase()).collect();
                    let kept = others.value.0.iter().filter(|(n, _)| !names.contains(&n.to_ascii_lowercase()));
                    merged.value.0.extend(kept.cloned());
                    scope.$list = Some(merged);
                }
                (ListInherit::Off, None, Some(_)) => scope.$list = None,
                (ListInherit::On, Some(own), Some(others)) => warn_of_dropped(
                    stringify!($list),
                    own.span,
                    own.iter().map(|(n, _)| n),
                    others.iter().map(|(n, _)| n),
                    diagnostics,
                ),
                _ => {}
            }
        };
    }
    scope.rules = rules_of(inner, outer);
    list!(add_header, add_header_inherit);
    list!(add_trailer, add_trailer_inherit);
    list!(proxy_set_header, proxy_set_header_inherit);
    if let (Some(own), Some(others)) = (&inner.grpc_set_header, &outer.grpc_set_header) {
        let names = |list: &Spanned<Named<String>>| list.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
        warn_of_dropped("grpc_set_header", own.span, names(own).iter(), names(others).iter(), diagnostics);
    }
    scope
}

/// Unlike nginx's lists these add up: a rule that protects the whole must not vanish because a location has one of its own.
fn rules_of(inner: &Scope, outer: &Scope) -> Option<Spanned<Repeated<RuleSource>>> {
    match (inner.rules_inherit(), &inner.rules, &outer.rules) {
        (RulesInherit::Off, own, _) => own.clone(),
        (RulesInherit::On, Some(own), Some(others)) => {
            let all = others.value.0.iter().chain(&own.value.0).cloned().collect();
            Some(Spanned { value: Repeated(all), span: own.span })
        }
        (RulesInherit::On, own, others) => own.clone().or_else(|| others.clone()),
    }
}

fn warn_of_dropped<'n>(
    key: &str,
    at: Span,
    own: impl Iterator<Item = &'n Spanned<String>>,
    others: impl Iterator<Item = &'n Spanned<String>>,
    diagnostics: &mut Diagnostics,
) {
    let own: Vec<&Spanned<String>> = own.collect();
    let dropped: Vec<&str> =
        others.filter(|o| !own.iter().any(|n| n.eq_ignore_ascii_case(o))).map(|o| o.value.as_str()).collect();
    if !dropped.is_empty() {
        diagnostics.warning(at, format!("this list replaces the outer `{key}`: {} not set here", join(&dropped))).help(
            match key {
                "grpc_set_header" => "write it here too".to_owned(),
                _ => format!("write it here too, or `{key}_inherit: merge`"),
            },
        );
    }
}

fn join(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
    match names.len() {
        1 => format!("{} is", names[0]),
        _ => format!("{} are", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expires_is_read_in_all_of_nginx_forms() {
        assert_eq!(Expires::parse("15m"), Some(Expires::Access(900)));
        assert_eq!(Expires::parse("-1"), Some(Expires::Access(-1)));
        assert_eq!(Expires::parse("modified +24h"), Some(Expires::Modified(86_400)));
        assert_eq!(Expires::parse("@15h30m"), Some(Expires::Daily(55_800)));
        assert_eq!(Expires::parse("@25h"), None);
        assert_eq!(Expires::parse("soon"), None);
    }
}
