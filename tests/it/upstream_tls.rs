//! TLS to upstreams: who is verified, by whom, under what name, and what is said when that fails.

use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::messages::Desk;
use crate::support::certificates::Authority;
use crate::support::client::{self, Client};
use crate::support::edge::Edge;
use crate::support::origin::Origin;
use crate::support::{ports, request};

/// An edge with these locations, each `match` with its keys, and files beside its configuration.
fn edge(top: &str, locations: &[(&str, String)], files: &[(&str, &str)]) -> Edge {
    let port = ports::free();
    let locations: String = locations
        .iter()
        .map(|(path, keys)| {
            let keys: String = keys.lines().map(|line| format!("        {}\n", line.trim())).collect();
            format!("      - match: {path}\n{keys}")
        })
        .collect();
    let text = format!("{top}server:\n  - listen: 127.0.0.1:{port}\n    location:\n{locations}");
    let plan = Edge::yaml(&text, port);
    files.iter().fold(plan, |plan, (name, content)| plan.with_file(name, *content)).start()
}

#[test]
fn without_verification_any_certificate_will_do_and_no_name_is_sent() {
    let origin = Origin::tls(&Authority::new("anybody").server(&["elsewhere.example"]));
    let pass = format!("proxy_pass: https://{}", origin.address());
    let edge = edge("", &[("/", pass)], &[]);
    let answer = client::get(edge.address(), "/x");
    assert_eq!(answer.text(), format!("h1 {} sni=- certified=false", origin.address()));
    assert!(edge.wait_error("certificate is not checked"), "{}", edge.errors());
}

#[test]
fn a_certificate_of_the_trusted_authority_for_the_right_name_is_taken() {
    let authority = Authority::new("ours");
    let origin = Origin::tls(&authority.server(&["app.example"]));
    let pass = format!(
        "proxy_pass: https://{}\nproxy_ssl_verify: on\nproxy_ssl_trusted_certificate: ca.pem\nproxy_ssl_name: app.example",
        origin.address()
    );
    let edge = edge("", &[("/", pass)], &[("ca.pem", &authority.pem())]);
    let mut client = Client::connect(edge.address());
    for _ in 0..3 {
        let answer = client.ask(&request::post("/x", "body")).unwrap();
        assert_eq!(answer.text(), format!("h1 {} sni=app.example certified=false", origin.address()));
    }
    assert_eq!(origin.connections(), 1, "connections are kept");
    assert_eq!(origin.last().body_length, 4);
}

#[test]
fn a_certificate_that_is_no_good_is_502_in_nginx_words() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let cases = [
        (
            theirs.server(&["app.example"]),
            "upstream SSL certificate verify error: (20:unable to get local issuer certificate)",
        ),
        (ours.server(&["other.example"]), "upstream SSL certificate does not match \"app.example\""),
        (ours.expired_server(&["app.example"]), "upstream SSL certificate verify error: (10:certificate has expired)"),
    ];
    for (identity, words) in cases {
        let origin = Origin::tls(&identity);
        let pass = format!(
            "proxy_pass: https://{}\nproxy_ssl_verify: on\nproxy_ssl_trusted_certificate: ca.pem\nproxy_ssl_name: app.example",
            origin.address()
        );
        let edge = edge("", &[("/", pass)], &[("ca.pem", &ours.pem())]);
        assert_eq!(client::get(edge.address(), "/").status(), 502, "{words}");
        assert!(edge.wait_error(&format!("{words} while SSL handshaking to upstream")), "{}", edge.errors());
        assert!(edge.wait_error(&format!("upstream: \"https://{}/\"", origin.address())), "{}", edge.errors());
        assert!(origin.calls().is_empty());
    }
}

