//! What a location says of local files, compiled.

use super::compile::Texts;
use crate::config::raw::Scope;
use crate::config::{Diagnostics, types};
use crate::files;
use crate::variables::Template;

pub(super) fn settings(
    scope: &Scope,
    charset: Option<&files::Charset>,
    diagnostics: &mut Diagnostics,
) -> files::FileSettings {
    let own: Vec<(String, String)> = scope
        .types
        .iter()
        .flat_map(|t| t.value.iter())
        .map(|(kind, extensions)| (kind.value.clone(), extensions.join(" ")))
        .collect();
    let at = scope.types.as_ref().map(|t| t.span).unwrap_or_default();
    let types = match scope.types {
        Some(_) => files::Types::new(own.iter().map(|(k, e)| (k.as_str(), e.as_str())), &scope.default_type(), charset),
        None => files::Types::new(files::Types::debian(), &scope.default_type(), charset),
    };
    let types = types.unwrap_or_else(|e| {
        diagnostics.error(at, e.to_string());
        files::Types::new([], "", None).unwrap_or_else(|_| unreachable!("a table without entries has no bad type"))
    });
    let precompressed = |mode| match mode {
        types::Precompressed::Off => files::Static::Off,
        types::Precompressed::On => files::Static::On,
        types::Precompressed::Always => files::Static::Always,
    };
    files::FileSettings {
        types,
        etag: scope.etag(),
        if_modified_since: match scope.if_modified_since() {
            types::IfModifiedSince::Off => files::IfModifiedSince::Off,
            types::IfModifiedSince::Exact => files::IfModifiedSince::Exact,
            types::IfModifiedSince::Before => files::IfModifiedSince::Before,
        },
        max_ranges: scope.max_ranges.as_ref().map_or(usize::MAX, |m| m.value as usize),
        gzip_static: precompressed(scope.gzip_static()),
        brotli_static: precompressed(scope.brotli_static()),
        zstd_static: precompressed(scope.zstd_static()),
        gzip_vary: scope.gzip_vary(),
        listing: listing(scope),
        random_index: false,
    }
}

/// `disable_symlinks`
pub(super) fn links(
    scope: &Scope,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<(files::Distrust, Template)> {
    let types::DisableSymlinks { rule, from } = scope.disable_symlinks();
    let at = scope.disable_symlinks.as_ref().map(|rule| rule.span).unwrap_or_default();
    let distrust = match rule {
        types::Symlinks::Off => return None,
        types::Symlinks::On => files::Distrust::All,
        types::Symlinks::IfNotOwner => files::Distrust::OfOthers,
    };
    let from =
        from.map_or_else(|| Template::literal(""), |from| super::location::rooted(&from, at, texts, diagnostics));
    Some((distrust, from))
}

/// `autoindex`
fn listing(scope: &Scope) -> Option<files::Listing> {
    let format = match scope.autoindex_format() {
        types::AutoindexFormat::Html => files::listing::Format::Html,
        types::AutoindexFormat::Json => files::listing::Format::Json,
        types::AutoindexFormat::Jsonp => files::listing::Format::Jsonp,
        types::AutoindexFormat::Xml => files::listing::Format::Xml,
    };
    scope.autoindex().then(|| files::Listing {
        format,
        exact_size: scope.autoindex_exact_size(),
        local_time: scope.autoindex_localtime(),
        utf8: scope.charset().eq_ignore_ascii_case("utf-8"),
    })
}
