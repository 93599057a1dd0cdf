//! The web application itself.
//!
//! ```text
//!   /count         adds one to the session's counter; ?token=T is remembered with it
//!   /, /slow?ms=   make a session if there is none, and tell its counter; /slow takes its time
//!   /get, /whoami  tell the counter of the session that there is, and make none
//!   /touch         looks at the session, but not at what is in it
//!   /nosession     does not
//!   /tokens        the tokens of all updates that the session has seen
//!   /url           makes a session, and tells a URL with its id
//!   /login?user=   makes a new id for the session, as a login does
//!   /secure/x      only for who is logged in
//!   /invalidate    ends the session
//!   /big?kb=       makes it large
//!   /style.css, /app.js, /logo.svg   static files
//! ```
//!
//! `.jsp` and `.action` may follow a page's name.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::app::Inside;
use super::http::{Request, Response};
use super::id::Id;
use super::login;
use super::session::{Session, Visit, micros};
use super::sessions::Sessions;

const PAGE: &str = include_str!("page.html");
const SLOWEST: u64 = 60_000;
const BIGGEST: usize = 4096;

pub(super) async fn answer(
    inside: &Inside,
    sessions: &Sessions,
    path: &str,
    request: &Request,
    visit: &mut Visit,
) -> Response {
    if path.split('/').any(|segment| segment.eq_ignore_ascii_case("WEB-INF")) {
        return Response::plain(404);
    }
    if let Some(file) = file(inside, path) {
        return file;
    }
    let page = path.strip_suffix(".jsp").or_else(|| path.strip_suffix(".action")).unwrap_or(path);
    let number = |name: &str| request.query(name).and_then(|text| text.parse::<u64>().ok());
    let mut more = json!({});
    let mut counted = None;
    match page {
        "/touch" | "/nosession" | "/get" | "/whoami" | "/tokens" => {}
        "" | "/" => {
            sessions.open(visit).await;
        }
        "/count" => counted = Some(sessions.open(visit).await.count(request.query("token"))),
        "/slow" => {
            let wanted = Duration::from_millis(SLOWEST.min(number("ms").unwrap_or(1000)));
            tokio::time::sleep(wanted).await;
            sessions.open(visit).await;
        }
        "/url" => {
            let id = sessions.open(visit).await.id();
            more = json!({ "encoded": format!("/count;jsessionid={id}") });
        }
        "/login" => {
            let user = request.query("user").unwrap_or("bob");
            sessions.open(visit).await.with(|blob| blob.attributes.set_text("user", user));
            sessions.rotate(visit).await;
        }
        "/invalidate" => sessions.invalidate(visit).await,
        "/big" => {
            let size = BIGGEST.min(number("kb").unwrap_or(1) as usize) << 10;
            let array = Bytes::from(vec![0; size]);
            sessions.open(visit).await.with(|blob| blob.attributes.set_array("big", array));
        }
        _ if page.starts_with("/secure/") => {
            if let Some(session) = &visit.session {
                session.with(|blob| blob.attributes.set_text("sec", "1"));
                more = json!({ "user": login::user(&session.state().principal) });
            }
        }
        _ => return Response::plain(404),
    }
    if page == "/tokens"
        && let Some(session) = &visit.session
    {
        more = json!({ "tokens": session.tokens() });
    }
    let looks = !matches!(page, "/touch" | "/nosession" | "/url");
    let session = visit.session.as_deref().filter(|_| page != "/nosession");
    let mut body = describe(session, looks, counted);
    let mine = json!({ "route": inside.route, "path": path, "valid": visit.is_valid });
    for part in [mine, more] {
        if let (Value::Object(body), Value::Object(part)) = (&mut body, part) {
            body.extend(part);
        }
    }
    Response::json(&body)
}

fn file(inside: &Inside, path: &str) -> Option<Response> {
    let (kind, content) = match path {
        "/style.css" => ("text/css", format!("/* {} */\nbody {{ color: teal }}\n", inside.route)),
        "/app.js" => ("text/javascript", format!("// {}\n", inside.route)),
        "/logo.svg" => ("image/svg+xml", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>\n".to_string()),
        "/demo" if inside.settings.is_some() => {
            return Some(Response::new(200, "text/html; charset=utf-8", PAGE).with("Cache-Control", "no-store"));
        }
        "/demo/config.json" => return Some(Response::json(&inside.settings.as_ref()?.for_page())),
        _ => return None,
    };
    Some(Response::new(200, kind, content).with("Cache-Control", "max-age=60"))
}

/// The session as JSON, but only the beginning of its id; `at` orders the answers of all applications (microseconds
/// since 1970).
fn describe(session: Option<&Session>, looks: bool, counted: Option<(i32, u64)>) -> Value {
    let Some(session) = session else {
        return json!({ "session": null, "node": null, "new": false, "counter": null, "at": micros() });
    };
    let counter = looks.then(|| session.with(|blob| blob.counter())).flatten();
    let state = session.state();
    let id = Id::parse(&state.id);
    let base = id.as_ref().map_or("", |id| id.base);
    json!({
        "session": base.get(..6).unwrap_or(base),
        "node": id.as_ref().and_then(|id| id.node),
        "jvm_route": id.as_ref().and_then(|id| id.route),
        "new": state.is_new,
        "counter": counted.map(|(counter, _)| counter).or(counter),
        "at": counted.map_or_else(micros, |(_, at)| at),
    })
}
