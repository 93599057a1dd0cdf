//! What a request is answered with: server, location, rewrites, `try_files`, `error_page`, until somebody can answer.
//!
//! Plain decisions over the request's state: nothing here reads from or writes to a client. nginx's phases in nginx's order;
//! the URI may change ten times, then it is a circle.

use super::request::Request;
use super::snapshot::{Candidate, ErrorTarget, Handler, LastResort, Location, Return, Server};
use super::{redirect, rewrite};
use crate::config::types::{ErrorPageStatus, Return as RawReturn};
use crate::files;
use crate::http::Framing;
use crate::http::pages::internal;
use crate::route::{self, Uri, escape};
use bytes::Bytes;
use std::sync::Arc;

/// nginx's NGX_HTTP_MAX_URI_CHANGES.
const MAX_REDIRECTS: u8 = 10;

/// Who answers, and with what.
#[derive(Debug)]
pub enum Content {
    /// The location's upstream.
    Proxy,
    /// A text of the configuration.
    Text { status: u16, content_type: String, body: Bytes },
    /// The client is sent elsewhere; `location` is as it stands in the field.
    Redirect { status: u16, location: Vec<u8> },
    /// A local file.
    File { status: u16, headers: files::Headers, body: files::Body },
    /// A status with edge's own page.
    Status { status: u16, headers: files::Headers },
    /// The connection is closed without an answer (`return 444`).
    Close,
}

impl Content {
    pub fn status(status: u16) -> Content {
        Content::Status { status, headers: Vec::new() }
    }
}

/// Where the search goes on.
enum Step {
    /// The server's own rewrites, then a location.
    Server,
    /// A location for the path.
    Find,
    /// The location that was found, or is named.
    Enter,
    Done(Content),
}

/// Finds the server of a request and reads its URI. An error is the status to refuse it with.
pub fn accept(request: &mut Request) -> Result<(), u16> {
    let head = request.exchange.head.clone();
    let uri = Uri::parse(&head.target, request.server.merge_slashes).map_err(|_| 400_u16)?;
    let named = uri.authority.as_deref().or(head.headers.get("host")).unwrap_or_default();
    let host = if named.is_empty() { None } else { Some(route::validate_host(named).map_err(|_| 400_u16)?) };
    let name = host.as_ref().map(|h| &*h.name).unwrap_or_default();
    let bound = request.bound.clone();
    let virtual_ = bound.virtual_for(request.exchange.peer.local);
    let (server, _) = virtual_.names.find(name);
    request.server = server.unwrap_or(&virtual_.default).clone();
    if let Some(pattern) = virtual_.names.pattern(name) {
        request.capture(pattern, name);
    }
    request.location = request.server.outside.clone();
    request.quoted = uri.quoted;
    let exchange = &mut request.exchange;
    exchange.server_name = request.server.name.clone();
    exchange.host = match name {
        b"" => Bytes::copy_from_slice(request.server.name.as_bytes()),
        name => Bytes::copy_from_slice(name),
    };
    exchange.request_uri = uri.original.clone();
    exchange.path = uri.path.to_vec();
    exchange.args = uri.args.as_ref().map(|a| a.to_vec());
    Ok(())
}

/// Runs the phases up to the content, from the beginning.
pub async fn find(request: &mut Request) -> Content {
    run(request, Step::Server).await
}

/// What a status ends in: its `error_page`, or edge's own page.
pub async fn fail(request: &mut Request, status: u16) -> Content {
    let step = failed(request, status, Vec::new());
    run(request, step).await
}

async fn run(request: &mut Request, mut step: Step) -> Content {
    loop {
        step = match step {
            Step::Server => at_server(request),
            Step::Find => at_find(request),
            Step::Enter => at_location(request).await,
            Step::Done(content) => return content,
        };
    }
}

/// The rewrites that stand in the server itself.
fn at_server(request: &mut Request) -> Step {
    let server: Arc<Server> = request.server.clone();
    match rewrite::run(&server.script.rewrites, request) {
        rewrite::Outcome::Redirect { status, location } => return Step::Done(Content::Redirect { status, location }),
        rewrite::Outcome::Changed { .. } | rewrite::Outcome::Unchanged => {}
    }
    match &server.script.return_ {
        Some(return_) => returned(request, return_),
        None => Step::Find,
    }
}

