//! The client against a small router of the tests' own, and against upstream's.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod local;
mod router;
mod upstream;
