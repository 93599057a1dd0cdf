//! The types that one key or a few keys have of their own: how `listen`, `error_page`, `return` and their like are written
//! in edge.yaml and in nginx.conf.

use super::diagnostics::{Diagnostics, Span};
use super::keys::{self, read_map};
use super::node::{Entry, Kind, Node};
use super::value::{Arg, Named, Repeated, Size, Spanned, Time, Value, mismatch, parse_size};
use crate::{keys, words};
use serde_json::json;

/// A node for `name=value` parameters and single words after the first word of a directive.
fn parameters(args: &[Arg], words: &[&str]) -> Result<Vec<Entry>, String> {
    args.iter()
        .map(|arg| match arg.text.split_once('=') {
            Some((name, value)) => Ok(entry(name, arg.span, Node::scalar(arg.span, value))),
            None if words.contains(&arg.text.as_str()) => {
                Ok(entry(&arg.text, arg.span, Node::scalar(arg.span, "true")))
            }
            None => Err(format!("unknown parameter `{}`", arg.text)),
        })
        .collect()
}

fn entry(key: &str, span: Span, value: Node) -> Entry {
    Entry { key: key.to_owned(), span, value }
}

keys! {
    /// An address to listen on.
    pub struct ListenKeys {
        /// `8888`, `127.0.0.1:80`, `[::]:80`, `*:80`, `localhost:80` or `unix:/path`.
        ["-"] address: String,
        /// The server that answers requests whose host no server of this address names.
        ["-"] default_server: bool = "false",
        /// The length of the queue of connections not yet accepted.
        ["-"] backlog: u32 = "511",
        /// An IPv6 address takes IPv6 connections only.
        ["-"] ipv6only: bool = "true",
        /// A socket of its own for each worker.
        ["-"] reuseport: bool = "false",
        /// Accepted; accept filters are a matter of FreeBSD.
        ["-"] deferred: bool = "false",
        /// Accepted; edge always binds on its own.
        ["-"] bind: bool = "false",
        /// TCP keepalive probes on accepted connections.
        ["-"] so_keepalive: String = "off",
        /// The size of the receive buffer.
        ["-"] rcvbuf: Size,
        /// The size of the send buffer.
        ["-"] sndbuf: Size,
    }
}

/// `listen: 8888`, `listen: {address: 8888, default_server: true}`, or a list of these.
#[derive(Clone, Debug, Default)]
pub struct Listen(pub ListenKeys);

impl Value for Listen {
    const REPEATS: bool = true;

    fn expected() -> String {
        "an address such as `8888`, `127.0.0.1:80` or `[::]:80`, or a map with `address`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Listen> {
        match &node.kind {
            Kind::Scalar(_) => {
                let address = Spanned::read(node, diagnostics);
                Some(Listen(ListenKeys { address, ..Default::default() }))
            }
            Kind::Map(_) => {
                let keys: ListenKeys = read_map(node, "`listen`", diagnostics)?;
                if keys.address.is_none() {
                    diagnostics.error(node.span, "`listen` has no `address`");
                    return None;
                }
                Some(Listen(keys))
            }
            _ => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [{ "type": ["integer", "string"] }, keys::map_schema::<ListenKeys>()] })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let [address, rest @ ..] = args else {
            return Err("expected an address".into());
        };
        if rest.is_empty() {
            return Ok(address.node());
        }
        let mut entries = vec![entry("address", address.span, address.node())];
        let words = ["default_server", "default", "reuseport", "deferred", "bind"];
        entries.extend(parameters(rest, &words)?);
        for e in &mut entries {
            if e.key == "default" {
                e.key = "default_server".into();
            }
        }
        Ok(Node::map(address.span, entries))
    }
}

keys! {
    /// Where an access log goes.
    pub struct AccessLogKeys {
        /// The file, relative to the prefix.
        ["-"] path: String,
        /// The name of a `log_format`, `combined` if none is given.
        ["-"] format: String = "combined",
        /// Lines are gathered until there are so many bytes of them.
        ["-"] buffer: Size,
        /// Gathered lines are written at the latest after this time.
        ["-"] flush: Time,
        /// Only requests are logged for which this is neither empty nor `0`.
        ["-"] condition ("if"): String,
    }
}

