//! Ways that a client may take around a rule, over real connections, with the rules that ship.

use super::{SOON, get, logged, origin, start};
use crate::support::backend::{self, Backend};
use crate::support::client::Client;
use crate::support::request::{self, Request};
use crate::support::wait;

fn with_rules(rules: &str, origin: &Backend) -> crate::support::edge::Edge {
    let locations = format!("      - {{ match: /, proxy_pass: 'http://{}' }}", origin.address());
    start("", &format!("    rules:\n{rules}"), &locations)
}

#[test]
fn a_protected_path_is_protected_however_it_is_written() {
    let origin = origin();
    let edge = with_rules(
        "      - { file: lua-free-rules/networks.yaml, with: { protected: [/admin], allow: [203.0.113.0/24] } }",
        &origin,
    );
    for target in [
        "/admin",
        "/admin/",
        "/%61dmin/users",
        "//admin//users",
        "/shop/../admin",
        "/shop/%2e%2e/admin",
        "/shop%2F..%2Fadmin",
        "/admin;jsessionid=1/users",
        "/shop/..;/admin",
        "/shop/..%3B/admin",
        "/admin/..;x=1/admin",
        "/admin?x=/shop",
        "http://other.example/admin",
    ] {
        for version in ["HTTP/1.0", "HTTP/1.1"] {
            let status = request::get(target).version(version).send(edge.address()).status();
            assert_eq!(status, 403, "{target} {version}");
        }
        let claimed = request::get(target).header("X-Forwarded-For", "203.0.113.9").header("X-Real-IP", "203.0.113.9");
        assert_eq!(claimed.send(edge.address()).status(), 403, "{target}");
    }
    assert_eq!(origin.requests(), 0);
    assert_eq!(get(&edge, "/administrators").status(), 200);
}

