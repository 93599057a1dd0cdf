//! The rewrite module as a script: steps in their order, `set`, `break`, `return` and conditions.

use super::setup::Feature;

#[test]
fn steps_run_in_the_order_in_which_they_stand() {
    Feature::converted(
        "order of steps",
        r#"server { listen {port};
            location /a { set $x 1; rewrite ^/a$ /a/$x; set $x 2; rewrite ^/a/1$ /t?x=$x last; }
            location /b { rewrite ^/b$ /b2; set $p $uri; rewrite ^/b2$ /b3 break; set $p never; return 200 never; }
            location /b3 { return 200 "wrong"; }
            location /c { return 200 "c $y"; set $y 1; rewrite ^ /t last; }
            location /d { if ($arg_r) { return 200 "early $z"; } set $z late; return 200 "late $z"; }
            location /e { set $a 1; if ($arg_b) { set $a 2; break; } set $a 3; add_header X-A $a; }
            location /f { break; return 200 never; }
            location /g { if ($arg_b) { break; } return 200 "not broken"; }
            location /h { rewrite ^/h(.*)$ /other$1; break; }
            location /i { rewrite ^/i(.*)$ /other$1; if ($arg_b) { break; } }
            location /j { set $n "a"; set $n "$n-b"; set $n "$n-c"; return 200 "$n"; }
            location /k { if ($arg_x) { rewrite ^ /t?k=1 last; } rewrite ^ /t?k=2 last; }
            location /l { set $Mixed 1; return 200 "$mixed $MIXED ${mixed}x"; }
            location /m { if ($arg_x) { set $m 1; } if ($m) { return 200 "one"; } if ($m = "") { return 200 "none"; } }
            location /n { return 200 "$never_set|"; if ($arg_y) { set $never_set 1; } }
            location /t { return 200 "t $uri $args $x"; }
            location /other { return 200 "other $uri"; }
        }"#,
    )
    .get(&[
        "/a", "/b", "/c", "/d", "/d?r=1", "/d?r=0", "/d?r=00", "/d?r=", "/e", "/e?b=1", "/f", "/g", "/g?b=1", "/h/x",
        "/i/x", "/i/x?b=1", "/j", "/k", "/k?x=1", "/l", "/m", "/m?x=1", "/n",
    ])
    .check();
}

#[test]
fn conditions_of_every_kind() {
    Feature::converted(
        "if conditions",
        r#"root {files};
        server { listen {port};
            location = /eq { if ($arg_a = b) { return 200 equal; } if ($arg_a != c) { return 200 other; } return 200 c; }
            location = /eqq { if ($arg_a = "b c") { return 200 equal; } return 200 not; }
            location = /eqv { if ($arg_a = $arg_b) { return 200 same; } return 200 different; }
            location = /eqe { if ($arg_a = "") { return 200 empty; } return 200 full; }
            location = /eqp { if ( $arg_a = "x$arg_b-" ) { return 200 same; } return 200 different; }
            location = /re { if ($arg_a ~ ^b+$) { return 200 match; } return 200 none; }
            location = /rei { if ($arg_a ~* ^b+$) { return 200 match; } return 200 none; }
            location = /nre { if ($arg_a !~ ^b+$) { return 200 none; } return 200 match; }
            location = /nrei { if ($arg_a !~* ^b+$) { return 200 none; } return 200 match; }
            location = /rec { if ($arg_a ~ "^(b+)(?<rest>.*)$") { return 200 "$1 $rest"; } return 200 "none [$1] [$rest]"; }
            location = /ref { if ($arg_a ~ "(b)") { set $f 1; } if ($arg_a ~ c) { set $f "${f}2"; } return 200 "$f [$1]"; }
            location = /req { if ($arg_a ~ "^[a-z]{2}$") { return 200 two; } return 200 "not"; }
            location = /cookie { if ($http_cookie ~* "id=([^;]+)(?:;|$)") { set $id $1; } return 200 "id $id"; }
            location = /method { if ($request_method = POST) { return 405; } return 200 ok; }
            location = /f { if (-f {files}/a.txt) { set $r f; } if (-d {files}/a.txt) { set $r d; } if (-e {files}/a.txt) { set $r "${r}e"; } if (-x {files}/a.txt) { set $r "${r}x"; } return 200 "$r"; }
            location = /d { if (-f {files}/dir) { set $r f; } if (-d {files}/dir) { set $r d; } if (-e {files}/dir) { set $r "${r}e"; } if (-x {files}/dir) { set $r "${r}x"; } return 200 "$r"; }
            location = /n { if (!-f {files}/none) { set $r f; } if (!-d {files}/none) { set $r "${r}d"; } if (!-e {files}/none) { set $r "${r}e"; } if (!-x {files}/none) { set $r "${r}x"; } return 200 "$r"; }
            location = /none { if (-f $arg_file) { return 200 yes; } return 200 no; }
            location / { if (!-f $request_filename) { rewrite ^ /missing?was=$uri last; } }
            location = /missing { return 200 "missing $args"; }
        }"#,
    )
    .get(&[
        "/eq?a=b", "/eq?a=c", "/eq?a=B", "/eq", "/eqq?a=b", "/eqv?a=1&b=1", "/eqv?a=1&b=2", "/eqv", "/eqe", "/eqe?a=",
        "/eqe?a=1", "/eqp?a=x1-&b=1", "/re?a=bb", "/re?a=BB", "/rei?a=BB", "/nre?a=bb", "/nre?a=c", "/nrei?a=B", "/nrei?a=c", "/rec?a=bbx",
        "/rec?a=x", "/ref?a=bc", "/ref?a=b", "/req?a=ab", "/req?a=abc", "/cookie", "/method", "/f", "/d", "/n", "/none", "/none?file=/etc",
        "/none?file=/etc/passwd", "/a.txt", "/nothing.txt", "/dir/", "/dir/b.txt",
    ])
    .get_with("/cookie", &["Cookie: a=b; id=77; c=d"])
    .get_with("/cookie", &["Cookie: ID=8"])
    .ask("POST", "/method", &["Content-Length: 0"], "")
    .check();
}

