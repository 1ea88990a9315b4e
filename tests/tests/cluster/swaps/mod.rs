//! Upstream's parts in the place of ours, and beside ours. They are not in this repository: each scenario runs where environment
//! variables name them, and is listed as skipped elsewhere (docs/testing.md).

mod command;
mod peer;
mod roles;

use anyhow::{Context as _, Result};

use crate::Scenario;

/// Upstream's controller: `NAME=ARCHIVE`, the image's name and the file to load it from.
const CONTROLLER: &str = "SKUPPER_UPSTREAM_CONTROLLER_IMAGE";
/// Upstream's adaptor, likewise.
const ADAPTOR: &str = "SKUPPER_UPSTREAM_ADAPTOR_IMAGE";
/// Upstream's command.
const COMMAND: &str = "SKUPPER_UPSTREAM_CLI";
/// Upstream's router.
const ROUTER: &str = "SKROUTERD";

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::shared("swap_upstreams_command_line", command::scenario).with(&[COMMAND]),
    Scenario::shared("swap_upstreams_router_between_two_sites", peer::scenario)
        .with(&[ROUTER])
        .own_cluster(),
    Scenario::shared("swap_upstreams_adaptor", roles::adaptor)
        .with(&[ADAPTOR])
        .own_cluster(),
    Scenario::shared("swap_upstreams_controller", roles::controller)
        .with(&[CONTROLLER])
        .own_cluster(),
];

fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set"))
}
