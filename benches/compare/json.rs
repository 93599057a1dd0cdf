//! Everything that was measured, for programs: the machine, the medians, and each sample.

use serde_json::{Value, json};

use crate::{
    machine::Machine,
    memory::Memory,
    run::Sample,
    summary::{Row, Spread, Summary},
};

pub fn print(machine: &Machine, summary: &Summary) -> String {
    let servers: serde_json::Map<String, Value> =
        machine.servers.iter().map(|server| (server.server.to_owned(), json!(server.version))).collect();
    let cases: Vec<Value> = summary
        .tables
        .iter()
        .map(|table| {
            json!({ "name": table.case.name, "title": table.case.title,
            "connections": table.case.connections, "against": table.case.against, "baseline": table.case.baseline, "servers": table.rows.iter().map(row).collect::<Vec<_>>() })
        })
        .collect();
    let all = json!({
        "date": machine.date,
        "processor": machine.processor,
        "processors": machine.processors,
        "kernel": machine.kernel,
        "core": { "server": machine.cores.server, "client": machine.cores.client, "origin": machine.cores.origin },
        "wrk": machine.wrk,
        "versions": servers,
        "rounds": summary.rounds,
        "foreign_share": summary.foreign,
        "cases": cases,
        "memory": summary.memory.iter().map(memory).collect::<Vec<_>>(),
        "samples": summary.samples.iter().map(sample).collect::<Vec<_>>(),
    });
    format!("{all:#}\n")
}

fn row(row: &Row) -> Value {
    json!({
        "name": row.server,
        "requests_per_second": spread(&row.rate),
        "p50_us": spread(&row.p50),
        "p99_us": spread(&row.p99),
        "cpu_us": spread(&row.cpu),
        "user_us": row.user,
        "system_us": row.system,
        "ratio": row.ratio.as_ref().map(spread),
        "busy_share": row.busy,
    })
}

fn memory(memory: &Memory) -> Value {
    json!({ "server": memory.server, "fresh_bytes": memory.fresh, "idle_bytes": memory.idle })
}

fn spread(spread: &Spread) -> Value {
    json!({ "median": spread.median, "min": spread.min, "max": spread.max })
}

fn sample(sample: &Sample) -> Value {
    json!({
        "case": sample.case,
        "server": sample.server,
        "round": sample.round,
        "requests": sample.report.requests,
        "seconds": sample.report.seconds,
        "p50_us": sample.report.p50.as_micros(),
        "p99_us": sample.report.p99.as_micros(),
        "socket_errors": sample.report.socket_errors,
        "user_us": sample.user_per_request(),
        "system_us": sample.system_per_request(),
        "busy_share": sample.busy,
        "foreign_share": sample.foreign,
    })
}
