//! Lists of files: `autoindex`, `random_index`.

use super::setup::Feature;

fn listing(name: &'static str, directives: &str) -> Feature {
    let text = format!(
        "server {{ listen {{port}}; {directives}
            location /f/ {{ alias {{files}}/; index none.html; }}
            location /indexed/ {{ alias {{files}}/; }}
            location /nowhere/ {{ alias {{files}}/nothing/; }} }}"
    );
    Feature::new(name, &text)
        .get(&[
            "/f/",
            "/f/dir/",
            "/f/dir/deep/",
            "/f/noindex/",
            "/f/dir",
            "/indexed/",
            "/nowhere/",
            "/f/a.txt/",
            "/f/?a=b",
        ])
        .ask("HEAD", "/f/", &[], "")
        .ask("POST", "/f/", &["Content-Length: 0"], "")
        .ask("DELETE", "/f/", &[], "")
        .get_with("/f/", &["If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"])
        .get_with("/f/", &["Range: bytes=0-9"])
        .lines("HTTP/1.0", &["GET /f/ HTTP/1.0"])
}

#[test]
fn a_list_in_html_is_nginx_s_byte_for_byte() {
    listing("autoindex", "autoindex on;").check();
    listing("autoindex off", "autoindex off;").check();
    listing("autoindex with rounded sizes", "autoindex on; autoindex_exact_size off;").check();
    listing("autoindex with local times", "autoindex on; autoindex_localtime on;").check();
    listing("autoindex in UTF-8", "autoindex on; charset utf-8;").check();
}

#[test]
fn a_list_in_other_formats_is_nginx_s_as_well() {
    listing("autoindex_format json", "autoindex on; autoindex_format json;").check();
    listing("autoindex_format xml", "autoindex on; autoindex_format xml; charset koi8-r;").check();
    listing("autoindex_format jsonp", "autoindex on; autoindex_format jsonp;")
        .get(&[
            "/f/?callback=cb",
            "/f/?a=1&Callback=a.b_1",
            "/f/?callback=",
            "/f/?callback=a-b",
            "/f/dir/deep/?callback=x",
        ])
        .check();
}

#[test]
fn a_list_is_compressed_and_told_when_it_ends() {
    Feature::new(
        "autoindex with other things",
        "server { listen {port}; location /f/ { alias {files}/; index none; autoindex on; expires 1h; add_header X-A b; }
            location /sub/ { alias {files}/; index none; autoindex on; sub_filter 'Index of' 'Files in'; } }",
    )
    .get(&["/f/", "/sub/"])
    .check();
}

#[test]
fn one_file_stands_for_a_directory() {
    Feature::new(
        "random_index",
        "server { listen {port}; location /r/ { alias {files}/errors/; random_index on; location ~ html$ { return 200 found; } }
            location /e/ { alias {files}/dir/deep/; random_index on; } location /n/ { alias {files}/nothing/; random_index on; } }",
    )
    .get(&["/r/", "/e/", "/n/", "/r/404.html"])
    .ask("HEAD", "/e/", &[], "")
    .ask("POST", "/e/", &["Content-Length: 0"], "")
    .check();
}

#[test]
fn links_are_not_followed() {
    Feature::new(
        "disable_symlinks",
        "server { listen {port}; root {files};
            location /on/ { alias {files}/; disable_symlinks on; }
            location /from/ { alias {files}/; disable_symlinks on from={files}; }
            location /deep/ { alias {files}/linked/; disable_symlinks on from={files}/linked; }
            location /deeper/ { alias {files}/linked/; disable_symlinks on from=$document_root; }
            location /owner/ { alias {files}/; disable_symlinks if_not_owner; }
            location /off/ { alias {files}/; } }",
    )
    .get(&["/on/a.txt", "/on/link.txt", "/on/linked/", "/on/linked/b.txt", "/on/dir/", "/on/none"])
    .get(&["/from/a.txt", "/from/link.txt", "/from/linked/b.txt", "/deep/b.txt", "/deep/", "/deeper/b.txt"])
    .get(&["/owner/a.txt", "/owner/link.txt", "/owner/linked/", "/off/link.txt", "/off/linked/"])
    .check();
}
