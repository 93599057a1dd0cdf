//! From what was written to what runs: [`Raw`] → [`Snapshot`], all mistakes at once.

use super::cache::{self, ZonePlace};
use super::limits::{self, LimitZones};
use super::{
    Asked, Server, Snapshot, defined, definitions, filters, process, references, rules, server, session, session_store,
    sticky, tls, trace,
};
use crate::cache::store::Zones;
use crate::config::diagnostics::{nearest, plain};
use crate::config::raw::{self, Raw};
use crate::config::types::TempPath;
use crate::config::{Diagnostics, Span, Spanned};
use crate::filter::Tables;
use crate::limit;
use crate::observe::trace::Exporters;
use crate::observe::traffic::{Name, Traffic, TrafficTable};
use crate::observe::{self, LogFile, Mask};
use crate::pattern::Pattern;
use crate::proxy::rules::Embedded;
use crate::proxy::sessions::{LogKey, Sessions};
use crate::rules::counts::{Attached, RuleCounts, RuleTable};
use crate::rules::file::Library;
use crate::session::sticky::LearnedTables;
use crate::session::store::{Store, Stores};
use crate::system;
use crate::tls::pem::Flaw;
use crate::tls::{Pem, locked};
use crate::upstream::{self, Table};
use crate::variables::{Defined, Template, Variable};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// What compiling borrows from: registries that outlive a configuration, and how far to go.
pub struct Resources {
    pub upstreams: Arc<upstream::Upstreams>,
    pub zones: Arc<Zones>,
    pub stores: Arc<Stores>,
    pub learned: Arc<LearnedTables>,
    pub limits: Arc<limit::Zones>,
    pub traffic: Arc<TrafficTable>,
    pub rules: Arc<RuleTable>,
    pub exporters: Arc<Exporters>,
    /// Of the program that embeds edge.
    pub embedded: Embedded,
    /// Where relative paths begin.
    pub prefix: PathBuf,
    /// Only check: open no log, create no directory.
    pub check_only: bool,
}

/// Compiles a configuration; `None` if it has mistakes.
pub fn compile(raw: &Raw, resources: &Resources, diagnostics: &mut Diagnostics) -> Option<Arc<Snapshot>> {
    let library = RefCell::new(Library::new(&resources.prefix));
    let mut defined = defined::names(raw, diagnostics);
    rules::names(raw, &mut library.borrow_mut(), &mut defined, diagnostics);
    let asked = Cell::new(Asked::default());
    let unverified = Cell::new(false);
    let shared_limits = RefCell::default();
    // The texts of upstreams name no upstreams.
    let none = Table::default();
    let (no_zones, no_sessions, no_limits) = (HashMap::new(), HashMap::new(), LimitZones::default());
    let no_stores = BTreeMap::new();
    let texts = Texts {
        asked: &asked,
        unverified: &unverified,
        shared_limits: &shared_limits,
        defined: &defined,
        upstreams: &none,
        zones: &no_zones,
        limits: &no_limits,
        sessions: &no_sessions,
        charsets: Arc::new(filters::charsets(raw, diagnostics)),
        mask: None,
        library: &library,
        stores: &no_stores,
        resources,
        raw,
        server: None,
    };
    let settings = super::upstream::settings(raw, &texts, diagnostics);
    let upstreams = resources.upstreams.apply(&settings, Instant::now());
    let zones = cache::zones(raw, &texts);
    let limits = limits::zones(raw, &texts, diagnostics);
    let texts = Texts { upstreams: &upstreams, zones: &zones, limits: &limits, ..texts };
    let session_stores = session_store::session_stores(raw, diagnostics);
    let stores = resources.stores.apply(&session_stores);
    let texts = Texts { stores: &stores, ..texts };
    let sessions = session::sessions(raw, &texts, diagnostics);
    let texts = Texts { sessions: &sessions, mask: session::mask(&sessions), ..texts };
    let sticky = sticky::sticky(raw, &texts, diagnostics);
    let process = process::compile(raw, &texts, diagnostics);
    let tracing = trace::compile(&texts, diagnostics);
    references::check(raw, &texts, diagnostics);
    let definitions = definitions::compile(raw, &texts, diagnostics);
    let wishes = server::wishes(raw, diagnostics);
    [&raw.tls]
        .into_iter()
        .chain(raw.servers.iter().map(|s| &s.tls))
        .for_each(|t| tls::warn_of_versions(t, diagnostics));
    let servers: Vec<Arc<Server>> =
        raw.servers.iter().enumerate().map(|(i, s)| server::compile(i, s, &wishes, &texts, diagnostics)).collect();
    if raw.servers.is_empty() && !diagnostics.has_errors() {
        diagnostics.error_nowhere("no `server` is configured: there is nothing to listen on");
    }
    let sockets = server::sockets(raw, &wishes, &servers, diagnostics)?;
    if resources.check_only {
        rules::run_tests(&library.borrow(), resources, diagnostics);
    }
    let zones: Vec<ZonePlace> = zones.values().cloned().collect();
    if resources.check_only {
        zones.iter().for_each(|place| place.look(diagnostics));
    } else if !diagnostics.has_errors() {
        zones.iter().for_each(|place| place.open(&resources.zones, diagnostics));
    }
    let defined = Arc::new(definitions);
    let mut asked = asked.get();
    // Nobody knows what Rust code will ask for.
    asked.captures |= !resources.embedded.is_empty();
    let edge = rules::edge_facts();
    let log_key = LogKey::new(raw.main.session_log_key.as_ref().map(|key| key.as_bytes()));
    let sessions = sessions.values().cloned().collect();
    let shared_limits = shared_limits.take();
    let snapshot = Snapshot {
        process,
        sockets,
        upstreams,
        zones,
        limits,
        shared_limits,
        sessions,
        sticky,
        session_stores,
        defined,
        asked,
        edge,
        traffic: resources.traffic.clone(),
        rules: resources.rules.clone(),
        tracing,
        embedded: resources.embedded.clone(),
        log_key,
    };
    (!diagnostics.has_errors()).then(|| Arc::new(snapshot))
}

