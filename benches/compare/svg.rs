//! The plot: for each case a group of bars, CPU time per request, user and system, with the ratio beside.
//!
//! Plain SVG that any browser and any README shows: no scripts, no fonts to load, its own light background.

use std::fmt::{self, Write};

use crate::{
    machine::Machine,
    markdown,
    servers::BASELINE,
    summary::{Row, Summary, Table},
};

const WIDTH: f64 = 960.0;
const MARGIN: f64 = 40.0;
/// Where bars begin, and how far the longest may reach; names stand to the left, numbers to the right.
const LEFT: f64 = 168.0;
const REACH: f64 = 560.0;
const HEAD: f64 = 128.0;
const FOOT: f64 = 64.0;
const TITLE: f64 = 34.0;
const BAR: f64 = 22.0;
const STEP: f64 = 32.0;
const GAP: f64 = 30.0;

const STYLE: &str = "\
    text { font-family: 'Inter', 'Helvetica Neue', 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2933 }
    .title { font-size: 22px; font-weight: 700 }
    .soft { font-size: 12.5px; fill: #66727f }
    .case { font-size: 15px; font-weight: 600 }
    .name { font-size: 13.5px; text-anchor: end }
    .value { font-size: 13.5px; font-weight: 600 }
    .ratio { font-size: 13.5px; fill: #66727f }
    .halo { paint-order: stroke; stroke: #fcfcfa; stroke-width: 5px; stroke-linejoin: round }
    .ours { font-weight: 700; fill: #b8450b }
    .tick { font-size: 11px; fill: #8a95a1; text-anchor: middle }
";

/// User time, then system time, in two tones of one colour; edge's is the one that warms.
fn colours(server: &str) -> (&'static str, &'static str) {
    match server {
        "edge" => ("#e0590f", "#f6a571"),
        BASELINE => ("#2b6a8f", "#86b6d1"),
        _ => ("#76838f", "#b9c2ca"),
    }
}

pub fn draw(machine: &Machine, summary: &Summary) -> String {
    let mut picture = String::new();
    // A String takes everything, so there is nothing to tell of.
    let _ = draw_all(&mut picture, machine, summary);
    picture
}

fn draw_all(out: &mut String, machine: &Machine, summary: &Summary) -> fmt::Result {
    let bottom = HEAD + summary.tables.iter().map(height).sum::<f64>() - GAP - 2.0;
    let total = bottom + FOOT;
    let longest = summary.tables.iter().flat_map(|table| &table.rows).map(|row| row.cpu.max).fold(1.0, f64::max);
    let scale = REACH / longest;

    writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" width="{WIDTH}" height="{total}" role="img" aria-label="CPU time per request">"#
    )?;
    writeln!(out, "<style>\n{STYLE}</style>")?;
    writeln!(out, r##"<rect width="{WIDTH}" height="{total}" rx="10" fill="#fcfcfa"/>"##)?;
    draw_head(out, machine, summary)?;
    let ticks = ticks(longest);
    for value in &ticks {
        let x = LEFT + value * scale;
        writeln!(out, r#"<text class="tick" x="{x:.1}" y="{:.1}">{value} µs</text>"#, bottom + 16.0)?;
    }
    let mut top = HEAD;
    for table in &summary.tables {
        draw_case(out, table, top, scale, &ticks)?;
        top += height(table);
    }
    let mut versions: Vec<_> = machine.servers.iter().map(|server| server.version.as_str()).collect();
    versions.dedup();
    let foot = bottom + 42.0;
    writeln!(out, r#"<text class="soft" x="{MARGIN}" y="{foot}">{}</text>"#, escape(&versions.join("  ·  ")))?;
    writeln!(
        out,
        r#"<text class="soft" x="{}" y="{foot}" text-anchor="end">{}</text>"#,
        WIDTH - MARGIN,
        escape(&day(&machine.date))
    )?;
    writeln!(out, "</svg>")
}

fn draw_head(out: &mut String, machine: &Machine, summary: &Summary) -> fmt::Result {
    writeln!(out, r#"<text class="title" x="{MARGIN}" y="48">CPU time per request</text>"#)?;
    let what = format!(
        "one worker on one core, shorter is better  ·  median of {} rounds, the line spans least to greatest",
        summary.rounds
    );
    writeln!(out, r#"<text class="soft" x="{MARGIN}" y="72">{}</text>"#, escape(&what))?;
    writeln!(out, r#"<text class="soft" x="{MARGIN}" y="91">{}</text>"#, escape(&machine.line()))?;
    let (user, system) = colours("");
    for (x, colour, label) in [(WIDTH - 176.0, user, "user"), (WIDTH - 104.0, system, "system")] {
        writeln!(out, r#"<rect x="{x}" y="37" width="13" height="13" rx="2.5" fill="{colour}"/>"#)?;
        writeln!(out, r#"<text class="soft" x="{}" y="48">{label}</text>"#, x + 20.0)?;
    }
    Ok(())
}

/// Zero and round steps, up to ten of them.
fn ticks(longest: f64) -> Vec<f64> {
    let power = 10_f64.powf(longest.log10().floor());
    let fits = |step: &f64| longest / step <= 10.0;
    let step = [0.1, 0.2, 0.5, 1.0].iter().map(|factor| factor * power).find(fits).unwrap_or(2.0 * power);
    (0..).map(|index| f64::from(index) * step).take_while(|value| *value <= longest).collect()
}

fn height(table: &Table) -> f64 {
    TITLE + STEP * table.rows.len() as f64 + GAP
}

fn draw_case(out: &mut String, table: &Table, top: f64, scale: f64, ticks: &[f64]) -> fmt::Result {
    let first = top + TITLE;
    let bottom = first + STEP * table.rows.len() as f64 - (STEP - BAR);
    let (title, clients) = (escape(table.case.title), markdown::clients(table.case));
    writeln!(
        out,
        r#"<text x="{MARGIN}" y="{:.1}"><tspan class="case">{title}</tspan><tspan class="soft" dx="10">{clients}</tspan></text>"#,
        top + 20.0
    )?;
    for value in ticks {
        let colour = if *value == 0.0 { "#aab3bc" } else { "#e4e7e4" };
        draw_upright(out, LEFT + value * scale, first - 5.0, bottom + 5.0, &format!(r#"stroke="{colour}""#))?;
    }
    let rows = || table.rows.iter().enumerate().map(|(index, row)| (row, first + STEP * index as f64));
    for (row, y) in rows() {
        draw_bar(out, row, y, scale)?;
    }
    if let Some(baseline) = table.rows.iter().find(|row| row.server == table.case.baseline) {
        let style = r##"stroke="#2b6a8f" stroke-width="1.2" stroke-dasharray="3 3""##;
        draw_upright(out, LEFT + baseline.cpu.median * scale, first - 5.0, bottom + 5.0, style)?;
    }
    for (row, y) in rows() {
        draw_labels(out, row, table.case.baseline, y, scale)?;
    }
    Ok(())
}

fn draw_upright(out: &mut String, x: f64, top: f64, bottom: f64, style: &str) -> fmt::Result {
    writeln!(out, r#"<path d="M{x:.1} {top:.1}V{bottom:.1}" {style}/>"#)
}

fn draw_bar(out: &mut String, row: &Row, y: f64, scale: f64) -> fmt::Result {
    let (user, system) = colours(row.server);
    let at = |value: f64| LEFT + value * scale;
    let (whole, part) = (row.cpu.median * scale, row.user * scale);
    writeln!(out, r#"<rect x="{LEFT}" y="{y:.1}" width="{whole:.1}" height="{BAR}" rx="2" fill="{system}"/>"#)?;
    writeln!(out, r#"<rect x="{LEFT}" y="{y:.1}" width="{part:.1}" height="{BAR}" fill="{user}"/>"#)?;
    let (min, max, middle) = (at(row.cpu.min), at(row.cpu.max), y + BAR / 2.0);
    writeln!(
        out,
        r##"<path d="M{min:.1} {middle:.1}H{max:.1}M{min:.1} {0:.1}V{1:.1}M{max:.1} {0:.1}V{1:.1}" stroke="#1f2933" stroke-opacity="0.7" fill="none"/>"##,
        middle - 3.5,
        middle + 3.5
    )
}

fn draw_labels(out: &mut String, row: &Row, baseline: &str, y: f64, scale: f64) -> fmt::Result {
    let ours = if row.server == "edge" { " ours" } else { "" };
    let line = y + BAR / 2.0 + 4.8;
    let ratio = match &row.ratio {
        Some(_) if row.server == baseline => "1 ×".to_owned(),
        Some(ratio) => format!("{:.2} ×", ratio.median),
        None => String::new(),
    };
    writeln!(out, r#"<text class="name{ours}" x="{:.1}" y="{line:.1}">{}</text>"#, LEFT - 12.0, escape(row.server))?;
    writeln!(
        out,
        r#"<text class="halo" x="{:.1}" y="{line:.1}"><tspan class="value{ours}">{:.1} µs</tspan><tspan class="ratio{ours}" dx="10">{ratio}</tspan></text>"#,
        LEFT + row.cpu.max * scale + 12.0,
        row.cpu.median
    )
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` without the clock.
fn day(date: &str) -> String {
    date.split_ascii_whitespace().skip(1).take(3).collect::<Vec<_>>().join(" ")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn the_axis_has_a_handful_of_round_steps() {
    for (longest, step, count) in [(7.2, 1.0, 8), (18.9, 2.0, 10), (35.0, 5.0, 8), (64.0, 10.0, 7), (100.0, 10.0, 11)] {
        let ticks = ticks(longest);
        assert!((ticks[1] - step).abs() < 1e-9 && ticks.len() == count, "{longest}: {ticks:?}");
    }
}

fn text_cannot_break_the_picture() {
    assert_eq!(escape("a<b> & c"), "a&lt;b&gt; &amp; c");
    assert_eq!(day("Sun, 06 Nov 1994 08:49:37 GMT"), "06 Nov 1994");
}

pub const TESTS: &[(&str, fn())] = tests![the_axis_has_a_handful_of_round_steps, text_cannot_break_the_picture];