/// The location of the path.
fn at_find(request: &mut Request) -> Step {
    let server: Arc<Server> = request.server.clone();
    let path = std::mem::take(&mut request.exchange.path);
    let picked = server.locations.pick(&path);
    let auto_redirect = picked.as_ref().is_some_and(|p| p.auto_redirect);
    let patterns: Vec<_> = picked.iter().flat_map(|p| p.patterns().cloned()).collect();
    let location = picked.map(|p| p.value.clone()).unwrap_or_else(|| server.outside.clone());
    for pattern in patterns {
        request.capture(&pattern, &path);
    }
    request.exchange.path = path;
    request.location = location;
    if auto_redirect {
        let mut to = escape::uri(&request.exchange.path).into_owned();
        to.push(b'/');
        if let Some(args) = request.exchange.args.as_deref().filter(|a| !a.is_empty()) {
            to.push(b'?');
            to.extend_from_slice(args);
        }
        return Step::Done(Content::Redirect { status: 301, location: redirect::absolute(request, to) });
    }
    if request.location.internal && !request.internal {
        return failed(request, 404, Vec::new());
    }
    if let (Framing::Length(length), Some(most)) = (request.exchange.head.framing, request.location.body.max_size)
        && length > most
        && request.body.is_none()
        && !request.error_page_used
    {
        request.log_error(format_args!("client intended to send too large body: {length} bytes"));
        return failed(request, 413, Vec::new());
    }
    Step::Enter
}

/// The location's rewrites, `return`, `try_files`, and its handler.
async fn at_location(request: &mut Request) -> Step {
    let location: Arc<Location> = request.location.clone();
    match rewrite::run(&location.script.rewrites, request) {
        rewrite::Outcome::Redirect { status, location } => return Step::Done(Content::Redirect { status, location }),
        rewrite::Outcome::Changed { search: true } => return again(request, Step::Find),
        rewrite::Outcome::Changed { search: false } | rewrite::Outcome::Unchanged => {}
    }
    if let Some(return_) = &location.script.return_ {
        return returned(request, return_);
    }
    note_files(request, &location);
    if let Some(try_files) = &location.try_files {
        match first_that_exists(request, &location, &try_files.candidates).await {
            Some(path) => {
                request.changed |= path != request.exchange.path;
                request.exchange.path = path;
            }
            None => return last_resort(request, &try_files.last),
        }
    }
    match location.handler {
        Handler::Proxy(_) => Step::Done(Content::Proxy),
        Handler::Files => local_file(request, &location).await,
    }
}

/// Counts one change of the URI.
fn again(request: &mut Request, step: Step) -> Step {
    request.redirects += 1;
    if request.redirects > MAX_REDIRECTS {
        request.log_error(format_args!("rewrite or internal redirection cycle"));
        return Step::Done(Content::status(500));
    }
    step
}

/// `return`
fn returned(request: &mut Request, return_: &Return) -> Step {
    let Some(template) = &return_.content else {
        return match return_.status {
            444 => Step::Done(Content::Close),
            status @ ..300 => Step::Done(empty_text(request, status)),
            status => failed(request, status, Vec::new()),
        };
    };
    let content = template.evaluate(&request.exchange).into_owned();
    if RawReturn::is_redirect(return_.status) {
        let location = redirect::absolute(request, content);
        return Step::Done(Content::Redirect { status: return_.status, location });
    }
    if return_.status == 204 {
        return Step::Done(empty_text(request, 204));
    }
    Step::Done(Content::Text {
        status: return_.status,
        content_type: request.location.default_type.clone(),
        body: content.into(),
    })
}

fn empty_text(request: &Request, status: u16) -> Content {
    Content::Text { status, content_type: request.location.default_type.clone(), body: Bytes::new() }
}

/// `$document_root` and `$request_filename` of this location.
fn note_files(request: &mut Request, location: &Location) {
    let x = &mut request.exchange;
    match &location.alias {
        Some(alias) => {
            let base = alias.evaluate(x).into_owned();
            let rest = x.path.get(location.prefix..).unwrap_or_default();
            x.filename = if location.is_regex { base.clone().into() } else { [&base, rest].concat().into() };
            x.root = base.into();
        }
        None => {
            x.root = Bytes::from(location.root.evaluate(x).into_owned());
            x.filename = [x.root.strip_suffix(b"/").unwrap_or(&x.root), &x.path].concat().into();
        }
    }
}

fn mapping<'m>(root: &'m [u8], location: &Location) -> files::Mapping<'m> {
    match (&location.alias, location.is_regex) {
        (Some(_), true) => files::Mapping::Whole(root),
        (Some(_), false) => files::Mapping::Alias { path: root, prefix_len: location.prefix },
        (None, _) => files::Mapping::Root(root),
    }
}

/// The first path of `try_files` whose file exists.
async fn first_that_exists(request: &Request, location: &Location, candidates: &[Candidate]) -> Option<Vec<u8>> {
    let root = request.exchange.root.clone();
    for candidate in candidates {
        let mut path = candidate.path.evaluate(&request.exchange).into_owned();
        let Ok(file) = files::path::map(mapping(&root, location), &path) else { continue };
        let want_directory = candidate.directory;
        let found = files::open::off_runtime(move || std::fs::metadata(file)).await;
        let Ok(Ok(found)) = found else { continue };
        if found.is_dir() == want_directory {
            if want_directory {
                path.push(b'/');
            }
            return Some(path);
        }
    }
    None
}