/// `access_log: off`, a path, `{path, format}`, or a list of these.
#[derive(Clone, Debug)]
pub enum AccessLog {
    Off,
    To(Box<AccessLogKeys>),
}

impl Value for AccessLog {
    const REPEATS: bool = true;

    fn expected() -> String {
        "`off`, the path of a file, or a map with `path` and `format`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<AccessLog> {
        match node.as_text() {
            Some("off" | "false") => return Some(AccessLog::Off),
            Some(_) => {
                let path = Spanned::read(node, diagnostics);
                return Some(AccessLog::To(Box::new(AccessLogKeys { path, ..Default::default() })));
            }
            None if node.as_map().is_some() => {}
            None => return mismatch(node, diagnostics),
        }
        let keys: AccessLogKeys = read_map(node, "`access_log`", diagnostics)?;
        if keys.path.is_none() {
            diagnostics.error(node.span, "`access_log` has no `path`");
            return None;
        }
        Some(AccessLog::To(Box::new(keys)))
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [{ "type": ["string", "boolean"] }, keys::map_schema::<AccessLogKeys>()] })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let [path, rest @ ..] = args else {
            return Err("expected `off` or the path of a file".into());
        };
        let (format, rest) = match rest {
            [format, rest @ ..] if !format.text.contains('=') => (Some(format), rest),
            rest => (None, rest),
        };
        if format.is_none() && rest.is_empty() {
            return Ok(path.node());
        }
        let mut entries = vec![entry("path", path.span, path.node())];
        entries.extend(format.map(|f| entry("format", f.span, f.node())));
        entries.extend(parameters(rest, &[])?);
        Ok(Node::map(path.span, entries))
    }
}

words! {
    /// What is worth a line in the error log.
    pub enum LogLevel {
        Debug = "debug",
        Info = "info",
        Notice = "notice",
        Warn = "warn",
        Error = "error",
        Crit = "crit",
        Alert = "alert",
        Emerg = "emerg",
    }
}

keys! {
    /// Where the error log goes.
    pub struct ErrorLogKeys {
        /// The file, relative to the prefix, or `stderr`.
        ["-"] path: String = "stderr",
        /// What is less is not written.
        ["-"] level: LogLevel = "error",
    }
}

/// `error_log: logs/error.log` or `{path, level}`.
#[derive(Clone, Debug)]
pub struct ErrorLog(pub ErrorLogKeys);

impl Value for ErrorLog {
    fn expected() -> String {
        "the path of a file, `stderr`, or a map with `path` and `level`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<ErrorLog> {
        match &node.kind {
            Kind::Scalar(_) => {
                let path = Spanned::read(node, diagnostics);
                Some(ErrorLog(ErrorLogKeys { path, ..Default::default() }))
            }
            Kind::Map(_) => read_map(node, "`error_log`", diagnostics).map(ErrorLog),
            _ => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [{ "type": "string" }, keys::map_schema::<ErrorLogKeys>()] })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [path] => Ok(path.node()),
            [path, level] => Ok(Node::map(
                path.span,
                vec![entry("path", path.span, path.node()), entry("level", level.span, level.node())],
            )),
            _ => Err("expected a file and a level".into()),
        }
    }
}

words! {
    /// How `log_format` escapes the values of variables.
    pub enum LogEscape {
        Default = "default",
        Json = "json",
        None = "none",
    }
}

keys! {
    /// What a line of an access log looks like.
    pub struct LogFormatKeys {
        /// The line, with variables.
        ["-"] format: String,
        /// How characters that would break the line are written: `\xXX`, as JSON, or not at all.
        ["-"] escape: LogEscape = "default",
        /// Instead of `format`: the fields of a JSON object, each with its value.
        ["-"] json: Named<String>,
    }
}

/// `main: '$remote_addr …'`, `{format, escape}` or `{json: {name: $variable}}`.
#[derive(Clone, Debug)]
pub struct LogFormat(pub LogFormatKeys);

impl Value for LogFormat {
    const REPEATS: bool = true;

