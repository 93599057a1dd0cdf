//! What the keeper gives: what the configuration names, which it reads itself, and nothing else.

use crate::config::Node;
use crate::config::node::Kind;
use crate::config::raw::{Location, Raw, Scope};
use crate::config::types::AccessLog;
use crate::proxy::snapshot::{self, ListenAddress};
use crate::server::load::{Options, Read};
use crate::system::Request;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// One configuration's permits.
#[derive(Clone, Debug, Default)]
pub struct Permits {
    /// The configuration, what it includes, and every path that stands as a value in it.
    read: HashSet<PathBuf>,
    /// Its logs.
    append: HashSet<PathBuf>,
    /// Directories of logs, of temporary files, of caches.
    directories: HashSet<PathBuf>,
    bind: HashSet<ListenAddress>,
    control: Option<PathBuf>,
    pid: PathBuf,
    /// Where the keeper itself says what went wrong; `None`: to stderr.
    error_log: Option<PathBuf>,
}

impl Permits {
    /// Reads the configuration, as root.
    pub fn read(options: &Options) -> Permits {
        Permits::of(&options.read(), &options.prefix())
    }

    fn of(Read { raw, tree, diagnostics }: &Read, prefix: &Path) -> Permits {
        let mut permits = Permits { pid: prefix.join(raw.main.pid()), ..Permits::default() };
        permits.read.extend(diagnostics.files().map(Path::to_owned));
        if let Some(tree) = tree {
            values(tree, &mut |text| {
                permits.read.insert(prefix.join(text));
            });
        }
        permits.control = snapshot::control(&raw.main, prefix).map(|control| control.path);
        let error_log = Some(raw.main.error_log().0.path()).filter(|path| path != "stderr");
        permits.error_log = error_log.map(|path| prefix.join(path));
        permits.append.extend(permits.error_log.clone());
        each_scope(raw, &mut |scope| permits.take_scope(scope, prefix));
        let caches = raw.main.proxy_cache_path.iter().flat_map(|paths| paths.value.0.iter());
        permits.directories.extend(caches.filter_map(|(_, cache)| Some(prefix.join(&cache.0.path.as_ref()?.value))));
        permits.directories.extend(permits.append.iter().filter_map(|log| Some(log.parent()?.to_owned())));
        permits.directories.extend(permits.control.iter().filter_map(|path| Some(path.parent()?.to_owned())));
        let listens = raw.servers.iter().flat_map(|server| server.keys.listen());
        let addresses = listens.filter_map(|listen| ListenAddress::parse(listen.value.0.address.as_ref()?).ok());
        permits.bind = addresses.collect();
        permits
    }

    fn take_scope(&mut self, scope: &Scope, prefix: &Path) {
        for log in scope.access_log() {
            if let AccessLog::To(log) = log
                && let Some(path) = &log.path
            {
                self.append.insert(prefix.join(&path.value));
            }
        }
        let temporary = [&scope.client_body_temp_path, &scope.proxy_temp_path];
        self.directories.extend(temporary.into_iter().flatten().map(|path| prefix.join(&path.value.0)));
    }

    /// Whether a request may be granted.
    pub fn allow(&self, request: &Request) -> bool {
        match request {
            Request::Read(path) => self.read.contains(path),
            Request::Append(path) => self.append.contains(path),
            Request::Directory(path) => self.directories.contains(path),
            Request::Bind(address) => ListenAddress::parse(address).is_ok_and(|address| self.may_bind(&address)),
            Request::Pid(path) => self.pid == *path,
            _ => Permits::are_not_needed(request),
        }
    }

    /// What is limited elsewhere: only what may be read anyway is named, only what the keeper has bound is removed, only
    /// after a signal is handed over.
    pub fn are_not_needed(request: &Request) -> bool {
        use Request::{HandOver, Inherit, Matching, Ready, Remove, Successor};
        matches!(request, Matching(_) | Remove(_) | Ready | Inherit(_) | HandOver | Successor)
    }

    fn may_bind(&self, address: &ListenAddress) -> bool {
        self.bind.contains(address) || self.is_control(address)
    }

