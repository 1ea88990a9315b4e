//! Routers as processes, and whatever can happen to one: ends that are killed, stopped or cut off, a machine without
//! descriptors or disk, peers that send anything or too much or never listen. Each time everybody else is served, memory is
//! bounded, and the log says what happened.
//!
//! `SKUPPER_HEAVY=1` takes a gibioctet where the quick tests take some mebioctets, and thousands of connections for hundreds.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

/// The program's own: what is said of memory here is to be true of it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/process.rs"]
mod process;

mod descriptors;
mod ends;
mod exhausted;
mod garbage;
mod greedy;
mod hub;
mod replaced;
mod routers;

/// The quick count, or the heavy one where that was asked for.
fn either(quick: usize, heavy: usize) -> usize {
    if std::env::var_os("SKUPPER_HEAVY").is_some() {
        heavy
    } else {
        quick
    }
}
