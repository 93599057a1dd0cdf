//! What `edge demo` puts behind an edge: two small applications which behave like Tomcats with
//! memcached-session-manager, the session store they share, and the page that shows who answers.
//!
//! Everything runs in this process and listens on loopback only. The applications repair nothing: what is lost when
//! one of them is killed is lost by what stands in front of them.
//!
//! `app` answers requests, `sessions` and `blob` are Tomcat's and MSM's part, `client` talks to the store, which is
//! `store` with `command` and `items`; `control` stops and starts applications, `service` is a listener that can be
//! switched off, `http` the server below all of it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use serde_json::{Value, json};

mod app;
mod blob;
mod client;
mod command;
mod control;
mod http;
mod items;
mod service;
mod sessions;
mod store;

pub use app::App;
use service::Service;

/// What to start; ports of 0 are picked.
#[derive(Clone, Debug)]
pub struct Options {
    /// One application each, with the port it listens on.
    pub apps: Vec<(String, u16)>,
    pub store_port: u16,
    pub control_port: u16,
    /// What the store's items may take, in bytes (at least 2 MB).
    pub store_memory: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            apps: vec![("t1".to_string(), 0), ("t2".to_string(), 0)],
            store_port: 0,
            control_port: 0,
            store_memory: 64 << 20,
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
    let settings = Arc::new(Settings { routes, control: OnceLock::new(), origin: RwLock::new(None) });
    let store = Service::start(options.store_port, store::Store::new(options.store_memory).serve()).await?;
    let mut apps = Vec::new();
    for (route, port) in options.apps {
        apps.push(App::launch(route, port, store.address, settings.clone()).await?);
    }
    let control = control::launch(options.control_port, apps.clone(), settings.clone()).await?;
    let address = *settings.control.get_or_init(|| control.address);
    Ok(Demo { apps, store: store.address, control: address, settings, _services: [store, control] })
}

/// What the page and the control listener have to know, some of it only after everything listens.
struct Settings {
    routes: Vec<String>,
    control: OnceLock<SocketAddr>,
    origin: RwLock<Option<String>>,
}

impl Settings {
    fn for_page(&self) -> Value {
        let control = self.control.get().map(|address| format!("http://{address}"));
        let origin = self.origin.read().unwrap_or_else(PoisonError::into_inner);
        json!({ "control": control, "apps": self.routes, "origin": *origin })
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
