//! What `edge demo` puts behind an edge: small applications which behave like Tomcats with memcached-session-manager
//! (MSM), the session store they share, and the page that shows who answers. `edge demo application` runs one of them as a
//! process of its own, which can be killed; tests do that.
//!
//! Everything listens on loopback only. The applications repair nothing: what is lost when one of them is killed is lost by
//! what stands in front of them. They do what a real Tomcat with MSM was recorded to do; the tests replay the recordings.
//!
//! ```text
//!   app            one Tomcat: contexts, whose request it is, cookies
//!   pages, login   the web application, and who may see it
//!   sessions       what its sessions go through, by `sticky` or `non_sticky`; `session` is one of them
//!   msm            how MSM is set up, its keys and times
//!   id, blob, attributes   what is written in an id and in a value
//!   nodes, client  the memcached nodes
//!   store          a memcached in this process, with `command` and `items`
//!   control        stops and starts applications
//!   http, service  the server below all of it, and a listener that can be switched off
//! ```

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use serde_json::{Value, json};

mod app;
mod attributes;
mod blob;
mod client;
mod command;
mod control;
mod http;
mod id;
mod items;
mod login;
mod msm;
mod nodes;
mod non_sticky;
mod pages;
mod service;
mod session;
mod sessions;
mod sticky;
mod store;

pub use app::{App, Tomcat};
pub use login::Login;
pub use msm::{IGNORE, Locking, Mode, Msm, whole};
use service::Service;

/// The name of the demo's only memcached.
pub const NODE: &str = "n1";

/// What a JVM needs to make a session of what it loads. In this time others of its requests can come.
const LOAD: Duration = Duration::from_millis(40);

/// What to start; ports of 0 are picked.
#[derive(Clone, Debug)]
pub struct Options {
    /// One application each, with the port it listens on.
    pub apps: Vec<(String, u16)>,
    pub store_port: u16,
    pub control_port: u16,
    /// What the store's items may take, in bytes (at least 2 MB).
    pub store_memory: usize,
    pub without_takeover: Without,
}

/// Where the edge takes no session over, so that the page can show what is lost then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    Nowhere,
    /// Below this path, which it takes off: `/off`.
    Under(&'static str),
    Everywhere,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            apps: vec![("t1".to_string(), 0), ("t2".to_string(), 0)],
            store_port: 0,
            control_port: 0,
            store_memory: 64 << 20,
            without_takeover: Without::Nowhere,
        }
    }
}

/// The running stand-ins; dropping it ends them.
pub struct Demo {
    pub apps: Vec<App>,
    /// Where the store speaks memcached's text protocol.
    pub store: SocketAddr,
    /// Where the page's stop and start buttons go.
    pub control: SocketAddr,
    settings: Arc<Settings>,
    _services: [Service; 2],
}

impl Demo {
    /// Tells under which origin (`http://127.0.0.1:8080`) browsers see the page; until then no page may use the
    /// control listener.
    pub fn set_origin(&self, origin: &str) {
        let origin = origin.trim_end_matches('/').to_string();
        *self.settings.origin.write().unwrap_or_else(PoisonError::into_inner) = Some(origin);
    }
}

/// Binds the store, the applications and the control listener on loopback.
///
/// # Errors
/// If a port is taken, or two applications have one name.
pub async fn start(options: Options) -> io::Result<Demo> {
    let routes: Vec<String> = options.apps.iter().map(|(route, _)| route.clone()).collect();
    if routes.iter().enumerate().any(|(at, route)| routes[..at].contains(route)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "two applications have one route"));
    }
    let without = options.without_takeover;
    let settings = Arc::new(Settings { routes, without, control: OnceLock::new(), origin: RwLock::new(None) });
    let store = Service::start(options.store_port, store::Store::new(options.store_memory).serve()).await?;
    let mut apps = Vec::new();
    for (route, port) in options.apps {
        let msm = Msm { load_time: LOAD, ..Msm::new(vec![(Some(NODE.to_string()), store.address)]) };
        apps.push(App::launch(Tomcat::new(&route, port, msm), Some(settings.clone())).await?);
    }
    let control = control::launch(options.control_port, apps.clone(), settings.clone()).await?;
    let address = *settings.control.get_or_init(|| control.address);
    Ok(Demo { apps, store: store.address, control: address, settings, _services: [store, control] })
}

/// What the page and the control listener have to know, some of it only after everything listens.
struct Settings {
    routes: Vec<String>,
    without: Without,
    control: OnceLock<SocketAddr>,
    origin: RwLock<Option<String>>,
}

impl Settings {
    fn for_page(&self) -> Value {
        let control = self.control.get().map(|address| format!("http://{address}"));
        let origin = self.origin.read().unwrap_or_else(PoisonError::into_inner);
        // Where the page asks with the takeover and where without; null: it cannot.
        let (with, without) = match self.without {
            Without::Nowhere => (Some(""), None),
            Without::Under(path) => (Some(""), Some(path)),
            Without::Everywhere => (None, Some("")),
        };
        let takeover = json!({ "on": with, "off": without });
        json!({ "control": control, "apps": self.routes, "origin": *origin, "takeover": takeover })
    }

    fn is_origin(&self, origin: &str) -> bool {
        self.origin.read().unwrap_or_else(PoisonError::into_inner).as_deref() == Some(origin)
    }

    fn is_control(&self, host: Option<&str>) -> bool {
        self.control.get().map(SocketAddr::to_string).as_deref() == host
    }
}

#[cfg(test)]
mod tests;