/// How texts of the configuration become templates, patterns, paths and references.
#[derive(Clone)]
pub(super) struct Texts<'t> {
    pub asked: &'t Cell<Asked>,
    /// Whether it was told that a certificate is not checked: once is enough.
    pub unverified: &'t Cell<bool>,
    /// The limits of rules that several edges share.
    pub shared_limits: &'t RefCell<Vec<Arc<limit::Shared>>>,
    pub defined: &'t Defined,
    pub upstreams: &'t Table,
    pub zones: &'t HashMap<String, ZonePlace>,
    pub limits: &'t LimitZones,
    pub sessions: &'t HashMap<String, Arc<Sessions>>,
    /// `charset_map`
    pub charsets: Arc<Tables>,
    /// Hides the ids of these sessions in logs.
    pub mask: Option<Arc<Mask>>,
    /// The rule files.
    pub library: &'t RefCell<Library>,
    /// The memcacheds, by the name of their store.
    pub stores: &'t BTreeMap<String, Arc<Store>>,
    pub resources: &'t Resources,
    pub raw: &'t Raw,
    /// The server that is compiled.
    pub server: Option<&'t raw::Server>,
}

impl Texts<'_> {
    /// A text with variables; a mistake is told at the place within the text.
    pub fn template(&self, text: &str, at: Span, diagnostics: &mut Diagnostics) -> Template {
        match Template::compile(text, self.defined) {
            Ok(template) => {
                self.note(&template);
                template
            }
            Err(mistake) => {
                let told = diagnostics.error(at, &mistake.message);
                let names = self.defined.names().chain(Variable::names().map(|name| -> &str { name }));
                let meant = mistake.name.as_deref().and_then(|n| nearest(n, names));
                if let Some(meant) = meant {
                    told.help(format!("did you mean `${meant}`?"));
                }
                Template::literal("")
            }
        }
    }

    pub(super) fn note(&self, template: &Template) {
        let mut asked = self.asked.get();
        asked.files |=
            template.uses(|v| matches!(v, Variable::DocumentRoot | Variable::RealpathRoot | Variable::RequestFilename));
        asked.body |= template.uses(|v| matches!(v, Variable::RequestBody));
        asked.captures |= template.uses_captures();
        asked.upstream_head |=
            template.uses(|v| matches!(v, Variable::UpstreamHeader(_) | Variable::UpstreamCookie(_)));
        asked.sent_head |= template.uses(|v| matches!(v, Variable::SentHeader(_)));
        asked.placed |= template.uses(|v| matches!(v, Variable::Placed(_)));
        asked.session |= template.uses(|v| matches!(v, Variable::Session(_)));
        asked.stored_session |= template.uses(|v| matches!(v, Variable::Session(field) if field.is_stored()));
        self.asked.set(asked);
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

    /// The counts of a location of the server that is compiled.
    pub fn traffic(&self, location: &str) -> Arc<Traffic> {
        self.resources.traffic.of(Name { server: self.server_label(), location: location.to_owned() })
    }

    /// The counts of a rule of the server that is compiled.
    pub fn rule_counts(&self, location: &str, rule: &str) -> Arc<RuleCounts> {
        let (server, location, rule) = (self.server_label(), location.to_owned(), rule.to_owned());
        self.resources.rules.of(Attached { server, location, rule })
    }

    /// What metrics call the server that is compiled: its first name, or its address.
    fn server_label(&self) -> String {
        let keys = self.server.map(|server| &server.keys);
        let first = |keys: &raw::ServerKeys| match keys.server_name().first().filter(|name| !name.is_empty()) {
            Some(name) => name.value.clone(),
            None => keys
                .listen()
                .first()
                .map(|listen| listen.0.address.as_ref().map(|a| a.value.clone()).unwrap_or_default())
                .unwrap_or_default(),
        };
        keys.map(first).unwrap_or_default()
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

    /// Reads a file of certificates, keys or lists, and says so where that cannot be.
    pub fn pem(&self, written: &Spanned<String>, diagnostics: &mut Diagnostics) -> Option<Pem> {
        if written.contains('$') {
            let why = "the name of this file can have no variables: it is read with the configuration";
            diagnostics.error(written.span, why);
            return None;
        }
        let path = self.path(written);
        match system::read(&path) {
            Ok(bytes) => Some(Pem { path: path.display().to_string(), bytes }),
            Err(e) => {
                diagnostics.error(written.span, format!("{} cannot be read: {}", path.display(), plain(&e)));
                None
            }
        }
    }

    /// A key whose passphrase, if it has one, stands in a file; `None`: that file cannot be read. It is not looked at where
    /// nothing is encrypted: it may be a pipe that has each passphrase once.
    pub fn unlock(
        &self,
        key: Pem,
        passwords: Option<&Spanned<String>>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Result<Pem, Flaw>> {
        match passwords.filter(|_| locked::is_locked(&key)) {
            Some(file) => Some(locked::unlocked(key, &self.pem(file, diagnostics)?)),
            None => Some(Ok(key)),
        }
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
