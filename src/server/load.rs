//! A file → a snapshot, the same way for the start, a reload and `edge -t`.

use crate::cache::store::Zones;
use crate::config::node::{Entry, Kind};
use crate::config::{Diagnostics, Node, Raw, yaml};
use crate::convert::{self, tomcat};
use crate::limit;
use crate::observe::trace::Exporters;
use crate::observe::traffic::TrafficTable;
use crate::proxy::rules::{Embedded, Filter};
use crate::proxy::snapshot::{self, Resources, Snapshot};
use crate::rules::counts::RuleTable;
use crate::session::sticky::LearnedTables;
use crate::session::store::Stores;
use crate::upstream::{NamesSettings, Upstreams};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// edge.yaml, or an nginx.conf, told by its ending.
    pub file: PathBuf,
    /// Where relative paths begin; the directory of the file unless given.
    pub prefix: Option<PathBuf>,
    /// Ask no name servers.
    pub offline: bool,
    /// Only look: open no log, make no directory.
    pub check_only: bool,
    /// Files of the Tomcats, which say how sessions are kept.
    pub tomcats: Vec<tomcat::Source>,
    /// `-g`: directives that are read before an nginx.conf.
    pub globals: Option<String>,
    /// `-e`: the error log until the configuration names one, or `stderr`.
    pub error_log: Option<PathBuf>,
    /// Leave out of an nginx.conf what edge has not, each with a warning.
    pub ignore_unsupported: bool,
    /// Started by nginx's name: where nothing is said nginx's defaults hold, such as the background.
    pub as_nginx: bool,
}

/// What came of reading a configuration.
pub struct Loaded {
    /// `None`: it has mistakes.
    pub snapshot: Option<Arc<Snapshot>>,
    pub raw: Raw,
    /// The configuration as one tree, includes and all.
    pub tree: Option<Node>,
    pub diagnostics: Diagnostics,
}

/// What stands in the files, typed, and not yet what it means.
pub struct Read {
    pub raw: Raw,
    pub tree: Option<Node>,
    pub diagnostics: Diagnostics,
}

/// Reads the same file again and again, keeping what outlives a configuration.
pub struct Loader {
    options: Options,
    upstreams: Arc<Upstreams>,
    zones: Arc<Zones>,
    stores: Arc<Stores>,
    learned: Arc<LearnedTables>,
    limits: Arc<limit::Zones>,
    traffic: Arc<TrafficTable>,
    rules: Arc<RuleTable>,
    exporters: Arc<Exporters>,
    embedded: Embedded,
}

impl Options {
    pub fn prefix(&self) -> PathBuf {
        let beside = || self.file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        self.prefix.clone().unwrap_or_else(beside)
    }

    /// Reads the files. Nothing is opened but them, nothing is started.
    pub fn read(&self) -> Read {
        let mut diagnostics = Diagnostics::new();
        let mut tree = self.tree(&mut diagnostics);
        if let (Some(tree), Some(log)) = (tree.as_mut(), &self.error_log) {
            default_error_log(tree, &log.to_string_lossy());
        }
        if let Some(tree) = tree.as_mut().filter(|_| !self.tomcats.is_empty()) {
            tomcat::add(tree, &self.tomcats, &mut diagnostics);
        }
        let raw = tree.as_ref().map(|tree| Raw::read(tree, &mut diagnostics)).unwrap_or_default();
        Read { raw, tree, diagnostics }
    }

    pub fn is_nginx_conf(&self) -> bool {
        self.file.extension().is_some_and(|e| e == "conf")
    }

    /// The file of `-e`.
    pub fn early_log(&self) -> Option<PathBuf> {
        let log = self.error_log.as_ref().filter(|log| log.as_os_str() != "stderr")?;
        Some(self.prefix().join(log))
    }

    fn tree(&self, diagnostics: &mut Diagnostics) -> Option<Node> {
        match self.file.extension().and_then(|e| e.to_str()) {
            Some("yaml" | "yml") if self.globals.is_some() => {
                diagnostics
                    .error_nowhere("-g gives directives of nginx.conf, and this is an edge.yaml")
                    .help("write them into the file, as keys");
                None
            }
            Some("yaml" | "yml") => yaml::load(&self.file, diagnostics),
            Some("conf") => {
                let around = convert::Around {
                    globals: self.globals.as_deref(),
                    prefix: self.prefix.as_deref(),
                    ignore_unsupported: self.ignore_unsupported,
                };
                convert::load_with(&self.file, &around, diagnostics)
            }
            _ => {
                diagnostics
                    .error_nowhere(format!("{}: is this edge.yaml or nginx.conf?", self.file.display()))
                    .help("the name must end in `.yaml`, `.yml` or `.conf`");
                None
            }
        }
    }
}

/// The log of the command line, where the configuration names none.
fn default_error_log(tree: &mut Node, path: &str) {
    let span = tree.span;
    if let Kind::Map(entries) = &mut tree.kind
        && !entries.iter().any(|e| e.key == "error_log")
    {
        entries.push(Entry { key: "error_log".into(), span, value: Node::quoted(span, path) });
    }
}

impl Loaded {
    /// What is to run, without what it was made of, which is several times as large and of no use any more.
    pub fn into_snapshot(self) -> Option<Arc<Snapshot>> {
        self.snapshot
    }
}

impl Loader {
    pub fn new(options: Options) -> Loader {
        let names = NamesSettings { offline: options.offline, ..NamesSettings::default() };
        let upstreams = Upstreams::new(names);
        let (zones, stores, learned, limits, traffic, rules, exporters, embedded) = Default::default();
        Loader { options, upstreams, zones, stores, learned, limits, traffic, rules, exporters, embedded }
    }

    /// With Rust code that has a say over requests, in every configuration.
    pub fn with_filters(self, filters: Vec<Arc<dyn Filter>>) -> Loader {
        Loader { embedded: Embedded::new(filters), ..self }
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    /// As the heir of a process that goes on for a while; until it ends, both use the directories of the cache.
    pub fn succeeding(self, predecessor: Option<u32>) -> Loader {
        Loader { zones: Arc::new(Zones::new(predecessor)), ..self }
    }

    /// Zones outlive a configuration and have the limits of the last one that was read. If that came to nothing, those of the
    /// one in force hold again.
    pub fn restore_zones(&self, in_force: &Snapshot) {
        for place in &in_force.zones {
            if let Some(zone) = place.zone() {
                self.zones.restore(zone, &place.settings);
            }
        }
    }

    pub fn upstreams(&self) -> &Arc<Upstreams> {
        &self.upstreams
    }

    pub fn prefix(&self) -> PathBuf {
        self.options.prefix()
    }

    /// Reads, checks and compiles. Everything that is wrong is in the diagnostics.
    pub fn load(&self) -> Loaded {
        let Read { raw, tree, mut diagnostics } = self.options.read();
        let resources = Resources {
            upstreams: self.upstreams.clone(),
            zones: self.zones.clone(),
            stores: self.stores.clone(),
            learned: self.learned.clone(),
            limits: self.limits.clone(),
            traffic: self.traffic.clone(),
            rules: self.rules.clone(),
            exporters: self.exporters.clone(),
            embedded: self.embedded.clone(),
            prefix: self.prefix(),
            check_only: self.options.check_only,
        };
        // Mistakes in values are no reason not to look for those in what they mean.
        let snapshot = tree.as_ref().and_then(|_| snapshot::compile(&raw, &resources, &mut diagnostics));
        diagnostics.sort();
        let snapshot = snapshot.filter(|_| !diagnostics.has_errors());
        Loaded { snapshot, raw, tree, diagnostics }
    }
}