/// What people do without an authority: the server's own certificate is the one that is trusted.
#[test]
fn a_certificate_that_vouches_for_itself_is_trusted_unless_it_is_an_authoritys() {
    let authority = Authority::new("nobody");
    for (is_ca, status) in [(false, 200), (true, 502)] {
        let identity = authority.self_signed("app.example", is_ca);
        let origin = Origin::tls(&identity);
        let pass = format!(
            "proxy_pass: https://{}\nproxy_ssl_verify: on\nproxy_ssl_trusted_certificate: own.pem\nproxy_ssl_name: app.example",
            origin.address()
        );
        let edge = edge("", &[("/", pass)], &[("own.pem", &identity.certificate_pem())]);
        assert_eq!(client::get(edge.address(), "/").status(), status, "{}", edge.errors());
        let words = "(18:self-signed certificate, with CA:TRUE, which edge takes from no server) while SSL handshaking";
        assert_eq!(is_ca, is_ca && edge.wait_error(words), "{}", edge.errors());
    }
}

#[test]
fn after_a_failed_handshake_the_next_server_is_asked_whatever_the_method() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let (good, bad) = (Origin::tls(&ours.server(&["app"])), Origin::tls(&theirs.server(&["app"])));
    let top = format!("upstream:\n  app:\n    servers: ['{}', '{}']\n", bad.address(), good.address());
    let pass = "proxy_pass: https://app\nproxy_ssl_verify: on\nproxy_ssl_trusted_certificate: ca.pem";
    let edge = edge(&top, &[("/", pass.into())], &[("ca.pem", &ours.pem())]);
    for _ in 0..4 {
        assert_eq!(request::post("/", "once").send(edge.address()).status(), 200);
    }
    assert_eq!((good.calls().len(), bad.calls().len()), (4, 0));
    assert_eq!(good.last().authority, "app");
}

#[test]
fn the_name_is_sent_where_it_is_asked_for() {
    let origin = Origin::tls(&Authority::new("a").server(&["a"]));
    let to = format!("proxy_pass: https://{}\n", origin.address());
    let edge = edge(
        "",
        &[
            ("/on", format!("{to}proxy_ssl_server_name: on\nproxy_ssl_name: $arg_name.example")),
            ("/off", format!("{to}proxy_ssl_name: app.example")),
        ],
        &[],
    );
    let sni = |path: &str| {
        client::get(edge.address(), path);
        origin.last().sni
    };
    assert_eq!(sni("/on?name=one"), Some("one.example".into()));
    assert_eq!(sni("/on?name=two"), Some("two.example".into()));
    assert_eq!(sni("/off"), None);
    assert_eq!(origin.connections(), 3, "each name has connections of its own");
}

#[test]
fn a_certificate_is_shown_where_it_is_configured_and_nowhere_else() {
    let authority = Authority::new("clients");
    let own = authority.client("edge");
    let origin = Origin::mutual(&Authority::new("servers").server(&["app"]), &authority);
    let to = format!("proxy_pass: https://{}\n", origin.address());
    let shown = format!("{to}proxy_ssl_certificate: edge.pem\nproxy_ssl_certificate_key: edge.key");
    let edge = edge(
        "",
        &[("/shown", shown), ("/", to)],
        &[("edge.pem", &own.certificate_pem()), ("edge.key", &own.key_pem())],
    );
    let mut client = Client::connect(edge.address());
    for path in ["/shown", "/", "/shown", "/", "/shown"] {
        let answer = client.ask(&request::get(path)).unwrap();
        assert!(answer.text().ends_with(&format!("certified={}", path == "/shown")), "{path}: {}", answer.text());
    }
    assert_eq!(origin.connections(), 2, "one connection for each");
}

