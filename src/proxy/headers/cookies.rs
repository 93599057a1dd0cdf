//! `Set-Cookie` of an upstream as the client gets it: nginx's `ngx_http_proxy_rewrite_cookie`.

use crate::proxy::request::Request;
use crate::proxy::snapshot::{CookieFlag, CookieFlags, CookieName, CookieRewrite, Cookies};
use http::HeaderValue;
use http::header::SET_COOKIE;
use pingora_error::{Error, ErrorType, OrErr, Result};
use pingora_http::ResponseHeader;
use std::borrow::Cow;

/// A part of a cookie: its name and value, then what is said of it.
#[derive(Debug)]
pub(super) struct Attribute<'c> {
    name: Cow<'c, [u8]>,
    value: Option<Cow<'c, [u8]>>,
}

impl Attribute<'_> {
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// Changes every cookie of an answer as the location says.
pub fn rewrite(answer: &mut ResponseHeader, cookies: &Cookies, request: &mut Request) -> Result<()> {
    if cookies.is_empty() || !answer.headers.contains_key(SET_COOKIE) {
        return Ok(());
    }
    let fields: Vec<HeaderValue> = answer.headers.get_all(SET_COOKIE).iter().cloned().collect();
    answer.remove_header(&SET_COOKIE);
    for field in fields {
        let field = match rewritten(field.as_bytes(), cookies, request)? {
            Some(new) => {
                HeaderValue::try_from(new).or_err(ErrorType::InvalidHTTPHeader, "a cookie that cannot be sent")?
            }
            None => field,
        };
        answer.append_header("Set-Cookie", field)?;
    }
    Ok(())
}

/// `None`: nothing of it is changed.
fn rewritten(cookie: &[u8], cookies: &Cookies, request: &mut Request) -> Result<Option<Vec<u8>>> {
    let mut attributes = parse(cookie);
    if attributes.first().is_none_or(|first| first.value.is_none()) {
        return Ok(None);
    }
    let mut is_changed = false;
    for attribute in &mut attributes[1..] {
        let (is_domain, is_path) = (attribute.is("domain"), attribute.is("path"));
        let Some(value) = attribute.value.as_mut() else { continue };
        let new = match (is_domain, is_path) {
            (true, _) => cookies.domains.iter().find_map(|rule| domain(rule, value, request)),
            (_, true) => cookies.paths.iter().find_map(|rule| path(rule, value, request)),
            _ => None,
        };
        if let Some(new) = new {
            *value = Cow::Owned(new);
            is_changed = true;
        }
    }
    let name = attributes[0].name.clone().into_owned();
    if let Some(rule) = cookies.flags.iter().find(|rule| rule.is_for(&name, request)) {
        is_changed |= set_flags(&mut attributes, &rule.evaluate(request)?);
    }
    Ok(is_changed.then(|| print(&attributes)))
}

pub(super) fn parse(cookie: &[u8]) -> Vec<Attribute<'_>> {
    let parts = cookie.split(|byte| *byte == b';');
    let attributes = parts.map(|part| {
        let spaces = |byte: &u8| *byte == b' ';
        let trim = |text: &mut &[u8]| {
            while text.first().is_some_and(spaces) {
                *text = &text[1..];
            }
            while text.last().is_some_and(spaces) {
                *text = &text[..text.len() - 1];
            }
        };
        let (mut name, mut value) = match part.iter().position(|byte| *byte == b'=') {
            Some(at) => (&part[..at], Some(&part[at + 1..])),
            None => (part, None),
        };
        trim(&mut name);
        value.iter_mut().for_each(trim);
        Attribute { name: Cow::Borrowed(name), value: value.map(Cow::Borrowed) }
    });
    attributes.collect()
}

pub(super) fn print(attributes: &[Attribute<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, attribute) in attributes.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(b"; ");
        }
        out.extend_from_slice(&attribute.name);
        if let Some(value) = &attribute.value {
            out.push(b'=');
            out.extend_from_slice(value);
        }
    }
    out
}

/// The whole domain is compared, in either case and without the dot it may begin with.
fn domain(rule: &CookieRewrite, value: &[u8], request: &mut Request) -> Option<Vec<u8>> {
    match rule {
        CookieRewrite::Text { from, to } => {
            let (dot, bare) = value.split_at(usize::from(value.starts_with(b".")));
            let is_it = from.evaluate(&request.exchange).eq_ignore_ascii_case(bare);
            is_it.then(|| [dot, &to.evaluate(&request.exchange)].concat())
        }
        CookieRewrite::Regex { .. } => by_pattern(rule, value, request),
    }
}

/// The beginning of a path is replaced.
fn path(rule: &CookieRewrite, value: &[u8], request: &mut Request) -> Option<Vec<u8>> {
    match rule {
        CookieRewrite::Text { from, to } => {
            let from = from.evaluate(&request.exchange);
            let rest = value.strip_prefix(&*from)?;
            Some([&to.evaluate(&request.exchange), rest].concat())
        }
        CookieRewrite::Regex { .. } => by_pattern(rule, value, request),
    }
}

fn by_pattern(rule: &CookieRewrite, value: &[u8], request: &mut Request) -> Option<Vec<u8>> {
    let CookieRewrite::Regex { from, to } = rule else { return None };
    from.is_match(value).then(|| request.exchange.capture(from, value))?;
    Some(to.evaluate(&request.exchange).into_owned())
}

