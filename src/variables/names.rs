//! What each name means.

use super::placed::PlacedField;
use super::session::SessionField;
use super::tls::TlsField;

/// A variable of nginx's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    Args,
    BinaryRemoteAddr,
    BodyBytesSent,
    BytesSent,
    Connection,
    ConnectionRequests,
    ConnectionTime,
    ConnectionsActive,
    ConnectionsReading,
    ConnectionsWaiting,
    ConnectionsWriting,
    ContentLength,
    ContentType,
    DocumentRoot,
    Host,
    Hostname,
    Http2,
    Https,
    IsArgs,
    LimitConnStatus,
    LimitRate,
    LimitReqStatus,
    Msec,
    NginxVersion,
    Pid,
    Pipe,
    ProxyAddXForwardedFor,
    ProxyHost,
    ProxyPort,
    ProxyProtocolAddr,
    ProxyProtocolPort,
    ProxyProtocolServerAddr,
    ProxyProtocolServerPort,
    RealpathRoot,
    RemoteAddr,
    RemotePort,
    RemoteUser,
    Request,
    RequestBody,
    RequestBodyFile,
    RequestCompletion,
    RequestFilename,
    RequestId,
    RequestLength,
    RequestMethod,
    RequestPort,
    IsRequestPort,
    RequestTime,
    RequestUri,
    RulesFired,
    RulesLog,
    Scheme,
    ServerAddr,
    ServerName,
    ServerPort,
    ServerProtocol,
    SliceRange,
    SpanId,
    Status,
    TcpRtt,
    TcpRttVar,
    TcpSendWindow,
    TcpReceiveSpace,
    TimeIso8601,
    TimeLocal,
    TraceId,
    UpstreamAddr,
    UpstreamBytesReceived,
    UpstreamBytesSent,
    UpstreamCacheStatus,
    UpstreamConnectTime,
    UpstreamHeaderTime,
    UpstreamResponseLength,
    UpstreamResponseTime,
    UpstreamStatus,
    Uri,
    /// `$session_…`
    Session(SessionField),
    /// What the place says that answers: `$invalid_referer` and its like.
    Placed(PlacedField),
    RealipRemoteAddr,
    RealipRemotePort,
    /// `$ssl_…`
    Tls(TlsField),
    /// `$http_NAME`: a field of the request.
    RequestHeader(String),
    /// `$sent_http_NAME`: a field of the answer.
    SentHeader(String),
    /// `$sent_trailer_NAME`: a field behind the body of the answer.
    SentTrailer(String),
    /// `$upstream_http_NAME`: a field of the last server's answer.
    UpstreamHeader(String),
    /// `$upstream_cookie_NAME`: a cookie the last server set.
    UpstreamCookie(String),
    /// `$cookie_NAME`
    Cookie(String),
    /// `$arg_NAME`
    Arg(String),
    /// Defined by the configuration: `map`, `set`, a named group of a regular expression and their like.
    Defined(usize),
}

/// A name, what it means, and that in a sentence.
type Named = (&'static str, Variable, &'static str);

