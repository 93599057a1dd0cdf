//! MSM's `<Manager>`, typed, with MSM's defaults (MemcachedSessionService.java) and what the Context around it says.

use super::nodes::{self, Nodes};
use super::xml::{Element, Word};
use crate::config::diagnostics::nearest;
use crate::config::{Diagnostics, Span};
use crate::convert::shown;

/// What MSM's managers of all Tomcats are called.
const PACKAGE: &str = "de.javakaffee.web.msm.";

/// The attributes that MSM knows, and those of every manager.
const KNOWN: &[&str] = &[
    "backupThreadCount",
    "className",
    "copyCollectionsForSerialization",
    "customConverter",
    "enableStatistics",
    "enabled",
    "failoverNodes",
    "lockExpiration",
    "lockingMode",
    "maxActiveSessions",
    "maxInactiveInterval",
    "memcachedNodes",
    "memcachedProtocol",
    "operationTimeout",
    "password",
    "processExpiresFrequency",
    "requestUriIgnorePattern",
    "secureRandomAlgorithm",
    "secureRandomClass",
    "secureRandomProvider",
    "sessionAttributeFilter",
    "sessionBackupAsync",
    "sessionBackupTimeout",
    "sessionIdLength",
    "sticky",
    "storageKeyPrefix",
    "transcoderFactoryClass",
    "username",
];

/// A value and where it stands: at the manager, where it is a default.
#[derive(Clone, Copy, Debug)]
pub struct Setting<T> {
    pub value: T,
    pub span: Span,
    pub written: bool,
}

/// A `<Manager>` of MSM's, and the Context it stands in.
#[derive(Debug)]
pub struct Manager {
    pub span: Span,
    /// Whether the class is the stand-in that stores nothing.
    pub is_dummy: bool,
    /// None: they are wrong, which is noted.
    pub nodes: Option<Nodes>,
    pub failover: Vec<Word>,
    pub sticky: Setting<bool>,
    pub enabled: Setting<bool>,
    pub locking: Option<Word>,
    pub ignore: Option<Word>,
    pub asynchronous: Setting<bool>,
    /// Milliseconds.
    pub backup_timeout: Setting<i64>,
    /// Milliseconds.
    pub operation_timeout: Setting<i64>,
    pub prefix: Option<Word>,
    pub is_binary: bool,
    /// Where MSM's name at memcached stands.
    pub login: Option<Span>,
    pub context: Context,
}

/// What a `<Context>` says of its sessions.
#[derive(Debug)]
pub struct Context {
    /// The path of the application, where the file tells it.
    pub path: String,
    pub cookie: Option<Word>,
    pub cookies: Setting<bool>,
    /// Seconds.
    pub background_delay: Setting<i64>,
}

/// Whether a class is one of MSM's managers.
pub fn is_of_msm(class: &str) -> bool {
    class.starts_with(PACKAGE)
}

impl Manager {
    pub fn read(element: &Element, context: Context, diagnostics: &mut Diagnostics) -> Manager {
        warn_of_slips(element, diagnostics);
        let nodes = match text(element, "memcachedNodes") {
            Some(written) if is_property(written) => {
                diagnostics
                    .error(written.span, "the nodes are a property of Tomcat's, which this file does not tell")
                    .help("write the nodes into a copy of the file, and name the copy");
                None
            }
            Some(written) => nodes::read(written, diagnostics),
            None => {
                diagnostics
                    .error(element.span, "the Manager has no `memcachedNodes`")
                    .help("write `memcachedNodes=\"n1:host:11211,n2:host:11211\"`");
                None
            }
        };
        Manager {
            span: element.span,
            is_dummy: text(element, "className").is_some_and(|class| class.text.contains(".Dummy")),
            nodes,
            failover: text(element, "failoverNodes").map(words).unwrap_or_default(),
            sticky: flag(element, "sticky", true, diagnostics),
            enabled: flag(element, "enabled", true, diagnostics),
            locking: plain(element, "lockingMode", diagnostics),
            ignore: plain(element, "requestUriIgnorePattern", diagnostics),
            asynchronous: flag(element, "sessionBackupAsync", true, diagnostics),
            backup_timeout: number(element, "sessionBackupTimeout", 100, diagnostics),
            operation_timeout: number(element, "operationTimeout", 1000, diagnostics),
            prefix: plain(element, "storageKeyPrefix", diagnostics),
            is_binary: text(element, "memcachedProtocol").is_some_and(|p| p.text.eq_ignore_ascii_case("binary")),
            login: element.get("username").map(|name| name.span),
            context,
        }
    }
}