impl CookieFlags {
    fn is_for(&self, name: &[u8], request: &mut Request) -> bool {
        match &self.name {
            CookieName::Text(text) => text.evaluate(&request.exchange).eq_ignore_ascii_case(name),
            CookieName::Regex(pattern) => {
                let is_it = pattern.is_match(name);
                if is_it {
                    request.exchange.capture(pattern, name);
                }
                is_it
            }
        }
    }

    fn evaluate(&self, request: &Request) -> Result<Vec<CookieFlag>> {
        let mut flags = Vec::with_capacity(self.flags.len());
        for flag in &self.flags {
            let word = flag.evaluate(&request.exchange);
            if word.is_empty() {
                continue;
            }
            let Some(flag) = CookieFlag::parse(&word) else {
                request.log_error(format_args!(
                    "invalid \"proxy_cookie_flags\" flag \"{}\"",
                    String::from_utf8_lossy(&word)
                ));
                return Err(Error::explain(ErrorType::InternalError, "a flag of a cookie that is none"));
            };
            flags.push(flag);
        }
        Ok(flags)
    }
}

/// What of one kind of flag is said: the flags of a list are a set, and to have is stronger than not to have.
fn wish(flags: &[CookieFlag], of: impl Fn(&CookieFlag) -> Option<bool>) -> Option<bool> {
    let said: Vec<bool> = flags.iter().filter_map(of).collect();
    if said.contains(&true) { Some(true) } else { said.first().copied() }
}

/// False: there was nothing to be done.
pub(super) fn set_flags(attributes: &mut Vec<Attribute<'_>>, flags: &[CookieFlag]) -> bool {
    if flags.is_empty() {
        return false;
    }
    let secure = wish(flags, |flag| if let CookieFlag::Secure(on) = flag { Some(*on) } else { None });
    let http_only = wish(flags, |flag| if let CookieFlag::HttpOnly(on) = flag { Some(*on) } else { None });
    for (name, shown, wish) in [("secure", "Secure", secure), ("httponly", "HttpOnly", http_only)] {
        let is_there = attributes.iter().skip(1).any(|attribute| attribute.is(name));
        match wish {
            Some(false) => retain(attributes, |attribute| !attribute.is(name)),
            Some(true) if !is_there => {
                attributes.push(Attribute { name: Cow::Borrowed(shown.as_bytes()), value: None });
            }
            _ => {}
        }
    }
    set_same_site(attributes, flags);
    true
}

fn retain(attributes: &mut Vec<Attribute<'_>>, keep: impl Fn(&Attribute<'_>) -> bool) {
    let mut first = true;
    attributes.retain(|attribute| std::mem::take(&mut first) || keep(attribute));
}

fn set_same_site(attributes: &mut Vec<Attribute<'_>>, flags: &[CookieFlag]) {
    let said: Vec<Option<&'static str>> = flags
        .iter()
        .filter_map(|flag| if let CookieFlag::SameSite(value) = flag { Some(*value) } else { None })
        .collect();
    if said.contains(&None) {
        return retain(attributes, |attribute| !attribute.is("samesite"));
    }
    let strongest = ["Strict", "Lax", "None"].into_iter().find(|value| said.contains(&Some(value)));
    let Some(value) = strongest else { return };
    match attributes.iter_mut().skip(1).find(|attribute| attribute.is("samesite")) {
        Some(there) => {
            let is_it = there.value.as_ref().is_some_and(|v| v.eq_ignore_ascii_case(value.as_bytes()));
            if !is_it {
                there.name = Cow::Borrowed(b"SameSite");
                there.value = Some(Cow::Borrowed(value.as_bytes()));
            }
        }
        None => {
            let value = Some(Cow::Borrowed(value.as_bytes()));
            attributes.push(Attribute { name: Cow::Borrowed(b"SameSite"), value });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flagged(cookie: &str, words: &[&str]) -> String {
        let flags: Vec<CookieFlag> = words.iter().map(|word| CookieFlag::parse(word.as_bytes()).unwrap()).collect();
        let mut attributes = parse(cookie.as_bytes());
        set_flags(&mut attributes, &flags);
        String::from_utf8(print(&attributes)).unwrap()
    }

    #[test]
    fn flags_are_set_once_and_taken_away() {
        assert_eq!(flagged("a=b", &["secure", "httponly"]), "a=b; Secure; HttpOnly");
        assert_eq!(flagged("a=b; secure", &["secure"]), "a=b; secure");
        assert_eq!(flagged("a=b;Secure ; HttpOnly;Path=/", &["nosecure", "nohttponly"]), "a=b; Path=/");
        assert_eq!(flagged("a=b; samesite=lax", &["samesite=strict"]), "a=b; SameSite=Strict");
        assert_eq!(flagged("a=b; SameSite=STRICT", &["samesite=strict"]), "a=b; SameSite=STRICT");
        assert_eq!(flagged("a=b; SameSite=Lax", &["nosamesite"]), "a=b");
        assert_eq!(flagged("a=b", &["samesite=none"]), "a=b; SameSite=None");
    }

    #[test]
    fn the_cookie_itself_is_no_flag() {
        assert_eq!(flagged("secure=1; HttpOnly", &["nosecure"]), "secure=1; HttpOnly");
    }

    #[test]
    fn a_cookie_is_read_as_nginx_reads_it() {
        let attributes = parse(b" a = b=c ;; Path = /x ;Secure");
        let read: Vec<(&[u8], Option<&[u8]>)> = attributes.iter().map(|a| (&*a.name, a.value.as_deref())).collect();
        assert_eq!(read, [(&b"a"[..], Some(&b"b=c"[..])), (b"", None), (b"Path", Some(b"/x")), (b"Secure", None)]);
    }
}
