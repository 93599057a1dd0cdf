//! Tomcat's authenticators, as far as sessions notice them: below `/secure/` somebody has to be logged in, by BASIC or by
//! FORM. A login makes a new id, base and node.
//!
//! An authenticator stands before MSM: what it answers itself is saved by nobody, but for the end of a FORM login.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::http::{Request, Response};
use super::session::Visit;
use super::sessions::Sessions;

const BASIC: u16 = 1;
const FORM: u16 = 4;
const LOGIN_PAGE: &str =
    "<form method=post action=j_security_check><input name=j_username><input name=j_password></form>\n";

/// How one logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    Basic,
    Form,
}

/// What the authenticator answered, and whether MSM comes to know of it.
pub(super) struct Answered {
    pub response: Response,
    pub is_saved: bool,
}

impl Login {
    /// `None` lets the request through.
    pub(super) async fn check(
        self,
        path: &str,
        request: &Request,
        sessions: &Sessions,
        visit: &mut Visit,
    ) -> Option<Answered> {
        let ends = |response| Some(Answered { response, is_saved: false });
        if self == Login::Form && path == "/j_security_check" && request.method == "POST" {
            return Some(log_in(sessions, visit).await);
        }
        let is_known = visit.session.as_ref().is_some_and(|session| session.state().auth_type != 0);
        if !path.starts_with("/secure/") || is_known {
            return None;
        }
        if self == Login::Form {
            let session = sessions.open(visit).await;
            session.with(|blob| blob.saved_request = saved_request(request));
            sessions.rotate(visit).await;
            return ends(Response::new(200, "text/html", LOGIN_PAGE));
        }
        let Some(user) = basic_user(request) else {
            let realm = "Basic realm=\"Authentication required\"";
            return ends(Response::plain(401).with("WWW-Authenticate", realm));
        };
        let session = visit.session.clone()?;
        session.with(|blob| (blob.auth_type, blob.principal) = (BASIC, principal(&user)));
        sessions.rotate(visit).await;
        None
    }
}

/// The end of a FORM login; whoever it is, is believed.
async fn log_in(sessions: &Sessions, visit: &mut Visit) -> Answered {
    let session = visit.session.clone();
    let target = session.as_ref().and_then(|session| saved_target(&session.state().saved_request));
    let (Some(session), Some(target)) = (session, target) else {
        return Answered { response: Response::plain(408), is_saved: false };
    };
    session.with(|blob| (blob.auth_type, blob.principal) = (FORM, principal("alice")));
    sessions.rotate(visit).await;
    Answered { response: Response::plain(303).with("Location", target), is_saved: true }
}

/// The saved request is used up by the request that it led to.
pub(super) fn forget_saved_request(visit: &Visit) {
    let Some(session) = &visit.session else { return };
    let is_there = !session.state().saved_request.is_empty();
    if is_there {
        session.with(|blob| blob.saved_request.clear());
    }
}

fn basic_user(request: &Request) -> Option<String> {
    let credentials = BASE64_STANDARD.decode(request.header("authorization")?.strip_prefix("Basic ")?).ok()?;
    let (user, _) = std::str::from_utf8(&credentials).ok()?.split_once(':')?;
    (user.len() <= 100).then(|| user.to_string())
}

/// A user with the role `user`, as Tomcat's serializable principal is written.
fn principal(user: &str) -> Vec<u8> {
    let mut bytes = b"\xac\xed\x00\x05sr\x00@org.apache.catalina.realm.GenericPrincipal$SerializablePrincipal\
\x00\x00\x00\x00\x00\x00\x00\x01\x02\x00\x05L\x00\nattributest\x00\x0fLjava/util/Map;L\x00\x04namet\x00\x12\
Ljava/lang/String;L\x00\x08passwordq\x00~\x00\x02L\x00\tprincipalt\x00\x19Ljava/security/Principal;[\x00\x05roles\
t\x00\x13[Ljava/lang/String;xpp"
        .to_vec();
    bytes.extend(text(user));
    bytes.extend(text("secret"));
    bytes.extend(b"pur\x00\x13[Ljava.lang.String;\xad\xd2V\xe7\xe9\x1d{G\x02\x00\x00xp\x00\x00\x00\x01");
    bytes.extend(text("user"));
    bytes
}

/// The user's name in what `principal` wrote.
pub(super) fn user(principal: &[u8]) -> Option<String> {
    let mark = b"String;xppt";
    let at = principal.windows(mark.len()).position(|window| window == mark)? + mark.len();
    let length = u16::from_be_bytes(principal.get(at..at + 2)?.try_into().ok()?);
    let name = principal.get(at + 2..at + 2 + usize::from(length))?;
    Some(String::from_utf8_lossy(name).into_owned())
}

/// Tomcat's `SavedRequest`, without headers and locales: body, type, headers, locales, method, query, URI twice.
fn saved_request(request: &Request) -> Vec<u8> {
    let mut bytes = b"\xac\xed\x00\x05ppsr\x00\x11java.util.HashMap\x05\x07\xda\xc1\xc3\x16`\xd1\x03\x00\x02F\x00\n\
loadFactorI\x00\tthresholdxp?@\x00\x00\x00\x00\x00\x00w\x08\x00\x00\x00\x10\x00\x00\x00\x00xsr\x00\x13java.util.\
ArrayListx\x81\xd2\x1d\x99\xc7a\x9d\x03\x00\x01I\x00\x04sizexp\x00\x00\x00\x00w\x04\x00\x00\x00\x00x"
        .to_vec();
    bytes.extend(text(&request.method));
    match request.target.split_once('?') {
        Some((_, query)) => bytes.extend(text(query)),
        None => bytes.push(b'p'),
    }
    bytes.extend([text(request.path()), text(request.path())].concat());
    bytes
}

/// Where a saved request leads: what follows the second list's end.
fn saved_target(saved: &[u8]) -> Option<String> {
    let mark = b"w\x04\x00\x00\x00\x00x";
    let at = saved.windows(mark.len()).position(|window| window == mark)? + mark.len();
    let (_, rest) = read_text(&saved[at..])?;
    let (query, rest) = match rest.split_first()? {
        (b'p', rest) => (None, rest),
        _ => read_text(rest).map(|(query, rest)| (Some(query), rest))?,
    };
    let (path, _) = read_text(rest)?;
    Some(query.map_or(path.clone(), |query| format!("{path}?{query}")))
}

/// A string as Java's streams have it.
fn text(text: &str) -> Vec<u8> {
    let text = &text.as_bytes()[..text.len().min(usize::from(u16::MAX))];
    [b"t", &(text.len() as u16).to_be_bytes()[..], text].concat()
}

fn read_text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let rest = bytes.strip_prefix(b"t")?;
    let (length, rest) = rest.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((String::from_utf8_lossy(text).into_owned(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_as_long_as_the_recorded_one_and_tells_its_name() {
        let alice = principal("alice");
        assert_eq!((alice.len(), user(&alice)), (296, Some("alice".to_string())));
        assert_eq!(user(b"String;xppt\x00"), None);
    }
}
