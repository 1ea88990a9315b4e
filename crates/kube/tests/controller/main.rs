//! The controller against a real API server: one cluster for all scenarios, which run one after the other, and
//! controllers as processes of their own with the rights that the manifests give.
//!
//! Needs root (or `SKUPPER_TEST_KUBECONFIG`); what the machine lacks is installed or built, after saying so.
//! `SKUPPER_TEST_KEEP=1` leaves the cluster up.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]
#![allow(unreachable_pub, reason = "modules of a program")]

mod documents;
mod life;
mod process;
mod rights;
mod sites;
mod stage;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};

use crate::stage::Stage;

/// A scenario: its name and what it does.
type Scenario = (&'static str, fn(&Stage) -> Result<()>);

fn main() -> ExitCode {
    // A test binary is its own controller: the library has no program.
    if std::env::var_os(process::ROLE).is_some() {
        return skupper_kube::controller::run(std::env::args_os().skip(1));
    }
    let arguments = Arguments {
        test_threads: Some(1),
        ..Arguments::from_args()
    };
    let stage: Arc<OnceLock<Result<Stage, String>>> = Arc::default();
    // Documents and missing CRDs come first: later scenarios have controllers that would act on them.
    let scenarios = [
        documents::SCENARIOS,
        rights::SCENARIOS,
        sites::SCENARIOS,
        life::SCENARIOS,
    ]
    .concat();
    let trials = scenarios.into_iter().map(|(name, scenario): Scenario| {
        let stage = Arc::clone(&stage);
        Trial::test(name, move || {
            let stage = stage.get_or_init(|| Stage::up().map_err(|error| format!("{error:#}")));
            let stage = stage
                .as_ref()
                .map_err(|error| Failed::from(error.as_str()))?;
            scenario(stage).map_err(|error| Failed::from(format!("{error:#}")))
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if let Some(Ok(stage)) = stage.get()
        && std::env::var_os("SKUPPER_TEST_KEEP").is_none()
        && let Err(error) = stage.down()
    {
        eprintln!("the cluster was not taken down: {error:#}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}
