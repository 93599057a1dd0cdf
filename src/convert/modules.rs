//! nginx's modules as its `configure` names them, and which of them edge has: a module is there if the directive that it is
//! about is carried. `edge -V` prints this.

use super::places::places_of;

/// What is not built into nginx unless asked for, with the directive that it is about.
#[rustfmt::skip]
const ASKED_FOR: &[(&str, &str)] = &[
    ("http_ssl_module", "ssl_certificate"),
    ("http_v2_module", "http2"),
    ("http_v3_module", "http3"),
    ("http_realip_module", "set_real_ip_from"),
    ("http_addition_module", "add_before_body"),
    ("http_sub_module", "sub_filter"),
    ("http_auth_request_module", "auth_request"),
    ("http_gunzip_module", "gunzip"),
    ("http_gzip_static_module", "gzip_static"),
    ("http_random_index_module", "random_index"),
    ("http_secure_link_module", "secure_link"),
    ("http_slice_module", "slice"),
    ("http_stub_status_module", "stub_status"),
    ("http_dav_module", "dav_methods"),
    ("http_flv_module", "flv"),
    ("http_mp4_module", "mp4"),
    ("http_geoip_module", "geoip_country"),
    ("http_image_filter_module", "image_filter"),
    ("http_perl_module", "perl"),
    ("http_xslt_module", "xslt_stylesheet"),
    ("http_tunnel_module", "tunnel_pass"),
    ("mail", "mail"),
    ("stream", "stream"),
];

/// What nginx has unless it was built without.
#[rustfmt::skip]
const USUAL: &[(&str, &str)] = &[
    ("http_charset_module", "charset"),
    ("http_gzip_module", "gzip"),
    ("http_ssi_module", "ssi"),
    ("http_userid_module", "userid"),
    ("http_access_module", "allow"),
    ("http_auth_basic_module", "auth_basic"),
    ("http_mirror_module", "mirror"),
    ("http_autoindex_module", "autoindex"),
    ("http_geo_module", "geo"),
    ("http_map_module", "map"),
    ("http_split_clients_module", "split_clients"),
    ("http_referer_module", "valid_referers"),
    ("http_rewrite_module", "rewrite"),
    ("http_proxy_module", "proxy_pass"),
    ("http_fastcgi_module", "fastcgi_pass"),
    ("http_uwsgi_module", "uwsgi_pass"),
    ("http_scgi_module", "scgi_pass"),
    ("http_grpc_module", "grpc_pass"),
    ("http_memcached_module", "memcached_pass"),
    ("http_limit_conn_module", "limit_conn"),
    ("http_limit_req_module", "limit_req"),
    ("http_empty_gif_module", "empty_gif"),
    ("http_browser_module", "modern_browser"),
    ("http_upstream_hash_module", "hash"),
    ("http_upstream_ip_hash_module", "ip_hash"),
    ("http_upstream_least_conn_module", "least_conn"),
    ("http_upstream_random_module", "random"),
    ("http_upstream_keepalive_module", "keepalive"),
    ("http_upstream_zone_module", "zone"),
    ("http_upstream_sticky_module", "sticky"),
    ("http-cache", "proxy_cache_path"),
];

/// The words of `configure` that would build an nginx with what edge has.
pub fn configured() -> Vec<String> {
    let has = |directive: &str| !places_of(directive).is_empty();
    let with = ASKED_FOR.iter().filter(|(_, directive)| has(directive)).map(|(name, _)| format!("--with-{name}"));
    let without = USUAL.iter().filter(|(_, directive)| !has(directive)).map(|(name, _)| format!("--without-{name}"));
    with.chain(without).collect()
}

/// The directives of nginx and of modules for it that edge carries, in the order of their names.
pub fn carried() -> Vec<&'static str> {
    let mut carried: Vec<_> = super::directives::names().filter(|name| !places_of(name).is_empty()).collect();
    carried.sort_unstable();
    carried
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::directives::module_of;

    #[test]
    fn what_is_configured_is_what_is_carried() {
        let words = configured();
        for there in ["--with-http_ssl_module", "--with-http_slice_module", "--without-http_fastcgi_module"] {
            assert!(words.iter().any(|word| word == there), "{there} is not in {words:?}");
        }
        for absent in ["--with-mail", "--with-stream", "--with-http_v3_module", "--without-http_proxy_module"] {
            assert!(words.iter().all(|word| word != absent), "{absent} is in {words:?}");
        }
    }

    #[test]
    fn every_module_is_about_a_directive_that_nginx_has() {
        for (module, directive) in ASKED_FOR.iter().chain(USUAL) {
            assert!(module_of(directive).is_some(), "{module}: {directive}");
        }
    }
}
