//! Puts the resource definitions and the controller onto a cluster, as a user would.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::cargo::workspace;
use crate::cluster::Cluster;
use crate::image;
use crate::process;
use crate::wait;

/// The access types that a cluster of our own can serve, as the controller's flag takes them.
const ACCESS_TYPES: &str = "local,loadbalancer,nodeport,route";

/// Which images are installed: ours, or upstream's in the place of some.
#[derive(Clone, Debug)]
pub struct Images {
    /// Of the controller.
    pub controller: String,
    /// Of the adaptor in each router's pod, and of its init container.
    pub adaptor: String,
    /// Of the router.
    pub router: String,
}

impl Images {
    /// Those that [`image::build`] makes with these options.
    #[must_use]
    pub fn ours(options: &image::Options) -> Self {
        Self {
            controller: options.name("controller"),
            adaptor: options.name("kube-adaptor"),
            router: options.name("router"),
        }
    }
}

/// Applies `deploy/crds` and `deploy/manifests/cluster.yaml` with these images, and waits until the controller is ready.
///
/// # Errors
/// When kubectl fails, or the controller does not become ready; the error holds the end of its log.
pub fn controller(cluster: &Cluster, images: &Images) -> Result<()> {
    // As README.md says it, so that it can be typed again by hand.
    let apply = ["apply", "--server-side", "--force-conflicts", "-f"];
    let crds = workspace().join("deploy/crds");
    cluster.kubectl(apply.iter().chain([&crds.to_string_lossy().as_ref()]))?;
    let manifest = read(&workspace().join("deploy/manifests/cluster.yaml"))?;
    let manifest = manifest
        .replace("localhost/skupper-controller:dev", &images.controller)
        .replace("localhost/skupper-kube-adaptor:dev", &images.adaptor)
        .replace("localhost/skupper-router:dev", &images.router);
    process::feed(cluster.command("kubectl")?.args(apply).arg("-"), &manifest)?;
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
