//! The script of a block, compiled: one flat list of steps, in which an `if` that does not apply jumps over what stands in it.

use super::compile::Texts;
use super::defined::name_of;
use super::headers::inherit_lists;
use super::{Location, Url, location};
use crate::config::raw::{self, Handling, If, Scope};
use crate::config::types::{self, FileTest, RewriteFlag, ScriptStep};
use crate::config::{Diagnostics, Spanned};
use crate::pattern::Pattern;
use crate::route::Matcher;
use crate::variables::Template;
use std::sync::Arc;

/// What is done before content is looked for.
#[derive(Debug, Default)]
pub struct Script {
    pub steps: Vec<Step>,
    /// `rewrite_log`
    pub log: bool,
}

impl Script {
    /// Whether nothing in it makes the path another.
    pub fn keeps_path(&self) -> bool {
        !self.steps.iter().any(|step| matches!(step, Step::Rewrite(_) | Step::If { .. }))
    }
}

#[derive(Debug)]
pub enum Step {
    Rewrite(Rewrite),
    Set {
        what: Settable,
        value: Template,
    },
    If {
        condition: Condition,
        /// What holds from here on, if it applies; a server's has none.
        location: Option<Arc<Location>>,
        /// Where the script goes on if it does not.
        otherwise: usize,
    },
    Return(Return),
    Break,
}

#[derive(Debug)]
pub struct Rewrite {
    pub pattern: Pattern,
    pub to: Template,
    /// Whether the replacement names its own arguments, so that the old ones are left out (a `?` at its end).
    pub drops_args: bool,
    pub flag: RewriteFlag,
}

#[derive(Debug)]
pub struct Return {
    pub status: u16,
    pub content: Option<Template>,
}

/// What `set` changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settable {
    /// A variable of the configuration, by its slot.
    Defined(usize),
    /// `$args`
    Args,
    /// `$limit_rate`
    LimitRate,
}

/// What an `if` asks.
#[derive(Debug)]
pub struct Condition {
    pub subject: Subject,
    pub negated: bool,
}

#[derive(Debug)]
pub enum Subject {
    /// Neither empty nor `0`.
    Holds(Template),
    Equals(Template, Template),
    Matches(Template, Pattern),
    File(FileTest, Template),
}

/// Those of nginx's own variables that can be set.
pub(super) fn own_settable(name: &str) -> Option<Settable> {
    match name {
        _ if name.eq_ignore_ascii_case("args") => Some(Settable::Args),
        _ if name.eq_ignore_ascii_case("limit_rate") => Some(Settable::LimitRate),
        _ => None,
    }
}

/// The script of a server, in which an `if` changes nothing but what comes next.
pub(super) fn of_server(raw: &raw::Server, scope: &Scope, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Script {
    let mut compiler = Compiler { steps: Vec::new(), around: None, texts };
    compiler.block(&raw.handling, diagnostics);
    Script { steps: compiler.steps, log: scope.rewrite_log() }
}

/// The script of a location.
pub(super) fn of_location(
    raw: &raw::Location,
    written: &Spanned<String>,
    matcher: &Matcher,
    scope: &Scope,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Script {
    let around = Some(Around { raw, written, matcher, scope });
    let mut compiler = Compiler { steps: Vec::new(), around, texts };
    compiler.block(&raw.handling, diagnostics);
    Script { steps: compiler.steps, log: scope.rewrite_log() }
}

/// The location that a script stands in.
struct Around<'a> {
    raw: &'a raw::Location,
    written: &'a Spanned<String>,
    matcher: &'a Matcher,
    scope: &'a Scope,
}

struct Compiler<'a> {
    steps: Vec<Step>,
    around: Option<Around<'a>>,
    texts: &'a Texts<'a>,
}

