//! Sites in different clusters, joined by a wire.

use anyhow::{Context as _, Result};
use skupper_tests::application::reached_across;
use skupper_tests::stage::Stage;
use xtask::image;
use xtask::install::Images;

use crate::Scenario;

pub(crate) const SCENARIOS: &[Scenario] =
    &[Scenario::shared("http_from_one_cluster_to_another", http).own_cluster()];

const PAGE: &str = "hello from the other cluster";

fn http(stage: &Stage) -> Result<()> {
    let far = stage.another("skupper-tests-far")?;
    far.install(&Images::ours(&image::Options::default()))?;
    across(stage, &far).with_context(|| far.diagnosis())
}

fn across(stage: &Stage, far: &Stage) -> Result<()> {
    stage.cluster.join(&far.cluster)?;
    let (west, east) = (far.space("far-west")?, stage.space("near-east")?);
    let address = reached_across(&west, &east, PAGE)?;
    // Cut, it is told; joined again, it comes back by itself.
    stage.cluster.part(&far.cluster)?;
    east.await_object("link", "link-west-skupper-router", "not Ready", |link| {
        link["status"]["status"] == "Pending"
    })?;
    stage.cluster.join(&far.cluster)?;
    east.await_ready("link", "link-west-skupper-router")?;
    east.shows(address, PAGE)
}
