//! Whole sites on a real cluster: one cluster for all of them, each scenario in namespaces of its own.
//!
//! Needs root (or `SKUPPER_TEST_KUBECONFIG`); what the machine lacks is installed or built, after saying so.

mod acceptance;
mod faults;
mod procedures;
mod traffic;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use skupper_tests::stage::Stage;

/// The stage, brought up by the first scenario that needs it.
#[derive(Clone, Default)]
struct Stages(Arc<OnceLock<Result<Stage, String>>>);

impl Stages {
    fn get(&self) -> Result<&Stage, Failed> {
        let stage = self
            .0
            .get_or_init(|| Stage::up("skupper-tests").map_err(|error| format!("{error:#}")));
        stage.as_ref().map_err(|error| Failed::from(error.as_str()))
    }
}

/// A scenario: its name and what it does.
type Scenario = (&'static str, fn(&Stage) -> Result<()>);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let stages = Stages::default();
    let scenarios = [
        procedures::SCENARIOS,
        acceptance::SCENARIOS,
        faults::SCENARIOS,
        traffic::SCENARIOS,
    ]
    .concat();
    let trials = scenarios.into_iter().map(|(name, scenario)| {
        let stages = stages.clone();
        Trial::test(name, move || {
            let stage = stages.get()?;
            scenario(stage).map_err(|error| Failed::from(format!("{error:#}")))
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if let Some(Ok(stage)) = stages.0.get() {
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
