//! The rounds. In each, all servers are started afresh (where a program lands in memory makes a difference that
//! would otherwise last the whole run), and case by case they take turns, in an order that rotates.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    cases::Case,
    certificate, check,
    client::{self, Client, Report},
    cores::Cores,
    cpu,
    failure::{Context, Failure},
    memory::{self, Memory},
    options::Options,
    origin::{Memcached, Origin},
    process::{self, Ports, Process},
    servers::{self, Behind, Contender},
};

/// What starting, warming up and stopping cost on top of each measurement, about.
const OVERHEAD: Duration = Duration::from_millis(350);

/// One measurement of one server in one case.
#[derive(Clone, Debug)]
pub struct Sample {
    pub case: &'static str,
    pub server: &'static str,
    /// Counted from 0; samples with the same number are compared with each other.
    pub round: u32,
    pub report: Report,
    /// CPU time of the server's processes for all requests together.
    pub user: Duration,
    pub system: Duration,
    /// The share of its core that the server used, and the share others took.
    pub busy: f64,
    pub foreign: f64,
}

impl Sample {
    pub fn rate(&self) -> f64 {
        self.report.requests as f64 / self.report.seconds
    }

    /// In microseconds, as the next ones.
    pub fn user_per_request(&self) -> f64 {
        self.user.as_secs_f64() * 1e6 / self.report.requests as f64
    }

    pub fn system_per_request(&self) -> f64 {
        self.system.as_secs_f64() * 1e6 / self.report.requests as f64
    }

    pub fn cpu_per_request(&self) -> f64 {
        self.user_per_request() + self.system_per_request()
    }
}

/// A server that was started.
pub struct Running<'a> {
    pub contender: &'a Contender,
    pub process: Process,
    pub ports: Ports,
}

/// All that was measured.
#[derive(Default)]
pub struct Measured {
    pub samples: Vec<Sample>,
    /// Empty where it was not asked for.
    pub memory: Vec<Memory>,
}

pub fn all_rounds(
    options: &Options,
    cores: &Cores,
    cases: &[&'static Case],
    contenders: &[Contender],
) -> Result<Measured, Failure> {
    let began = Instant::now();
    let mut longest = expected_round(options, cases, contenders)?;
    let dir = process::temporary_dir()?;
    let client = Client::find(cases, cores.client, dir.path())?;
    let origin = Origin::start(dir.path(), cores.origin, cases)?;
    let memcached = Memcached::start(dir.path(), cores.origin, cases)?;
    let behind = Behind { origin: origin.ports, memcached: memcached.as_ref().map(|memcached| memcached.port) };
    let rounds = options.rounds();
    let mut measured = Measured::default();
    for round in 0..rounds {
        if began.elapsed() + longest > options.limit() {
            eprintln!("{round} rounds instead of {rounds}: another would take longer than allowed");
            break;
        }
        let start = Instant::now();
        eprintln!("round {} of {rounds}", round + 1);
        let bench = Round { round, seconds: options.seconds, cores, client: &client, dir: dir.path(), behind };
        measured.samples.extend(bench.run(cases, contenders)?);
        if options.measures_memory() && round == 0 {
            measured.memory = bench.memory(contenders)?;
        }
        longest = longest.max(start.elapsed());
    }
    Ok(measured)
}

fn expected_round(options: &Options, cases: &[&Case], contenders: &[Contender]) -> Result<Duration, Failure> {
    let admitted = |case: &&Case| contenders.iter().filter(|contender| case.admits(contender.server)).count() as u32;
    let measurements: u32 = cases.iter().map(admitted).sum();
    let expected = (Duration::from_secs(u64::from(options.seconds)) + OVERHEAD) * measurements;
    if measurements == 0 {
        return Err(Failure::Nothing("servers"));
    }
    if expected > options.limit() {
        return Err(Failure::TooMuch { needed: expected.as_secs(), limit: options.limit().as_secs() });
    }
    Ok(expected)
}

struct Round<'a> {
    round: u32,
    seconds: u32,
    cores: &'a Cores,
    client: &'a Client,
    dir: &'a Path,
    behind: Behind,
}