fn last_resort(request: &mut Request, last: &LastResort) -> Step {
    match last {
        LastResort::Status(status) => failed(request, *status, Vec::new()),
        LastResort::Named(name) => enter_named(request, name),
        LastResort::Uri(uri) => {
            let uri = uri.evaluate(&request.exchange).into_owned();
            redirect_inside(request, &uri)
        }
    }
}

/// An internal redirect: the URI is another, and the search begins anew.
fn redirect_inside(request: &mut Request, uri: &[u8]) -> Step {
    let (path, args) = match uri.iter().position(|b| *b == b'?') {
        Some(at) => (&uri[..at], Some(uri[at + 1..].to_vec())),
        None => (uri, None),
    };
    request.exchange.path = path.to_vec();
    request.exchange.args = args;
    request.changed = true;
    request.internal = true;
    again(request, Step::Server)
}

fn enter_named(request: &mut Request, name: &str) -> Step {
    let Some(location) = request.server.named(name).cloned() else {
        request.log_error(format_args!("could not find named location \"{name}\""));
        return Step::Done(Content::status(500));
    };
    request.location = location;
    request.internal = true;
    again(request, Step::Enter)
}

async fn local_file(request: &mut Request, location: &Arc<Location>) -> Step {
    let x = &request.exchange;
    let headers = headers_of(request);
    let accepts = super::headers::accepted_encodings(request);
    let root = x.root.clone();
    let file = files::FileRequest {
        method: &request.method,
        uri: &x.path,
        args: x.args.as_deref().unwrap_or_default(),
        headers: &headers,
        mapping: mapping(&root, location),
        index: &location.index,
        accepts_gzip: accepts.gzip,
        accepts_br: accepts.brotli,
        error_status: request.error_status,
    };
    match files::answer(&file, &location.files).await {
        files::Answer::Respond { status, headers, body } => Step::Done(Content::File { status, headers, body }),
        files::Answer::Redirect { location } => {
            let location = redirect::absolute(request, location.into_bytes());
            Step::Done(Content::Redirect { status: 301, location })
        }
        files::Answer::Internal { uri } => {
            request.exchange.path = uri;
            request.changed = true;
            request.internal = true;
            again(request, Step::Server)
        }
        files::Answer::Refuse { status, headers, reason } => {
            if let Some(reason) = reason.filter(|_| status != 404 || location.log_not_found) {
                request.log_error(format_args!("{reason}"));
            }
            failed(request, status, headers)
        }
    }
}

/// The fields local files are chosen by.
fn headers_of(request: &Request) -> http::HeaderMap {
    const READ: [http::HeaderName; 6] = [
        http::header::RANGE,
        http::header::IF_RANGE,
        http::header::IF_MATCH,
        http::header::IF_NONE_MATCH,
        http::header::IF_MODIFIED_SINCE,
        http::header::IF_UNMODIFIED_SINCE,
    ];
    let mut map = http::HeaderMap::new();
    for name in READ {
        for value in request.exchange.head.headers.get_all(name.as_str()) {
            if let Ok(value) = http::HeaderValue::from_bytes(value) {
                map.append(&name, value);
            }
        }
    }
    map
}

/// A status, or the page the configuration has for it.
fn failed(request: &mut Request, status: u16, headers: files::Headers) -> Step {
    let location = request.location.clone();
    let page = location.error_page(status).filter(|_| !request.error_page_used && status != internal::CLIENT_CLOSED);
    let Some(page) = page else {
        let status = request.error_status.filter(|_| request.error_page_used).unwrap_or(status);
        return Step::Done(Content::Status { status, headers });
    };
    request.error_page_used = true;
    request.error_status = match page.status {
        ErrorPageStatus::Same => Some(status),
        ErrorPageStatus::OfPage => None,
        ErrorPageStatus::Set(status) => Some(status),
    };
    match &page.target {
        ErrorTarget::Named(name) => enter_named(request, name),
        ErrorTarget::Uri(uri) => {
            let uri = uri.evaluate(&request.exchange).into_owned();
            if request.method != http::Method::HEAD {
                request.method = http::Method::GET;
            }
            redirect_inside(request, &uri)
        }
        ErrorTarget::Url(url) => {
            let status = match page.status {
                ErrorPageStatus::Set(status) if RawReturn::is_redirect(status) => status,
                _ => 302,
            };
            request.error_status = None;
            Step::Done(Content::Redirect { status, location: url.evaluate(&request.exchange).into_owned() })
        }
    }
}
