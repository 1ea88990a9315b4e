//! Which images the parts run from: `skupper version` and `skupper manifest` (cli.md §9).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use crate::arguments::Global;
use crate::cluster::Cluster;
use crate::document::{Format, encode};
use crate::failure::Outcome;
use crate::output::print;
use crate::table::{row, table};
use crate::validate::{self, Problems};

/// A component, the variable that names its image, and its image where nothing does.
struct Component {
    name: &'static str,
    variable: &'static str,
    image: &'static str,
    /// The container that runs it, in pods of this namespace.
    container: &'static str,
}

const REGISTRY: &str = "quay.io/skupper";
const COMPONENTS: [Component; 5] = [
    Component {
        name: "router",
        variable: "SKUPPER_ROUTER_IMAGE",
        image: "skupper-router:main",
        container: "router",
    },
    Component {
        name: "controller",
        variable: "SKUPPER_CONTROLLER_IMAGE",
        image: "controller:v2-dev",
        container: "controller",
    },
    Component {
        name: "network-observer",
        variable: "SKUPPER_NETWORK_OBSERVER_IMAGE",
        image: "network-observer:v2-dev",
        container: "network-observer",
    },
    Component {
        name: "cli",
        variable: "SKUPPER_CLI_IMAGE",
        image: "cli:v2-dev",
        container: "cli",
    },
    Component {
        name: "system-controller",
        variable: "SKUPPER_SYSTEM_CONTROLLER_IMAGE",
        image: "system-controller:v2-dev",
        container: "system-controller",
    },
];

/// The version of this program.
pub(crate) fn version() -> &'static str {
    option_env!("SKUPPER_VERSION").unwrap_or(env!("CARGO_PKG_VERSION"))
}

/// Prints the versions of the parts; those that run in the namespace, where a cluster can be asked.
pub(crate) async fn manifest(output: &str, global: &Global) -> Outcome {
    let mut problems = Problems::default();
    if !output.is_empty() {
        problems.check(
            "output type is not valid",
            validate::option(output, &validate::OUTPUTS),
        );
    }
    problems.or(())?;
    let running = running(global).await;
    let images = images(|name| std::env::var(name).ok(), &running);
    match Format::asked(output) {
        Some(format) => print(&format!("{}\n", encode(&details(&images), format)?)),
        None => print(&listing(&images)),
    }
}

/// Images of the containers that run, by container. Without a cluster there are none, and that is no failure.
async fn running(global: &Global) -> BTreeMap<String, String> {
    let Ok(cluster) = Cluster::connect(global).await else {
        return BTreeMap::new();
    };
    let labels = "app.kubernetes.io/part-of in (skupper, skupper-network-observer)";
    let asked = cluster.list_labelled::<Pod>(labels);
    let patience = std::time::Duration::from_secs(5);
    let Ok(Ok(pods)) = tokio::time::timeout(patience, asked).await else {
        return BTreeMap::new();
    };
    let statuses = pods
        .into_iter()
        .filter_map(|pod| pod.status?.container_statuses);
    statuses
        .flatten()
        .map(|container| (container.name, container.image))
        .collect()
}

fn images(
    variable: impl Fn(&str) -> Option<String>,
    running: &BTreeMap<String, String>,
) -> Vec<(&'static str, String)> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let registry = set("SKUPPER_IMAGE_REGISTRY").unwrap_or_else(|| REGISTRY.to_owned());
    COMPONENTS
        .iter()
        .map(|component| {
            let image = running
                .get(component.container)
                .cloned()
                .or_else(|| set(component.variable))
                .unwrap_or_else(|| format!("{registry}/{}", component.image));
            (component.name, image)
        })
        .collect()
}

/// The tag of an image. The port of a registry is none, unlike upstream takes it.
fn tag(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split_once(':').map_or("", |(_, tag)| tag)
}

fn listing(images: &[(&str, String)]) -> String {
    let mut rows = vec![row(["COMPONENT", "VERSION"])];
    rows.extend(images.iter().map(|(name, image)| row([name, tag(image)])));
    table(8, &rows)
}

fn details(images: &[(&str, String)]) -> Value {
    let component = |(name, image): &(&str, String)| json!({"component": name, "images": [{"name": image}], "version": tag(image)});
    json!({ "components": images.iter().map(component).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_comes_before_what_is_configured() {
        let running = BTreeMap::from([(
            "router".to_owned(),
            "localhost:5000/r:1@sha256:00".to_owned(),
        )]);
        let variable = |name: &str| match name {
            "SKUPPER_IMAGE_REGISTRY" => Some("example.com:5000/skupper".to_owned()),
            "SKUPPER_CLI_IMAGE" => Some("cli:own".to_owned()),
            _ => None,
        };
        let images = images(variable, &running);
        assert_eq!(
            listing(&images),
            "COMPONENT\t\tVERSION\nrouter\t\t\t1\ncontroller\t\tv2-dev\nnetwork-observer\tv2-dev\ncli\t\t\town\nsystem-controller\tv2-dev\n"
        );
        assert_eq!(images[1].1, "example.com:5000/skupper/controller:v2-dev");
    }
}
