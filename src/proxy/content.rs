//! What a request is answered with: server, location, their scripts, `try_files`, `error_page`, until somebody can answer.
//!
//! Plain decisions over the request's state: nothing here reads from or writes to a client. nginx's phases in nginx's order;
//! the URI may change ten times, then it is a circle.

use super::access;
use super::api;
use super::caching::{self, Stored};
use super::deliver::Payload;
use super::handshake;
use super::redirect;
use super::request::Request;
use super::rewrite::{self, Outcome};
use super::rules::{Mirrored, Ruled};
use super::sessions::Refused;
use super::snapshot::{Candidate, Handler, LastResort, Location, Return, Server};
use super::{filters, made, memcached, subrequest};
use crate::client::Connection;
use crate::config::types::{ErrorPageStatus, Return as RawReturn};
use crate::files;
use crate::http::pages::{self, internal};
use crate::http::{Framing, escape};
use crate::route::{self, Uri};
use bytes::Bytes;
use pingora_http::ResponseHeader;
use std::sync::Arc;

/// nginx's NGX_HTTP_MAX_URI_CHANGES.
const MAX_REDIRECTS: u8 = 10;

/// Who answers, and with what.
#[derive(Debug)]
pub enum Content {
    /// The location's upstream.
    Proxy,
    /// The location's memcached.
    Memcached,
    /// A text of the configuration.
    Text { status: u16, content_type: Option<http::HeaderValue>, body: Bytes },
    /// The client is sent elsewhere; `location` is as it stands in the field.
    Redirect { status: u16, location: Vec<u8> },
    /// An answer from the cache.
    Stored(Box<Stored>),
    /// An answer that is ready to be sent.
    Composed(Box<(ResponseHeader, Payload)>),
    /// A local file.
    File { status: u16, headers: files::Headers, body: Box<files::Body> },
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
    /// The server's own script, then a location.
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
    let virtual_ = request.bound.virtual_for(request.exchange.peer.local);
    let (server, pattern) = virtual_.names.find_with_pattern(name);
    let server = server.unwrap_or(&virtual_.default);
    if !Arc::ptr_eq(&request.server, server) {
        request.server = server.clone();
        request.exchange.server_name = server.name.clone();
    }
    if let Some(pattern) = pattern {
        request.exchange.capture(pattern, name);
    }
    request.enter(request.server.outside.clone());
    request.quoted = uri.quoted;
    let exchange = &mut request.exchange;
    exchange.host = match name {
        b"" => Bytes::copy_from_slice(request.server.name.as_bytes()),
        name => Bytes::copy_from_slice(name),
    };
    exchange.request_uri = uri.original;
    exchange.path = uri.path.to_vec();
    exchange.args = uri.args.as_ref().map(|a| a.to_vec());
    handshake::check(request, name)?;
    if request.location.access.real_ip.is_some() {
        access::find_client(request, &request.location.clone());
    }
    Ok(())
}

/// Who answers: all phases, the cache included. `None`: an upstream is asked.
pub async fn decide(request: &mut Request, connection: &Arc<Connection>) -> Option<Content> {
    request.copy_for = Mirrored::upstream_of(connection);
    let content = match accept(request) {
        Ok(()) => {
            access::begin(request, connection);
            subrequest::adopt(request, connection);
            find(request, Some(connection)).await
        }
        Err(status) => fail(request, status).await,
    };
    let content = match request.wait_for_rules(connection).await {
        true => content,
        false => fail(request, internal::CLIENT_CLOSED).await,
    };
    match settled(request, content).await {
        Content::Proxy => caching::look(request, connection).await,
        other => Some(other),
    }
}

/// Runs the phases up to the content, from the beginning. `client`: who may leave meanwhile.
pub async fn find(request: &mut Request, client: Option<&Arc<Connection>>) -> Content {
    run(request, Step::Server, client).await
}

/// Where an upstream sends a request inside (`X-Accel-Redirect`): a path, or a named location.
pub async fn sent_inside(request: &mut Request, target: &[u8]) -> Content {
    let step = match target.first() {
        Some(b'@') => enter_named(request, &String::from_utf8_lossy(target)),
        _ => match safe_uri(target) {
            Some((path, args)) => {
                ask_for_page(request);
                redirect_to(request, path, args)
            }
            None => {
                let target = String::from_utf8_lossy(target);
                request.log_error(format_args!("unsafe URI \"{target}\" was detected"));
                failed(request, 404, Vec::new())
            }
        },
    };
    let content = run(request, step, None).await;
    settled(request, content).await
}

