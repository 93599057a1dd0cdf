//! The error log, in nginx's form: `2026/11/22 16:10:00 [error] 123#7: *45 message`.
//!
//! Whatever is told through the `log` crate, by edge or by Pingora, ends here. Until the configuration has named a file it
//! goes to stderr. nginx's finer levels are told by the target: `edge::notice`, `edge::alert` and so on.

use super::{LogFile, Mask};
use arc_swap::ArcSwap;
use log::{Level, LevelFilter, Log, Metadata, Record};
use once_cell::sync::Lazy;
use std::io::Write;
use std::sync::Arc;
use std::time::SystemTime;

/// Where the error log goes and what is worth a line.
#[derive(Clone, Debug)]
pub struct ErrorLog {
    /// `None`: stderr.
    pub file: Option<LogFile>,
    pub level: Severity,
    /// Hides session ids, where some are known of.
    pub mask: Option<Arc<Mask>>,
}

/// nginx's levels, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Debug,
    Info,
    Notice,
    Warn,
    Error,
    Crit,
    Alert,
    Emerg,
}

/// What Pingora warns of edge says itself, in nginx's words, where it matters; what it tells besides holds whole bodies.
fn is_pingoras(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("pingora")
}

impl Severity {
    pub fn word(self) -> &'static str {
        match self {
            Severity::Debug => "debug",
            Severity::Info => "info",
            Severity::Notice => "notice",
            Severity::Warn => "warn",
            Severity::Error => "error",
            Severity::Crit => "crit",
            Severity::Alert => "alert",
            Severity::Emerg => "emerg",
        }
    }

    fn of(metadata: &Metadata<'_>) -> Severity {
        match (metadata.level(), metadata.target()) {
            (Level::Info, "edge::notice") => Severity::Notice,
            (Level::Error, "edge::crit") => Severity::Crit,
            (Level::Error, "edge::alert") => Severity::Alert,
            (Level::Error, "edge::emerg") => Severity::Emerg,
            (Level::Error, _) => Severity::Error,
            (Level::Warn, _) => Severity::Warn,
            (Level::Info, _) => Severity::Info,
            (Level::Debug | Level::Trace, _) => Severity::Debug,
        }
    }
}

static CURRENT: Lazy<ArcSwap<ErrorLog>> =
    Lazy::new(|| ArcSwap::from_pointee(ErrorLog { file: None, level: Severity::Notice, mask: None }));

struct Logger;

/// Takes over what is told through the `log` crate. A second call does nothing.
pub fn install() {
    let _ = log::set_logger(&Logger);
    use_log(ErrorLog { file: None, level: Severity::Notice, mask: None });
}

/// From now on errors go there.
pub fn use_log(to: ErrorLog) {
    log::set_max_level(match to.level {
        Severity::Debug => LevelFilter::Debug,
        Severity::Info | Severity::Notice => LevelFilter::Info,
        Severity::Warn => LevelFilter::Warn,
        _ => LevelFilter::Error,
    });
    CURRENT.store(to.into());
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !is_pingoras(metadata) && Severity::of(metadata) >= CURRENT.load().level
    }

    fn log(&self, record: &Record<'_>) {
        let log = CURRENT.load();
        let severity = Severity::of(record.metadata());
        if severity < log.level || is_pingoras(record.metadata()) {
            return;
        }
        let mut message = record.args().to_string().into_bytes();
        if let Some(mask) = &log.mask {
            mask.text(0, &mut message);
        }
        let line = line_of(severity.word(), &message);
        match &log.file {
            Some(file) => file.write(&line),
            // Nobody is left to be told if stderr is gone.
            None => drop(std::io::stderr().write_all(&line)),
        }
    }

    fn flush(&self) {
        super::flush();
    }
}

/// A line of the log, for a process that has no threads to write it.
pub fn line_of(severity: &str, message: impl AsRef<[u8]>) -> Vec<u8> {
    let at = crate::variables::iso8601(SystemTime::now());
    // 2026-11-22T16:10:00+01:00 → 2026/11/22 16:10:00
    let (date, time) = (at[..10].replace('-', "/"), &at[11..19]);
    // SAFETY: gettid has no preconditions.
    let thread = unsafe { libc::gettid() };
    let mut line = format!("{date} {time} [{severity}] {}#{thread}: ", std::process::id()).into_bytes();
    line.extend(message.as_ref().iter().map(|b| if *b < 0x20 && *b != b'\t' { b' ' } else { *b }));
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_in_nginx_form() {
        let line = String::from_utf8(line_of(Severity::Error.word(), "a\nb")).unwrap();
        assert!(line.ends_with(": a b\n"), "{line}");
        assert!(line.contains(" [error] "), "{line}");
        assert_eq!(&line[4..5], "/");
    }
}