    fn expected() -> String {
        "a line with variables, or a map with `format` and `escape`, or with `json`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<LogFormat> {
        let keys = match &node.kind {
            Kind::Scalar(_) => LogFormatKeys { format: Spanned::read(node, diagnostics), ..Default::default() },
            Kind::Map(_) => read_map(node, "a log format", diagnostics)?,
            _ => return mismatch(node, diagnostics),
        };
        if keys.format.is_some() == keys.json.is_some() {
            diagnostics.error(node.span, "a log format has either `format` or `json`");
            return None;
        }
        Some(LogFormat(keys))
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [{ "type": "string" }, keys::map_schema::<LogFormatKeys>()] })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let (escape, parts) = match args {
            [first, rest @ ..] => match first.parameter("escape") {
                Some(escape) if !first.quoted => (Some((escape, first.span)), rest),
                _ => (None, args),
            },
            [] => return Err("expected a format".into()),
        };
        let Some(first) = parts.first() else {
            return Err("expected a format".into());
        };
        let text: String = parts.iter().map(|p| p.text.as_str()).collect();
        let format = Node::quoted(first.span, text);
        Ok(match escape {
            None => format,
            Some((escape, at)) => Node::map(
                first.span,
                vec![entry("format", first.span, format), entry("escape", at, Node::scalar(at, escape))],
            ),
        })
    }
}

keys! {
    /// A field added to answers.
    pub struct AddHeaderKeys {
        /// The value, with variables.
        ["-"] value: String,
        /// Whatever the status, not only for 200, 201, 204, 206, 301, 302, 303, 304, 307 and 308.
        ["-"] always: bool = "false",
    }
}

/// `X-A: value` or `X-A: {value, always: true}`.
#[derive(Clone, Debug)]
pub struct AddHeader(pub AddHeaderKeys);

impl Value for AddHeader {
    const REPEATS: bool = true;

    fn expected() -> String {
        "a value, or a map with `value` and `always`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<AddHeader> {
        match &node.kind {
            Kind::Scalar(_) => {
                let value = Spanned::read(node, diagnostics);
                Some(AddHeader(AddHeaderKeys { value, ..Default::default() }))
            }
            Kind::Map(_) => read_map(node, "a field", diagnostics).map(AddHeader),
            _ => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [String::schema(), keys::map_schema::<AddHeaderKeys>()] })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [value] => Ok(value.node()),
            [value, always] if always.text == "always" => Ok(Node::map(
                value.span,
                vec![
                    entry("value", value.span, value.node()),
                    entry("always", always.span, Node::scalar(always.span, "true")),
                ],
            )),
            _ => Err("expected a name, a value and perhaps `always`".into()),
        }
    }
}

/// A status, or several, of 3xx to 5xx.
fn read_codes(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<u16>> {
    let texts: Vec<&str> = match &node.kind {
        Kind::List(items) => items.iter().filter_map(Node::as_text).collect(),
        _ => node.as_text().map(|t| t.split_whitespace().collect()).unwrap_or_default(),
    };
    let codes: Option<Vec<u16>> = texts.iter().map(|t| t.parse().ok().filter(|c| (300..=599).contains(c))).collect();
    if codes.as_ref().is_none_or(Vec::is_empty) {
        diagnostics.error(node.span, format!("expected statuses from 300 to 599, found {}", node.describe()));
        return None;
    }
    codes
}

/// What the answer is when a request ends with one of some statuses.
#[derive(Clone, Debug)]
pub struct ErrorPage {
    pub codes: Vec<u16>,
    /// A path, a named location or a URL; may hold variables.
    pub uri: Spanned<String>,
    pub status: ErrorPageStatus,
}

/// What status the page is sent with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorPageStatus {
    /// The status that led here.
    Same,
    /// The one that fetching the page gives (`=` in nginx.conf).
    OfPage,
    /// A chosen one (`=200` in nginx.conf).
    Set(u16),
}

/// `{404: /404.html, '502 504': '@fallback'}`, or a list of `{code, uri, status}`.
#[derive(Clone, Debug, Default)]
pub struct ErrorPages(pub Vec<ErrorPage>);