/// A URI that comes from outside, its path decoded; nothing if it leads upwards or to no path.
fn safe_uri(uri: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let (path, args) = match memchr::memchr(b'?', uri) {
        Some(at) => (&uri[..at], Some(uri[at + 1..].to_vec())),
        None => (uri, None),
    };
    let path = escape::unescape(path, escape::Unescape::All).into_owned();
    let is_safe = path.starts_with(b"/") && !path.contains(&0) && path.split(|b| *b == b'/').all(|part| part != b"..");
    is_safe.then_some((path, args))
}

/// What a status ends in: its `error_page`, or edge's own page.
pub async fn fail(request: &mut Request, status: u16) -> Content {
    let step = failed(request, status, Vec::new());
    let content = run(request, step, None).await;
    settled(request, content).await
}

/// Asks whoever is asked without Pingora, until there is an answer. Pages of errors may lead from one to the next, which is bounded
/// as every change of the URI is.
async fn settled(request: &mut Request, mut content: Content) -> Content {
    while matches!(content, Content::Memcached) {
        content = match memcached::ask(request).await {
            Ok(content) => content,
            Err(status) => {
                let step = failed(request, status, Vec::new());
                run(request, step, None).await
            }
        };
    }
    content
}

async fn run(request: &mut Request, mut step: Step, client: Option<&Arc<Connection>>) -> Content {
    loop {
        step = match step {
            Step::Server => at_server(request).await,
            Step::Find => at_find(request),
            Step::Enter => at_location(request, client).await,
            Step::Done(content) => return content,
        };
    }
}

/// The rules and the script of the server itself.
async fn at_server(request: &mut Request) -> Step {
    match request.ruled_by_server().await {
        // The path that the rewrites and the locations are for is the one that the rules have left.
        Ruled::On | Ruled::Moved => {}
        Ruled::Content(content) => return Step::Done(content),
        Ruled::Status(status) => return failed(request, status, Vec::new()),
    }
    if request.server.script.steps.is_empty() {
        return Step::Find;
    }
    let server: Arc<Server> = request.server.clone();
    request.enter(server.outside.clone());
    let outcome = rewrite::run(&server.script, request).await;
    ended(request, outcome).unwrap_or(Step::Find)
}

/// What a script has decided, but for the location it wants: that is for the caller to say.
fn ended(request: &mut Request, outcome: Outcome<'_>) -> Option<Step> {
    match outcome {
        Outcome::Over { .. } => None,
        Outcome::Return(return_) => Some(returned(request, return_)),
        Outcome::Redirect { status, location } => Some(Step::Done(Content::Redirect { status, location })),
        Outcome::Failed(status) => Some(failed(request, status, Vec::new())),
    }
}

