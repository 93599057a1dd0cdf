//! The actions: what a rule may decide, each with its word, the phases it works in, and its reader. One file a family.
//!
//! To add one: a variant of [`Action`], a line of [`WORDS`], its reader, and what [`super::Run`] does with it.

mod answer;
mod basic;
mod cache;
mod field;
mod limit;
mod note;
mod session;
mod target;
mod upstream;

pub use answer::{Disturbance, Page};
pub use basic::BasicAuth;
pub use cache::Wish;
pub use field::FieldChange;
pub use limit::{ConcurrencyAction, RateAction};
pub use session::Demand;
pub use target::Rewrite;

pub use crate::config::types::Percent;

use super::expr::{Expr, Scope};
use super::set::{Names, Parts};
use super::{Phase, place};
use crate::config::diagnostics::nearest;
use crate::config::keys::{Key, Keys};
use crate::config::node::{Entry, Node};
use crate::config::value::Value;
use crate::config::{Diagnostics, Spanned};
use crate::variables::Template;
use std::sync::Arc;

/// What a rule does when it fires.
#[derive(Debug)]
pub enum Action {
    /// `respond`, `maintenance`
    Answer(Page),
    Redirect {
        to: Template,
        status: u16,
    },
    Rewrite(Rewrite),
    RequestField(FieldChange),
    ResponseField(FieldChange),
    Upstream(Arc<str>),
    Server(Template),
    Cache(Wish),
    /// By its place in the set: counting is somebody else's.
    RateLimit(usize),
    ConcurrencyLimit(usize),
    RequireSession(usize),
    BasicAuth(usize),
    Set {
        slot: usize,
        value: Expr,
    },
    Log {
        name: Arc<str>,
        slot: usize,
        value: Expr,
    },
    /// So many of a hundred requests are logged.
    Sample(f64),
    Mirror {
        upstream: Arc<str>,
        percent: f64,
        body: bool,
    },
    Fault(Disturbance),
}

impl Action {
    /// Whether a request never goes beyond it.
    pub fn ends(&self) -> bool {
        match self {
            Action::Answer(_) | Action::Redirect { .. } => true,
            Action::Fault(fault) => fault.aborts_always(),
            _ => false,
        }
    }
}

/// A set of phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases(u8);

const REQUEST: Phases = Phases(1);
const TO_UPSTREAM: Phases = Phases(1 | 2);
const TO_CLIENT: Phases = Phases(1 | 2 | 4);
const REQUEST_OR_RESPONSE: Phases = Phases(1 | 4);
const ANY: Phases = Phases(1 | 2 | 4 | 8);

impl Phases {
    pub const ANY: Phases = ANY;

    pub fn contains(self, phase: Phase) -> bool {
        self.0 & (1 << phase as u8) != 0
    }

    pub fn and(self, other: Phases) -> Phases {
        Phases(self.0 & other.0)
    }

    /// `request, response`
    pub fn words(self) -> String {
        let words = Phase::ALL.into_iter().filter(|phase| self.contains(*phase)).map(|phase| format!("`{phase}`"));
        words.collect::<Vec<_>>().join(" or ")
    }
}

