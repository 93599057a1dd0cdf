//! Two languages, one meaning: what edge.yaml, and nginx.conf with the files of the Tomcats, say of the same deployment compiles
//! to the same snapshot.

use edge::convert::tomcat::Source;
use edge::server::{Options, load::Loader};
use std::path::Path;

/// A snapshot in words, its tables in a fixed order.
pub fn snapshot(file: &Path, tomcats: Vec<Source>) -> Vec<String> {
    let options = Options { file: file.to_owned(), offline: true, check_only: true, tomcats, ..Options::default() };
    let loaded = Loader::new(options).load();
    let snapshot = loaded.snapshot.unwrap_or_else(|| panic!("{}", loaded.diagnostics));
    let text = format!("{snapshot:#?}");
    // Each snapshot has a number of its own.
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("generation: "));
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.sort();
    lines
}

fn conf(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conf").join(name)
}

#[test]
fn edge_yaml_and_nginx_conf_of_the_seed_compile_to_equal_snapshots() {
    let home = tempfile::tempdir().unwrap();
    let server = |port: u16, route: &str| {
        let path = home.path().join(route);
        let text =
            format!("<Server><Service><Connector port='{port}'/><Engine jvmRoute='{route}'/></Service></Server>");
        std::fs::write(&path, text).unwrap();
        Source { address: None, path }
    };
    let context = Source { address: None, path: conf("context.xml") };
    let tomcats = vec![context, server(8080, "tomcat1"), server(8081, "tomcat2")];
    let (yaml, nginx) = (snapshot(&conf("edge.yaml"), Vec::new()), snapshot(&conf("nginx.conf"), tomcats));
    assert!(yaml.len() > 500, "a snapshot says more than {} lines", yaml.len());
    let only = |a: &[String], b: &[String]| a.iter().filter(|line| !b.contains(line)).cloned().collect::<Vec<_>>();
    assert_eq!(only(&yaml, &nginx), Vec::<String>::new(), "only in edge.yaml's");
    assert_eq!(only(&nginx, &yaml), Vec::<String>::new(), "only in nginx.conf's");
    assert_eq!(yaml, nginx);
}

/// An nginx.conf means what it means when it was converted.
pub fn check_conversion(text: &str) {
    let home = tempfile::tempdir().unwrap();
    let (conf, yaml) = (home.path().join("nginx.conf"), home.path().join("edge.yaml"));
    std::fs::write(&conf, text).unwrap();
    let mut diagnostics = edge::config::Diagnostics::new();
    let tree = edge::convert::load(&conf, &mut diagnostics);
    let tree = tree.filter(|_| !diagnostics.has_errors()).unwrap_or_else(|| panic!("{diagnostics}"));
    let converted = edge::convert::write::yaml(&tree, &Default::default());
    std::fs::write(&yaml, &converted).unwrap();
    let (from_conf, from_yaml) = (snapshot(&conf, Vec::new()), snapshot(&yaml, Vec::new()));
    let differing: Vec<_> = from_conf.iter().zip(&from_yaml).filter(|(a, b)| a != b).take(5).collect();
    assert!(from_conf == from_yaml, "{converted}\n{differing:#?}");
}

#[test]
fn a_difference_in_one_value_shows() {
    let home = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(conf("edge.yaml")).unwrap();
    let changed = text.replace("client_max_body_size: 20m", "client_max_body_size: 21m");
    assert_ne!(text, changed);
    let write = |name: &str, text: &str| {
        let file = home.path().join(name);
        std::fs::write(&file, text).unwrap();
        snapshot(&file, Vec::new())
    };
    assert_ne!(write("a.yaml", &text), write("b.yaml", &changed));
}
