//! mimalloc, asked in its shorter way wherever that will do.
//!
//! The crate's own allocator asks for an alignment each time, which for many sizes costs a detour several times as long as the
//! usual way. What mimalloc gives is aligned for a machine word anyway, and next to nothing asks for more.

use libmimalloc_sys::{mi_free, mi_malloc, mi_realloc, mi_zalloc};
use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout};

/// What every block is aligned for.
const WORD: usize = size_of::<usize>();

pub struct Allocator;

// SAFETY: mimalloc is a whole allocator, and all its ways of asking give blocks of one kind, which `mi_free` takes back and
// `mi_realloc` resizes; blocks of any size are aligned for a word, and whoever needs more asks for it.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match layout.align() <= WORD {
            // SAFETY: any size may be asked for.
            true => unsafe { mi_malloc(layout.size()).cast() },
            // SAFETY: passed on as it came.
            false => unsafe { MiMalloc.alloc(layout) },
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match layout.align() <= WORD {
            // SAFETY: any size may be asked for.
            true => unsafe { mi_zalloc(layout.size()).cast() },
            // SAFETY: passed on as it came.
            false => unsafe { MiMalloc.alloc_zeroed(layout) },
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: it is one of the blocks above.
        unsafe { mi_free(block.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        match layout.align() <= WORD {
            // SAFETY: it is one of the blocks above.
            true => unsafe { mi_realloc(block.cast(), size).cast() },
            // SAFETY: passed on as it came.
            false => unsafe { MiMalloc.realloc(block, layout, size) },
        }
    }
}