type Read = fn(&Node, &mut Reader<'_>) -> Option<Vec<Action>>;

/// A word that begins an action.
pub struct Word {
    pub name: &'static str,
    pub phases: Phases,
    /// The phase of a rule that does only this.
    pub usual: Option<Phase>,
    pub doc: &'static str,
    /// Those of its map, where it takes one.
    pub keys: &'static [Key],
    read: Read,
}

impl Word {
    const fn with<K: Keys>(self) -> Word {
        Word { keys: K::KEYS, ..self }
    }
}

const fn word(name: &'static str, phases: Phases, usual: Option<Phase>, read: Read, doc: &'static str) -> Word {
    Word { name, phases, usual, doc, keys: &[], read }
}

/// Every action there is.
pub const WORDS: &[Word] = &[
    word("respond", REQUEST, None, answer::respond, "Answers: a status, or a map.").with::<answer::RespondKeys>(),
    word("redirect", REQUEST, None, answer::redirect, "Sends the client elsewhere: a URL, or a map.")
        .with::<answer::RedirectKeys>(),
    word("maintenance", REQUEST, None, answer::maintenance, "Answers 503: `true`, or a map.")
        .with::<answer::MaintenanceKeys>(),
    word("fault", REQUEST, None, answer::fault, "Disturbs on purpose.").with::<answer::FaultKeys>(),
    word(
        "rewrite",
        REQUEST,
        None,
        target::rewrite,
        "Another path or other arguments: `{path, query}`, or `{match, to}`.",
    )
    .with::<target::RewriteKeys>(),
    word(
        "set_request_header",
        TO_UPSTREAM,
        None,
        field::set_request,
        "What the upstream is sent in the place of a field: `{NAME: text}`.",
    ),
    word(
        "add_request_header",
        TO_UPSTREAM,
        None,
        field::add_request,
        "What the upstream is sent beside: `{NAME: text}`.",
    ),
    word("remove_request_header", TO_UPSTREAM, None, field::remove_request, "What the upstream is not sent: `[NAME]`."),
    word(
        "set_response_header",
        TO_CLIENT,
        Some(Phase::Response),
        field::set_response,
        "What the client is told in the place of a field: `{NAME: text}`.",
    ),
    word(
        "add_response_header",
        TO_CLIENT,
        Some(Phase::Response),
        field::add_response,
        "What the client is told beside: `{NAME: text}`.",
    ),
    word(
        "remove_response_header",
        TO_CLIENT,
        Some(Phase::Response),
        field::remove_response,
        "What the client is not told: `[NAME]`.",
    ),
    word(
        "upstream",
        REQUEST,
        None,
        upstream::upstream,
        "The upstream that is asked, where the location passes requests on.",
    ),
    word(
        "server",
        REQUEST,
        None,
        upstream::server,
        "The server of the upstream that is asked while it is up: its route or address.",
    ),
    word("mirror", REQUEST, None, upstream::mirror, "A copy goes to another upstream, whose answer nobody reads.")
        .with::<upstream::MirrorKeys>(),
    word("cache", REQUEST_OR_RESPONSE, None, cache::cache, "What the cache of the location is asked to do.")
        .with::<cache::CacheKeys>(),
    word("rate_limit", REQUEST, None, limit::rate, "How many requests of one kind there may be in a time.")
        .with::<limit::RateKeys>(),
    word("concurrency_limit", REQUEST, None, limit::concurrency, "How many requests of one kind may be under way.")
        .with::<limit::ConcurrencyKeys>(),
    word("require_session", REQUEST, None, session::require, "Who has no session is refused: `true`, or a map.")
        .with::<session::DemandKeys>(),
    word(
        "basic_auth",
        REQUEST,
        None,
        basic::basic_auth,
        "Who does not name a user of a file with the right password is refused.",
    )
    .with::<basic::BasicAuthKeys>(),
    word("set", ANY, None, note::set, "Sets variables to what expressions yield: `{NAME: expression}`."),
    word("log", ANY, Some(Phase::Log), note::log, "The same, and `$rules_log` tells them: `{NAME: expression}`."),
    word("sample", ANY, Some(Phase::Log), note::sample, "So many of these requests are logged: `1%`."),
];

pub fn find(word: &str) -> Option<&'static Word> {
    WORDS.iter().find(|known| known.name == word)
}

pub fn is_word(word: &str) -> bool {
    find(word).is_some()
}

/// What the readers of actions need.
pub struct Reader<'r> {
    pub names: &'r Names<'r>,
    pub scope: Scope<'r>,
    /// The name that limits of the rule count under: with that of its file.
    pub rule: &'r str,
    /// What of the actions is kept by the set.
    pub parts: &'r mut Parts,
    pub diagnostics: &'r mut Diagnostics,
}

