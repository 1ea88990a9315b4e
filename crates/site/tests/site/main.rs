//! The model against a stand-in for the API server, under virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod acceptance;
mod access;
mod edge_cases;
mod links;
mod material;
mod observed;
mod properties;
mod rotation;
mod services;
mod sites;
mod takeover;
mod twenty_years;
mod world;
