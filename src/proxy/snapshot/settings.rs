//! The keys that `proxy_` and `grpc_` have alike, as one family sets them.

use super::Next;
use super::compile::Texts;
use super::headers::{UpstreamField, upstream_fields};
use super::secure::TlsKeys;
use crate::config::raw::Scope;
use crate::config::types::{FieldNames, NextUpstream};
use crate::config::{Diagnostics, Named, Spanned};
use http::HeaderName;
use std::time::Duration;

type List = Option<Spanned<FieldNames>>;

/// One family's settings, defaults filled in.
pub(super) struct Settings<'s> {
    pub connect_timeout: Duration,
    pub send_timeout: Duration,
    pub read_timeout: Duration,
    pub longest_head: u64,
    pub intercept_errors: bool,
    pub socket_keepalive: bool,
    pub next: Next,
    pub tls: TlsKeys<'s>,
    set: &'s Option<Spanned<Named<String>>>,
    hide: &'s List,
    pass: &'s List,
    ignore: &'s Option<Spanned<Vec<Spanned<String>>>>,
}

impl<'s> Settings<'s> {
    pub fn proxy(scope: &'s Scope) -> Settings<'s> {
        Settings {
            connect_timeout: scope.proxy_connect_timeout().0,
            send_timeout: scope.proxy_send_timeout().0,
            read_timeout: scope.proxy_read_timeout().0,
            longest_head: scope.proxy_buffer_size().0,
            intercept_errors: scope.proxy_intercept_errors(),
            socket_keepalive: scope.proxy_socket_keepalive(),
            next: next(
                scope.proxy_next_upstream(),
                scope.proxy_next_upstream_tries(),
                scope.proxy_next_upstream_timeout().0,
            ),
            tls: TlsKeys {
                family: "proxy_ssl",
                verify: scope.proxy_ssl_verify(),
                trusted: &scope.proxy_ssl_trusted_certificate,
                name: &scope.proxy_ssl_name,
                server_name: scope.proxy_ssl_server_name(),
                certificate: &scope.proxy_ssl_certificate,
                key: &scope.proxy_ssl_certificate_key,
                passwords: &scope.proxy_ssl_password_file,
                protocols: &scope.proxy_ssl_protocols,
                crl: &scope.proxy_ssl_crl,
            },
            set: &scope.proxy_set_header,
            hide: &scope.proxy_hide_header,
            pass: &scope.proxy_pass_header,
            ignore: &scope.proxy_ignore_headers,
        }
    }

    pub fn grpc(scope: &'s Scope) -> Settings<'s> {
        Settings {
            connect_timeout: scope.grpc_connect_timeout().0,
            send_timeout: scope.grpc_send_timeout().0,
            read_timeout: scope.grpc_read_timeout().0,
            longest_head: scope.grpc_buffer_size().0,
            intercept_errors: scope.grpc_intercept_errors(),
            socket_keepalive: scope.grpc_socket_keepalive(),
            next: next(
                scope.grpc_next_upstream(),
                scope.grpc_next_upstream_tries(),
                scope.grpc_next_upstream_timeout().0,
            ),
            tls: TlsKeys {
                family: "grpc_ssl",
                verify: scope.grpc_ssl_verify(),
                trusted: &scope.grpc_ssl_trusted_certificate,
                name: &scope.grpc_ssl_name,
                server_name: scope.grpc_ssl_server_name(),
                certificate: &scope.grpc_ssl_certificate,
                key: &scope.grpc_ssl_certificate_key,
                passwords: &scope.grpc_ssl_password_file,
                protocols: &scope.grpc_ssl_protocols,
                crl: &scope.grpc_ssl_crl,
            },
            set: &scope.grpc_set_header,
            hide: &scope.grpc_hide_header,
            pass: &scope.grpc_pass_header,
            ignore: &scope.grpc_ignore_headers,
        }
    }

    pub fn fields(&self, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Vec<UpstreamField> {
        upstream_fields(self.set.as_ref(), texts, diagnostics)
    }

    pub fn ignored(&self) -> Vec<String> {
        self.ignore.iter().flat_map(|l| &l.value).map(|n| n.to_ascii_lowercase()).collect()
    }

    /// nginx hides these of an upstream's answer, more with `…_hide_header`, fewer with `…_pass_header`.
    pub fn hidden(&self) -> Vec<HeaderName> {
        const ALWAYS: &[&str] = &[
            "date",
            "server",
            "x-pad",
            "x-accel-expires",
            "x-accel-redirect",
            "x-accel-limit-rate",
            "x-accel-buffering",
            "x-accel-charset",
        ];
        let passed: Vec<String> = self.pass.iter().flat_map(|l| &l.value.0).map(|n| n.to_ascii_lowercase()).collect();
        let more = self.hide.iter().flat_map(|l| &l.value.0).map(|n| n.to_ascii_lowercase());
        let always = ALWAYS.iter().map(|n| (*n).to_owned()).filter(|n| !passed.contains(n));
        // What is no name no answer has.
        always.chain(more).filter_map(|n| HeaderName::try_from(n).ok()).collect()
    }
}

fn next(words: Vec<NextUpstream>, tries: u32, timeout: Duration) -> Next {
    let words = words.iter().map(|w| w.word()).filter(|w| *w != "updating" && *w != "denied");
    let mut next = Next::from_words(words).unwrap_or_default();
    (next.tries, next.timeout) = (tries, timeout);
    next
}
