//! How many connections to an upstream are open, and how many of them are at work: what `keepalive` limits is the rest.
//!
//! Numbers only. Who opens connections counts them here, on whatever thread.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

#[derive(Debug, Default)]
pub struct Connections {
    open: AtomicUsize,
    busy: AtomicUsize,
}

impl Connections {
    pub fn open(&self) {
        self.open.fetch_add(1, SeqCst);
    }

    pub fn close(&self) {
        self.open.fetch_sub(1, SeqCst);
    }

    pub fn begin(&self) {
        self.busy.fetch_add(1, SeqCst);
    }

    pub fn end(&self) {
        self.busy.fetch_sub(1, SeqCst);
    }

    /// Open, and at no request's service.
    pub fn idle(&self) -> usize {
        self.open.load(SeqCst).saturating_sub(self.busy.load(SeqCst))
    }
}
