//! Faults to plant, and what must be read of each: tables for the tests, and for the benchmark of sentences.

pub mod client;
pub mod server;
