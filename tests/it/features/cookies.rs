//! Cookies of upstreams: `proxy_cookie_domain`, `proxy_cookie_path`, `proxy_cookie_flags`.

use super::backends::{Act, Table};
use super::setup::Feature;

const COOKIES: Table = &[
    (
        "/several",
        Act::Say(
            "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Domain=app.internal; Path=/app/x; Secure\r\nSet-Cookie: SID=2;domain=.APP.internal ;path = /app\r\nSet-Cookie: plain=3\r\nSet-Cookie: flagless; Path=/app/\r\nContent-Length: 2\r\n\r\nok",
        ),
    ),
    (
        "/flags",
        Act::Say(
            "HTTP/1.1 200 OK\r\nSet-Cookie: one=1; HttpOnly; secure; SameSite=Lax\r\nSet-Cookie: two=2; Path=/\r\nSet-Cookie: SID_x=3; samesite=STRICT\r\nSet-Cookie: secure=4; HttpOnly\r\nContent-Length: 2\r\n\r\nok",
        ),
    ),
    (
        "/odd",
        Act::Say(
            "HTTP/1.1 200 OK\r\nSet-Cookie: a=b=c;;  Path=/app/a b; Domain=\r\nSet-Cookie: =empty; Path=/app\r\nSet-Cookie: ; Path=/app\r\nSet-Cookie: a=1; Path=/app; Path=/app/two\r\nContent-Length: 2\r\n\r\nok",
        ),
    ),
    ("/error", Act::Say("HTTP/1.1 500 No\r\nSet-Cookie: a=1; Path=/app\r\nContent-Length: 2\r\n\r\nno")),
    (
        "/moved",
        Act::Say(
            "HTTP/1.1 302 Found\r\nLocation: /x\r\nSet-Cookie: a=1; Path=/app; Domain=app.internal\r\nContent-Length: 0\r\n\r\n",
        ),
    ),
];

fn cookies(name: &'static str, directives: &str) -> Feature {
    let text = format!("server {{ listen {{port}}; {directives} location / {{ proxy_pass http://{{a}}; }} }}");
    Feature::new(name, &text).backend(COOKIES).get(&["/several", "/flags", "/odd", "/error", "/moved", "/none"])
}

#[test]
fn the_domain_of_a_cookie_is_replaced() {
    cookies("proxy_cookie_domain", "proxy_cookie_domain app.internal example.org;").check();
    cookies("proxy_cookie_domain with dots", "proxy_cookie_domain .app.internal .example.org;").check();
    cookies("proxy_cookie_domain off", "proxy_cookie_domain off;").check();
    cookies(
        "proxy_cookie_domain by patterns",
        "proxy_cookie_domain ~\\.?([a-z]+)\\.internal$ $1.$host; proxy_cookie_domain app.internal never;",
    )
    .host("Example.com", "/several")
    .check();
    cookies("proxy_cookie_domain with variables", "proxy_cookie_domain $arg_from $host;")
        .host("example.com", "/several?from=app.internal")
        .check();
}

#[test]
fn the_path_of_a_cookie_is_replaced() {
    cookies("proxy_cookie_path", "proxy_cookie_path /app/ /;").check();
    cookies(
        "proxy_cookie_path of several",
        "proxy_cookie_path /app/x /deep; proxy_cookie_path /app /; proxy_cookie_path / /never;",
    )
    .check();
    cookies("proxy_cookie_path by a pattern", "proxy_cookie_path ~^/app(/.*)?$ $1/new;").check();
    cookies("proxy_cookie_path in either case", "proxy_cookie_path ~*^/APP \"/p; HttpOnly\";").check();
    cookies("proxy_cookie_path of nothing", "proxy_cookie_path /app \"\";").check();
}

#[test]
fn flags_are_given_and_taken() {
    cookies("proxy_cookie_flags", "proxy_cookie_flags two secure httponly samesite=strict;").check();
    cookies(
        "proxy_cookie_flags taken",
        "proxy_cookie_flags one nosecure nohttponly nosamesite; proxy_cookie_flags ~ httponly;",
    )
    .check();
    cookies(
        "proxy_cookie_flags by a pattern",
        "proxy_cookie_flags ~^sid samesite=lax secure; proxy_cookie_flags secure nohttponly;",
    )
    .check();
    cookies("proxy_cookie_flags that contradict", "proxy_cookie_flags ~ secure nosecure samesite=none;").check();
    cookies("proxy_cookie_flags with variables", "proxy_cookie_flags $arg_n $arg_f samesite=none;")
        .get(&["/flags?n=two&f=secure", "/flags?n=one"])
        .check();
}

#[test]
fn all_of_them_at_once_are_inherited_as_lists() {
    Feature::new(
        "cookies inherited",
        "proxy_cookie_domain app.internal example.org; proxy_cookie_path /app /; proxy_cookie_flags ~ secure;
        server { listen {port};
            location / { proxy_pass http://{a}; }
            location /off/ { proxy_cookie_domain off; proxy_cookie_path off; proxy_cookie_flags off; proxy_pass http://{a}; }
            location /own/ { proxy_cookie_path /app/x /own; proxy_pass http://{a}; } }",
    )
    .backend(COOKIES)
    .get(&["/several", "/off/several", "/own/several", "/off/flags", "/own/flags"])
    .check();
}
