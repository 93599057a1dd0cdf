//! What the keeper does for the worker, once it is permitted.

use super::permits::Permits;
use super::{Keeper, denied, identity, paths};
use crate::config::glob;
use crate::proxy::snapshot::ListenAddress;
use crate::server::sockets;
use crate::system::{Reply, Request};
use socket2::{SockAddr, Socket};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// What was permitted so recently is permitted without reading the configuration again.
const FRESH: Duration = Duration::from_secs(2);
/// More sockets are not handed over.
const MOST_SOCKETS: usize = 4096;

impl Keeper {
    /// Whether the configuration allows it: the one in force, the files as they were a moment ago or as they are now.
    fn allows(&mut self, request: &Request) -> bool {
        if Permits::are_not_needed(request) || self.in_force.as_ref().is_some_and(|permits| permits.allow(request)) {
            return true;
        }
        let fresh = self.permits_read.is_some_and(|at| at.elapsed() < FRESH);
        if fresh && self.permits.allow(request) {
            return true;
        }
        self.read_permits();
        self.permits.allow(request)
    }

    pub(super) fn read_permits(&mut self) {
        self.permits = Permits::read(&self.options);
        self.permits_read = Some(Instant::now());
    }

    pub(super) fn grant(&mut self, request: &Request, descriptor: Option<OwnedFd>) -> io::Result<Reply> {
        let (user, group) = (self.account.user, self.account.group);
        if !self.allows(request) {
            return Err(denied());
        }
        match request {
            Request::Read(path) => paths::read(path).map(Reply::of_descriptor),
            Request::Append(path) => paths::append(path, user, group).map(Reply::of_descriptor),
            Request::Directory(path) => paths::make_directory(path, user, group).map(|()| Reply::default()),
            Request::Matching(pattern) => self.matching(pattern),
            Request::Bind(address) => self.bind(address, descriptor.ok_or_else(denied)?),
            Request::Remove(path) => self.remove(path),
            Request::Pid(path) => self.write_pid(path),
            Request::Ready => {
                self.read_permits();
                self.in_force = Some(self.permits.clone());
                if let Some(mut background) = self.background.take() {
                    background.ready();
                }
                Ok(Reply::default())
            }
            Request::Inherit(address) => self.inherit(address, descriptor.ok_or_else(denied)?),
            Request::HandOver => self.hand_over(),
            Request::Successor => {
                let runs = if self.successor.is_some() { b"1" } else { b"0" };
                Ok(Reply { bytes: runs.to_vec(), descriptor: None })
            }
        }
    }

    /// Only what may be read is named, so that nobody learns what else there is.
    fn matching(&mut self, pattern: &Path) -> io::Result<Reply> {
        let pattern = pattern.to_str().ok_or_else(denied)?;
        let found = glob::files(Path::new(""), pattern).map_err(|_| denied())?;
        self.read_permits();
        Ok(Reply::of_paths(found.into_iter().filter(|path| self.permits.may_read(path)).collect()))
    }

    fn bind(&mut self, address: &str, descriptor: OwnedFd) -> io::Result<Reply> {
        let address = ListenAddress::parse(address).map_err(|_| denied())?;
        let socket = Socket::from(descriptor);
        match &address {
            ListenAddress::Tcp(address) => socket.bind(&SockAddr::from(*address))?,
            ListenAddress::Unix(path) => self.bind_unix(&socket, path, self.is_control(&address))?,
        }
        Ok(Reply::default())
    }

    fn is_control(&self, address: &ListenAddress) -> bool {
        self.in_force.iter().chain([&self.permits]).any(|permits| permits.is_control(address))
    }

    fn bind_unix(&mut self, socket: &Socket, path: &Path, control: bool) -> io::Result<()> {
        if !paths::is_roots(path)? {
            return Err(denied());
        }
        sockets::remove_stale(path, control)?;
        socket.bind(&SockAddr::unix(path)?)?;
        let mode = if control { 0o600 } else { 0o666 };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        if control {
            std::os::unix::fs::lchown(path, Some(self.account.user), Some(self.account.group))?;
        }
        self.bound.retain(|(known, _)| known != path);
        self.bound.push((path.to_owned(), identity(path)?));
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<Reply> {
        let known = self.bound.iter().position(|(known, _)| known == path).ok_or_else(denied)?;
        let (_, was) = self.bound.remove(known);
        // Another process may have put its own there.
        if identity(path)? == was {
            paths::remove(path)?;
        }
        Ok(Reply::default())
    }

    fn write_pid(&mut self, path: &Path) -> io::Result<Reply> {
        paths::replace(path, &format!("{}\n", std::process::id()))?;
        if let Some(before) = self.pid.replace(path.to_owned()).filter(|before| before != path) {
            let _ = paths::remove(&before);
        }
        Ok(Reply::default())
    }

    fn inherit(&mut self, address: &str, descriptor: OwnedFd) -> io::Result<Reply> {
        if self.inherit.len() >= MOST_SOCKETS || address.contains([';', '=']) {
            return Err(denied());
        }
        self.inherit.push((address.to_owned(), descriptor));
        Ok(Reply::default())
    }
}
