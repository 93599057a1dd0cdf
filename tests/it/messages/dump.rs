//! `edge -T` and `edge schema`: the configuration as it is in force, without secrets, and what may stand in one.

use serde_json::Value;
use serde_yaml::Value as Yaml;

use super::Desk;

fn dump(desk: &Desk, environment: &[(&str, &str)]) -> (Yaml, String) {
    let said = desk.edge_with(&["-T", "-c", "edge.yaml", "--offline"], environment);
    assert!(said.status.success(), "{}", said.stderr);
    let yaml = serde_yaml::from_str(&said.stdout).unwrap_or_else(|e| panic!("{e}:\n{}", said.stdout));
    (yaml, said.stdout + &said.stderr)
}

#[test]
fn a_dump_masks_what_came_from_the_environment_or_a_file() {
    let desk = Desk::new().with("secret.txt", "hunter2\n").with(
        "edge.yaml",
        "pid: ${EDGE_TEST_PID}
server:
  - listen: 8080
    location:
      - match: /
        proxy_pass: http://127.0.0.1:1
        proxy_set_header: { X-Key: '${file:secret.txt}', X-Both: 'key ${EDGE_TEST_PID} of ${host}', Host: '${host}' }
",
    );
    let (yaml, said) = dump(&desk, &[("EDGE_TEST_PID", "s3cr3t.pid")]);
    assert!(!said.contains("hunter2") && !said.contains("s3cr3t"), "{said}");
    assert_eq!(yaml["pid"], Yaml::from("***"));
    let fields = &yaml["server"][0]["location"][0]["proxy_set_header"];
    assert_eq!((&fields["X-Key"], &fields["Host"]), (&Yaml::from("***"), &Yaml::from("${host}")));
}

/// Not in a message either, where the value is of the wrong type.
#[test]
fn a_mistake_in_a_secret_does_not_show_it() {
    let desk = Desk::new().with("secret.txt", "hunter2\n").with(
        "edge.yaml",
        "worker_processes: ${file:secret.txt}
keepalive_requests: ${file:secret.txt}
keepalive_timeout: ${file:secret.txt}
expires: ${file:secret.txt}
proxy_http_version: ${file:secret.txt}
access_log: { path: a.log, format: '${file:secret.txt}' }
upstream: { web: { servers: ['${file:secret.txt}:x:y'] } }
server:
  - listen: ${file:secret.txt}
    server_name: '~(${file:secret.txt}'
    location:
      - { match: '${file:secret.txt}', return: 200 }
      - { match: '~ (${file:secret.txt}', return: 200 }
      - { match: /b, proxy_pass: '${file:secret.txt}' }
      - { match: /c, return: '${file:secret.txt}' }
      - { match: /d, return: { status: 200, text: '$${file:secret.txt}' } }
",
    );
    let said = desk.check("edge.yaml");
    assert_eq!(said.status.code(), Some(1));
    let shown: Vec<&str> = said.stderr.lines().filter(|line| line.contains("hunter2")).collect();
    assert!(shown.is_empty(), "{shown:#?}");
}

#[test]
fn a_dump_is_one_tree_with_all_that_was_included() {
    let desk = Desk::new()
        .with("edge.yaml", "include: conf.d/*.yaml\nserver:\n  - { listen: 8080, include: parts/host.yaml }\n")
        .with("conf.d/b.yaml", "upstream: { b: { servers: ['127.0.0.1:2'] } }\n")
        .with("conf.d/a.yaml", "upstream: { a: { servers: ['127.0.0.1:1'] } }\nserver: [{ listen: 8081 }]\n")
        .with("conf.d/c.yaml.bak", "nonsense: 1\n")
        .with("conf.d/.hidden.yaml", "nonsense: 1\n")
        .with("parts/host.yaml", "server_name: shop.example\n");
    let (yaml, said) = dump(&desk, &[]);
    assert!(!said.contains("include:"), "{said}");
    let upstreams: Vec<_> = yaml["upstream"].as_mapping().unwrap().keys().map(|k| k.as_str().unwrap()).collect();
    assert_eq!(upstreams, ["a", "b"]);
    let ports: Vec<_> = yaml["server"].as_sequence().unwrap().iter().map(|s| s["listen"].as_u64().unwrap()).collect();
    assert_eq!(ports, [8081, 8080]);
    assert_eq!(yaml["server"][1]["server_name"], Yaml::from("shop.example"));
}

