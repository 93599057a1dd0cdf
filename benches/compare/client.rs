//! The client: wrk, or h2load where HTTP/2 is spoken. Runs one of them and says what it saw.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    cases::{Case, Protocol},
    failure::{Context, Failure},
    h2load,
    process::{self, Ports},
    servers, wrk,
};

/// Long enough to open all connections and to fill caches and pools.
const WARM_UP: Duration = Duration::from_millis(250);
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    pub requests: u64,
    pub seconds: f64,
    pub p50: Duration,
    pub p99: Duration,
    /// Connections that could not be opened, broke or took longer than the client waits.
    pub socket_errors: u64,
    /// Answers of 400 and above.
    pub refused: u64,
}

/// The programs, the core they run on, and where they may write.
pub struct Client {
    pub wrk: PathBuf,
    h2load: Option<PathBuf>,
    core: usize,
    dir: PathBuf,
}

/// A measurement of one server.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    pub case: &'a Case,
    pub ports: Ports,
    /// Unlike any other's of this server.
    pub name: &'a str,
}

impl Client {
    pub fn find(cases: &[&Case], core: usize, dir: &Path) -> Result<Client, Failure> {
        let wrk = wrk_program()?;
        let h2load = servers::locate("h2load");
        if h2load.is_none() && cases.iter().any(|case| case.protocol == Protocol::Http2) {
            return Err(Failure::Missing { program: "h2load", package: "nghttp2-client" });
        }
        let client = Client { wrk, h2load, core, dir: process::make_dir(dir, "client")? };
        let script = client.script();
        fs::write(&script, wrk::UNIQUE).context(|| script.display().to_string())?;
        Ok(client)
    }

    pub fn warm_up(&self, run: Run) -> Result<(), Failure> {
        // h2load says nothing when it is interrupted, and takes no time below a second.
        if run.case.protocol == Protocol::Http2 {
            let mut child = self.start(run, 1)?;
            return finish(&mut child, Duration::from_secs(10)).map(drop);
        }
        let warming = format!("{}-warm", run.name);
        let mut child = self.start(Run { name: &warming, ..run }, 10)?;
        thread::sleep(WARM_UP);
        // SAFETY: a signal to a child that has not been waited for.
        unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
        finish(&mut child, Duration::from_secs(5)).map(drop)
    }

    pub fn measure(&self, run: Run, seconds: u32) -> Result<Report, Failure> {
        let mut child = self.start(run, seconds)?;
        let text = finish(&mut child, Duration::from_secs(u64::from(seconds) + 10))?;
        let report = match run.case.protocol {
            Protocol::Http2 => {
                let log = fs::read_to_string(self.log()).context(|| "h2load's log".to_owned())?;
                h2load::read(&text, &log)
            }
            _ => wrk::read(&text),
        };
        report.ok_or(Failure::Unreadable { what: "the client's output", text })
    }

    fn start(&self, run: Run, seconds: u32) -> Result<Child, Failure> {
        let (case, ports) = (run.case, run.ports);
        let (program, mut command) = match (&self.h2load, case.protocol) {
            (Some(h2load), Protocol::Http2) => {
                // It adds to what is there.
                let _ = fs::remove_file(self.log());
                (h2load, h2load::command(h2load, case, ports, seconds, &self.log()))
            }
            _ => (&self.wrk, wrk::command(&self.wrk, case, ports, seconds, &self.script(), run.name)),
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        process::bind_to(self.core, &mut command).spawn().context(|| program.display().to_string())
    }

    fn script(&self) -> PathBuf {
        self.dir.join("unique.lua")
    }

    fn log(&self) -> PathBuf {
        self.dir.join("h2load.log")
    }
}

pub fn wrk_program() -> Result<PathBuf, Failure> {
    servers::locate("wrk").ok_or(Failure::Missing { program: "wrk", package: "wrk" })
}

/// Waits for the client, which prints less than a pipe holds and only at its end.
fn finish(child: &mut Child, limit: Duration) -> Result<String, Failure> {
    let deadline = Instant::now() + limit;
    while child.try_wait().context(|| "the client".to_owned())?.is_none() {
        let stop = process::stop_if_interrupted();
        if stop.is_err() || Instant::now() > deadline {
            // That it cannot be killed makes no difference to what is reported.
            let _ = child.kill().and_then(|()| child.wait());
            return stop.and(Err(Failure::Stuck));
        }
        thread::sleep(PAUSE);
    }
    let mut text = String::new();
    if let Some(output) = &mut child.stdout {
        output.read_to_string(&mut text).context(|| "the client's output".to_owned())?;
    }
    Ok(text)
}
