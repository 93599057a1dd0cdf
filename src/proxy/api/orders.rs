//! What can be changed over HTTP by who knows the token: the commands of the control socket that make sense there, each a POST to
//! a path of its own, with what they need as arguments of the address.
//!
//! ```text
//! POST reload
//! POST cache/purge?prefix=shop.test/news/     url=, prefix=, tag= or all; perhaps zone=, soft
//! POST upstream/drain?server=app/10.0.0.1:80  the same for up and move (perhaps timeout=, force)
//! ```
//!
//! What always holds: without a token in the configuration nothing can be changed; a request of edge's own changes nothing; the
//! token is told to nobody, right or wrong.

use crate::access::tokens::{Token, bearer};
use crate::config::value::parse_time;
use crate::files;
use crate::http::escape::{Unescape, unescape};
use crate::proxy::content::Content;
use crate::proxy::live::Slot;
use crate::proxy::request::Request;
use async_trait::async_trait;
use http::{HeaderValue, Method};
use serde_json::json;
use std::time::Duration;

/// Who does what is asked of a running edge.
#[async_trait]
pub trait Operator: Send + Sync {
    /// Does what the words say, within a limit.
    async fn order(&self, words: &[String]) -> Told;
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub out: String,
    pub errors: String,
    /// Why nothing was done.
    pub failure: Option<String>,
}

/// A request that is refused.
pub struct Refused {
    pub status: u16,
    pub headers: files::Headers,
}

type Read = fn(&Arguments) -> Result<Vec<String>, String>;

/// By their paths: the arguments that each may have, and how the words are made of them.
const ORDERS: &[(&str, &[&str], Read)] = &[
    ("reload", &[], |_| Ok(vec!["reload".into()])),
    ("cache/purge", &["url", "prefix", "tag", "all", "zone", "soft"], purge),
    ("upstream/drain", &["server"], |arguments| Ok(upstream("drain", arguments.needed("server")?))),
    ("upstream/up", &["server"], |arguments| Ok(upstream("up", arguments.needed("server")?))),
    ("upstream/move", &["server", "timeout", "force"], departure),
];

/// How long requests are waited for where nothing is said; as `edge upstream move` does.
const PATIENCE: Duration = Duration::from_secs(10);

pub fn is_order(path: &[u8]) -> bool {
    ORDERS.iter().any(|(known, ..)| known.as_bytes() == path)
}

/// Does what a request wants whose path is one of an order.
pub async fn answer(request: &Request, path: &[u8], token: Option<&Token>) -> Result<Content, Refused> {
    let Some((path, known, read)) = ORDERS.iter().find(|(known, ..)| known.as_bytes() == path) else {
        return Err(refused(404, None));
    };
    if request.exchange.method != Method::POST {
        return Err(refused(405, Some(("Allow", "POST"))));
    }
    let Some(token) = token else {
        request.log_error("nothing can be changed over HTTP: there is no `token_file`");
        return Err(refused(403, None));
    };
    // Nobody is asked for a password behind the back of who is answered.
    if request.is_errand {
        return Err(refused(403, None));
    }
    let mut fields = request.exchange.head.headers.get_all("authorization");
    match (fields.next().and_then(bearer), fields.next()) {
        (Some(given), None) if token.is(given) => {}
        (given, _) => {
            let why = if given.is_some() { "the token is wrong" } else { "no token was sent" };
            request.log_error(format_args!("{why}, nothing is changed"));
            return Err(refused(401, Some(("WWW-Authenticate", "Bearer"))));
        }
    }
    let arguments = Arguments::read(request.exchange.args.as_deref().unwrap_or_default());
    let words = arguments.only(known).and_then(|()| read(&arguments));
    let words = match words {
        Ok(words) => words,
        Err(why) => return Ok(told(400, &Told { failure: Some(why), ..Told::default() })),
    };
    let operator = request.connection.upgrade().and_then(|connection| {
        let slot = connection.facts().listener.clone().downcast::<Slot>().ok()?;
        slot.operator().cloned()
    });
    let Some(operator) = operator else { return Err(refused(503, None)) };
    request.log_notice(format_args!("{path} over HTTP: {}", words.join(" ")));
    Ok(done(&operator.order(&words).await))
}

fn done(came: &Told) -> Content {
    // It was understood, and could not be done.
    told(if came.failure.is_none() { 200 } else { 422 }, came)
}

fn told(status: u16, came: &Told) -> Content {
    let Told { out, errors, failure } = came;
    let body =
        json!({ "done": failure.is_none(), "out": out, "errors": errors, "failure": failure }).to_string() + "\n";
    Content::Text { status, content_type: Some(HeaderValue::from_static("application/json")), body: body.into() }
}

pub fn refused(status: u16, field: Option<(&'static str, &'static str)>) -> Refused {
    let headers = field.map(|(name, value)| (name, HeaderValue::from_static(value)));
    Refused { status, headers: headers.into_iter().collect() }
}

