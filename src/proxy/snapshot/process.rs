//! What concerns the process, compiled.

use super::compile::Texts;
use super::{Control, Process};
use crate::config::raw::{self, Raw};
use crate::config::types::{Admin, Listen, LogLevel};
use crate::config::{Diagnostics, Spanned};
use crate::observe::errors;
use std::path::Path;

pub(super) fn compile(raw: &Raw, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Process {
    let main = &raw.main;
    warn_of_admin(main, diagnostics);
    let workers = match main.worker_processes().as_str() {
        "auto" => std::thread::available_parallelism().map_or(1, |n| n.get()),
        number => number.parse().ok().filter(|n| (1..=1024).contains(n)).unwrap_or_else(|| {
            let at = main.worker_processes.as_ref().map(|w| w.span).unwrap_or_default();
            diagnostics.error(at, format!("expected `auto` or a number from 1 to 1024, found `{number}`"));
            1
        }),
    };
    let log = main.error_log();
    let at = main.error_log.as_ref().map(|l| l.span).unwrap_or_default();
    let path = log.0.path();
    let file = if path == "stderr" { None } else { texts.log_file(&path, at, diagnostics) };
    Process {
        workers,
        user: main.user.as_ref().map(|u| u.value.clone()),
        pid: texts.path(&main.pid()),
        control: control(main, &texts.resources.prefix),
        error_log: errors::ErrorLog { file, level: severity(log.0.level()), mask: texts.mask.clone() },
        nofile: main.worker_rlimit_nofile.as_ref().map(|n| n.value),
        connections: main.worker_connections(),
        shutdown_timeout: main.worker_shutdown_timeout().0,
    }
}

/// How edge does is for those who run it.
fn warn_of_admin(main: &raw::MainKeys, diagnostics: &mut Diagnostics) {
    let Some(admin) = &main.admin else { return };
    for listen in admin.0.listen.iter().flat_map(|all| &all.value) {
        warn_of_admin_at(&listen.value, admin, diagnostics);
    }
}

fn warn_of_admin_at(listen: &Listen, admin: &Spanned<Admin>, diagnostics: &mut Diagnostics) {
    let Some(address) = &listen.0.address else { return };
    let is_here = ["127.", "localhost", "[::1]", "unix:"].iter().any(|start| address.starts_with(start));
    if !is_here {
        diagnostics
            .warning(admin.span, format!("whoever reaches {} can read how edge does: `admin` asks nobody who he is", address.value))
            .help("write `admin: 127.0.0.1:9145`, or a `server` of your own with `api: on` in a location and `access` beside it");
    }
    if let Some(token) = admin.0.token_file.as_ref().filter(|_| !is_here && !listen.0.ssl()) {
        diagnostics
            .warning(
                token.span,
                format!("the token can be read on the way to {}: it is sent without TLS", address.value),
            )
            .help("write `api_token_file` in a location with `api` of a `server` that speaks TLS");
    }
}

/// Where edge takes commands: as written, or beside the pid file.
pub fn control(main: &raw::MainKeys, prefix: &Path) -> Option<Control> {
    match main.control.as_deref().map(String::as_str) {
        Some("off" | "false") => None,
        Some(path) => Some(Control { path: prefix.join(path), by_default: false }),
        None => Some(Control { path: prefix.join(main.pid()).with_extension("sock"), by_default: true }),
    }
}

fn severity(level: LogLevel) -> errors::Severity {
    match level {
        LogLevel::Debug => errors::Severity::Debug,
        LogLevel::Info => errors::Severity::Info,
        LogLevel::Notice => errors::Severity::Notice,
        LogLevel::Warn => errors::Severity::Warn,
        LogLevel::Error => errors::Severity::Error,
        LogLevel::Crit => errors::Severity::Crit,
        LogLevel::Alert => errors::Severity::Alert,
        LogLevel::Emerg => errors::Severity::Emerg,
    }
}