/// Reads the actions of a rule, whose phase is known by now.
pub fn read(entries: &[Entry], reader: &mut Reader<'_>) -> Box<[Action]> {
    let mut actions: Vec<Action> = Vec::new();
    for e in entries {
        let Some(word) = find(&e.key) else {
            let words = WORDS.iter().map(|word| word.name);
            reader.diagnostics.error(e.span, format!("unknown action `{}`", e.key)).did_you_mean(&e.key, words);
            continue;
        };
        let phase = reader.scope.phase;
        if !word.phases.contains(phase) {
            reader
                .diagnostics
                .error(e.span, format!("`{}` does not work in the phase `{phase}`", word.name))
                .help(format!("it works in {}", word.phases.words()));
        }
        if actions.last().is_some_and(Action::ends) {
            reader
                .diagnostics
                .error(e.span, format!("`{}` is never done: the action before it ends the request", word.name))
                .help("put it before that one");
        }
        actions.extend((word.read)(&e.value, reader).into_iter().flatten());
    }
    actions.into()
}

impl Reader<'_> {
    /// A text with nginx's variables.
    pub fn template(&mut self, text: &Spanned<String>) -> Option<Template> {
        match Template::compile(text, self.names.defined) {
            Ok(template) => {
                (self.names.note)(&template);
                Some(template)
            }
            Err(mistake) => {
                let at = text.char_indices().nth(mistake.at).map_or(text.len(), |(at, _)| at);
                let end = text.char_indices().nth(mistake.at + mistake.width).map_or(text.len(), |(at, _)| at);
                let span = place::within(text, at, end - at, self.diagnostics);
                let told = self.diagnostics.error(span, mistake.message);
                if let Some(name) = &mistake.name {
                    let own: Vec<&str> = self.names.defined.names().collect();
                    let known: Vec<&str> = crate::variables::Variable::names().collect();
                    if let Some(meant) = nearest(name, own.into_iter().chain(known)) {
                        told.help(format!("did you mean `${meant}`?"));
                    }
                }
                None
            }
        }
    }

    pub fn template_of(&mut self, node: &Node) -> Option<Template> {
        let text = Spanned::read(node, self.diagnostics)?;
        self.template(&text)
    }

    /// An expression.
    pub fn expression(&mut self, text: &Spanned<String>) -> Option<Expr> {
        match Expr::compile(text, &self.scope) {
            Ok(expr) => {
                self.parts.need(self.scope.phase, expr.needs());
                Some(expr)
            }
            Err(mistakes) => {
                place::tell(mistakes, text, self.diagnostics);
                None
            }
        }
    }

    /// A value of a type of the configuration.
    pub fn value<T: Value>(&mut self, node: &Node) -> Option<T> {
        T::read(node, self.diagnostics)
    }

    /// The name of an upstream, which must be there.
    pub fn upstream(&mut self, name: &Spanned<String>) -> Option<Arc<str>> {
        if let Some(known) = self.names.upstreams.filter(|known| !known.contains(&name.value)) {
            self.diagnostics
                .error(name.span, format!("there is no upstream `{}`", name.value))
                .did_you_mean(name, known.iter().map(String::as_str))
                .help("`upstream:` at the top of the configuration defines them");
            return None;
        }
        Some(name.as_str().into())
    }

    pub fn error(&mut self, node: &Node, message: impl Into<String>) -> &mut crate::config::Diagnostic {
        self.diagnostics.error(node.span, message)
    }
}

/// A status that an answer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16);

impl Value for Status {
    fn expected() -> String {
        "a status of three digits, from 200 on".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Status> {
        match node.as_text().and_then(|text| text.parse().ok()).filter(|status| (200..=599).contains(status)) {
            Some(status) => Some(Status(status)),
            None => crate::config::value::mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({ "type": "integer", "minimum": 200, "maximum": 599 })
    }
}

/// A node that is read later.
#[derive(Clone, Debug)]
pub struct Anything(pub Node);

impl Value for Anything {
    fn expected() -> String {
        "anything".into()
    }

    fn read(node: &Node, _: &mut Diagnostics) -> Option<Anything> {
        Some(Anything(node.clone()))
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({})
    }
}
