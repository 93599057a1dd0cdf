//! Fields added to answers: `expires`, `add_header`, `server_tokens`.

use super::backends::Act;
use super::setup::Feature;

#[test]
fn expires_in_all_its_forms() {
    Feature::new(
        "expires",
        r#"server { listen {port}; root {files};
            location /h/ { alias {files}/; expires 1h; }
            location /plus/ { alias {files}/; expires +30m; }
            location /day/ { alias {files}/; expires 5h30m; }
            location /neg/ { alias {files}/; expires -1h; }
            location /one/ { alias {files}/; expires -1; }
            location /zero/ { alias {files}/; expires 0; }
            location /epoch/ { alias {files}/; expires epoch; }
            location /max/ { alias {files}/; expires max; }
            location /off/ { alias {files}/; expires off; }
            location /mod/ { alias {files}/; expires modified 1h; }
            location /modp/ { alias {files}/; expires modified +24h; }
            location /modn/ { alias {files}/; expires modified -24h; }
            location /inherit/ { expires 2h; location /inherit/none { return 200 x; } location /inherit/off { expires off; return 200 x; } }
            location /var/ { alias {files}/; expires $arg_e; }
            location /s200 { expires 1h; return 200 x; }
            location /s201 { expires 1h; return 201 x; }
            location /s204 { expires 1h; return 204; }
            location /s301 { expires 1h; return 301 /x; }
            location /s307 { expires 1h; return 307 /x; }
            location /s308 { expires 1h; return 308 /x; }
            location /s400 { expires 1h; return 404 x; }
            location /s500 { expires 1h; return 500 x; }
            location /p/ { expires 1h; proxy_pass http://{a}; }
            location /pe/ { expires epoch; proxy_pass http://{a}; }
            location /pm/ { expires modified 1h; proxy_pass http://{a}; }
            location /po/ { expires off; proxy_pass http://{a}; }
        }"#,
    )
    .backend(&[
        ("/own", Act::Say("HTTP/1.1 200 OK\r\nExpires: Thu, 01 Jan 2099 00:00:00 GMT\r\nCache-Control: private\r\nContent-Length: 1\r\n\r\nx")),
        ("/two", Act::Say("HTTP/1.1 200 OK\r\nCache-Control: a\r\nCache-Control: b\r\nContent-Length: 1\r\n\r\nx")),
        ("/lm", Act::Say("HTTP/1.1 200 OK\r\nLast-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\nContent-Length: 1\r\n\r\nx")),
        ("/404", Act::Say("HTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nx")),
    ])
    .get(&[
        "/h/a.txt", "/plus/a.txt", "/day/a.txt", "/neg/a.txt", "/one/a.txt", "/zero/a.txt", "/epoch/a.txt", "/max/a.txt", "/off/a.txt", "/mod/a.txt",
        "/modp/a.txt", "/modn/a.txt", "/inherit/none", "/inherit/off", "/var/a.txt?e=1h", "/var/a.txt?e=epoch", "/var/a.txt?e=max",
        "/var/a.txt?e=nonsense", "/var/a.txt", "/s200", "/s201", "/s204", "/s301", "/s307", "/s308", "/s400", "/s500", "/h/none", "/p/own", "/p/two", "/p/x", "/p/404",
        "/pe/own", "/pm/lm", "/pm/x", "/po/own",
    ])
    .get_with("/h/a.txt", &["If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"])
    .get_with("/h/a.txt", &["Range: bytes=0-3"])
    .check();
}

#[test]
fn fields_added_to_answers() {
    Feature::new(
        "add_header",
        r#"add_header X-Http http;
        server { listen {port}; root {files};
            location /inherit { return 200 x; }
            location /own { add_header X-Own own; return 200 x; }
            location /two { add_header X-A 1; add_header X-A 2; return 200 x; }
            location /always { add_header X-A 1 always; add_header X-B 2; return 404 x; }
            location /empty { add_header X-Empty ""; add_header X-Absent $arg_none; return 200 x; }
            location /var { add_header X-Var "$uri $status $upstream_status $sent_http_content_type $request_time_none"; return 200 x; }
            location /v2 { add_header X-Var "$uri $args" always; return 200 x; }
            location /lm { add_header Last-Modified "Sun, 09 Sep 2001 01:46:40 GMT"; return 200 x; }
            location /cc { add_header Cache-Control "no-store"; return 200 x; }
            location /ccp/ { add_header Cache-Control "no-store"; proxy_pass http://{a}; }
            location /lmp/ { add_header Last-Modified ""; proxy_pass http://{a}; }
            location /ct { add_header Content-Type text/x-added; return 200 x; }
            location /server { add_header Server mine; return 200 x; }
            location /s200 { return 200; } location /s201 { return 201; } location /s204 { return 204; } location /s206 { return 206 x; }
            location /s301 { return 301 /x; } location /s302 { return 302 /x; } location /s303 { return 303 /x; } location /s304 { return 304; }
            location /s307 { return 307 /x; } location /s308 { return 308 /x; } location /s400 { return 400; } location /s404 { return 404; } location /s500 { return 500; }
            location /s202 { return 202 x; } location /s203 { return 203 x; }
            location /p/ { proxy_pass http://{a}; add_header X-Up "$upstream_http_x_backend $upstream_status"; add_header X-Backend again; }
            location /f/ { alias {files}/; add_header X-F "$request_filename" ; }
            location /e/ { error_page 404 /epage; add_header X-E e always; return 404; }
            location /epage { add_header X-Page p always; return 200 page; }
        }"#
        .replace("$request_time_none", "")
        .replace("\"$request_filename\"", "\"$document_root\"")
        .as_str(),
    )
    .backend(&[
        ("/own", Act::Say("HTTP/1.1 200 OK\r\nLast-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\nCache-Control: private\r\nContent-Length: 1\r\n\r\nx")),
        ("/201", Act::Say("HTTP/1.1 201 Made\r\nContent-Length: 1\r\n\r\nx")),
        ("/404", Act::Say("HTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nx")),
    ])
    .get(&[
        "/inherit", "/own", "/two", "/always", "/empty", "/var/%20x", "/v2?a=b", "/lm", "/cc", "/ccp/own", "/lmp/own", "/server",
        "/s200", "/s201", "/s204", "/s206", "/s301", "/s302", "/s303", "/s304", "/s307", "/s308", "/s400", "/s404", "/s500", "/s202", "/s203",
        "/p/x", "/p/201", "/p/404", "/f/a.txt", "/f/none", "/e/", "/ct",
    ])
    .ask("HEAD", "/own", &[], "")
    .get_with("/f/a.txt", &["If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"])
    .check();
}

#[test]
fn the_name_of_the_server() {
    Feature::new(
        "server_tokens",
        r#"server { listen {port}; server_tokens off;
            location /on { server_tokens on; return 404; }
            location /p/ { proxy_pass http://{a}; }
            location /pp/ { proxy_pass http://{a}; proxy_pass_header Server; proxy_pass_header Date; }
            location / { return 404; }
        }"#,
    )
    .backend(&[(
        "/own",
        Act::Say(
            "HTTP/1.1 200 OK\r\nServer: Tomcat\r\nDate: Sun, 09 Sep 2001 01:46:40 GMT\r\nContent-Length: 1\r\n\r\nx",
        ),
    )])
    .get(&["/off", "/on", "/p/own", "/pp/own", "/pp/none"])
    .lines("bad", &["GET /off HTTP/1.1", "Host: a b"])
    .check();
}

#[test]
fn fields_stand_behind_the_body() {
    Feature::new(
        "add_trailer",
        "add_trailer X-Http h; server { listen {port}; include mime.types;
            location / { proxy_pass http://{a}; }
            location /own { add_trailer X-Own \"$uri $status\"; add_trailer X-Empty $arg_none; add_trailer X-All b always; return 200 text; }
            location /e { add_trailer X-All $uri always; add_trailer X-Own a; return 404; }
            location /n { return 204; } location /r { return 301 /x; } location /none { return 404 text; }
            location /f/ { alias {files}/; }
            location /s/ { sub_filter o 0; sub_filter_types *; proxy_pass http://{a}; } }",
    )
    .backend(&[
        ("/chunks", Act::Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n")),
        ("/trailers", Act::Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\nX-Up: a\r\n\r\n")),
        ("/500", Act::Say("HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\none")),
        ("/304", Act::Say("HTTP/1.1 304 No\r\n\r\n")),
    ])
    .get(&["/x", "/chunks", "/trailers", "/500", "/304", "/own", "/e", "/n", "/r", "/none", "/f/a.txt", "/f/big.txt", "/s/chunks", "/s/x"])
    .ask("HEAD", "/x", &[], "")
    .get_with("/f/a.txt", &["Range: bytes=0-3"])
    .get_with("/f/a.txt", &["If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"])
    .lines("HTTP/1.0", &["GET /x HTTP/1.0"])
    .check();
}

#[test]
fn without_chunks_the_connection_ends_with_the_body() {
    Feature::new(
        "chunked_transfer_encoding",
        "chunked_transfer_encoding off; server { listen {port}; include mime.types; gzip on; gzip_min_length 1;
            location / { proxy_pass http://{a}; } location /f/ { alias {files}/; } location /d/ { alias {files}/; autoindex on; index none; }
            location /s/ { gzip off; sub_filter o 0; sub_filter_types *; proxy_pass http://{a}; } }",
    )
    .backend(&[("/chunks", Act::Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n"))])
    .get(&["/x", "/chunks", "/f/a.txt", "/d/noindex/", "/s/x", "/s/chunks"])
    .get_with("/f/page.html", &["Accept-Encoding: gzip"])
    .ask("HEAD", "/chunks", &[], "")
    .check();
}
