//! A thousand Certificates at once, and somebody else who wants a Site meanwhile.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::Options;
use super::ground::{Ground, documents, resource};
use super::process::Controller;
use super::report::Row;
use super::stream::Watch;

/// How many.
const COUNT: usize = 1000;
/// When the Site comes.
const LATER: Duration = Duration::from_secs(5);

/// `count` client Certificates signed by the CA of a site in namespace `load`.
fn certificates(count: usize) -> impl Iterator<Item = Value> {
    (0..count).map(|number| {
        let spec = json!({"ca": "skupper-site-ca", "client": true, "subject": format!("client{number:04}.example.com")});
        resource("Certificate", "load", &format!("c{number:04}"), spec)
    })
}

pub(super) fn measure(ground: &Ground, _: &Options) -> Result<Vec<Row>> {
    let controller = Controller::ready(ground)?;
    ground.namespace("load")?;
    ground.namespace("other")?;
    ground.apply(&documents([resource("Site", "load", "load", json!({}))]))?;
    ground.until(
        ("load", "certificates.skupper.io", "skupper-site-ca"),
        "/status/status",
        "Ready",
    )?;

    let ready = Watch::start(
        ground,
        &["-n", "load", "certificates.skupper.io"],
        "{.metadata.name} {.status.status}",
    )?;
    let configured = Watch::start(
        ground,
        &["-n", "other", "sites.skupper.io"],
        "{.status.conditions[?(@.type==\"Configured\")].status}",
    )?;
    let load = documents(certificates(COUNT));
    let cpu = controller.cpu()?;
    let began = Instant::now();
    let (applied, of_the_site) = std::thread::scope(|scope| {
        let applying = scope.spawn(|| ground.apply(&load));
        let meanwhile = scope.spawn(move || -> Result<f64> {
            std::thread::sleep(LATER.saturating_sub(began.elapsed()));
            let site = resource("Site", "other", "other", json!({}));
            let (applied, _) = ground.apply(&documents([site]))?;
            Ok((configured.until(|line| line == "True")? - applied).as_secs_f64())
        });
        match (applying.join(), meanwhile.join()) {
            (Ok(applied), Ok(of_the_site)) => Ok((applied?, of_the_site?)),
            _ => bail!("a thread of the benchmark panicked"),
        }
    })?;
    let mut seen = HashSet::new();
    let all = ready.until(|line| {
        if let Some(name) = line.strip_suffix(" Ready")
            && name.starts_with('c')
        {
            seen.insert(name.to_owned());
        }
        seen.len() == COUNT
    })?;
    let took = (all - applied.0).as_secs_f64();
    Ok(vec![
        Row {
            figure: "1,000 Certificates in one apply → all Ready",
            unit: "s",
            ours: took,
            original: "113–127",
            goal: Some(20.0),
        },
        Row {
            figure: "… of which kubectl apply itself",
            unit: "s",
            ours: applied.1,
            original: "12",
            goal: None,
        },
        Row {
            figure: "… processor time of the controller",
            unit: "CPU s",
            ours: controller.cpu()? - cpu,
            original: "94",
            goal: Some(6.0),
        },
        Row {
            figure: "… memory of the controller",
            unit: "MB",
            ours: controller.memory()?,
            original: "82",
            goal: Some(40.0),
        },
        Row {
            figure: "a Site created 5 s into that, in another namespace → Configured",
            unit: "s",
            ours: of_the_site,
            original: "107",
            goal: Some(2.0),
        },
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_as_said() {
        let all: Vec<_> = certificates(1000).collect();
        assert_eq!(all.len(), 1000);
        assert_eq!(all[7]["metadata"]["name"], "c0007");
        assert_eq!(all[7]["spec"]["client"], true);
    }
}
