//! The configuration as written, typed: [`Raw`] at the top, servers with their locations, upstreams.
//!
//! Nothing is resolved or inherited here. Every value keeps its place, so that what the rooms find out later (a reference
//! to nothing, a regular expression that does not compile) is told as exactly as a wrong type.

use super::diagnostics::{Diagnostics, Span};
use super::keys::{Contexts, Key, Keys};
use super::node::Node;
use super::tls::TlsKeys;
use super::types::*;
use super::value::{Named, Size, Spanned, Time};
use crate::keys;

keys! {
    /// Keys of the process and of things that have names.
    pub struct MainKeys {
        /// How many threads serve requests; `auto`: one for each processor. Counts from a start on, not from a reload.
        ["m"] worker_processes: String = "auto",
        /// The user, and perhaps the group, that edge runs as if root starts it. A small process stays root, for reloads.
        ["m"] user: String,
        /// The file that holds the number of the process.
        ["m"] pid: String = "logs/edge.pid",
        /// The socket of `edge -s reload` and `edge upstream`; beside `pid` by default, as `edge.sock`; `off`: none.
        ["m"] control: String,
        /// Where errors are logged, and which.
        ["m"] error_log: ErrorLog = "{path: logs/error.log, level: error}",
        /// The most files (and so connections) the process may have open.
        ["m"] worker_rlimit_nofile: u64,
        /// The most connections at once, those to upstreams included.
        ["m"] worker_connections: u32 = "65535",
        /// How long a graceful stop waits for requests before it closes their connections.
        ["m"] worker_shutdown_timeout: Time = "30s",
        /// The formats of access logs, by name. `combined` is always there.
        ["h"] log_format: Named<LogFormat>,
        /// The zones of the cache, by name.
        ["h"] proxy_cache_path: CachePaths,
        /// Accepted; Pingora's event loop chooses on its own.
        ["m"] use_event ("use"): Accepted,
        /// Accepted; connections are accepted as they come.
        ["m"] multi_accept: Accepted,
        /// Accepted; there is no mutex to take.
        ["m"] accept_mutex: Accepted,
        /// Accepted; the command line says whether edge runs in the background (`-d`).
        ["m"] daemon: Accepted,
        /// Accepted; whether there is a second process follows from `user`.
        ["m"] master_process: Accepted,
        /// Accepted; regular expressions are always compiled.
        ["m"] pcre_jit: Accepted,
        /// Accepted; clocks are read as they are needed.
        ["m"] timer_resolution: Accepted,
        /// Accepted; nothing is locked through files.
        ["m"] lock_file: Accepted,
        /// Accepted; edge has threads of its own for files.
        ["m"] thread_pool: Accepted,
        /// Accepted; the priority is a matter of the service manager.
        ["m"] worker_priority: Accepted,
        /// Accepted; the processors are a matter of the service manager.
        ["m"] worker_cpu_affinity: Accepted,
        /// Accepted; tables size themselves.
        ["h"] types_hash_max_size: Accepted,
        /// Accepted; tables size themselves.
        ["h"] types_hash_bucket_size: Accepted,
        /// Accepted; tables size themselves.
        ["h"] variables_hash_max_size: Accepted,
        /// Accepted; tables size themselves.
        ["h"] variables_hash_bucket_size: Accepted,
        /// Accepted; tables size themselves.
        ["h"] server_names_hash_max_size: Accepted,
        /// Accepted; tables size themselves.
        ["h"] server_names_hash_bucket_size: Accepted,
    }
}