/// Names with a meaning of their own. Sorted, for the search.
#[rustfmt::skip]
const FIXED: &[Named] = &[
    ("ancient_browser", Variable::Placed(PlacedField::AncientBrowser), "`ancient_browser_value` if the browser is old, as `ancient_browser` and `modern_browser` say."),
    ("args", Variable::Args, "What follows `?` in the address."),
    ("binary_remote_addr", Variable::BinaryRemoteAddr, "The client's address as 4 or 16 bytes, for keys of limits."),
    ("body_bytes_sent", Variable::BodyBytesSent, "Bytes of the answer's body, as they went over the wire."),
    ("bytes_sent", Variable::BytesSent, "All bytes of the answer, its head included."),
    ("connection", Variable::Connection, "The number of the client's connection, which the error log begins its lines with."),
    ("connection_requests", Variable::ConnectionRequests, "Which request of its connection it is, from 1 on."),
    ("connection_time", Variable::ConnectionTime, "How old the connection is, in seconds with milliseconds."),
    ("connections_active", Variable::ConnectionsActive, "Open connections of clients."),
    ("connections_reading", Variable::ConnectionsReading, "Those of them whose request's head is being read."),
    ("connections_waiting", Variable::ConnectionsWaiting, "Those of them that wait for a request."),
    ("connections_writing", Variable::ConnectionsWriting, "Those of them that are being answered."),
    ("content_length", Variable::ContentLength, "How long the request's body is, by its `Content-Length` or, in chunks, once it was read."),
    ("content_type", Variable::ContentType, "The request's `Content-Type`."),
    ("document_root", Variable::DocumentRoot, "The directory of the location, `root` or `alias`."),
    ("document_uri", Variable::Uri, "The same as `$uri`."),
    ("host", Variable::Host, "The host that was asked for, in lower case and without port: of the request line, of `Host`, or the server's name."),
    ("hostname", Variable::Hostname, "The name of this machine."),
    ("http2", Variable::Http2, "`h2` over TLS, `h2c` without; nothing for HTTP/1."),
    ("https", Variable::Https, "`on` over TLS, else nothing."),
    ("invalid_referer", Variable::Placed(PlacedField::InvalidReferer), "`1` if the `Referer` is none of `valid_referers`, else nothing."),
    ("is_args", Variable::IsArgs, "`?` if there are arguments, else nothing."),
    ("is_request_port", Variable::IsRequestPort, "`:` if the client has named a port, else nothing."),
    ("limit_conn_status", Variable::LimitConnStatus, "What `limit_conn` said: `PASSED`, `REJECTED`, `REJECTED_DRY_RUN`."),
    ("limit_rate", Variable::LimitRate, "Bytes per second that the answer is limited to; `0`: it is not."),
    ("limit_req_status", Variable::LimitReqStatus, "What `limit_req` said: `PASSED`, `DELAYED`, `REJECTED`, `DELAYED_DRY_RUN`, `REJECTED_DRY_RUN`."),
    ("modern_browser", Variable::Placed(PlacedField::ModernBrowser), "`modern_browser_value` if the browser is a new one."),
    ("msec", Variable::Msec, "Now, in seconds since 1970 with milliseconds."),
    ("msie", Variable::Placed(PlacedField::Msie), "`1` for any Internet Explorer."),
    ("nginx_version", Variable::NginxVersion, "The version of edge."),
    ("pid", Variable::Pid, "The number of the process."),
    ("pipe", Variable::Pipe, "`.`: no request is one of a pipeline."),
    ("proxy_add_x_forwarded_for", Variable::ProxyAddXForwardedFor, "The request's `X-Forwarded-For`, with the client's address behind it."),
    ("proxy_host", Variable::ProxyHost, "Host, and port where it is no usual one, of `proxy_pass`."),
    ("proxy_port", Variable::ProxyPort, "The port of `proxy_pass`."),
    ("proxy_protocol_addr", Variable::ProxyProtocolAddr, "The client's address as the PROXY protocol has told it."),
    ("proxy_protocol_port", Variable::ProxyProtocolPort, "Its port."),
    ("proxy_protocol_server_addr", Variable::ProxyProtocolServerAddr, "The address that client has connected to, as the PROXY protocol has told it."),
    ("proxy_protocol_server_port", Variable::ProxyProtocolServerPort, "Its port."),
    ("query_string", Variable::Args, "The same as `$args`."),
    ("realip_remote_addr", Variable::RealipRemoteAddr, "The address that the connection came from, whoever the client is (`set_real_ip_from`)."),
    ("realip_remote_port", Variable::RealipRemotePort, "Its port."),
    ("realpath_root", Variable::RealpathRoot, "The same as `$document_root` without symbolic links."),
    ("remote_addr", Variable::RemoteAddr, "The client's address."),
    ("remote_port", Variable::RemotePort, "Its port."),
    ("remote_user", Variable::RemoteUser, "The user of `Authorization: Basic`, whether or not the password was right."),
    ("request", Variable::Request, "The request line as it came."),
    ("request_body", Variable::RequestBody, "The request's body, if it was read beforehand and is in memory."),
    ("request_body_file", Variable::RequestBodyFile, "The file with the body, where `client_body_in_file_only` wants one."),
    ("request_completion", Variable::RequestCompletion, "`OK` if the client got all of the answer, else nothing."),
    ("request_filename", Variable::RequestFilename, "The file that the address stands for."),
    ("request_id", Variable::RequestId, "32 hexadecimal digits, other ones for each request."),
    ("request_length", Variable::RequestLength, "Bytes of the request: its line, its fields and its body."),
    ("request_method", Variable::RequestMethod, "`GET`, `POST` …"),
    ("request_port", Variable::RequestPort, "The port that the client has named."),
    ("request_time", Variable::RequestTime, "From the first byte of the request to the last one of the answer, in seconds with milliseconds."),
    ("request_uri", Variable::RequestUri, "Path and arguments as the client sent them."),
    ("rules_fired", Variable::RulesFired, "The rules that fired, with commas between."),
    ("rules_log", Variable::RulesLog, "What rules want in the log: `name=value`, with spaces between."),
    ("scheme", Variable::Scheme, "`http` or `https`."),
    ("secure_link", Variable::Placed(PlacedField::SecureLink), "What came of `secure_link`: nothing if the link is wrong, `0` if it is too old, `1` if it is right."),
    ("secure_link_expires", Variable::Placed(PlacedField::SecureLinkExpires), "When the link ends, as it says."),
    ("server_addr", Variable::ServerAddr, "The address the client has connected to."),
    ("server_name", Variable::ServerName, "The first name of the server that answers."),
    ("server_port", Variable::ServerPort, "The port the client has connected to."),
    ("server_protocol", Variable::ServerProtocol, "`HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`."),
    ("session_age", Variable::Session(SessionField::Age), "How long ago the session began, in seconds; memcached is asked."),
    ("session_id", Variable::Session(SessionField::Id), "A keyed hash of the session's id, the same while the session moves. The id itself stands nowhere."),
    ("session_idle", Variable::Session(SessionField::Idle), "How long ago it was used last, in seconds; memcached is asked."),
    ("session_node", Variable::Session(SessionField::Node), "The memcached node that its id names."),
    ("session_route", Variable::Session(SessionField::Route), "The `jvmRoute` that its id names."),
    ("session_state", Variable::Session(SessionField::State), "Where it is: `owner`, `waited`, `taken_over`, `any`, `unknown`, `expired`, `lost`, or `none`."),
    ("session_user", Variable::Session(SessionField::User), "Whose it is, if somebody has logged in; memcached is asked."),
    ("slice_range", Variable::SliceRange, "The part that is asked for, where an answer is stored in parts (`slice`)."),
    ("ssl_alpn_protocol", Variable::Tls(TlsField::AlpnProtocol), "What TLS has agreed on: `h2`, `http/1.1`, or nothing."),
    ("ssl_cipher", Variable::Tls(TlsField::Cipher), "The cipher, by OpenSSL's name."),
    ("ssl_client_cert", Variable::Tls(TlsField::ClientCert), "The client's certificate in PEM, as a field may hold it."),
    ("ssl_client_escaped_cert", Variable::Tls(TlsField::ClientEscapedCert), "The same, escaped as in an address."),
    ("ssl_client_fingerprint", Variable::Tls(TlsField::ClientFingerprint), "Its SHA-1."),
    ("ssl_client_i_dn", Variable::Tls(TlsField::ClientIDn), "Who issued it (RFC 2253)."),
    ("ssl_client_i_dn_legacy", Variable::Tls(TlsField::ClientIDnLegacy), "The same with slashes."),
    ("ssl_client_raw_cert", Variable::Tls(TlsField::ClientRawCert), "The certificate in PEM."),
    ("ssl_client_s_dn", Variable::Tls(TlsField::ClientSDn), "Whose it is (RFC 2253)."),
    ("ssl_client_s_dn_legacy", Variable::Tls(TlsField::ClientSDnLegacy), "The same with slashes."),
    ("ssl_client_serial", Variable::Tls(TlsField::ClientSerial), "Its number."),
    ("ssl_client_v_end", Variable::Tls(TlsField::ClientVEnd), "When it ends."),
    ("ssl_client_v_remain", Variable::Tls(TlsField::ClientVRemain), "In how many days that is."),
    ("ssl_client_v_start", Variable::Tls(TlsField::ClientVStart), "When it begins."),
    ("ssl_client_verify", Variable::Tls(TlsField::ClientVerify), "`SUCCESS`, `FAILED:` with the reason, or `NONE`."),
    ("ssl_curve", Variable::Tls(TlsField::Curve), "The curve of the key exchange."),
    ("ssl_protocol", Variable::Tls(TlsField::Protocol), "`TLSv1.2` or `TLSv1.3`."),
    ("ssl_server_name", Variable::Tls(TlsField::ServerName), "The name that the client has asked for in its hello (SNI)."),
    ("ssl_session_reused", Variable::Tls(TlsField::SessionReused), "`r` if the TLS session is one of before, else `.`."),
    ("status", Variable::Status, "The status that the client was told; 499: it left before, 000: it was told none."),
    ("tcpinfo_rcv_space", Variable::TcpReceiveSpace, "The kernel's `tcpi_rcv_space` of the client's connection."),
    ("tcpinfo_rtt", Variable::TcpRtt, "The kernel's `tcpi_rtt`: the round trip, in microseconds."),
    ("tcpinfo_rttvar", Variable::TcpRttVar, "The kernel's `tcpi_rttvar`."),
    ("tcpinfo_snd_cwnd", Variable::TcpSendWindow, "The kernel's `tcpi_snd_cwnd`."),
    ("time_iso8601", Variable::TimeIso8601, "Now, as `2026-11-22T16:10:00+00:00`."),
    ("time_local", Variable::TimeLocal, "Now, as `22/Nov/2026:16:10:00 +0000`."),
    ("uid_got", Variable::Placed(PlacedField::UidGot), "The cookie of `userid` as it came."),
    ("uid_set", Variable::Placed(PlacedField::UidSet), "The one that was given."),
    ("upstream_addr", Variable::UpstreamAddr, "The servers that were asked, with commas between, and a colon where an internal redirect lies between."),
    ("upstream_bytes_received", Variable::UpstreamBytesReceived, "Bytes that came from each."),
    ("upstream_bytes_sent", Variable::UpstreamBytesSent, "Bytes that went to each."),
    ("upstream_cache_status", Variable::UpstreamCacheStatus, "What the cache was to the request: `HIT`, `MISS`, `EXPIRED`, `STALE`, `UPDATING`, `REVALIDATED`, `BYPASS`."),
    ("upstream_connect_time", Variable::UpstreamConnectTime, "How long each took to be connected to, in seconds; `-` if that came to nothing."),
    ("upstream_header_time", Variable::UpstreamHeaderTime, "Until the head of its answer was there."),
    ("upstream_response_length", Variable::UpstreamResponseLength, "Bytes of the body that each has sent."),
    ("upstream_response_time", Variable::UpstreamResponseTime, "Until its answer was whole."),
    ("upstream_status", Variable::UpstreamStatus, "What each has answered; 502 or 504 if it has not."),
    ("uri", Variable::Uri, "The path, decoded and normalized, as rewrites and internal redirects leave it."),
];

