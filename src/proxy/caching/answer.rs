//! A stored answer as this request gets it: whole, a part of it, or the word that the client's copy is still good.
//!
//! Compressed once: the first client that wants a coding makes edge store that form beside the answer; those after it get
//! what is stored. Meanwhile the answer is compressed as it goes out, as one from an upstream is.

use super::sliced::Sliced;
use super::{coding, copy_of};
use crate::cache::key::{Hash, Key, Variant};
use crate::cache::meta::Coding;
use crate::cache::policy;
use crate::cache::store::{self, Follow, Head, Hit, Lookup, Wanted, Zone};
use crate::compress::{Algorithm, decide, encode_whole, rewrite::rewrite};
use crate::files::conditional::{self, Validators, Verdict};
use crate::files::range::{self, Multipart, Plan};
use crate::http::pages;
use crate::proxy::deliver::Payload;
use crate::proxy::headers;
use crate::proxy::request::Request;
use bytes::Bytes;
use http::header;
use http::{HeaderValue, StatusCode};
use pingora_error::Result;
use pingora_http::ResponseHeader;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::SystemTime;

/// The largest body that another form is made of.
const LARGEST: u64 = 8 << 20;
/// So many are made at once.
const MAKERS: usize = 8;

/// An answer from the cache.
pub struct Stored {
    pub(super) head: Arc<Head>,
    pub(super) body: Body,
    /// Where it is kept, if it is whole.
    kept: Option<(Arc<Zone>, Key, Variant)>,
}

/// What is sent of it.
pub enum Body {
    Stored(store::Body),
    /// As it is being stored.
    Follow(Follow),
    /// Put together of parts that are stored by themselves.
    Sliced(Box<Sliced>),
    /// Parts with what stands between them.
    Parts(VecDeque<Bytes>),
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body")
    }
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stored").field("url", &self.head.meta.url).finish_non_exhaustive()
    }
}

impl Stored {
    /// What is being stored; once it is complete its length is known.
    pub fn following(follow: Follow) -> Stored {
        let head = follow.head().clone();
        let body = match follow.whole() {
            Some(bytes) => Body::Stored(store::Body::Memory(bytes)),
            None => Body::Follow(follow),
        };
        Stored { head, body, kept: None }
    }

    /// Put together of what is kept elsewhere.
    pub fn made_of(head: Arc<Head>, body: Body) -> Stored {
        Stored { head, body, kept: None }
    }

    pub fn hit(hit: Hit, zone: Arc<Zone>) -> Stored {
        let kept = Some((zone, hit.key, hit.variant));
        Stored { head: hit.head, body: Body::Stored(hit.body), kept }
    }

    /// With the fields that the upstream has just confirmed.
    pub fn with_head(mut self, head: Head) -> Stored {
        self.head = Arc::new(head);
        self
    }

    fn len(&self) -> Option<u64> {
        match &self.body {
            // The length that its fields tell is that of a GET's answer.
            _ if self.head.meta.bodiless => None,
            Body::Stored(body) => Some(body.len()),
            Body::Sliced(sliced) => Some(sliced.length()),
            Body::Follow(_) | Body::Parts(_) => None,
        }
    }
}

impl Body {
    pub async fn next(&mut self) -> std::io::Result<Option<Bytes>> {
        match self {
            Body::Stored(body) => body.next().await,
            Body::Follow(follow) => follow.next().await.map_err(std::io::Error::other),
            Body::Sliced(sliced) => sliced.next().await,
            Body::Parts(parts) => Ok(parts.pop_front()),
        }
    }
}

/// The head and body that the client gets.
pub fn compose(request: &mut Request, stored: Stored) -> Result<(ResponseHeader, Payload)> {
    let mut head = stored.head.response.clone();
    request.note_upstream_head(&head);
    if matches!(stored.body, Body::Sliced(_)) {
        // The head is that of a part.
        head.set_status(StatusCode::OK)?;
        head.set_reason_phrase(None)?;
        head.remove_header("Content-Range");
        head.insert_header("Accept-Ranges", "bytes")?;
    }
    head.insert_header("Age", copy_of(&stored.head).age(SystemTime::now()))?;
    if let Some(len) = stored.len() {
        head.insert_header("Content-Length", len)?;
    }
    let (mut head, payload) = match (head.status, request.error_status) {
        (StatusCode::OK, None) => conditioned(request, head, stored)?,
        (_, Some(status)) => {
            head.set_status(status)?;
            head.set_reason_phrase(Some(crate::http::status::reason(status)))?;
            (head, Payload::Stored(stored.body))
        }
        _ => (head, Payload::Stored(stored.body)),
    };
    headers::for_client(&mut head, request, true)?;
    Ok((head, payload))
}

