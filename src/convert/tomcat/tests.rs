//! What a configuration becomes with the files of its Tomcats.

use super::file::File;
use super::sessions::join_files;
use super::{Added, Source, xml};
use crate::config::Diagnostics;
use crate::convert::write;
use std::collections::BTreeMap;
use std::path::Path;

const SEED: &str = include_str!("../../../conf/context.xml");

const GOOD: &str = r#"<Context backgroundProcessorDelay="1"><Manager sessionBackupAsync="false"
    className="de.javakaffee.web.msm.MemcachedBackupSessionManager" memcachedNodes="n1:10.0.0.3:11211 n2:10.0.0.4:11211"
    requestUriIgnorePattern=".*\.css" storageKeyPrefix="static:x"/></Context>"#;

struct Joined {
    yaml: String,
    said: String,
    added: Added,
}

/// Joins the `http` block of an nginx.conf with files: what they are called, and what they hold.
fn join(http: &str, files: &[(&str, &str)]) -> Joined {
    let mut d = Diagnostics::new();
    let mut tree = crate::convert::parse(Path::new("nginx.conf"), &format!("http {{ {http} }}"), &mut d).unwrap();
    let files = files
        .iter()
        .map(|(name, text)| {
            let source = Source::from(*name);
            let elements = xml::parse(&source.path, text, &mut d).unwrap();
            File::of(&source, &elements, &mut d)
        })
        .collect();
    let added = join_files(&mut tree, files, &mut d);
    d.sort();
    Joined { yaml: write::yaml(&tree, &BTreeMap::new()), said: d.to_string(), added }
}

fn server(port: u16, route: &str) -> String {
    format!(
        "<Server><Service><Connector port='8009' protocol='AJP/1.3'/><Connector port='{port}' protocol='HTTP/1.1'/>\
         <Engine jvmRoute='{route}'/></Service></Server>"
    )
}

