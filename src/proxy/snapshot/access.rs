//! Who may come in, compiled: `access`, `auth_*`, `set_real_ip_from`, `valid_referers`, `secure_link`, `userid` and their like.

use super::compile::Texts;
use crate::access::browsers::{Browsers, Modern};
use crate::access::referers::{Name, Referers};
use crate::access::uids::Version;
use crate::access::{Network, Networks, Rule, Rules, Verdict, Who};
use crate::config::raw::Scope;
use crate::config::types::{Satisfy, UserId as WrittenUserId};
use crate::config::value::parse_time;
use crate::config::{Diagnostics, Spanned, Value as _};
use crate::variables::Template;
use http::Method;
use std::sync::Arc;
use std::time::Duration;

/// What a place says of who may come in.
#[derive(Debug)]
pub struct Access {
    pub rules: Option<Rules>,
    pub basic: Option<Basic>,
    pub inquiry: Option<Inquiry>,
    /// One of them is enough.
    pub satisfy_any: bool,
    /// How long an answer of 401 is held back.
    pub delay: Duration,
    pub real_ip: Option<RealIp>,
    pub referers: Option<Referers>,
    pub link: Option<Link>,
    pub browsers: Browsers,
    pub ancient_value: String,
    pub modern_value: String,
    pub user_id: Option<UserId>,
}

/// `auth_basic` with its file.
#[derive(Debug)]
pub struct Basic {
    pub realm: Template,
    pub file: Template,
}

/// `auth_request`
#[derive(Debug)]
pub struct Inquiry {
    pub uri: Vec<u8>,
    /// Variables, by their slots, and what they are set to of the answer.
    pub set: Vec<(usize, Template)>,
}

/// `set_real_ip_from`
#[derive(Debug)]
pub struct RealIp {
    pub from: Networks,
    pub told_by: ToldBy,
    pub recursive: bool,
}

/// `real_ip_header`
#[derive(Debug, PartialEq, Eq)]
pub enum ToldBy {
    /// The first field of this name.
    Field(String),
    /// All `X-Forwarded-For`.
    Forwarded,
    /// The header of the PROXY protocol.
    Announced,
}

/// `secure_link`
#[derive(Debug)]
pub enum Link {
    Signed { value: Template, text: Template },
    Secret(String),
}

