//! Puts the resource definitions and the controller onto a cluster, as a user would.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::cargo::workspace;
use crate::cluster::Cluster;
use crate::image;
use crate::wait;

/// The access types that a cluster of our own can serve, as the controller's flag takes them.
const ACCESS_TYPES: &str = "local,loadbalancer,nodeport,route";

/// Applies `deploy/crds` and `deploy/manifests/cluster.yaml` with the images of `options`, and waits until the controller is
/// ready.
///
/// # Errors
/// When kubectl fails, or the controller does not become ready; the error holds the end of its log.
pub fn controller(cluster: &Cluster, options: &image::Options) -> Result<()> {
    let crds = workspace().join("deploy/crds");
    cluster.kubectl([
        "apply",
        "--server-side",
        "--force-conflicts",
        "-f",
        &crds.to_string_lossy(),
    ])?;
    let manifest = read(&workspace().join("deploy/manifests/cluster.yaml"))?;
    let manifest = manifest
        .replace("localhost/", &format!("{}/", options.registry))
        .replace(":dev", &format!(":{}", options.tag));
    cluster.apply(&manifest)?;
    if let Some(plan) = cluster.plan() {
        let host = format!("SKUPPER_CLUSTER_HOST={}", plan.node());
        let types = format!("SKUPPER_ENABLED_ACCESS_TYPES={ACCESS_TYPES}");
        cluster.kubectl([
            "-n",
            "skupper",
            "set",
            "env",
            "deployment/skupper-controller",
            &host,
            &types,
        ])?;
    }
    wait::until(
        "the controller to be ready",
        Duration::from_secs(180),
        || {
            cluster
                .kubectl([
                    "-n",
                    "skupper",
                    "rollout",
                    "status",
                    "deployment/skupper-controller",
                    "--timeout=5s",
                ])
                .map(Some)
        },
    )
    .with_context(|| {
        cluster
            .kubectl([
                "-n",
                "skupper",
                "logs",
                "deployment/skupper-controller",
                "--tail=20",
            ])
            .unwrap_or_else(|error| format!("{error:#}"))
    })?;
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
