//! Where and with what it was measured: without this, numbers are worth nothing a month later.

use std::{fs, path::Path, process::Command, time::SystemTime};

use crate::{
    cores::Cores,
    failure::{Context, Failure},
    servers::Contender,
};

pub struct Machine {
    pub date: String,
    pub processor: String,
    pub processors: usize,
    pub kernel: String,
    pub cores: Cores,
    pub wrk: String,
    pub servers: Vec<Version>,
}

pub struct Version {
    pub server: &'static str,
    pub version: String,
    pub remark: &'static str,
}

impl Machine {
    pub fn look(cores: &Cores, wrk: &Path, contenders: &[Contender]) -> Result<Machine, Failure> {
        let info = fs::read_to_string("/proc/cpuinfo").context(|| "/proc/cpuinfo".to_owned())?;
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").context(|| "the kernel's release".to_owned())?;
        let servers = contenders.iter().map(|contender| {
            let version = version(&contender.program, contender.server.version)?;
            Ok(Version { server: contender.server.name, version, remark: contender.server.remark })
        });
        Ok(Machine {
            date: httpdate::fmt_http_date(SystemTime::now()),
            processor: cpuinfo(&info, "model name").unwrap_or("unknown processor").to_owned(),
            processors: info.lines().filter(|line| line.starts_with("processor")).count(),
            kernel: format!("Linux {}", kernel.trim()),
            cores: *cores,
            wrk: version(wrk, "-v")?,
            servers: servers.collect::<Result<_, Failure>>()?,
        })
    }

    pub fn line(&self) -> String {
        format!("{} ({} CPUs), {}", self.processor, self.processors, self.kernel)
    }
}

fn cpuinfo<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':')).map(str::trim)
}

/// The first line a program says of itself, without what follows the version. wrk says it while complaining that
/// there is nothing to do.
fn version(program: &Path, argument: &str) -> Result<String, Failure> {
    let output = Command::new(program).arg(argument).output().context(|| program.display().to_string())?;
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Ok(shorten(text.lines().next().unwrap_or("")))
}

fn shorten(line: &str) -> String {
    let line = line.strip_prefix("nginx version: ").unwrap_or(line);
    let end = [" [", " Copyright", " 20", " - "].iter().filter_map(|mark| line.find(mark)).min();
    line[..end.unwrap_or(line.len())].trim().replacen(" version ", " ", 1)
}

fn a_version_is_what_is_left_of_a_line() {
    assert_eq!(shorten("nginx version: nginx/1.22.1"), "nginx/1.22.1");
    assert_eq!(
        shorten("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/"),
        "HAProxy 2.6.12-1+deb12u4"
    );
    assert_eq!(shorten("wrk debian/4.1.0-3+b2 [epoll] Copyright (C) 2012 Will Glozer"), "wrk debian/4.1.0-3+b2");
    assert_eq!(shorten("edge 0.1.0"), "edge 0.1.0");
}

fn the_processor_is_named() {
    let info =
        "processor\t: 0\nmodel name\t: A CPU @ 3 GHz\ncpu MHz\t: 3\n\nprocessor\t: 1\nmodel name\t: A CPU @ 3 GHz\n";
    assert_eq!(cpuinfo(info, "model name"), Some("A CPU @ 3 GHz"));
    assert_eq!(cpuinfo("", "model name"), None);
}

pub const TESTS: &[(&str, fn())] = tests![a_version_is_what_is_left_of_a_line, the_processor_is_named];
