//! `cargo xtask bench controller`: our controller on a real cluster, against what the original was measured at on the same
//! kind of machine.
//!
//! The control plane works alone (the node is cordoned) except where router pods are part of the question. The controller
//! is the release build, a process beside the cluster with the rights that the manifests give. Every clock starts with
//! `kubectl apply`, whose own time is in it.

mod certificates;
mod ground;
mod links;
mod process;
mod report;
mod sites;
mod stream;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use crate::cargo::{self, Profile, workspace};
use crate::host::packages;
use crate::progress::say;
use ground::Ground;
use report::Row;

/// What to measure, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only the part of this name: `certificates`, `sites` or `links`; all if empty.
    pub only: String,
    /// How long the idle controller is watched; its figures are given for five minutes.
    pub idle: Duration,
    /// Takes this program instead of building one.
    pub program: Option<PathBuf>,
}

/// A part of the benchmark, on a cluster of its own.
type Part = fn(&Ground, &Options) -> Result<Vec<Row>>;

/// The parts.
const PARTS: [(&str, Part); 3] = [
    ("certificates", certificates::measure),
    ("sites", sites::measure),
    ("links", links::measure),
];

/// Runs it, prints the table and puts the figures into `target/bench/figures.json`.
///
/// # Errors
/// When the cluster cannot be had, or something that is waited for does not come about.
pub fn controller(options: &Options) -> Result<()> {
    packages::ensure(packages::TESTS)?;
    let program = match &options.program {
        Some(program) => program.clone(),
        None => cargo::build("skupper", "skupper", Profile::Release)?,
    };
    let mut rows = Vec::new();
    for (name, part) in PARTS {
        if name.contains(options.only.as_str()) {
            say(&format!("bench controller: {name}"));
            let ground = Ground::prepare(&program)?;
            rows.extend(part(&ground, options)?);
        }
    }
    report::write(&rows, &workspace().join("target/bench"))
}
