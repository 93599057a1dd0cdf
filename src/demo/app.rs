//! One application: a Tomcat with memcached-session-manager and one web application, in one context or several.
//!
//! It answers as a Tomcat behind edge would; what its pages do is in `pages`. A path with a WEB-INF, or one that there is
//! not, is 404 after the session was taken over, as in Tomcat; a path outside all contexts is 404 before.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Settings;
use super::http::{self, Request, Response};
use super::id::Id;
use super::login::{self, Login};
use super::msm::{Mode, Msm};
use super::pages;
use super::service::{Serve, Service};
use super::session::Visit;
use super::sessions::Sessions;

const COOKIE: &str = "JSESSIONID";
const PATH_PARAMETER: &str = ";jsessionid=";
/// Names the nodes that the next new ids of a request get: `n2 n1`.
const WISHES: &str = "x-memcached-nodes";
/// How long a stopping Tomcat accepts connections that it will not answer.
const GOODBYE: Duration = Duration::from_millis(1400);

/// How to set up an application.
#[derive(Clone, Debug)]
pub struct Tomcat {
    /// Its name, which its answers tell.
    pub route: String,
    /// 0: any free one.
    pub port: u16,
    /// What its session ids end with; the name is usual in sticky mode, nothing in the other one.
    pub jvm_route: Option<String>,
    /// `/` and the like.
    pub contexts: Vec<String>,
    /// Whether ids travel in cookies; otherwise only in URLs.
    pub cookies: bool,
    pub login: Login,
    pub msm: Msm,
}

impl Tomcat {
    /// One context at `/`, and everything as it is by default.
    pub fn new(route: &str, port: u16, msm: Msm) -> Tomcat {
        Tomcat {
            route: route.to_string(),
            port,
            jvm_route: (msm.mode == Mode::Sticky).then(|| route.to_string()),
            contexts: vec!["/".to_string()],
            cookies: true,
            login: Login::Basic,
            msm,
        }
    }
}

/// A handle to an application; clones are the same one.
#[derive(Clone)]
pub struct App {
    pub route: String,
    pub address: SocketAddr,
    inside: Arc<Inside>,
    service: Arc<Service>,
}

pub(super) struct Inside {
    pub(super) route: String,
    /// The longest path first.
    contexts: Vec<Context>,
    cookies: bool,
    login: Login,
    paused: AtomicBool,
    /// For the page, if there is one.
    pub(super) settings: Option<Arc<Settings>>,
}

struct Context {
    /// `/shop`; nothing for `/`.
    path: String,
    sessions: Arc<Sessions>,
}

impl App {
    /// Starts an application that stands alone.
    ///
    /// # Errors
    /// If its port is taken.
    pub async fn start_alone(tomcat: Tomcat) -> io::Result<App> {
        App::launch(tomcat, None).await
    }

    pub(super) async fn launch(tomcat: Tomcat, settings: Option<Arc<Settings>>) -> io::Result<App> {
        let context = |path: &String| {
            let sessions = Arc::new(Sessions::new(tomcat.jvm_route.clone(), tomcat.msm.clone()));
            if let Ok(delay @ 1..) = u32::try_from(tomcat.msm.background_delay) {
                tokio::spawn(Sessions::refresh(Arc::downgrade(&sessions), delay));
            }
            Context { path: path.trim_end_matches('/').to_string(), sessions }
        };
        let mut contexts: Vec<Context> = tomcat.contexts.iter().map(context).collect();
        contexts.sort_by_key(|context| std::cmp::Reverse(context.path.len()));
        let inside = Arc::new(Inside {
            route: tomcat.route.clone(),
            contexts,
            cookies: tomcat.cookies,
            login: tomcat.login,
            paused: AtomicBool::new(false),
            settings,
        });
        let service = Arc::new(Service::start(tomcat.port, serve(inside.clone())).await?);
        Ok(App { route: tomcat.route, address: service.address, inside, service })
    }

    /// Kills it: connections are gone, the port refuses, the sessions in memory are lost.
    pub async fn stop(&self) {
        self.service.halt().await;
        self.inside.contexts.iter().for_each(|context| context.sessions.forget());
    }

    /// Starts it again at its address, with an empty memory.
    pub async fn start(&self) -> io::Result<()> {
        self.service.resume().await
    }

    pub fn is_running(&self) -> bool {
        self.service.is_up()
    }

    /// What TERM does to a Tomcat: for a while it accepts connections without answering; whoever waits when this
    /// returns is to be reset by the end of the process. Nothing is saved, and nothing deleted.
    pub async fn say_goodbye(&self) {
        self.inside.paused.store(true, Ordering::SeqCst);
        tokio::time::sleep(GOODBYE).await;
    }
}

fn serve(inside: Arc<Inside>) -> Serve {
    Arc::new(move |stream| {
        let inside = inside.clone();
        Box::pin(async move {
            http::serve_unless(stream, &inside.paused, |request| inside.answer(request)).await;
        })
    })
}

impl Inside {
    async fn answer(&self, request: Request) -> Response {
        let path = bare_path(&request);
        let Some((context, inner)) = self.context(&path) else {
            return Response::plain(404);
        };
        let sessions = &context.sessions;
        let line = format!("{} {}", request.method, request.target);
        let wishes = request.header(WISHES).unwrap_or_default().split(' ').map(str::to_string);
        let ignored = sessions.is_ignored(&line);
        let mut visit = Visit::new(line, wishes.filter(|node| !node.is_empty()).collect());
        sessions.arrive(&session_ids(&request, self.cookies), ignored, &mut visit).await;

        let answered = self.login.check(inner, &request, sessions, &mut visit).await;
        let is_saved = !ignored && answered.as_ref().is_none_or(|answered| answered.is_saved);
        let response = match answered {
            Some(answered) => answered.response,
            None => {
                if !ignored {
                    sessions.take(&mut visit).await;
                }
                login::forget_saved_request(&visit);
                pages::answer(self, sessions, inner, &request, &mut visit).await
            }
        };
        if is_saved {
            sessions.leave(&visit).await;
        }
        if let Some(session) = &visit.session {
            session.end_access();
        }
        let path = if context.path.is_empty() { "/" } else { &context.path };
        match &visit.cookie {
            Some(id) if self.cookies => response.with("Set-Cookie", format!("{COOKIE}={id}; Path={path}; HttpOnly")),
            _ => response,
        }
    }

    /// The context a path belongs to, and the path inside of it.
    fn context<'a>(&self, path: &'a str) -> Option<(&Context, &'a str)> {
        self.contexts.iter().find_map(|context| {
            let inner = path.strip_prefix(&context.path)?;
            (inner.is_empty() || inner.starts_with('/')).then_some((context, inner))
        })
    }
}

/// Cookies beat the path parameter; what is no session id is not one.
fn session_ids(request: &Request, cookies: bool) -> Vec<&str> {
    let mut ids = Vec::new();
    if cookies {
        let pairs = request.all("cookie").flat_map(|line| line.split(';'));
        let pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
        let values = pairs.filter(|(name, _)| *name == COOKIE).map(|(_, id)| id.trim_matches('"'));
        ids.extend(values.filter(|id| Id::parse(id).is_some()));
    }
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
