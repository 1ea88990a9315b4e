//! Upstream's adaptor under our controller; upstream's controller over our adaptor and router. Each on a cluster of its own.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use skupper_tests::application::WEB;
use skupper_tests::ground::Ground;
use skupper_tests::stage::{Other, Stage};
use xtask::image;
use xtask::install::Images;

use super::{ADAPTOR, CONTROLLER, variable};

const PAGE: &str = "hello across the seam";

pub(super) fn adaptor(stage: &Stage) -> Result<()> {
    let far = stage.another("skupper-tests-swap-a")?;
    let adaptor = load(&far, ADAPTOR)?;
    far.install(&Images {
        adaptor,
        ..Images::ours(&image::Options::default())
    })?;
    two_sites(&far).with_context(|| far.diagnosis())
}

pub(super) fn controller(stage: &Stage) -> Result<()> {
    let far = stage.another("skupper-tests-swap-c")?;
    let controller = load(&far, CONTROLLER)?;
    far.install(&Images::ours(&image::Options::default()))?;
    // What it does is more than our manifests allow.
    far.cluster.kubectl([
        "create",
        "clusterrolebinding",
        "upstreams-controller",
        "--clusterrole=cluster-admin",
        "--serviceaccount=skupper:skupper-controller",
    ])?;
    // It answers no probes.
    let container = "/spec/template/spec/containers/0";
    let patch = json!([
        {"op": "replace", "path": format!("{container}/image"), "value": controller},
        {"op": "remove", "path": format!("{container}/livenessProbe")},
        {"op": "remove", "path": format!("{container}/readinessProbe")},
    ]);
    let deployment = ["-n", "skupper", "patch", "deployment", "skupper-controller"];
    let patch = ["--type=json".to_owned(), format!("--patch={patch}")];
    far.cluster
        .kubectl(deployment.map(str::to_owned).iter().chain(&patch))?;
    far.cluster.kubectl([
        "-n",
        "skupper",
        "rollout",
        "status",
        "deployment/skupper-controller",
        "--timeout=120s",
    ])?;
    two_sites(&far).with_context(|| far.diagnosis())
}

/// Loads the archive of a variable and returns the image's name.
fn load(far: &Other, name: &str) -> Result<String> {
    let value = variable(name)?;
    let (image, archive) = value
        .split_once('=')
        .with_context(|| format!("{name}={value} is not NAME=ARCHIVE"))?;
    far.cluster.load(archive)?;
    Ok(image.to_owned())
}

/// Two sites with the user's certificates, linked; a request; a server certificate replaced while they run.
fn two_sites(far: &Stage) -> Result<()> {
    let ground = Ground::new(far, "swap")?;
    let (west, east) = (&ground.west, &ground.east);
    let link = east.await_ready("link", "good")?;
    ensure!(
        link["status"]["remoteSiteName"] == "west",
        "its status: {}",
        link["status"]
    );
    west.web_server("backend", PAGE)?;
    west.connector("backend", WEB)?;
    east.listener("backend", WEB)?;
    east.await_ready("listener", "backend")?;
    west.await_ready("connector", "backend")?;
    let address = east.service_address("backend", WEB)?;
    let page = east.fetch(address)?;
    ensure!(page.trim() == PAGE, "got: {page}");

    let server = ground.good_server()?.secret("skupper-site-server");
    west.replace_secret(&server)?;
    far.await_presented(west, &ground.host, &server)?;
    ensure!(
        west.get("secret", "skupper-site-server")?["data"] == server["data"],
        "the user's Secret changed"
    );
    east.apply_text(&west.shell("skupper link generate")?)?;
    east.await_ready("link", "link-west-skupper-router")?;
    let page = east.fetch(address)?;
    ensure!(page.trim() == PAGE, "got: {page}");
    Ok(())
}
