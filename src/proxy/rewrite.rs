//! Runs the script of a server or a location: nginx's ngx_http_rewrite_module, on the decoded path.
//!
//! The steps run in the order in which they were written; what they decide is told to [`super::content`], which goes on.

use super::redirect;
use super::request::Request;
use super::snapshot::{Condition, Return, Rewrite, Script, Settable, Step, Subject};
use crate::config::types::{FileTest, RewriteFlag};
use crate::files;
use crate::http::escape::{self, Unescape};
use crate::variables::Template;
use bytes::Bytes;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// What a script came to.
pub enum Outcome<'s> {
    /// It has run to its end, or was ended. `changed`: the URI is another, and a location is to be searched for it.
    Over {
        changed: bool,
    },
    Return(&'s Return),
    Redirect {
        status: u16,
        location: Vec<u8>,
    },
    Failed(u16),
}

/// What the steps of one run leave to each other.
struct Run<'s> {
    script: &'s Script,
    changed: bool,
    /// What is captured goes into values escaped, as in nginx until a `rewrite` has matched.
    quotes: bool,
}

/// Runs the steps of a block.
pub async fn run<'s>(script: &'s Script, request: &mut Request) -> Outcome<'s> {
    let mut run = Run { script, changed: false, quotes: true };
    let mut at = 0;
    while let Some(step) = script.steps.get(at) {
        at += 1;
        match step {
            Step::Rewrite(rewrite) => {
                if let Some(outcome) = run.rewrite(rewrite, request) {
                    return outcome;
                }
            }
            Step::Set { what, value } => run.set(*what, value, request),
            Step::If { condition, location, otherwise } => match (run.holds(condition, request).await, location) {
                (true, Some(location)) => request.enter(location.clone()),
                (true, None) => {}
                (false, _) => at = *otherwise,
            },
            Step::Return(return_) => return Outcome::Return(return_),
            Step::Break => {
                request.prefix_holds &= !run.changed;
                return Outcome::Over { changed: false };
            }
        }
    }
    Outcome::Over { changed: run.changed }
}

