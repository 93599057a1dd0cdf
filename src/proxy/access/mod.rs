//! The access phase: who may come in, asked after a location's rewrites and before anything answers, the cache included.
//!
//! What always holds: nobody is asked twice for one request in one place, a request of edge's own is not asked at all (the
//! one it is made for was let in), and what fails refuses. The decisions are [`crate::access`]'s; here they meet requests.

mod basic;
mod inquiry;
mod placed;
mod user_id;

pub(super) use basic::ask_for_rule;
pub use inquiry::{Inquiry, head_of, tell, tell_head};
pub use user_id::give;

use super::request::{NO_ADDRESS, Request};
use super::snapshot::{Location, ToldBy};
use crate::access::{Client, Verdict, forwarded};
use crate::client::Connection;
use crate::files;
use http::HeaderValue;
use std::net::SocketAddr;
use std::sync::Arc;

const UNAUTHORIZED: u16 = 401;
const FORBIDDEN: u16 = 403;

/// How a request is answered that may not come in.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    pub headers: files::Headers,
}

/// What one of those who are asked says.
enum Word {
    /// Nothing.
    Abstain,
    Pass,
    /// 401 or 403, perhaps with a demand.
    Refuse(u16, Vec<HeaderValue>),
    /// It cannot be known.
    Fail(u16),
}

/// A request is there: whose it is.
pub fn begin(request: &mut Request, connection: &Arc<Connection>) {
    request.is_errand = connection.facts().errand.is_some();
    request.connection = Arc::downgrade(connection);
    inquiry::begin(request, connection);
}

/// Runs the phase. An error is the refusal.
pub async fn check(request: &mut Request, location: &Location) -> Result<(), Refused> {
    let access = &location.access;
    if access.is_open() || request.is_errand {
        return Ok(());
    }
    let mut refused: Option<Refused> = None;
    for turn in 0..3 {
        let word = match turn {
            0 => by_address(request, location),
            1 => match &access.basic {
                Some(basic) => basic::ask(request, basic).await,
                None => Word::Abstain,
            },
            _ => match &access.inquiry {
                Some(inquiry) => inquiry::ask(request, inquiry).await,
                None => Word::Abstain,
            },
        };
        match word {
            Word::Abstain => {}
            Word::Pass if access.satisfy_any => return Ok(()),
            Word::Pass => {}
            Word::Fail(status) => return Err(Refused { status, headers: Vec::new() }),
            Word::Refuse(status, demands) => {
                let refusal = refused.get_or_insert(Refused { status, headers: Vec::new() });
                if refusal.status != UNAUTHORIZED {
                    refusal.status = status;
                }
                refusal.headers.extend(demands.into_iter().map(|demand| ("WWW-Authenticate", demand)));
                if !access.satisfy_any {
                    break;
                }
            }
        }
    }
    let Some(refusal) = refused else { return Ok(()) };
    if refusal.status == FORBIDDEN && access.satisfy_any {
        request.log_error("access forbidden by rule");
    }
    if refusal.status == UNAUTHORIZED && !access.delay.is_zero() {
        request.log_info("delaying unauthorized request");
        tokio::time::sleep(access.delay).await;
    }
    Err(refusal)
}

/// `allow` and `deny`
fn by_address(request: &Request, location: &Location) -> Word {
    let rules = location.access.rules.as_ref();
    match rules.and_then(|rules| rules.decide(client_of(request))) {
        None => Word::Abstain,
        Some(Verdict::Allow) => Word::Pass,
        Some(Verdict::Deny) => {
            if !location.access.satisfy_any {
                request.log_error("access forbidden by rule");
            }
            Word::Refuse(FORBIDDEN, Vec::new())
        }
    }
}

pub fn client_of(request: &Request) -> Client {
    let peer = &request.exchange.peer;
    match peer.connected {
        None if peer.remote == NO_ADDRESS => Client::Unix,
        _ => Client::Ip(peer.remote.ip()),
    }
}

/// `set_real_ip_from`: from now on the client is whom a trusted proxy names. The first place that knows one counts.
pub fn find_client(request: &mut Request, location: &Location) {
    let Some(real_ip) = &location.access.real_ip else { return };
    let peer = &request.exchange.peer;
    if peer.connected.is_some() {
        return;
    }
    let client = client_of(request);
    let fields = &request.exchange.head.headers;
    let told = match &real_ip.told_by {
        ToldBy::Announced => peer.announced.filter(|_| real_ip.from.contains(client)),
        ToldBy::Forwarded => {
            let all: Vec<&[u8]> = fields.get_all("x-forwarded-for").collect();
            forwarded::told(client, &all, &real_ip.from, real_ip.recursive)
        }
        ToldBy::Field(name) => {
            fields.get(name).and_then(|value| forwarded::told(client, &[value], &real_ip.from, real_ip.recursive))
        }
    };
    if let Some(told) = told {
        let told = SocketAddr::new(told.ip(), told.port());
        let peer = &mut request.exchange.peer;
        peer.connected = Some(std::mem::replace(&mut peer.remote, told));
    }
}
