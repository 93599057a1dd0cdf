//! Why a file was not sent, and the status nginx gives for each reason.
//!
//! One table for the whole room: a reason never reaches the client as text, only as its status; the text is
//! for the error log.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::config::diagnostics::numbered;

#[derive(Debug, Error)]
pub enum Refusal {
    #[error("the path holds a NUL byte")]
    Nul,
    #[error("the path climbs with \"..\"")]
    Climbs,
    #[error("the path does not begin with a slash")]
    Relative,
    #[error("the path has {0} bytes, more than a file name may have")]
    TooLong(usize),
    #[error("open() {path:?} failed ({})", numbered(source))]
    Open { path: PathBuf, source: io::Error },
    #[error("{0:?} is not a regular file")]
    NotRegular(PathBuf),
    #[error("{0:?} is not a directory")]
    NotADirectory(PathBuf),
    #[error("directory index of {0:?} is forbidden")]
    NoIndex(PathBuf),
    #[error("the file system did not answer: {0}")]
    NoAnswer(io::Error),
}

impl Refusal {
    /// The status nginx 1.22 was seen to give (a socket is 500 because its open() fails with ENXIO, a FIFO 404).
    pub fn status(&self) -> u16 {
        match self {
            Refusal::Nul | Refusal::Climbs | Refusal::Relative | Refusal::TooLong(_) | Refusal::NotRegular(_) => 404,
            Refusal::NoIndex(_) => 403,
            Refusal::NotADirectory(_) | Refusal::NoAnswer(_) => 500,
            Refusal::Open { source, .. } => status_of(source),
        }
    }
}

fn status_of(error: &io::Error) -> u16 {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG) => 404,
        Some(libc::EACCES | libc::ELOOP | libc::EMLINK) => 403,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failed_open_has_the_status_nginx_gives_it() {
        let table = [
            (libc::ENOENT, 404),
            (libc::ENOTDIR, 404),
            (libc::ENAMETOOLONG, 404),
            (libc::EACCES, 403),
            (libc::ELOOP, 403),
            (libc::EMFILE, 500),
            (libc::ENXIO, 500),
            (libc::EIO, 500),
        ];
        for (errno, status) in table {
            let source = io::Error::from_raw_os_error(errno);
            let refusal = Refusal::Open { path: PathBuf::from("/x"), source };
            assert_eq!(refusal.status(), status, "{refusal}");
        }
    }
}