impl Round<'_> {
    fn run(&self, cases: &[&'static Case], contenders: &[Contender]) -> Result<Vec<Sample>, Failure> {
        // Its logs grow by megabytes, and go with it.
        let dir = tempfile::tempdir_in(self.dir).context(|| self.dir.display().to_string())?;
        process::make_reachable(dir.path())?;
        let mut running = Vec::new();
        for contender in contenders.iter().filter(|contender| cases.iter().any(|case| case.admits(contender.server))) {
            running.push(self.start(contender, dir.path())?);
        }
        if self.round == 0 {
            check_all(cases, &running)?;
        }
        let first = self.round as usize % running.len();
        running.rotate_left(first);
        let mut samples = Vec::new();
        for case in cases {
            for server in running.iter().filter(|server| case.admits(server.contender.server)) {
                samples.push(self.measure(case, server)?);
            }
        }
        Ok(samples)
    }

    /// What each server holds, started for this alone.
    fn memory(&self, contenders: &[Contender]) -> Result<Vec<Memory>, Failure> {
        let dir = tempfile::tempdir_in(self.dir).context(|| self.dir.display().to_string())?;
        process::make_reachable(dir.path())?;
        let usual = contenders.iter().filter(|contender| !contender.server.only_named);
        usual.map(|contender| memory::measure(&self.start(contender, dir.path())?)).collect()
    }

    fn start<'a>(&self, contender: &'a Contender, dir: &Path) -> Result<Running<'a>, Failure> {
        let server = contender.server;
        let dir = process::make_dir(dir, server.name)?;
        let [plain, tls] = process::free_ports()?;
        let ports = Ports { plain, tls };
        certificate::write(&dir)?;
        let conf = dir.join(server.file);
        let text = servers::configuration(server, &dir, ports, self.behind);
        std::fs::write(&conf, text).context(|| conf.display().to_string())?;
        let values = [("CONF", &*conf.to_string_lossy()), ("DIR", &*dir.to_string_lossy())];
        let mut command = Command::new(&contender.program);
        command.args(server.arguments.iter().map(|argument| servers::fill(argument, &values)));
        let process = Process::start(server.name, command, self.cores.server, &dir, &[plain, tls])?;
        Ok(Running { contender, process, ports })
    }

    fn measure(&self, case: &'static Case, server: &Running) -> Result<Sample, Failure> {
        process::stop_if_interrupted()?;
        let run = client::Run { case, ports: server.ports, name: case.name };
        self.client.warm_up(run)?;

        let began = Instant::now();
        let core_before = cpu::core_busy(self.cores.server)?;
        let before = cpu::usage_of_tree(server.process.pid())?;
        let report = self.client.measure(run, self.seconds)?;
        let usage = cpu::usage_of_tree(server.process.pid())? - before;
        let core_used = cpu::core_busy(self.cores.server)?.saturating_sub(core_before);
        let elapsed = began.elapsed();

        let name = server.contender.server.name;
        if (report.refused > 0 && case.status < 400) || report.socket_errors > report.requests / 1000 {
            let why = format!("{} refused, {} socket errors under load", report.refused, report.socket_errors);
            return Err(Failure::WrongAnswer { server: name.to_owned(), case: case.name.to_owned(), why });
        }
        let sample = Sample {
            case: case.name,
            server: name,
            round: self.round,
            user: usage.user(),
            system: usage.system(),
            busy: usage.total.as_secs_f64() / report.seconds,
            foreign: core_used.saturating_sub(usage.total).as_secs_f64() / elapsed.as_secs_f64(),
            report,
        };
        eprintln!("  {:<20} {:<12} {:>7.0}/s {:>6.1} µs", case.name, name, sample.rate(), sample.cpu_per_request());
        Ok(sample)
    }
}

fn check_all(cases: &[&Case], running: &[Running]) -> Result<(), Failure> {
    for case in cases {
        for server in running.iter().filter(|server| case.admits(server.contender.server)) {
            check::check(server.contender.server.name, case, server.ports)?;
        }
    }
    Ok(())
}
