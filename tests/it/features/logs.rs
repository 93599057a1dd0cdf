//! What is written about requests.

use super::backends::Act;
use super::setup::Feature;
use crate::differential::case;

const FORMAT: &str = r#"log_format fields
    'remote_addr=$remote_addr	remote_user=$remote_user	request=$request	status=$status	body_bytes_sent=$body_bytes_sent	bytes_sent=$bytes_sent	'
    'request_length=$request_length	http_x=$http_x	http_user_agent=$http_user_agent	sent_content_type=$sent_http_content_type	'
    'sent_content_length=$sent_http_content_length	sent_location=$sent_http_location	sent_connection=$sent_http_connection	sent_x_up=$sent_http_x_up	sent_server_present=$sent_http_none	'
    'sent_transfer_encoding=$sent_http_transfer_encoding	sent_etag=$sent_http_etag	sent_last_modified=$sent_http_last_modified	sent_keep_alive=$sent_http_keep_alive	'
    'upstream_addr=$upstream_addr	upstream_status=$upstream_status	upstream_x_up=$upstream_http_x_up	upstream_response_length=$upstream_response_length	'
    'upstream_bytes_received=$upstream_bytes_received	upstream_bytes_sent=$upstream_bytes_sent	'
    'args=$args	uri=$uri	request_uri=$request_uri	host=$host	server_name=$server_name	scheme=$scheme	server_port=$server_port	server_addr=$server_addr	'
    'request_method=$request_method	content_length=$content_length	content_type=$content_type	cookie_a=$cookie_a	arg_a=$arg_a	is_args=$is_args	server_protocol=$server_protocol	'
    'request_completion=$request_completion	connection_requests=$connection_requests	pipe=$pipe	https=$https	query_string=$query_string	document_uri=$document_uri	'
    'proxy_host=$proxy_host	proxy_port=$proxy_port	forwarded=$proxy_add_x_forwarded_for	http_host=$http_host	http_cookie=$http_cookie	capture=$word	document_root=$document_root	request_filename=$request_filename	upstream_cookie_c=$upstream_cookie_c	cache=$upstream_cache_status';
"#;

