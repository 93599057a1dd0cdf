//! The value of each variable.

use super::names::Variable;
use super::session::SessionField;
use super::tls::TlsField;
use super::{Exchange, Try, clock, counts};
use crate::http::escape::{self, LogEscape};
use crate::http::{Framing, Version};
use http::HeaderMap;
use pingora_core::protocols::l4::ext::TCP_INFO;
use std::borrow::Cow;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Appends the value; false where nginx says "not found", which logs print as `-`.
pub fn value(variable: &Variable, x: &Exchange, out: &mut Vec<u8>) -> bool {
    use Variable::*;
    match variable {
        Args => optional(x.args.as_deref().filter(|args| !args.is_empty()), out),
        BinaryRemoteAddr => binary(x.peer.remote.ip(), out),
        BodyBytesSent => number(x.answer.body_bytes, out),
        BytesSent => number(x.answer.bytes, out),
        Connection => number(x.peer.serial, out),
        ConnectionRequests => number(x.peer.requests.into(), out),
        ConnectionTime => seconds(x.peer.accepted.elapsed().unwrap_or_default(), out),
        ConnectionsActive => number(counts::read().active, out),
        ConnectionsReading => number(counts::read().reading, out),
        ConnectionsWaiting => number(counts::read().waiting, out),
        ConnectionsWriting => number(counts::read().writing, out),
        // A body in chunks that was read whole has a length by now.
        ContentLength if x.head.framing == Framing::Chunked && x.body_length > 0 => number(x.body_length, out),
        ContentLength => field(x, "content_length", out),
        ContentType => field(x, "content_type", out),
        DocumentRoot => optional(x.roots.as_deref().map(|roots| roots.directory(x)).as_deref(), out),
        Host => bytes(&x.host, out),
        Hostname => bytes(hostname().as_bytes(), out),
        Http2 => bytes(http2(x), out),
        Https => bytes(if x.peer.tls { b"on" } else { b"" }, out),
        IsArgs => bytes(if x.args.as_ref().is_some_and(|a| !a.is_empty()) { b"?" } else { b"" }, out),
        LimitConnStatus => optional(x.limit_conn_status.map(str::as_bytes), out),
        LimitRate => number(x.limit_rate, out),
        LimitReqStatus => optional(x.limit_req_status.map(str::as_bytes), out),
        Msec => seconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(), out),
        NginxVersion => bytes(env!("CARGO_PKG_VERSION").as_bytes(), out),
        Pid => number(std::process::id().into(), out),
        Pipe => bytes(b".", out),
        ProxyAddXForwardedFor => forwarded_for(x, out),
        ProxyHost => not_empty(&x.proxy_host, out),
        ProxyPort => not_empty(&x.proxy_port, out),
        ProxyProtocolAddr => address(x.peer.announced, out),
        ProxyProtocolPort => port(x.peer.announced, out),
        ProxyProtocolServerAddr => address(x.peer.announced_server, out),
        ProxyProtocolServerPort => port(x.peer.announced_server, out),
        RealpathRoot => realpath_root(x, out),
        RemoteAddr => ip(x.peer.remote.ip().to_canonical(), out),
        RealipRemoteAddr => match x.peer.connected.unwrap_or(x.peer.remote) {
            address if address.port() == 0 && address.ip().is_unspecified() => bytes(b"unix:", out),
            address => ip(address.ip().to_canonical(), out),
        },
        RealipRemotePort => port_or_nothing(x.peer.connected.unwrap_or(x.peer.remote).port(), out),
        RemotePort => port_or_nothing(x.peer.remote.port(), out),
        RemoteUser => remote_user(x, out),
        Request => bytes(&x.head.line, out),
        RequestBody => optional(x.body.as_deref(), out),
        RequestBodyFile => optional(x.body_file.as_deref(), out),
        RequestCompletion => bytes(if x.completed { b"OK" } else { b"" }, out),
        RequestFilename => optional(x.roots.as_deref().map(|roots| roots.file(x)).as_deref(), out),
        RequestId => request_id(x, out),
        RequestLength => number(x.request_length(), out),
        RequestPort => bytes(request_port(x), out),
        IsRequestPort => bytes(if request_port(x).is_empty() { b"" } else { b":" }, out),
        RequestMethod => bytes(x.asked_method.as_ref().unwrap_or(&x.method).as_str().as_bytes(), out),
        RequestTime => seconds(x.started.elapsed(), out),
        RequestUri => bytes(&x.request_uri, out),
        RulesFired => told_by_rules(x, super::Rules::write_fired, out),
        RulesLog => told_by_rules(x, super::Rules::write_log, out),
        Scheme => bytes(x.scheme().as_bytes(), out),
        ServerAddr => ip(x.peer.local.ip().to_canonical(), out),
        ServerName => bytes(x.server_name.as_bytes(), out),
        ServerPort => number(x.peer.local.port().into(), out),
        ServerProtocol => bytes(x.head.version.as_str().as_bytes(), out),
        SliceRange => optional(x.slice_range.as_deref().map(str::as_bytes), out),
        Status => status(x.answer.status, out),
        TcpRtt => tcp(x, |tcp| tcp.tcpi_rtt, out),
        TcpRttVar => tcp(x, |tcp| tcp.tcpi_rttvar, out),
        TcpSendWindow => tcp(x, |tcp| tcp.tcpi_snd_cwnd, out),
        TcpReceiveSpace => tcp(x, |tcp| tcp.tcpi_rcv_space, out),
        TimeIso8601 => time(clock::write_iso8601, out),
        TimeLocal => time(clock::write_local, out),
        UpstreamAddr => tries(x, out, |t, out| bytes(t.address.as_bytes(), out)),
        UpstreamBytesReceived => tries(x, out, |t, out| number(t.bytes_received, out)),
        UpstreamBytesSent => tries(x, out, |t, out| number(t.bytes_sent, out)),
        UpstreamCacheStatus => optional(x.cache_status.map(str::as_bytes), out),
        UpstreamConnectTime => tries(x, out, |t, out| time_or_dash(t.connect_time, out)),
        UpstreamHeaderTime => tries(x, out, |t, out| time_or_dash(t.header_time, out)),
        UpstreamResponseLength => tries(x, out, |t, out| number(t.response_length, out)),
        UpstreamResponseTime => tries(x, out, |t, out| time_or_dash(t.response_time, out)),
        UpstreamStatus => {
            tries(x, out, |t, out| if t.status == 0 { bytes(b"-", out) } else { number(t.status.into(), out) })
        }
        Uri => bytes(&x.path, out),
        TraceId => x.trace.is_some_and(|trace| hex(&trace.id, out)),
        SpanId => x.trace.is_some_and(|trace| hex(&trace.span, out)),
        Session(asked) => session(*asked, x, out),
        Placed(asked) => x.place.as_ref().is_some_and(|place| place.value(*asked, x, out)),
        Tls(asked) => tls(*asked, x, out),
        RequestHeader(name) => field(x, name, out),
        SentHeader(name) => header(x.answer.sent.as_deref().map(|head| &head.headers), name, out),
        SentTrailer(name) => header(x.answer.trailers.as_deref(), name, out),
        UpstreamHeader(name) => header(x.answer.upstream.as_deref().map(|head| &head.headers), name, out),
        UpstreamCookie(name) => upstream_cookie(x, name, out),
        Cookie(name) => optional(x.cookie(name), out),
        Arg(name) => optional(x.argument(name), out),
        Defined(slot) => x.defined.write(*slot, x, out),
    }
}