#[test]
fn captures_go_where_nginx_lets_them() {
    Feature::converted(
        "captures",
        r#"server { listen {port}; server_name ~^(?<sub>\w+)\.cap\.test$ _;
            location ~ ^/a/(.*) { if ($uri ~ "^/(a)") { set $z 1; } if ($uri ~ a) { set $z 2; } return 200 "[$1]"; }
            location /nm { if ($uri ~ "^/(nm)") { } rewrite ^/nope /x; return 200 "[$1]"; }
            location /nn { if ($uri ~ "^/(nn)") { } if ($uri ~ nope) { } return 200 "[$1]"; }
            location ~ ^/quo/(.*)$ { set $q $1; return 200 "$q|$1"; }
            location ~ ^/quoif/(.*)$ { if ($arg_x = $1) { return 200 same; } return 200 "other"; }
            location ~ ^/quo2/(.*)$ { rewrite ^/quo2/(.*)$ /zzz/$1; set $q $1; break; return 200 "$q|$1"; }
            location ~ ^/quo3/(.*)$ { rewrite ^/quo3/(.*)$ /t/$1 last; }
            location ~ ^/quo4/(.*)$ { rewrite ^/quo4/(.*)$ /t?a=$1 last; }
            location ~ ^/quo5/(.*)$ { set $q $1; rewrite ^ /t/$q last; }
            location ~ ^/quo6/(.*)$ { set $q $1; rewrite ^ /t?q=$q redirect; }
            location ~ ^/named/(?<one>\w+)/(?<two>\w*)$ { if ($two ~ "^(?<one>b+)$") { return 200 "if $one $two $1"; } return 200 "$one $two $1 $2"; }
            location ~ ^/keep/(?<kept>\w+) { rewrite ^/keep/(\w)(\w*) /t/$2/$1?k=$kept last; }
            location ~ ^/opt/(a)?(?<o>b)? { return 200 "[$1][$2][$o]"; }
            location /sub { return 200 "[$sub]"; }
            location ~ ^/neg/(.*) { if ($uri !~ "^/neg/(x)(.*)") { return 200 "no [$1]"; } return 200 "yes [$1][$2]"; }
            location /t { return 200 "t $uri|$args|$1|$2|$kept"; }
        }"#,
    )
    .get(&[
        "/a/xyz", "/nm", "/nn", "/quo/plain", "/quo/a%20b+c", "/quo/a+c", "/quoif/a%20b?x=a%20b", "/quoif/ab?x=ab", "/quo3/a%20b",
        "/quo4/a%20b%26", "/quo5/a%20b", "/quo6/a%20b", "/named/aa/bb", "/named/aa/cc", "/named/aa/", "/keep/word", "/opt/", "/opt/a",
        "/opt/b", "/opt/ab", "/neg/xyz", "/neg/yz",
    ])
    .host("www.cap.test", "/sub")
    .host("other.test", "/sub")
    .check();
}

