//! What becomes of cookies that upstreams set, compiled: `proxy_cookie_domain`, `proxy_cookie_path`, `proxy_cookie_flags`.

use super::compile::Texts;
use crate::config::raw::Scope;
use crate::config::{Diagnostics, Named, Span, Spanned};
use crate::pattern::Pattern;
use crate::variables::Template;

/// What is changed; nothing, mostly.
#[derive(Debug, Default)]
pub struct Cookies {
    pub domains: Vec<CookieRewrite>,
    pub paths: Vec<CookieRewrite>,
    pub flags: Vec<CookieFlags>,
}

/// One replacement in a domain or a path.
#[derive(Debug)]
pub enum CookieRewrite {
    /// Of a domain the whole but for a dot before it, of a path its beginning.
    Text {
        from: Template,
        to: Template,
    },
    Regex {
        from: Pattern,
        to: Template,
    },
}

/// Flags of the cookies of a name.
#[derive(Debug)]
pub struct CookieFlags {
    pub name: CookieName,
    pub flags: Vec<Template>,
}

#[derive(Debug)]
pub enum CookieName {
    Text(Template),
    Regex(Pattern),
}

/// What a flag says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieFlag {
    Secure(bool),
    HttpOnly(bool),
    /// `None`: it is taken away.
    SameSite(Option<&'static str>),
}

impl CookieFlag {
    pub const WORDS: [&'static str; 8] = [
        "secure",
        "nosecure",
        "httponly",
        "nohttponly",
        "samesite=strict",
        "samesite=lax",
        "samesite=none",
        "nosamesite",
    ];

    pub fn parse(word: &[u8]) -> Option<CookieFlag> {
        Some(match word {
            b"secure" => CookieFlag::Secure(true),
            b"nosecure" => CookieFlag::Secure(false),
            b"httponly" => CookieFlag::HttpOnly(true),
            b"nohttponly" => CookieFlag::HttpOnly(false),
            b"samesite=strict" => CookieFlag::SameSite(Some("Strict")),
            b"samesite=lax" => CookieFlag::SameSite(Some("Lax")),
            b"samesite=none" => CookieFlag::SameSite(Some("None")),
            b"nosamesite" => CookieFlag::SameSite(None),
            _ => return None,
        })
    }
}

impl Cookies {
    pub(super) fn compile(scope: &Scope, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Cookies {
        let (domains, paths) = (scope.proxy_cookie_domain().0, scope.proxy_cookie_path().0);
        Cookies {
            domains: domains.iter().filter_map(|(from, to)| domain(from, to, texts, diagnostics)).collect(),
            paths: paths.iter().filter_map(|(from, to)| path(from, to, texts, diagnostics)).collect(),
            flags: flags(&scope.proxy_cookie_flags().0, texts, diagnostics),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.domains.is_empty() && self.paths.is_empty() && self.flags.is_empty()
    }
}

/// The dot that a domain may begin with means nothing, so that it is not compared.
fn domain(from: &Spanned<String>, to: &str, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Option<CookieRewrite> {
    if let Some(regex) = from.strip_prefix('~') {
        return rule(regex, true, to, from.span, texts, diagnostics);
    }
    let bare = |text: &str| text.strip_prefix('.').unwrap_or(text).to_owned();
    Some(CookieRewrite::Text {
        from: texts.template(&bare(from), from.span, diagnostics),
        to: texts.template(&bare(to), from.span, diagnostics),
    })
}

fn path(from: &Spanned<String>, to: &str, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Option<CookieRewrite> {
    if let Some(regex) = from.strip_prefix("~*") {
        return rule(regex, true, to, from.span, texts, diagnostics);
    }
    if let Some(regex) = from.strip_prefix('~') {
        return rule(regex, false, to, from.span, texts, diagnostics);
    }
    Some(CookieRewrite::Text {
        from: texts.template(from, from.span, diagnostics),
        to: texts.template(to, from.span, diagnostics),
    })
}

fn rule(
    regex: &str,
    insensitive: bool,
    to: &str,
    at: Span,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<CookieRewrite> {
    let from = texts.pattern(regex.trim_start(), insensitive, at, diagnostics)?;
    Some(CookieRewrite::Regex { from, to: texts.template(to, at, diagnostics) })
}

fn flags(written: &Named<Vec<Spanned<String>>>, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Vec<CookieFlags> {
    let mut compiled = Vec::new();
    for (name, words) in written.iter() {
        for word in words.iter().filter(|w| !w.contains('$') && CookieFlag::parse(w.as_bytes()).is_none()) {
            diagnostics
                .error(word.span, format!("`{}` is no flag of a cookie", word.value))
                .did_you_mean(word, CookieFlag::WORDS);
        }
        let matched = match name.strip_prefix('~') {
            Some(regex) => texts.pattern(regex.trim_start(), true, name.span, diagnostics).map(CookieName::Regex),
            None => Some(CookieName::Text(texts.template(name, name.span, diagnostics))),
        };
        let Some(name) = matched else { continue };
        let flags = words.iter().map(|word| texts.template(word, word.span, diagnostics)).collect();
        compiled.push(CookieFlags { name, flags });
    }
    compiled
}
