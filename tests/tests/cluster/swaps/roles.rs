//! Upstream's adaptor under our controller; upstream's controller over our adaptor and router. Each on a cluster of its own.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use skupper_tests::application::reached_across;
use skupper_tests::material::{Authority, Leaf};
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

/// Two sites, linked; a request; a server certificate of the user's in the place of the generated one while they run.
fn two_sites(far: &Stage) -> Result<()> {
    let (west, east) = (far.space("swap-west")?, far.space("swap-east")?);
    let address = reached_across(&west, &east, PAGE)?;

    let endpoints = west.endpoints("west")?;
    let host = endpoints[0]["host"].as_str().unwrap_or_default();
    let authority = Authority::new("the user's CA")?;
    let server = authority
        .issue(&Leaf::server(&[host]))?
        .secret("skupper-site-server");
    west.replace_secret(&server)?;
    far.await_presented(&west, host, &server)?;
    ensure!(
        west.get("secret", "skupper-site-server")?["data"] == server["data"],
        "the user's Secret changed"
    );
    // Who is connected stays so: the earlier revision of the credential is still valid.
    east.shows(address, PAGE)
}
