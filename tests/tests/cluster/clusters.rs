//! Sites in different clusters, joined by a wire.

use anyhow::{Context as _, Result, ensure};
use skupper_tests::application::WEB;
use skupper_tests::stage::Stage;
use xtask::image;
use xtask::install::Images;

use crate::Scenario;

pub(crate) const SCENARIOS: &[Scenario] =
    &[Scenario::shared("http_from_one_cluster_to_another", http).own_cluster()];

fn http(stage: &Stage) -> Result<()> {
    let far = stage.another("skupper-tests-far")?;
    far.install(&Images::ours(&image::Options::default()))?;
    across(stage, &far).with_context(|| far.diagnosis())
}

fn across(stage: &Stage, far: &Stage) -> Result<()> {
    stage.cluster.join(&far.cluster)?;
    let (west, east) = (far.space("far-west")?, stage.space("near-east")?);
    west.site("west", Some("default"))?;
    east.site("east", None)?;
    west.web_server("backend", "hello from the other cluster")?;
    west.connector("backend", WEB)?;
    east.listener("backend", WEB)?;
    west.await_ready("site", "west")?;
    east.apply_text(&west.shell("skupper link generate")?)?;
    let link = east.await_ready("link", "link-west-skupper-router")?;
    ensure!(
        link["status"]["remoteSiteName"] == "west",
        "its status: {}",
        link["status"]
    );
    let page = east.fetch(east.service_address("backend", WEB)?)?;
    ensure!(page.trim() == "hello from the other cluster", "got: {page}");
    // Cut, it is told; joined again, it comes back by itself.
    stage.cluster.part(&far.cluster)?;
    east.await_object("link", "link-west-skupper-router", "not Ready", |link| {
        link["status"]["status"] == "Pending"
    })?;
    stage.cluster.join(&far.cluster)?;
    east.await_ready("link", "link-west-skupper-router")?;
    let page = east.fetch(east.service_address("backend", WEB)?)?;
    ensure!(page.trim() == "hello from the other cluster", "got: {page}");
    Ok(())
}
