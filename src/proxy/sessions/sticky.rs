//! Clients that are bound to servers by nginx's `sticky`: found before a server is chosen, learned and told when it has answered.
//!
//! The cookie is added to what the client is told, after it was decided what is stored: no stored answer has one.

use crate::proxy::request::Request;
use crate::session::sticky::Sticky;
use http::HeaderValue;
use http::header::SET_COOKIE;
use pingora_error::Result;
use pingora_http::ResponseHeader;
use std::time::{Instant, SystemTime};

impl Request {
    /// Finds the server that the client is bound to, whom the choice then prefers.
    pub(in crate::proxy) fn find_bound(&mut self, upstream: &str) {
        self.placed.bound_to.clear();
        if let Some(sticky) = self.bound.snapshot.sticky.get(upstream) {
            sticky.find(&self.exchange, Instant::now(), &mut self.placed.bound_to);
        }
    }

    /// The head of the answer is there: the id in it is the server's.
    pub(in crate::proxy) fn learn_server(&self) {
        if let Some((sticky, chosen)) = self.sticky() {
            sticky.learn(&self.exchange, chosen.id(), Instant::now());
        }
    }

    /// Tells the client which server it is bound to now.
    pub(in crate::proxy) fn tell_server(&self, answer: &mut ResponseHeader) -> Result<()> {
        let Some((sticky, chosen)) = self.sticky() else { return Ok(()) };
        let line = sticky.set_cookie(&self.exchange, chosen.id(), SystemTime::now());
        // A domain that is made of variables may be what no field can hold.
        match line.and_then(|line| HeaderValue::from_bytes(&line).ok()) {
            Some(line) => answer.append_header(SET_COOKIE, line).map(drop),
            None => Ok(()),
        }
    }

    fn sticky(&self) -> Option<(&Sticky, &crate::upstream::Chosen)> {
        let (upstream, chosen) = self.attempts.asked()?;
        Some((self.bound.snapshot.sticky.get(upstream.name())?, chosen))
    }
}
