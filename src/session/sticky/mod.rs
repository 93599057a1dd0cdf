//! nginx's `sticky`: clients are bound to servers whatever their sessions are kept in.
//!
//! ```text
//!   cookie    the cookie of edge's own that names a server
//!   learned   ids that answers gave to clients, and the servers that gave them
//! ```
//!
//! It is here for applications without memcached-session-manager, and for those who come from nginx. Nothing is decided but
//! which server a request asks for, in the words of the upstream room (its route, or the MD5 of its address); whether that
//! server takes it is decided there.
//!
//! Always: a request that says nothing costs nothing; what a client says is compared and hashed, never written anywhere.

mod cookie;
mod learned;

pub use cookie::{Cookie, Expires, is_same_site};
pub use learned::{Learned, LearnedTables, Limits};

use crate::variables::{Exchange, Template};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// What a client is bound by.
#[derive(Debug)]
pub enum Sticky {
    /// A cookie that edge sets.
    Cookie(Cookie),
    /// The first of these that is not empty is the route of its server.
    Route(Vec<Template>),
    /// An id that the application gives it.
    Learn(Learn),
}

/// `learn`
#[derive(Debug)]
pub struct Learn {
    /// The first of these that is not empty is the id an answer gives.
    pub create: Vec<Template>,
    /// The same of a request.
    pub lookup: Vec<Template>,
    pub limits: Limits,
    pub learned: Arc<Learned>,
}

impl Sticky {
    /// Writes which server the client is bound to; nothing: none that is known.
    pub fn find(&self, exchange: &Exchange, now: Instant, out: &mut Vec<u8>) {
        match self {
            Sticky::Cookie(cookie) => out.extend_from_slice(exchange.cookie(&cookie.name).unwrap_or_default()),
            Sticky::Route(routes) => write_first(routes, exchange, out),
            Sticky::Learn(learn) => {
                let mut id = Vec::new();
                write_first(&learn.lookup, exchange, &mut id);
                if let Some(server) = learn.learned.find(&id, &learn.limits, now) {
                    out.extend_from_slice(server.as_bytes());
                }
            }
        }
    }

    /// A server has answered: the id that it gave, or was asked with, is its.
    pub fn learn(&self, exchange: &Exchange, server: &Arc<str>, now: Instant) {
        let Sticky::Learn(learn) = self else { return };
        let mut id = Vec::new();
        write_first(&learn.create, exchange, &mut id);
        if !id.is_empty() {
            return learn.learned.create(&id, server, &learn.limits, now);
        }
        write_first(&learn.lookup, exchange, &mut id);
        learn.learned.renew(&id, server, &learn.limits, now);
    }

    /// The `Set-Cookie` that binds the client to the server that has answered, if it has to be told.
    pub fn set_cookie(&self, exchange: &Exchange, server: &str, now: SystemTime) -> Option<Vec<u8>> {
        match self {
            Sticky::Cookie(cookie) if cookie.is_due(exchange, server) => Some(cookie.line(exchange, server, now)),
            _ => None,
        }
    }
}

fn write_first(texts: &[Template], exchange: &Exchange, out: &mut Vec<u8>) {
    for text in texts {
        text.write(exchange, out);
        if !out.is_empty() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variables::Defined;
    use crate::variables::tests::exchange;
    use std::time::Duration;

    fn texts(written: &[&str]) -> Vec<Template> {
        written.iter().map(|text| Template::compile(text, &Defined::default()).unwrap()).collect()
    }

    fn found(sticky: &Sticky) -> String {
        let mut out = Vec::new();
        sticky.find(&exchange(), Instant::now(), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn cookie(name: &str) -> Cookie {
        Cookie {
            name: name.into(),
            expires: None,
            domain: None,
            path: None,
            secure: false,
            httponly: false,
            samesite: None,
        }
    }

    #[test]
    fn the_first_that_says_something_counts() {
        assert_eq!(found(&Sticky::Route(texts(&["$cookie_none", "$cookie_b", "$cookie_a"]))), "6");
        assert_eq!(found(&Sticky::Route(texts(&["$cookie_none"]))), "");
        assert_eq!(found(&Sticky::Cookie(cookie("b"))), "6");
        assert_eq!(found(&Sticky::Cookie(cookie("none"))), "");
    }

    #[test]
    fn a_request_that_says_nothing_allocates_nothing() {
        for sticky in [Sticky::Route(texts(&["$cookie_none"])), Sticky::Cookie(cookie("none"))] {
            let mut out = Vec::new();
            sticky.find(&exchange(), Instant::now(), &mut out);
            assert_eq!(out.capacity(), 0);
        }
    }

    #[test]
    fn who_has_the_cookie_is_told_again_only_if_its_time_begins_anew() {
        let told = |cookie: Cookie, server: &str| {
            Sticky::Cookie(cookie).set_cookie(&exchange(), server, SystemTime::now()).is_some()
        };
        assert!(!told(cookie("b"), "6"));
        assert!(told(cookie("b"), "7") && told(cookie("none"), "6"));
        assert!(told(Cookie { expires: Some(Expires::Max), ..cookie("b") }, "6"));
    }

    #[test]
    fn an_id_is_learned_when_an_answer_gives_it_and_kept_by_requests() {
        let (now, limits) = (Instant::now(), Limits { most: 8, timeout: Duration::from_secs(60) });
        let learn = |create: &str| Learn {
            create: texts(&[create]),
            lookup: texts(&["$cookie_b"]),
            limits,
            learned: Arc::default(),
        };
        let only_asked = Sticky::Learn(learn("$cookie_none"));
        only_asked.learn(&exchange(), &Arc::from("t1"), now);
        assert_eq!(found(&only_asked), "", "a client's word makes no id");
        let given = Sticky::Learn(learn("$cookie_b"));
        given.learn(&exchange(), &Arc::from("t1"), now);
        assert_eq!(found(&given), "t1");
    }
}