/// If-None-Match and its kin, then Range.
fn conditioned(request: &Request, mut head: ResponseHeader, stored: Stored) -> Result<(ResponseHeader, Payload)> {
    let asked = super::super::content::headers_of(request);
    let own = Own::of(&head);
    match conditional::judge(&asked, own.validators(), request.location.files.if_modified_since) {
        Verdict::PreconditionFailed => refuse(request, 412),
        Verdict::NotModified => {
            let mut answer = ResponseHeader::build(StatusCode::NOT_MODIFIED, Some(head.headers.len()))?;
            for (name, value) in &policy::stored::not_modified(&head.headers) {
                answer.append_header(name, value.clone())?;
            }
            Ok((answer, Payload::Nothing))
        }
        Verdict::Proceed => {
            let force = request.pass().and_then(|pass| pass.caching.as_ref()).is_some_and(|c| c.force_ranges);
            let max = request.location.files.max_ranges;
            match stored.len().filter(|_| policy::stored::allows_ranges(head.status, &head.headers, force) && max > 0) {
                Some(len) => {
                    head.insert_header("Accept-Ranges", "bytes")?;
                    let field = |name| asked.get(name).map(HeaderValue::as_bytes);
                    let plan = range::plan(field(header::RANGE), field(header::IF_RANGE), own.validators(), len, max);
                    if plan == Plan::Full {
                        make_form(request, &stored);
                    }
                    ranged(request, plan, head, stored, len)
                }
                None => {
                    make_form(request, &stored);
                    Ok((head, Payload::Stored(stored.body)))
                }
            }
        }
    }
}

/// A page instead of the answer.
fn refuse(request: &Request, status: u16) -> Result<(ResponseHeader, Payload)> {
    let server = request.location.answer.server_tokens;
    let page = pages::page(status, if server { pages::SERVER_WITH_VERSION } else { pages::SERVER });
    let body = Bytes::from(page.unwrap_or_default());
    let mut head = ResponseHeader::build(status, Some(4))?;
    head.set_reason_phrase(Some(crate::http::status::reason(status)))?;
    head.insert_header("Content-Type", "text/html")?;
    head.insert_header("Content-Length", body.len())?;
    Ok((head, Payload::Bytes(body)))
}

fn ranged(
    request: &Request,
    plan: Plan,
    mut head: ResponseHeader,
    stored: Stored,
    len: u64,
) -> Result<(ResponseHeader, Payload)> {
    match (plan, stored.body) {
        (Plan::Single(span), Body::Stored(body)) => {
            partial(&mut head)?;
            head.insert_header("Content-Range", range::content_range(&span, len))?;
            head.insert_header("Content-Length", span.end - span.start)?;
            // A planned span lies within the body.
            let part = body.slice(span).unwrap_or(store::Body::Memory(Bytes::new()));
            Ok((head, Payload::Stored(Body::Stored(part))))
        }
        (Plan::Single(span), Body::Sliced(sliced)) => {
            partial(&mut head)?;
            head.insert_header("Content-Range", range::content_range(&span, len))?;
            head.insert_header("Content-Length", span.end - span.start)?;
            Ok((head, Payload::Stored(Body::Sliced(Box::new(sliced.within(span))))))
        }
        // Of a file only one part is sent at once; a server may answer with the whole (RFC 9110 14.2).
        (Plan::Multi(spans), Body::Stored(store::Body::Memory(bytes))) => {
            let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
            let multipart = Multipart::new(range::next_boundary(), kind.as_deref(), spans, len);
            partial(&mut head)?;
            head.insert_header("Content-Type", multipart.content_type())?;
            head.insert_header("Content-Length", multipart.total_len())?;
            let mut parts = VecDeque::new();
            for (at, span) in multipart.parts().iter().enumerate() {
                parts.push_back(multipart.head(at));
                parts.push_back(bytes.slice(span.start as usize..span.end as usize));
            }
            parts.push_back(multipart.tail());
            Ok((head, Payload::Stored(Body::Parts(parts))))
        }
        (Plan::NotSatisfiable, _) => {
            let (mut head, page) = refuse(request, 416)?;
            head.insert_header("Content-Range", range::unsatisfied(len))?;
            Ok((head, page))
        }
        (_, body) => Ok((head, Payload::Stored(body))),
    }
}

