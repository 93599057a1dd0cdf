//! All mistakes in one run, each of them once: one that is found does not hide another, nor make up a third.

use super::Desk;

/// What is said about a configuration, without the lines that show it.
fn told(configuration: &str) -> Vec<String> {
    let said = Desk::new().with("edge.yaml", configuration).check("edge.yaml");
    let places = said.stderr.lines().filter_map(|line| line.strip_prefix("edge.yaml:"));
    let told: Vec<String> = places.map(str::to_owned).collect();
    let wrong = told.iter().any(|line| line.contains(" error: "));
    assert_eq!(said.status.code(), Some(i32::from(wrong)), "{}", said.stderr);
    told
}

fn lines_told(configuration: &str) -> Vec<usize> {
    let row = |line: &String| line.split(':').next().unwrap().parse().unwrap();
    told(configuration).iter().map(row).collect()
}

/// Every mistake here stands on a line of its own, marked by a comment.
#[test]
fn a_file_full_of_mistakes_is_told_of_in_one_run() {
    let configuration = include_str!("many.yaml");
    let marked = configuration.lines().enumerate().filter(|(_, line)| line.contains("# wrong"));
    let marked: Vec<usize> = marked.map(|(at, _)| at + 1).collect();
    assert!(marked.len() >= 45, "{}", marked.len());
    let mut lines = lines_told(configuration);
    lines.dedup();
    let missing: Vec<_> = marked.iter().filter(|line| !lines.contains(line)).collect();
    let too_many: Vec<_> = lines.iter().filter(|line| !marked.contains(line)).collect();
    assert!(missing.is_empty() && too_many.is_empty(), "not told: lines {missing:?}; made up: lines {too_many:?}");
}

/// A key that blocks inherit is written once, however many blocks inherit it.
#[test]
fn an_inherited_mistake_is_told_once() {
    let blocks = "server:
  - listen: 8080
    location: [{ match: /, proxy_pass: 'http://127.0.0.1:1' }, { match: /a, return: 200 }]
  - listen: 8081
    location: [{ match: /, proxy_pass: 'http://127.0.0.1:1' }]
";
    for mistake in [
        "gzip_comp_level: 12",
        "access_log: { path: a.log, format: mian }",
        "add_header: { X: $nonsense }",
        "proxy_set_header: { 'a b': c }",
        "expires: tomorrow",
        "error_page: { 404: /$nonsense }",
        "gzip_disable: '('",
        "root: $nonsense/",
    ] {
        assert_eq!(
            told(&format!("{mistake}\n{blocks}")).len(),
            1,
            "{mistake}: {:?}",
            told(&format!("{mistake}\n{blocks}"))
        );
    }
}

#[test]
fn a_wrong_item_of_a_list_does_not_hide_the_others() {
    let servers = "upstream:
  web:
    servers:
      - { address: '127.0.0.1:1', max_fail: 3, weight: few }
      - { addres: '127.0.0.1:2' }
      - { address: '127.0.0.1:3', weight: 0 }
      - { address: '127.0.0.1:4', route: a }
      - { address: '127.0.0.1:5', route: a }
server: [{ listen: 8080 }]
";
    let mut lines = lines_told(servers);
    lines.dedup();
    assert_eq!(lines, [4, 5, 6, 8], "{:?}", told(servers));
    let formats = "log_format:
  main: '$request'
  other: { escape: json }
server:
  - listen: 8080
    access_log: { path: a.log, format: main }
";
    assert_eq!(lines_told(formats), [3], "{:?}", told(formats));
}

#[test]
fn a_mistake_elsewhere_does_not_hide_where_edge_cannot_listen() {
    let configuration = "pidd: x
server:
  - listen: 70000
  - { listen: 8080, server_name: '~(' }
";
    assert_eq!(lines_told(configuration), [1, 3, 4], "{:?}", told(configuration));
}

#[test]
fn a_wrong_location_does_not_hide_the_others() {
    let configuration = "server:
  - listen: 8080
    location:
      - { match: a, return: 200 }
      - { match: /a, return: 200 }
      - { match: /a, return: 200 }
      - { match: '~ (', return: 200 }
";
    assert_eq!(lines_told(configuration), [4, 6, 7], "{:?}", told(configuration));
}

#[test]
fn a_log_format_is_checked_although_no_log_uses_it() {
    let configuration = "log_format:\n  idle: '$remote_adr'\nserver: [{ listen: 8080 }]\n";
    assert_eq!(lines_told(configuration), [2], "{:?}", told(configuration));
}

#[test]
fn a_cache_that_is_not_defined_is_told() {
    let configuration = "proxy_cache_path:
  pscms: { path: cache }
server:
  - listen: 8080
    location: [{ match: /, proxy_pass: 'http://127.0.0.1:1', proxy_cache: pscsm }]
";
    let told = told(configuration);
    assert!(told.len() == 1 && told[0].starts_with("5:") && told[0].contains("pscsm"), "{told:?}");
}

/// As a warning: nginx takes such a file, and answers 500 once a request goes there.
#[test]
fn a_named_location_that_is_not_there_is_told() {
    let configuration = "server:
  - listen: 8080
    error_page: { 404: '@fallbak' }
    location:
      - { match: /, try_files: [$uri, '@fallbak'] }
      - { match: '@fallback', return: 200 }
";
    assert_eq!(lines_told(configuration), [3, 5], "{:?}", told(configuration));
}

/// A host may be called anything, so that only what looks like one of the upstreams can be told: as a warning.
#[test]
fn an_upstream_that_was_meant_is_named() {
    let configuration = "upstream:
  web_server: { servers: ['127.0.0.1:1'] }
server:
  - listen: 8080
    location: [{ match: /, proxy_pass: 'http://web_sever' }]
";
    let said = Desk::new().with("edge.yaml", configuration).check("edge.yaml");
    assert!(
        said.stderr.contains("edge.yaml:5:") && said.stderr.contains("did you mean `web_server`?"),
        "{}",
        said.stderr
    );
}