impl ErrorPages {
    fn one(node: &Node, diagnostics: &mut Diagnostics) -> Option<ErrorPage> {
        for e in node.as_map().unwrap_or_default() {
            if !["code", "uri", "status"].contains(&e.key.as_str()) {
                diagnostics.error(e.span, format!("unknown key `{}`: expected `code`, `uri` or `status`", e.key));
                return None;
            }
        }
        let (Some(code), Some(uri)) = (node.get("code"), node.get("uri")) else {
            diagnostics.error(node.span, "an error page has a `code` and a `uri`");
            return None;
        };
        let status = match node.get("status").map(|n| (n, n.as_text())) {
            None => ErrorPageStatus::Same,
            Some((_, Some("of_page"))) => ErrorPageStatus::OfPage,
            Some((n, text)) => match text.and_then(|t| t.parse().ok()) {
                Some(code) => ErrorPageStatus::Set(code),
                None => {
                    diagnostics.error(n.span, format!("expected a status or `of_page`, found {}", n.describe()));
                    return None;
                }
            },
        };
        Some(ErrorPage { codes: read_codes(code, diagnostics)?, uri: Spanned::read(uri, diagnostics)?, status })
    }
}

impl Value for ErrorPages {
    const REPEATS: bool = true;

    fn expected() -> String {
        "a map of statuses and paths, or a list of `{code, uri, status}`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<ErrorPages> {
        let pages = match &node.kind {
            Kind::List(items) => items.iter().filter_map(|item| Self::one(item, diagnostics)).collect(),
            Kind::Map(_) if node.get("code").is_some() => Self::one(node, diagnostics).into_iter().collect(),
            Kind::Map(entries) => entries
                .iter()
                .filter_map(|e| {
                    let codes = read_codes(&Node::quoted(e.span, &e.key), diagnostics)?;
                    Some(ErrorPage { codes, uri: Spanned::read(&e.value, diagnostics)?, status: ErrorPageStatus::Same })
                })
                .collect(),
            _ => return mismatch(node, diagnostics),
        };
        Some(ErrorPages(pages))
    }

    fn schema() -> serde_json::Value {
        let codes = json!({ "type": ["integer", "string", "array"] });
        let page = json!({
            "type": "object",
            "properties": { "code": codes, "uri": { "type": "string" }, "status": { "type": ["integer", "string"] } },
            "required": ["code", "uri"],
            "additionalProperties": false,
        });
        let by_code = json!({ "type": "object", "additionalProperties": { "type": "string" } });
        json!({ "anyOf": [page.clone(), { "type": "array", "items": page }, by_code] })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let [codes @ .., uri] = args else {
            return Err("expected statuses and a path".into());
        };
        let (codes, status) = match codes {
            [codes @ .., last] if last.text.starts_with('=') => (codes, Some(last)),
            codes => (codes, None),
        };
        let Some(first) = codes.first() else {
            return Err("expected at least one status before the path".into());
        };
        let mut entries = vec![
            entry("code", first.span, Node::list(first.span, codes.iter().map(Arg::node).collect())),
            entry("uri", uri.span, uri.node()),
        ];
        entries.extend(status.map(|s| {
            let value = if s.text == "=" { "of_page" } else { &s.text[1..] };
            entry("status", s.span, Node::scalar(s.span, value))
        }));
        Ok(Node::list(first.span, vec![Node::map(first.span, entries)]))
    }
}

/// `return: 403`, `return: {status: 301, location: '…'}` or `return: {status: 200, text: '…'}`.
#[derive(Clone, Debug)]
pub struct Return {
    pub status: u16,
    /// The text of the answer, or where a redirect leads; may hold variables.
    pub content: Option<Spanned<String>>,
}

impl Return {
    /// Statuses whose content is a URL.
    pub fn is_redirect(status: u16) -> bool {
        matches!(status, 301 | 302 | 303 | 307 | 308)
    }
}