fn bytes(value: &[u8], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(value);
    true
}

fn hex(value: &[u8], out: &mut Vec<u8>) -> bool {
    super::trace::write_hex(value, out);
    true
}

fn not_empty(value: &[u8], out: &mut Vec<u8>) -> bool {
    !value.is_empty() && bytes(value, out)
}

fn optional(value: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
    value.is_some_and(|v| bytes(v, out))
}

/// What most lines of a log hold is printed without the machinery of formatting.
fn number(mut value: u64, out: &mut Vec<u8>) -> bool {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return bytes(&digits[at..], out);
        }
    }
}

/// Digits, appended.
pub fn write_number(value: u64, out: &mut Vec<u8>) {
    number(value, out);
}

fn ip(address: IpAddr, out: &mut Vec<u8>) -> bool {
    let IpAddr::V4(v4) = address else {
        return write!(out, "{address}").is_ok();
    };
    let (mut text, mut length) = ([b'.'; 16], 0);
    for octet in v4.octets() {
        for (least, unit) in [(100, 100), (10, 10), (0, 1)] {
            if octet >= least {
                text[length] = b'0' + octet / unit % 10;
                length += 1;
            }
        }
        // The dot is there already.
        length += 1;
    }
    bytes(&text[..length - 1], out)
}

fn time(write: fn(SystemTime, &mut Vec<u8>), out: &mut Vec<u8>) -> bool {
    write(SystemTime::now(), out);
    true
}

