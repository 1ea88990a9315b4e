//! The block that a thread reads sockets into.
//!
//! An idle connection owns no read buffer: every read of a thread goes into that thread's block, and what was read is
//! cut off as reference-counted slices. Small reads are copied to an allocation of their own, so that a few octets
//! which wait for a slow consumer do not keep a whole block alive.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};

/// Size of a block; also the most that one read takes.
pub const BLOCK: usize = 128 * 1024;
/// A block with less room than this is replaced before a read.
const LEAST_ROOM: usize = 32 * 1024;
/// What is shorter than this is copied.
pub const COPY_BELOW: usize = 4 * 1024;

thread_local! {
    static CURRENT: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// Lends the thread's block, empty and with room, to `read`. The closure must leave it empty of what it wants kept:
/// what remains in it afterwards is overwritten by the next reader.
pub fn with_block<R>(read: impl FnOnce(&mut BytesMut) -> R) -> R {
    CURRENT.with_borrow_mut(|block| {
        block.clear();
        if block.capacity() < LEAST_ROOM {
            block.reserve(BLOCK);
        }
        read(block)
    })
}

/// Has the thread begin with a new block: how much of a block is left decides how much is read.
#[cfg(test)]
pub(crate) fn begin_anew() {
    CURRENT.set(BytesMut::new());
}

/// Cuts everything off the front of `block` as a slice that may be kept.
pub fn take_all(block: &mut BytesMut) -> Bytes {
    if block.len() < COPY_BELOW {
        let copy = Bytes::copy_from_slice(block);
        block.clear();
        copy
    } else {
        block.split().freeze()
    }
}

/// A slice that may be kept for long: small ones leave the block they are part of.
pub fn keep(slice: Bytes) -> Bytes {
    if slice.len() < COPY_BELOW {
        Bytes::copy_from_slice(&slice)
    } else {
        slice
    }
}
