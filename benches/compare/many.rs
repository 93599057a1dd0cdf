//! What there is a thousand of in a configuration: locations, and fewer rules. A line of a template that says `@MANY …@` becomes as
//! many lines, with `N` for the number.

/// How many locations there are; the cases ask for the last.
const LOCATIONS: usize = 1000;

/// A line, a mark in a template, and how often the line is said.
const LINES: &[(&str, usize, &str)] = &[
    ("nginx prefixes", LOCATIONS, "        location /area-N/ { proxy_pass http://web_server; }"),
    ("nginx patterns", LOCATIONS, "        location ~ ^/area-N/.*\\.do$ { proxy_pass http://web_server; }"),
    ("edge prefixes", LOCATIONS, "      - { match: /area-N/, proxy_pass: 'http://web_server' }"),
    ("edge patterns", LOCATIONS, "      - { match: '~ ^/area-N/.*\\.do$', proxy_pass: 'http://web_server' }"),
    ("rules 18", 18, RULE),
    ("rules 50", 50, RULE),
];

/// One that a GET makes look at the path, and that does not fire.
const RULE: &str = "          - { name: area-N, when: \"request.method in ['GET', 'POST'] && request.path.startsWith('/area-N/')\", then: [{ set_request_header: { X-Area: 'N' } }] }";

pub fn fill(template: &str) -> String {
    let mut text = String::with_capacity(template.len());
    for line in template.lines() {
        match line.trim().strip_prefix("@MANY ").and_then(|mark| mark.strip_suffix('@')) {
            Some(mark) => {
                for (_, count, each) in LINES.iter().filter(|(name, ..)| *name == mark) {
                    (0..*count).for_each(|number| text += &(each.replace('N', &format!("{number:03}")) + "\n"));
                }
            }
            None => text += &(line.to_owned() + "\n"),
        }
    }
    text
}

fn a_mark_becomes_numbered_lines() {
    let text = fill("a\n    @MANY nginx prefixes@\nb\n");
    assert_eq!(text.lines().count(), LOCATIONS + 2);
    assert!(
        text.starts_with("a\n        location /area-000/ {")
            && text.ends_with("/area-999/ { proxy_pass http://web_server; }\nb\n")
    );
}

pub const TESTS: &[(&str, fn())] = tests![a_mark_becomes_numbered_lines];
