//! `try_files`.

use super::setup::Feature;

#[test]
fn tries_files_and_directories() {
    Feature::new(
        "try_files",
        r#"server { listen {port}; root {files};
            location / { try_files $uri $uri/ =404; }
            location /uri/ { try_files /a.txt$uri /dir/b.txt /index.html; }
            location /code/ { try_files /nothing =410; }
            location /c200/ { try_files /nothing =200; }
            location /c301/ { try_files /nothing =301; }
            location /c444/ { try_files /nothing =444; }
            location /fall/ { try_files /nothing$uri /a.txt?x=$args; }
            location /fallargs/ { try_files /nothing /show?u=$uri&$args; }
            location /named/ { try_files $uri @named; }
            location @named { return 200 "named $uri $args"; }
            location /show { return 200 "show $uri $args"; }
            location /html/ { try_files $uri.html $uri/index.html /name.html; }
            location ~ ^/re/(.*)$ { try_files /$1 /$1.txt /errors/404.html; }
            location /circle/ { try_files /nothing /circle/x; }
            location /dironly/ { try_files /dir/ =404; }
            location /noslash/ { try_files /dir /a.txt; }
            location /file-as-dir/ { try_files /a.txt/ =404; }
            location /rooted/ { root {files}/dir; try_files /b.txt =404; }
            location /aliased/ { alias {files}/dir/; try_files $uri /a.txt; }
        }"#,
    )
    .get(&[
        "/a.txt",
        "/dir",
        "/dir/",
        "/dir/b.txt",
        "/none",
        "/noindex",
        "/noindex/",
        "/",
        "/dir?x",
        "/uri/x",
        "/code/x",
        "/c200/x",
        "/c301/x",
        "/c444/x",
        "/fall/x?y=z",
        "/fallargs/x?y=z",
        "/fallargs/x",
        "/named/x?y",
        "/html/x",
        "/re/a",
        "/re/a.txt",
        "/re/none",
        "/circle/a",
        "/dironly/x",
        "/noslash/x",
        "/file-as-dir/x",
        "/rooted/x",
        "/aliased/b.txt",
        "/aliased/x",
        "/sp%20ace.txt",
        "/%C3%BC.txt",
        "/question%3F.txt",
    ])
    .ask("HEAD", "/a.txt", &[], "")
    .ask("POST", "/named/x", &["Content-Length: 3"], "abc")
    .ask("POST", "/a.txt", &["Content-Length: 3"], "abc")
    .check();
}

#[test]
fn tries_files_before_an_application() {
    Feature::new(
        "try_files and proxies",
        r#"server { listen {port}; root {files};
            location / { try_files $uri @app; }
            location @app { proxy_pass http://{a}; proxy_set_header X-Uri $uri; }
            location /maint/ { try_files /maintenance.html @app; }
            location /direct/ { try_files /a.txt =404; proxy_pass http://{a}; }
            location /directmiss/ { try_files /nothing =404; proxy_pass http://{a}; }
            location /uripart/ { try_files /dir/b.txt =404; proxy_pass http://{a}/base/; }
            location /front/ { try_files /nothing /front.php?$args; }
            location ~ \.php$ { proxy_pass http://{a}; }
        }
        server { listen {port}; server_name whole.test; root {files}; try_files $uri /index.html; }"#,
    )
    .backend(&[])
    .get(&[
        "/a.txt",
        "/x/y?z=1",
        "/dir/",
        "/x/a%20b%2Fc?q",
        "/x//y/../z",
        "/maint/x",
        "/direct/x?y",
        "/directmiss/x",
        "/uripart/x?y",
        "/front/x?y=z",
        "/front/x",
    ])
    .ask("POST", "/x/y", &["Content-Length: 3"], "abc")
    .ask("PUT", "/a.txt", &["Content-Length: 3"], "abc")
    .ask("DELETE", "/x", &[], "")
    .ask("HEAD", "/x", &[], "")
    .host("whole.test", "/a.txt")
    .host("whole.test", "/none")
    .host("whole.test", "/dir")
    .check();
}
