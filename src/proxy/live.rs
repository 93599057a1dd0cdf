//! The configuration in force at a listener, exchanged under it by a reload.

use super::api::Operator;
use super::errand::Errands;
use super::snapshot::{Snapshot, Virtual};
use arc_swap::ArcSwap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A socket of a snapshot.
#[derive(Debug)]
pub struct Bound {
    pub snapshot: Arc<Snapshot>,
    /// The socket's place in the snapshot.
    pub socket: usize,
}

impl Bound {
    pub fn virtual_for(&self, local: SocketAddr) -> &Virtual {
        self.snapshot.sockets[self.socket].virtual_for(local)
    }
}

/// A listener as its connections see it: requests take what is bound at their beginning.
pub struct Slot {
    bound: ArcSwap<Bound>,
    /// Who serves requests of edge's own.
    errands: Option<Arc<dyn Errands>>,
    /// Who does what is asked of edge over HTTP.
    operator: Option<Arc<dyn Operator>>,
    /// The listener is not in the configuration any more: connections end after their request.
    gone: AtomicBool,
}

impl Slot {
    pub fn new(bound: Bound) -> Slot {
        Slot { bound: ArcSwap::from_pointee(bound), errands: None, operator: None, gone: AtomicBool::new(false) }
    }

    pub fn with_errands(self, errands: Arc<dyn Errands>) -> Slot {
        Slot { errands: Some(errands), ..self }
    }

    pub fn with_operator(self, operator: Option<Arc<dyn Operator>>) -> Slot {
        Slot { operator, ..self }
    }

    pub fn operator(&self) -> Option<&Arc<dyn Operator>> {
        self.operator.as_ref()
    }

    pub fn errands(&self) -> Option<&Arc<dyn Errands>> {
        self.errands.as_ref()
    }

    pub fn bound(&self) -> Arc<Bound> {
        self.bound.load_full()
    }

    /// A look at what is bound, for who does not keep it.
    pub fn peek<T>(&self, look: impl FnOnce(&Bound) -> T) -> T {
        look(&self.bound.load())
    }

    /// From now on requests take this.
    pub fn rebind(&self, bound: Bound) {
        self.bound.store(Arc::new(bound));
        self.gone.store(false, Ordering::Release);
    }

    pub fn leave(&self) {
        self.gone.store(true, Ordering::Release);
    }

    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }
}
