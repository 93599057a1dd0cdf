//! A file → a snapshot, the same way for the start, a reload and `edge -t`.

use crate::cache::store::Zones;
use crate::config::{Diagnostics, Node, Raw, yaml};
use crate::convert::{self, tomcat};
use crate::limit;
use crate::proxy::rules::{Embedded, Filter};
use crate::proxy::snapshot::{self, Resources, Snapshot};
use crate::session::sticky::LearnedTables;
use crate::session::store::Stores;
use crate::upstream::{NamesSettings, Upstreams};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the command line says about the configuration.
#[derive(Clone, Debug)]
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
        if let Some(tree) = tree.as_mut().filter(|_| !self.tomcats.is_empty()) {
            tomcat::add(tree, &self.tomcats, &mut diagnostics);
        }
        let raw = tree.as_ref().map(|tree| Raw::read(tree, &mut diagnostics)).unwrap_or_default();
        Read { raw, tree, diagnostics }
    }

    fn tree(&self, diagnostics: &mut Diagnostics) -> Option<Node> {
        match self.file.extension().and_then(|e| e.to_str()) {
            Some("yaml" | "yml") => yaml::load(&self.file, diagnostics),
            Some("conf") => convert::load(&self.file, diagnostics),
            _ => {
                diagnostics
                    .error_nowhere(format!("{}: is this edge.yaml or nginx.conf?", self.file.display()))
                    .help("the name must end in `.yaml`, `.yml` or `.conf`");
                None
            }
        }
    }
}

impl Loader {
    pub fn new(options: Options) -> Loader {
        let names = NamesSettings { offline: options.offline, ..NamesSettings::default() };
        let (zones, stores, learned, limits, embedded) = Default::default();
        Loader { options, upstreams: Upstreams::new(names), zones, stores, learned, limits, embedded }
    }

    /// With Rust code that has a say over requests, in every configuration.
    pub fn with_filters(self, filters: Vec<Arc<dyn Filter>>) -> Loader {
        Loader { embedded: Embedded::new(filters), ..self }
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