impl Context {
    /// `manager`: where what is not written would stand.
    pub fn read(element: Option<&Element>, path: String, manager: Span, diagnostics: &mut Diagnostics) -> Context {
        let Some(element) = element else {
            let default = |value| Setting { value, span: manager, written: false };
            let cookies = Setting { value: true, span: manager, written: false };
            return Context { path, cookie: None, cookies, background_delay: default(-1) };
        };
        Context {
            path,
            cookie: plain(element, "sessionCookieName", diagnostics),
            cookies: flag(element, "cookies", true, diagnostics),
            background_delay: number(element, "backgroundProcessorDelay", -1, diagnostics),
        }
    }
}

/// What is written, unless nothing is.
fn text<'e>(element: &'e Element, name: &str) -> Option<&'e Word> {
    element.get(name).filter(|word| !word.text.trim().is_empty())
}

/// Tomcat replaces `${name}` by a property of its own process.
pub fn is_property(word: &Word) -> bool {
    word.text.contains("${")
}

/// A text that is no property.
pub fn plain(element: &Element, name: &str, diagnostics: &mut Diagnostics) -> Option<Word> {
    let word = text(element, name)?;
    if is_property(word) {
        diagnostics
            .warning(
                word.span,
                format!("`{name}` is a property of Tomcat's, which this file does not tell: it is not used"),
            )
            .help("write its value into a copy of the file, and name the copy");
        return None;
    }
    Some(word.clone())
}

fn flag(element: &Element, name: &str, default: bool, diagnostics: &mut Diagnostics) -> Setting<bool> {
    let Some(word) = plain(element, name, diagnostics) else {
        return Setting { value: default, span: element.span, written: false };
    };
    let value = word.text.eq_ignore_ascii_case("true");
    if !value && !word.text.eq_ignore_ascii_case("false") {
        diagnostics
            .warning(word.span, format!("`{}` is `false` to Tomcat", shown(&word.text)))
            .help(format!("write `{name}=\"true\"` or `{name}=\"false\"`"));
    }
    Setting { value, span: word.span, written: true }
}

fn number(element: &Element, name: &str, default: i64, diagnostics: &mut Diagnostics) -> Setting<i64> {
    let unwritten = Setting { value: default, span: element.span, written: false };
    let Some(word) = plain(element, name, diagnostics) else { return unwritten };
    match word.text.trim().parse() {
        Ok(value) => Setting { value, span: word.span, written: true },
        Err(_) => {
            diagnostics
                .warning(word.span, format!("`{}` is no number: Tomcat keeps to {default}", shown(&word.text)))
                .help(format!("write a whole number, such as `{name}=\"{default}\"`"));
            unwritten
        }
    }
}

fn words(written: &Word) -> Vec<Word> {
    let names = written.text.split([' ', ',']).map(str::trim).filter(|name| !name.is_empty());
    names.map(|name| Word { text: name.to_owned(), span: written.span }).collect()
}

/// Tomcat says in its log only that it knows no such property.
fn warn_of_slips(element: &Element, diagnostics: &mut Diagnostics) {
    for attribute in element.attributes() {
        let name = &attribute.name;
        if KNOWN.contains(&name.text.as_str()) {
            continue;
        }
        let meant = KNOWN.iter().copied().find(|known| known.eq_ignore_ascii_case(&name.text));
        if let Some(meant) = meant.or_else(|| nearest(&name.text, KNOWN.iter().copied())) {
            diagnostics
                .warning(name.span, format!("MSM has no `{}`: Tomcat leaves it out", shown(&name.text)))
                .help(format!("did you mean `{meant}`?"));
        }
    }
}
