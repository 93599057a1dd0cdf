//! The variables that a configuration defines: `map`, `geo` and `split_clients`.

use super::setup::Feature;

#[test]
fn maps_of_texts_and_expressions() {
    Feature::converted(
        "map",
        r#"
        map $arg_a $plain { default other; one 1; Two 2; "three four" 34; "" empty; \default is-default; \~x tilde; }
        map $arg_a $bare { x y; }
        map $arg_a $regex { default none; ~^a(.*)$ "a-$1"; ~*^b(?<rest>.*)$ b-$rest; ~c c; cc exact; "~^d{2}$" dd; }
        map "$arg_a:$arg_b" $both { default no; "1:2" yes; ~^(\d):\1$ same; }
        map $arg_a $value { default $arg_b; x "<$arg_b>"; y $plain; }
        map $plain $chain { default unchained; 1 "one $regex"; 2 $both; }
        map $host $byhost { hostnames; default nowhere; example.test e; *.example.test sub; *.deep.example.test deep; .dot.test dot; www.* w; }
        map $uri $once { default $uri; }
        map $uri $each { volatile; default $uri; }
        map $request_method $is_post { default 0; POST 1; }
        map $http_upgrade $connection_upgrade { default upgrade; '' close; }
        map $arg_a $empty { ~. some; default none; }
        map $arg_u $unused { a $unused2; } map $arg_u $unused2 { a b; }
        server { listen {port}; server_name _ *.test;
            location /plain { return 200 "$plain|$bare|"; }
            location /regex { return 200 "$regex|$rest|$1"; }
            location /before { if ($uri ~ "^/(bef)") { } set $k "$1-$regex-$1"; return 200 "$k $1"; }
            location /both { return 200 "$both"; }
            location /value { return 200 "$value|$chain"; }
            location /host { return 200 "$byhost"; }
            location /cache { set $o $once; set $e $each; rewrite ^ /cached last; }
            location /cached { return 200 "$o $once $e $each"; }
            location /if { if ($is_post) { return 200 post; } return 200 "not $is_post"; }
            location /set { set $plain mine; return 200 "$plain $chain"; }
            location /late { if ($plain = 1) { set $plain 2; } return 200 "$plain"; }
            location /up { proxy_set_header X-Map $plain; proxy_set_header Connection $connection_upgrade; proxy_pass http://{a}; }
            location /empty { return 200 "$empty"; }
            location /header { add_header X-Map $plain; add_header X-Bare "$bare"; return 200 h; }
        }"#,
    )
    .backend(&[])
    .get(&[
        "/plain", "/plain?a=one", "/plain?a=ONE", "/plain?a=two", "/plain?a=default", "/plain?a=~x", "/plain?a=three", "/plain?a=x", "/plain?a=",
        "/regex?a=abc", "/regex?a=Bcd", "/regex?a=xcx", "/regex?a=cc", "/regex?a=CC", "/regex?a=dd", "/regex?a=ddd", "/regex",
        "/before?a=axy", "/before?a=cc", "/before?a=c", "/both?a=1&b=2", "/both?a=3&b=3", "/both?a=3&b=4", "/value?a=x&b=B", "/value?a=y&b=B",
        "/value?a=one&b=b", "/value?a=two&b=2", "/cache/x", "/if", "/set?a=one", "/late?a=one", "/late?a=two", "/up?a=one", "/empty",
        "/empty?a=", "/empty?a=z", "/header", "/header?a=x", "/header?a=one",
    ])
    .ask("POST", "/if", &["Content-Length: 0"], "")
    .host("example.test", "/host")
    .host("a.example.test", "/host")
    .host("a.b.deep.example.test", "/host")
    .host("deep.example.test", "/host")
    .host("dot.test", "/host")
    .host("x.dot.test", "/host")
    .host("www.any.thing", "/host")
    .host("WWW.Example.TEST.", "/host")
    .host("nothing", "/host")
    .check();
}

#[test]
fn maps_choose_files_upstreams_and_logs() {
    Feature::converted(
        "map in use",
        r#"
        map $arg_to $to { default {a}; b {b}; }
        map $status $loggable { ~^[23] 0; default 1; }
        map $arg_d $dir { default .; dir dir; }
        map $uri $new { default ""; /old /new; ~^/o/(?<r>.+)$ /n/$r; }
        map $http_accept_language $lang { default en; ~*^de de; ~*^fr fr; }
        map $sent_http_content_type $ttl { default off; text/css 1h; ~image/ max; }
        log_format x '$status	$loggable	$new	$uri';
        server { listen {port}; access_log logs/lines.log x if=$loggable; root {files}/$dir; expires $ttl;
            if ($new) { return 301 $new; }
            location /up/ { proxy_pass http://$to; }
            location /lang { return 302 /$lang/; }
            location /css { default_type text/css; return 200 c; }
            location / { }
        }"#,
    )
    .backend(&[])
    .backend(&[])
    .without_probes()
    .get(&[
        "/up/x",
        "/up/x?to=b",
        "/old",
        "/o/x/y",
        "/n/x",
        "/a.txt",
        "/b.txt?d=dir",
        "/b.txt",
        "/lang",
        "/css",
        "/style.css",
        "/image.png",
    ])
    .get_with("/lang", &["Accept-Language: de-DE,de"])
    .get_with("/lang", &["Accept-Language: FR"])
    .check();
}

#[test]
fn places_of_addresses() {
    Feature::converted(
        "geo",
        r#"
        geo $self { default far; 127.0.0.0/8 near; 127.0.0.1 me; }
        geo $arg_ip $net { default none; 10.0.0.0/8 ten; 10.1.0.0/16 inner; 10.1.2.3 one; 192.168.0.0/16 home; delete 192.168.0.0/16; 2001:db8::/32 six; ::1 local6; 10.9.0.0/16 "two words"; 255.255.255.255 nothing; }
        geo $arg_ip $bare { 10.0.0.0/8 ten; }
        geo $arg_ip $range { ranges; default none; 10.0.0.0-10.0.0.255 a; 10.0.0.10-10.0.0.20 b; 10.0.0.15-10.0.0.15 c; 10.5.0.0-11.255.255.255 wide; }
        geo $proxied { proxy 127.0.0.1; proxy 10.0.0.0/8; default none; 10.1.0.0/16 inner; 10.0.0.0/8 ten; 192.0.2.0/24 doc; }
        geo $deep { proxy 127.0.0.1; proxy 10.0.0.0/8; proxy_recursive; default none; 10.1.0.0/16 inner; 10.0.0.0/8 ten; 192.0.2.0/24 doc; 2001:db8::/32 six; }
        geo $all { 0.0.0.0/0 v4; ::/0 v6; }
        map $net $mapped { default "m-$net"; ten 10; }
        server { listen {port};
            location / { return 200 "$self|$net|$bare|$range|$mapped|$all"; }
            location /x { return 200 "$proxied|$deep"; }
            location /limit { if ($self = far) { return 403; } return 200 ok; }
        }"#,
    )
    .get(&[
        "/", "/?ip=10.2.3.4", "/?ip=10.1.9.9", "/?ip=10.1.2.3", "/?ip=192.168.1.1", "/?ip=2001:db8::5", "/?ip=::1", "/?ip=10.9.1.1", "/?ip=nonsense",
        "/?ip=10.0.0.1", "/?ip=10.0.0.10", "/?ip=10.0.0.15", "/?ip=10.0.0.16", "/?ip=10.0.0.21", "/?ip=10.0.1.0", "/?ip=11.0.0.0", "/?ip=12.0.0.0",
        "/?ip=2001:db9::", "/?ip=10.0.0.1:80", "/x", "/limit",
    ])
    .get_with("/x", &["X-Forwarded-For: 192.0.2.1"])
    .get_with("/x", &["X-Forwarded-For: 192.0.2.1, 10.1.0.1"])
    .get_with("/x", &["X-Forwarded-For: 10.2.0.1,10.1.0.1"])
    .get_with("/x", &["X-Forwarded-For: 192.0.2.1, 198.51.100.1, 10.1.0.1"])
    .get_with("/x", &["X-Forwarded-For: nonsense"])
    .get_with("/x", &["X-Forwarded-For: nonsense, 10.3.0.1"])
    .get_with("/x", &["X-Forwarded-For: 192.0.2.1:8080"])
    .get_with("/x", &["X-Forwarded-For: [2001:db8::1]:80, 10.0.0.1"])
    .get_with("/x", &["X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 10.1.0.1"])
    .get_with("/x", &["X-Forwarded-For:"])
    .check();
}

#[test]
fn clients_are_split_as_nginx_splits_them() {
    let targets: Vec<String> =
        (0..120).map(|n| format!("/?a={}", "user-".repeat(n % 5) + &(n * 7919).to_string())).collect();
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    Feature::converted(
        "split_clients",
        r#"
        split_clients $arg_a $thirds { 33.3% one; 33.3% two; * three; }
        split_clients "${arg_a}AAA" $tiny { 0.5% .one; 2% .two; 0.01% .three; * ""; }
        split_clients $arg_a $some { 10% a; 10% b; 20% c; }
        split_clients $arg_a $all { 50% a; 50% b; }
        split_clients "$arg_a$uri" $literal { 50% $uri; * "x y"; }
        server { listen {port}; location / { return 200 "$thirds|$tiny|$some|$all|$literal"; } }"#,
    )
    .without_probes()
    .get(&targets)
    .get(&["/"])
    .check();
}

#[test]
fn variables_of_the_core_that_scripts_ask_for() {
    Feature::converted(
        "variables of the core",
        r#"server { listen {port}; root {files};
            location /real { root {files}/dir/..; return 200 "$realpath_root"; }
            location /gone { root {files}/gone; return 200 "[$realpath_root]"; }
            location /root { root {files}/$arg_d; return 200 "$document_root $request_filename"; }
            location /alias/ { alias {files}/dir/; return 200 "$document_root $request_filename"; }
            location ~ ^/rex/(.*)$ { alias {files}/$1; return 200 "$document_root $request_filename"; }
            location /changed { rewrite ^/changed(.*)$ /other$1; set $f $request_filename; break; }
            location /body { proxy_set_header X-Body $request_body; proxy_set_header X-File "f$request_body_file"; proxy_pass http://{a}; }
            location /nobody { return 200 "[$request_body]"; }
        }
        server { listen {port}; server_name s.test; root {files}/s; set $early $request_filename; location / { return 200 "$early|$request_filename"; } }"#,
    )
    .backend(&[])
    .get(&["/real", "/gone", "/root", "/root?d=x", "/alias/x/y", "/rex/a.txt", "/nobody"])
    .ask("POST", "/body", &["Content-Length: 9"], "name=text")
    .ask("POST", "/nobody", &["Content-Length: 3"], "abc")
    .check();
}