fn status(status: u16, out: &mut Vec<u8>) -> bool {
    // As many digits as nginx prints.
    (2..=3).rev().filter(|digits| u32::from(status) < 10_u32.pow(*digits - 1)).for_each(|_| out.push(b'0'));
    number(status.into(), out)
}

/// Seconds with milliseconds, as nginx prints times.
fn seconds(time: Duration, out: &mut Vec<u8>) -> bool {
    number(time.as_secs(), out);
    let millis = time.subsec_millis();
    out.extend_from_slice(&[b'.', digit(millis / 100), digit(millis / 10), digit(millis)]);
    true
}

/// The last one of a number.
fn digit(of: u32) -> u8 {
    b'0' + (of % 10) as u8
}

/// The directory without links. That is looked up on the disk when somebody asks, as in nginx: only directories that the
/// configuration names, which the kernel has in memory.
fn realpath_root(x: &Exchange, out: &mut Vec<u8>) -> bool {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let Some(roots) = x.roots.as_deref() else { return false };
    let directory = roots.directory(x);
    match std::fs::canonicalize(std::ffi::OsStr::from_bytes(&directory)) {
        Ok(path) => bytes(&path.into_os_string().into_vec(), out),
        Err(e) => {
            let directory = String::from_utf8_lossy(&directory);
            log::error!(target: "edge::crit", "*{} realpath() \"{directory}\" failed: {e}", x.peer.serial);
            false
        }
    }
}

/// `$http2`: how HTTP/2 was agreed on.
fn http2(x: &Exchange) -> &'static [u8] {
    match (x.head.version, x.peer.tls) {
        (Version::Http2, true) => b"h2",
        (Version::Http2, false) => b"h2c",
        _ => b"",
    }
}

fn session(asked: SessionField, x: &Exchange, out: &mut Vec<u8>) -> bool {
    let Some(session) = x.session.as_deref() else { return false };
    let text = |text: Option<&str>, out: &mut _| optional(text.map(str::as_bytes), out);
    let stored = session.stored.as_ref();
    match asked {
        SessionField::Age => stored.is_some_and(|stored| seconds(stored.age, out)),
        SessionField::Idle => stored.is_some_and(|stored| seconds(stored.idle, out)),
        SessionField::User => text(stored.and_then(|stored| stored.user.as_deref()), out),
        SessionField::Id => text(session.id.as_deref(), out),
        SessionField::Node => text(session.node.as_deref(), out),
        SessionField::Route => text(session.route.as_deref(), out),
        SessionField::State => text(session.state, out),
    }
}

fn tls(asked: TlsField, x: &Exchange, out: &mut Vec<u8>) -> bool {
    let value = x.peer.session.as_deref().and_then(|session| asked.of(session));
    optional(value.as_deref().map(str::as_bytes), out)
}

fn address(of: Option<SocketAddr>, out: &mut Vec<u8>) -> bool {
    of.is_some_and(|address| ip(address.ip(), out))
}

fn port(of: Option<SocketAddr>, out: &mut Vec<u8>) -> bool {
    of.is_some_and(|address| number(address.port().into(), out))
}

/// A proxy need not say from which one its client came.
fn port_or_nothing(port: u16, out: &mut Vec<u8>) -> bool {
    port == 0 || number(port.into(), out)
}

fn time_or_dash(time: Option<Duration>, out: &mut Vec<u8>) -> bool {
    match time {
        Some(time) => seconds(time, out),
        None => bytes(b"-", out),
    }
}

fn binary(address: IpAddr, out: &mut Vec<u8>) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => bytes(&v4.octets(), out),
        IpAddr::V6(v6) => bytes(&v6.octets(), out),
    }
}

/// A field of the request. Several fields of a name are joined, as nginx ≥ 1.23 does; cookies with `; `.
fn field(x: &Exchange, name: &str, out: &mut Vec<u8>) -> bool {
    let separator: &[u8] = if name == "cookie" { b"; " } else { b", " };
    let fields = x.head.headers.iter().filter(|(field, _)| is_named(field, name));
    joined(fields.map(|(_, value)| &value[..]), separator, out)
}

/// Whether a variable's name means a field: `_` stands for `-` and for itself.
fn is_named(field: &[u8], name: &str) -> bool {
    let same = |(a, b): (&u8, u8)| a.eq_ignore_ascii_case(&b) || (*a == b'-' && b == b'_');
    field.len() == name.len() && field.iter().zip(name.bytes()).all(same)
}