keys! {
    /// Keys that the blocks inside inherit.
    pub struct Scope {
        /// Where requests are logged: `off`, a path, `{path, format}` or a list of these.
        ["hsl"] access_log: Vec<AccessLog> = "{path: logs/access.log}",
        /// Fields added to answers of 200, 201, 204, 206, 301, 302, 303, 304, 307 and 308, or `always`.
        ["hsl"] add_header: Named<AddHeader>,
        /// How `add_header` stands to the block outside: `on` (as nginx: a list replaces the outer one), `off`, `merge`.
        ["hsl"] add_header_inherit: ListInherit = "on",
        /// Redirects edge makes name scheme, host and port.
        ["hsl"] absolute_redirect: bool = "true",
        /// The charset named in `Content-Type`; `off`: none.
        ["hsl"] charset: String = "off",
        /// The types that get a charset; `text/html` always does.
        ["hsl"] charset_types: Vec<String> = "[text/html, text/xml, text/plain, text/vnd.wap.wml, application/javascript, application/rss+xml]",
        /// A body up to this size is kept in memory, a larger one in a temporary file.
        ["hsl"] client_body_buffer_size: Size = "16k",
        /// Where bodies are kept that are too large for memory, relative to the prefix.
        ["hsl"] client_body_temp_path: TempPath,
        /// The longest wait between two reads of a body.
        ["hsl"] client_body_timeout: Time = "60s",
        /// The first buffer for the head of a request.
        ["hs"] client_header_buffer_size: Size = "1k",
        /// The time in which the whole head must have come.
        ["hs"] client_header_timeout: Time = "60s",
        /// The largest body; `0`: any.
        ["hsl"] client_max_body_size: Size = "1m",
        /// The media type of files whose extension is unknown.
        ["hsl"] default_type: String = "text/plain",
        /// Pages for errors: `{404: /404.html}` or a list of `{code, uri, status}`.
        ["hsl"] error_page: ErrorPages,
        /// Files are sent with an `ETag`.
        ["hsl"] etag: bool = "true",
        /// `Expires` and `Cache-Control: max-age`: `15m`, `-1`, `@15h30m`, `modified +24h`, `epoch`, `max`, `off`.
        ["hsl"] expires: String = "off",
        /// The longest head of an answer to a gRPC call.
        ["hsl"] grpc_buffer_size: Size = "4k",
        /// The longest wait for a connection to a gRPC upstream.
        ["hsl"] grpc_connect_timeout: Time = "60s",
        /// Fields of the gRPC upstream's answer that the client does not see.
        ["hsl"] grpc_hide_header: FieldNames,
        /// Fields of the gRPC upstream's answer that edge does not obey.
        ["hsl"] grpc_ignore_headers: Vec<Spanned<String>>,
        /// `error_page` holds for the gRPC upstream's answers as well.
        ["hsl"] grpc_intercept_errors: bool = "false",
        /// When a call is tried on the next server.
        ["hsl"] grpc_next_upstream: Vec<NextUpstream> = "[error, timeout]",
        /// The time in which a call may be tried; `0`: any.
        ["hsl"] grpc_next_upstream_timeout: Time = "0",
        /// How often a call may be tried; `0`: on every server.
        ["hsl"] grpc_next_upstream_tries: u32 = "0",
        /// Fields of the gRPC upstream's answer that the client sees although they are hidden by default.
        ["hsl"] grpc_pass_header: FieldNames,
        /// The longest wait between two reads of an answer; of a stream that is silent for long, raise it.
        ["hsl"] grpc_read_timeout: Time = "60s",
        /// The longest wait between two writes of a call.
        ["hsl"] grpc_send_timeout: Time = "60s",
        /// Fields sent to the gRPC upstream; an empty value: the field is not sent.
        ["hsl"] grpc_set_header: Named<String>,
        /// TCP keepalive probes on connections to gRPC upstreams.
        ["hsl"] grpc_socket_keepalive: bool = "false",
        /// Where TLS is asked for a certificate of edge's: the file, PEM, with the chain behind it.
        ["hsl"] grpc_ssl_certificate: String,
        /// Accepted; certificates are read when the configuration is.
        ["hsl"] grpc_ssl_certificate_cache: Accepted,
        /// The key of `grpc_ssl_certificate`, PEM.
        ["hsl"] grpc_ssl_certificate_key: String,
        /// Accepted; whatever is written, only suites with forward secrecy and authenticated encryption are offered.
        ["hsl"] grpc_ssl_ciphers: Accepted,
        /// Refused: edge cannot check lists of revoked certificates, and does not pretend to.
        ["hsl"] grpc_ssl_crl: String,
        /// The name that the upstream's certificate must have, and that is sent as SNI; `$proxy_host` by default.
        ["hsl"] grpc_ssl_name: String,
        /// The versions of TLS: `TLSv1.2` and `TLSv1.3` are always offered, older ones never.
        ["hsl"] grpc_ssl_protocols: Vec<Spanned<String>> = "[TLSv1.2, TLSv1.3]",
        /// The name is sent as SNI. It always is where the certificate is verified.
        ["hsl"] grpc_ssl_server_name: bool = "false",
        /// Accepted; connections are kept instead, and a new one makes a whole handshake.
        ["hsl"] grpc_ssl_session_reuse: Accepted,
        /// The certificates of the authorities that gRPC upstreams are verified against, PEM.
        ["hsl"] grpc_ssl_trusted_certificate: String,
        /// The upstream's certificate is verified: issued by one of `grpc_ssl_trusted_certificate`, for `grpc_ssl_name` (among its subjectAltNames), and in force.
        ["hsl"] grpc_ssl_verify: bool = "false",
        /// Accepted; a chain may have up to six certificates between the upstream's and the authority's.
        ["hsl"] grpc_ssl_verify_depth: Accepted,
        /// Answers are compressed with gzip.
        ["hsl"] gzip: bool = "false",
        /// The media types that are compressed; `text/html` always is.
        ["hsl"] gzip_types: Vec<String> = "text/html",
        /// Shorter answers are not compressed.
        ["hsl"] gzip_min_length: Size = "20",
        /// From 1, the fastest, to 9, the smallest.
        ["hsl"] gzip_comp_level: u32 = "1",
        /// Answers to requests with `Via` that are compressed.
        ["hsl"] gzip_proxied: Vec<GzipProxied> = "off",
        /// `Vary: Accept-Encoding` is added to what can be compressed.
        ["hsl"] gzip_vary: bool = "false",
        /// Regular expressions over `User-Agent` for which nothing is compressed; look-ahead works.
        ["hsl"] gzip_disable: Vec<Spanned<String>>,
        /// The lowest version of HTTP that gets compressed answers.
        ["hsl"] gzip_http_version: HttpVersion = "1.1",
        /// A file `x.gz` beside `x` is sent to those who accept gzip.
        ["hsl"] gzip_static: Precompressed = "off",
        /// A file `x.br` beside `x` is sent to those who accept brotli.
        ["hsl"] brotli_static: Precompressed = "off",
        /// How `If-Modified-Since` is compared with the time of the file.
        ["hsl"] if_modified_since: IfModifiedSince = "exact",
        /// Fields with invalid names are dropped; `off`: the request is refused.
        ["hs"] ignore_invalid_headers: bool = "true",
        /// The files that stand for a directory.
        ["hsl"] index: Vec<String> = "index.html",
        /// The most requests on one connection.
        ["hsl"] keepalive_requests: u32 = "1000",
        /// How long a connection without a request stays open; `0`: it does not. In nginx.conf a second time is told to the client.
        ["hsl"] keepalive_timeout: KeepaliveTimeout = "75s",
        /// The longest life of a connection.
        ["hsl"] keepalive_time: Time = "1h",
        /// The number and size of the buffers for a long head: a request line or field longer than one, or more of them, is refused.
        ["hs"] large_client_header_buffers: Buffers = "4 8k",
        /// Whether data is awaited that nobody will read, so that the client sees the answer.
        ["hsl"] lingering_close: LingeringClose = "on",
        /// The longest of such waits in all.
        ["hsl"] lingering_time: Time = "30s",
        /// The longest wait for one more piece of such data.
        ["hsl"] lingering_timeout: Time = "5s",
        /// A missing file is worth a line in the error log.
        ["hsl"] log_not_found: bool = "true",
        /// The most ranges of one request; more: the whole is sent.
        ["hsl"] max_ranges: u32,
        /// `//` in a path is taken as `/`.
        ["hs"] merge_slashes: bool = "true",
        /// Redirects edge makes name the port.
        ["hsl"] port_in_redirect: bool = "true",
        /// How much of an answer is held in memory for a client slower than the upstream, before `proxy_buffers`.
        ["hsl"] proxy_buffer_size: Size = "4k",
        /// Answers are taken from the upstream as fast as it gives them.
        ["hsl"] proxy_buffering: bool = "true",
        /// How much of an answer is held in memory for a slow client: number and size.
        ["hsl"] proxy_buffers: Buffers = "8 4k",
        /// The zone of the cache that keeps answers; `off`: none.
        ["hsl"] proxy_cache: Spanned<String> = "off",
        /// How long answers are kept, by status.
        ["hsl"] proxy_cache_valid: CacheValid,
        /// The longest wait for a connection to an upstream.
        ["hsl"] proxy_connect_timeout: Time = "60s",
        /// Fields of the upstream's answer that the client does not see.
        ["hsl"] proxy_hide_header: FieldNames,
        /// The version of HTTP spoken to upstreams. `2`: over TLS if the upstream agrees to it (ALPN; else 1.1), without TLS by prior knowledge (h2c). Like nginx edge asks one thing at a time of a connection.
        ["hsl"] proxy_http_version: UpstreamVersion = "1.1",
        /// A request goes on although its client has left.
        ["hsl"] proxy_ignore_client_abort: bool = "false",
        /// Fields of the upstream's answer that edge does not obey.
        ["hsl"] proxy_ignore_headers: Vec<Spanned<String>>,
        /// `error_page` holds for the upstream's answers as well.
        ["hsl"] proxy_intercept_errors: bool = "false",
        /// How much of an answer may lie in a temporary file for a slow client.
        ["hsl"] proxy_max_temp_file_size: Size = "1024m",
        /// The method sent to the upstream instead of the client's.
        ["hsl"] proxy_method: String,
        /// When a request is tried on the next server.
        ["hsl"] proxy_next_upstream: Vec<NextUpstream> = "[error, timeout]",
        /// The time in which a request may be tried; `0`: any.
        ["hsl"] proxy_next_upstream_timeout: Time = "0",
        /// How often a request may be tried; `0`: on every server.
        ["hsl"] proxy_next_upstream_tries: u32 = "0",
        /// Fields of the upstream's answer that the client sees although they are hidden by default.
        ["hsl"] proxy_pass_header: FieldNames,
        /// The body goes to the upstream.
        ["hsl"] proxy_pass_request_body: bool = "true",
        /// The client's fields go to the upstream.
        ["hsl"] proxy_pass_request_headers: bool = "true",
        /// Connections to upstreams begin with a PROXY protocol header, `v1` or `v2`, that names the client (for HTTP edge's own; nginx has it for streams). Such a connection is used for requests of that client's connection only.
        ["hsl"] proxy_protocol: ProxyHeader = "off",
        /// The longest wait between two reads of an answer.
        ["hsl"] proxy_read_timeout: Time = "60s",
        /// What is replaced in `Location` and `Refresh`.
        ["hsl"] proxy_redirect: ProxyRedirect = "default",
        /// A body is read whole before an upstream is asked.
        ["hsl"] proxy_request_buffering: bool = "true",
        /// The longest wait between two writes of a request.
        ["hsl"] proxy_send_timeout: Time = "60s",
        /// The body sent to the upstream instead of the client's.
        ["hsl"] proxy_set_body: String,
        /// Fields sent to the upstream; an empty value: the field is not sent.
        ["hsl"] proxy_set_header: Named<String>,
        /// How `proxy_set_header` stands to the block outside: `on` (as nginx: a list replaces the outer one), `off`, `merge`.
        ["hsl"] proxy_set_header_inherit: ListInherit = "on",
        /// TCP keepalive probes on connections to upstreams.
        ["hsl"] proxy_socket_keepalive: bool = "false",
        /// Where TLS is asked for a certificate of edge's: the file, PEM, with the chain behind it.
        ["hsl"] proxy_ssl_certificate: String,
        /// Accepted; certificates are read when the configuration is.
        ["hsl"] proxy_ssl_certificate_cache: Accepted,
        /// The key of `proxy_ssl_certificate`, PEM.
        ["hsl"] proxy_ssl_certificate_key: String,
        /// Accepted; whatever is written, only suites with forward secrecy and authenticated encryption are offered.
        ["hsl"] proxy_ssl_ciphers: Accepted,
        /// Refused: edge cannot check lists of revoked certificates, and does not pretend to.
        ["hsl"] proxy_ssl_crl: String,
        /// The name that the upstream's certificate must have, and that is sent as SNI; `$proxy_host` by default.
        ["hsl"] proxy_ssl_name: String,
        /// The versions of TLS: `TLSv1.2` and `TLSv1.3` are always offered, older ones never.
        ["hsl"] proxy_ssl_protocols: Vec<Spanned<String>> = "[TLSv1.2, TLSv1.3]",
        /// The name is sent as SNI. It always is where the certificate is verified.
        ["hsl"] proxy_ssl_server_name: bool = "false",
        /// Accepted; connections are kept instead, and a new one makes a whole handshake.
        ["hsl"] proxy_ssl_session_reuse: Accepted,
        /// The certificates of the authorities that upstreams are verified against, PEM.
        ["hsl"] proxy_ssl_trusted_certificate: String,
        /// The upstream's certificate is verified: issued by one of `proxy_ssl_trusted_certificate`, for `proxy_ssl_name` (among its subjectAltNames), and in force.
        ["hsl"] proxy_ssl_verify: bool = "false",
        /// Accepted; a chain may have up to six certificates between the upstream's and the authority's.
        ["hsl"] proxy_ssl_verify_depth: Accepted,
        /// Where answers lie that are too large for memory, relative to the prefix.
        ["hsl"] proxy_temp_path: TempPath,
        /// A connection that timed out is closed with a reset.
        ["hsl"] reset_timedout_connection: bool = "false",
        /// The directory of the files.
        ["hsl"] root: String = "html",
        /// The longest wait between two writes to a client.
        ["hsl"] send_timeout: Time = "60s",
        /// Redirects edge makes name the first `server_name`, not the host of the request.
        ["hsl"] server_name_in_redirect: bool = "false",
        /// `Server` and the pages of errors say the version.
        ["hsl"] server_tokens: ServerTokens = "on",
        /// Small pieces are sent at once.
        ["hsl"] tcp_nodelay: bool = "true",
        /// Media types and their extensions.
        ["hsl"] types: Types,
        /// Fields with `_` in their names are taken.
        ["hs"] underscores_in_headers: bool = "false",
        /// Accepted; edge chooses how it sends a file.
        ["hsl"] sendfile: Accepted,
        /// Accepted; edge chooses how it sends a file.
        ["hsl"] sendfile_max_chunk: Accepted,
        /// Accepted; head and body leave together anyway.
        ["hsl"] tcp_nopush: Accepted,
        /// Accepted; buffers size themselves.
        ["hsl"] gzip_buffers: Accepted,
        /// Accepted; buffers size themselves.
        ["hsl"] output_buffers: Accepted,
        /// Accepted; small pieces are gathered anyway.
        ["hsl"] postpone_output: Accepted,
        /// Accepted; buffers size themselves.
        ["hsl"] proxy_busy_buffers_size: Accepted,
        /// Accepted; buffers size themselves.
        ["hsl"] proxy_temp_file_write_size: Accepted,
        /// Accepted; tables size themselves.
        ["hsl"] proxy_headers_hash_max_size: Accepted,
        /// Accepted; tables size themselves.
        ["hsl"] proxy_headers_hash_bucket_size: Accepted,
        /// Accepted; memory is not taken from pools.
        ["hs"] connection_pool_size: Accepted,
        /// Accepted; memory is not taken from pools.
        ["hs"] request_pool_size: Accepted,
        /// Accepted; files are opened as they are asked for.
        ["hsl"] open_file_cache: Accepted,
        /// Accepted; files are opened as they are asked for.
        ["hsl"] open_file_cache_valid: Accepted,
        /// Accepted; files are opened as they are asked for.
        ["hsl"] open_file_cache_min_uses: Accepted,
        /// Accepted; files are opened as they are asked for.
        ["hsl"] open_file_cache_errors: Accepted,
        /// Accepted; files are read as suits them.
        ["hsl"] aio: Accepted,
        /// Accepted; it helped browsers that are no more.
        ["hsl"] msie_padding: Accepted,
        /// Accepted; it helped browsers that are no more.
        ["hsl"] keepalive_disable: Accepted,
        /// Accepted; frames are as long as what is sent.
        ["hsl"] http2_chunk_size: Accepted,
        /// Accepted; nothing is pushed: clients have given that up.
        ["hsl"] http2_push: Accepted,
        /// Accepted; nothing is pushed: clients have given that up.
        ["hsl"] http2_push_preload: Accepted,
    }
}

