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
    /// USR2: hand over to a new binary, which this version cannot.
    Upgrade,
}

pub struct Orders {
    hup: Signal,
    usr1: Signal,
    quit: Signal,
    term: Signal,
    int: Signal,
    usr2: Signal,
}

impl Orders {
    pub fn listen() -> io::Result<Orders> {
        Ok(Orders {
            hup: signal(SignalKind::hangup())?,
            usr1: signal(SignalKind::user_defined1())?,
            quit: signal(SignalKind::quit())?,
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            usr2: signal(SignalKind::user_defined2())?,
        })
    }

    pub async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.hup.recv() => Order::Reload,
            _ = self.usr1.recv() => Order::Reopen,
            _ = self.quit.recv() => Order::Quit,
            _ = self.term.recv() => Order::Stop,
            _ = self.int.recv() => Order::Stop,
            _ = self.usr2.recv() => Order::Upgrade,
        }
    }

    /// Waits for one that ends the process.
    pub async fn end(&mut self) {
        while !matches!(self.next().await, Order::Quit | Order::Stop) {}
    }
}