/// The location of the path.
fn at_find(request: &mut Request) -> Step {
    let path = std::mem::take(&mut request.exchange.path);
    let picked = request.server.locations.pick(&path);
    let auto_redirect = picked.as_ref().is_some_and(|p| p.auto_redirect);
    for pattern in picked.iter().flat_map(|p| p.patterns()) {
        request.exchange.capture(pattern, &path);
    }
    let location = picked.map_or(&request.server.outside, |p| p.value).clone();
    request.exchange.path = path;
    request.enter(location);
    request.prefix_holds = true;
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

/// The location's rules, its script, `try_files`, and its handler.
async fn at_location(request: &mut Request, client: Option<&Arc<Connection>>) -> Step {
    let location: Arc<Location> = request.location.clone();
    request.note_session().await;
    match request.ruled_by_location().await {
        Ruled::On => {}
        Ruled::Moved => return again(request, Step::Find),
        Ruled::Content(content) => return Step::Done(content),
        Ruled::Status(status) => return failed(request, status, Vec::new()),
    }
    if !location.script.steps.is_empty() {
        match rewrite::run(&location.script, request).await {
            Outcome::Over { changed: true } => return again(request, Step::Find),
            outcome => {
                if let Some(step) = ended(request, outcome) {
                    return step;
                }
            }
        }
    }
    request.exchange.adds_path = false;
    // An `if` may have put another one in its place.
    let location = if location.script.steps.is_empty() { location } else { request.location.clone() };
    if location.try_files.is_some() || matches!(location.handler, Handler::Files) {
        note_files(request, &location);
    }
    access::find_client(request, &location);
    if let Some(status) = request.refused_by_limit(&location, client).await {
        return failed(request, status, Vec::new());
    }
    if let Err(refused) = access::check(request, &location).await {
        return failed(request, refused.status, refused.headers);
    }
    if let Some(refused) = request.refused_without_session(&location).await {
        return match refused {
            Refused::Status(status) => failed(request, status, Vec::new()),
            Refused::Redirect { status, location } => Step::Done(Content::Redirect { status, location }),
        };
    }
    request.mirror = location.mirror.clone().filter(|_| !request.is_subrequest);
    if let Some(try_files) = &location.try_files {
        if is_misled(request, &location) {
            return failed(request, 500, Vec::new());
        }
        match first_that_exists(request, &location, &try_files.candidates).await {
            // The upstream, if there is one, still gets the client's own URI.
            Some(found) => {
                request.exchange.adds_path = location.is_regex && location.roots.alias.is_some() && found.is_some();
                request.exchange.path = found.unwrap_or_else(|| std::mem::take(&mut request.exchange.path));
                note_files(request, &location);
            }
            None => return last_resort(request, &try_files.last),
        }
    }
    match &location.handler {
        Handler::Proxy(_) => Step::Done(Content::Proxy),
        Handler::Memcached(_) => Step::Done(Content::Memcached),
        Handler::Files => local_file(request, &location).await,
        Handler::EmptyGif => or_refused(request, made::empty_gif(request)),
        Handler::Status => or_refused(request, made::status(request)),
        Handler::Api(token) => match api::answer(request, token.as_ref()).await {
            Ok(content) => Step::Done(content),
            Err(refused) => failed(request, refused.status, refused.headers),
        },
    }
}

/// Counts one change of the URI.
fn again(request: &mut Request, step: Step) -> Step {
    request.redirects += 1;
    if request.redirects > MAX_REDIRECTS {
        request.log_error(format_args!("rewrite or internal redirection cycle"));
        request.failed = 500;
        return Step::Done(Content::status(500));
    }
    step
}

/// `return`
fn returned(request: &mut Request, return_: &Return) -> Step {
    let Some(template) = &return_.content else {
        return match return_.status {
            status @ ..=300 => Step::Done(text(request, status, Bytes::new())),
            status => failed(request, status, Vec::new()),
        };
    };
    let status = return_.status;
    // As in nginx, the status of an error that has led here counts for `$status`.
    if request.error_status.is_none() {
        request.exchange.answer.status = status;
    }
    let content = template.evaluate(&request.exchange).into_owned();
    if RawReturn::is_redirect(status) {
        let location = redirect::absolute(request, content);
        if request.location.error_page(status).is_some() && !request.error_pages_over {
            let field = http::HeaderValue::try_from(location).ok().map(|value| ("Location", value));
            return failed(request, status, field.into_iter().collect());
        }
        return Step::Done(Content::Redirect { status, location });
    }
    Step::Done(text(request, status, if status == 204 { Bytes::new() } else { content.into() }))
}

/// A text, of the type that a file of this name would have.
fn text(request: &Request, status: u16, body: Bytes) -> Content {
    let kind = request.location.files.types.of(&request.exchange.path);
    Content::Text { status, content_type: kind.cloned(), body }
}

/// Where this location has the file of the request.
fn note_files(request: &mut Request, location: &Location) {
    let x = &mut request.exchange;
    x.filename = location.roots.file(x).into();
    x.root = location.roots.directory(x).into_owned().into();
}

pub(super) fn mapping<'m>(root: &'m [u8], location: &Location, adds_path: bool) -> files::Mapping<'m> {
    match (&location.roots.alias, location.is_regex) {
        (Some(_), true) if adds_path => files::Mapping::Alias { path: root, prefix_len: 0 },
        (Some(_), true) => files::Mapping::Whole(root),
        (Some(_), false) => files::Mapping::Alias { path: root, prefix_len: location.prefix },
        (None, _) => files::Mapping::Root(root),
    }
}

/// Whether an `alias` would take a path for another one: it no longer begins with the location's prefix.
fn is_misled(request: &Request, location: &Location) -> bool {
    let is_misled = location.roots.alias.is_some() && !request.prefix_holds;
    if is_misled {
        request.log_error(format_args!(
            r#""alias" cannot be used in location "{}" where URI was rewritten"#,
            location.pattern
        ));
    }
    is_misled
}

/// The first of `try_files` that exists: the path that the request has from then on, if it has another one.
async fn first_that_exists(
    request: &Request,
    location: &Location,
    candidates: &[Candidate],
) -> Option<Option<Vec<u8>>> {
    let root = request.exchange.root.clone();
    for candidate in candidates {
        let (rest, path) = tried(request, location, candidate);
        let mapping = match location.roots.alias {
            Some(_) => files::Mapping::Alias { path: &root, prefix_len: 0 },
            None => files::Mapping::Root(&root),
        };
        let Ok(file) = files::path::map(mapping, &rest) else { continue };
        let want_directory = candidate.directory;
        let found = files::open::off_runtime(move || std::fs::metadata(file)).await;
        let Ok(Ok(found)) = found else { continue };
        if found.is_dir() == want_directory {
            return Some(path);
        }
    }
    None
}

