//! An `if` in a location is a location: what of it holds, what is inherited, and what is lost.

use super::backends::Act;
use super::setup::Feature;

#[test]
fn what_an_if_says_holds_from_there_on() {
    Feature::converted(
        "an if as a location",
        r#"root {files};
        server { listen {port};
            location /header { add_header X-Outer 1; if ($arg_a) { add_header X-Inner 1; } return 200 "h"; }
            location /last { add_header X-Outer 1; if ($arg_a) { add_header X-A 1; } if ($arg_b) { add_header X-B 1; } return 200 "h"; }
            location /empty { add_header X-Outer 1; if ($arg_a) { add_header X-A 1; } if ($arg_b) { set $y 1; } return 200 "h$y"; }
            location /expires { expires 1h; if ($arg_a) { expires off; } if ($arg_b) { expires epoch; } return 200 "e"; }
            location /root { rewrite ^/root(/.*)$ $1 break; if ($arg_never) { } }
            location /b.txt { if ($arg_a) { root {files}/dir; } }
            location /alias/ { alias {files}/dir/; if ($arg_a) { add_header X-A 1; } if ($arg_b) { root {files}; } }
            location ~ ^/re/(.*)$ { alias {files}/dir/$1; if ($arg_a) { add_header X-A $1; } }
            location /gz { gzip on; default_type text/html; if ($arg_a) { gzip off; } return 200 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"; }
            location /charset { charset utf-8; if ($arg_a) { charset koi8-r; } return 200 "c"; }
            location /page { error_page 404 /found; if ($arg_a) { error_page 404 =202 /found; } return 404; }
            location /page2 { error_page 404 /found; if ($arg_a) { return 404; } return 410; }
            location /found { return 200 "found"; }
            location /try { try_files /a.txt =404; if ($arg_a) { set $z 1; } }
            location /try2 { if ($arg_a) { add_header X-A 1; } try_files /a.txt =404; }
            location /inherit { default_type text/css; add_header X-Outer 1; expires 1h; if ($arg_a) { return 200 "from the if"; } return 200 "from outside"; }
            location /auto/ { add_header X-Outer 1; if ($arg_a) { add_header X-A 1; } }
            location /nested/ { add_header X-N 1; location /nested/in { if ($arg_a) { return 200 "in if"; } return 200 "in"; } if ($arg_a) { return 200 "outer if"; } return 200 "outer"; }
            location /internal { internal; if ($arg_a) { return 200 in; } return 200 out; }
            location /tointernal { rewrite ^ /internal last; }
        }"#,
    )
    .get(&[
        "/header", "/header?a=1", "/last", "/last?a=1", "/last?b=1", "/last?a=1&b=1", "/empty?a=1", "/empty?a=1&b=1", "/expires", "/expires?a=1",
        "/expires?b=1", "/expires?a=1&b=1", "/root/a.txt", "/b.txt", "/b.txt?a=1", "/alias/b.txt", "/alias/b.txt?a=1", "/alias/b.txt?b=1",
        "/re/b.txt", "/re/b.txt?a=1", "/charset", "/charset?a=1", "/page", "/page?a=1", "/page2", "/page2?a=1", "/try", "/try?a=1", "/try2", "/try2?a=1",
        "/inherit", "/inherit?a=1", "/auto/", "/auto/?a=1", "/nested/in", "/nested/in?a=1", "/nested/x", "/nested/x?a=1", "/internal?a=1",
        "/tointernal?a=1", "/tointernal",
    ])
    .get_with("/gz", &["Accept-Encoding: gzip"])
    .get_with("/gz?a=1", &["Accept-Encoding: gzip"])
    .check();
}

#[test]
fn proxies_in_an_if() {
    Feature::converted(
        "proxies in an if",
        r#"upstream b { server {b}; }
        server { listen {port};
            location /p/ { proxy_pass http://{a}; proxy_set_header X-Outer 1; if ($arg_b) { proxy_pass http://b; } }
            location /q/ { proxy_pass http://{a}; proxy_set_header X-Outer 1; if ($arg_a) { add_header X-A 1; } }
            location /uri/ { proxy_pass http://{a}/base/; if ($arg_a) { set $x 1; } }
            location /only/ { if ($arg_a) { proxy_pass http://{a}; } return 200 "not proxied"; }
            location /onlyp/ { root {files}; if ($arg_a) { proxy_pass http://{a}; } }
            location /rw/ { proxy_pass http://{a}; if ($arg_a) { rewrite ^/rw/(.*)$ /changed/$1 break; } }
            location /rwb/ { proxy_pass http://{a}/base/; if ($arg_a) { rewrite ^/rwb/(.*)$ /changed/$1 break; } }
            location ~ ^/re/(.*)$ { proxy_pass http://{a}; if ($arg_b) { proxy_pass http://b; } }
            location /var/ { set $up {a}; if ($arg_b) { set $up {b}; } proxy_pass http://$up; }
            location /hide/ { proxy_pass http://{a}; proxy_hide_header X-Up; if ($arg_a) { add_header X-A $upstream_http_x_up; } }
            location /back/ { proxy_pass http://{a}; error_page 502 = @b; if ($arg_a) { return 502; } }
            location /icept/ { proxy_pass http://{a}; proxy_intercept_errors on; error_page 500 /caught; if ($arg_a) { add_header X-A 1; } }
            location /caught { return 200 caught; }
            location /red/ { proxy_pass http://{a}; if ($arg_a) { add_header X-A 1; } }
            location @b { proxy_pass http://b; }
        }"#,
    )
    .backend(&[
        ("/500", Act::Say("HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno")),
        ("/hide/", Act::Say("HTTP/1.1 200 OK\r\nX-Up: yes\r\nContent-Length: 2\r\n\r\nok")),
        ("/red/", Act::Say("HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n")),
    ])
    .backend(&[])
    .get(&[
        "/p/x", "/p/x?b=1", "/q/x", "/q/x?a=1", "/uri/x", "/uri/x?a=1", "/uri/a%20b?a=1", "/only/x", "/only/x?a=1", "/onlyp/x", "/onlyp/x?a=1",
        "/rw/x", "/rw/x?a=1", "/rwb/x", "/rwb/x?a=1", "/re/x", "/re/x?b=1", "/var/x", "/var/x?b=1", "/hide/x", "/hide/x?a=1", "/back/x?a=1", "/back/x",
        "/icept/500", "/icept/500?a=1", "/red/x", "/red/x?a=1",
    ])
    .ask("POST", "/p/x?b=1", &["Content-Length: 3"], "abc")
    .check();
}

#[test]
fn logs_in_an_if() {
    Feature::converted(
        "logs in an if",
        r#"log_format one 'one	$uri	$arg_a	$x	$status';
        log_format two 'two	$uri	$arg_a	$x	$status';
        server { listen {port}; access_log logs/lines.log one;
            location /a { if ($arg_a) { access_log logs/lines.log two; } return 200 a; }
            location /b { set $x 5; if ($arg_a) { access_log off; } return 200 b; }
            location /c { set $x ""; return 200 c; }
            location /d { return 404; if ($arg_a) { set $x 1; } }
        }"#,
    )
    .get(&["/a", "/a?a=1", "/b", "/b?a=1", "/c", "/d"])
    .check();
}
