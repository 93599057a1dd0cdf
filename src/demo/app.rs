//! One of the demo's two applications: what a Tomcat with one web application would answer behind edge.
//!
//! `/count` adds one to the session's counter, `/` and most others read it, `/slow?ms=` takes its time, `/style.css`
//! is a static file (which MSM ignores), `/demo` is the page to look at. A path with a WEB-INF is 404, after the
//! session was taken over, as in Tomcat.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::Settings;
use super::client::Client;
use super::http::{self, Request, Response};
use super::service::{Serve, Service};
use super::sessions::{Id, Sessions, Visit};

const PAGE: &str = include_str!("page.html");
const COOKIE: &str = "JSESSIONID";
const PATH_PARAMETER: &str = ";jsessionid=";
const SLOWEST: u64 = 60_000;
/// What a `requestUriIgnorePattern` usually lists.
const IGNORED: [&str; 7] = [".css", ".js", ".png", ".gif", ".jpg", ".ico", ".svg"];

/// A handle to an application; clones are the same one.
#[derive(Clone)]
pub struct App {
    pub route: String,
    pub address: SocketAddr,
    inside: Arc<Inside>,
    service: Arc<Service>,
}

struct Inside {
    route: String,
    sessions: Sessions,
    settings: Arc<Settings>,
}

impl App {
    pub(super) async fn launch(
        route: String,
        port: u16,
        store: SocketAddr,
        settings: Arc<Settings>,
    ) -> io::Result<App> {
        let sessions = Sessions::new(route.clone(), Client::new(store));
        let inside = Arc::new(Inside { route: route.clone(), sessions, settings });
        let service = Arc::new(Service::start(port, serve(inside.clone())).await?);
        Ok(App { route, address: service.address, inside, service })
    }

    /// Kills it: connections are gone, the port refuses, the sessions in memory are lost.
    pub async fn stop(&self) {
        self.service.halt().await;
        self.inside.sessions.forget();
    }

    /// Starts it again at its address, with an empty memory.
    pub async fn start(&self) -> io::Result<()> {
        self.service.resume().await
    }

    pub fn is_running(&self) -> bool {
        self.service.is_up()
    }
}

fn serve(inside: Arc<Inside>) -> Serve {
    Arc::new(move |stream| {
        let inside = inside.clone();
        Box::pin(async move {
            http::serve(stream, |request| inside.answer(request)).await;
        })
    })
}

impl Inside {
    async fn answer(&self, request: Request) -> Response {
        let ids = session_ids(&request);
        let path = bare_path(&request);
        let ignored = IGNORED.iter().any(|ending| request.target.ends_with(ending));
        let mut visit = self.sessions.enter(&ids, ignored).await;
        let response = self.respond(&path, &request, &mut visit).await;
        if !ignored {
            self.sessions.leave(&visit).await;
        }
        match &visit.cookie {
            Some(id) => response.with("Set-Cookie", format!("{COOKIE}={id}; Path=/; HttpOnly")),
            None => response,
        }
    }

    async fn respond(&self, path: &str, request: &Request, visit: &mut Visit) -> Response {
        if path.split('/').any(|segment| segment.eq_ignore_ascii_case("WEB-INF")) {
            return Response::plain(404);
        }
        match path {
            "/demo" => Response::new(200, "text/html; charset=utf-8", PAGE).with("Cache-Control", "no-store"),
            "/demo/config.json" => Response::json(&self.settings.for_page()),
            "/style.css" => Response::new(200, "text/css", format!("/* {} */\nbody {{ color: teal }}\n", self.route))
                .with("Cache-Control", "max-age=60"),
            "/slow" => {
                let wanted = request.query("ms").and_then(|ms| ms.parse().ok()).unwrap_or(1000);
                tokio::time::sleep(Duration::from_millis(SLOWEST.min(wanted))).await;
                self.describe(path, false, visit).await
            }
            _ => self.describe(path, path == "/count", visit).await,
        }
    }

    /// The session as JSON; `at` orders the answers of all applications (microseconds since 1970).
    async fn describe(&self, path: &str, count: bool, visit: &mut Visit) -> Response {
        let session = self.sessions.open(visit).await;
        let counted = count.then(|| session.count());
        let (state, now) = session.read();
        let (counter, at) = counted.unwrap_or((state.counter, now));
        let base = Id::parse(&state.id).map_or("", |id| id.base);
        Response::json(&json!({
            "route": self.route,
            "path": path,
            "session": base.get(..6).unwrap_or(base),
            "new": state.is_new,
            "counter": counter,
            "at": at,
        }))
    }
}

/// Cookies beat the path parameter; what is no session id is not one.
fn session_ids(request: &Request) -> Vec<&str> {
    let pairs = request.all("cookie").flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let cookies = pairs.filter(|(name, _)| *name == COOKIE).map(|(_, id)| id.trim_matches('"'));
    let mut ids: Vec<&str> = cookies.filter(|id| Id::parse(id).is_some()).collect();
    if ids.is_empty() {
        let parameter = request.path().split_once(PATH_PARAMETER).map(|(_, rest)| rest);
        let id = parameter.map(|rest| rest.split([';', '/']).next().unwrap_or_default());
        ids.extend(id.filter(|id| Id::parse(id).is_some()));
    }
    // More than a browser would ever send would only cost lookups.
    ids.truncate(4);
    ids
}

/// The path without the parameters of its segments.
fn bare_path(request: &Request) -> String {
    let segments = request.path().split('/').map(|segment| segment.split(';').next().unwrap_or_default());
    segments.collect::<Vec<_>>().join("/")
}