#[test]
fn no_connection_serves_a_location_that_would_not_have_made_it() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let origin = Origin::tls(&ours.server(&["app"]));
    let to = format!("proxy_pass: https://{}\nproxy_ssl_name: app\n", origin.address());
    let trusting = |file: &str| format!("{to}proxy_ssl_verify: on\nproxy_ssl_trusted_certificate: {file}");
    let edge = edge(
        "",
        &[
            ("/ours", trusting("ours.pem")),
            ("/theirs", trusting("theirs.pem")),
            ("/anybody", format!("{to}proxy_ssl_server_name: on")),
        ],
        &[("ours.pem", &ours.pem()), ("theirs.pem", &theirs.pem())],
    );
    for (path, status) in [("/anybody", 200), ("/theirs", 502), ("/ours", 200), ("/theirs", 502), ("/ours", 200)] {
        assert_eq!(client::get(edge.address(), path).status(), status, "{path}");
    }
    assert_eq!(origin.connections(), 2, "one that was verified, one that was not");
}

#[test]
fn a_handshake_that_does_not_come_is_504_and_one_that_is_none_502() {
    let silent = TcpListener::bind(ports::local(0)).unwrap();
    let plain = TcpListener::bind(ports::local(0)).unwrap();
    let plain_at = plain.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = plain.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 This is not TLS\r\n\r\n").unwrap();
    });
    let to = |address| format!("proxy_pass: https://{address}\nproxy_connect_timeout: 400ms");
    let edge = edge("", &[("/silent", to(silent.local_addr().unwrap())), ("/plain", to(plain_at))], &[]);
    let start = Instant::now();
    assert_eq!(client::get(edge.address(), "/silent").status(), 504);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(350) && took < Duration::from_secs(3), "{took:?}");
    let words = "upstream timed out (110: Connection timed out) while SSL handshaking to upstream";
    assert!(edge.wait_error(words), "{}", edge.errors());
    assert_eq!(client::get(edge.address(), "/plain").status(), 502);
    assert!(edge.wait_error("SSL_do_handshake() failed (SSL: "), "{}", edge.errors());
}

#[test]
fn host_port_and_redirects_are_those_of_https() {
    let origin = Origin::tls(&Authority::new("a").server(&["a"]));
    let port = origin.address().port();
    let keys = format!(
        "proxy_pass: https://127.0.0.1:{port}/app/\nproxy_set_header: {{ X-Port: $proxy_port, X-Host: $proxy_host }}"
    );
    let edge = edge("", &[("/shop/", keys)], &[]);
    assert_eq!(client::get(edge.address(), "/shop/x").status(), 200);
    let call = origin.last();
    assert_eq!(call.path, "/app/x");
    assert_eq!(call.header("x-port"), Some(port.to_string().as_str()));
    assert_eq!(call.header("x-host"), Some(format!("127.0.0.1:{port}").as_str()));
}

#[test]
fn variables_may_lead_to_tls_too() {
    let origin = Origin::tls(&Authority::new("a").server(&["a"]));
    let keys = "proxy_pass: $arg_scheme://$arg_to".to_owned();
    let edge = edge("", &[("/", keys)], &[]);
    let target = |scheme: &str| format!("/x?scheme={scheme}&to={}", origin.address());
    assert!(client::get(edge.address(), &target("https")).text().starts_with("h1 "), "{}", edge.errors());
}