#[test]
fn what_can_be_set_besides_one_s_own() {
    Feature::converted(
        "set of others",
        r#"server { listen {port};
            location /args { set $args a=9; return 200 "$args|$query_string|$arg_a|$arg_b|$is_args|$request_uri"; }
            location /none { set $args ""; return 200 "$args|$is_args|$arg_b"; }
            location /rw { set $args a=9; rewrite ^ /t last; }
            location /rw2 { set $args a=9; rewrite ^ /t?b=1 last; }
            location /arg { set $arg_x 7; set $http_foo bar; set $cookie_a c; return 200 "$arg_x $http_foo $cookie_a"; }
            location /arg2 { return 200 "$arg_x $http_foo $cookie_a"; }
            location /up/ { set $args z=1; proxy_pass http://{a}; }
            location /up2/ { set $args $args&z=1; proxy_pass http://{a}; }
            location /up3/ { set $args ""; proxy_pass http://{a}/base/; }
            location /head { set $h "v-$arg_a"; proxy_set_header X-Own $h; proxy_pass http://{a}; add_header X-Told "$h!"; }
            location /to { set $to {a}; proxy_pass http://$to; }
            location /root { set $dir dir; root {files}/$dir; rewrite ^/root(.*)$ $1 break; }
            location /t { return 200 "t $args"; }
        }"#,
    )
    .backend(&[])
    .get(&[
        "/args?b=1", "/args", "/none?b=1", "/rw?b=2", "/rw2?c=2", "/arg?x=1", "/arg2?x=3", "/up/a%20b?q", "/up/a", "/up2/a%2Fb?q=1",
        "/up3/x?y", "/head?a=5", "/to/x?y", "/root/b.txt", "/root/none",
    ])
    .get_with("/arg2", &["Foo: f", "Cookie: a=1"])
    .check();
}

#[test]
fn a_server_has_a_script_of_its_own() {
    Feature::converted(
        "script of a server",
        r#"server { listen {port}; server_name a.test;
                set $from server; if ($http_user_agent ~* (bad|evil)bot) { return 403 "no $1"; }
                if ($request_method !~ ^(GET|HEAD)$) { return 405; }
                if ($host = b.test) { return 301 http://a.test$request_uri; }
                if ($arg_old) { rewrite ^/(.*)$ /new/$1? last; }
                rewrite ^/moved/(.*)$ /new/$1;
                location /new { return 200 "$from $uri $args"; }
                location / { set $from location; return 200 "$from $uri"; }
           }
           server { listen {port}; server_name b.test; if ($host ~ ^(b)\.) { set $who $1; } location / { return 200 "b $who"; } }
           server { listen {port}; server_name c.test; root {files}; if (!-e $request_filename) { rewrite ^ /index.html last; } location / { } }
           server { listen {port}; server_name d.test; error_page 404 /e.html; if ($arg_x) { return 404; } break; return 500; location /e.html { return 200 "e $arg_x"; } location / { return 200 d; } }
           server { listen {port}; server_name e.test; root {files}; set $mobile ""; if ($http_user_agent ~* mobile) { set $mobile m; } if ($http_cookie !~ full=1) { set $mobile "${mobile}c"; } if ($mobile = mc) { rewrite ^/(.*)$ /dir/$1 break; } location / { add_header X-M $mobile; } }"#,
    )
    .host("a.test", "/x")
    .host("a.test", "/moved/x?y")
    .host("a.test", "/x?old=1")
    .host("b.test", "/x")
    .host("c.test", "/a.txt")
    .host("c.test", "/none")
    .host("c.test", "/dir/b.txt")
    .host("d.test", "/")
    .host("d.test", "/?x=1")
    .host("e.test", "/b.txt")
    .lines("a bad one", &["GET / HTTP/1.1", "Host: a.test", "User-Agent: an EVILbot"])
    .lines("another method", &["DELETE / HTTP/1.1", "Host: a.test"])
    .lines("a mobile one", &["GET /b.txt HTTP/1.1", "Host: e.test", "User-Agent: Mobile"])
    .lines("a mobile one that wants all", &["GET /b.txt HTTP/1.1", "Host: e.test", "User-Agent: Mobile", "Cookie: full=1"])
    .check();
}

#[test]
fn circles_and_odd_ends_of_scripts() {
    Feature::converted(
        "odd scripts",
        r#"server { listen {port};
            location /circle { set $n "${n}x"; rewrite ^/circle /circle last; }
            location /nine { rewrite ^/nine/x(.*)$ /nine/$1 last; return 200 "done $uri"; }
            location /zero { rewrite ^/zero(.*)$ $1 last; }
            location /zerob { rewrite ^/zerob(.*)$ $1 break; return 200 never; }
            location /twice { rewrite ^/twice/(.*)$ /mid/$1; rewrite ^/mid/(.*)$ /t/$1; }
            location /back { rewrite ^ /t break; }
            location /stay { rewrite ^/stay/(.*)$ /$1; rewrite ^/(.*)$ /stay2/$1 break; return 200 never; }
            location /carry { set $c 1; rewrite ^ /carried last; }
            location /carried { return 200 "c=$c $uri"; }
            location /ep { set $e before; error_page 404 /page; return 404; }
            location /page { return 200 "page $e"; }
            location /named { set $e named; try_files /none @n; }
            location @n { set $f "$e!"; return 200 "$f"; }
            location /text { default_type text/css; if ($arg_x) { return 200 "$uri"; } return 201 "made"; }
            location /codes { if ($arg_c = 1) { return 204; } if ($arg_c = 2) { return 302 /x$uri; } if ($arg_c = 3) { return http://other.test$uri; } if ($arg_c = 4) { return 444; } if ($arg_c = 5) { return 503 "wait"; } return 418; }
            location /t { return 200 "t $uri"; }
            location / { return 200 "root $uri"; }
        }"#,
    )
    .get(&[
        "/circle", "/nine/xxxxxxxxx", "/nine/xxxxxxxxxxx", "/zero", "/zero/t", "/zerob", "/twice/a", "/back", "/stay/a", "/carry", "/ep",
        "/named", "/text", "/text?x=1", "/codes", "/codes?c=1", "/codes?c=2", "/codes?c=3", "/codes?c=4", "/codes?c=5",
    ])
    .check();
}

#[test]
fn pages_of_errors_may_have_pages_of_their_own() {
    let server = |name: &str, more: &str| {
        format!(
            "server {{ listen {{port}}; server_name {name}; {more} error_page 404 /a; error_page 403 /b; error_page 500 =201 /c; \
             location / {{ return 404; }} location /a {{ return 403; }} location /b {{ if ($arg_deep) {{ return 500; }} return 200 \"b\"; }} \
             location /c {{ return 200 \"c\"; }} location /loop {{ error_page 410 /loop; return 410; }} }} "
        )
    };
    let text = server("off.test", "") + &server("on.test", "recursive_error_pages on;");
    ["off.test", "on.test"]
        .iter()
        .fold(Feature::converted("recursive_error_pages", &text), |feature, host| {
            feature.host(host, "/x").host(host, "/x?deep=1").host(host, "/loop").host(host, "/a")
        })
        .check();
}

#[test]
fn roots_end_as_nginx_ends_them() {
    Feature::converted(
        "ends of roots",
        r#"server { listen {port};
            location /a { root {files}/; return 200 "$document_root $request_filename"; }
            location /b { root {files}//; return 200 "$document_root $request_filename"; }
            location /c { root $arg_x/; return 200 "$document_root $request_filename"; }
            location /etc { root /; return 200 "[$document_root] $request_filename"; }
            location /d/ { alias {files}/; return 200 "$document_root $request_filename"; }
            location /dir { root {files}/; }
            location / { root /; if (-f $request_filename) { return 200 "there"; } return 200 "not there"; }
        }"#,
    )
    .get(&["/a", "/b", "/c?x=/y", "/etc/passwd", "/d/x", "/dir/b.txt", "/bin/sh", "/none"])
    .check();
}
