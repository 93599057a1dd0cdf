//! The request and the answer with the id that holds now.

use crate::config::types::RewriteRoute;
use crate::proxy::request::Request;
use crate::session::carried::Names;
use http::HeaderValue;
use http::header::{COOKIE, SET_COOKIE};
use pingora_error::Result;
use pingora_http::{RequestHeader, ResponseHeader};

impl Request {
    /// Whether the id of a session may have to be exchanged in what the upstream is sent.
    pub(in crate::proxy) fn may_exchange_session_id(&self) -> bool {
        self.sessions()
            .is_some_and(|sessions| self.placed.id().is_some() || sessions.settings.rewrite_route == RewriteRoute::Both)
    }

    /// What the upstream is sent, with the id of its session that holds now.
    pub(in crate::proxy) fn exchange_session_id(&self, sent: &mut RequestHeader) -> Result<()> {
        let Some(sessions) = self.sessions() else { return Ok(()) };
        let rerouted = match (self.placed.id(), sessions.settings.rewrite_route) {
            (None, RewriteRoute::Both) => self.rerouted_id(sessions).map(|(id, _)| id),
            _ => None,
        };
        let Some(id) = self.placed.id().or(rerouted.as_deref()) else { return Ok(()) };
        let head = &self.exchange.head;
        let names = sessions.names();
        // Every id of the client's session: of several cookies Tomcat takes the one that it finds.
        let asked = names.ids(head.headers.get_all("cookie"), &head.target).filter(|asked| {
            crate::session::id::Id::parse(id.as_bytes()).is_some_and(|id| id.base() == asked.base())
                && asked.as_str() != id
        });
        for asked in asked {
            exchange(sent, names, asked.as_str(), id)?;
        }
        Ok(())
    }

    /// Tells the client the id that holds now, unless the application does so itself.
    pub(in crate::proxy) fn tell_session_id(&self, answer: &mut ResponseHeader) -> Result<()> {
        let Some(sessions) = self.sessions() else { return Ok(()) };
        let rerouted = match self.placed.set_cookie() {
            None => self.rerouted_cookie(sessions),
            Some(_) => None,
        };
        let Some(line) = self.placed.set_cookie().or(rerouted.as_deref()) else { return Ok(()) };
        if answer.headers.get_all(SET_COOKIE).iter().any(|field| sessions.names().is_set(field.as_bytes())) {
            return Ok(());
        }
        // As an application has written it.
        match HeaderValue::from_str(line) {
            Ok(line) => answer.append_header(SET_COOKIE, line).map(drop),
            Err(_) => Ok(()),
        }
    }
}

fn exchange(sent: &mut RequestHeader, names: &Names, asked: &str, id: &str) -> Result<()> {
    let exchanged =
        |field: &HeaderValue| HeaderValue::from_bytes(&names.exchange_cookie(field.as_bytes(), asked, id)?).ok();
    let cookies: Vec<HeaderValue> = sent.headers.get_all(COOKIE).iter().cloned().collect();
    if cookies.iter().any(|field| exchanged(field).is_some()) {
        sent.remove_header(&COOKIE);
        for field in cookies {
            let field = exchanged(&field).unwrap_or(field);
            sent.append_header(COOKIE, field)?;
        }
    }
    match names.exchange_path(sent.raw_path(), asked, id) {
        Some(target) => sent.set_raw_path(&target),
        None => Ok(()),
    }
}
