//! Who may come in, from nginx.conf to edge.yaml and back.

use super::write;
use crate::config::{Diagnostics, Raw, yaml};
use std::collections::BTreeMap;
use std::path::Path;

const CONF: &str = r#"http {
    allow 10.0.0.0/8; deny 192.168.1.1; allow unix:; deny all;
    satisfy any; auth_delay 1s;
    set_real_ip_from 127.0.0.1; set_real_ip_from 10.0.0.0/8; real_ip_header X-Forwarded-For; real_ip_recursive on;
    modern_browser msie 5.5; modern_browser unlisted; ancient_browser Lynx; ancient_browser netscape4 Links;
    ancient_browser_value old; modern_browser_value new;
    server {
        listen 8080; server_name a.test;
        auth_basic "who \"are\" you"; auth_basic_user_file $host.users;
        valid_referers none blocked; valid_referers server_names *.b.test ~\.c\.;
        referer_hash_max_size 1024; referer_hash_bucket_size 64;
        userid on; userid_name u; userid_domain a.test; userid_expires 365d; userid_flags secure samesite=lax; userid_mark 7;
        userid_p3p 'policyref="/p"'; userid_path /x; userid_service 12;
        location / {
            auth_request /judge; auth_request_set $who $upstream_http_x_who; auth_request_set $how "$upstream_status $who";
            proxy_set_header X-Who $who;
            limit_except GET POST { allow 127.0.0.1; deny all; auth_basic off; proxy_pass http://127.0.0.1:2; }
            proxy_pass http://127.0.0.1:1;
        }
        location /judge { auth_request off; return 204; }
        location /s/ { secure_link $arg_md5,$arg_expires; secure_link_md5 "$secure_link_expires$uri s"; }
        location /p/ { secure_link_secret word; }
    }
}"#;

#[test]
fn what_is_converted_reads_as_what_was_written() {
    let mut diagnostics = Diagnostics::new();
    let tree = super::parse(Path::new("nginx.conf"), CONF, &mut diagnostics).unwrap();
    assert_eq!(diagnostics.to_string(), "");
    let text = write::yaml(&tree, &BTreeMap::new());
    let again = yaml::parse(Path::new("edge.yaml"), &text, &mut diagnostics).unwrap();
    assert_eq!(again.to_yaml(), tree.to_yaml(), "{text}");
    let typed = |node| format!("{:?}", Raw::read(node, &mut Diagnostics::new()));
    let without_places = |mut text: String| {
        while let Some(at) = text.find("Span {") {
            let end = text[at..].find('}').unwrap();
            text.replace_range(at..=at + end, "");
        }
        text
    };
    assert_eq!(without_places(typed(&again)), without_places(typed(&tree)));
    Raw::read(&again, &mut diagnostics);
    assert_eq!(diagnostics.to_string(), "", "{text}");
}

#[test]
fn rules_keep_their_order() {
    let mut diagnostics = Diagnostics::new();
    let tree = super::parse(Path::new("nginx.conf"), CONF, &mut diagnostics).unwrap();
    let raw = Raw::read(&tree, &mut diagnostics);
    let rules = raw.scope.access.unwrap().value.0;
    let rules: Vec<String> = rules.iter().map(|rule| format!("{} {}", rule.allow, rule.who.value)).collect();
    assert_eq!(rules, ["true 10.0.0.0/8", "false 192.168.1.1", "true unix:", "false all"]);
    let limit = raw.servers[0].locations[0].limit_except.as_ref().unwrap();
    let methods: Vec<&str> = limit.methods.iter().map(|method| method.as_str()).collect();
    assert_eq!((methods, limit.scope.access.as_ref().map(|rules| rules.0.len())), (vec!["GET", "POST"], Some(2)));
}
