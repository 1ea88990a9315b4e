//! What a scenario is: what it does, what it needs, and whom it would disturb.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use anyhow::Result;
use libtest_mimic::{Failed, Trial};
use skupper_tests::stage::Stage;
use xtask::cluster::EXISTING_VARIABLE;

/// A test on the stage.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    name: &'static str,
    run: fn(&Stage) -> Result<()>,
    /// Nothing else runs meanwhile.
    alone: bool,
    /// It is left out where the cluster is the user's.
    own_cluster: bool,
    /// It is left out unless all of these are set: parts of upstream's, which are not in this repository.
    variables: &'static [&'static str],
}

impl Scenario {
    /// One beside which others may run.
    pub(crate) const fn shared(name: &'static str, run: fn(&Stage) -> Result<()>) -> Self {
        Scenario {
            name,
            run,
            alone: false,
            own_cluster: false,
            variables: &[],
        }
    }

    /// One that needs a cluster of our own: a client on its node, a daemon to kill.
    pub(crate) const fn own_cluster(self) -> Self {
        Scenario {
            own_cluster: true,
            ..self
        }
    }

    /// One that would disturb others.
    pub(crate) const fn alone(self) -> Self {
        Scenario {
            alone: true,
            ..self
        }
    }

    /// One that needs what these environment variables name.
    pub(crate) const fn with(self, variables: &'static [&'static str]) -> Self {
        Scenario { variables, ..self }
    }

    /// Why it cannot run here, for the list of tests.
    fn lacks(&self) -> Option<String> {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let missing: Vec<_> = self
            .variables
            .iter()
            .filter(|name| !is_set(name))
            .copied()
            .collect();
        if !missing.is_empty() {
            return Some(format!("skipped: {} not set", missing.join(", ")));
        }
        (self.own_cluster && is_set(EXISTING_VARIABLE))
            .then(|| "skipped: not in somebody else's cluster".to_owned())
    }

    /// As a test; ignored, with the reason before its name, where it cannot run.
    pub(crate) fn trial(self, stages: &Stages) -> Trial {
        let stages = stages.clone();
        let lacks = self.lacks();
        Trial::test(self.name, move || {
            let stage = stages.get()?;
            let run = || (self.run)(stage).map_err(|error| Failed::from(format!("{error:#}")));
            if self.alone {
                let _others = stages.floor.write().unwrap_or_else(PoisonError::into_inner);
                run()
            } else {
                let _alone = stages.floor.read().unwrap_or_else(PoisonError::into_inner);
                run()
            }
        })
        .with_ignored_flag(lacks.is_some())
        .with_kind(lacks.unwrap_or_default())
    }
}

/// The stage, brought up by the first scenario that needs it.
#[derive(Clone, Default)]
pub(crate) struct Stages {
    stage: Arc<OnceLock<Result<Stage, String>>>,
    /// Held for writing by whoever must be alone.
    floor: Arc<RwLock<()>>,
}

impl Stages {
    fn get(&self) -> Result<&Stage, Failed> {
        let stage = self
            .stage
            .get_or_init(|| Stage::up("skupper-tests").map_err(|error| format!("{error:#}")));
        stage.as_ref().map_err(|error| Failed::from(error.as_str()))
    }

    /// The stage, if it was needed.
    pub(crate) fn made(&self) -> Option<&Stage> {
        self.stage.get()?.as_ref().ok()
    }
}
