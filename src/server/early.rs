//! The error log of the command line (`-e`): it is there before the configuration is read, so that what is wrong with that
//! stands in it as well. Once the configuration is in force its own error log counts, which is this one if it names none.

use super::load::Options;
use crate::config::diagnostics::numbered;
use crate::config::{Diagnostics, Severity};
use crate::observe::errors;
use std::fs::File;
use std::io::Write;
use std::sync::Mutex;

/// `None`: the command line names no file.
pub struct EarlyLog(Option<Mutex<File>>);

impl EarlyLog {
    /// Opens it, made if need be. That it cannot be opened is told, and stops nothing, as in nginx.
    pub fn open(options: &Options) -> EarlyLog {
        let Some(path) = options.early_log() else { return EarlyLog(None) };
        match crate::system::append(&path) {
            Ok(file) => EarlyLog(Some(Mutex::new(file))),
            Err(e) => {
                let why = numbered(&e);
                eprintln!("edge: [alert] could not open error log file: open() \"{}\" failed ({why})", path.display());
                EarlyLog(None)
            }
        }
    }

    /// Every mistake and warning, a line each.
    pub fn tell_all(&self, diagnostics: &Diagnostics) {
        for found in diagnostics.iter() {
            let severity = match found.severity {
                Severity::Error => "emerg",
                Severity::Warning => "warn",
            };
            let place = found.span.map(|span| format!(" in {}", diagnostics.place(span))).unwrap_or_default();
            self.tell(severity, &format!("{}{place}", found.message));
        }
    }

    pub fn tell(&self, severity: &str, text: &str) {
        if let Some(mut file) = self.0.as_ref().and_then(|file| file.lock().ok()) {
            // Who cannot write here has told the same on stderr.
            let _ = file.write_all(&errors::line_of(severity, text));
        }
    }
}