impl<'s> Run<'s> {
    /// What ends the script, if that does.
    fn rewrite(&mut self, rewrite: &Rewrite, request: &mut Request) -> Option<Outcome<'s>> {
        let found = rewrite.pattern.is_match(&request.exchange.path);
        if self.script.log {
            let (pattern, path) = (rewrite.pattern.as_str(), String::from_utf8_lossy(&request.exchange.path));
            let verb = if found { "matches" } else { "does not match" };
            request.log_notice(format_args!("\"{pattern}\" {verb} \"{path}\""));
        }
        if !found {
            request.exchange.forget_captures();
            return None;
        }
        let subject = request.exchange.path.clone();
        request.exchange.capture(&rewrite.pattern, &subject);
        let (path, args) = replaced(rewrite, request);
        let status = match rewrite.flag {
            RewriteFlag::Redirect => Some(302),
            RewriteFlag::Permanent => Some(301),
            _ => None,
        };
        if let Some(status) = status {
            let location = location(path, args);
            if self.script.log {
                request.log_notice(format_args!("rewritten redirect: \"{}\"", String::from_utf8_lossy(&location)));
            }
            return Some(Outcome::Redirect { status, location: redirect::absolute(request, location) });
        }
        self.quotes = false;
        let x = &mut request.exchange;
        (x.path, x.args) = (path, args);
        request.changed = true;
        request.internal = true;
        request.prefix_holds = false;
        if self.script.log {
            let path = String::from_utf8_lossy(&request.exchange.path);
            let args = String::from_utf8_lossy(request.exchange.args.as_deref().unwrap_or_default());
            request.log_notice(format_args!("rewritten data: \"{path}\", args: \"{args}\""));
        }
        if request.exchange.path.is_empty() {
            request.log_error("the rewritten URI has a zero length");
            return Some(Outcome::Failed(500));
        }
        self.changed = rewrite.flag != RewriteFlag::Break;
        let ends = matches!(rewrite.flag, RewriteFlag::Last | RewriteFlag::Break);
        ends.then_some(Outcome::Over { changed: self.changed })
    }

    fn set(&self, what: Settable, value: &Template, request: &mut Request) {
        let value = self.value(value, request);
        match what {
            Settable::Defined(slot) => request.exchange.defined.set(slot, Bytes::from(value)),
            Settable::Args => {
                request.exchange.args = Some(value);
                request.changed = true;
            }
            Settable::LimitRate => request.set_rate(&value),
        }
    }

    fn value(&self, template: &Template, request: &Request) -> Vec<u8> {
        let mut value = Vec::new();
        template.write_quoted(&request.exchange, self.quotes && is_escaped(request), &mut value);
        value
    }

    async fn holds(&self, condition: &Condition, request: &mut Request) -> bool {
        let found = match &condition.subject {
            Subject::Holds(text) => !matches!(&*text.evaluate(&request.exchange), b"" | b"0"),
            Subject::Equals(text, other) => {
                let text = text.evaluate(&request.exchange);
                *text == *self.value(other, request)
            }
            Subject::Matches(text, pattern) => {
                let subject = text.evaluate(&request.exchange).into_owned();
                let found = pattern.is_match(&subject);
                match found {
                    true => request.exchange.capture(pattern, &subject),
                    false => request.exchange.forget_captures(),
                }
                if self.script.log {
                    let (pattern, subject) = (pattern.as_str(), String::from_utf8_lossy(&subject));
                    let verb = if found { "matches" } else { "does not match" };
                    request.log_notice(format_args!("\"{pattern}\" {verb} \"{subject}\""));
                }
                found
            }
            Subject::File(test, path) => {
                let path = PathBuf::from(OsString::from_vec(self.value(path, request)));
                is_file(*test, path).await
            }
        };
        found != condition.negated
    }
}

/// What the file system says, which may take its time.
async fn is_file(test: FileTest, path: PathBuf) -> bool {
    let found = files::open::off_runtime(move || std::fs::metadata(path)).await;
    let Ok(Ok(found)) = found else { return false };
    match test {
        FileTest::File => found.is_file(),
        FileTest::Directory => found.is_dir(),
        FileTest::Exists => true,
        FileTest::Executable => found.permissions().mode() & libc::S_IXUSR != 0,
    }
}

/// Whether the client has escaped anything.
fn is_escaped(request: &Request) -> bool {
    request.quoted || request.exchange.path.contains(&b'+')
}

/// The new path and arguments: those of the replacement, then the client's, unless it ended in `?`.
fn replaced(rewrite: &Rewrite, request: &Request) -> (Vec<u8>, Option<Vec<u8>>) {
    let x = &request.exchange;
    let redirects = matches!(rewrite.flag, RewriteFlag::Redirect | RewriteFlag::Permanent);
    let mut text = Vec::new();
    let question = rewrite.to.write_rewritten(x, redirects, is_escaped(request), &mut text);
    let (path, own) = match question {
        Some(at) => (text[..at].to_vec(), Some(text[at + 1..].to_vec())),
        None => (text, None),
    };
    let old = x.args.clone().filter(|a| !a.is_empty() && !rewrite.drops_args);
    let args = match (own, old) {
        (Some(own), Some(old)) if own.is_empty() => Some(old),
        (Some(mut own), Some(old)) => {
            own.push(b'&');
            own.extend_from_slice(&old);
            Some(own)
        }
        (Some(own), None) => Some(own),
        (None, old) => old,
    };
    (path, args)
}

fn location(path: Vec<u8>, args: Option<Vec<u8>>) -> Vec<u8> {
    let mut to = escape::unescape(&path, Unescape::Redirect).into_owned();
    if let Some(args) = args.filter(|a| !a.is_empty()) {
        to.push(b'?');
        to.extend_from_slice(&args);
    }
    to
}
