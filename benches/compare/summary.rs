//! What many samples say together: medians, their spread, and the ratio to the tuned nginx or to whom a case names.
//!
//! The ratio is the median of the rounds' own ratios rather than the ratio of two medians: what slows the machine
//! down for a while slows both sides of one round.

use crate::{
    cases::Case,
    failure::Failure,
    memory::Memory,
    run::{Measured, Sample},
    servers::{BASELINE, Contender},
};

pub struct Summary {
    pub tables: Vec<Table>,
    /// All samples, for who wants to do better.
    pub samples: Vec<Sample>,
    pub memory: Vec<Memory>,
    pub rounds: usize,
    /// The largest share of the servers' core that others took during any measurement.
    pub foreign: f64,
}

pub struct Table {
    pub case: &'static Case,
    pub rows: Vec<Row>,
}

pub struct Row {
    pub server: &'static str,
    pub rate: Spread,
    /// Latencies and CPU times in microseconds.
    pub p50: Spread,
    pub p99: Spread,
    pub cpu: Spread,
    /// Of the median request; they add up to `cpu.median` but for rounding.
    pub user: f64,
    pub system: f64,
    /// CPU time by that of the case's baseline; none if that did not take part.
    pub ratio: Option<Spread>,
    /// The share of its core the server used: well under 1 means that the client or the origin was the slower part.
    pub busy: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// None of nothing.
    pub fn of(mut values: Vec<f64>) -> Option<Spread> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        Some(Spread { median, min, max })
    }
}

impl Summary {
    pub fn of(cases: &[&'static Case], contenders: &[Contender], measured: Measured) -> Summary {
        let Measured { samples, memory } = measured;
        let table = |case: &&'static Case| {
            let of = |name| samples.iter().filter(|sample| sample.case == name).collect::<Vec<&Sample>>();
            let (of_case, of_other) = (of(case.name), case.against.map(of));
            let names = contenders.iter().map(|contender| contender.server.name);
            let rows = names.filter_map(|name| row(name, case.baseline, &of_case, of_other.as_deref())).collect();
            Table { case, rows }
        };
        Summary {
            tables: cases.iter().map(table).filter(|table| !table.rows.is_empty()).collect(),
            rounds: samples.iter().map(|sample| sample.round as usize + 1).max().unwrap_or(0),
            foreign: samples.iter().map(|sample| sample.foreign).fold(0.0, f64::max),
            samples,
            memory,
        }
    }

    /// Whether edge cost no more than a case allows.
    pub fn judge(&self) -> Result<(), Failure> {
        self.tables.iter().try_for_each(|table| {
            let row = table.rows.iter().find(|row| row.server == "edge");
            match (table.case.at_most, row.and_then(|row| row.ratio)) {
                (Some(at_most), Some(ratio)) => judge(table.case, at_most, ratio),
                _ => Ok(()),
            }
        })
    }
}

/// One round in which edge was no dearer is enough to take the rest for the machine's noise, which moves a round by more than
/// what is looked for here.
fn judge(case: &'static Case, at_most: f64, Spread { median, min, .. }: Spread) -> Result<(), Failure> {
    match median > at_most && min > 1.0 {
        true => Err(Failure::Dearer { case: case.name, baseline: case.baseline, ratio: median, least: min, at_most }),
        false => Ok(()),
    }
}

/// `other`: the samples of the case that this one is compared with, if it is not the baseline's.
fn row(server: &'static str, baseline: &'static str, of_case: &[&Sample], other: Option<&[&Sample]>) -> Option<Row> {
    let (against, whose) = other.map_or((of_case, baseline), |other| (other, server));
    let own: Vec<&Sample> = of_case.iter().filter(|sample| sample.server == server).copied().collect();
    let spread = |value: &dyn Fn(&Sample) -> f64| Spread::of(own.iter().map(|sample| value(sample)).collect());
    let cpu = spread(&Sample::cpu_per_request)?;
    let system_share = spread(&|sample| sample.system_per_request() / sample.cpu_per_request())?.median;
    Some(Row {
        server,
        rate: spread(&Sample::rate)?,
        p50: spread(&|sample| sample.report.p50.as_secs_f64() * 1e6)?,
        p99: spread(&|sample| sample.report.p99.as_secs_f64() * 1e6)?,
        cpu,
        user: cpu.median * (1.0 - system_share),
        system: cpu.median * system_share,
        ratio: Spread::of(own.iter().filter_map(|sample| ratio(sample, against, whose)).collect()),
        busy: spread(&|sample| sample.busy)?.median,
    })
}