#[test]
fn lines_of_the_log() {
    let text = FORMAT.to_string()
        + r#"proxy_set_header Connection close; # what nginx sends by itself, and edge does not
        upstream app { server {a}; }
        upstream two { server {dead}; server {b} max_fails=0 backup; }
        upstream gone { server {dead}; }
        server { listen {port}; server_name log.test; access_log logs/lines.log fields; root {files}; client_max_body_size 100;
            location / { }
            location /t { return 200 "text"; }
            location /app/ { proxy_pass http://app; }
            location /two/ { proxy_pass http://two; }
            location /gone/ { proxy_pass http://gone; }
            location /addr/ { proxy_pass http://{a}; }
            location /444 { return 444; }
            location /301 { return 301 /x; }
            location /rw { rewrite ^/rw/(.*)$ /t/$1?z=1 last; }
            location /ep { error_page 404 =200 /t/ep; return 404; }
            location /epp/ { error_page 502 @app; proxy_pass http://gone; }
            location @app { proxy_pass http://app; }
            location ~ ^/re/(?<word>\w+) { return 200 re; }
            location /quiet { access_log off; return 200 quiet; }
            location /timeout/ { proxy_read_timeout 300ms; proxy_pass http://app; }
            location /int/ { internal; }
            location /gz { gzip on; gzip_types *; default_type text/html; return 200 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"; }
        }"#;
    Feature::new("log lines", &text)
        .backend(&[
            ("/up", Act::Say("HTTP/1.1 200 OK\r\nX-Up: yes\r\nSet-Cookie: c=5; Path=/\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nabcde")),
            ("/chunked", Act::Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")),
            ("/500", Act::Say("HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno")),
            ("/short", Act::Cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")),
            ("/stall", Act::Stall),
            ("/304", Act::Say("HTTP/1.1 304 Same\r\nETag: \"x\"\r\n\r\n")),
        ])
        .backend(&[])
        .without_probes()
        .get(&[
            "/t", "/t?a=1&b=2", "/t/a%20b?A=5", "/a.txt", "/none", "/dir", "/dir/", "/app/x?a=b", "/app/up", "/app/chunked", "/app/500", "/app/short", "/app/304", "/two/x", "/two/y", "/gone/x", "/addr/up",
            "/444", "/301", "/rw/abc?a=b", "/rw/abc", "/ep", "/epp/x", "/re/abc?x", "/quiet", "/timeout/stall", "/int/", "/t?", "/t/%22quoted%22",
        ])
        .get_with("/t", &["X: one", "User-Agent: a \"b\" \\ c", "Cookie: a=1; b=2", "Authorization: Basic dXNlcjpwdw=="])
        .get_with("/t/two", &["X: one", "Cookie: a=1"])
        .get_with("/app/forward", &["X-Forwarded-For: 1.2.3.4", "Content-Type: x/y", "Referer: http://x/"])
        .get_with("/a.txt", &["Range: bytes=0-3"])
        .get_with("/a.txt", &["If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"])
        .ask("HEAD", "/a.txt", &[], "")
        .ask("HEAD", "/app/up", &[], "")
        .ask("POST", "/app/up", &["Content-Length: 3"], "abc")
        .ask("POST", "/app/chunks", &["Transfer-Encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n")
        .ask("POST", "/t", &["Content-Length: 3"], "abc")
        .ask("POST", "/t/c", &["Transfer-Encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n")
        .ask("POST", "/app/big", &["Content-Length: 101"], &"x".repeat(101))
        .ask("PUT", "/a.txt", &["Content-Length: 3"], "abc")
        .case(case::get("two on a connection", "/t/1").then(b"GET /app/2 HTTP/1.1\r\nHost: B.test:80\r\n\r\n"))
        .host("LOG.test:81", "/t/host")
        .lines("1.0", &["GET /t HTTP/1.0"])
        .lines("1.0 app", &["GET /app/chunked HTTP/1.0"])
        .lines("1.0 without anything", &["GET / HTTP/1.0"])
        .lines("absolute", &["GET http://abs.test/t?x HTTP/1.1", "Host: b.test"])
        .check();
}

/// Of a request that was not read to its end, little is known; what, is a matter of how it is read.
#[test]
fn lines_of_the_log_for_refused_requests() {
    let text = FORMAT.to_string()
        + r#"server { listen {port}; server_name log.test; access_log logs/lines.log fields; location / { return 200 "text"; } location ~ ^/re/(?<word>\w+) { return 200 re; } }"#;
    Feature::new("log of refusals", &text)
        .without_probes()
        .get(&["/%zz"])
        .lines("a long field", &["GET /t HTTP/1.1", "Host: a", &format!("X: {}", "x".repeat(9_000))])
        .lines("a long target", &[&format!("GET /{} HTTP/1.1", "x".repeat(9_000)), "Host: a"])
        .lines("no host", &["GET /t/nohost HTTP/1.1"])
        .lines("garbage", &["\x01\x02garbage"])
        .lines("a bad version", &["GET / HTTP/9.9"])
        .lines("09", &["GET /t"])
        .lines("a bad field", &["GET /t/badfield HTTP/1.1", "Host: a", "X: a\0b"])
        .lines("a bad host", &["GET /t/badhost HTTP/1.1", "Host: a/b"])
        .lines("a bad length", &["POST /t/badlength HTTP/1.1", "Host: a", "Content-Length: x"])
        .check();
}

fn escaped(name: &'static str, escape: &str) {
    let text = format!(
        "log_format x {escape} 'agent=$http_user_agent\tx=$http_x\tabsent=$http_absent\turi=$uri\trequest=$request\targ=$arg_a\tstatus=$status'; \
         server {{ listen {{port}}; access_log logs/lines.log x; location / {{ return 200 ok; }} }}"
    );
    Feature::new(name, &text)
        .get(&["/a%20b%22c%5Cd%09e%C3%BC%7F%01", "/x?a=\"q\"", "/plain"])
        .get_with("/a", &["User-Agent: a \"quoted\" \\ back\tslash \u{fc} end", "X: <>&'"])
        .get_with("/b", &["User-Agent:"])
        .check();
}

#[test]
fn lines_are_escaped() {
    escaped("log escapes", "");
}

#[test]
fn lines_are_escaped_for_json() {
    escaped("log escapes for json", "escape=json");
}

#[test]
fn lines_are_not_escaped() {
    escaped("log without escapes", "escape=none");
}

#[test]
fn lines_in_the_usual_formats() {
    let text = r#"log_format two '$remote_addr	$request	$status	$body_bytes_sent	$http_referer';
        access_log logs/lines.log two;
        server { listen {port}; root {files};
            location /a { return 200 a; }
            location /off { access_log off; return 200 off; }
            location /own { access_log logs/own.log combined; access_log logs/lines.log two; return 200 own; }
            location /inner { error_page 404 /off; return 404; }
        }"#;
    Feature::new("log formats", text)
        .get(&["/a", "/off", "/own", "/inner", "/a.txt", "/missing"])
        .get_with("/a", &["Referer: http://x/"])
        .check();
}

#[test]
fn no_lines_where_the_log_is_off_among_others() {
    let text = r#"log_format two '$request	$status';
        server { listen {port}; access_log logs/lines.log two;
            location /both { access_log off; access_log logs/lines.log two; return 200 both; }
            location /other { access_log logs/lines.log two; access_log off; return 200 other; }
            location / { return 200 ok; }
        }"#;
    Feature::new("access_log off", text).without_probes().get(&["/x", "/both", "/other", "/y"]).check();
}