/// What stands behind the root or the alias, and the path it leads to. Behind the alias of a prefix a text with variables
/// loses that prefix, if it has it; an alias of a regular expression is all that stands before a directory.
fn tried(request: &Request, location: &Location, candidate: &Candidate) -> (Vec<u8>, Option<Vec<u8>>) {
    let x = &request.exchange;
    let name = candidate.path.evaluate(x).into_owned();
    match (&location.roots.alias, location.is_regex) {
        (None, _) => (name.clone(), Some(name)),
        (Some(_), true) => (name.clone(), Some(name).filter(|_| !candidate.directory)),
        (Some(_), false) => {
            let prefix = x.path.get(..location.prefix).unwrap_or(&x.path);
            let is_fixed = candidate.path.as_literal().is_some();
            let rest = name.strip_prefix(prefix).filter(|_| !is_fixed).unwrap_or(&name);
            (rest.to_vec(), Some([prefix, rest].concat()))
        }
    }
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
    redirect_to(request, path.to_vec(), args)
}

fn redirect_to(request: &mut Request, path: Vec<u8>, args: Option<Vec<u8>>) -> Step {
    request.exchange.path = path;
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
    request.enter(location);
    request.internal = true;
    again(request, Step::Enter)
}

async fn local_file(request: &mut Request, location: &Arc<Location>) -> Step {
    if is_misled(request, location) {
        return failed(request, 500, Vec::new());
    }
    let x = &request.exchange;
    let headers = headers_of(request);
    let accepts = super::headers::accepted_encodings(request);
    let root = x.root.clone();
    let texts = location.index_texts.iter().map(|name| name.evaluate(x));
    let index: Vec<String> = texts.map(|name| String::from_utf8_lossy(&name).into_owned()).collect();
    let trusted = location.links.as_ref().map(|(distrust, from)| (*distrust, from.evaluate(x)));
    let file = files::FileRequest {
        method: &request.exchange.method,
        uri: &x.path,
        args: x.args.as_deref().unwrap_or_default(),
        headers: &headers,
        mapping: mapping(&root, location, x.adds_path),
        index: if index.is_empty() { &location.index } else { &index },
        accepts_gzip: accepts.gzip,
        accepts_br: accepts.brotli,
        accepts_zstd: accepts.zstd,
        // A page that is shown with 200 is a file like any other.
        error_status: request.error_status.filter(|status| *status != 200),
        links: trusted.as_ref().map(|(distrust, from)| (*distrust, &**from)),
        is_filtered: filters::changes_type(request, location.files.types.of(&x.path)),
    };
    match files::answer(&file, &location.files).await {
        files::Answer::Respond { status, headers, body } => {
            Step::Done(Content::File { status, headers, body: Box::new(body) })
        }
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

/// An answer that nothing has to be asked for, or the status it is refused with.
fn or_refused(request: &mut Request, content: Result<Content, u16>) -> Step {
    match content {
        Ok(content) => Step::Done(content),
        Err(status) => failed(request, status, Vec::new()),
    }
}

/// The fields local files are chosen by.
pub fn headers_of(request: &Request) -> http::HeaderMap {
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
    request.failed = status;
    // nginx's ways to say that nobody is to be answered.
    if matches!(status, 444 | 408 | internal::CLIENT_CLOSED) {
        request.exchange.answer.status = status;
        return Step::Done(Content::Close);
    }
    let location = request.location.clone();
    let Some(page) = location.error_page(status).filter(|_| !request.error_pages_over) else {
        request.error_status = None;
        return Step::Done(Content::Status { status, headers });
    };
    request.error_page_used = true;
    // A named location gets the request as it is, as far as there is still a body to be sent.
    request.body_is_gone |= request.streams_body || matches!(status, 400 | 413);
    request.error_pages_over = !location.recursive_error_pages;
    request.kept.extend(headers.into_iter().filter(|(name, _)| matches!(*name, "Location" | "WWW-Authenticate")));
    request.error_status = match page.status {
        ErrorPageStatus::Same => Some(pages::told(status)),
        ErrorPageStatus::OfPage => None,
        ErrorPageStatus::Set(status) => Some(pages::told(status)),
    };
    request.exchange.answer.status = request.error_status.unwrap_or(200);
    let target = page.target.evaluate(&request.exchange).into_owned();
    match target.first() {
        Some(b'@') => enter_named(request, &String::from_utf8_lossy(&target)),
        Some(b'/') => {
            ask_for_page(request);
            redirect_inside(request, &target)
        }
        _ => {
            let status = match page.status {
                ErrorPageStatus::Set(status) if RawReturn::is_redirect(status) => status,
                _ => 302,
            };
            request.error_status = None;
            Step::Done(Content::Redirect { status, location: target })
        }
    }
}

/// A page is asked for with GET, and without the body of the request that failed.
fn ask_for_page(request: &mut Request) {
    request.body_is_gone = true;
    if request.exchange.method != http::Method::HEAD {
        request.exchange.method = http::Method::GET;
    }
}
