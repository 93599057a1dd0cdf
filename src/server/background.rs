//! `edge -d`: into the background, and whoever started it learns whether it serves.
//!
//! The process forks before it has threads. The one that was started waits until the other is ready or has ended, and ends
//! with 0 or 1 accordingly: when `edge -d` is over, every listener is bound, or what is wrong has been printed.

use super::Failure;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::AsRawFd;
use std::process::ExitCode;

/// The background process's word to the one that was started.
#[derive(Debug)]
pub struct Background {
    /// `None`: started by an edge that runs in the background already. If nothing comes of the start, it is closed by the
    /// end of the process and not before: until then what went wrong is being printed.
    word: Option<ManuallyDrop<File>>,
}

/// Which of the two processes this is.
pub enum Side {
    /// The one that was started; it ends with this.
    Started(ExitCode),
    Background(Background),
}

/// Forks. To be called while the process has one thread.
pub fn enter() -> Result<Side, Failure> {
    let failed = || Failure::system("edge cannot go into the background");
    let (hear, word) = pipe().map_err(failed())?;
    // SAFETY: the process has one thread, so that the child may do whatever it wants.
    match unsafe { libc::fork() } {
        -1 => Err(failed()(std::io::Error::last_os_error())),
        0 => {
            drop(hear);
            // SAFETY: setsid has no preconditions; a child of a fork leads no group, so it succeeds.
            unsafe { libc::setsid() };
            Ok(Side::Background(Background { word: Some(ManuallyDrop::new(word)) }))
        }
        _ => {
            drop(word);
            Ok(Side::Started(heard(hear)))
        }
    }
}

/// Waits for the word, or for the end of everybody who could say it.
fn heard(mut hear: File) -> ExitCode {
    let mut byte = [0];
    match hear.read_exact(&mut byte) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

impl Background {
    /// In the background without a fork: the new binary of an edge that is there already.
    pub fn inherited() -> Background {
        Background { word: None }
    }

    /// Another process says the word; this one only lets go of the terminal.
    pub fn leave_word(&mut self) {
        drop(self.word.take().map(ManuallyDrop::into_inner));
    }

    /// Every listener is bound. From now on nothing is written to whoever started edge.
    pub fn ready(&mut self) {
        if let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null") {
            for standard in 0..3 {
                // SAFETY: both are descriptors of this process; the standard ones stay open, to another file.
                unsafe { libc::dup2(null.as_raw_fd(), standard) };
            }
        }
        if let Some(mut word) = self.word.take().map(ManuallyDrop::into_inner) {
            // Who was not waited for does not hear it.
            let _ = word.write_all(b"1");
        }
    }
}

fn pipe() -> std::io::Result<(File, File)> {
    use std::os::fd::FromRawFd;
    let mut ends = [0; 2];
    // SAFETY: the call fills the two numbers; on success they are descriptors of nobody else.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        Ok((File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1])))
    }
}
