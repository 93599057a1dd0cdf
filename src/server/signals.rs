//! Signals, as nginx's master process takes them.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// HUP: read the configuration again.
    Reload,
    /// USR1: open the logs anew.
    Reopen,
    /// QUIT: end after the last request.
    Quit,
    /// TERM and INT: end at once.
    Stop,
    /// USR2: hand over to a new binary.
    Upgrade,
    /// CHLD: a new binary has ended.
    ChildEnded,
}

pub struct Orders {
    hup: Signal,
    usr1: Signal,
    quit: Signal,
    term: Signal,
    int: Signal,
    usr2: Signal,
    child: Signal,
}

impl Orders {
    pub fn listen() -> io::Result<Orders> {
        let orders = Orders {
            hup: signal(SignalKind::hangup())?,
            usr1: signal(SignalKind::user_defined1())?,
            quit: signal(SignalKind::quit())?,
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            usr2: signal(SignalKind::user_defined2())?,
            child: signal(SignalKind::child())?,
        };
        // What a keeper's fork has held back until somebody listens.
        unblock_all();
        Ok(orders)
    }

    pub async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.hup.recv() => Order::Reload,
            _ = self.usr1.recv() => Order::Reopen,
            _ = self.quit.recv() => Order::Quit,
            _ = self.term.recv() => Order::Stop,
            _ = self.int.recv() => Order::Stop,
            _ = self.usr2.recv() => Order::Upgrade,
            _ = self.child.recv() => Order::ChildEnded,
        }
    }

    /// Waits for one that ends the process.
    pub async fn end(&mut self) {
        while !matches!(self.next().await, Order::Quit | Order::Stop) {}
    }
}

/// The set of these signals.
pub fn set_of(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: sigemptyset makes the set whole before it is used.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in signals {
            libc::sigaddset(&mut set, *signal);
        }
        set
    }
}

/// From now on this thread, and those it starts, leave these signals waiting.
pub fn block(set: &libc::sigset_t) {
    // SAFETY: the set lives for the call.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set, std::ptr::null_mut()) };
}

/// Lets this thread have whatever waits.
pub fn unblock_all() {
    let none = set_of(&[]);
    // SAFETY: the set lives for the call.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &none, std::ptr::null_mut()) };
}
