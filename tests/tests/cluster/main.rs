//! Whole sites on a real cluster: one cluster for all of them, each scenario in namespaces of its own.
//!
//! Needs root (or `SKUPPER_TEST_KUBECONFIG`); what the machine lacks is installed or built, after saying so.

mod acceptance;
mod access;
mod chaos;
mod clusters;
mod edge_cases;
mod faults;
mod procedures;
mod readme;
mod rotation;
mod scenario;
mod strangers;
mod swaps;
mod traffic;

use std::process::ExitCode;

use libtest_mimic::Arguments;

use scenario::{Scenario, Stages};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let stages = Stages::default();
    let scenarios = [
        procedures::SCENARIOS,
        readme::SCENARIOS,
        acceptance::SCENARIOS,
        // What waits longest begins early.
        edge_cases::SCENARIOS,
        faults::SCENARIOS,
        strangers::SCENARIOS,
        rotation::SCENARIOS,
        traffic::SCENARIOS,
        access::SCENARIOS,
        clusters::SCENARIOS,
        swaps::SCENARIOS,
        // Last: what needs the cluster for itself.
        chaos::SCENARIOS,
    ]
    .concat();
    let trials = scenarios
        .into_iter()
        .map(|scenario| scenario.trial(&stages))
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(stage) = stages.made() {
        if conclusion.has_failed() {
            eprintln!("{}", stage.diagnosis());
        }
        if std::env::var_os("SKUPPER_TEST_KEEP").is_none()
            && let Err(error) = stage.cluster.down()
        {
            eprintln!("the cluster was not taken down: {error:#}");
            return ExitCode::FAILURE;
        }
    }
    conclusion.exit_code()
}