#[test]
fn files_that_are_no_good_are_told_when_the_configuration_is_read() {
    let authority = Authority::new("a");
    let (one, two) = (authority.server(&["one"]), authority.server(&["two"]));
    let desk = Desk::new()
        .with("one.pem", one.certificate_pem())
        .with("one.key", one.key_pem())
        .with("two.key", two.key_pem())
        .with("ca.pem", authority.pem())
        .with("empty.pem", "nothing\n")
        .with("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let check = |keys: &str| {
        let text = format!(
            "server:\n  - listen: 8080\n    location:\n      - match: /\n        proxy_pass: https://127.0.0.1\n{}",
            keys.lines().map(|line| format!("        {line}\n")).collect::<String>()
        );
        desk.put("edge.yaml", text);
        desk.check("edge.yaml")
    };
    let right = "proxy_ssl_verify: on\nproxy_ssl_trusted_certificate: ca.pem\nproxy_ssl_certificate: one.pem\n\
                 proxy_ssl_certificate_key: one.key";
    let said = check(right);
    assert!(said.status.success() && !said.stderr.contains("warning"), "{}", said.stderr);
    let said = check("proxy_read_timeout: 5s");
    assert!(said.status.success(), "{}", said.stderr);
    assert_eq!(said.stderr.matches("warning").count(), 1, "{}", said.stderr);
    assert!(said.stderr.contains("edge.yaml:5:21: warning: the upstream's certificate is not checked"));
    for (keys, words) in [
        ("proxy_ssl_verify: on", "`proxy_ssl_verify` is on, but there is no `proxy_ssl_trusted_certificate`"),
        ("proxy_ssl_trusted_certificate: none.pem", "none.pem cannot be read: No such file or directory"),
        ("proxy_ssl_trusted_certificate: empty.pem", "empty.pem` holds no certificate"),
        ("proxy_ssl_trusted_certificate: broken.pem", "certificate 1 of "),
        ("proxy_ssl_certificate: one.pem", "there is no `proxy_ssl_certificate_key` for this certificate"),
        ("proxy_ssl_certificate: one.pem\nproxy_ssl_certificate_key: two.key", "two.key does not go with one.pem: "),
        (
            "proxy_ssl_certificate: one.pem\nproxy_ssl_certificate_key: ca.pem",
            "ca.pem` holds no private key, but: CERTIFICATE",
        ),
        ("proxy_ssl_crl: crl.pem", "edge cannot check lists of revoked certificates"),
        ("proxy_ssl_protocols: TLSv1.3", "edge offers TLSv1.2 to upstreams as well, which cannot be turned off"),
        ("proxy_ssl_protocols: [TLSv1, TLSv1.1]", "edge speaks TLSv1.2 and TLSv1.3 only"),
        ("proxy_ssl_protocols: [TLSv12]", "`TLSv12` is no version of TLS"),
    ] {
        let said = check(keys);
        assert_eq!(said.status.code(), Some(1), "{keys}\n{}", said.stderr);
        assert!(said.stderr.contains(words), "{keys}\n{}", said.stderr);
    }
}

#[test]
fn nginx_conf_leads_to_tls_and_grpc_in_its_own_words() {
    let authority = Authority::new("ours");
    let origin = Origin::tls(&authority.server(&["app.example"]));
    let port = ports::free();
    let (to, ssl) = (
        origin.address(),
        "ssl_verify on; ssl_trusted_certificate ca.pem; ssl_name app.example; ssl_verify_depth 2; \
         ssl_session_reuse off; ssl_ciphers HIGH:!aNULL; ssl_protocols TLSv1.2 TLSv1.3; ssl_server_name on;",
    );
    let family = |name: &str| ssl.replace("ssl_", &format!("{name}_ssl_"));
    let text = format!(
        "events {{ }} http {{ server {{ listen 127.0.0.1:{port};\n\
         location / {{ proxy_pass https://{to}; {} proxy_set_header Host $proxy_host; }}\n\
         location /v2 {{ proxy_pass https://{to}; proxy_http_version 2; {} }}\n\
         location /status/200 {{ grpc_pass grpcs://{to}; grpc_read_timeout 5s; grpc_set_header X-A b; {} }} }} }}",
        family("proxy"),
        family("proxy"),
        family("grpc"),
    );
    let edge = Edge::nginx_conf(&text, port).with_file("ca.pem", authority.pem()).start();
    for (path, protocol) in [("/", "h1"), ("/v2", "h2"), ("/status/200", "h2")] {
        let answer = client::get(edge.address(), path);
        assert_eq!(answer.text(), format!("{protocol} {to} sni=app.example certified=false"), "{path}");
    }
    assert_eq!(origin.last().header("x-a"), Some("b"));
    assert!(!edge.errors().contains("certificate is not checked"));
}