fn joined<'v>(values: impl Iterator<Item = &'v [u8]>, separator: &[u8], out: &mut Vec<u8>) -> bool {
    let mut found = false;
    for value in values {
        if found {
            out.extend_from_slice(separator);
        }
        out.extend_from_slice(value);
        found = true;
    }
    found
}

fn header(fields: Option<&HeaderMap>, name: &str, out: &mut Vec<u8>) -> bool {
    let Some(fields) = fields else { return false };
    let fields = fields.iter().filter(|(field, _)| is_named(field.as_str().as_bytes(), name));
    joined(fields.map(|(_, value)| value.as_bytes()), b", ", out)
}

fn upstream_cookie(x: &Exchange, name: &str, out: &mut Vec<u8>) -> bool {
    let Some(head) = x.answer.upstream.as_deref() else {
        return false;
    };
    let found = head.headers.get_all("set-cookie").iter().find_map(|cookie| {
        let pair = cookie.as_bytes().split(|b| *b == b';').next()?;
        let at = pair.iter().position(|b| *b == b'=')?;
        pair[..at].trim_ascii().eq_ignore_ascii_case(name.as_bytes()).then_some(&pair[at + 1..])
    });
    optional(found, out)
}

/// The client's `X-Forwarded-For` with its address appended.
fn forwarded_for(x: &Exchange, out: &mut Vec<u8>) -> bool {
    if field(x, "x_forwarded_for", out) {
        out.extend_from_slice(b", ");
    }
    ip(x.peer.remote.ip().to_canonical(), out)
}

/// The user of `Authorization: Basic`.
fn remote_user(x: &Exchange, out: &mut Vec<u8>) -> bool {
    x.credentials().is_some_and(|(user, _)| bytes(&user, out))
}

/// One value for each server that was asked, as nginx joins them.
fn tries(x: &Exchange, out: &mut Vec<u8>, print: impl Fn(&Try, &mut Vec<u8>) -> bool) -> bool {
    for (i, try_) in x.tries.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(if try_.redirected { b" : " } else { b", " });
        }
        print(try_, out);
    }
    !x.tries.is_empty()
}

/// Nothing where no rule has anything to tell.
fn told_by_rules(x: &Exchange, write: fn(&super::Rules, &mut Vec<u8>), out: &mut Vec<u8>) -> bool {
    let before = out.len();
    x.rules.iter().for_each(|rules| write(rules, out));
    out.len() > before
}

/// The name of this machine.
pub fn hostname() -> &'static str {
    static NAME: once_cell::sync::Lazy<String> = once_cell::sync::Lazy::new(|| {
        std::fs::read_to_string("/proc/sys/kernel/hostname").map(|n| n.trim().to_lowercase()).unwrap_or_default()
    });
    &NAME
}

/// Of a request that came over no connection: of tests of rules, and of `edge explain`.
const MADE_UP: &[u8; 32] = b"0123456789abcdef0123456789abcdef";

/// 32 hexadecimal digits that differ for each request: the same each time they are printed for one.
pub fn request_id(x: &Exchange, out: &mut Vec<u8>) -> bool {
    if x.peer.serial == 0 {
        out.extend_from_slice(MADE_UP);
        return true;
    }
    use std::hash::{BuildHasher, RandomState};
    static KEYS: once_cell::sync::Lazy<(RandomState, RandomState)> = once_cell::sync::Lazy::new(Default::default);
    let what = (x.peer.serial, x.peer.requests, x.started_at);
    write!(out, "{:016x}{:016x}", KEYS.0.hash_one(what), KEYS.1.hash_one(what)).is_ok()
}

/// Makes what was appended from `from` on fit for a log; what was not `found` nginx calls so, too.
pub fn escape(how: LogEscape, found: bool, from: usize, out: &mut Vec<u8>) {
    if !found {
        out.truncate(from);
        if how == LogEscape::Default {
            out.push(b'-');
        }
        return;
    }
    let escaped = match escape::log(&out[from..], how) {
        Cow::Borrowed(_) => return,
        Cow::Owned(escaped) => escaped,
    };
    out.truncate(from);
    out.extend_from_slice(&escaped);
}

/// What the kernel knows of the client's connection.
fn tcp(x: &Exchange, field: fn(&TCP_INFO) -> u32, out: &mut Vec<u8>) -> bool {
    let info = x.peer.socket.as_ref().and_then(|socket| socket.tcp_info());
    info.is_some_and(|info| number(field(&info).into(), out))
}