impl Value for Return {
    fn expected() -> String {
        "a status, a URL, or a map with `status` and `text` or `location`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Return> {
        if let Some(text) = node.as_text() {
            return match text.parse::<u16>() {
                Ok(status) if status <= 999 => Some(Return { status, content: None }),
                Err(_)
                    if text.starts_with("http://") || text.starts_with("https://") || text.starts_with("$scheme") =>
                {
                    Some(Return { status: 302, content: Spanned::read(node, diagnostics) })
                }
                _ => mismatch(node, diagnostics),
            };
        }
        let Some(entries) = node.as_map() else {
            return mismatch(node, diagnostics);
        };
        let unknown = entries.iter().find(|e| !["status", "text", "location"].contains(&e.key.as_str()));
        if let Some(e) = unknown {
            diagnostics.error(e.span, format!("unknown key `{}`: expected `status`, `text` or `location`", e.key));
            return None;
        }
        let Some(status) = node.get("status") else {
            diagnostics.error(node.span, "`return` has no `status`");
            return None;
        };
        let at = status;
        let status = u16::read(status, diagnostics).filter(|s| *s <= 999);
        let Some(status) = status else {
            diagnostics.error(at.span, "a status has at most three digits");
            return None;
        };
        let content = node.get("text").or(node.get("location"));
        Some(Return { status, content: content.and_then(|n| Spanned::read(n, diagnostics)) })
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [{ "type": ["integer", "string"] }, {
            "type": "object",
            "properties": { "status": { "type": "integer" }, "text": { "type": "string" }, "location": { "type": "string" } },
            "required": ["status"], "additionalProperties": false,
        }] })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [one] => Ok(one.node()),
            [status, content] => {
                let redirect = status.text.parse().is_ok_and(Return::is_redirect);
                let key = if redirect { "location" } else { "text" };
                Ok(Node::map(
                    status.span,
                    vec![
                        entry("status", status.span, status.node()),
                        entry(key, content.span, Node::quoted(content.span, &content.text)),
                    ],
                ))
            }
            _ => Err("expected a status and perhaps a text or a URL".into()),
        }
    }
}

words! {
    /// What happens after a `rewrite` has changed the URI.
    pub enum RewriteFlag {
        /// Goes on with the next rewrite.
        Continue = "continue",
        /// Ends the rewrites and searches for a location again.
        Last = "last",
        /// Ends the rewrites and stays in this location.
        Break = "break",
        /// Answers 302.
        Redirect = "redirect",
        /// Answers 301.
        Permanent = "permanent",
    }
}

keys! {
    /// One rewrite.
    pub struct RewriteKeys {
        /// A regular expression over the path.
        ["-"] pattern ("match"): String,
        /// What the URI becomes, with `$1` and variables.
        ["-"] to: String,
        /// What happens then.
        ["-"] flag: RewriteFlag = "continue",
    }
}

/// `{match: '^/old/(.*)$', to: /new/$1, flag: last}`.
#[derive(Clone, Debug)]
pub struct Rewrite(pub RewriteKeys);

impl Value for Rewrite {
    fn expected() -> String {
        "a map with `match`, `to` and perhaps `flag`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Rewrite> {
        let keys: RewriteKeys = read_map(node, "a rewrite", diagnostics)?;
        if keys.pattern.is_none() || keys.to.is_none() {
            diagnostics.error(node.span, "a rewrite has `match` and `to`");
            return None;
        }
        Some(Rewrite(keys))
    }

    fn schema() -> serde_json::Value {
        keys::map_schema::<RewriteKeys>()
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let (pattern, to, flag) = match args {
            [pattern, to] => (pattern, to, None),
            [pattern, to, flag] => (pattern, to, Some(flag)),
            _ => return Err("expected a regular expression, a replacement and perhaps a flag".into()),
        };
        let mut entries = vec![
            entry("match", pattern.span, Node::quoted(pattern.span, &pattern.text)),
            entry("to", to.span, Node::quoted(to.span, &to.text)),
        ];
        entries.extend(flag.map(|f| entry("flag", f.span, f.node())));
        Ok(Node::map(pattern.span, entries))
    }
}

/// `proxy_redirect: default`, `off`, or a map of what is replaced by what.
#[derive(Clone, Debug)]
pub enum ProxyRedirect {
    Off,
    /// The address of `proxy_pass` becomes the path of the location.
    Default,
    Pairs(Named<String>),
}

impl Value for ProxyRedirect {
    fn expected() -> String {
        "`default`, `off`, or a map of prefixes and what replaces them".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<ProxyRedirect> {
        match (node.as_text(), &node.kind) {
            (Some("off" | "false"), _) => Some(ProxyRedirect::Off),
            (Some("default"), _) => Some(ProxyRedirect::Default),
            (_, Kind::Map(_)) => Named::read(node, diagnostics).map(ProxyRedirect::Pairs),
            _ => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [{ "enum": ["default", "off", false] }, Named::<String>::schema()] })
    }