keys! {
    /// Keys of one server.
    pub struct ServerKeys {
        /// The addresses it listens on.
        ["s"] listen: Vec<Spanned<Listen>> = "80",
        /// Its names: exact, `*.example.com`, `www.*`, `~^www\d+\.example\.com$`.
        ["s"] server_name: Vec<Spanned<String>> = "''",
    }
}

keys! {
    /// Keys of a server or a location that blocks inside do not inherit.
    pub struct Handling {
        /// Answers at once: a status, a URL, `{status, text}` or `{status, location}`.
        ["sl"] return_ ("return"): Return,
        /// Changes the URI: a list of `{match, to, flag}`.
        ["sl"] rewrite: Vec<Rewrite>,
        /// The first of these files that exists is sent; the last item is a URI, a named location or `=CODE`.
        ["sl"] try_files: Vec<Spanned<String>>,
    }
}

keys! {
    /// Keys of one location.
    pub struct LocationKeys {
        /// Which paths it is for: `/prefix`, `= /exact`, `^~ /prefix`, `~ regex`, `~* regex` or `@name`.
        ["l"] pattern ("match"): String,
        /// What stands in the place of the location's prefix.
        ["l"] alias: String,
        /// The gRPC upstream that calls go to: `grpc://NAME`, `grpcs://host:port`, `grpc://unix:/path`.
        ["l"] grpc_pass: String,
        /// Only requests edge has redirected itself come here.
        ["l"] internal: bool = "false",
        /// The upstream or address that requests go to, perhaps with a URI that replaces the location's prefix.
        ["l"] proxy_pass: String,
    }
}

