//! Our router beside upstream's, and each beside its own, as processes: every way in which two can be linked, and meshes of
//! three and five. Upstream's takes part where `SKROUTERD` names its binary; where it does not, ours are among themselves and it is
//! said what was left out. Tests that would have nothing to show then are ignored: `--include-ignored` runs them.
//!
//! `SKUPPER_HEAVY=1` takes a gibioctet each way through every link where the quick tests take some mebioctets. With
//! `--nocapture` a table of what was seen is printed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/process.rs"]
mod process;

mod credentials;
mod far;
mod links;
mod matrix;
mod meshes;
mod networks;
mod node;
mod traffic;
