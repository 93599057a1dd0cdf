//! One location, compiled with all it inherits.

use super::compile::Texts;
use super::compression;
use super::filters::Filters;
use super::headers::{Expires, add_fields, inherit_lists};
use super::pass::{Pass, Place};
use super::*;
use crate::access::tokens::Token;
use crate::config::diagnostics::plain;
use crate::config::raw::{self, Scope};
use crate::config::types;
use crate::config::{Diagnostics, Span, Spanned};
use crate::files;
use crate::http::escape::LogEscape;
use crate::observe::{self, Format};
use crate::route::{Entry, Locations, Matcher};
use crate::system;

/// The tree of a server's locations. One with a mistake is left out.
pub(super) fn tree(
    locations: &[raw::Location],
    scope: &Scope,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Locations<Arc<Location>> {
    let entries = entries(locations, scope, texts, diagnostics);
    let mut spans = Vec::new();
    flat_spans(locations, &mut spans);
    let place = |index: usize| spans.get(index).copied().unwrap_or_default();
    let tree = match Locations::new(entries) {
        Ok(tree) => tree,
        Err(misplaced) => {
            for m in misplaced {
                diagnostics.error(place(m.index), m.to_string());
            }
            return Locations::default();
        }
    };
    for (index, reason) in tree.unreachable() {
        diagnostics.error(place(index), format!("no request can reach this location: {reason}"));
    }
    tree
}

fn flat_spans(locations: &[raw::Location], spans: &mut Vec<Span>) {
    for location in locations {
        spans.push(location.keys.pattern.as_ref().map_or(location.span, |p| p.span));
        flat_spans(&location.locations, spans);
    }
}

fn entries(
    locations: &[raw::Location],
    outer: &Scope,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Vec<Entry<Arc<Location>>> {
    locations
        .iter()
        .filter_map(|location| {
            let scope = inherit_lists(&location.scope, outer, diagnostics);
            // Whatever is wrong with this one, those inside are looked at as well.
            let nested = entries(&location.locations, &scope, texts, diagnostics);
            let written = location.keys.pattern.as_ref()?;
            let matcher = matcher(written, diagnostics).unwrap_or_else(|| nowhere(written.span));
            let value = Arc::new(compile(location, written, &matcher, &scope, texts, diagnostics));
            let redirect = matches!(value.handler, Handler::Proxy(_) | Handler::Memcached(_));
            Some(Entry { matcher, value, redirect, nested })
        })
        .collect()
}

/// Stands for a location whose own matcher is no good; nothing is served from a configuration that has one.
fn nowhere(at: Span) -> Matcher {
    Matcher::Named(format!("@{}:{}:{}", at.file, at.line, at.column))
}

/// `= /exact`, `^~ /prefix`, `~ regex`, `~* regex`, `@name`, `/prefix`.
fn matcher(written: &Spanned<String>, diagnostics: &mut Diagnostics) -> Option<Matcher> {
    let text = written.value.trim();
    let matcher = match Matcher::parse(text) {
        Ok(matcher) => matcher,
        Err(e) => {
            diagnostics.error(written.span, format!("the location `{text}`: {e}"));
            return None;
        }
    };
    if path_of(&matcher).is_some_and(|path| !path.starts_with(b"/")) {
        diagnostics
            .error(written.span, format!("the location `{text}` can match no path, for every path begins with `/`"))
            .help("write `/prefix`, `= /exact`, `^~ /prefix`, `~ regex`, `~* regex` or `@name`");
        return None;
    }
    Some(matcher)
}

/// The path an exact or prefix location names.
fn path_of(matcher: &Matcher) -> Option<&[u8]> {
    match matcher {
        Matcher::Exact(path) | Matcher::Prefix { text: path, .. } => Some(path),
        Matcher::Regex(_) | Matcher::Named(_) => None,
    }
}

/// What holds in a server where no location has been found.
pub(super) fn outside(
    server: &raw::Server,
    scope: &Scope,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Arc<Location> {
    let mut location = settings("", scope, texts, diagnostics);
    location.try_files = try_files(&server.handling, texts, diagnostics);
    if server.handling.stub_status() {
        location.handler = Handler::Status;
    }
    Arc::new(location)
}

pub(super) fn compile(
    raw: &raw::Location,
    written: &Spanned<String>,
    matcher: &Matcher,
    scope: &Scope,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Location {
    let mut location = settings(&written.value, scope, texts, diagnostics);
    location.is_regex = matches!(matcher, Matcher::Regex(_));
    location.prefix = path_of(matcher).map_or(0, <[u8]>::len);
    location.internal = raw.keys.internal();
    location.script = script::of_location(raw, written, matcher, scope, texts, diagnostics);
    location.try_files = try_files(&raw.handling, texts, diagnostics);
    location.roots = Arc::new(Roots {
        root: location.roots.root.clone(),
        alias: raw.keys.alias.as_ref().map(|a| rooted(a, a.span, texts, diagnostics)),
        prefix: location.prefix,
        is_regex: location.is_regex,
    });
    if let Some(alias) = &raw.keys.alias
        && raw.scope.root.is_some()
    {
        diagnostics.error(alias.span, "a location has either `root` or `alias`");
    }
    if let Some(pass) = &raw.keys.proxy_pass {
        let place = Place {
            pattern: path_of(matcher).and_then(|path| std::str::from_utf8(path).ok()).unwrap_or("/"),
            is_regex: location.is_regex,
            is_named: matches!(matcher, Matcher::Named(_)),
        };
        if let Some(pass) = Pass::compile(pass, &place, scope, texts, diagnostics) {
            location.handler = Handler::Proxy(Box::new(pass));
        }
    }
    if let Some(pass) = &raw.keys.grpc_pass {
        if raw.keys.proxy_pass.is_some() {
            diagnostics.error(pass.span, "a location has either `proxy_pass` or `grpc_pass`");
        }
        if let Some(pass) = Pass::compile_grpc(pass, scope, texts, diagnostics) {
            // Both ends of a call may speak at any time.
            location.request_buffering = false;
            location.handler = Handler::Proxy(Box::new(pass));
        }
    }
    if let Some(pass) = &raw.keys.memcached_pass {
        if raw.keys.proxy_pass.is_some() || raw.keys.grpc_pass.is_some() {
            diagnostics.error(pass.span, "a location has one of `proxy_pass`, `grpc_pass` and `memcached_pass`");
        }
        if let Some(pass) = Memcached::compile(pass, scope, texts, diagnostics) {
            location.handler = Handler::Memcached(Box::new(pass));
        }
    }
    if let Some(secret) = &raw.keys.secure_link_secret {
        if location.access.link.is_some() {
            diagnostics
                .error(secret.span, "`secure_link_secret` cannot stand beside `secure_link` and `secure_link_md5`");
        }
        location.access.link = Some(Link::Secret(secret.value.clone()));
    }
    location.limit_except = raw.limit_except.as_ref().map(|limit| {
        let inner = inherit_lists(&limit.scope, scope, diagnostics);
        let methods = methods(limit, diagnostics);
        LimitExcept {
            methods,
            location: Arc::new(compile(&inside(raw, limit), written, matcher, &inner, texts, diagnostics)),
        }
    });
    location.files.random_index = raw.keys.random_index();
    let handling = raw.handling.stub_status();
    for (is_on, handler) in
        [(raw.keys.empty_gif(), Handler::EmptyGif), (handling, Handler::Status), (raw.keys.api(), Handler::Api(None))]
    {
        if is_on {
            location.handler = handler;
        }
    }
    if let Some(written) = &raw.keys.api_token_file {
        let token = token(written, texts, diagnostics);
        match &mut location.handler {
            Handler::Api(known) => *known = token,
            _ => drop(diagnostics.error(written.span, "`api_token_file` is for a location with `api: on`")),
        }
    }
    location.demand = session::demand(scope, &location.handler, texts, diagnostics);
    let place = Some((&*location.pattern, &location.handler));
    location.rules = rules::compile(scope.rules.as_deref(), place, texts, diagnostics);
    location.rules_alone = scope.rules_inherit() == types::RulesInherit::Off;
    location
}

/// The token of a file, which had better be nobody else's.
fn token(written: &Spanned<String>, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Option<Token> {
    use std::os::unix::fs::PermissionsExt;
    let path = texts.path(written);
    let shown = path.display();
    let content = match system::read(&path) {
        Ok(content) => content,
        Err(e) => {
            diagnostics
                .error(written.span, format!("{shown} cannot be read: {}", plain(&e)))
                .help(format!("make one with `(umask 077; openssl rand -hex 32 > {shown})`"));
            return None;
        }
    };
    let others = std::fs::metadata(&path).is_ok_and(|file| file.permissions().mode() & 0o007 != 0);
    if others {
        diagnostics
            .warning(written.span, format!("everybody on this machine may read or write {shown}: it is no secret"))
            .help(format!("write `chmod o= {shown}`"));
    }
    match Token::read(&content) {
        Ok(token) => Some(token),
        Err(why) => {
            diagnostics
                .error(written.span, format!("{shown}: {why}"))
                .help(format!("make one with `(umask 077; openssl rand -hex 32 > {shown})`"));
            None
        }
    }
}

/// `limit_except` as a location of its own: as in nginx it has the outer one's handler, but neither its rewrites nor its
/// `try_files`.
fn inside(raw: &raw::Location, limit: &raw::LimitExcept) -> raw::Location {
    let mut keys = raw.keys.clone();
    if let Some(pass) = &limit.keys.proxy_pass {
        (keys.proxy_pass, keys.grpc_pass, keys.memcached_pass) = (Some(pass.clone()), None, None);
    }
    let scope = limit.scope.clone();
    let handling = raw::Handling::default();
    raw::Location { span: limit.span, keys, handling, scope, limit_except: None, locations: Vec::new() }
}

/// The methods that `limit_except` leaves alone; who may GET may HEAD.
fn methods(limit: &raw::LimitExcept, diagnostics: &mut Diagnostics) -> Vec<http::Method> {
    const KNOWN: [&str; 14] = [
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "DELETE",
        "MKCOL",
        "COPY",
        "MOVE",
        "OPTIONS",
        "PROPFIND",
        "PROPPATCH",
        "LOCK",
        "UNLOCK",
        "PATCH",
    ];
    let mut methods = Vec::new();
    for written in &limit.methods.value {
        let name = written.to_ascii_uppercase();
        match http::Method::from_bytes(name.as_bytes()).ok().filter(|_| KNOWN.contains(&name.as_str())) {
            Some(method) => methods.push(method),
            None => {
                diagnostics
                    .error(
                        written.span,
                        format!("invalid method `{}`: expected one of {}", written.value, KNOWN.join(", ")),
                    )
                    .did_you_mean(&name, KNOWN);
            }
        }
    }
    if methods.contains(&http::Method::GET) {
        methods.push(http::Method::HEAD);
    }
    methods
}

/// A location with all that it inherits, and nothing of its own.
fn settings(pattern: &str, scope: &Scope, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Location {
    let filters = Filters::compile(scope, texts, diagnostics);
    let is_recoded = filters.as_ref().is_some_and(|filters| filters.recoding.is_some());
    let charset = match scope.charset().as_str() {
        "off" | "" => None,
        // Who changes the charset names it.
        _ if is_recoded => None,
        name => Some(files::Charset { name: name.to_owned(), types: scope.charset_types() }),
    };
    let temp_dir = texts.temp_directory(scope.client_body_temp_path.as_ref(), diagnostics);
    let buffers = scope.proxy_buffers();
    let answer_temp = texts.temp_directory(scope.proxy_temp_path.as_ref(), diagnostics);
    let keepalive = scope.keepalive_timeout();
    let root_at = scope.root.as_ref().map(|r| r.span).unwrap_or_default();
    let expires_at = scope.expires.as_ref().map(|e| e.span).unwrap_or_default();
    Location {
        pattern: pattern.to_owned(),
        prefix: 0,
        is_regex: false,
        internal: false,
        rules: None,
        rules_alone: false,
        script: Script::default(),
        try_files: None,
        limits: limits::compile(scope, texts),
        mirror: mirror(scope),
        post_action: scope.post_action().0.into_iter().next().map(|path| path.value),
        demand: None,
        access: access::compile(scope, texts, diagnostics),
        limit_except: None,
        handler: Handler::Files,
        body: client::BodyLimits {
            max_size: Some(scope.client_max_body_size().0).filter(|s| *s > 0),
            buffer: scope.client_body_buffer_size().0 as usize,
            timeout: scope.client_body_timeout().0,
            temp_dir: temp_dir.into(),
            in_file: match scope.client_body_in_file_only() {
                types::BodyInFile::Off => client::InFile::No,
                types::BodyInFile::Clean => client::InFile::ForRequest,
                types::BodyInFile::On => client::InFile::Stays,
            },
        },
        request_buffering: scope.proxy_request_buffering(),
        keepalive_timeout: keepalive.idle.0,
        keepalive_told: keepalive.told.map(|t| t.0),
        keepalive_requests: scope.keepalive_requests(),
        keepalive_time: scope.keepalive_time().0,
        lingering_close: scope.lingering_close(),
        buffering: client::Buffering {
            memory: (u64::from(buffers.number) * buffers.size + scope.proxy_buffer_size().0) as usize,
            max_temp_file_size: scope.proxy_max_temp_file_size().0,
            temp_dir: answer_temp.into(),
            send_timeout: scope.send_timeout().0,
        },
        limit_rate: Amount::compile(scope.limit_rate.as_ref(), texts, diagnostics),
        limit_rate_after: Amount::compile(scope.limit_rate_after.as_ref(), texts, diagnostics),
        chunked: scope.chunked_transfer_encoding(),
        answer: AnswerHeaders {
            add: add_fields(&scope.add_header, texts, diagnostics),
            trailers: add_fields(&scope.add_trailer, texts, diagnostics),
            expires: Expires::compile(&scope.expires(), expires_at, texts, diagnostics),
            charset: charset.clone(),
            server_tokens: scope.server_tokens() == types::ServerTokens::On,
        },
        error_pages: error_pages(scope, texts, diagnostics),
        recursive_error_pages: scope.recursive_error_pages(),
        redirects: Redirects {
            absolute: scope.absolute_redirect(),
            port: scope.port_in_redirect(),
            server_name: scope.server_name_in_redirect(),
        },
        compress: Arc::new(compression::compile(scope, diagnostics)),
        filters: filters.map(Arc::new),
        access_logs: access_logs(scope, texts, diagnostics),
        traffic: texts.traffic(pattern),
        log_not_found: scope.log_not_found(),
        warns_of_uninitialized: scope.uninitialized_variable_warn(),
        roots: Arc::new(Roots {
            root: root_directory(&scope.root(), root_at, texts, diagnostics),
            alias: None,
            prefix: 0,
            is_regex: false,
        }),
        links: local::links(scope, texts, diagnostics),
        index_texts: index_texts(scope, texts, diagnostics),
        index: scope.index(),
        files: local::settings(scope, charset.as_ref(), diagnostics),
        default_type: scope.default_type(),
    }
}

/// `index` with variables, which nobody evaluates in vain.
fn index_texts(scope: &Scope, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Vec<Template> {
    let Some(written) = scope.index.as_ref().filter(|names| names.iter().any(|name| name.contains('$'))) else {
        return Vec::new();
    };
    written.iter().map(|name| texts.template(name, written.span, diagnostics)).collect()
}

fn mirror(scope: &Scope) -> Option<Arc<Mirror>> {
    let paths: Vec<String> = scope.mirror().0.into_iter().map(|path| path.value).collect();
    (!paths.is_empty()).then(|| Arc::new(Mirror { paths, body: scope.mirror_request_body() }))
}

/// `root`, which as in nginx ends without a slash as it is written: `/` itself is nothing, before every path.
fn root_directory(written: &str, at: Span, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Template {
    let path = texts.path(written);
    let text = if written.starts_with('$') { written.into() } else { path.to_string_lossy() };
    texts.template(text.strip_suffix('/').unwrap_or(&text), at, diagnostics)
}

/// A directory, below the prefix if it is relative and begins with no variable.
pub(super) fn rooted(written: &str, at: Span, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Template {
    if written.starts_with('$') {
        return texts.template(written, at, diagnostics);
    }
    let path = texts.path(written);
    // Joining a path that ends with a slash keeps it, which `alias` needs.
    texts.template(&path.to_string_lossy(), at, diagnostics)
}

fn try_files(handling: &raw::Handling, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Option<TryFiles> {
    let list = handling.try_files.as_ref()?;
    let [candidates @ .., last] = list.value.as_slice() else {
        return None;
    };
    if candidates.is_empty() {
        diagnostics.error(list.span, "`try_files` has at least one file and, last, what happens if none exists");
        return None;
    }
    let candidates = candidates
        .iter()
        .map(|c| Candidate {
            path: texts.template(c.strip_suffix('/').unwrap_or(c), c.span, diagnostics),
            directory: c.ends_with('/'),
        })
        .collect();
    let last = match (last.strip_prefix('='), last.strip_prefix('@')) {
        (Some(code), _) => match code.parse() {
            Ok(code) if code <= 999 => LastResort::Status(code),
            _ => {
                diagnostics.error(last.span, format!("`={code}` is not a status"));
                return None;
            }
        },
        (_, Some(_)) => LastResort::Named(last.value.clone()),
        _ => LastResort::Uri(texts.template(last, last.span, diagnostics)),
    };
    Some(TryFiles { candidates, last })
}

fn error_pages(scope: &Scope, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Vec<ErrorPage> {
    let Some(pages) = &scope.error_page else {
        return Vec::new();
    };
    pages
        .0
        .iter()
        .map(|page| {
            let target = texts.template(&page.uri, page.uri.span, diagnostics);
            ErrorPage { codes: page.codes.clone(), target, status: page.status }
        })
        .collect()
}

fn access_logs(scope: &Scope, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Vec<AccessLog> {
    let at = scope.access_log.as_ref().map(|l| l.span).unwrap_or_default();
    let logs = scope.access_log();
    // As in nginx, one `off` in a block turns off all of the block's logs.
    let logs = if logs.iter().any(|log| matches!(log, types::AccessLog::Off)) { Vec::new() } else { logs };
    let logs = logs.iter().filter_map(|log| match log {
        types::AccessLog::Off => None,
        types::AccessLog::To(keys) => {
            let format = log_format(&keys.format(), keys.format.as_ref().map_or(at, |f| f.span), texts, diagnostics)?;
            let path = keys.path.as_ref()?;
            let at = if path.span == Span::default() { at } else { path.span };
            let condition = keys.condition.as_ref().map(|c| texts.template(c, c.span, diagnostics));
            Some(AccessLog {
                file: texts.log_file(path, at, diagnostics)?,
                format,
                condition,
                mask: texts.mask.clone(),
            })
        }
    });
    logs.collect()
}

fn log_format(name: &str, at: Span, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Option<Format> {
    let formats = texts.raw.main.log_format.as_ref().map(|f| f.value.0.as_slice()).unwrap_or_default();
    let Some((named, format)) = formats.iter().find(|(n, _)| n.value == name) else {
        if name == "combined" {
            return Some(Format::new(texts.template(observe::access::COMBINED, at, diagnostics), LogEscape::Default));
        }
        diagnostics
            .error(at, format!("no `log_format` is named `{name}`"))
            .did_you_mean(name, formats.iter().map(|(n, _)| n.value.as_str()).chain(["combined"]));
        return None;
    };
    if let Some(fields) = &format.0.json {
        return Some(Format::new(texts.template(&json_line(fields), named.span, diagnostics), LogEscape::Json));
    }
    let text = format.0.format.as_ref()?;
    let escape = match format.0.escape() {
        types::LogEscape::Default => LogEscape::Default,
        types::LogEscape::Json => LogEscape::Json,
        types::LogEscape::None => LogEscape::None,
    };
    Some(Format::new(texts.template(text, text.span, diagnostics), escape))
}

/// `{name: $variable}` as one line of JSON, every value a string.
fn json_line(fields: &crate::config::Named<String>) -> String {
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}:\"{value}\"", serde_json::Value::from(name.value.as_str())))
        .collect();
    format!("{{{}}}", pairs.join(","))
}