/// The port that the client names, in the target or in `Host`.
fn request_port(x: &Exchange) -> &[u8] {
    let target = &x.head.target[..];
    let authority = match memchr::memmem::find(target, b"://").filter(|_| !target.starts_with(b"/")) {
        Some(at) => target[at + 3..].split(|b| matches!(b, b'/' | b'?' | b'#')).next().unwrap_or_default(),
        None => x.head.headers.get("host").unwrap_or_default(),
    };
    let port = authority.iter().rposition(|b| *b == b':').map_or(&b""[..], |at| &authority[at + 1..]);
    if port.iter().all(u8::is_ascii_digit) { port } else { b"" }
}

#[cfg(test)]
mod tests {
    use super::super::exchange::tests::exchange;
    use super::*;
    use bytes::Bytes;
    use std::sync::Arc;

    #[test]
    fn numbers_addresses_and_times_are_printed_as_formatting_prints_them() {
        let printed = |print: &dyn Fn(&mut Vec<u8>) -> bool| {
            let mut out = Vec::new();
            assert!(print(&mut out));
            String::from_utf8(out).unwrap()
        };
        for value in [0, 7, 10, 99, 100, 65_535, u64::MAX] {
            assert_eq!(printed(&|out| number(value, out)), value.to_string());
        }
        for value in [0, 9, 10, 99, 100, 999, 65_535] {
            assert_eq!(printed(&|out| status(value, out)), format!("{value:03}"));
        }
        for address in ["0.0.0.0", "192.168.10.255", "::1", "2001:db8::7"] {
            assert_eq!(printed(&|out| ip(address.parse().unwrap(), out)), address);
        }
        for millis in [0, 1, 45, 999, 1000, 61_020] {
            let expected = format!("{}.{:03}", millis / 1000, millis % 1000);
            assert_eq!(printed(&|out| seconds(Duration::from_millis(millis), out)), expected);
        }
    }

    #[test]
    fn http2_is_named_with_and_without_tls() {
        let named = |version, tls| {
            let mut x = exchange();
            x.head = std::sync::Arc::new(crate::http::Head { version, ..(*x.head).clone() });
            x.peer.tls = tls;
            let mut out = Vec::new();
            assert!(value(&Variable::Http2, &x, &mut out));
            String::from_utf8(out).unwrap()
        };
        assert_eq!(named(Version::Http2, true), "h2");
        assert_eq!(named(Version::Http2, false), "h2c");
        assert_eq!(named(Version::Http11, true), "");
    }

    #[test]
    fn the_port_that_a_client_names_is_known() {
        let named = |target: &'static str, host: Option<&'static str>| {
            let mut x = exchange();
            let headers = host.iter().map(|host| (Bytes::from_static(b"Host"), Bytes::from_static(host.as_bytes())));
            let target = Bytes::from_static(target.as_bytes());
            x.head = Arc::new(crate::http::Head { target, headers: headers.collect(), ..(*x.head).clone() });
            let mut out = Vec::new();
            value(&Variable::IsRequestPort, &x, &mut out);
            value(&Variable::RequestPort, &x, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(named("/", Some("a.test:8080")), ":8080");
        assert_eq!(named("/x://y:1/", Some("[::1]:81")), ":81");
        assert_eq!(named("http://a.test:82/?b:3", Some("a.test:1")), ":82");
        for host in [Some("a.test"), Some("[::1]"), Some("a:b"), None] {
            assert_eq!(named("/", host), "");
        }
    }

    #[test]
    fn the_user_of_basic_authorization_is_known() {
        for (value, expected) in [
            ("Basic YWxpY2U6c2VjcmV0", Some("alice")),
            ("basic YTpi", Some("a")),
            ("Basic YTo=", Some("a")),
            ("Basic YTo", Some("a")),
            ("Basic OnNlY3JldA==", None),
            ("Basic YWxpY2U=", None),
            ("Basic !!!", None),
            ("Bearer YWxpY2U6c2VjcmV0", None),
            ("Basic", None),
        ] {
            let mut x = exchange();
            let mut head = (*x.head).clone();
            head.headers.push(Bytes::from_static(b"Authorization"), Bytes::from_static(value.as_bytes()));
            x.head = Arc::new(head);
            let mut out = Vec::new();
            let found = super::value(&Variable::RemoteUser, &x, &mut out);
            assert_eq!(found.then(|| String::from_utf8_lossy(&out).into_owned()).as_deref(), expected, "{value}");
        }
    }
}
