//! Two hundred sites with services, a restart over them, and quiet afterwards.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::Options;
use super::ground::{Ground, documents, resource};
use super::process::Controller;
use super::report::Row;
use super::stream::Watch;

/// How many Sites, and how many Listeners and Connectors each has.
const SITES: usize = 200;
const SERVICES: usize = 5;
/// What the figures of the idle controller are given for.
const IDLE: Duration = Duration::from_secs(300);

fn namespace(number: usize) -> String {
    format!("sc-{number:04}")
}

fn namespaces() -> impl Iterator<Item = Value> {
    (0..SITES).map(|number| {
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace(number)}})
    })
}

/// Sites with Listeners and Connectors whose selectors match nothing.
fn sites() -> impl Iterator<Item = Value> {
    (0..SITES).flat_map(|number| {
        let namespace = namespace(number);
        let site = resource("Site", &namespace, "site", json!({}));
        let services = (0..SERVICES).flat_map(move |service| {
            let key = format!("key-{service}");
            let listener =
                json!({"routingKey": key, "host": format!("svc-{service}"), "port": 8080});
            let connector =
                json!({"routingKey": key, "selector": format!("app=app-{service}"), "port": 8080});
            [
                resource("Listener", &namespace, &format!("l{service}"), listener),
                resource("Connector", &namespace, &format!("c{service}"), connector),
            ]
        });
        std::iter::once(site).chain(services)
    })
}

/// Versions of all that a controller writes, except where the cluster writes too.
fn versions(ground: &Ground) -> Result<HashSet<String>> {
    let kinds = "sites,listeners,connectors,certificates.skupper.io,secrets,configmaps,services,roles,rolebindings,serviceaccounts";
    let format = "jsonpath={range .items[*]}{.kind}/{.metadata.namespace}/{.metadata.name} {.metadata.resourceVersion}{\"\\n\"}{end}";
    let text = ground.cluster.kubectl(["get", "-A", kinds, "-o", format])?;
    Ok(text
        .lines()
        .filter(|line| line.contains("/sc-"))
        .map(str::to_owned)
        .collect())
}

pub(super) fn measure(ground: &Ground, options: &Options) -> Result<Vec<Row>> {
    let mut controller = Controller::ready(ground)?;
    ground.apply(&documents(namespaces()))?;
    let configured = "{.metadata.namespace}/{.metadata.name} {.status.conditions[?(@.type==\"Configured\")].status}";
    let watch = |kind, format| Watch::start(ground, &["-A", kind], format);
    let watches = [
        (watch("sites.skupper.io", configured)?, SITES, " True"),
        (
            watch("listeners.skupper.io", configured)?,
            SITES * SERVICES,
            " True",
        ),
        // A Connector that selects nothing is pending, and says so.
        (
            watch(
                "connectors.skupper.io",
                "{.metadata.namespace}/{.metadata.name} {.status.status}",
            )?,
            SITES * SERVICES,
            "",
        ),
    ];
    controller.until_quiet()?;
    let (cpu, writes) = (controller.cpu()?, controller.writes()?);
    let (began, applying) = ground.apply(&documents(sites()))?;
    let applied = began + Duration::from_secs_f64(applying);
    let mut all = applied;
    for (watch, count, suffix) in &watches {
        let mut seen = HashSet::new();
        let last = watch.until(|line| {
            let (name, state) = line.split_once(' ').unwrap_or((line, ""));
            if !state.is_empty() && line.ends_with(suffix) {
                seen.insert(name.to_owned());
            }
            seen.len() == *count
        })?;
        all = all.max(last);
    }
    let took = all.saturating_duration_since(applied).as_secs_f64();
    drop(watches);
    // What is written a moment later counts too.
    controller.until_quiet()?;
    let mut rows = vec![
        Row {
            figure: "200 × (Site + 5 Listeners + 5 Connectors) in one apply → all have their status, after the apply",
            unit: "s",
            ours: took,
            original: "75–137",
            goal: Some(10.0),
        },
        Row {
            figure: "… kubectl apply itself",
            unit: "s",
            ours: applying,
            original: "52",
            goal: None,
        },
        Row {
            figure: "… processor time of the controller",
            unit: "CPU s",
            ours: controller.cpu()? - cpu,
            original: "82",
            goal: Some(15.0),
        },
        Row {
            figure: "… memory of the controller",
            unit: "MB",
            ours: controller.memory()?,
            original: "251",
            goal: Some(80.0),
        },
        Row {
            figure: "… writes a Site",
            unit: "writes",
            ours: (controller.writes()? - writes) / SITES as f64,
            original: "39 and more, Connectors never",
            goal: Some(45.0),
        },
    ];
    let before = versions(ground)?;
    controller.stop()?;
    let mut controller = Controller::start(ground)?;
    let quiet = controller.until_quiet()?;
    let after = versions(ground)?;
    rows.extend([
        Row {
            figure: "controller restarted over that → queue empty",
            unit: "s",
            ours: quiet,
            original: "85",
            goal: Some(5.0),
        },
        Row {
            figure: "… writes",
            unit: "writes",
            ours: controller.writes()?,
            original: "4,200",
            goal: Some(0.0),
        },
        Row {
            figure: "… objects that changed",
            unit: "objects",
            ours: before.symmetric_difference(&after).count() as f64,
            original: "every Site in Error for 10 s",
            goal: Some(0.0),
        },
    ]);
    let (cpu, writes) = (controller.cpu()?, controller.writes()?);
    std::thread::sleep(options.idle);
    let scale = IDLE.as_secs_f64() / options.idle.as_secs_f64();
    rows.extend([
        Row {
            figure: "five idle minutes after: writes",
            unit: "writes",
            ours: controller.writes()? - writes,
            original: "8,185",
            goal: Some(0.0),
        },
        Row {
            figure: "… processor time of the controller",
            unit: "CPU s",
            ours: (controller.cpu()? - cpu) * scale,
            original: "20",
            goal: Some(1.0),
        },
    ]);
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_as_said() {
        let of = |kind: &str| sites().filter(|object| object["kind"] == kind).count();
        assert_eq!(
            (of("Site"), of("Listener"), of("Connector")),
            (200, 1000, 1000)
        );
        assert_eq!(namespaces().count(), 200);
    }
}
