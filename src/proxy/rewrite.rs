//! `rewrite`: nginx's ngx_http_rewrite_module, on the decoded path.

use super::request::Request;
use super::snapshot::Rewrite;
use super::redirect;
use crate::config::types::RewriteFlag;
use crate::route::escape;

/// What the rewrites of one block came to.
pub enum Outcome {
    Unchanged,
    /// The URI is another; whether a location is searched anew.
    Changed { search: bool },
    Redirect { status: u16, location: Vec<u8> },
}

/// Runs the rewrites of a block in their order.
pub fn run(rewrites: &[Rewrite], request: &mut Request) -> Outcome {
    let mut changed = false;
    for rewrite in rewrites {
        let Some(groups) = rewrite.pattern.captures(&request.exchange.path) else { continue };
        let subject = request.exchange.path.clone();
        drop(groups);
        request.capture(&rewrite.pattern, &subject);
        let (path, args) = replaced(rewrite, request);
        match rewrite.flag {
            RewriteFlag::Redirect => return Outcome::Redirect { status: 302, location: location(path, args, request) },
            RewriteFlag::Permanent => return Outcome::Redirect { status: 301, location: location(path, args, request) },
            _ => {}
        }
        request.exchange.path = path;
        request.exchange.args = args;
        request.changed = true;
        changed = true;
        match rewrite.flag {
            RewriteFlag::Last => return Outcome::Changed { search: true },
            RewriteFlag::Break => return Outcome::Changed { search: false },
            _ => {}
        }
    }
    if changed { Outcome::Changed { search: true } } else { Outcome::Unchanged }
}

/// The new path and arguments: those of the replacement, then the client's, unless it ended in `?`.
fn replaced(rewrite: &Rewrite, request: &Request) -> (Vec<u8>, Option<Vec<u8>>) {
    let x = &request.exchange;
    let text = rewrite.to.evaluate(x).into_owned();
    let (path, own) = match text.iter().position(|b| *b == b'?') {
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
    let mut to = if path.starts_with(b"/") { escape::uri(&path).into_owned() } else { path };
    if let Some(args) = args.filter(|a| !a.is_empty()) {
        to.push(b'?');
        to.extend_from_slice(&args);
    }
    redirect::absolute(request, to)
}