keys! {
    /// Keys of one upstream.
    pub struct UpstreamKeys {
        /// How a server is chosen: `round_robin`, `least_conn`, `ip_hash`, `random`, `{ random: two }`,
        /// `{ hash: $request_uri, consistent: true }` or `{ least_time: header }` (or `last_byte`).
        ["u"] balance: BalanceBy = "round_robin",
        /// The servers: addresses or maps.
        ["u"] servers: Vec<Spanned<UpstreamServer>>,
        /// The most idle connections kept open to the upstream's servers, of all threads together; `0`: none.
        ["u"] keepalive: u32 = "128",
        /// How long an idle connection is kept. Shorter than Tomcat's 20 s, so that Tomcat never closes one that is being used; a server that says `Keep-Alive: timeout=N` (Tomcat does if `Connection: keep-alive` asks for it, which edge sends) is believed: its connections are let go half a second before.
        ["u"] keepalive_timeout: Time = "15s",
        /// The most requests on one connection, which is closed after the last of them.
        ["u"] keepalive_requests: u32 = "1000",
        /// Servers are asked at intervals whether they live, and left out when they do not: `http`, `tcp` or a map. The first
        /// check of a server decides at once; edge listens only when each was checked. If none is healthy the answer is 502.
        ["u"] health_check: HealthCheck,
        /// Accepted; state is shared by all threads anyway.
        ["u"] zone: Accepted,
        /// Accepted; a connection ends with `keepalive_timeout` and `keepalive_requests`.
        ["u"] keepalive_time: Accepted,
    }
}

