//! Answers from local files, as nginx's static, index and gzip_static modules give them.
//!
//! [`answer`] is the whole of it: it maps the path to a file ([`path`]), opens that or its compressed sibling
//! beside the runtime ([`open`], [`precompressed`], [`index`]), and decides from the headers what to say
//! ([`conditional`], [`range`], [`mime`]). The caller writes the head and then the chunks of the [`Body`].
//! `conditional`, `range` and `date` are plain functions that the cache and proxied answers use as well.
//!
//! What always holds: nothing here blocks the runtime or waits without a limit, no path climbs out of
//! the configured directory (symbolic links in it are followed), and the body has the length its head announces or
//! ends in an error.

pub mod body;
pub mod conditional;
pub mod date;
pub mod index;
pub mod links;
pub mod listing;
pub mod mime;
mod mime_table;
pub mod open;
pub mod path;
pub mod precompressed;
pub mod range;
pub mod refusal;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};

use http::{HeaderMap, HeaderValue, Method, header};

pub use body::Body;
pub use conditional::IfModifiedSince;
pub use links::{Distrust, Links};
pub use listing::Listing;
pub use mime::{Charset, Types};
pub use path::Mapping;
pub use precompressed::Static;
pub use refusal::Refusal;

use conditional::{Validators, Verdict};
use open::{Found, Opened};
use precompressed::{Candidate, Encoding};
use range::{Multipart, Plan};

/// What a location says about its files; compiled once.
#[derive(Debug, Clone)]
pub struct FileSettings {
    pub types: Types,
    pub etag: bool,
    pub if_modified_since: IfModifiedSince,
    /// `usize::MAX` where the directive is absent; 0 turns ranges off.
    pub max_ranges: usize,
    pub gzip_static: Static,
    pub brotli_static: Static,
    pub zstd_static: Static,
    pub gzip_vary: bool,
    /// `autoindex`: what a directory without an index is answered with.
    pub listing: Option<Listing>,
    /// `random_index`
    pub random_index: bool,
}

/// One request, after routing.
#[derive(Debug, Clone, Copy)]
pub struct FileRequest<'a> {
    pub method: &'a Method,
    /// The path, decoded and normalized.
    pub uri: &'a [u8],
    /// What follows the question mark, as it came; empty if nothing does.
    pub args: &'a [u8],
    pub headers: &'a HeaderMap,
    pub mapping: Mapping<'a>,
    /// The `index` names, variables expanded.
    pub index: &'a [String],
    /// Whether the client takes gzip (`gzip_http_version`, `gzip_proxied`, `gzip_disable` considered), brotli and zstd.
    pub accepts_gzip: bool,
    pub accepts_br: bool,
    pub accepts_zstd: bool,
    /// The status to answer with where `error_page` led here; conditions and ranges then do not count.
    pub error_status: Option<u16>,
    /// `disable_symlinks`, with the beginning of paths that is trusted.
    pub links: Option<(Distrust, &'a [u8])>,
    /// The body will be changed on its way: parts of it are parts of something else.
    pub is_filtered: bool,
}