/// Names that mean this unless the configuration gives them a meaning of its own: they are edge's, and older configurations may
/// well have variables that they call so.
#[rustfmt::skip]
const YIELDING: &[Named] = &[
    ("span_id", Variable::SpanId, "The request's own span, 16 hexadecimal digits, where there is a `trace`."),
    ("trace_id", Variable::TraceId, "The trace that the request is part of, 32 hexadecimal digits, where there is a `trace`; whether or not it is sampled."),
];

/// The beginning of names, what is made of the rest, and that in a sentence.
type Family = (&'static str, fn(String) -> Variable, &'static str);

/// Beginnings of names; the rest is the name of a field, cookie or argument.
#[rustfmt::skip]
const FAMILIES: &[Family] = &[
    ("upstream_http_", Variable::UpstreamHeader, "A field of the last server's answer, as `$upstream_http_x_cache`."),
    ("upstream_cookie_", Variable::UpstreamCookie, "A cookie that it has set."),
    ("sent_http_", Variable::SentHeader, "A field of the answer as the client got it, as `$sent_http_content_type`."),
    ("sent_trailer_", Variable::SentTrailer, "A field behind the body of the answer."),
    ("http_", Variable::RequestHeader, "A field of the request, as `$http_user_agent`; several of a name with commas between."),
    ("cookie_", Variable::Cookie, "A cookie of the request. The ids of sessions are hidden in logs."),
    ("arg_", Variable::Arg, "An argument of the address, as it stands there."),
];