/// A whole configuration.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    pub main: MainKeys,
    pub scope: Scope,
    pub tls: TlsKeys,
    pub upstreams: Vec<Upstream>,
    pub servers: Vec<Server>,
}

#[derive(Clone, Debug)]
pub struct Upstream {
    pub name: Spanned<String>,
    pub keys: UpstreamKeys,
}

#[derive(Clone, Debug)]
pub struct Server {
    pub span: Span,
    pub keys: ServerKeys,
    pub handling: Handling,
    pub scope: Scope,
    pub tls: TlsKeys,
    pub locations: Vec<Location>,
}

#[derive(Clone, Debug)]
pub struct Location {
    pub span: Span,
    pub keys: LocationKeys,
    pub handling: Handling,
    pub scope: Scope,
    pub locations: Vec<Location>,
}

/// Every key there is, with the group it belongs to.
pub fn all_keys() -> impl Iterator<Item = &'static Key> {
    let groups: [&'static [Key]; 7] = [
        MainKeys::KEYS,
        Scope::KEYS,
        TlsKeys::KEYS,
        ServerKeys::KEYS,
        Handling::KEYS,
        LocationKeys::KEYS,
        UpstreamKeys::KEYS,
    ];
    groups.into_iter().flatten()
}

/// The keys whose values are blocks, with the blocks they stand in.
pub const BLOCKS: &[(&str, Contexts)] = &[
    ("upstream", Contexts::from_letters("h")),
    ("server", Contexts::from_letters("h")),
    ("location", Contexts::from_letters("sl")),
];