/// Names in their usual spelling, values that are valid as they stand.
pub type Headers = Vec<(&'static str, HeaderValue)>;

#[derive(Debug)]
pub enum Answer {
    /// The head as it is, then the body's chunks.
    Respond { status: u16, headers: Headers, body: Body },
    /// 301 to this path with its query, escaped; the caller makes it absolute if `absolute_redirect` says so.
    Redirect { location: String },
    /// An index file: route anew with this path, the same method and the same query.
    Internal { uri: Vec<u8> },
    /// An error page with this status, and these headers besides. `reason` is for the error log.
    Refuse { status: u16, headers: Headers, reason: Option<Refusal> },
}

impl Answer {
    fn refuse(reason: Refusal, varies: Varies) -> Self {
        Answer::Refuse { status: reason.status(), headers: varies.headers(), reason: Some(reason) }
    }

    fn status(status: u16, headers: Headers) -> Self {
        Answer::Refuse { status, headers, reason: None }
    }
}

/// Looks for the file that a request names and says what to answer.
pub async fn answer(request: &FileRequest<'_>, settings: &FileSettings) -> Answer {
    if ![Method::GET, Method::HEAD, Method::POST].contains(request.method) {
        return Answer::status(405, vec![]);
    }
    let path = match path::map(request.mapping, request.uri) {
        Ok(path) => path,
        Err(reason) => return Answer::refuse(reason, Varies::No),
    };
    if request.uri.ends_with(b"/") {
        return directory(request, settings, path).await;
    }
    let Looked { found, varies } = look(request, settings, path).await;
    match found {
        Err(reason) => Answer::refuse(reason, varies),
        Ok(Target::Directory) => Answer::Redirect { location: with_slash(request) },
        // nginx takes POST only as far as this, so that a missing file is 404 and a directory redirects.
        Ok(Target::File(..)) if request.method == Method::POST => Answer::status(405, varies.headers()),
        Ok(Target::File(opened, encoding)) => respond(request, settings, opened, encoding, varies),
    }
}

/// One of its files, its index, or a list of what is in it.
async fn directory(request: &FileRequest<'_>, settings: &FileSettings, base: PathBuf) -> Answer {
    if settings.random_index
        && let Some(uri) = any_file(request, base.clone()).await
    {
        return Answer::Internal { uri };
    }
    let (uri, names, directory) = (request.uri.to_vec(), request.index.to_vec(), base.clone());
    let links = links_of(request);
    let found = open::off_runtime(move || index::find(&directory, &uri, &names, links)).await;
    match (found.unwrap_or_else(|error| Err(Refusal::NoAnswer(error))), settings.listing) {
        (Ok(uri), _) => Answer::Internal { uri },
        (Err(Refusal::NoIndex(_)), Some(listing)) if request.method != Method::POST => {
            list(request, listing, base).await
        }
        (Err(reason), _) => Answer::refuse(reason, Varies::No),
    }
}

/// The path of one of the directory's files. What cannot be read is left to those who look for an index.
async fn any_file(request: &FileRequest<'_>, base: PathBuf) -> Option<Vec<u8>> {
    let draw = |of: usize| (RandomState::new().hash_one(0) % of as u64) as usize;
    let found = open::off_runtime(move || listing::any(&base, draw)).await;
    let name = found.ok()?.ok()??;
    Some([request.uri, &name].concat())
}

/// `autoindex`
async fn list(request: &FileRequest<'_>, listing: Listing, base: PathBuf) -> Answer {
    let callback = match listing.callback(request.args) {
        Ok(callback) => callback,
        Err(status) => return Answer::status(status, vec![]),
    };
    let (uri, callback) = (request.uri.to_vec(), callback.map(<[u8]>::to_vec));
    let made = open::off_runtime(move || listing.list(&base, &uri, callback.as_deref())).await;
    match made.unwrap_or_else(|error| Err(Refusal::NoAnswer(error))) {
        Ok(listed) => {
            let mut headers = vec![("Content-Type", HeaderValue::from_static(listed.content_type))];
            let is_head = request.method == Method::HEAD;
            if !is_head {
                headers.push(("Transfer-Encoding", HeaderValue::from_static("chunked")));
            }
            let body = if is_head { Body::empty() } else { Body::text(listed.text) };
            Answer::Respond { status: request.error_status.unwrap_or(200), headers, body }
        }
        Err(reason) => Answer::refuse(reason, Varies::No),
    }
}

/// Whether the answer says `Vary: Accept-Encoding`.
#[derive(Debug, Clone, Copy)]
enum Varies {
    Yes,
    No,
}

impl Varies {
    fn headers(self) -> Headers {
        match self {
            Varies::Yes => vec![("Vary", HeaderValue::from_static("Accept-Encoding"))],
            Varies::No => vec![],
        }
    }
}

enum Target {
    File(Opened, Option<Encoding>),
    Directory,
}

struct Looked {
    found: Result<Target, Refusal>,
    varies: Varies,
}

/// All that touches the disk before the body, in one go beside the runtime.
async fn look(request: &FileRequest<'_>, settings: &FileSettings, path: PathBuf) -> Looked {
    let gzip_vary = settings.gzip_vary;
    let candidates = candidates(request, settings);
    let links = links_of(request);
    let work = move || {
        let picked = precompressed::pick(&path, &candidates, gzip_vary, &links);
        let found = match (picked.refused, picked.opened) {
            (Some(reason), _) => Err(reason),
            (None, Some((opened, encoding))) => Ok(Target::File(opened, Some(encoding))),
            (None, None) => plain(path, &links),
        };
        Looked { found, varies: if gzip_vary && picked.varies { Varies::Yes } else { Varies::No } }
    };
    open::off_runtime(work)
        .await
        .unwrap_or_else(|error| Looked { found: Err(Refusal::NoAnswer(error)), varies: Varies::No })
}

/// Brotli before gzip, as the brotli module for nginx has it, and the smaller of two files first: what was compressed
/// beforehand costs nothing now. POST gets none.
fn candidates(request: &FileRequest<'_>, settings: &FileSettings) -> [Candidate; 3] {
    let mode = |mode| {
        if request.method == Method::POST { Static::Off } else { mode }
    };
    [
        Candidate { encoding: Encoding::Brotli, mode: mode(settings.brotli_static), accepted: request.accepts_br },
        Candidate { encoding: Encoding::Zstd, mode: mode(settings.zstd_static), accepted: request.accepts_zstd },
        Candidate { encoding: Encoding::Gzip, mode: mode(settings.gzip_static), accepted: request.accepts_gzip },
    ]
}

/// The rule for a path, as a function that outlives the request.
fn links_of(request: &FileRequest<'_>) -> impl Fn(&Path) -> Option<Links> + Send + use<> {
    let rule = request.links.map(|(distrust, from)| (distrust, from.to_vec()));
    move |path| rule.as_ref().and_then(|(distrust, from)| Links::of(*distrust, from, path))
}

fn plain(path: PathBuf, links: impl Fn(&Path) -> Option<Links>) -> Result<Target, Refusal> {
    match open::open(&path, links(&path))? {
        Found::File(opened) => Ok(Target::File(opened, None)),
        Found::Directory => Ok(Target::Directory),
        Found::Special => Err(Refusal::NotRegular(path)),
    }
}

fn respond(
    request: &FileRequest<'_>,
    settings: &FileSettings,
    opened: Opened,
    encoding: Option<Encoding>,
    varies: Varies,
) -> Answer {
    let etag = settings.etag.then(|| opened.etag());
    let reply = Reply { request, settings, etag, encoding, varies, opened };
    if let Some(status) = request.error_status {
        return reply.whole(status);
    }
    match conditional::judge(request.headers, reply.validators(), settings.if_modified_since) {
        Verdict::PreconditionFailed => Answer::status(412, varies.headers()),
        Verdict::NotModified => reply.not_modified(),
        Verdict::Proceed => reply.ranged(),
    }
}

/// A file that was found, on its way to an answer.
struct Reply<'a> {
    request: &'a FileRequest<'a>,
    settings: &'a FileSettings,
    etag: Option<String>,
    encoding: Option<Encoding>,
    varies: Varies,
    opened: Opened,
}

