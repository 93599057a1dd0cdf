//! The picture that `compared.rs` measures: a bar for each proxy, plain SVG on a ground of its own, readable where the page is light
//! and where it is dark.

use std::fmt::Write;

/// What became of the updates that followed a server's death.
#[derive(Debug)]
pub struct Outcome {
    pub name: &'static str,
    pub version: String,
    pub sessions: usize,
    /// Updates that a session's visitor sends at the same time.
    pub at_once: usize,
    /// That were acknowledged.
    pub updates: usize,
    /// And are in no copy of their session.
    pub lost: usize,
    /// Sessions that have lost some.
    pub hit: usize,
    /// What was lost, and of how many, where real Tomcats with memcached-session-manager stood behind it: 30 sessions, 6 updates of
    /// each. The stand-ins begin to work on all of them at once, so that they lose more.
    pub with_tomcats: Option<(usize, usize)>,
}

/// Of nginx 1.22 and HAProxy 2.6 alike.
pub const WITH_TOMCATS: (usize, usize) = (115, 180);

/// What README's line with the picture ends with.
pub const END: &str = "](docs/failover.svg)";

const WIDTH: f64 = 860.0;
const MARGIN: f64 = 32.0;
/// Where bars begin, and how far all updates would reach.
const LEFT: f64 = 172.0;
const REACH: f64 = 380.0;
const HEAD: f64 = 104.0;
const STEP: f64 = 44.0;
const BAR: f64 = 26.0;
const FOOT: f64 = 68.0;

const STYLE: &str = "\
    text { font-family: 'Inter', 'Helvetica Neue', 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2933; font-size: 14px }
    .ground { fill: #fcfcfa; stroke: #d9dcd8 }
    .track { fill: #eceeeb }
    .bar { fill: #76838f }
    .ours { fill: #e0590f }
    .tick { stroke: #1f2933; stroke-width: 2px }
    .title { font-size: 21px; font-weight: 700 }
    .soft { font-size: 12.5px; fill: #5d6975 }
    .name { font-weight: 600; text-anchor: end }
    .value { font-weight: 600 }
    text.ours { fill: #b8450b; font-weight: 700 }
    @media (prefers-color-scheme: dark) {
        text { fill: #e6e9ec }
        .ground { fill: #15191e; stroke: #343b43 }
        .track { fill: #262c33 }
        .bar { fill: #8996a3 }
        .ours { fill: #f07a37 }
        .tick { stroke: #e6e9ec }
        .soft { fill: #9aa6b2 }
        text.ours { fill: #ff9a5c }
    }
";

/// In one sentence, for who cannot see it.
pub fn words(outcomes: &[Outcome]) -> String {
    let one = |outcome: &Outcome| format!("{} {}", outcome.name, percent(outcome));
    let listed: Vec<String> = outcomes.iter().map(one).collect();
    format!("Updates lost when a Tomcat dies: {}", listed.join(", "))
}

/// README's line with it.
pub fn line(words: &str) -> String {
    format!("![{words}{END}")
}

pub fn draw(outcomes: &[Outcome]) -> String {
    let height = HEAD + STEP * outcomes.len() as f64 + FOOT;
    let words = words(outcomes);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\" \
         aria-label=\"{words}\">\n<style>\n{STYLE}</style>\n\
         <rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"10\"/>\n",
        WIDTH - 1.0,
        height - 1.0
    );
    text(&mut out, "title", MARGIN, 42.0, "Updates lost when a Tomcat dies");
    let first = &outcomes[0];
    let what = format!(
        "{} sessions on it; it is killed, then {} updates of each come at once. memcached has every session.",
        thousands(first.sessions),
        first.at_once
    );
    text(&mut out, "soft", MARGIN, 66.0, &what);
    for (at, outcome) in outcomes.iter().enumerate() {
        row(&mut out, outcome, HEAD + STEP * at as f64);
    }
    let foot = [
        "Lost: the visitor was told that it was made, and it is in no copy of his session.",
        "Bars: stand-ins for Tomcat with memcached-session-manager, held to recordings of real ones. Lines: real ones.",
    ];
    for (at, line) in foot.into_iter().enumerate() {
        text(&mut out, "soft", MARGIN, height - 36.0 + 17.0 * at as f64, line);
    }
    out + "</svg>\n"
}

fn row(out: &mut String, outcome: &Outcome, top: f64) {
    let ours = if outcome.name == "edge" { " ours" } else { "" };
    let (line, whole) = (top + BAR / 2.0 + 5.0, outcome.updates.max(1) as f64);
    text(out, &format!("name{ours}"), LEFT - 14.0, line, &format!("{} {}", outcome.name, outcome.version));
    rectangle(out, "track", top, REACH);
    // Nothing is a thin line, so that it can be seen where it is.
    rectangle(out, &format!("bar{ours}"), top, (REACH * outcome.lost as f64 / whole).max(3.0));
    let value = format!("{}: {} of {}", percent(outcome), thousands(outcome.lost), thousands(outcome.updates));
    text(out, &format!("value{ours}"), LEFT + REACH + 16.0, line - 6.0, &value);
    let mut hit = format!("in {} of {} sessions", thousands(outcome.hit), thousands(outcome.sessions));
    if let Some((lost, of)) = outcome.with_tomcats {
        hit = format!("with real Tomcats {lost} of {of}");
        let x = LEFT + REACH * lost as f64 / of as f64;
        let _ = writeln!(out, r#"<path class="tick" d="M{x:.1} {:.1}v{:.1}"/>"#, top - 4.0, BAR + 8.0);
    }
    text(out, "soft", LEFT + REACH + 16.0, line + 11.0, &hit);
}

fn rectangle(out: &mut String, class: &str, top: f64, width: f64) {
    // A String takes everything.
    let _ =
        writeln!(out, r#"<rect class="{class}" x="{LEFT}" y="{top:.1}" width="{width:.1}" height="{BAR}" rx="2"/>"#);
}

fn text(out: &mut String, class: &str, x: f64, y: f64, words: &str) {
    let _ = writeln!(out, r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{words}</text>"#);
}

fn percent(outcome: &Outcome) -> String {
    match outcome.lost {
        0 => "0 %".to_owned(),
        lost => format!("{:.0} %", (100.0 * lost as f64 / outcome.updates as f64).max(1.0)),
    }
}

/// 12000 as 12,000.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let head = digits.len() % 3;
    let (first, rest) = digits.split_at(head);
    let groups = rest.as_bytes().chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
    [first.to_owned()].into_iter().filter(|first| !first.is_empty()).chain(groups).collect::<Vec<_>>().join(",")
}