impl Compiler<'_> {
    fn block(&mut self, handling: &Handling, diagnostics: &mut Diagnostics) {
        for step in handling.rewrite.iter().flat_map(|list| &list.value) {
            match &step.value {
                ScriptStep::Rewrite(rewrite) => {
                    let rewrite = self.rewrite(rewrite, diagnostics);
                    self.steps.extend(rewrite.map(Step::Rewrite));
                }
                ScriptStep::Set(set) => set.iter().for_each(|(name, value)| self.set(name, value, diagnostics)),
                ScriptStep::If(inner) => self.condition(inner, diagnostics),
                ScriptStep::Return(written) => self.returned(written, diagnostics),
                ScriptStep::Break => self.steps.push(Step::Break),
            }
        }
        if let Some(written) = &handling.return_ {
            self.returned(written, diagnostics);
        }
    }

    fn returned(&mut self, written: &types::Return, diagnostics: &mut Diagnostics) {
        let content = written.content.as_ref().map(|c| self.texts.template(c, c.span, diagnostics));
        self.steps.push(Step::Return(Return { status: written.status, content }));
    }

    fn set(&mut self, name: &Spanned<String>, value: &Spanned<String>, diagnostics: &mut Diagnostics) {
        let value = self.texts.template(value, value.span, diagnostics);
        // What cannot be set was told when the names were gathered.
        let what = name_of(name).and_then(|name| {
            let defined = || self.texts.defined.find(&name.to_ascii_lowercase()).map(Settable::Defined);
            own_settable(name).or_else(defined)
        });
        self.steps.extend(what.map(|what| Step::Set { what, value }));
    }

    fn condition(&mut self, inner: &If, diagnostics: &mut Diagnostics) {
        let condition = self.asked(&inner.condition, diagnostics);
        let location = self.around.as_ref().map(|around| around.changed_by(inner, self.texts, diagnostics));
        let at = self.steps.len();
        self.steps.extend(condition.map(|condition| Step::If { condition, location, otherwise: 0 }));
        self.block(&inner.handling, diagnostics);
        let end = self.steps.len();
        if let Some(Step::If { otherwise, .. }) = self.steps.get_mut(at) {
            *otherwise = end;
        }
    }

    fn asked(&self, written: &Spanned<types::Condition>, diagnostics: &mut Diagnostics) -> Option<Condition> {
        let mut text = |text: &str| self.texts.template(text, written.span, diagnostics);
        Some(match &written.value {
            types::Condition::Holds(name) => Condition { subject: Subject::Holds(text(name)), negated: false },
            types::Condition::Equals { name, value, negated } => {
                Condition { subject: Subject::Equals(text(name), text(value)), negated: *negated }
            }
            types::Condition::File { test, path, negated } => {
                Condition { subject: Subject::File(*test, text(path)), negated: *negated }
            }
            types::Condition::Matches { name, pattern, insensitive, negated } => {
                let name = text(name);
                let pattern = self.texts.pattern(pattern, *insensitive, written.span, diagnostics)?;
                Condition { subject: Subject::Matches(name, pattern), negated: *negated }
            }
        })
    }

    fn rewrite(&self, raw: &types::Rewrite, diagnostics: &mut Diagnostics) -> Option<Rewrite> {
        let (pattern, to) = (raw.0.pattern.as_ref()?, raw.0.to.as_ref()?);
        let mut flag = raw.0.flag();
        // A whole URL always redirects.
        let is_url = ["http://", "https://", "$scheme"].iter().any(|p| to.starts_with(p));
        if is_url && flag != RewriteFlag::Permanent {
            flag = RewriteFlag::Redirect;
        }
        let (text, drops_args) = match to.strip_suffix('?') {
            Some(text) => (text, true),
            None => (to.as_str(), false),
        };
        Some(Rewrite {
            pattern: self.texts.pattern(pattern, false, pattern.span, diagnostics)?,
            to: self.texts.template(text, to.span, diagnostics),
            drops_args,
            flag,
        })
    }
}

impl Around<'_> {
    /// The location as an `if` changes it. Like nginx's it has no `try_files`, and its script is the one it stands in.
    fn changed_by(&self, inner: &If, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Arc<Location> {
        let scope = inherit_lists(&inner.scope, self.scope, diagnostics);
        let mut keys = self.raw.keys.clone();
        if inner.keys.proxy_pass.is_some() || inner.keys.grpc_pass.is_some() || inner.keys.memcached_pass.is_some() {
            keys.proxy_pass = inner.keys.proxy_pass.clone();
            keys.grpc_pass = inner.keys.grpc_pass.clone();
            keys.memcached_pass = inner.keys.memcached_pass.clone();
        }
        if inner.scope.root.is_some() {
            keys.alias = None;
        }
        if let Some(pass) = inner.keys.proxy_pass.as_ref().filter(|pass| !pass.contains('$'))
            && Url::parse(pass).is_ok_and(|url| url.uri.is_some())
        {
            diagnostics
                .error(pass.span, "`proxy_pass` can have no URI part in an `if`")
                .help("write the upstream alone, and a `rewrite` before it");
            keys.proxy_pass = None;
        }
        let changed = raw::Location {
            span: inner.span,
            keys,
            handling: Handling::default(),
            // Beside an `alias` of the location its own `root` was told of there.
            scope: Scope { root: inner.scope.root.clone(), ..Scope::default() },
            limit_except: None,
            locations: Vec::new(),
        };
        Arc::new(location::compile(&changed, self.written, self.matcher, &scope, texts, diagnostics))
    }
}
