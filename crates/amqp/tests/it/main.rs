//! Tests of the crate from outside, as one program.

#![allow(clippy::unwrap_used, clippy::panic)]

mod corpora;
mod credit;
mod golden;
mod opening;
mod pair;
mod properties;
mod replay;
mod streams;
mod support;