impl Raw {
    /// Types a tree. Mistakes are noted; what is right is read all the same.
    pub fn read(node: &Node, diagnostics: &mut Diagnostics) -> Raw {
        let mut raw = Raw::default();
        let Some(block) = Block::open(node, "the configuration", diagnostics) else {
            return raw;
        };
        block.each(Contexts(Contexts::HTTP.0 | Contexts::MAIN.0), diagnostics, |key, value, d| match key {
            "upstream" => {
                raw.upstreams = read_upstreams(value, d);
                true
            }
            "server" => {
                raw.servers = value.items().iter().filter_map(|item| read_server(item, d)).collect();
                true
            }
            _ => {
                raw.main.read_key(key, value, d) || raw.scope.read_key(key, value, d) || raw.tls.read_key(key, value, d)
            }
        });
        raw
    }
}

fn read_upstreams(node: &Node, diagnostics: &mut Diagnostics) -> Vec<Upstream> {
    let Some(entries) = node.as_map() else {
        diagnostics.error(node.span, format!("expected a map of upstreams by name, found {}", node.describe()));
        return Vec::new();
    };
    entries
        .iter()
        .filter_map(|e| {
            let block = Block::open(&e.value, "an upstream", diagnostics)?;
            let mut keys = UpstreamKeys::default();
            block.each(Contexts::UPSTREAM, diagnostics, |key, value, d| keys.read_key(key, value, d));
            Some(Upstream { name: Spanned { value: e.key.clone(), span: e.span }, keys })
        })
        .collect()
}

