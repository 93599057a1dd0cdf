//! `proxy_store`, compiled.

use super::compile::Texts;
use super::location::rooted;
use crate::config::raw::Scope;
use crate::config::{Diagnostics, Span};
use crate::variables::Template;

/// Where answers are left as files.
#[derive(Debug)]
pub struct Store {
    /// `None`: where the location would look for the file.
    pub path: Option<Template>,
    /// `proxy_store_access`
    pub mode: u32,
    /// Of the directories that are made for it.
    pub directory_mode: u32,
}

impl Store {
    /// `None`: nothing is stored, or the cache that is configured further inside takes its place, as in nginx.
    pub(super) fn compile(scope: &Scope, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Option<Store> {
        let written =
            scope.proxy_store.as_ref().filter(|written| !matches!(written.value.as_str(), "off" | "false"))?;
        let place = |span: Span| (span.file, span.line, span.column);
        let cache = scope.proxy_cache.as_ref().filter(|cache| !matches!(cache.value.as_str(), "off" | "false"));
        if cache.is_some_and(|cache| place(cache.span) > place(written.span)) {
            return None;
        }
        let access = scope.proxy_store_access();
        Some(Store {
            path: match written.value.as_str() {
                "on" | "true" => None,
                path => Some(rooted(path, written.span, texts, diagnostics)),
            },
            mode: access.0,
            directory_mode: access.of_directory(),
        })
    }
}