impl Reply<'_> {
    fn validators(&self) -> Validators<'_> {
        Validators { etag: self.etag.as_deref().map(str::as_bytes), last_modified: Some(self.opened.modified) }
    }

    fn ranged(self) -> Answer {
        if !self.takes_ranges() {
            return self.whole(200);
        }
        let header = |name| self.request.headers.get(name).map(HeaderValue::as_bytes);
        let (range, if_range) = (header(header::RANGE), header(header::IF_RANGE));
        match range::plan(range, if_range, self.validators(), self.opened.len, self.settings.max_ranges) {
            Plan::Full => self.whole(200),
            Plan::Single(span) => self.single(span),
            Plan::Multi(spans) => self.several(spans),
            Plan::NotSatisfiable => {
                let mut headers = self.varies.headers();
                push(&mut headers, "Content-Range", range::unsatisfied(self.opened.len));
                Answer::status(416, headers)
            }
        }
    }

    /// nginx serves no ranges of a precompressed file: its bytes may change with the client's Accept-Encoding.
    fn takes_ranges(&self) -> bool {
        let is_filtered = self.request.is_filtered && self.opened.len > 0;
        self.settings.max_ranges > 0 && !is_filtered && self.encoding.is_none() && self.request.error_status.is_none()
    }

    fn whole(self, status: u16) -> Answer {
        let mut headers = self.head(status, self.content_type().cloned(), self.opened.len);
        if self.takes_ranges() {
            headers.push(("Accept-Ranges", HeaderValue::from_static("bytes")));
        }
        let len = self.opened.len;
        self.send(status, headers, |file| Body::span(file, 0..len))
    }

    fn single(self, span: std::ops::Range<u64>) -> Answer {
        let mut headers = self.head(206, self.content_type().cloned(), span.end - span.start);
        push(&mut headers, "Content-Range", range::content_range(&span, self.opened.len));
        self.send(206, headers, |file| Body::span(file, span))
    }

    fn several(self, spans: Vec<std::ops::Range<u64>>) -> Answer {
        let own = self.content_type().and_then(|kind| kind.to_str().ok());
        let multipart = Multipart::new(range::next_boundary(), own, spans, self.opened.len);
        let kind = HeaderValue::try_from(multipart.content_type()).ok();
        let headers = self.head(206, kind, multipart.total_len());
        self.send(206, headers, |file| Body::multipart(file, multipart))
    }

    fn not_modified(self) -> Answer {
        let mut headers = vec![];
        push(&mut headers, "Last-Modified", date::format(self.opened.modified));
        headers.extend(self.varies.headers());
        if let Some(etag) = self.etag {
            push(&mut headers, "ETag", etag);
        }
        Answer::Respond { status: 304, headers, body: Body::empty() }
    }

    /// In nginx's order. Where an error page is sent, its own time says nothing about the page that failed.
    fn head(&self, status: u16, content_type: Option<HeaderValue>, len: u64) -> Headers {
        let mut headers = Vec::with_capacity(8);
        headers.extend(content_type.map(|kind| ("Content-Type", kind)));
        headers.push(("Content-Length", HeaderValue::from(len)));
        if matches!(status, 200 | 206) {
            push(&mut headers, "Last-Modified", date::format(self.opened.modified));
        }
        headers.extend(self.varies.headers());
        if let Some(etag) = &self.etag {
            push(&mut headers, "ETag", etag.as_str());
        }
        if let Some(encoding) = self.encoding {
            headers.push(("Content-Encoding", HeaderValue::from_static(encoding.token())));
        }
        headers
    }

    fn content_type(&self) -> Option<&HeaderValue> {
        self.settings.types.of(self.request.uri)
    }

    fn send(self, status: u16, headers: Headers, body: impl FnOnce(std::fs::File) -> Body) -> Answer {
        let is_head = self.request.method == Method::HEAD;
        let body = if is_head { Body::empty() } else { body(self.opened.file) };
        Answer::Respond { status, headers, body }
    }
}

/// For values made here of digits, quotes and letters: none of them can be refused.
fn push<V>(headers: &mut Headers, name: &'static str, value: V)
where
    HeaderValue: TryFrom<V>,
{
    headers.extend(HeaderValue::try_from(value).ok().map(|value| (name, value)));
}

/// The request's path with a slash behind it, escaped as nginx does; the query follows as it came, but for
/// bytes that no header may hold.
fn with_slash(request: &FileRequest<'_>) -> String {
    let mut location = String::with_capacity(request.uri.len() + request.args.len() + 2);
    escape(&mut location, request.uri, b" #%?\"<>\\^`{|}");
    location.push('/');
    if !request.args.is_empty() {
        location.push('?');
        escape(&mut location, request.args, b" ");
    }
    location
}

fn escape(out: &mut String, text: &[u8], special: &[u8]) {
    for &byte in text {
        if byte.is_ascii_graphic() && !special.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests;