/// The names that a configuration itself defines, each with a slot in [`super::defined::Definitions`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Defined(Vec<String>);

impl Defined {
    /// The slot of a name; a new one if the name is new.
    pub fn slot(&mut self, name: &str) -> usize {
        self.find(name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        })
    }

    pub fn find(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|n| n == name)
    }

    pub fn name(&self, slot: usize) -> Option<&str> {
        self.0.get(slot).map(String::as_str)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Variable {
    /// Whether it says nothing but digits and marks that no log escapes.
    pub(super) fn is_plain(&self) -> bool {
        use Variable::*;
        matches!(
            self,
            BodyBytesSent
                | BytesSent
                | Connection
                | ConnectionRequests
                | ConnectionTime
                | Msec
                | Pid
                | RemoteAddr
                | RemotePort
                | RequestId
                | RequestLength
                | RequestTime
                | ServerAddr
                | ServerPort
                | SpanId
                | Status
                | TimeIso8601
                | TimeLocal
                | TraceId
                | UpstreamBytesReceived
                | UpstreamBytesSent
                | UpstreamConnectTime
                | UpstreamHeaderTime
                | UpstreamResponseLength
                | UpstreamResponseTime
                | UpstreamStatus
        )
    }

    /// What a name means; names are not sensitive to case, as in nginx.
    pub fn find(name: &str, defined: &Defined) -> Option<Variable> {
        let name = name.to_ascii_lowercase();
        if let Ok(at) = FIXED.binary_search_by(|(n, ..)| (*n).cmp(&name)) {
            return Some(FIXED[at].1.clone());
        }
        if let Some(slot) = defined.find(&name) {
            return Some(Variable::Defined(slot));
        }
        if let Some((_, variable, _)) = YIELDING.iter().find(|(n, ..)| *n == name) {
            return Some(variable.clone());
        }
        FAMILIES.iter().find_map(|(prefix, make, _)| {
            let rest = name.strip_prefix(prefix)?;
            (!rest.is_empty()).then(|| make(rest.to_owned()))
        })
    }

    /// What a name means if the configuration defines nothing of this name; names with a meaning of their own cannot be
    /// defined at all.
    pub fn find_family(name: &str) -> Option<Variable> {
        Variable::find(name, &Defined::default())
    }

    /// Whether nginx gives the name its own meaning, so that no configuration can.
    pub fn is_own(name: &str) -> bool {
        /// Fields that nginx knows by name, unlike the rest of their families.
        const FIELDS: &[&str] = &[
            "http_cookie",
            "http_host",
            "http_referer",
            "http_user_agent",
            "http_via",
            "http_x_forwarded_for",
            "sent_http_cache_control",
            "sent_http_connection",
            "sent_http_content_length",
            "sent_http_content_type",
            "sent_http_keep_alive",
            "sent_http_last_modified",
            "sent_http_link",
            "sent_http_location",
            "sent_http_transfer_encoding",
        ];
        let name = name.to_ascii_lowercase();
        FIELDS.contains(&&*name) || FIXED.binary_search_by(|(n, ..)| (*n).cmp(&name)).is_ok()
    }

    /// Whether a name has a meaning of edge's own that a configuration's takes the place of.
    pub fn yields(name: &str) -> bool {
        YIELDING.iter().any(|(n, ..)| n.eq_ignore_ascii_case(name))
    }

    /// The names that mean something in any configuration, for "did you mean".
    pub fn names() -> impl Iterator<Item = &'static str> {
        FIXED.iter().chain(YIELDING).map(|(name, ..)| *name)
    }

    /// The same with what they mean, then the beginnings of names, for whoever documents them.
    pub fn documented() -> impl Iterator<Item = (String, &'static str)> {
        let mut named: Vec<&Named> = FIXED.iter().chain(YIELDING).collect();
        named.sort_by_key(|(name, ..)| *name);
        let families = FAMILIES.iter().map(|(prefix, _, what)| (format!("{prefix}NAME"), *what));
        named.into_iter().map(|(name, _, what)| ((*name).to_owned(), *what)).chain(families)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_as_its_search_needs() {
        assert!(FIXED.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn what_a_configuration_calls_trace_id_is_its_own() {
        let mut defined = Defined::default();
        assert_eq!(Variable::find("trace_id", &defined), Some(Variable::TraceId));
        let slot = defined.slot("trace_id");
        assert_eq!(Variable::find("trace_id", &defined), Some(Variable::Defined(slot)));
        assert!(!Variable::is_own("trace_id") && Variable::is_own("request_id"));
        assert!(Variable::yields("trace_id") && !Variable::yields("request_id"));
    }

    #[test]
    fn every_name_is_told_in_a_sentence() {
        for (name, what) in Variable::documented() {
            assert!(what.ends_with(['.', '…']) && !what.contains(['\n', '|']), "{name}");
        }
    }

    #[test]
    fn a_name_means_a_fixed_variable_a_family_or_what_the_configuration_defines() {
        let mut defined = Defined::default();
        let slot = defined.slot("site");
        assert_eq!(Variable::find("URI", &defined), Some(Variable::Uri));
        assert_eq!(Variable::find("site", &defined), Some(Variable::Defined(slot)));
        assert_eq!(Variable::find("http_user_agent", &defined), Some(Variable::RequestHeader("user_agent".into())));
        assert_eq!(Variable::find("cookie_A_b", &defined), Some(Variable::Cookie("a_b".into())));
        assert_eq!(Variable::find("http_", &defined), None);
        assert_eq!(Variable::find("nonsense", &defined), None);
    }
}