    pub fn is_control(&self, address: &ListenAddress) -> bool {
        matches!((address, &self.control), (ListenAddress::Unix(path), Some(control)) if path == control)
    }

    pub fn may_read(&self, path: &Path) -> bool {
        self.read.contains(path)
    }

    pub fn error_log(&self) -> Option<&Path> {
        self.error_log.as_deref()
    }
}

fn values(node: &Node, found: &mut impl FnMut(&str)) {
    match &node.kind {
        Kind::Null => {}
        Kind::Scalar(scalar) => found(&scalar.text),
        Kind::List(items) => items.iter().for_each(|item| values(item, found)),
        Kind::Map(entries) => entries.iter().for_each(|entry| values(&entry.value, found)),
    }
}

fn each_scope(raw: &Raw, found: &mut impl FnMut(&Scope)) {
    found(&raw.scope);
    for server in &raw.servers {
        found(&server.scope);
        server.locations.iter().for_each(|location| each_scope_in(location, found));
    }
}

fn each_scope_in(location: &Location, found: &mut impl FnMut(&Scope)) {
    found(&location.scope);
    location.handling.ifs().for_each(|inner| found(&inner.scope));
    location.limit_except.iter().for_each(|limit| found(&limit.scope));
    location.locations.iter().for_each(|inner| each_scope_in(inner, found));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits() -> (tempfile::TempDir, Permits) {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("more.yaml"), "error_log: logs/error.log\n").unwrap();
        std::fs::write(home.path().join("secret"), "s").unwrap();
        let text = "pid: run/edge.pid\ninclude: more.yaml\nclient_body_temp_path: bodies\nproxy_set_header: { K: '${file:secret}' }\n\
                    proxy_cache_path: { one: { path: cache } }\nserver:\n  - listen: [81, '[::1]:82', 'unix:/run/x.sock']\n    \
                    access_log: logs/deep/a.log\n    location:\n      \
                    - { match: /, access_log: [{ path: /var/log/b.log }], root: keys/site.pem }\n";
        std::fs::write(home.path().join("edge.yaml"), text).unwrap();
        let options = Options { file: home.path().join("edge.yaml"), offline: true, ..Options::default() };
        let permits = Permits::read(&options);
        (home, permits)
    }

    #[test]
    fn what_the_configuration_names_is_given() {
        let (home, permits) = permits();
        let at = |path: &str| home.path().join(path);
        for request in [
            Request::Read(at("edge.yaml")),
            Request::Read(at("more.yaml")),
            Request::Read(at("secret")),
            Request::Read(at("keys/site.pem")),
            Request::Append(at("logs/error.log")),
            Request::Append(at("logs/deep/a.log")),
            Request::Append("/var/log/b.log".into()),
            Request::Append(at("logs/access.log")),
            Request::Directory(at("logs/deep")),
            Request::Directory(at("bodies")),
            Request::Directory(at("cache")),
            Request::Pid(at("run/edge.pid")),
            Request::Bind("0.0.0.0:81".into()),
            Request::Bind("[::1]:82".into()),
            Request::Bind("unix:/run/x.sock".into()),
            Request::Bind(format!("unix:{}", at("run/edge.sock").display())),
        ] {
            assert!(permits.allow(&request), "{request:?}");
        }
    }

    #[test]
    fn what_it_does_not_name_is_refused() {
        let (home, permits) = permits();
        let at = |path: &str| home.path().join(path);
        for request in [
            Request::Read("/etc/shadow".into()),
            Request::Read(at("other.yaml")),
            Request::Read(at("keys/../../../etc/shadow")),
            Request::Append(at("edge.yaml")),
            Request::Append(at("keys/site.pem")),
            Request::Append("/etc/passwd".into()),
            Request::Directory("/etc/cron.d".into()),
            Request::Directory(at("keys")),
            Request::Pid("/etc/passwd".into()),
            Request::Bind("0.0.0.0:80".into()),
            Request::Bind("127.0.0.1:81".into()),
            Request::Bind("unix:/run/y.sock".into()),
            Request::Bind("nonsense:x".into()),
        ] {
            assert!(!permits.allow(&request), "{request:?}");
        }
    }
}