fn read_server(node: &Node, diagnostics: &mut Diagnostics) -> Option<Server> {
    let block = Block::open(node, "a server", diagnostics)?;
    let mut server = Server {
        span: node.span,
        keys: ServerKeys::default(),
        handling: Handling::default(),
        scope: Scope::default(),
        tls: TlsKeys::default(),
        locations: Vec::new(),
    };
    block.each(Contexts::SERVER, diagnostics, |key, value, d| {
        if key == "location" {
            server.locations = read_locations(value, d);
            return true;
        }
        server.keys.read_key(key, value, d)
            || server.handling.read_key(key, value, d)
            || server.scope.read_key(key, value, d)
            || server.tls.read_key(key, value, d)
    });
    Some(server)
}

fn read_locations(node: &Node, diagnostics: &mut Diagnostics) -> Vec<Location> {
    node.items().iter().filter_map(|item| read_location(item, diagnostics)).collect()
}

fn read_location(node: &Node, diagnostics: &mut Diagnostics) -> Option<Location> {
    let block = Block::open(node, "a location", diagnostics)?;
    let mut location = Location {
        span: node.span,
        keys: LocationKeys::default(),
        handling: Handling::default(),
        scope: Scope::default(),
        locations: Vec::new(),
    };
    block.each(Contexts::LOCATION, diagnostics, |key, value, d| {
        if key == "location" {
            location.locations = read_locations(value, d);
            return true;
        }
        location.keys.read_key(key, value, d)
            || location.handling.read_key(key, value, d)
            || location.scope.read_key(key, value, d)
    });
    if location.keys.pattern.is_none() {
        diagnostics
            .error(node.span, "a location has no `match`")
            .help("write `match: /prefix`, `match: = /exact`, `match: ^~ /prefix`, `match: ~ regex` or `match: @name`");
        return None;
    }
    Some(location)
}

/// A map whose keys depend on where it stands.
struct Block<'n> {
    node: &'n Node,
    what: &'static str,
}

impl<'n> Block<'n> {
    fn open(node: &'n Node, what: &'static str, diagnostics: &mut Diagnostics) -> Option<Block<'n>> {
        if node.as_map().is_none() {
            diagnostics.error(node.span, format!("expected {what}, which is a map of keys, found {}", node.describe()));
            return None;
        }
        Some(Block { node, what })
    }

    /// Hands each entry to `read`; says so where a key is unknown or stands in the wrong block.
    fn each(
        &self,
        context: Contexts,
        diagnostics: &mut Diagnostics,
        mut read: impl FnMut(&str, &Node, &mut Diagnostics) -> bool,
    ) {
        for (key, span, value) in ungrouped(self.node) {
            let known = all_keys().find(|k| k.name == key && k.contexts.0 & context.0 != 0).is_some()
                || BLOCKS.iter().any(|(name, contexts)| *name == key && contexts.0 & context.0 != 0);
            if !known || !read(&key, &value, diagnostics) {
                self.unknown(&key, span, context, diagnostics);
            }
        }
    }

    fn unknown(&self, key: &str, span: Span, context: Contexts, diagnostics: &mut Diagnostics) {
        if diagnostics.is_flooded() {
            diagnostics.error(span, format!("unknown key `{key}` in {}", self.what));
            return;
        }
        if let Some(part) = key.strip_prefix(SHORT_GZIP) {
            let parts = all_keys().filter_map(|k| k.name.strip_prefix("gzip_")).chain(["enabled"]);
            diagnostics.error(span, format!("unknown key `{part}` in `gzip`")).did_you_mean(part, parts);
            return;
        }
        let elsewhere = all_keys().find(|k| k.name == key).map(|k| k.contexts);
        let elsewhere = elsewhere.or_else(|| BLOCKS.iter().find(|(name, _)| *name == key).map(|(_, c)| *c));
        if let Some(contexts) = elsewhere {
            diagnostics
                .error(span, format!("`{key}` may not stand in {}", self.what))
                .help(format!("it may stand in: {}", contexts.names()));
            return;
        }
        if let Some((_, instead)) = OTHERWISE.iter().find(|(word, _)| *word == key) {
            diagnostics.error(span, format!("unknown key `{key}` in {}", self.what)).help(*instead);
            return;
        }
        let here = all_keys().filter(|k| k.contexts.0 & context.0 != 0).map(|k| k.name);
        diagnostics
            .error(span, format!("unknown key `{key}` in {}", self.what))
            .did_you_mean(key, here.chain(BLOCKS.iter().map(|(name, _)| *name)));
    }
}

