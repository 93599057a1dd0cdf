//! What the allocator keeps for later, though nobody will want that much again.

// Linked for what is declared below; the crate declares it with more than is needed.
use libmimalloc_sys as _;

unsafe extern "C" {
    fn mi_collect(force: bool);
}

/// Gives back to the system what this thread has freed. It costs milliseconds: after a configuration was read, not after a request.
pub fn give_back() {
    // SAFETY: mimalloc looks at what is its own, which may be nothing where a program that embeds edge has another allocator.
    unsafe { mi_collect(true) }
}