    const REPEATS: bool = true;

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [word] if word.text == "off" || word.text == "default" => Ok(word.node()),
            [from, to] => Ok(Node::pair(from.span, &from.text, Node::quoted(to.span, &to.text))),
            _ => Err("expected `off`, `default`, or a prefix and what replaces it".into()),
        }
    }
}

/// How many buffers of what size: `4 32k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffers {
    pub number: u32,
    pub size: u64,
}

impl Value for Buffers {
    fn expected() -> String {
        "a number and a size, such as `4 32k`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Buffers> {
        let parsed = node.as_text().and_then(|text| {
            let (number, size) = text.split_once(' ')?;
            let number = number.parse().ok().filter(|n| *n > 0)?;
            Some(Buffers { number, size: parse_size(size.trim()).filter(|s| *s > 0)? })
        });
        parsed.or_else(|| mismatch(node, diagnostics))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^[0-9]+ +[0-9]+[kKmMgG]?$" })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [number, size] => Ok(Node::scalar(number.span, format!("{} {}", number.text, size.text))),
            _ => Err(format!("expected {}", Self::expected())),
        }
    }
}

/// `{200: 1h, 301: 5m, any: 1m}`: how long answers of a status are kept.
#[derive(Clone, Debug, Default)]
pub struct CacheValid(pub Vec<(CacheStatus, Time)>);

/// The statuses a time holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    Code(u16),
    Any,
}

impl Value for CacheValid {
    const REPEATS: bool = true;

    fn expected() -> String {
        "a map of statuses (or `any`) and times, or one time for 200, 301 and 302".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<CacheValid> {
        let Some(entries) = node.as_map() else {
            let time = Time::read(node, diagnostics)?;
            return Some(CacheValid([200, 301, 302].map(|c| (CacheStatus::Code(c), time)).to_vec()));
        };
        let mut valid = Vec::new();
        for e in entries {
            let time = Time::read(&e.value, diagnostics)?;
            if e.key == "any" {
                valid.push((CacheStatus::Any, time));
                continue;
            }
            for code in e.key.split_whitespace() {
                match code.parse().ok().filter(|c| (100..=599).contains(c)) {
                    Some(code) => valid.push((CacheStatus::Code(code), time)),
                    None => {
                        diagnostics.error(e.span, format!("expected a status or `any`, found `{code}`"));
                        return None;
                    }
                }
            }
        }
        Some(CacheValid(valid))
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [Time::schema(), { "type": "object", "additionalProperties": Time::schema() }] })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [time] => Ok(time.node()),
            [codes @ .., time] => {
                Ok(Node::map(codes[0].span, codes.iter().map(|c| entry(&c.text, c.span, time.node())).collect()))
            }
            [] => Err("expected a time".into()),
        }
    }
}

keys! {
    /// A zone of the cache.
    pub struct CachePathKeys {
        /// The directory, relative to the prefix.
        ["-"] path: String,
        /// How much may lie on the disk.
        ["-"] max_size: Size,
        /// How much of it is kept in memory as well.
        ["-"] memory: Size = "10m",
        /// What was not asked for in this time is removed.
        ["-"] inactive: Time = "10m",
        /// The levels of directories, such as `1:2`.
        ["-"] levels: String = "1:2",
        /// Accepted; temporary files lie beside the objects always.
        ["-"] use_temp_path: bool = "false",
        /// So much of the disk stays free.
        ["-"] min_free: Size,
    }
}

/// `{path, max_size, memory, inactive}`.
#[derive(Clone, Debug)]
pub struct CachePath(pub CachePathKeys);

impl Value for CachePath {
    const REPEATS: bool = true;

    fn expected() -> String {
        "a map with `path`, `max_size`, `memory` and `inactive`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<CachePath> {
        let keys: CachePathKeys = read_map(node, "a cache", diagnostics)?;
        if keys.path.is_none() {
            diagnostics.error(node.span, "a cache has a `path`");
            return None;
        }
        Some(CachePath(keys))
    }

    fn schema() -> serde_json::Value {
        keys::map_schema::<CachePathKeys>()
    }
}

/// nginx's `proxy_cache_path PATH keys_zone=NAME:SIZE …` names the zone in a parameter.
#[derive(Clone, Debug)]
pub struct CachePaths(pub Named<CachePath>);