/// `userid`
#[derive(Debug)]
pub struct UserId {
    /// `None`: cookies are only read.
    pub given: Option<Version>,
    pub name: String,
    pub service: Option<u32>,
    pub mark: Option<u8>,
    pub expires: Expires,
    /// Domain, path and flags, as they stand in the cookie.
    pub attributes: String,
    pub p3p: Option<http::HeaderValue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expires {
    Session,
    After(Duration),
    Max,
}

/// `limit_except`: the location for other methods than these.
#[derive(Debug)]
pub struct LimitExcept {
    pub methods: Vec<Method>,
    pub location: Arc<super::Location>,
}

impl Access {
    /// Whether nobody has to be asked.
    pub fn is_open(&self) -> bool {
        self.rules.is_none() && self.basic.is_none() && self.inquiry.is_none()
    }
}

impl LimitExcept {
    pub fn limits(&self, method: &Method) -> bool {
        !self.methods.contains(method)
    }
}

pub(super) fn compile(scope: &Scope, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Access {
    Access {
        rules: rules(scope, diagnostics),
        basic: basic(scope, texts, diagnostics),
        inquiry: inquiry(scope, texts, diagnostics),
        // Most places say nothing of all this: a default is only read where something is.
        satisfy_any: scope.satisfy.as_ref().is_some_and(|satisfy| satisfy.value == Satisfy::Any),
        delay: scope.auth_delay.as_ref().map_or(Duration::ZERO, |delay| delay.0),
        real_ip: real_ip(scope, diagnostics),
        referers: referers(scope, texts, diagnostics),
        link: link(scope, texts, diagnostics),
        browsers: browsers(scope, diagnostics),
        ancient_value: scope.ancient_browser_value.as_ref().map_or_else(|| "1".into(), |value| value.value.clone()),
        modern_value: scope.modern_browser_value.as_ref().map_or_else(|| "1".into(), |value| value.value.clone()),
        user_id: user_id(scope, diagnostics),
    }
}

/// The slots of the variables that `auth_request_set` defines.
pub(super) fn defined_names(scope: &Scope) -> impl Iterator<Item = &str> {
    scope.auth_request_set.iter().flat_map(|set| set.iter()).filter_map(|(name, _)| name.strip_prefix('$'))
}

fn rules(scope: &Scope, diagnostics: &mut Diagnostics) -> Option<Rules> {
    let written = scope.access.as_ref()?;
    let rule = |rule: &crate::config::types::AccessRule| {
        let verdict = if rule.allow { Verdict::Allow } else { Verdict::Deny };
        Some(Rule { verdict, who: who(&rule.who, true, diagnostics)? })
    };
    Some(Rules(written.value.0.iter().filter_map(rule).collect()))
}

pub(super) fn who(written: &Spanned<String>, or_all: bool, diagnostics: &mut Diagnostics) -> Option<Who> {
    match written.as_str() {
        "all" if or_all => return Some(Who::All),
        "unix:" => return Some(Who::Unix),
        _ => {}
    }
    match Network::parse(written) {
        Ok((network, excess)) => {
            if excess {
                let message = format!("low address bits of `{}` are meaningless", written.value);
                diagnostics.warning(written.span, message);
            }
            Some(Who::Network(network))
        }
        Err(mistake) => {
            let also = if or_all { ", `unix:` or `all`" } else { " or `unix:`" };
            diagnostics.error(written.span, format!("`{}` is no address: {mistake}{also}", written.value));
            None
        }
    }
}

fn basic(scope: &Scope, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Option<Basic> {
    let realm = scope.auth_basic.as_ref().filter(|realm| realm.as_str() != "off")?;
    let Some(file) = &scope.auth_basic_user_file else {
        diagnostics.warning(
            realm.span,
            "`auth_basic` lets everybody in where no `auth_basic_user_file` is named, as in nginx",
        );
        return None;
    };
    let path = super::location::rooted(file, file.span, texts, diagnostics);
    Some(Basic { realm: texts.template(realm, realm.span, diagnostics), file: path })
}

fn inquiry(scope: &Scope, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Option<Inquiry> {
    let mut set = Vec::new();
    for (name, value) in scope.auth_request_set.iter().flat_map(|set| set.iter()) {
        let slot = name.strip_prefix('$').and_then(|name| texts.defined.find(&name.to_ascii_lowercase()));
        let Some(slot) = slot else {
            diagnostics
                .error(name.span, format!("`{}` is no variable: its name begins with `$`", name.value))
                .help("write `auth_request_set: { $user: $upstream_http_x_user }`");
            continue;
        };
        set.push((slot, texts.template(value, name.span, diagnostics)));
    }
    let uri = scope.auth_request.as_ref().filter(|uri| !matches!(uri.as_str(), "off" | "false"))?;
    if !uri.starts_with('/') {
        diagnostics.error(uri.span, format!("`{}` is no URI of this server: it begins with `/`", uri.value));
        return None;
    }
    Some(Inquiry { uri: uri.as_bytes().to_vec(), set })
}

fn real_ip(scope: &Scope, diagnostics: &mut Diagnostics) -> Option<RealIp> {
    let from = scope.set_real_ip_from.as_ref()?;
    let told_by = match scope.real_ip_header().as_str() {
        "X-Forwarded-For" => ToldBy::Forwarded,
        "proxy_protocol" => ToldBy::Announced,
        name => ToldBy::Field(name.to_owned()),
    };
    let from = Networks(from.value.0.iter().filter_map(|from| who(from, false, diagnostics)).collect());
    Some(RealIp { from, told_by, recursive: scope.real_ip_recursive() })
}

fn referers(scope: &Scope, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Option<Referers> {
    let written = scope.valid_referers.as_ref()?;
    let mut referers = Referers::default();
    for word in &written.value {
        match (word.as_str(), word.strip_prefix('~')) {
            ("none", _) => referers.none = true,
            ("blocked", _) => referers.blocked = true,
            ("server_names", _) => server_names(&mut referers, texts),
            (_, Some(pattern)) => referers.patterns.extend(texts.pattern(pattern, true, word.span, diagnostics)),
            (name, None) => match Name::parse(name) {
                Some(name) => referers.names.push(name),
                None => {
                    let message =
                        format!("`{name}` is no name: expected `example.com`, `*.example.com` or `example.*`");
                    diagnostics.error(word.span, message);
                }
            },
        }
    }
    if written.value.iter().all(|word| matches!(word.as_str(), "none" | "blocked")) {
        diagnostics
            .error(written.span, "`none` and `blocked` need a valid referer beside them")
            .help("nobody's links are refused where no site is named: write a name, or `server_names`");
    }
    Some(referers)
}

/// The names of the server that this stands in; mistakes in them are told where they stand.
fn server_names(referers: &mut Referers, texts: &Texts<'_>) {
    for name in texts.server.iter().flat_map(|server| server.keys.server_name()) {
        match name.strip_prefix('~') {
            Some(pattern) => referers.hosts.extend(crate::pattern::Pattern::compile(pattern, true).ok()),
            None => referers.names.extend(Name::parse(&name)),
        }
    }
}

fn link(scope: &Scope, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Option<Link> {
    let (value, text) = (scope.secure_link.as_ref()?, scope.secure_link_md5.as_ref()?);
    let value = texts.template(value, value.span, diagnostics);
    Some(Link::Signed { value, text: texts.template(text, text.span, diagnostics) })
}

fn browsers(scope: &Scope, diagnostics: &mut Diagnostics) -> Browsers {
    let mut browsers = Browsers::default();
    let mut known = Vec::new();
    for written in scope.modern_browser.iter().flat_map(|modern| &modern.value.0) {
        if written.0.as_str() == "unlisted" {
            browsers.unlisted = true;
            continue;
        }
        let (word, version) = written.0.split_once(' ').unwrap_or((&written.0, ""));
        match Modern::parse(word, version.trim()) {
            Some(modern) => known.push(modern),
            None => {
                let expected = crate::config::types::ModernBrowser::expected();
                diagnostics
                    .error(written.0.span, format!("`{}` is no browser: expected {expected}", written.0.value))
                    .did_you_mean(word, Modern::WORDS.iter().copied());
            }
        }
    }
    browsers.set_modern(known);
    for name in scope.ancient_browser.iter().flat_map(|ancient| &ancient.value) {
        match name.as_str() {
            "netscape4" => browsers.netscape4 = true,
            name => browsers.ancient.push(name.to_owned()),
        }
    }
    browsers
}

fn user_id(scope: &Scope, diagnostics: &mut Diagnostics) -> Option<UserId> {
    let mark = mark(scope, diagnostics);
    let flags = flags(scope, diagnostics);
    let expires = expires(scope, diagnostics);
    let given = match scope.userid.as_ref()?.value {
        WrittenUserId::Off => return None,
        WrittenUserId::Log => None,
        WrittenUserId::V1 => Some(Version::One),
        WrittenUserId::On => Some(Version::Two),
    };
    let mut attributes = String::new();
    let domain = scope.userid_domain();
    if domain != "none" {
        attributes += &format!("; domain={domain}");
    }
    attributes += &format!("; path={}", scope.userid_path());
    attributes += &flags;
    let p3p = scope.userid_p3p();
    let p3p = (p3p != "none").then(|| http::HeaderValue::try_from(p3p).ok()).flatten();
    let service = scope.userid_service.as_ref().map(|service| service.value);
    Some(UserId { given, name: scope.userid_name(), service, mark, expires, attributes, p3p })
}

/// In nginx's order, whatever the order written.
fn flags(scope: &Scope, diagnostics: &mut Diagnostics) -> String {
    const FLAGS: [&str; 5] = ["secure", "httponly", "samesite=strict", "samesite=lax", "samesite=none"];
    let Some(written) = scope.userid_flags.as_ref().map(|flags| &flags.value) else { return String::new() };
    for flag in written.iter().filter(|flag| !FLAGS.contains(&flag.as_str()) && flag.as_str() != "off") {
        diagnostics
            .error(flag.span, format!("unknown flag `{}`: expected `off` or some of {}", flag.value, FLAGS.join(", ")))
            .did_you_mean(flag, FLAGS);
    }
    let is_set = |flag: &&&str| written.iter().any(|written| written.as_str() == **flag);
    FLAGS.iter().filter(is_set).map(|flag| format!("; {flag}")).collect()
}

fn expires(scope: &Scope, diagnostics: &mut Diagnostics) -> Expires {
    let Some(written) = &scope.userid_expires else { return Expires::Session };
    match written.as_str() {
        "max" => Expires::Max,
        "off" | "false" => Expires::Session,
        text => match parse_time(text) {
            Some(time) if time.is_zero() => Expires::Session,
            Some(time) => Expires::After(time),
            None => {
                diagnostics
                    .error(written.span, format!("expected a time such as `365d`, `max` or `off`, found `{text}`"));
                Expires::Session
            }
        },
    }
}

fn mark(scope: &Scope, diagnostics: &mut Diagnostics) -> Option<u8> {
    let written = scope.userid_mark.as_ref()?;
    match *written.as_bytes() {
        [mark] if mark.is_ascii_alphanumeric() || mark == b'=' => Some(mark),
        ref text if text == b"off" || text == b"false" => None,
        _ => {
            diagnostics.error(written.span, "a mark is one letter, one digit or `=`; or write `off`");
            None
        }
    }
}