#[test]
fn a_field_that_the_edge_vouches_for_comes_from_nobody_else() {
    let origin = Backend::start(|seen, answer| {
        let text = format!("{:?} {:?}", seen.all("x-api-client"), seen.all("x-api-key"));
        answer.write(backend::ok(&text));
    });
    let edge = with_rules("      - lua-free-rules/api-key.yaml", &origin);
    let asked = |keys: &[&str]| {
        let request = request::get("/api/a").header("X-Api-Client", "admin").header("x-API-client", "root");
        keys.iter().fold(request, |request, key| request.header("x-aPI-Key", key)).send(edge.address())
    };
    assert_eq!(asked(&["secret"]).text(), r#"["partner"] []"#);
    assert_eq!((asked(&[]).status(), asked(&["secret", "secret"]).status(), asked(&["x"]).status()), (401, 401, 401));
    let outside = request::get("/").header("X-Api-Client", "admin").version("HTTP/1.0").send(edge.address());
    assert_eq!(outside.text(), "[] []");
}

#[test]
fn a_redirect_neither_ends_its_field_nor_leads_to_another_host() {
    let origin = origin();
    let edge = with_rules("      - lua-free-rules/old-links.yaml", &origin);
    let to = |target: &str| {
        let answer = get(&edge, target);
        assert_eq!((answer.status(), answer.header("X-Made-Up")), (301, None), "{target}");
        answer.header("Location").unwrap().to_owned()
    };
    let own = |target: &str, path: &str| {
        let location = to(target);
        let rest = location.strip_prefix("http://").and_then(|rest| rest.split_once('/')).map(|(_, rest)| rest);
        assert_eq!(rest, Some(path), "{target}: {location}");
    };
    own("/products/a%0d%0aX-Made-Up:%20b", "shop/a%0D%0AX-Made-Up:%20b");
    own("//evil.example/A.html", "evil.example/A");
    own("/A%3Fb", "a%3Fb");
}

#[test]
fn the_canonical_host_is_told_whatever_form_it_comes_in() {
    let origin = origin();
    let edge =
        with_rules("      - { file: lua-free-rules/canonical-host.yaml, with: { host: www.example.com } }", &origin);
    for request in [
        request::get("/a?b=c").host("www.example.com"),
        request::get("/a?b=c").host("WWW.Example.com.:80"),
        request::get("/a?b=c").without_host().version("HTTP/1.0"),
        request::get("http://other.example/a?b=c"),
        Request::new("POST", "/a?b=c").body("x"),
    ] {
        let answer = request.send(edge.address());
        let found = (answer.status(), answer.header("Location"));
        assert_eq!(found, (308, Some("https://www.example.com/a?b=c")), "{}", request.line());
    }
    assert_eq!(origin.requests(), 0);
}

#[test]
fn attempts_to_log_in_are_counted_by_any_method_over_one_connection_or_many() {
    let origin = origin();
    let edge = with_rules("      - { file: lua-free-rules/login-throttle.yaml, with: { burst: 1 } }", &origin);
    let mut client = Client::connect(edge.address());
    let targets = [("GET", "/j_security_check?j_username=a"), ("POST", "/login;jsessionid=1"), ("PUT", "/login/")];
    let statuses: Vec<u16> = targets
        .iter()
        .map(|(method, target)| client.ask(&Request::new(method, target).body("")).unwrap().status())
        .collect();
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(Request::new("POST", "/login").version("HTTP/1.0").send(edge.address()).status(), 429);
    assert_eq!(get(&edge, "/login").status(), 200);
}

#[test]
fn a_body_that_does_not_say_how_large_it_is_gets_no_further() {
    let origin = origin();
    let edge = with_rules("      - { file: lua-free-rules/size-limits.yaml, with: { body: 4 } }", &origin);
    assert_eq!(request::post("/form", "abcd").send(edge.address()).status(), 200);
    assert_eq!(request::post("/form", "abcde").send(edge.address()).status(), 413);
    assert_eq!(Request::new("POST", "/form").chunked(&[b"abcde"]).send(edge.address()).status(), 411);
    assert_eq!(Request::new("POST", "/upload/a").chunked(&[b"abcde"]).send(edge.address()).status(), 200);
    assert_eq!(Request::new("POST", "/upload/..;/form").chunked(&[b"abcde"]).send(edge.address()).status(), 411);
}

#[test]
fn rules_hold_for_stored_answers_and_for_edge_s_own_errors() {
    let origin = Backend::start(|_, answer| {
        answer.write("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nX-Powered-By: x\r\nContent-Length: 2\r\n\r\nok");
    });
    let nobody = crate::support::ports::dead();
    let top = "proxy_cache_path: { pages: { memory: 1m } }";
    let rules = "    rules:\n      - lua-free-rules/security-headers.yaml\n      - { name: limited, when: request.path == '/stored', then: [{ \
                 rate_limit: { by: client.ip, rate: 1/h, burst: 2, nodelay: true } }] }";
    let locations = format!(
        "      - {{ match: /, proxy_pass: 'http://{}', proxy_cache: pages, add_header: {{ X-Cache: $upstream_cache_status }} }}\n      \
         - {{ match: /down, proxy_pass: 'http://{}' }}",
        origin.address(),
        nobody.address()
    );
    let edge = start(top, rules, &locations);
    for expected in ["MISS", "HIT", "HIT"] {
        let answer = get(&edge, "/stored");
        let found = (answer.status(), answer.header("X-Cache"), answer.header("X-Content-Type-Options"));
        assert_eq!(found, (200, Some(expected), Some("nosniff")));
        assert_eq!(answer.header("X-Powered-By"), None);
    }
    let refused = get(&edge, "/stored");
    assert_eq!((refused.status(), refused.header("X-Content-Type-Options")), (429, Some("nosniff")));
    assert!(refused.header("Retry-After").is_some());
    let down = get(&edge, "/down");
    assert_eq!((down.status(), down.header("X-Frame-Options")), (502, Some("SAMEORIGIN")));
    assert_eq!(origin.requests(), 1);
    assert!(logged(&edge, "429 limited,security-headers -") && logged(&edge, "502 security-headers -"));
}

#[test]
fn fields_go_up_and_down_as_rules_want_them_in_each_phase() {
    let origin = Backend::start(|seen, answer| {
        let text = format!("{:?} {:?} {:?}", seen.all("x-many"), seen.all("x-gone"), seen.all("x-upstream"));
        answer.write(backend::ok(&text));
    });
    let edge = with_rules(
        "      - { name: up, then: [{ add_request_header: { X-Many: b } }, { remove_request_header: [X-Gone] }] }\n      \
         - { name: asked, phase: upstream_request, then: [{ set: { shown: \"'u:' + request.method\" } }, { set_request_header: { X-Upstream: '$shown' } }] }\n      \
         - { name: down, phase: response, then: [{ add_response_header: { Vary: A } }, { add_response_header: { Vary: B } }] }",
        &origin,
    );
    let answer = request::get("/").header("X-Many", "a").header("X-Gone", "x").send(edge.address());
    assert_eq!(answer.text(), r#"["a", "b"] [] ["u:GET"]"#);
    assert_eq!(answer.head.headers.all("Vary").collect::<Vec<_>>(), ["A", "B"]);
}

#[test]
fn faults_delay_and_abort_and_sessions_are_required() {
    let origin = origin();
    let top = format!(
        "upstream: {{ app: {{ servers: [{{ address: '{}', route: tomcat1 }}], session: {{ cookie: JSESSIONID }} }} }}",
        origin.address()
    );
    let rules = "    rules:\n      - { name: abort, when: request.path == '/abort', then: [{ fault: { abort: 503 } }] }\n      \
                 - { name: delay, when: request.path == '/delay', then: [{ fault: { delay: 300ms } }] }\n      \
                 - { name: never, then: [{ fault: { abort: 500, percent: 0% } }] }\n      \
                 - { file: lua-free-rules/session-areas.yaml, with: { areas: [/account] } }";
    let edge = start(&top, rules, "      - { match: /, proxy_pass: 'http://app' }");
    assert_eq!(get(&edge, "/abort").status(), 503);
    let begun = std::time::Instant::now();
    assert_eq!(get(&edge, "/delay").status(), 200);
    assert!(begun.elapsed() >= std::time::Duration::from_millis(300));
    let sent = get(&edge, "/account;x=1?a=b");
    assert_eq!(sent.status(), 302);
    assert!(
        sent.header("Location").unwrap().ends_with("/login?from=%2Faccount%3Bx%3D1%3Fa%3Db"),
        "{:?}",
        sent.header("Location")
    );
    let known = request::get("/account").header("Cookie", "JSESSIONID=5A1B.tomcat1").send(edge.address());
    assert_eq!(known.status(), 200);
    let program = request::get("/account").header("Accept", "application/json").send(edge.address());
    assert_eq!(program.status(), 401);
}

#[test]
fn a_reload_with_a_broken_rule_changes_nothing() {
    let locations = "      - { match: /, return: 204 }";
    let edge = start("", "    rules: [rules.yaml]", locations);
    let rule = |when: &str| format!("rules: [{{ name: r, when: {when}, then: [{{ respond: 403 }}] }}]\n");
    assert_eq!(get(&edge, "/a").status(), 403);
    let file = edge.file("rules.yaml");
    std::fs::write(&file, rule("request.pth == '/b'")).unwrap();
    let configuration = std::fs::read_to_string(edge.file("edge.yaml")).unwrap();
    crate::process::reload_in_vain(&edge, &configuration);
    assert_eq!((get(&edge, "/a").status(), get(&edge, "/b").status()), (403, 204));
    let said = wait::until(SOON, || Some(edge.errors()).filter(|errors| errors.contains("request.pth"))).unwrap();
    assert!(said.contains("rules.yaml:1:26") && said.contains("did you mean request.path?"), "{said}");
    std::fs::write(&file, rule("request.path == '/b'")).unwrap();
    crate::process::reload(&edge, &configuration);
    assert!(wait::until(SOON, || (get(&edge, "/b").status() == 403).then_some(())).is_some());
    assert_eq!(get(&edge, "/a").status(), 204);
}

#[test]
fn a_password_is_asked_for_whatever_a_client_sends() {
    let origin = Backend::start(|seen, answer| {
        let text = format!("{:?} {:?}", seen.all("x-remote-user"), seen.all("authorization"));
        answer.write(backend::ok(&text));
    });
    let edge =
        with_rules("      - { file: lua-free-rules/passwords.yaml, with: { inside: [203.0.113.0/24] } }", &origin);
    let asked = |target: &str, authorization: &str| {
        let request = request::get(target).header("X-Remote-User", "root").header("X-Forwarded-For", "203.0.113.9");
        match authorization {
            "" => request.send(edge.address()),
            said => request.header("Authorization", said).send(edge.address()),
        }
    };
    const RIGHT: &str = "Basic ZXZlOnNlY3JldA==";
    assert_eq!(asked("/admin", RIGHT).status(), 403, "nobody is known as long as there is no file");
    // The file counts as it is when a request comes.
    std::fs::write(edge.file("users"), "adam:$apr1$broken\neve:{PLAIN}secret\n").unwrap();
    for said in [
        "",
        "Basic",
        "Basic !!!",
        "Bearer ZXZlOnNlY3JldA==",
        "Basic ZXZlOm90aGVy",
        "Basic YWRhbTpzZWNyZXQ=",
        "Basic ZXZl",
    ] {
        let answer = asked("/admin", said);
        let found = (answer.status(), answer.header("WWW-Authenticate"));
        assert_eq!(found, (401, Some("Basic realm=\"restricted\"")), "{said}");
    }
    for target in
        ["/admin/", "/%61dmin/users", "//admin", "/shop/../admin", "/shop/..;/admin", "/admin;x=1", "/shop/..%3B/admin"]
    {
        assert_eq!(asked(target, "").status(), 401, "{target}");
        let let_in = asked(target, RIGHT);
        assert_eq!((let_in.status(), let_in.text().as_str()), (200, r#"["eve"] []"#), "{target}");
    }
    assert_eq!(asked("/", RIGHT).text(), format!("[] [\"{RIGHT}\"]"));
    std::fs::write(edge.file("users"), "eve:{PLAIN}another\n").unwrap();
    assert_eq!(asked("/admin", RIGHT).status(), 401);
    assert!(logged(&edge, "401 claimed-user,password -") && edge.wait_error("user \"eve\": password mismatch"));
}

#[test]
fn the_page_that_asks_for_a_password_is_not_behind_it() {
    let rule =
        "[{ name: staff, then: [{ basic_auth: { users_file: users, realm: 'staff of $host', users: [eve] } }] }]";
    let locations = format!(
        "      - match: /\n        error_page: {{ 401: /denied }}\n        return: {{ status: 200, text: inside }}\n        rules: {rule}\n        \
         location: [{{ match: /denied, return: {{ status: 200, text: the page }} }}]"
    );
    let edge = start("", "", &locations);
    std::fs::write(edge.file("users"), "eve:{PLAIN}secret\nmallory:{PLAIN}secret\n").unwrap();
    for authorization in ["Basic eA==", "Basic bWFsbG9yeTpzZWNyZXQ="] {
        let denied = request::get("/a").host("h").header("Authorization", authorization).send(edge.address());
        assert_eq!((denied.status(), denied.text().as_str()), (401, "the page"), "{authorization}");
        assert_eq!(denied.header("WWW-Authenticate"), Some("Basic realm=\"staff of h\""));
    }
    assert!(edge.wait_error("user \"mallory\" is none of those who may come in"));
    let inside = request::get("/a").header("Authorization", "Basic ZXZlOnNlY3JldA==").send(edge.address());
    assert_eq!((inside.status(), inside.text().as_str()), (200, "inside"));
}
