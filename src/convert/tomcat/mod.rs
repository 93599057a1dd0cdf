//! What a Tomcat's own files say of its sessions: context.xml with memcached-session-manager (MSM), server.xml with the
//! jvmRoute. They become the keys `session_store` and `session` that somebody would write in edge.yaml.
//!
//! They are read because they are the truth: nodes, mode and prefix written a second time would be wrong one day. And
//! MSM's defaults lose sessions in ways that no log tells of, so that each is told here ([`losses`]) with its place, what
//! follows, and what to write instead.
//!
//! Always: no password of these files is kept, or shown in a message. Nothing is read but the files that are named.

mod file;
mod losses;
mod manager;
mod nodes;
mod proxied;
mod routes;
mod secrets;
mod sessions;
mod xml;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use sessions::{Added, add};

/// A file of a Tomcat, as the command line names it: `FILE`, or `ADDRESS=FILE` where the port does not tell whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The address of the server whose file it is, as the upstream writes it.
    pub address: Option<String>,
    pub path: PathBuf,
}

impl From<&str> for Source {
    fn from(text: &str) -> Source {
        match text.split_once('=') {
            Some((address, path)) if address.contains([':', '.']) && !address.contains('/') => {
                Source { address: Some(address.to_owned()), path: path.into() }
            }
            _ => Source { address: None, path: text.into() },
        }
    }
}
