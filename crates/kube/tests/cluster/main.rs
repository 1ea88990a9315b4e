//! Controller and adaptor against a real API server: one cluster for all scenarios, which run one after the other, and
//! controllers, adaptors and routers as processes of their own with the rights that they have in pods.
//!
//! Needs root (or `SKUPPER_TEST_KUBECONFIG`); what the machine lacks is installed or built, after saying so.
//! `SKUPPER_TEST_KEEP=1` leaves the cluster up. With `SKROUTERD` naming upstream's router, the adaptor's scenarios run with
//! that one too.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]
#![allow(unreachable_pub, reason = "modules of a program")]

mod adaptor;
mod controller;
mod stage;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};

use crate::stage::Stage;

/// A scenario: its name and what it does.
type Scenario = (&'static str, fn(&Stage) -> Result<()>);

/// A trial: what it is called and what it does.
type Run = Box<dyn FnOnce(&Stage) -> Result<()> + Send>;

fn main() -> ExitCode {
    // A test binary is its own controller, adaptor and router: the libraries have no program.
    if std::env::var_os(controller::process::ROLE).is_some() {
        return skupper_kube::controller::run(std::env::args_os().skip(1));
    }
    if std::env::var_os(adaptor::ADAPTOR).is_some() {
        return skupper_kube::adaptor::run(std::env::args_os().skip(1));
    }
    if std::env::var_os(adaptor::ROUTER).is_some() {
        return skupper_router::command::run(std::env::args_os().skip(1));
    }
    let arguments = Arguments {
        test_threads: Some(1),
        ..Arguments::from_args()
    };
    let stage: Arc<OnceLock<Result<Stage, String>>> = Arc::default();
    let of_controllers = controller::scenarios()
        .into_iter()
        .map(|(name, run)| (format!("controller: {name}"), Box::new(run) as Run));
    // Adaptors come last: a controller would take their sites for its own.
    let trials = of_controllers.chain(adaptor::trials()).map(|(name, run)| {
        let stage = Arc::clone(&stage);
        Trial::test(name, move || {
            let stage = stage.get_or_init(|| Stage::up().map_err(|error| format!("{error:#}")));
            let stage = stage
                .as_ref()
                .map_err(|error| Failed::from(error.as_str()))?;
            run(stage).map_err(|error| Failed::from(format!("{error:#}")))
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