fn ratio(sample: &Sample, against: &[&Sample], whose: &str) -> Option<f64> {
    let baseline = against.iter().find(|other| other.server == whose && other.round == sample.round)?;
    Some(sample.cpu_per_request() / baseline.cpu_per_request())
}

/// A sample of 1000 requests in a second, for the tests of whatever prints one.
pub fn sample_of(server: &'static str, round: u32, user: u64, system: u64) -> Sample {
    use std::time::Duration;
    let report = crate::client::Report {
        requests: 1000,
        seconds: 1.0,
        p50: Duration::from_micros(600),
        p99: Duration::from_micros(1200),
        ..Default::default()
    };
    Sample {
        case: crate::cases::CASES[0].name,
        server,
        round,
        report,
        user: Duration::from_millis(user),
        system: Duration::from_millis(system),
        busy: 0.99,
        foreign: 0.01,
    }
}

fn the_ratio_is_taken_within_each_round() {
    // Everything was twice as slow in the second round, and the first server lost by the same factor in each.
    let samples = [
        sample_of("edge", 0, 5, 10),
        sample_of(BASELINE, 0, 5, 5),
        sample_of("edge", 1, 10, 20),
        sample_of(BASELINE, 1, 10, 10),
    ];
    let row = row("edge", BASELINE, &samples.iter().collect::<Vec<_>>(), None).expect("a row");
    let ratio = row.ratio.expect("a ratio");
    assert!((ratio.median - 1.5).abs() < 1e-9 && (ratio.max - ratio.min).abs() < 1e-9, "{ratio:?}");
    assert!((row.cpu.median - 22.5).abs() < 1e-9 && (row.user - 7.5).abs() < 1e-9);
}

fn without_the_baseline_there_is_no_ratio() {
    let samples = [sample_of("edge", 0, 5, 10)];
    assert_eq!(row("edge", BASELINE, &samples.iter().collect::<Vec<_>>(), None).expect("a row").ratio, None);
}

fn a_case_may_be_compared_with_another_of_the_same_server() {
    let (own, other) = (sample_of("edge", 0, 6, 15), [sample_of("edge", 0, 5, 15), sample_of(BASELINE, 0, 1, 1)]);
    let row = row("edge", BASELINE, &[&own], Some(&other.iter().collect::<Vec<_>>())).expect("a row");
    assert!((row.ratio.expect("a ratio").median - 1.05).abs() < 1e-9);
}

fn a_case_that_costs_more_than_it_may_fails_the_run() {
    let case = crate::cases::CASES.iter().find(|case| case.at_most.is_some()).expect("there is one");
    let (at_most, edge_over) = (case.at_most.expect("it has one"), |median, min| Spread { median, min, max: 2.0 });
    assert!(matches!(judge(case, at_most, edge_over(at_most + 0.01, 1.01)), Err(Failure::Dearer { .. })));
    assert!(judge(case, at_most, edge_over(at_most, 1.01)).is_ok());
    assert!(judge(case, at_most, edge_over(at_most + 0.01, 0.99)).is_ok());
    // Its baseline takes part, so that there is something to be judged by.
    let samples = [sample_of("edge", 0, 10, 10), sample_of(case.baseline, 0, 5, 5)];
    let of = |server| row(server, case.baseline, &samples.iter().collect::<Vec<_>>(), None).expect("a row");
    let tables = vec![Table { case, rows: vec![of("edge"), of(case.baseline)] }];
    let summary = Summary { tables, samples: Vec::new(), memory: Vec::new(), rounds: 1, foreign: 0.0 };
    assert!(matches!(summary.judge(), Err(Failure::Dearer { ratio: 2.0, .. })));
}

fn the_median_of_an_even_number_lies_between() {
    assert_eq!(Spread::of(vec![4.0, 1.0, 3.0, 2.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
    assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
    assert_eq!(Spread::of(vec![]), None);
}

pub const TESTS: &[(&str, fn())] = tests![
    the_ratio_is_taken_within_each_round,
    without_the_baseline_there_is_no_ratio,
    a_case_may_be_compared_with_another_of_the_same_server,
    a_case_that_costs_more_than_it_may_fails_the_run,
    the_median_of_an_even_number_lies_between,
];
