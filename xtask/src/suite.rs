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
    let mut failures = Failures::default();
    let result = process::run_echoed(&mut cargo, |line| failures.see(line));
    if !failures.lines.is_empty() {
        // It stands far above by now, before the tests that came after it.
        say("what failed, once more:");
        failures.lines.iter().for_each(|line| say(line));
    }
    for left in names().difference(&before) {
        say(&format!(
            "a test left the cluster {left} behind; taking it down"
        ));
        Cluster::down_by_name(left)?;
    }
    result
}

/// What the output of tests says of failures, which stands between a line `failures:` and the line of the result.
#[derive(Default)]
struct Failures {
    within: bool,
    lines: Vec<String>,
}

impl Failures {
    fn see(&mut self, line: &str) {
        if line == "failures:" {
            self.within = true;
        } else if line.starts_with("test result:") {
            self.within = false;
        } else if self.within && !line.is_empty() {
            self.lines.push(line.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_kept_and_nothing_else() {
        let output = "running 2 tests\n.F\nfailures:\n\n---- a ----\nwhy\n\n\nfailures:\n    a\n\ntest result: FAILED\nrunning 1 test\n.\n\
                      test result: ok";
        let mut failures = Failures::default();
        output.lines().for_each(|line| failures.see(line));
        assert_eq!(failures.lines, ["---- a ----", "why", "    a"]);
    }
}
