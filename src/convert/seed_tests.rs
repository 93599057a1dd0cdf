//! The files of `conf/`: the nginx.conf edge was made to replace with its Tomcats' context.xml, and the same in YAML.

use super::tomcat::{self, Source};
use crate::config::{Diagnostics, Raw, Severity, yaml};
use regex::Regex;
use std::path::{Path, PathBuf};

fn conf(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conf").join(name)
}

fn read(name: &str) -> (Raw, Diagnostics) {
    read_with(name, &[])
}

fn read_with(name: &str, tomcats: &[Source]) -> (Raw, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let path = conf(name);
    let mut node = match name.ends_with(".yaml") {
        true => yaml::load(&path, &mut diagnostics),
        false => super::load(&path, &mut diagnostics),
    };
    if let Some(tree) = node.as_mut().filter(|_| !tomcats.is_empty()) {
        tomcat::add(tree, tomcats, &mut diagnostics);
    }
    let raw = Raw::read(&node.unwrap(), &mut diagnostics);
    (raw, diagnostics)
}

/// The typed values without their places, and without directives that are accepted and have no value.
fn values(raw: &Raw) -> String {
    let text = format!("{raw:#?}");
    let text = Regex::new(r"span: Span \{[^}]*\},?\s*").unwrap().replace_all(&text, "").into_owned();
    Regex::new(r"Some\(\s*Spanned \{\s*value: Accepted,\s*\},?\s*\)").unwrap().replace_all(&text, "None").into_owned()
}

#[test]
fn the_seed_has_no_mistake_and_is_warned_of_its_double_host_twice() {
    let (raw, diagnostics) = read("nginx.conf");
    assert_eq!(diagnostics.count(), (0, 2), "{diagnostics}");
    for d in diagnostics.iter() {
        assert_eq!(d.severity, Severity::Warning);
        assert_eq!(d.message, "`Host` is set twice in this block: edge sends the first");
    }
    let lines: Vec<u32> = diagnostics.iter().filter_map(|d| d.span).map(|span| span.line).collect();
    assert_eq!(lines, [78, 104]);
    assert_eq!(raw.servers[0].locations.len(), 3);
    let types = raw.scope.types.as_ref().unwrap();
    assert!(
        types.iter().any(|(name, extensions)| name.value == "text/html" && *extensions == ["html", "htm", "shtml"])
    );
}

#[test]
fn edge_yaml_says_what_the_seed_says() {
    let home = tempfile::tempdir().unwrap();
    let server = |port: u16, route: &str| {
        let path = home.path().join(route);
        let text =
            format!("<Server><Service><Connector port='{port}'/><Engine jvmRoute='{route}'/></Service></Server>");
        std::fs::write(&path, text).unwrap();
        Source { address: None, path }
    };
    let context = Source { address: None, path: conf("context.xml") };
    let (mut seed, _) = read_with("nginx.conf", &[context, server(8080, "tomcat1"), server(8081, "tomcat2")]);
    // The one difference: the seed includes mime.types, which is the table edge has built in.
    assert!(seed.scope.types.take().is_some());
    let (edge, diagnostics) = read("edge.yaml");
    assert!(diagnostics.is_empty(), "{diagnostics}");
    let (seed, edge) = (values(&seed), values(&edge));
    let differs = seed.lines().zip(edge.lines()).find(|(a, b)| a != b);
    assert!(seed == edge, "{differs:?}");
}

#[test]
fn a_changed_value_is_seen_by_the_comparison() {
    let (mut raw, _) = read("edge.yaml");
    let before = values(&raw);
    assert!(!before.contains("Span {") && before.contains("172.168.1.222:8081"));
    raw.upstreams[0].keys.servers.as_mut().unwrap().value.pop();
    assert_ne!(before, values(&raw));
}

#[test]
fn the_smallest_configuration_has_no_mistake() {
    let (raw, diagnostics) = read("minimal.yaml");
    assert!(diagnostics.is_empty(), "{diagnostics}");
    assert!(raw.servers[0].locations[0].keys.proxy_pass.is_some());
}
