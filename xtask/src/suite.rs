//! Running every test: what they need is made ready first, so that nothing long hides behind a silent test.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;

use crate::cluster::{Cluster, EXISTING_VARIABLE};
use crate::host::packages;
use crate::image;
use crate::process;
use crate::progress::say;

/// Runs `cargo test --workspace` with `arguments` behind it. Clusters that tests left behind are taken down.
///
/// # Errors
/// When something is missing that cannot be installed, or a test fails.
pub fn run(arguments: &[OsString]) -> Result<()> {
    say(
        "running every test: programs of Kubernetes and our images are made ready first, then `cargo test --workspace`",
    );
    packages::ensure(packages::TESTS)?;
    if std::env::var_os(EXISTING_VARIABLE).is_none_or(|value| value.is_empty()) {
        Cluster::prepare()?;
    }
    image::build(&image::Options::default())?;

    let names = || {
        Cluster::all()
            .iter()
            .map(Cluster::name)
            .collect::<BTreeSet<_>>()
    };
    let before = names();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(crate::cargo::workspace())
        .args(["test", "--workspace", "--no-fail-fast"])
        .args(arguments);
    let result = process::run_visibly(&mut cargo);
    for left in names().difference(&before) {
        say(&format!(
            "a test left the cluster {left} behind; taking it down"
        ));
        Cluster::down_by_name(left)?;
    }
    result
}
