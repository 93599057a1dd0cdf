//! What bodies go through before they are compressed, compiled: `gunzip`, `sub_filter`, `charset` with its maps,
//! `add_before_body` and `add_after_body`.

use super::compile::Texts;
use crate::compress::Types;
use crate::config::raw::{Raw, Scope};
use crate::config::{Diagnostics, Spanned};
use crate::filter::Tables;
use crate::filter::charset::MapError;
use crate::variables::Template;
use std::sync::Arc;

/// The filters of a location, of which there is at least one.
#[derive(Debug)]
pub struct Filters {
    pub gunzip: bool,
    pub sub: Option<Sub>,
    pub recoding: Option<Recoding>,
    pub addition: Option<Addition>,
}

/// `sub_filter`
#[derive(Debug)]
pub struct Sub {
    pub pairs: Vec<(Template, Template)>,
    pub once: bool,
    pub last_modified: bool,
    pub types: Types,
}

/// `charset` where bodies are changed to it.
#[derive(Debug)]
pub struct Recoding {
    /// `charset`
    pub to: Template,
    /// `source_charset`
    pub from: Option<String>,
    /// `override_charset`
    pub overrides: bool,
    pub types: Types,
    pub tables: Arc<Tables>,
}

/// `add_before_body`, `add_after_body`
#[derive(Debug)]
pub struct Addition {
    pub before: Option<String>,
    pub after: Option<String>,
    pub types: Types,
}

impl Filters {
    pub(super) fn compile(scope: &Scope, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Option<Filters> {
        let filters = Filters {
            gunzip: scope.gunzip(),
            sub: sub(scope, texts, diagnostics),
            recoding: recoding(scope, texts, diagnostics),
            addition: addition(scope, diagnostics),
        };
        let Filters { gunzip, sub, recoding, addition } = &filters;
        (*gunzip || sub.is_some() || recoding.is_some() || addition.is_some()).then_some(filters)
    }
}

fn sub(scope: &Scope, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Option<Sub> {
    let written = scope.sub_filter.as_ref()?;
    let mut pairs = Vec::new();
    for (from, to) in written.iter() {
        if from.is_empty() {
            diagnostics.error(from.span, "`sub_filter` looks for a text of at least one byte");
            continue;
        }
        let from = (texts.template(from, from.span, diagnostics), from.span);
        pairs.push((from.0, texts.template(to, from.1, diagnostics)));
    }
    Some(Sub {
        pairs,
        once: scope.sub_filter_once(),
        last_modified: scope.sub_filter_last_modified(),
        types: Types::new(scope.sub_filter_types()),
    })
}

fn addition(scope: &Scope, diagnostics: &mut Diagnostics) -> Option<Addition> {
    let mut path = |written: &Option<Spanned<String>>, key: &str| {
        let written = written.as_ref().filter(|path| !path.is_empty())?;
        if !written.starts_with('/') {
            diagnostics.error(written.span, format!("`{key}` is a path of this server: it begins with `/`"));
        }
        Some(written.value.clone())
    };
    let before = path(&scope.add_before_body, "add_before_body");
    let after = path(&scope.add_after_body, "add_after_body");
    let is_any = before.is_some() || after.is_some();
    is_any.then(|| Addition { before, after, types: Types::new(scope.addition_types()) })
}

fn recoding(scope: &Scope, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Option<Recoding> {
    let named = |name: String| Some(name).filter(|name| !matches!(name.as_str(), "off" | ""));
    let (from, overrides) = (named(scope.source_charset()), scope.override_charset());
    let to = named(scope.charset()).filter(|to| from.is_some() || overrides || to.contains('$'))?;
    let tables = texts.charsets.clone();
    if let (Some(from), Some(written)) = (&from, &scope.source_charset)
        && !to.contains('$')
        && !from.eq_ignore_ascii_case(&to)
        && !tables.has(from, &to)
    {
        diagnostics
            .error(written.span, format!("no \"charset_map\" between the charsets \"{from}\" and \"{to}\""))
            .help("write the bytes of one and what they are in the other as `charset_map`");
    }
    let at = scope.charset.as_ref().map(|charset| charset.span).unwrap_or_default();
    let to = texts.template(&to, at, diagnostics);
    Some(Recoding { to, from, overrides, types: Types::new(scope.charset_types()), tables })
}

/// The tables of `charset_map`.
pub(super) fn charsets(raw: &Raw, diagnostics: &mut Diagnostics) -> Tables {
    let mut tables = Tables::default();
    for (name, lines) in raw.scope.charset_map.iter().flat_map(|maps| maps.value.iter()) {
        let Some((from, to)) = name.split_once(' ').filter(|(from, to)| !from.is_empty() && !to.is_empty()) else {
            diagnostics
                .error(name.span, format!("`{}` does not name two charsets", name.value))
                .help("write `'koi8-r utf-8': { C0: D18E }`");
            continue;
        };
        if from.eq_ignore_ascii_case(to) {
            diagnostics.error(name.span, format!("\"charset_map\" between the same charsets \"{from}\" and \"{to}\""));
            continue;
        }
        let written = lines.iter().map(|(byte, other)| (byte.as_str(), other.as_str()));
        match tables.add(from, to, written) {
            Ok(true) => {}
            Ok(false) => {
                let why = format!("there is a `charset_map` between \"{from}\" and \"{to}\" already");
                diagnostics.error(name.span, why);
            }
            Err(MapError::Byte(text) | MapError::Character(text)) => {
                let is_of = |(byte, other): &(&Spanned<String>, &String)| byte.value == text || **other == text;
                let at = lines.iter().find(is_of).map_or(name.span, |(byte, _)| byte.span);
                let what =
                    if crate::filter::charset::is_utf8(to) { "a byte and a character of UTF-8" } else { "two bytes" };
                diagnostics.error(at, format!("invalid value `{text}`: a line has {what}, in hexadecimal"));
            }
        }
    }
    tables
}
