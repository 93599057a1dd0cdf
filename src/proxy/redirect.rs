//! Where redirects lead: the ones edge makes made absolute, those of upstreams rewritten (`proxy_redirect`).

use super::request::Request;
use super::snapshot::Redirect;

/// A path of this server as a whole URL, if `absolute_redirect` says so; anything else as it is.
pub fn absolute(request: &Request, to: Vec<u8>) -> Vec<u8> {
    let redirects = &request.location.redirects;
    if !redirects.absolute || !to.starts_with(b"/") {
        return to;
    }
    let x = &request.exchange;
    let mut url = format!("{}://", x.scheme()).into_bytes();
    match redirects.server_name {
        true => url.extend_from_slice(x.server_name.as_bytes()),
        false if x.head.headers.contains("host") => url.extend_from_slice(&x.host),
        // A client that names no host gets the address it came to.
        false => url.extend_from_slice(x.peer.local.ip().to_canonical().to_string().as_bytes()),
    }
    let port = x.peer.local.port();
    let usual = if x.peer.tls { 443 } else { 80 };
    if redirects.port && port != usual {
        url.extend_from_slice(format!(":{port}").as_bytes());
    }
    url.extend_from_slice(&to);
    url
}

/// `proxy_redirect` on a `Location` of an upstream; `None` if no rule fits.
pub fn rewritten(rules: &[Redirect], value: &[u8], request: &mut Request) -> Option<Vec<u8>> {
    rules.iter().find_map(|rule| match rule {
        Redirect::Prefix { from, to } => {
            let from = from.evaluate(&request.exchange);
            let rest = value.strip_prefix(&*from)?;
            let mut new = to.evaluate(&request.exchange).into_owned();
            new.extend_from_slice(rest);
            Some(new)
        }
        Redirect::Regex { from, to } => {
            from.is_match(value).then(|| request.exchange.capture(from, value))?;
            Some(to.evaluate(&request.exchange).into_owned())
        }
    })
}