impl Value for CachePaths {
    const REPEATS: bool = true;

    fn expected() -> String {
        Named::<CachePath>::expected()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<CachePaths> {
        Named::read(node, diagnostics).map(CachePaths)
    }

    fn schema() -> serde_json::Value {
        Named::<CachePath>::schema()
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let [path, rest @ ..] = args else {
            return Err("expected a directory and `keys_zone=NAME:SIZE`".into());
        };
        let mut entries = vec![entry("path", path.span, path.node())];
        let mut zone = None;
        for e in parameters(rest, &[])? {
            match (e.key.as_str(), e.value.as_text().and_then(|t| t.split_once(':'))) {
                ("keys_zone", Some((name, size))) => {
                    zone = Some((name.to_owned(), e.span));
                    entries.push(entry("memory", e.span, Node::scalar(e.span, size)));
                }
                ("keys_zone", None) => return Err("`keys_zone` is NAME:SIZE".into()),
                // How nginx's own processes load and clean the cache.
                (key, _) if ["manager_", "loader_", "purger"].iter().any(|p| key.starts_with(p)) => {}
                _ => entries.push(e),
            }
        }
        let (name, at) = zone.ok_or("`proxy_cache_path` has no `keys_zone=NAME:SIZE`")?;
        Ok(Node::map(path.span, vec![entry(&name, at, Node::map(path.span, entries))]))
    }
}

keys! {
    /// A server of an upstream.
    pub struct UpstreamServerKeys {
        /// `host:port`, `host` (port 80) or `unix:/path`.
        ["-"] address: String,
        /// Its share of the requests.
        ["-"] weight: u32 = "1",
        /// So many failed tries within `fail_timeout` make it unavailable for `fail_timeout`; 0: never.
        ["-"] max_fails: u32 = "1",
        /// The time for which failures are counted, and for which it is unavailable then.
        ["-"] fail_timeout: Time = "10s",
        /// The most requests at once; 0: as many as come.
        ["-"] max_conns: u32 = "0",
        /// Only used when no other server is left.
        ["-"] backup: bool = "false",
        /// Never used.
        ["-"] down: bool = "false",
        /// Used for requests bound to it only.
        ["-"] drain: bool = "false",
        /// After it came back its weight grows from 0 over this time.
        ["-"] slow_start: Time = "0",
        /// The jvmRoute of its Tomcat.
        ["-"] route: String,
    }
}

/// A server: an address or a map.
#[derive(Clone, Debug)]
pub struct UpstreamServer(pub UpstreamServerKeys);

impl Value for UpstreamServer {
    const REPEATS: bool = true;

    fn expected() -> String {
        "an address, or a map with `address`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<UpstreamServer> {
        let keys = match &node.kind {
            Kind::Scalar(_) => UpstreamServerKeys { address: Spanned::read(node, diagnostics), ..Default::default() },
            Kind::Map(_) => read_map(node, "a server of an upstream", diagnostics)?,
            _ => return mismatch(node, diagnostics),
        };
        if keys.address.is_none() {
            diagnostics.error(node.span, "a server of an upstream has an `address`");
        }
        Some(UpstreamServer(keys))
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [{ "type": "string" }, keys::map_schema::<UpstreamServerKeys>()] })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let [address, rest @ ..] = args else {
            return Err("expected an address".into());
        };
        if rest.is_empty() {
            return Ok(address.node());
        }
        let mut entries = vec![entry("address", address.span, address.node())];
        entries.extend(parameters(rest, &["backup", "down", "drain", "resolve"])?);
        entries.retain(|e| e.key != "resolve"); // names are resolved again and again anyway
        Ok(Node::map(address.span, entries))
    }
}

/// The body of `types { text/html html htm; }`: media types with their extensions.
pub type Types = Named<Vec<String>>;

/// Directives edge accepts and does not need, each with the reason. In edge.yaml they are accepted as well.
#[derive(Clone, Debug)]
pub struct Accepted;

impl Value for Accepted {
    const REPEATS: bool = true;

    fn expected() -> String {
        "anything: edge does not need it".into()
    }

    fn read(_: &Node, _: &mut Diagnostics) -> Option<Accepted> {
        Some(Accepted)
    }

