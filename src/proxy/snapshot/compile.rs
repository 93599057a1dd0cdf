//! From what was written to what runs: [`Raw`] → [`Snapshot`], all mistakes at once.

use super::listen::{self, ListenAddress, Wish};
use super::location;
use super::pass::implicit_upstream;
use super::{Control, Process, Server, Snapshot, Socket, Virtual, tls};
use crate::client;
use crate::config::diagnostics::nearest;
use crate::config::raw::{self, Raw};
use crate::config::types::{LogLevel, ProxyRedirect, TempPath};
use crate::config::{Diagnostics, Span, Spanned};
use crate::observe::{self, LogFile, errors};
use crate::pattern::Pattern;
use crate::route::ServerNames;
use crate::system;
use crate::upstream::{self, ServerSettings, Table, UpstreamSettings};
use crate::variables::{Defined, Template, Variable};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What compiling borrows from: registries that outlive a configuration, and how far to go.
pub struct Resources {
    pub upstreams: Arc<upstream::Upstreams>,
    /// Where relative paths begin.
    pub prefix: PathBuf,
    /// Only check: open no log, create no directory.
    pub check_only: bool,
}

/// Compiles a configuration; `None` if it has mistakes.
pub fn compile(raw: &Raw, resources: &Resources, diagnostics: &mut Diagnostics) -> Option<Arc<Snapshot>> {
    let defined = defined_names(raw);
    let names_files = Cell::new(false);
    let unverified = Cell::new(false);
    // The texts of upstreams name no upstreams.
    let none = Table::default();
    let texts = Texts {
        names_files: &names_files,
        unverified: &unverified,
        defined: &defined,
        upstreams: &none,
        resources,
        raw,
    };
    let settings = upstream_settings(raw, &texts, diagnostics);
    let upstreams = resources.upstreams.apply(&settings, Instant::now());
    let texts = Texts { upstreams: &upstreams, ..texts };
    let process = process(raw, &texts, diagnostics);
    check_references(raw, &texts, diagnostics);
    let wishes = wishes(raw, diagnostics);
    [&raw.tls]
        .into_iter()
        .chain(raw.servers.iter().map(|s| &s.tls))
        .for_each(|t| tls::warn_of_versions(t, diagnostics));
    let servers: Vec<Arc<Server>> =
        raw.servers.iter().enumerate().map(|(i, s)| server(i, s, &wishes, &texts, diagnostics)).collect();
    if raw.servers.is_empty() && !diagnostics.has_errors() {
        diagnostics.error_nowhere("no `server` is configured: there is nothing to listen on");
    }
    let sockets = sockets(raw, &wishes, &servers, diagnostics)?;
    let defined = defined.clone();
    let names_files = names_files.get();
    (!diagnostics.has_errors()).then(|| Arc::new(Snapshot { process, sockets, upstreams, defined, names_files }))
}

/// How texts of the configuration become templates, patterns, paths and references.
pub(super) struct Texts<'t> {
    /// Whether a text asks where files lie, so that nobody finds out in vain.
    pub names_files: &'t Cell<bool>,
    /// Whether it was told that a certificate is not checked: once is enough.
    pub unverified: &'t Cell<bool>,
    pub defined: &'t Defined,
    pub upstreams: &'t Table,
    pub resources: &'t Resources,
    pub raw: &'t Raw,
}

impl Texts<'_> {
    /// A text with variables; a mistake is told at the place within the text.
    pub fn template(&self, text: &str, at: Span, diagnostics: &mut Diagnostics) -> Template {
        match Template::compile(text, self.defined) {
            Ok(template) => {
                let asks = |v: &Variable| matches!(v, Variable::DocumentRoot | Variable::RequestFilename);
                self.names_files.set(self.names_files.get() || template.uses(asks));
                template
            }
            Err(mistake) => {
                let told = diagnostics.error(at, &mistake.message);
                let meant = mistake.name.as_deref().and_then(|n| nearest(n, Variable::names()));
                if let Some(meant) = meant {
                    told.help(format!("did you mean `${meant}`?"));
                }
                Template::literal("")
            }
        }
    }

    pub fn pattern(
        &self,
        text: &str,
        case_insensitive: bool,
        at: Span,
        diagnostics: &mut Diagnostics,
    ) -> Option<Pattern> {
        match Pattern::compile(text, case_insensitive) {
            Ok(pattern) => Some(pattern),
            Err(e) => {
                let place = e.offset.map(|o| format!(" (at character {} of it)", o + 1)).unwrap_or_default();
                diagnostics
                    .error(at, format!("the regular expression `{text}` does not compile{place}: {}", e.message));
                None
            }
        }
    }

    /// A path relative to the prefix.
    pub fn path(&self, written: &str) -> PathBuf {
        self.resources.prefix.join(written)
    }

    /// A directory for temporary files, made if it is not there; the system's if none is written.
    pub fn temp_directory(&self, written: Option<&Spanned<TempPath>>, diagnostics: &mut Diagnostics) -> PathBuf {
        let Some(written) = written else { return std::env::temp_dir() };
        let path = self.path(&written.0);
        if !self.resources.check_only
            && let Err(e) = system::make_directory(&path)
        {
            diagnostics.error(written.span, format!("the directory {} cannot be made: {e}", path.display()));
        }
        path
    }

    /// Opens a log, and says so where that cannot be.
    pub fn log_file(&self, written: &str, at: Span, diagnostics: &mut Diagnostics) -> Option<LogFile> {
        let path = self.path(written);
        if self.resources.check_only {
            return Some(LogFile::unopened(&path));
        }
        let made = path.parent().map_or(Ok(()), system::make_directory);
        match made.and_then(|()| observe::open(&path)) {
            Ok(file) => Some(file),
            Err(e) => {
                diagnostics.error(at, format!("the log {} cannot be opened: {e}", path.display()));
                None
            }
        }
    }
}

