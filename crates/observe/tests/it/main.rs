//! Observers, given conversations.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod http1;
mod http2;
mod play;
mod splits;
