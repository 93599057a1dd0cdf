//! `rewrite`: nginx's ngx_http_rewrite_module, on the decoded path.

use super::redirect;
use super::request::Request;
use super::snapshot::Rewrite;
use crate::config::types::RewriteFlag;
use crate::http::escape::{self, Unescape};

/// What the rewrites of one block came to.
pub enum Outcome {
    Unchanged,
    /// The URI is another; if nothing answers in this block, a location is searched anew.
    Changed,
    /// `last`: a location is searched anew at once.
    Last,
    /// `break`: this location it is, and no `return` any more.
    Break,
    Redirect {
        status: u16,
        location: Vec<u8>,
    },
}

/// Runs the rewrites of a block in their order.
pub fn run(rewrites: &[Rewrite], request: &mut Request) -> Outcome {
    let mut outcome = Outcome::Unchanged;
    for rewrite in rewrites {
        if !rewrite.pattern.is_match(&request.exchange.path) {
            continue;
        }
        let subject = request.exchange.path.clone();
        request.capture(&rewrite.pattern, &subject);
        let (path, args) = replaced(rewrite, request);
        let status = match rewrite.flag {
            RewriteFlag::Redirect => Some(302),
            RewriteFlag::Permanent => Some(301),
            _ => None,
        };
        if let Some(status) = status {
            return Outcome::Redirect { status, location: location(path, args, request) };
        }
        request.exchange.path = path;
        request.exchange.args = args;
        request.changed = true;
        request.internal = true;
        request.prefix_holds = false;
        match rewrite.flag {
            RewriteFlag::Last => return Outcome::Last,
            RewriteFlag::Break => return Outcome::Break,
            _ => outcome = Outcome::Changed,
        }
    }
    outcome
}

/// The new path and arguments: those of the replacement, then the client's, unless it ended in `?`.
fn replaced(rewrite: &Rewrite, request: &Request) -> (Vec<u8>, Option<Vec<u8>>) {
    let x = &request.exchange;
    let redirects = matches!(rewrite.flag, RewriteFlag::Redirect | RewriteFlag::Permanent);
    let needed = request.quoted || x.path.contains(&b'+');
    let mut text = Vec::new();
    let question = rewrite.to.write_rewritten(x, redirects, needed, &mut text);
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

fn location(path: Vec<u8>, args: Option<Vec<u8>>, request: &Request) -> Vec<u8> {
    let mut to = escape::unescape(&path, Unescape::Redirect).into_owned();
    if let Some(args) = args.filter(|a| !a.is_empty()) {
        to.push(b'?');
        to.extend_from_slice(&args);
    }
    redirect::absolute(request, to)
}