fn upstream(what: &str, server: &str) -> Vec<String> {
    ["upstream", what, server].map(str::to_owned).into()
}

fn purge(arguments: &Arguments) -> Result<Vec<String>, String> {
    let kinds: Vec<&str> =
        ["url", "prefix", "tag", "all"].into_iter().filter(|kind| arguments.get(kind).is_some()).collect();
    let [kind] = kinds[..] else {
        return Err("expected one of `url`, `prefix`, `tag` and `all`, such as `?prefix=shop.test/news/`".into());
    };
    let text = arguments.get(kind).filter(|_| kind != "all").unwrap_or_default();
    if text.is_empty() && kind != "all" {
        return Err(format!("`{kind}` is empty; write `?all` for everything"));
    }
    let how = if arguments.is_on("soft")? { "soft" } else { "hard" };
    Ok(["cache", "purge", arguments.get("zone").unwrap_or_default(), kind, text, how].map(str::to_owned).into())
}

fn departure(arguments: &Arguments) -> Result<Vec<String>, String> {
    let server = arguments.needed("server")?;
    let time = match arguments.get("timeout") {
        None => PATIENCE,
        Some(text) => parse_time(text).ok_or_else(|| format!("expected a time such as `10s`, found `{text}`"))?,
    };
    let how = if arguments.is_on("force")? { "force" } else { "" };
    Ok(["upstream", "move", server, &time.as_millis().to_string(), how].map(str::to_owned).into())
}

/// What stands behind `?`, decoded.
struct Arguments(Vec<(String, String)>);

impl Arguments {
    fn read(text: &[u8]) -> Arguments {
        let pairs = text.split(|b| *b == b'&').filter(|pair| !pair.is_empty());
        let decoded = |part: &[u8]| {
            let spaced: Vec<u8> = part.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
            String::from_utf8_lossy(&unescape(&spaced, Unescape::All)).into_owned()
        };
        Arguments(
            pairs
                .map(|pair| match pair.iter().position(|b| *b == b'=') {
                    Some(at) => (decoded(&pair[..at]), decoded(&pair[at + 1..])),
                    None => (decoded(pair), String::new()),
                })
                .collect(),
        )
    }

    /// Each at most once, and no other ones.
    fn only(&self, known: &[&str]) -> Result<(), String> {
        for (at, (name, _)) in self.0.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(format!("there is no argument `{name}` here; known are: {known}"));
            }
            if self.0[..at].iter().any(|(other, _)| other == name) {
                return Err(format!("`{name}` stands there twice"));
            }
        }
        Ok(())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn needed(&self, name: &str) -> Result<&str, String> {
        self.get(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| format!("expected `?{name}=UPSTREAM/SERVER`, such as `?{name}=web/10.0.0.1:8080`"))
    }

    fn is_on(&self, name: &str) -> Result<bool, String> {
        match self.get(name) {
            None | Some("off" | "false") => Ok(false),
            Some("" | "on" | "true") => Ok(true),
            Some(other) => Err(format!("expected `{name}` or `{name}=off`, found `{other}`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(path: &str, arguments: &str) -> Result<String, String> {
        let (_, known, read) = ORDERS.iter().find(|(known, ..)| *known == path).unwrap();
        let arguments = Arguments::read(arguments.as_bytes());
        arguments.only(known)?;
        read(&arguments).map(|words| words.join("|"))
    }

    #[test]
    fn an_address_becomes_the_words_of_the_control_socket() {
        for (path, arguments, expected) in [
            ("reload", "", "reload"),
            ("cache/purge", "all", "cache|purge||all||hard"),
            ("cache/purge", "prefix=shop.test%2Fa+b&zone=pages&soft", "cache|purge|pages|prefix|shop.test/a b|soft"),
            ("upstream/drain", "server=app/10.0.0.1:80", "upstream|drain|app/10.0.0.1:80"),
            ("upstream/move", "server=app/t1", "upstream|move|app/t1|10000|"),
            ("upstream/move", "server=app/t1&timeout=2s&force=on", "upstream|move|app/t1|2000|force"),
        ] {
            assert_eq!(words(path, arguments).as_deref(), Ok(expected), "{path}?{arguments}");
        }
    }

    #[test]
    fn what_is_not_understood_is_told() {
        for (path, arguments, expected) in [
            ("reload", "now", "there is no argument `now` here; known are: none"),
            ("cache/purge", "", "expected one of `url`"),
            ("cache/purge", "url=a&tag=b", "expected one of `url`"),
            ("cache/purge", "prefix=", "`prefix` is empty"),
            ("cache/purge", "all&soft=maybe", "expected `soft`"),
            ("upstream/up", "server=", "expected `?server=UPSTREAM/SERVER`"),
            ("upstream/up", "server=a/b&server=a/c", "`server` stands there twice"),
            ("upstream/move", "server=a/b&timeout=soon", "expected a time"),
        ] {
            let said = words(path, arguments).unwrap_err();
            assert!(said.contains(expected), "{path}?{arguments}: {said}");
        }
    }
}
