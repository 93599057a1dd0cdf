//! Servers and the sockets they are behind, compiled.

use super::compile::Texts;
use super::listen::{self, ListenAddress, Wish};
use super::{Server, Socket, Virtual, location, rules, script, tls};
use crate::client;
use crate::config::raw::{self, Raw};
use crate::config::{Diagnostics, Span};
use crate::route::ServerNames;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn compile(
    place: usize,
    raw: &raw::Server,
    wishes: &[Wish],
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Arc<Server> {
    let texts = &Texts { server: texts.raw.servers.get(place), ..texts.clone() };
    let mut scope = super::headers::inherit_lists(&raw.scope, &texts.raw.scope, diagnostics);
    // They run once for a request, whichever locations it comes through: those of locations add up by themselves.
    let rules = rules::compile(scope.rules.take().as_deref(), None, texts, diagnostics);
    scope.rules_inherit = None;
    let locations = location::tree(&raw.locations, &scope, texts, diagnostics);
    let outside = location::outside(raw, &scope, texts, diagnostics);
    let name = raw.keys.server_name().first().map(|n| n.trim_start_matches('.').to_owned()).unwrap_or_default();
    let keys = raw.tls.inherit(&texts.raw.tls);
    let spoken = |wish: &&Wish| wish.server == place;
    let with_tls = wishes.iter().filter(spoken).any(|wish| listen::speaks(&wish.address, wishes).tls);
    let http2 = keys.http2() || wishes.iter().filter(spoken).any(|wish| listen::speaks(&wish.address, wishes).http2);
    // Certificates nobody can see are still checked where they are named.
    let tls = match with_tls || raw.tls.ssl_certificate.is_some() {
        true => tls::compile(&keys, http2, texts, diagnostics),
        false => None,
    };
    Arc::new(Server {
        name: name.into(),
        client: Arc::new(client_settings(&scope, &outside)),
        tls,
        http2: http2.then(|| tls::http2(&keys, &outside)),
        verify_client: keys.ssl_verify_client(),
        merge_slashes: scope.merge_slashes(),
        script: script::of_server(raw, &scope, texts, diagnostics),
        rules,
        locations,
        outside,
    })
}

/// How long a connection is waited for that another server than the default one has kept.
const UNKEPT: Duration = Duration::from_secs(75);

/// How connections are read whose default server this is.
fn client_settings(scope: &raw::Scope, outside: &super::Location) -> client::Settings {
    let large = scope.large_client_header_buffers();
    client::Settings {
        client_header_buffer_size: scope.client_header_buffer_size().0 as usize,
        large_client_header_buffers: (large.number as usize, large.size as usize),
        max_headers: scope.max_headers() as usize,
        underscores_in_headers: scope.underscores_in_headers(),
        ignore_invalid_headers: scope.ignore_invalid_headers(),
        client_header_timeout: scope.client_header_timeout().0,
        // Whether a connection is kept is the location's to say; this is only how long an idle one is waited for.
        keepalive_timeout: Some(outside.keepalive_timeout).filter(|t| !t.is_zero()).unwrap_or(UNKEPT),
        keepalive_requests: u64::MAX,
        lingering_time: scope.lingering_time().0,
        lingering_timeout: scope.lingering_timeout().0,
        body: outside.body.clone(),
        buffering: outside.buffering.clone(),
        ..client::Settings::default()
    }
}

pub(super) fn wishes(raw: &Raw, diagnostics: &mut Diagnostics) -> Vec<Wish> {
    let mut wishes = Vec::new();
    for (i, server) in raw.servers.iter().enumerate() {
        for listen in server.keys.listen() {
            wishes.extend(Wish::read(&listen, i, diagnostics));
        }
    }
    wishes
}

/// Every socket with the servers behind it.
pub(super) fn sockets(
    raw: &Raw,
    wishes: &[Wish],
    servers: &[Arc<Server>],
    diagnostics: &mut Diagnostics,
) -> Option<Vec<Socket>> {
    let gathered = listen::gather(wishes, diagnostics);
    let mut sockets = Vec::new();
    for (address, options, inside) in gathered {
        let mut virtuals = Vec::new();
        for address in inside {
            virtuals.push(virtual_at(address, wishes, raw, servers, diagnostics)?);
        }
        sockets.push(Socket { address, options, virtuals });
    }
    Some(sockets)
}

/// The servers of one address, in the order of the file.
fn virtual_at(
    address: ListenAddress,
    wishes: &[Wish],
    raw: &Raw,
    servers: &[Arc<Server>],
    diagnostics: &mut Diagnostics,
) -> Option<Virtual> {
    let mut here: Vec<&Wish> = wishes.iter().filter(|w| w.address == address).collect();
    here.dedup_by_key(|w| w.server);
    let default = here.iter().position(|w| w.default).unwrap_or(0);
    let named = |wish: &Wish| {
        let names = raw.servers[wish.server].keys.server_name();
        Some((names.into_iter().map(|n| n.value).collect::<Vec<_>>(), servers.get(wish.server)?.clone()))
    };
    let listed: Option<Vec<_>> = here.iter().map(|wish| named(wish)).collect();
    let place = |server: usize| here.get(server).map(|w| name_span(&raw.servers[w.server])).unwrap_or_default();
    match ServerNames::new(listed?, Some(default)) {
        Ok(names) => {
            for (server, name) in names.conflicts() {
                diagnostics.warning(
                    place(*server),
                    format!("the server name `{name}` on {address} belongs to an earlier server; it is ignored here"),
                );
            }
            let speaks = listen::speaks(&address, wishes);
            let default = servers.get(here.get(default)?.server)?.clone();
            if speaks.tls {
                tls::check_certificates(&here, &default, raw, servers, diagnostics);
            }
            Some(Virtual { default, address, names, speaks })
        }
        Err(mistakes) => {
            for (server, mistake) in mistakes {
                diagnostics.error(place(server), mistake.to_string());
            }
            None
        }
    }
}

fn name_span(server: &raw::Server) -> Span {
    server.keys.server_name.as_ref().map_or(server.span, |n| n.span)
}