/// Names that must mean something, whether or not anybody uses what they stand in.
fn check_references(raw: &Raw, texts: &Texts<'_>, diagnostics: &mut Diagnostics) {
    for (_, format) in raw.main.log_format.iter().flat_map(|f| f.iter()) {
        if let Some(text) = &format.0.format {
            texts.template(text, text.span, diagnostics);
        }
    }
    check_cache(&raw.scope, raw, diagnostics);
    for server in &raw.servers {
        check_cache(&server.scope, raw, diagnostics);
        server.locations.iter().for_each(|l| check_location(l, raw, diagnostics));
        let mut names = Vec::new();
        server.locations.iter().for_each(|l| named_locations(l, &mut names));
        check_named(&server.scope, &server.handling, &names, diagnostics);
        server.locations.iter().for_each(|l| check_named_in(l, &names, diagnostics));
    }
}

fn check_location(location: &raw::Location, raw: &Raw, diagnostics: &mut Diagnostics) {
    check_cache(&location.scope, raw, diagnostics);
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
        return;
    }
    diagnostics
        .warning(zone.span, "`proxy_cache` is checked, but this version of edge keeps no answers")
        .help("every request goes to the upstream");
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

/// The names that regular expressions with named groups define.
fn defined_names(raw: &Raw) -> Defined {
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
    defined
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

fn upstream_settings(raw: &Raw, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Vec<UpstreamSettings> {
    let mut all: Vec<UpstreamSettings> = Vec::new();
    for upstream in &raw.upstreams {
        if all.iter().any(|u| u.name == *upstream.name) {
            diagnostics.error(upstream.name.span, format!("a second upstream `{}`", upstream.name.value));
        }
        all.push(one_upstream(upstream, texts, diagnostics));
    }
    let mut implicit = Vec::new();
    raw.servers.iter().flat_map(|s| &s.locations).for_each(|l| implicit_of(l, &all, &mut implicit));
    all.extend(implicit);
    all
}

fn implicit_of(location: &raw::Location, defined: &[UpstreamSettings], found: &mut Vec<UpstreamSettings>) {
    let is_defined = |name: &str| defined.iter().any(|u| u.name == name);
    let proxied = location.keys.proxy_pass.as_ref().and_then(|p| implicit_upstream(p, false, is_defined));
    let called = location.keys.grpc_pass.as_ref().and_then(|p| implicit_upstream(p, true, is_defined));
    for settings in proxied.into_iter().chain(called) {
        if !found.iter().any(|u: &UpstreamSettings| u.name == settings.name) {
            found.push(settings);
        }
    }
    location.locations.iter().for_each(|l| implicit_of(l, defined, found));
}

fn one_upstream(upstream: &raw::Upstream, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> UpstreamSettings {
    let keys = &upstream.keys;
    let mut settings = UpstreamSettings::new(upstream.name.value.clone());
    settings.keepalive = keys.keepalive() as usize;
    settings.keepalive_timeout = keys.keepalive_timeout().0;
    settings.keepalive_requests = keys.keepalive_requests() as usize;
    (settings.balance, settings.hash_key) = super::upstream::balance(keys, texts, diagnostics);
    settings.health_check = super::upstream::health_check(upstream, texts, diagnostics);
    super::upstream::check_servers(upstream, settings.balance, diagnostics);
    let servers = keys.servers.as_ref().map(|s| s.value.as_slice()).unwrap_or_default();
    if keys.servers.as_ref().is_none_or(|s| s.value.is_empty()) {
        diagnostics.error(upstream.name.span, format!("the upstream `{}` has no servers", upstream.name.value));
    }
    let mut routes: Vec<Spanned<String>> = Vec::new();
    for server in servers {
        let server = &server.value.0;
        if let Some(route) = &server.route {
            if let Some(before) = routes.iter().find(|r| r.value == route.value) {
                let place = diagnostics.place(before.span);
                diagnostics
                    .error(
                        route.span,
                        format!("two servers of `{}` have the route `{}`", upstream.name.value, route.value),
                    )
                    .help(format!("the other one stands at {place}; a jvmRoute names one Tomcat"));
            }
            routes.push(route.clone());
        }
        settings.servers.extend(one_server(server, diagnostics));
    }
    settings
}

fn one_server(
    keys: &crate::config::types::UpstreamServerKeys,
    diagnostics: &mut Diagnostics,
) -> Option<ServerSettings> {
    let address = keys.address.as_ref()?;
    if let Err(e) = upstream::names::parse(address) {
        diagnostics
            .error(address.span, format!("`{}` is no address of a server: {e}", address.value))
            .help("write `host:port`, `host` or `unix:/path`");
        return None;
    }
    if keys.weight() == 0 {
        let at = keys.weight.as_ref().map_or(address.span, |w| w.span);
        diagnostics.error(at, "a weight is at least 1").help("`down: true` takes a server out");
    }
    let mut server = ServerSettings::new(address.value.clone());
    server.weight = keys.weight().max(1);
    server.max_fails = keys.max_fails();
    server.fail_timeout = keys.fail_timeout().0;
    server.max_conns = keys.max_conns();
    server.backup = keys.backup();
    server.down = keys.down();
    server.drain = keys.drain();
    server.slow_start = keys.slow_start().0;
    server.route = keys.route.as_ref().map(|r| r.value.clone());
    Some(server)
}

fn process(raw: &Raw, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Process {
    let main = &raw.main;
    let workers = match main.worker_processes().as_str() {
        "auto" => std::thread::available_parallelism().map_or(1, |n| n.get()),
        number => number.parse().ok().filter(|n| (1..=1024).contains(n)).unwrap_or_else(|| {
            let at = main.worker_processes.as_ref().map(|w| w.span).unwrap_or_default();
            diagnostics.error(at, format!("expected `auto` or a number from 1 to 1024, found `{number}`"));
            1
        }),
    };
    let log = main.error_log();
    let at = main.error_log.as_ref().map(|l| l.span).unwrap_or_default();
    let path = log.0.path();
    let file = if path == "stderr" { None } else { texts.log_file(&path, at, diagnostics) };
    Process {
        workers,
        user: main.user.as_ref().map(|u| u.value.clone()),
        pid: texts.path(&main.pid()),
        control: control(main, &texts.resources.prefix),
        error_log: errors::ErrorLog { file, level: severity(log.0.level()) },
        nofile: main.worker_rlimit_nofile.as_ref().map(|n| n.value),
        connections: main.worker_connections(),
        shutdown_timeout: main.worker_shutdown_timeout().0,
    }
}

/// Where edge takes commands: as written, or beside the pid file.
pub fn control(main: &raw::MainKeys, prefix: &Path) -> Option<Control> {
    match main.control.as_deref().map(String::as_str) {
        Some("off" | "false") => None,
        Some(path) => Some(Control { path: prefix.join(path), by_default: false }),
        None => Some(Control { path: prefix.join(main.pid()).with_extension("sock"), by_default: true }),
    }
}

fn severity(level: LogLevel) -> errors::Severity {
    match level {
        LogLevel::Debug => errors::Severity::Debug,
        LogLevel::Info => errors::Severity::Info,
        LogLevel::Notice => errors::Severity::Notice,
        LogLevel::Warn => errors::Severity::Warn,
        LogLevel::Error => errors::Severity::Error,
        LogLevel::Crit => errors::Severity::Crit,
        LogLevel::Alert => errors::Severity::Alert,
        LogLevel::Emerg => errors::Severity::Emerg,
    }
}

fn server(
    place: usize,
    raw: &raw::Server,
    wishes: &[Wish],
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Arc<Server> {
    let scope = super::headers::inherit_lists(&raw.scope, &texts.raw.scope, diagnostics);
    let locations = location::tree(&raw.locations, &scope, texts, diagnostics);
    let outside = location::outside(raw, &scope, texts, diagnostics);
    let name = raw.keys.server_name().first().map(|n| n.trim_start_matches('.').to_owned()).unwrap_or_default();
    let keys = raw.tls.inherit(&texts.raw.tls);
    let spoken = |wish: &&Wish| wish.server == place;
    let with_tls = wishes.iter().filter(spoken).any(|wish| listen::speaks(&wish.address, wishes).tls);
    let http2 = keys.http2() || wishes.iter().filter(spoken).any(|wish| listen::speaks(&wish.address, wishes).http2);
    // Certificates nobody can see are still checked where they are named.
    let tls = match with_tls || raw.tls.ssl_certificate.is_some() {
        true => tls::compile(&keys, http2, texts, diagnostics),
        false => None,
    };
    Arc::new(Server {
        name: name.into(),
        client: Arc::new(client_settings(&scope, &outside)),
        tls,
        http2: http2.then(|| tls::http2(&keys, &outside)),
        verify_client: keys.ssl_verify_client(),
        merge_slashes: scope.merge_slashes(),
        script: location::script(&raw.handling, texts, diagnostics),
        locations,
        outside,
    })
}

/// How long a connection is waited for that another server than the default one has kept.
const UNKEPT: Duration = Duration::from_secs(75);

/// How connections are read whose default server this is.
fn client_settings(scope: &raw::Scope, outside: &super::Location) -> client::Settings {
    let large = scope.large_client_header_buffers();
    client::Settings {
        client_header_buffer_size: scope.client_header_buffer_size().0 as usize,
        large_client_header_buffers: (large.number as usize, large.size as usize),
        underscores_in_headers: scope.underscores_in_headers(),
        ignore_invalid_headers: scope.ignore_invalid_headers(),
        client_header_timeout: scope.client_header_timeout().0,
        // Whether a connection is kept is the location's to say; this is only how long an idle one is waited for.
        keepalive_timeout: Some(outside.keepalive_timeout).filter(|t| !t.is_zero()).unwrap_or(UNKEPT),
        keepalive_requests: u64::MAX,
        lingering_time: scope.lingering_time().0,
        lingering_timeout: scope.lingering_timeout().0,
        body: outside.body.clone(),
        buffering: outside.buffering.clone(),
        ..client::Settings::default()
    }
}

fn wishes(raw: &Raw, diagnostics: &mut Diagnostics) -> Vec<Wish> {
    let mut wishes = Vec::new();
    for (i, server) in raw.servers.iter().enumerate() {
        for listen in server.keys.listen() {
            wishes.extend(Wish::read(&listen, i, diagnostics));
        }
    }
    wishes
}

fn sockets(raw: &Raw, wishes: &[Wish], servers: &[Arc<Server>], diagnostics: &mut Diagnostics) -> Option<Vec<Socket>> {
    let gathered = listen::gather(wishes, diagnostics);
    let mut sockets = Vec::new();
    for (address, options, inside) in gathered {
        let mut virtuals = Vec::new();
        for address in inside {
            virtuals.push(virtual_at(address, wishes, raw, servers, diagnostics)?);
        }
        sockets.push(Socket { address, options, virtuals });
    }
    Some(sockets)
}

/// The servers of one address, in the order of the file.
fn virtual_at(
    address: ListenAddress,
    wishes: &[Wish],
    raw: &Raw,
    servers: &[Arc<Server>],
    diagnostics: &mut Diagnostics,
) -> Option<Virtual> {
    let mut here: Vec<&Wish> = wishes.iter().filter(|w| w.address == address).collect();
    here.dedup_by_key(|w| w.server);
    let default = here.iter().position(|w| w.default).unwrap_or(0);
    let named = |wish: &Wish| {
        let names = raw.servers[wish.server].keys.server_name();
        Some((names.into_iter().map(|n| n.value).collect::<Vec<_>>(), servers.get(wish.server)?.clone()))
    };
    let listed: Option<Vec<_>> = here.iter().map(|wish| named(wish)).collect();
    let place = |server: usize| here.get(server).map(|w| name_span(&raw.servers[w.server])).unwrap_or_default();
    match ServerNames::new(listed?, Some(default)) {
        Ok(names) => {
            for (server, name) in names.conflicts() {
                diagnostics.warning(
                    place(*server),
                    format!("the server name `{name}` on {address} belongs to an earlier server; it is ignored here"),
                );
            }
            let speaks = listen::speaks(&address, wishes);
            let default = servers.get(here.get(default)?.server)?.clone();
            if speaks.tls {
                tls::check_certificates(&here, &default, raw, servers, diagnostics);
            }
            Some(Virtual { default, address, names, speaks })
        }
        Err(mistakes) => {
            for (server, mistake) in mistakes {
                diagnostics.error(place(server), mistake.to_string());
            }
            None
        }
    }
}

fn name_span(server: &raw::Server) -> Span {
    server.keys.server_name.as_ref().map_or(server.span, |n| n.span)
}