/// What `-T` prints is a configuration that says the same.
#[test]
fn a_dump_is_a_configuration_again() {
    let conf = concat!(env!("CARGO_MANIFEST_DIR"), "/conf");
    for file in ["edge.yaml", "minimal.yaml"] {
        let desk = Desk::new();
        let said = desk.edge(&["-T", "--offline", "-c", &format!("{conf}/{file}")]);
        assert!(said.status.success(), "{file}: {}", said.stderr);
        desk.put("edge.yaml", &said.stdout);
        let again = desk.edge(&["-T", "--offline", "-c", "edge.yaml"]);
        assert!(again.status.success(), "{file}: {}\n{}", again.stderr, said.stdout);
        let tree = |text: &str| serde_yaml::from_str::<Yaml>(text).unwrap();
        assert_eq!(tree(&said.stdout), tree(&again.stdout), "{file}");
    }
}

/// Scripts look for the texts of the files there, and for who includes whom.
#[test]
fn an_nginx_conf_is_dumped_file_by_file_as_nginx_dumps_it() {
    let conf = "events {}\nhttp {\n    include conf.d/*.conf; # both\n    include conf.d/a.conf;\n}\n";
    let server = "server {\n\tlisten 127.0.0.1:8080;\n\tlocation / { secure_link_secret word; }\n}\n";
    let desk = Desk::new().with("nginx.conf", conf).with("conf.d/b.conf", server).with("conf.d/a.conf", "gzip on;\n");
    let home = desk.path("").canonicalize().unwrap();
    let file = home.join("nginx.conf").display().to_string();
    let said = desk.edge(&["-T", "-c", &file]);
    assert!(said.stdout.is_empty() && said.status.code() == Some(1), "gzip stands there twice: {}", said.stderr);
    desk.put("conf.d/a.conf", "# nothing\n");
    let said = desk.edge(&["-T", "-c", &file, "-g", "worker_rlimit_nofile 77;"]);
    let nginx =
        std::process::Command::new("/usr/sbin/nginx").args(["-T", "-c", &file, "-e", "stderr"]).output().unwrap();
    assert_eq!(said.stdout, String::from_utf8_lossy(&nginx.stdout), "{}", said.stderr);
    assert!(said.stdout.contains("conf.d/b.conf:\nserver {\n\tlisten"), "{}", said.stdout);
}

#[test]
fn what_is_a_secret_by_its_name_is_masked() {
    let text =
        "session_log_key: hunter2\nserver: [{ listen: 8080, location: [{ match: /, secure_link_secret: hunter3 }] }]\n";
    let (yaml, said) = dump(&Desk::new().with("edge.yaml", text), &[]);
    assert!(!said.contains("hunter"), "{said}");
    assert_eq!(yaml["server"][0]["location"][0]["secure_link_secret"], Yaml::from("***"));
}

#[test]
fn an_include_that_matches_nothing_is_no_mistake_and_one_that_names_nothing_is() {
    let desk = Desk::new().with("edge.yaml", "include: conf.d/*.yaml\nserver: [{ listen: 8080 }]\n");
    assert!(desk.check("edge.yaml").status.success());
    desk.put("edge.yaml", "include: [conf.d/*.yaml, conf.d/a.yaml]\nserver: [{ listen: 8080 }]\n");
    let said = desk.check("edge.yaml");
    assert!(said.stderr.starts_with("edge.yaml:1:26: error: conf.d/a.yaml:"), "{}", said.stderr);
}

/// A mistake in an included file stands in that file.
#[test]
fn an_included_mistake_has_its_own_file() {
    let desk = Desk::new()
        .with("edge.yaml", "include: conf.d/*.yaml\nkeepalive_timeout: 5s\nserver: [{ listen: 8080 }]\n")
        .with("conf.d/a.yaml", "# first\npidd: x\nkeepalive_timeout: 6s\n");
    let said = desk.check("edge.yaml");
    assert!(said.stderr.contains("conf.d/a.yaml:2:1: error: unknown key `pidd`"), "{}", said.stderr);
    assert!(said.stderr.contains("duplicate key `keepalive_timeout`"), "{}", said.stderr);
    assert!(said.stderr.contains("conf.d/a.yaml:3 already"), "{}", said.stderr);
}

fn schema() -> Value {
    let said = Desk::new().edge(&["schema"]);
    assert!(said.status.success());
    serde_json::from_str(&said.stdout).expect("JSON")
}

/// A check of a value against what edge's schema uses of JSON Schema.
fn violations(schema: &Value, root: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).expect(reference);
        return violations(target, root, value, place, found);
    }
    if let Some(options) = schema["anyOf"].as_array() {
        let fits = options.iter().any(|option| {
            let mut inner = Vec::new();
            violations(option, root, value, place, &mut inner);
            inner.is_empty()
        });
        if !fits {
            found.push(format!("{place}: {value} is none of {}", schema["anyOf"]));
        }
        return;
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        found.push(format!("{place}: {value} is none of {}", schema["enum"]));
    }
    if !has_type(&schema["type"], value) {
        found.push(format!("{place}: {value} is not of type {}", schema["type"]));
    }
    if let Some(items) = value.as_array().filter(|_| !schema["items"].is_null()) {
        for (at, item) in items.iter().enumerate() {
            violations(&schema["items"], root, item, &format!("{place}[{at}]"), found);
        }
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{key}");
        match (schema["properties"].get(key), &schema["additionalProperties"]) {
            (Some(property), _) => violations(property, root, inner, &place, found),
            (None, Value::Bool(false)) => found.push(format!("{place}: no such key")),
            (None, Value::Null | Value::Bool(true)) => {}
            (None, more) => violations(more, root, inner, &place, found),
        }
    }
}

