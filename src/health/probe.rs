//! One check of one server: Pingora's checks of connections and of heads, and one of our own where the body has a say.

use std::time::Duration;

use async_trait::async_trait;
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_load_balancing::Backend;
use pingora_load_balancing::health_check::{HealthCheck as Check, HttpHealthCheck, TcpHealthCheck};

use crate::pattern::Pattern;
use crate::upstream::{self, Address, HealthCheck};

/// So much of a body is looked at, as in nginx.
const LOOKED_AT: usize = 256 * 1024;

/// How servers of one upstream are checked; used for all of them, at the same time. The one limit is that of the whole check.
pub struct Probe {
    check: Box<dyn Check + Send + Sync>,
    timeout: Duration,
    port: Option<u16>,
}

impl Probe {
    pub fn new(settings: &HealthCheck) -> Probe {
        let check: Box<dyn Check + Send + Sync> = match &settings.probe {
            upstream::Probe::Tcp => {
                let mut check = TcpHealthCheck::new();
                check.peer_template.options.connection_timeout = None;
                check
            }
            upstream::Probe::Http { uri, fields, statuses, body } => {
                let request = request(uri, fields);
                let statuses = statuses.clone();
                match body.clone() {
                    None => heads(request, statuses),
                    Some(pattern) => {
                        Box::new(BodyCheck { request, statuses, pattern, connector: Connector::new(None) })
                    }
                }
            }
        };
        Probe { check, timeout: settings.timeout, port: settings.port }
    }

    /// Checks once, which ends within the timeout. An error says why it failed.
    pub async fn check(&self, address: &Address) -> Result<(), String> {
        let backend = self.backend(address)?;
        match tokio::time::timeout(self.timeout, self.check.check(&backend)).await {
            Ok(outcome) => outcome.map_err(|error| reason(&error)),
            Err(_) => Err(format!("no answer within {:?}", self.timeout)),
        }
    }

    fn backend(&self, address: &Address) -> Result<Backend, String> {
        let mut addr = match address {
            Address::Tcp(address) => SocketAddr::Inet(*address),
            Address::Unix(path) => {
                let address = std::os::unix::net::SocketAddr::from_pathname(path);
                SocketAddr::Unix(address.map_err(|error| error.to_string())?)
            }
        };
        if let Some(port) = self.port {
            addr.set_port(port);
        }
        Ok(Backend { addr, weight: 1, ext: http::Extensions::new() })
    }
}

/// A request that cannot be written is none that was configured: the configuration has been checked. Then `/` is asked for.
fn request(uri: &str, fields: &[(String, String)]) -> RequestHeader {
    let mut request = match RequestHeader::build("GET", uri.as_bytes(), Some(fields.len())) {
        Ok(request) => request,
        Err(_) => HttpHealthCheck::new("", false).req,
    };
    for (name, value) in fields {
        let _ = request.append_header(name.clone(), value.as_str());
    }
    request
}

fn heads(request: RequestHeader, statuses: Vec<(u16, u16)>) -> Box<dyn Check + Send + Sync> {
    let mut check = HttpHealthCheck::new("", false);
    check.req = request;
    check.peer_template.options.connection_timeout = None;
    check.peer_template.options.read_timeout = None;
    check.validator = Some(Box::new(move |head| check_status(head, &statuses)));
    Box::new(check)
}

fn check_status(head: &ResponseHeader, statuses: &[(u16, u16)]) -> Result<()> {
    let status = head.status.as_u16();
    match statuses.iter().any(|(first, last)| (*first..=*last).contains(&status)) {
        true => Ok(()),
        false => Err(Error::explain(ErrorType::HTTPStatus(status), format!("status {status}"))),
    }
}

/// Asks, and looks at the beginning of the body as well.
struct BodyCheck {
    request: RequestHeader,
    statuses: Vec<(u16, u16)>,
    pattern: Pattern,
    connector: Connector,
}

#[async_trait]
impl Check for BodyCheck {
    async fn check(&self, target: &Backend) -> Result<()> {
        let mut peer = HttpPeer::new(std::net::SocketAddr::from(([0, 0, 0, 0], 1)), false, String::new());
        peer._address = target.addr.clone();
        let (mut session, _) = self.connector.get_http_session(&peer).await?;
        session.write_request_header(Box::new(self.request.clone())).await?;
        session.finish_request_body().await?;
        session.read_response_header().await?;
        match session.response_header() {
            Some(head) => check_status(head, &self.statuses)?,
            None => return Err(Error::explain(ErrorType::ReadError, "no head")),
        }
        let mut body = Vec::new();
        while body.len() < LOOKED_AT {
            match session.read_response_body().await? {
                Some(piece) => body.extend_from_slice(&piece),
                None => break,
            }
        }
        body.truncate(LOOKED_AT);
        match self.pattern.is_match(&body) {
            true => Ok(()),
            false => Err(Error::explain(
                ErrorType::InvalidHTTPHeader,
                format!("the body does not match `{}`", self.pattern.as_str()),
            )),
        }
    }

    /// Not asked: rise and fall are counted by [`super::verdict`].
    fn health_threshold(&self, _: bool) -> usize {
        1
    }
}

/// Why a check failed, in few words.
fn reason(error: &Error) -> String {
    match error.etype() {
        ErrorType::ConnectRefused => "connection refused".into(),
        ErrorType::ConnectionClosed => "the connection was closed without an answer".into(),
        ErrorType::InvalidHTTPHeader if error.context.is_none() => "the answer is not HTTP".into(),
        kind => match &error.context {
            Some(context) => context.to_string(),
            None => kind.as_str().to_owned(),
        },
    }
}