fn partial(head: &mut ResponseHeader) -> Result<()> {
    head.set_status(StatusCode::PARTIAL_CONTENT)?;
    head.set_reason_phrase(None)
}

/// What a client's copy is compared with.
struct Own {
    etag: Option<HeaderValue>,
    modified: Option<i64>,
}

impl Own {
    fn of(head: &ResponseHeader) -> Own {
        let modified = head.headers.get(header::LAST_MODIFIED);
        Own {
            etag: head.headers.get(header::ETAG).cloned(),
            modified: modified.and_then(|date| crate::files::date::parse(date.as_bytes())),
        }
    }

    fn validators(&self) -> Validators<'_> {
        Validators { etag: self.etag.as_ref().map(HeaderValue::as_bytes), last_modified: self.modified }
    }
}

/// A form of an answer.
type Mark = (Hash, Variant);

/// Those that are being made.
static MAKING: LazyLock<Mutex<HashSet<Mark>>> = LazyLock::new(Mutex::default);

/// Has the form made that this client would have preferred, if nobody makes it already.
fn make_form(request: &Request, stored: &Stored) {
    let Some((zone, key, variant)) = stored.kept.as_ref().filter(|(.., variant)| variant.coding == Coding::Identity)
    else {
        return;
    };
    if stored.len().is_none_or(|len| len > LARGEST) || request.location.compress.is_off() {
        return;
    }
    let facts = headers::compression_facts(request);
    let head = &stored.head.response;
    let decision = decide(&request.location.compress, &facts, 200, &head.headers, SystemTime::now());
    let Some(algorithm) = decision.algorithm else { return };
    let mut coded = head.clone();
    if rewrite(&mut coded, decision, &facts).is_err() {
        return;
    }
    let level = request.location.compress.rules(algorithm).comp_level;
    let form = Form { algorithm, level, head: Head::new(coded, stored.head.meta.clone()) };
    let mark = (*key.hash(), variant.coded(coding(algorithm)));
    let mut making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if making.len() >= MAKERS || !making.insert(mark) {
        return;
    }
    let (zone, key, variant) = (zone.clone(), key.clone(), *variant);
    tokio::spawn(async move {
        form.make(&zone, &key, variant).await;
        MAKING.lock().unwrap_or_else(PoisonError::into_inner).remove(&mark);
    });
}

/// Another form of an answer, to be made.
struct Form {
    algorithm: Algorithm,
    level: u32,
    head: Head,
}

impl Form {
    async fn make(self, zone: &Arc<Zone>, key: &Key, variant: Variant) {
        let plain = Wanted { variant, codings: [None; 3] };
        let Lookup::Hit(mut hit) = zone.look_up(key, SystemTime::now(), |_| plain).await else { return };
        // What was stored anew meanwhile is not what the head was made of.
        if hit.head.meta != self.head.meta {
            return;
        }
        let mut body = Vec::new();
        while let Ok(Some(piece)) = hit.body.next().await {
            body.extend_from_slice(&piece);
        }
        if Some(body.len() as u64) != announced(&hit.head).or(Some(body.len() as u64)) {
            return;
        }
        let (algorithm, level) = (self.algorithm, self.level);
        let coded = tokio::task::spawn_blocking(move || encode_whole(algorithm, level, &body)).await;
        if let Ok(Ok(coded)) = coded {
            zone.add_variant(&hit, coding(algorithm), self.head, coded);
        }
    }
}

fn announced(head: &Head) -> Option<u64> {
    head.response.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
