//! The keys that blocks inside inherit.

use crate::config::types::*;
use crate::config::value::{Named, Repeated, Size, Spanned, Time};
use crate::keys;

keys! {
    /// Keys that the blocks inside inherit.
    pub struct Scope {
        /// Whose addresses may come in: `{allow: [10.0.0.0/8, 'unix:'], deny: all}`, or a list of such maps; the first rule that fits
        /// decides, and whom none fits may come in.
        ["hslx"] access: Access,
        /// Where requests are logged: `off`, a path, `{path, format}` or a list of these.
        ["hslix"] access_log: Vec<AccessLog> = "{path: logs/access.log}",
        /// Fields added to answers of 200, 201, 204, 206, 301, 302, 303, 304, 307 and 308, or `always`.
        ["hsli"] add_header: Named<AddHeader>,
        /// How `add_header` stands to the block outside: `on` (as nginx: a list replaces the outer one), `off`, `merge`.
        ["hsli"] add_header_inherit: ListInherit = "on",
        /// Fields that follow the body of answers of 200, 201, 204, 206, 301, 302, 303, 304, 307 and 308, or `always`.
        ["hsl"] add_trailer: Named<AddHeader>,
        /// How `add_trailer` stands to the block outside: `on` (as nginx: a list replaces the outer one), `off`, `merge`.
        ["hsl"] add_trailer_inherit: ListInherit = "on",
        /// Redirects edge makes name scheme, host and port.
        ["hsl"] absolute_redirect: bool = "true",
        /// Names or parts of names of browsers that `$ancient_browser` is about; `netscape4`.
        ["hsl"] ancient_browser: Vec<String>,
        /// What `$ancient_browser` says then.
        ["hsl"] ancient_browser_value: String = "'1'",
        /// Asks for a user and a password, with this text for the client to show; `off`. Variables may stand in it.
        ["hslx"] auth_basic: String = "off",
        /// The file of users: lines of `user:password`, the password in a form of crypt(3), `$apr1$`, `{SHA}`, `{SSHA}` or `{PLAIN}`.
        /// Variables may stand in it. It counts as it is now: a change needs no reload.
        ["hslx"] auth_basic_user_file: String,
        /// How long an answer of 401 is held back.
        ["hsl"] auth_delay: Time = "0s",
        /// The URI that is asked, inside, whether a request may come in: 2xx lets it, 401 and 403 do not; `off`.
        ["hsl"] auth_request: String = "off",
        /// Variables set of what that answer says: `{ $user: $upstream_http_x_user }`.
        ["hsl"] auth_request_set: Named<String>,
        /// What another location answers to this path stands behind the body of an answer of 200; `''`: nothing.
        ["hsl"] add_after_body: String,
        /// What another location answers to this path stands before the body of an answer of 200; `''`: nothing.
        ["hsl"] add_before_body: String,
        /// The media types to whose bodies something is added; `text/html` always is among them, `*`: any.
        ["hsl"] addition_types: Vec<String> = "text/html",
        /// A directory without an index file is answered with a list of its files.
        ["hsl"] autoindex: bool = "false",
        /// A list of files tells their sizes in bytes; `off`: rounded to kilobytes, megabytes and gigabytes.
        ["hsl"] autoindex_exact_size: bool = "true",
        /// What a list of files is written in.
        ["hsl"] autoindex_format: AutoindexFormat = "html",
        /// A list of files in HTML tells times of the local zone; `off`: of UTC.
        ["hsl"] autoindex_localtime: bool = "false",
        /// The charset named in `Content-Type`, which may have variables; `off`: none.
        ["hsli"] charset: String = "off",
        /// The types that get a charset; `text/html` always does.
        ["hsl"] charset_types: Vec<String> = "[text/html, text/xml, text/plain, text/vnd.wap.wml, application/javascript, application/rss+xml]",
        /// What a byte of one charset is in another: `{ 'koi8-r utf-8': { C0: D18E } }`, in hexadecimal. Bytes below 80 are what they are.
        ["h"] charset_map: CharsetMaps,
        /// A body whose length is not known goes to a client of HTTP/1.1 in chunks; `off`: the end of the connection ends it.
        ["hsl"] chunked_transfer_encoding: bool = "true",
        /// A body up to this size is kept in memory, a larger one in a temporary file.
        ["hsl"] client_body_buffer_size: Size = "16k",
        /// A body that is read before an upstream is asked is put into a file, which `$request_body_file` names: with `clean` for as
        /// long as the request takes, with `on` it stays, and nothing removes it.
        ["hsl"] client_body_in_file_only: BodyInFile = "off",
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
        /// Files that symbolic links lead to are not served: `on`, or `if_not_owner` for links that belong to somebody else than what
        /// they lead to; ` from=PATH` behind it names the beginning of paths that is trusted.
        ["hsl"] disable_symlinks: DisableSymlinks = "off",
        /// Pages for errors: `{404: /404.html}` or a list of `{code, uri, status}`.
        ["hsli"] error_page: ErrorPages,
        /// Files are sent with an `ETag`.
        ["hsl"] etag: bool = "true",
        /// `Expires` and `Cache-Control: max-age`: `15m`, `-1`, `@15h30m`, `modified +24h`, `epoch`, `max`, `off`.
        ["hsli"] expires: String = "off",
        /// The address that connections to gRPC upstreams come from, with variables; `off`: the system chooses.
        ["hsl"] grpc_bind: BindAddress = "off",
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
        /// The file with the passphrases of an encrypted `grpc_ssl_certificate_key`, each in a line; they are tried in turn.
        ["hsl"] grpc_ssl_password_file: String,
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
        ["hsli"] gzip: bool = "false",
        /// The media types that are compressed; `text/html` always is.
        ["hsl"] gzip_types: Vec<String> = "text/html",
        /// Shorter answers are not compressed.
        ["hsl"] gzip_min_length: Size = "20",
        /// From 1, the fastest, to 9, the smallest.
        ["hsl"] gzip_comp_level: u32 = "1",
        /// Answers to requests with `Via` that are compressed, with whatever coding.
        ["hsl"] gzip_proxied: Vec<GzipProxied> = "off",
        /// `Vary: Accept-Encoding` is added to what can be compressed, or has a precompressed file, with whatever coding.
        ["hsl"] gzip_vary: bool = "false",
        /// Regular expressions over `User-Agent` for which nothing is compressed, with whatever coding; look-ahead works.
        ["hsl"] gzip_disable: Vec<Spanned<String>>,
        /// The lowest version of HTTP that gets compressed answers, with whatever coding.
        ["hsl"] gzip_http_version: HttpVersion = "1.1",
        /// A file `x.gz` beside `x` is sent to those who accept gzip.
        ["hsl"] gzip_static: Precompressed = "off",
        /// An answer that the upstream has compressed with gzip is unpacked for clients that do not take gzip.
        ["hsl"] gunzip: bool = "false",
        /// Answers are compressed with Brotli. Of several codings that are on, the one counts that the client gives the most
        /// weight; of equals zstd goes before br before gzip, as it costs the least while an answer waits. What a cache keeps is
        /// made once for each coding: where br is to be given in all cases, leave zstd off.
        /// `gzip_vary`, `gzip_proxied`, `gzip_disable` and `gzip_http_version` hold for all codings.
        ["hsli"] brotli: bool = "false",
        /// The media types that are compressed with Brotli; `text/html` always is.
        ["hsl"] brotli_types: Vec<String> = "text/html",
        /// Shorter answers are not compressed with Brotli.
        ["hsl"] brotli_min_length: Size = "20",
        /// From 0, the fastest, to 11, the smallest; above 6 it takes very long.
        ["hsl"] brotli_comp_level: u32 = "6",
        /// A file `x.br` beside `x` is sent to those who accept br; before `x.zst` and `x.gz`, as it is the smallest.
        ["hsl"] brotli_static: Precompressed = "off",
        /// Answers are compressed with Zstandard; which coding is used if several are on stands with `brotli`.
        ["hsli"] zstd: bool = "false",
        /// The media types that are compressed with Zstandard; `text/html` always is.
        ["hsl"] zstd_types: Vec<String> = "text/html",
        /// Shorter answers are not compressed with Zstandard.
        ["hsl"] zstd_min_length: Size = "20",
        /// From 1, the fastest, to 19, the smallest. The module's levels above want hundreds of megabytes for each answer.
        ["hsl"] zstd_comp_level: u32 = "1",
        /// A file `x.zst` beside `x` is sent to those who accept zstd; before `x.gz`.
        ["hsl"] zstd_static: Precompressed = "off",
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
        /// How many requests may be in flight by zone of `limit_conn_zone`: `{ addr: 10 }`. All of them hold.
        ["hsl"] limit_conn: Named<Spanned<u32>>,
        /// Requests over `limit_conn` are counted and logged, and pass.
        ["hsl"] limit_conn_dry_run: bool = "false",
        /// The level of the line in the error log that tells of a request over `limit_conn`.
        ["hsl"] limit_conn_log_level: LimitLogLevel = "error",
        /// The answer to a request over `limit_conn`.
        ["hsl"] limit_conn_status: u16 = "503",
        /// How fast an answer goes to its client, in bytes per second; `0`: as it can. For each request, so that a client with two
        /// connections is twice as fast. An upstream may say otherwise with `X-Accel-Limit-Rate`; as in nginx it does not hold for
        /// what is passed on as it comes (`proxy_buffering: off`).
        ["hsli"] limit_rate: String = "0",
        /// So many bytes of an answer go out before `limit_rate` holds.
        ["hsli"] limit_rate_after: String = "0",
        /// How often requests may come, by zone of `limit_req_zone`: `{ zone: login, burst: 5, nodelay: true }` or a list. All of them
        /// hold. Who comes too early waits for his turn, and is refused where more than `burst` wait. Looked at after the
        /// location's rewrites and before its cache, once for each request.
        ["hsl"] limit_req: Repeated<Spanned<LimitReq>>,
        /// Requests over `limit_req` are counted and logged, and pass at once.
        ["hsl"] limit_req_dry_run: bool = "false",
        /// The level of the line in the error log that tells of a refused request; that one waits is told a level lower.
        ["hsl"] limit_req_log_level: LimitLogLevel = "error",
        /// The answer to a request over `limit_req`.
        ["hsl"] limit_req_status: u16 = "503",
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
        /// The most fields of a request's head.
        ["hs"] max_headers: u32 = "1000",
        /// Browsers that `$modern_browser` is about, with the version from which on: `[msie 5.5, gecko 1.0, unlisted]`.
        ["hsl"] modern_browser: Repeated<ModernBrowser>,
        /// What `$modern_browser` says then.
        ["hsl"] modern_browser_value: String = "'1'",
        /// `//` in a path is taken as `/`.
        ["hs"] merge_slashes: bool = "true",
        /// Where copies of requests are sent, whose answers nobody sees; `off`: nowhere.
        ["hsl"] mirror: Mirrors = "off",
        /// Copies of requests have the body, which is read before the request itself goes on.
        ["hsl"] mirror_request_body: bool = "true",
        /// The path of a location that is asked once more when a request was answered, with its method, its fields and the body that
        /// was read; nobody sees that answer, and the log tells of the request itself. `off`: none.
        ["hsl"] post_action: Mirrors = "off",
        /// Redirects edge makes name the port.
        ["hsl"] port_in_redirect: bool = "true",
        /// A charset that the answer names itself is changed to `charset` as well.
        ["hsl"] override_charset: bool = "false",
        /// The address that connections to memcacheds come from, with variables; `off`: the system chooses.
        ["hsl"] memcached_bind: BindAddress = "off",
        /// The longest first line of an answer of `memcached_pass`.
        ["hsl"] memcached_buffer_size: Size = "4k",
        /// The time for making a connection to the memcached of `memcached_pass`.
        ["hsl"] memcached_connect_timeout: Time = "60s",
        /// An item that has one of these bits among its flags is compressed with gzip, and the client is told so.
        ["hsl"] memcached_gzip_flag: u32 = "0",
        /// When the next memcached is asked: `error`, `timeout`, `invalid_response`, `not_found`, `off`.
        ["hsl"] memcached_next_upstream: Vec<MemcachedNext> = "[error, timeout]",
        /// The time in which further memcacheds may be asked; `0`: any.
        ["hsl"] memcached_next_upstream_timeout: Time = "0",
        /// How many memcacheds may be asked; `0`: all.
        ["hsl"] memcached_next_upstream_tries: u32 = "0",
        /// The longest wait between two pieces of an item.
        ["hsl"] memcached_read_timeout: Time = "60s",
        /// The longest wait until the question is written.
        ["hsl"] memcached_send_timeout: Time = "60s",
        /// TCP keepalive probes on connections to memcacheds.
        ["hsl"] memcached_socket_keepalive: bool = "false",
        /// The address that connections to upstreams come from, with variables; `off`: the system chooses.
        ["hsl"] proxy_bind: BindAddress = "off",
        /// How much of an answer is held in memory for a client slower than the upstream, before `proxy_buffers`.
        ["hsl"] proxy_buffer_size: Size = "4k",
        /// Answers are taken from the upstream as fast as it gives them.
        ["hsl"] proxy_buffering: bool = "true",
        /// How much of an answer is held in memory for a slow client: number and size.
        ["hsl"] proxy_buffers: Buffers = "8 4k",
        /// The zone of the cache that keeps answers; `off`: none.
        ["hsl"] proxy_cache: Spanned<String> = "off",
        /// A stale answer goes out while a request in the background fetches it anew.
        ["hsl"] proxy_cache_background_update: bool = "false",
        /// If one of these is neither empty nor `0`, the answer does not come from the cache; it is stored all the same.
        ["hsl"] proxy_cache_bypass: Vec<Spanned<String>>,
        /// HEAD is asked of the upstream as GET, so that what comes can be stored.
        ["hsl"] proxy_cache_convert_head: bool = "true",
        /// What an answer is stored under. Each variable is a part of its own: a byte cannot move from one to the next.
        ["hsl"] proxy_cache_key: String = "$scheme$proxy_host$request_uri",
        /// Of requests for one missing answer one asks the upstream, the others wait for it.
        ["hsl"] proxy_cache_lock: bool = "false",
        /// If it takes that long, one more request asks.
        ["hsl"] proxy_cache_lock_age: Time = "5s",
        /// Who has waited so long asks himself; that answer is not stored.
        ["hsl"] proxy_cache_lock_timeout: Time = "5s",
        /// A range that begins so far behind goes to the upstream as it is, and nothing is stored.
        ["hsl"] proxy_cache_max_range_offset: Size,
        /// The methods whose answers are stored; GET and HEAD always are among them.
        ["hsl"] proxy_cache_methods: Vec<Spanned<String>> = "[GET, HEAD]",
        /// How often an answer must have been asked for before it is stored.
        ["hsl"] proxy_cache_min_uses: u32 = "1",
        /// A client's `no-cache`, `no-store`, `max-age`, `min-fresh`, `max-stale` and `only-if-cached` are obeyed (RFC 9111 5.2.1), and `stale-if-error` (RFC 5861 4).
        ["hsl"] proxy_cache_obey_request: bool = "false",
        /// The addresses that may remove an answer by the method PURGE; a path that ends with `*` stands for all that begins so.
        ["hsl"] proxy_cache_purge: Vec<Spanned<String>>,
        /// A stale answer is confirmed by the upstream (`If-None-Match`, `If-Modified-Since`) where that is possible.
        ["hsl"] proxy_cache_revalidate: bool = "false",
        /// When a stale answer goes out: after these failures, or while another request updates it.
        ["hsl"] proxy_cache_use_stale: Vec<CacheUseStale> = "off",
        /// How long answers are kept, by status. Only what an upstream has answered is kept: when none does, each request tries
        /// anew and gets edge's own 502 or 504, which nginx would keep as long as this says.
        ["hsl"] proxy_cache_valid: CacheValid,
        /// The longest wait for a connection to an upstream.
        ["hsl"] proxy_connect_timeout: Time = "60s",
        /// What is replaced in the domains of cookies that the upstream sets: `{ from: to }`, `off`.
        ["hsl"] proxy_cookie_domain: CookieRewrites = "off",
        /// Which flags cookies of the upstream get or lose, by name or `~` regular expression: `{ SID: [secure, samesite=lax] }`, `off`.
        ["hsl"] proxy_cookie_flags: CookieFlags = "off",
        /// What is replaced in the paths of cookies that the upstream sets: `{ from: to }`, `off`.
        ["hsl"] proxy_cookie_path: CookieRewrites = "off",
        /// Fields of the upstream's answer that the client does not see.
        ["hsl"] proxy_hide_header: FieldNames,
        /// Parts are sent of every answer whose length is known, whether or not its upstream would.
        ["hsl"] proxy_force_ranges: bool = "false",
        /// The version of HTTP spoken to upstreams. `2`: over TLS if the upstream agrees to it (ALPN; else 1.1), without TLS by prior knowledge (h2c). Like nginx edge asks one thing at a time of a connection.
        ["hsl"] proxy_http_version: UpstreamVersion = "1.1",
        /// A request goes on although its client has left.
        ["hsl"] proxy_ignore_client_abort: bool = "false",
        /// Fields of the upstream's answer that edge does not obey.
        ["hsl"] proxy_ignore_headers: Vec<Spanned<String>>,
        /// `error_page` holds for the upstream's answers as well.
        ["hsl"] proxy_intercept_errors: bool = "false",
        /// How fast an answer is taken from an upstream, in bytes per second; `0`: as it comes. Only with `proxy_buffering`.
        ["hsl"] proxy_limit_rate: String = "0",
        /// How much of an answer may lie in a temporary file for a slow client.
        ["hsl"] proxy_max_temp_file_size: Size = "1024m",
        /// The method sent to the upstream instead of the client's.
        ["hsl"] proxy_method: String,
        /// If one of these is neither empty nor `0`, the answer is not stored.
        ["hsl"] proxy_no_cache: Vec<Spanned<String>>,
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
        /// What is replaced in `Location` and `Refresh`: `default`, `off`, or a map, in which `default: default` stands for the former.
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
        /// The file with the passphrases of an encrypted `proxy_ssl_certificate_key`, each in a line; they are tried in turn.
        ["hsl"] proxy_ssl_password_file: String,
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
        /// Answers (whole ones, with 200) become files: `on`, where the location would look for them (`root`, `alias`), or a path with
        /// variables; `off`. Nothing removes them. A `proxy_cache` further inside takes its place.
        ["hsl"] proxy_store: String = "off",
        /// Who may do what with these files: `user:rw group:rw all:r`.
        ["hsl"] proxy_store_access: StoreAccess = "user:rw",
        /// Where answers lie that are too large for memory, relative to the prefix.
        ["hsl"] proxy_temp_path: TempPath,
        /// The field that says who the client of a trusted proxy is: `X-Real-IP`, `X-Forwarded-For`, another one, or `proxy_protocol`.
        ["hsl"] real_ip_header: String = "X-Real-IP",
        /// Of several addresses the last that is no trusted proxy's counts, not the last.
        ["hsl"] real_ip_recursive: bool = "false",
        /// Accepted; tables size themselves.
        ["hsl"] types_hash_max_size: Accepted,
        /// Accepted; tables size themselves.
        ["hsl"] types_hash_bucket_size: Accepted,
        /// Accepted; tables size themselves.
        ["sl"] referer_hash_bucket_size: Accepted,
        /// Accepted; tables size themselves.
        ["sl"] referer_hash_max_size: Accepted,
        /// An error while the page of an error is fetched leads to a page again.
        ["hsl"] recursive_error_pages: bool = "false",
        /// Each step of a script that looks at a URI is told in the error log, at the level `notice`.
        ["hsli"] rewrite_log: bool = "false",
        /// A variable that is used before it is `set` is worth a line in the error log.
        ["hsli"] uninitialized_variable_warn: bool = "true",
        /// Accepted; what edge asks for itself is never logged.
        ["hsl"] log_subrequest: Accepted,
        /// Accepted; a connection that timed out is closed like any other.
        ["hsl"] reset_timedout_connection: Accepted,
        /// The directory of the files.
        ["hsli"] root: String = "html",
        /// Rules that decide over requests here: rule files, as `lua-free-rules/canary.yaml` or `{file, with: {NAME: VALUE}}`, and rules
        /// that stand here themselves, as `{name, when, then}`. Those of the blocks outside hold as well and come first.
        ["hsl"] rules: Repeated<RuleSource>,
        /// Whether the rules of the blocks outside hold here: `on`, `off`. Those of the whole and of the server have decided over a
        /// request before a location is searched; `off` in a location drops them for its answers and the log.
        ["sl"] rules_inherit: RulesInherit = "on",
        /// Whether all of `access`, `auth_basic` and `auth_request` must let a request in, or any.
        ["hsl"] satisfy: Satisfy = "all",
        /// The MD5 of a link and perhaps the time until when it holds, after a comma; for `$secure_link`.
        ["hsl"] secure_link: String,
        /// What the MD5 of a link is of.
        ["hsl"] secure_link_md5: String,
        /// The longest wait between two writes to a client.
        ["hsl"] send_timeout: Time = "60s",
        /// Redirects edge makes name the first `server_name`, not the host of the request.
        ["hsl"] server_name_in_redirect: bool = "false",
        /// `Server` and the pages of errors say the version.
        ["hsl"] server_tokens: ServerTokens = "on",
        /// `required`: a request without a session, or with one that is not there, is answered 401, or sent to `redirect`:
        /// `{ redirect: /login, strict: on }`; `off`.
        ["sl"] session: SessionDemand,
        /// The proxies whose word on the client's address counts: addresses, networks, `unix:`.
        ["hsl"] set_real_ip_from: Repeated<Spanned<String>>,
        /// Large answers are fetched and stored in parts of this size; `$slice_range` stands in the key and in
        /// `proxy_set_header: { Range: $slice_range }`. `0`: as a whole.
        ["hsl"] slice: Size = "0",
        /// The charset of bodies whose type names none, which are to be changed to `charset`.
        ["hsl"] source_charset: String = "off",
        /// What is replaced in bodies: `{ 'text': 'another' }`. Letters match in either case; both may have variables.
        ["hsl"] sub_filter: Named<String>,
        /// `Last-Modified` stays where something may be replaced, and `ETag` as a weak one.
        ["hsl"] sub_filter_last_modified: bool = "false",
        /// Each text is replaced once; `off`: wherever it stands.
        ["hsl"] sub_filter_once: bool = "true",
        /// The media types in whose bodies something is replaced; `text/html` always is among them, `*`: any.
        ["hsl"] sub_filter_types: Vec<String> = "text/html",
        /// Small pieces are sent at once.
        ["hsl"] tcp_nodelay: bool = "true",
        /// Media types and their extensions.
        ["hsl"] types: Types,
        /// Cookies that tell browsers apart: `on`, `v1`, `log` (only read), `off`.
        ["hsl"] userid: UserId = "off",
        /// The domain of the cookie; `none`.
        ["hsl"] userid_domain: String = "none",
        /// How long browsers keep it: a time, `max`, `off`.
        ["hsl"] userid_expires: String = "off",
        /// `secure`, `httponly`, `samesite=strict`, `samesite=lax`, `samesite=none`; `off`.
        ["hsl"] userid_flags: Vec<Spanned<String>> = "off",
        /// A letter, digit or `=` that marks the cookie: who has one with another mark gets the same with this one; `off`.
        ["hsl"] userid_mark: String = "off",
        /// Its name.
        ["hsl"] userid_name: String = "uid",
        /// The field `P3P` that goes with it; `none`.
        ["hsl"] userid_p3p: String = "none",
        /// Its path.
        ["hsl"] userid_path: String = "/",
        /// The number that tells servers apart; by default the last bytes of the server's address, with `v1` 0.
        ["hsl"] userid_service: u32,
        /// The sites a link to here may stand on, for `$invalid_referer`: `none`, `blocked`, `server_names`, names, `~regex`.
        ["sl"] valid_referers: Vec<Spanned<String>>,
        /// Fields with `_` in their names are taken.
        ["hs"] underscores_in_headers: bool = "false",
        /// Accepted; edge chooses how it sends a file.
        ["hsli"] sendfile: Accepted,
        /// Accepted; edge chooses how it sends a file.
        ["hsli"] sendfile_max_chunk: Accepted,
        /// Accepted; head and body leave together anyway.
        ["hsl"] tcp_nopush: Accepted,
        /// Accepted; buffers size themselves.
        ["hsl"] gzip_buffers: Accepted,
        /// Accepted; buffers size themselves.
        ["hsl"] gzip_hash: Accepted,
        /// Accepted; buffers size themselves.
        ["hsl"] gzip_window: Accepted,
        /// Accepted; what is compressed leaves when there is enough of it, or at once where it is not buffered.
        ["hsl"] gzip_no_buffer: Accepted,
        /// Accepted; what is compressed leaves when there is enough of it, or at once where it is not buffered.
        ["hsl"] postpone_gzipping: Accepted,
        /// Accepted; a connection that is idle when edge ends is told so with its next answer.
        ["hs"] keepalive_min_timeout: Accepted,
        /// Accepted; buffers size themselves.
        ["hsl"] brotli_buffers: Accepted,
        /// Accepted; the window is as large as the answer needs, 512k at most.
        ["hsl"] brotli_window: Accepted,
        /// Accepted; buffers size themselves.
        ["hsl"] zstd_buffers: Accepted,
        /// Accepted; names are looked up as the system does it (`/etc/hosts`, `/etc/resolv.conf`), again and again, those in variables too.
        ["hsl"] resolver: Accepted,
        /// Accepted; a name is waited for no longer than 5 seconds.
        ["hsl"] resolver_timeout: Accepted,
        /// Accepted; interim answers of upstreams (103) are not passed on.
        ["hsl"] early_hints: Accepted,
        /// Accepted; trailers of upstreams over HTTP/2 are passed on, those over HTTP/1.1 are not.
        ["hsl"] proxy_pass_trailers: Accepted,
        /// Accepted; what is offered (ALPN) follows from `proxy_http_version`.
        ["hsl"] proxy_ssl_alpn: Accepted,
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
        /// Accepted; files are read as suits them.
        ["hsl"] aio_write: Accepted,
        /// Accepted; files are read as suits them.
        ["hsl"] directio: Accepted,
        /// Accepted; files are read as suits them.
        ["hsl"] directio_alignment: Accepted,
        /// Accepted; files are read as suits them.
        ["hsl"] read_ahead: Accepted,
        /// Accepted; files are opened as they are asked for.
        ["hsl"] open_file_cache_events: Accepted,
        /// Accepted; logs are opened once.
        ["hsl"] open_log_file_cache: Accepted,
        /// Accepted; a body is in one piece anyway.
        ["hsl"] client_body_in_single_buffer: Accepted,
        /// Accepted; buffers size themselves.
        ["hsl"] gunzip_buffers: Accepted,
        /// Accepted; it helped browsers that are no more.
        ["hsl"] msie_refresh: Accepted,
        /// Accepted; Linux gathers small pieces by itself.
        ["hsl"] send_lowat: Accepted,
        /// Accepted; Linux gathers small pieces by itself.
        ["hsl"] proxy_send_lowat: Accepted,
        /// Accepted; buffers size themselves.
        ["hsl"] subrequest_output_buffer_size: Accepted,
        /// Accepted; memory is not taken from pools.
        ["hs"] http2_pool_size: Accepted,
        /// Accepted; tables size themselves.
        ["hs"] http2_streams_index_size: Accepted,
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