fn has_type(kind: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        other => panic!("a type edge's schema did not use: {other}"),
    };
    match kind {
        Value::Null => true,
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().any(|name| is(name.as_str().unwrap())),
        other => panic!("no type: {other}"),
    }
}

fn violations_of(configuration: &str) -> Vec<String> {
    let value: Yaml = serde_yaml::from_str(configuration).unwrap();
    // As an editor sees it: the keys of a map of JSON are texts.
    let value: Value = as_json(&value);
    let (schema, mut found) = (schema(), Vec::new());
    violations(&schema, &schema, &value, "", &mut found);
    found
}

fn as_json(value: &Yaml) -> Value {
    match value {
        Yaml::Mapping(map) => {
            let key = |key: &Yaml| {
                key.as_str().map_or_else(|| serde_yaml::to_string(key).unwrap().trim().into(), str::to_owned)
            };
            Value::Object(map.iter().map(|(k, v)| (key(k), as_json(v))).collect())
        }
        Yaml::Sequence(items) => items.iter().map(as_json).collect(),
        other => serde_json::to_value(other).unwrap(),
    }
}

#[test]
fn the_schema_allows_the_configurations_that_ship() {
    for file in ["edge.yaml", "minimal.yaml"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("conf").join(file);
        let found = violations_of(&std::fs::read_to_string(path).unwrap());
        assert!(found.is_empty(), "{file}: {found:#?}");
    }
}

/// What edge takes an editor must not underline.
#[test]
fn the_schema_allows_what_the_reader_allows() {
    let configuration = "worker_processes: 2
keepalive_timeout: 65
proxy_read_timeout: 1h 30m
proxy_http_version: 1.1
gzip: { types: text/css, comp_level: 5 }
gzip_vary: on
include: []
error_page: { 404: /404.html, '502 504': '@down' }
access_log: [{ path: a.log, format: combined, if: $arg_log }, off]
add_header: { X-A: 1, X-B: { value: b, always: on } }
error_log: logs/error.log
upstream:
  web: { balance: least_conn, servers: ['127.0.0.1:1', { address: '127.0.0.1:2', weight: 2, backup: true }] }
  hashed: { balance: { hash: $request_uri, consistent: true }, health_check: tcp, servers: '127.0.0.1:1' }
  drawn: { balance: { random: two }, health_check: { status: [200, 300-399], body: ok, fall: 3 }, servers: '127.0.0.1:1' }
  quick: { balance: { least_time: header }, health_check: { uri: /ping, headers: { Host: x } }, servers: '127.0.0.1:1' }
server:
  - listen: [8080, { address: '127.0.0.1:8081', default_server: true }]
    server_name: shop.example
    include: []
    location:
      - match: /
        proxy_pass: http://web
        proxy_redirect: off
        proxy_hide_header: X-Powered-By
        proxy_set_header: { Host: $host, X-Number: 1 }
        location: [{ match: /a/, return: 204 }]
      - { match: '@down', return: { status: 503, text: later } }
";
    let said = Desk::new().with("edge.yaml", configuration).check("edge.yaml");
    assert!(said.status.success(), "{}", said.stderr);
    let found = violations_of(configuration);
    assert!(found.is_empty(), "{found:#?}");
}

/// What edge refuses an editor should underline.
#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let mut allowed = Vec::new();
    for wrong in [
        "worker_conections: 10",
        "gzip: { min_lenght: 1k }",
        "keepalive_requests: many",
        "proxy_buffering: maybe",
        "proxy_next_upstream: [eror]",
        "upstream: { web: { balance: best } }",
        "upstream: { web: { balance: { hash: [a] } } }",
        "upstream: { web: { balance: { random: three } } }",
        "upstream: { web: { health_check: https } }",
        "server: [{ lisen: 80 }]",
        "server: [{ location: [{ match: /, proxy_pas: x }] }]",
        "server: [{ location: [{ match: /, listen: 80 }] }]",
        "error_page: [{ code: 404, url: /x }]",
    ] {
        if violations_of(wrong).is_empty() {
            allowed.push(wrong);
        }
        let said = Desk::new().with("edge.yaml", wrong).check("edge.yaml");
        assert_eq!(said.status.code(), Some(1), "{wrong}");
    }
    assert!(allowed.is_empty(), "{allowed:#?}");
}