    fn schema() -> serde_json::Value {
        json!({})
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let text = args.iter().map(|a| a.text.as_str()).collect::<Vec<_>>().join(" ");
        Ok(Node::scalar(args.first().map(|a| a.span).unwrap_or_default(), text))
    }
}

words! {
    /// Whether precompressed files are used.
    pub enum Precompressed {
        Off = "off" | "false",
        On = "on" | "true",
        Always = "always",
    }
}

words! {
    /// How the list of a block stands to the list of the block outside.
    pub enum ListInherit {
        /// It replaces the outer list, as in nginx.
        On = "on" | "true",
        /// It starts from nothing even if the block has no list of its own.
        Off = "off" | "false",
        /// It is added to the outer list.
        Merge = "merge",
    }
}

words! {
    /// How If-Modified-Since is compared.
    pub enum IfModifiedSince {
        Off = "off" | "false",
        Exact = "exact",
        Before = "before",
    }
}

words! {
    /// Whether a body that nobody reads is waited for before the connection closes.
    pub enum LingeringClose {
        Off = "off" | "false",
        On = "on" | "true",
        Always = "always",
    }
}

words! {
    /// What the `Server` field says.
    pub enum ServerTokens {
        On = "on" | "true",
        Off = "off" | "false",
    }
}

words! {
    /// The version spoken to upstreams.
    pub enum HttpVersion {
        Http10 = "1.0",
        Http11 = "1.1",
    }
}

words! {
    /// Which answers to requests that came through a proxy (with `Via`) are compressed.
    pub enum GzipProxied {
        Off = "off" | "false",
        Expired = "expired",
        NoCache = "no-cache",
        NoStore = "no-store",
        Private = "private",
        NoLastModified = "no_last_modified",
        NoEtag = "no_etag",
        Auth = "auth",
        Any = "any",
    }
}

words! {
    /// When the next server is tried.
    pub enum NextUpstream {
        Error = "error",
        Timeout = "timeout",
        InvalidHeader = "invalid_header",
        Http500 = "http_500",
        Http502 = "http_502",
        Http503 = "http_503",
        Http504 = "http_504",
        Http403 = "http_403",
        Http404 = "http_404",
        Http429 = "http_429",
        NonIdempotent = "non_idempotent",
        Updating = "updating",
        Denied = "denied",
        Off = "off" | "false",
    }
}

words! {
    /// How a server of an upstream is chosen.
    pub enum BalanceMethod {
        RoundRobin = "round_robin",
        LeastConn = "least_conn",
        IpHash = "ip_hash",
        Random = "random",
        Hash = "hash",
        LeastTime = "least_time",
    }
}

/// Lists that repeat: names of fields.
pub type FieldNames = Repeated<Spanned<String>>;

/// How long an idle connection stays open, and what the client is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepaliveTimeout {
    pub idle: Time,
    /// Sent as `Keep-Alive: timeout=…`.
    pub told: Option<Time>,
}

impl Value for KeepaliveTimeout {
    fn expected() -> String {
        "a time, or two: how long edge waits, and what it tells the client".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<KeepaliveTimeout> {
        let text = node.as_text().unwrap_or_default();
        let (idle, told) = match text.split_once(' ') {
            Some((idle, told)) => (idle, Some(told.trim())),
            None => (text, None),
        };
        let time = |text: &str| super::value::parse_time(text).map(Time);
        match (time(idle), told.map(time)) {
            (Some(idle), None) => Some(KeepaliveTimeout { idle, told: None }),
            (Some(idle), Some(Some(told))) => Some(KeepaliveTimeout { idle, told: Some(told) }),
            _ => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        Time::schema()
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [idle] => Ok(idle.node()),
            [idle, told] => Ok(Node::scalar(idle.span, format!("{} {}", idle.text, told.text))),
            _ => Err("expected one or two times".into()),
        }
    }
}

/// A directory for temporary files. nginx's levels of directories are accepted and not needed: the files have no names.
#[derive(Clone, Debug)]
pub struct TempPath(pub String);

impl Value for TempPath {
    fn expected() -> String {
        "a directory".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<TempPath> {
        String::read(node, diagnostics).map(TempPath)
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string" })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [path, levels @ ..] if levels.len() <= 3 => Ok(path.node()),
            _ => Err("expected a directory and at most three levels".into()),
        }
    }
}
