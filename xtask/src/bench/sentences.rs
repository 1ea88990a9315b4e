//! `cargo xtask bench sentences`: its program stands beside the tests, whose faults it plants.

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;

use crate::cargo::workspace;
use crate::process;

/// Runs it; `target/bench/figures.json` gets what it measures.
///
/// # Errors
/// When it does not come to its end.
pub fn sentences(arguments: &[OsString]) -> Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(workspace())
        .args([
            "run",
            "--quiet",
            "--package",
            "skupper-tests",
            "--bin",
            "bench-sentences",
            "--",
        ])
        .args(arguments);
    process::run_visibly(&mut cargo)
}
