//! The tables, and above them what one must know to read them.

use std::fmt::{self, Write};

use crate::{
    cases::{Case, Protocol},
    machine::Machine,
    memory::{CONNECTIONS, Memory},
    servers::BASELINE,
    summary::{Row, Spread, Summary},
};

/// From here on, others had enough of the servers' core to make requests per second doubtful.
const DOUBTFUL: f64 = 0.05;

pub fn print(machine: &Machine, summary: &Summary) -> String {
    let mut text = String::new();
    // A String takes everything, so there is nothing to tell of.
    let _ = write_all(&mut text, machine, summary);
    text
}

fn write_all(out: &mut String, machine: &Machine, summary: &Summary) -> fmt::Result {
    writeln!(out, "## CPU time per request, one worker on one core\n")?;
    writeln!(out, "{}, {}; {}.\n", machine.line(), machine.wrk, machine.date)?;
    for server in &machine.servers {
        writeln!(out, "- **{}** ({}): {}", server.server, server.version, server.remark)?;
    }
    let cores = machine.cores;
    writeln!(
        out,
        "\nOn in all of them: an access log of one line per request in the seed's format, to a file in memory; \
         X-Real-IP and X-Forwarded-For to the origin; two origin servers by turns; HTTP/1.1 with keepalive, plain \
         where nothing else is said; clients that each send the next request as soon as they have the answer. The server is bound to CPU {}, \
         the client to CPU {}, the origin to CPU {}, all preferred to other processes where root runs this. {} interleaved rounds, all servers restarted in each: medians, \
         in brackets the least and the greatest. CPU time is that of the server's processes. The ratio is the CPU \
         time by that of {BASELINE} in the same round, less than 1 being cheaper. \"Core\" is how much of its core \
         a server used: well under 100 %, requests per second say more about the client and the origin.",
        cores.server, cores.client, cores.origin, summary.rounds
    )?;
    if summary.foreign > DOUBTFUL {
        let percent = summary.foreign * 100.0;
        writeln!(
            out,
            "\n**Others took up to {percent:.0} % of the servers' core:** trust the ratios, not requests per second or latencies."
        )?;
    }
    for table in &summary.tables {
        writeln!(out, "\n### {} ({})\n", table.case.title, clients(table.case))?;
        if let Some(other) = table.case.against {
            writeln!(out, "The ratio is to `{other}` of the same server.\n")?;
        } else if table.case.baseline != BASELINE {
            writeln!(out, "The ratio is to {}.\n", table.case.baseline)?;
        }
        writeln!(out, "| server | CPU µs | user + system | ratio | requests/s | p50 | p99 | core |")?;
        writeln!(out, "|---|--:|--:|--:|--:|--:|--:|--:|")?;
        for row in &table.rows {
            // One server beside itself differs by little.
            let is_own = table.case.against.is_some() || table.case.baseline != BASELINE;
            write_row(out, row, table.case, if is_own { 3 } else { 2 })?;
        }
    }
    if summary.memory.is_empty() { Ok(()) } else { write_memory(out, &summary.memory) }
}

/// Who asks, in a few words.
pub fn clients(case: &Case) -> String {
    match case.protocol {
        Protocol::Http2 => format!("{} connections, ten streams each", case.connections),
        _ => format!("{} connections", thousands(f64::from(case.connections))),
    }
}

fn write_memory(out: &mut String, memory: &[Memory]) -> fmt::Result {
    writeln!(out, "\n### Memory with {} idle connections\n", thousands(CONNECTIONS as f64))?;
    writeln!(out, "All processes of a server, shared pages once; each connection has been answered one request.\n")?;
    writeln!(out, "| server | at first, MB | with the connections, MB | KB a connection |\n|---|--:|--:|--:|")?;
    let mb = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    for of in memory {
        let each = of.per_connection() / 1024.0;
        writeln!(out, "| {} | {:.1} | {:.1} | {each:.1} |", of.server, mb(of.fresh), mb(of.idle))?;
    }
    Ok(())
}

fn write_row(out: &mut String, row: &Row, case: &Case, digits: usize) -> fmt::Result {
    let ratio = match &row.ratio {
        Some(_) if row.server == case.baseline => "1".to_owned(),
        Some(Spread { median, min, max }) => format!("**{median:.digits$}** ({min:.digits$}–{max:.digits$})"),
        None => "–".to_owned(),
    };
    let Spread { median, min, max } = row.cpu;
    writeln!(
        out,
        "| {} | {median:.1} ({min:.1}–{max:.1}) | {:.1} + {:.1} | {ratio} | {} | {} | {} | {:.0} % |",
        row.server,
        row.user,
        row.system,
        thousands(row.rate.median),
        latency(row.p50.median),
        latency(row.p99.median),
        row.busy * 100.0,
    )
}

/// Three digits that count, with their unit.
fn latency(microseconds: f64) -> String {
    if microseconds < 1000.0 { format!("{microseconds:.0} µs") } else { format!("{:.2} ms", microseconds / 1000.0) }
}

/// Groups digits by narrow blanks.
pub fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

fn large_numbers_are_grouped() {
    assert_eq!(thousands(999.4), "999");
    assert_eq!(thousands(52_281.0), "52\u{202f}281");
    assert_eq!(thousands(1_000_000.0), "1\u{202f}000\u{202f}000");
}

fn latencies_change_their_unit() {
    assert_eq!(latency(590.4), "590 µs");
    assert_eq!(latency(12_345.0), "12.35 ms");
}

pub const TESTS: &[(&str, fn())] = tests![large_numbers_are_grouped, latencies_change_their_unit];