/// What nginx once said, and how it is said now.
const OTHERWISE: &[(&str, &str)] = &[("ssl", "write `listen: { address: …, ssl: true }`")];

/// Before a key of the short form that has no long one.
const SHORT_GZIP: &str = "gzip: ";

/// `gzip: {types: …}` is `gzip: on` with `gzip_types: …`.
fn ungrouped(node: &Node) -> Vec<(String, Span, Node)> {
    let mut flat = Vec::new();
    for e in node.as_map().unwrap_or_default() {
        match (e.key.as_str(), e.value.as_map()) {
            ("gzip", Some(parts)) => {
                if !parts.iter().any(|p| p.key == "enabled") {
                    flat.push(("gzip".to_owned(), e.span, Node::scalar(e.value.span, "on")));
                }
                flat.extend(parts.iter().map(|p| {
                    let long = format!("gzip_{}", p.key);
                    let name = match p.key.as_str() {
                        "enabled" => "gzip".to_owned(),
                        _ if all_keys().any(|k| k.name == long) => long,
                        unknown => format!("{SHORT_GZIP}{unknown}"),
                    };
                    (name, p.span, p.value.clone())
                }));
            }
            _ => flat.push((e.key.clone(), e.span, e.value.clone())),
        }
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;
    use std::path::Path;

    fn read(text: &str) -> (Raw, String) {
        let mut diagnostics = Diagnostics::new();
        let node = yaml::parse(Path::new("edge.yaml"), text, &mut diagnostics).unwrap();
        let raw = Raw::read(&node, &mut diagnostics);
        diagnostics.sort();
        (raw, diagnostics.to_string())
    }

    #[test]
    fn every_default_reads() {
        for key in all_keys() {
            if let Some(default) = key.default {
                let mut diagnostics = Diagnostics::new();
                let node =
                    yaml::parse(Path::new("default"), &format!("{}: {default}", key.name), &mut diagnostics).unwrap();
                let value = node.get(key.name).unwrap();
                let read = MainKeys::default().read_key(key.name, value, &mut diagnostics)
                    || Scope::default().read_key(key.name, value, &mut diagnostics)
                    || TlsKeys::default().read_key(key.name, value, &mut diagnostics)
                    || ServerKeys::default().read_key(key.name, value, &mut diagnostics)
                    || Handling::default().read_key(key.name, value, &mut diagnostics)
                    || LocationKeys::default().read_key(key.name, value, &mut diagnostics)
                    || UpstreamKeys::default().read_key(key.name, value, &mut diagnostics);
                assert!(read && diagnostics.is_empty(), "{}: {diagnostics}", key.name);
            }
        }
    }

    #[test]
    fn all_mistakes_of_a_file_are_told_in_one_run() {
        let (_, said) = read(
            "proxy_read_timout: 5s\nserver:\n  - listen: 80\n    keepalive_requests: many\n    location:\n      - proxy_pass: http://a\n      \
             - match: /\n        worker_processes: 2\n        proxy_next_upstream: [eror]\n",
        );
        for expected in [
            "edge.yaml:1:1: error: unknown key `proxy_read_timout` in the configuration",
            "did you mean `proxy_read_timeout`?",
            "edge.yaml:4:25: error: expected a whole number, found `many`",
            "edge.yaml:6:9: error: a location has no `match`",
            "edge.yaml:8:9: error: `worker_processes` may not stand in a location",
            "edge.yaml:9:31: error: expected `error`, `timeout`",
            "did you mean `error`?",
        ] {
            assert!(said.contains(expected), "{expected}\n{said}");
        }
    }

    #[test]
    fn the_short_form_of_gzip_is_the_long_one() {
        let (raw, said) = read("gzip: { types: [text/css], min_length: 1k }\n");
        assert_eq!(said, "");
        assert!(raw.scope.gzip());
        assert_eq!(raw.scope.gzip_types(), ["text/css"]);
        assert_eq!(raw.scope.gzip_min_length(), Size(1024));
    }

    #[test]
    fn no_key_is_defined_twice_for_one_block() {
        let keys: Vec<&Key> = all_keys().collect();
        for (i, a) in keys.iter().enumerate() {
            for b in &keys[i + 1..] {
                assert!(a.name != b.name || a.contexts.0 & b.contexts.0 == 0, "{}", a.name);
            }
        }
    }
}