const WEB: &str = "upstream web { server 10.0.0.1:8080; server 10.0.0.1:8081 weight=2; }
    server { listen 80; location / { proxy_pass http://web; } }";

#[test]
fn the_seed_becomes_what_a_person_would_write() {
    let seed = join(WEB, &[("context.xml", SEED)]);
    let head = "session_store:\n  msm: { memcached: { n1: '172.168.1.221:11211' }, timeout: 50ms }\n";
    assert!(seed.yaml.starts_with(head), "{}", seed.yaml);
    let session = "    session:
      cookie: JSESSIONID
      path_parameter: jsessionid
      store: msm
      mode: sticky
      ignore: '.*\\.(png|gif|jpg|css|js|ico|jpeg|htm|html)$'
      contexts: [/]
";
    assert!(seed.yaml.contains(session), "{}", seed.yaml);
    assert_eq!(seed.added.upstreams, ["web"]);
    // One memcached, half an hour, no jvmRoute twice, no background thread.
    assert_eq!(seed.said.matches(" warning: ").count(), 5, "{}", seed.said);
}

#[test]
fn routes_come_from_each_tomcat_s_server_xml_by_its_port() {
    let (one, two) = (server(8080, "t1"), server(8081, "t2"));
    let joined = join(WEB, &[("context.xml", GOOD), ("a/server.xml", &two), ("b/server.xml", &one)]);
    assert_eq!(joined.said, "");
    let servers = "    servers:
      - { address: '10.0.0.1:8080', route: t1 }
      - { address: '10.0.0.1:8081', route: t2, weight: 2 }
";
    assert!(joined.yaml.contains(servers), "{}", joined.yaml);
    let nodes = "  msm: { memcached: { n1: '10.0.0.3:11211', n2: '10.0.0.4:11211' }, timeout: 50ms }\n";
    assert!(joined.yaml.contains(nodes), "{}", joined.yaml);
    assert!(joined.yaml.contains("storage_key_prefix: 'static:x'"), "{}", joined.yaml);
}

#[test]
fn a_port_that_two_machines_have_tells_no_route_and_an_address_does() {
    let web = WEB.replace("10.0.0.1:8081", "10.0.0.2:8080");
    let (one, two) = (server(8080, "t1"), server(8080, "t2"));
    let joined = join(&web, &[("context.xml", GOOD), ("a.xml", &one), ("b.xml", &two)]);
    assert!(!joined.yaml.contains("route:"), "{}", joined.yaml);
    assert_eq!(joined.said.matches("the jvmRoute of 10.0.0.").count(), 2, "{}", joined.said);
    let joined = join(&web, &[("context.xml", GOOD), ("10.0.0.1:8080=a.xml", &one), ("10.0.0.2:8080=b.xml", &two)]);
    assert_eq!(joined.said, "");
    assert!(joined.yaml.contains("route: t1 }") && joined.yaml.contains("route: t2, weight"), "{}", joined.yaml);
}

#[test]
fn a_route_that_nginx_conf_has_is_kept_whichever_module_s_word_it_is() {
    let web = WEB.replace("8080;", "8080 route=a;").replace("8081 ", "8081 srun_id=b ");
    let joined = join(&web, &[("context.xml", GOOD), ("server.xml", &server(8080, "t1"))]);
    assert_eq!(joined.said, "");
    assert!(joined.yaml.contains("route: a }") && joined.yaml.contains("route: b"), "{}", joined.yaml);
    assert!(!joined.yaml.contains("t1"), "{}", joined.yaml);
}

#[test]
fn every_upstream_of_the_tomcats_has_sessions_and_no_other() {
    let http = "upstream a { server 10.0.0.1:8080 route=a; } upstream b { server 10.0.0.1:9000 route=b; }
        upstream unused { server 10.0.0.1:8080 route=c; }
        server { listen 80; location / { proxy_pass http://a; location /x { proxy_pass http://b/y; } } }";
    let both = join(http, &[("context.xml", GOOD)]);
    assert_eq!(both.added.upstreams, ["a", "b"]);
    // A server.xml tells which port is a Tomcat's.
    let one = join(http, &[("context.xml", GOOD), ("server.xml", &server(8080, "t1"))]);
    assert_eq!(one.added.upstreams, ["a"]);
}

#[test]
fn where_no_upstream_is_named_it_is_told_what_to_write() {
    let joined = join("server { listen 80; location / { proxy_pass http://10.0.0.1:8080/a; } }", &[("c.xml", GOOD)]);
    assert!(joined.added.upstreams.is_empty() && !joined.yaml.contains("session"), "{}", joined.yaml);
    assert!(joined.said.contains("sessions belong to an upstream"), "{}", joined.said);
    assert!(joined.said.contains("upstream tomcats { server 10.0.0.1:8080; }"), "{}", joined.said);
}

#[test]
fn names_and_paths_of_several_applications_come_from_their_contexts() {
    let manager = GOOD.split_once('>').unwrap().1.strip_suffix("</Context>").unwrap();
    let context = |path: &str| {
        format!("<Context path='{path}' sessionCookieName='SID' backgroundProcessorDelay='1'>{manager}</Context>")
    };
    let text = format!(
        "<Server><Service><Connector port='8080'/><Engine jvmRoute='t'><Host>{}{}</Host></Engine></Service></Server>",
        context("/shop"),
        context("")
    );
    let http = "upstream web { server 10.0.0.1:8080; } server { listen 80; location / { proxy_pass http://web; } }";
    let joined = join(http, &[("server.xml", &text)]);
    assert_eq!(joined.said, "");
    assert!(joined.yaml.contains("cookie: SID") && joined.yaml.contains("path_parameter: SID"), "{}", joined.yaml);
    assert!(joined.yaml.contains("contexts: [/, /shop]"), "{}", joined.yaml);
}

#[test]
fn not_sticky_needs_no_route() {
    let text = GOOD.replace("sessionBackupAsync", "sticky='false' lockingMode='all' sessionBackupAsync");
    let joined = join(WEB, &[("context.xml", &text)]);
    assert_eq!(joined.said, "");
    assert!(joined.yaml.contains("mode: non_sticky"), "{}", joined.yaml);
}

/// nginx.conf's own words win over what is derived.
#[test]
fn what_stands_in_the_configuration_is_left_as_it_is() {
    let mut d = Diagnostics::new();
    let text = "session_store: { s: { memcached: 'h:1' } }\nupstream:\n  web: { servers: ['10.0.0.1:8080'], session: { store: s } }\n\
                server: { listen: 80, location: { match: /, proxy_pass: 'http://web' } }\n";
    let mut tree = crate::config::yaml::parse(Path::new("edge.yaml"), text, &mut d).unwrap();
    let elements = xml::parse(Path::new("context.xml"), GOOD, &mut d).unwrap();
    let file = File::of(&Source::from("context.xml"), &elements, &mut d);
    assert!(join_files(&mut tree, vec![file], &mut d).upstreams.is_empty());
    assert_eq!(tree.get("session_store").unwrap().as_map().unwrap()[0].key, "s");
    assert_eq!(tree.get("upstream").unwrap().get("web").unwrap().get("session").unwrap().as_map().unwrap().len(), 1);
}

#[test]
fn an_argument_is_a_file_or_an_address_with_one() {
    let source = |text: &str| {
        let Source { address, path } = Source::from(text);
        (address, path.to_str().unwrap().to_owned())
    };
    assert_eq!(source("conf/context.xml"), (None, "conf/context.xml".into()));
    assert_eq!(source("10.0.0.1:8080=a.xml"), (Some("10.0.0.1:8080".into()), "a.xml".into()));
    assert_eq!(source("/srv/a:b=c/d.xml"), (None, "/srv/a:b=c/d.xml".into()));
}

#[test]
fn a_hostile_file_ends_in_a_message() {
    let deep = "<a>".repeat(200_000);
    let wide = format!("<Context>{}</Context>", "<Manager className='x'/>".repeat(40_000));
    for text in [deep.as_str(), &wide, "<a b='1' b='2'/>", "\u{0}", "", "<Context", "&#x0;", "<a>&lol;</a>"] {
        let mut d = Diagnostics::new();
        let elements = xml::parse(Path::new("context.xml"), text, &mut d);
        assert!(elements.is_some() || d.has_errors(), "{}", text.len());
    }
}

#[test]
fn nodes_for_failover_are_those_that_all_tomcats_name() {
    let manager =
        |failover: &str| GOOD.replace("memcachedNodes=", &format!("failoverNodes=\"{failover}\" memcachedNodes="));
    let (one, two) = (manager("n1"), manager("n2"));
    let same = join(WEB, &[("a/context.xml", &two), ("b/context.xml", &two)]);
    assert!(same.yaml.contains("n2: '10.0.0.4:11211' }, failover: [n2], timeout: 50ms }"), "{}", same.yaml);
    let each_its_own = join(WEB, &[("a/context.xml", &one), ("b/context.xml", &two)]);
    assert!(!each_its_own.yaml.contains("failover"), "{}", each_its_own.yaml);
}
