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
    Status,
    TcpRtt,
    TcpRttVar,
    TcpSendWindow,
    TcpReceiveSpace,
    TimeIso8601,
    TimeLocal,
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

/// Names with a meaning of their own. Sorted, for the search.
const FIXED: &[(&str, Variable)] = &[
    ("ancient_browser", Variable::Placed(PlacedField::AncientBrowser)),
    ("args", Variable::Args),
    ("binary_remote_addr", Variable::BinaryRemoteAddr),
    ("body_bytes_sent", Variable::BodyBytesSent),
    ("bytes_sent", Variable::BytesSent),
    ("connection", Variable::Connection),
    ("connection_requests", Variable::ConnectionRequests),
    ("connection_time", Variable::ConnectionTime),
    ("connections_active", Variable::ConnectionsActive),
    ("connections_reading", Variable::ConnectionsReading),
    ("connections_waiting", Variable::ConnectionsWaiting),
    ("connections_writing", Variable::ConnectionsWriting),
    ("content_length", Variable::ContentLength),
    ("content_type", Variable::ContentType),
    ("document_root", Variable::DocumentRoot),
    ("document_uri", Variable::Uri),
    ("host", Variable::Host),
    ("hostname", Variable::Hostname),
    ("http2", Variable::Http2),
    ("https", Variable::Https),
    ("invalid_referer", Variable::Placed(PlacedField::InvalidReferer)),
    ("is_args", Variable::IsArgs),
    ("is_request_port", Variable::IsRequestPort),
    ("limit_conn_status", Variable::LimitConnStatus),
    ("limit_rate", Variable::LimitRate),
    ("limit_req_status", Variable::LimitReqStatus),
    ("modern_browser", Variable::Placed(PlacedField::ModernBrowser)),
    ("msec", Variable::Msec),
    ("msie", Variable::Placed(PlacedField::Msie)),
    ("nginx_version", Variable::NginxVersion),
    ("pid", Variable::Pid),
    ("pipe", Variable::Pipe),
    ("proxy_add_x_forwarded_for", Variable::ProxyAddXForwardedFor),
    ("proxy_host", Variable::ProxyHost),
    ("proxy_port", Variable::ProxyPort),
    ("proxy_protocol_addr", Variable::ProxyProtocolAddr),
    ("proxy_protocol_port", Variable::ProxyProtocolPort),
    ("proxy_protocol_server_addr", Variable::ProxyProtocolServerAddr),
    ("proxy_protocol_server_port", Variable::ProxyProtocolServerPort),
    ("query_string", Variable::Args),
    ("realip_remote_addr", Variable::RealipRemoteAddr),
    ("realip_remote_port", Variable::RealipRemotePort),
    ("realpath_root", Variable::RealpathRoot),
    ("remote_addr", Variable::RemoteAddr),
    ("remote_port", Variable::RemotePort),
    ("remote_user", Variable::RemoteUser),
    ("request", Variable::Request),
    ("request_body", Variable::RequestBody),
    ("request_body_file", Variable::RequestBodyFile),
    ("request_completion", Variable::RequestCompletion),
    ("request_filename", Variable::RequestFilename),
    ("request_id", Variable::RequestId),
    ("request_length", Variable::RequestLength),
    ("request_method", Variable::RequestMethod),
    ("request_port", Variable::RequestPort),
    ("request_time", Variable::RequestTime),
    ("request_uri", Variable::RequestUri),
    ("rules_fired", Variable::RulesFired),
    ("rules_log", Variable::RulesLog),
    ("scheme", Variable::Scheme),
    ("secure_link", Variable::Placed(PlacedField::SecureLink)),
    ("secure_link_expires", Variable::Placed(PlacedField::SecureLinkExpires)),
    ("server_addr", Variable::ServerAddr),
    ("server_name", Variable::ServerName),
    ("server_port", Variable::ServerPort),
    ("server_protocol", Variable::ServerProtocol),
    ("session_age", Variable::Session(SessionField::Age)),
    ("session_id", Variable::Session(SessionField::Id)),
    ("session_idle", Variable::Session(SessionField::Idle)),
    ("session_node", Variable::Session(SessionField::Node)),
    ("session_route", Variable::Session(SessionField::Route)),
    ("session_state", Variable::Session(SessionField::State)),
    ("session_user", Variable::Session(SessionField::User)),
    ("slice_range", Variable::SliceRange),
    ("ssl_alpn_protocol", Variable::Tls(TlsField::AlpnProtocol)),
    ("ssl_cipher", Variable::Tls(TlsField::Cipher)),
    ("ssl_client_cert", Variable::Tls(TlsField::ClientCert)),
    ("ssl_client_escaped_cert", Variable::Tls(TlsField::ClientEscapedCert)),
    ("ssl_client_fingerprint", Variable::Tls(TlsField::ClientFingerprint)),
    ("ssl_client_i_dn", Variable::Tls(TlsField::ClientIDn)),
    ("ssl_client_i_dn_legacy", Variable::Tls(TlsField::ClientIDnLegacy)),
    ("ssl_client_raw_cert", Variable::Tls(TlsField::ClientRawCert)),
    ("ssl_client_s_dn", Variable::Tls(TlsField::ClientSDn)),
    ("ssl_client_s_dn_legacy", Variable::Tls(TlsField::ClientSDnLegacy)),
    ("ssl_client_serial", Variable::Tls(TlsField::ClientSerial)),
    ("ssl_client_v_end", Variable::Tls(TlsField::ClientVEnd)),
    ("ssl_client_v_remain", Variable::Tls(TlsField::ClientVRemain)),
    ("ssl_client_v_start", Variable::Tls(TlsField::ClientVStart)),
    ("ssl_client_verify", Variable::Tls(TlsField::ClientVerify)),
    ("ssl_curve", Variable::Tls(TlsField::Curve)),
    ("ssl_protocol", Variable::Tls(TlsField::Protocol)),
    ("ssl_server_name", Variable::Tls(TlsField::ServerName)),
    ("ssl_session_reused", Variable::Tls(TlsField::SessionReused)),
    ("status", Variable::Status),
    ("tcpinfo_rcv_space", Variable::TcpReceiveSpace),
    ("tcpinfo_rtt", Variable::TcpRtt),
    ("tcpinfo_rttvar", Variable::TcpRttVar),
    ("tcpinfo_snd_cwnd", Variable::TcpSendWindow),
    ("time_iso8601", Variable::TimeIso8601),
    ("time_local", Variable::TimeLocal),
    ("uid_got", Variable::Placed(PlacedField::UidGot)),
    ("uid_set", Variable::Placed(PlacedField::UidSet)),
    ("upstream_addr", Variable::UpstreamAddr),
    ("upstream_bytes_received", Variable::UpstreamBytesReceived),
    ("upstream_bytes_sent", Variable::UpstreamBytesSent),
    ("upstream_cache_status", Variable::UpstreamCacheStatus),
    ("upstream_connect_time", Variable::UpstreamConnectTime),
    ("upstream_header_time", Variable::UpstreamHeaderTime),
    ("upstream_response_length", Variable::UpstreamResponseLength),
    ("upstream_response_time", Variable::UpstreamResponseTime),
    ("upstream_status", Variable::UpstreamStatus),
    ("uri", Variable::Uri),
];

/// The beginning of names, and what is made of the rest.
type Family = (&'static str, fn(String) -> Variable);

/// Beginnings of names; the rest is the name of a field, cookie or argument.
const FAMILIES: &[Family] = &[
    ("upstream_http_", Variable::UpstreamHeader),
    ("upstream_cookie_", Variable::UpstreamCookie),
    ("sent_http_", Variable::SentHeader),
    ("sent_trailer_", Variable::SentTrailer),
    ("http_", Variable::RequestHeader),
    ("cookie_", Variable::Cookie),
    ("arg_", Variable::Arg),
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
                | Status
                | TimeIso8601
                | TimeLocal
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
        if let Ok(at) = FIXED.binary_search_by(|(n, _)| (*n).cmp(&name)) {
            return Some(FIXED[at].1.clone());
        }
        if let Some(slot) = defined.find(&name) {
            return Some(Variable::Defined(slot));
        }
        FAMILIES.iter().find_map(|(prefix, make)| {
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
        FIELDS.contains(&&*name) || FIXED.binary_search_by(|(n, _)| (*n).cmp(&name)).is_ok()
    }

    /// The fixed names, for "did you mean" and the reference.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FIXED.iter().map(|(name, _)| *name)
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
