//! Credentials that end soon: Events and the metric, with certificates that have the dates.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use skupper_pki::KeyAlgorithm;
use skupper_pki::issue::{CaRequest, Issuer, LeafRequest, issue_ca};
use xtask::wait;

use super::process::{Controller, Start};
use crate::Scenario;
use crate::stage::{LIMIT, Stage};

pub const SCENARIOS: &[Scenario] = &[(
    "the end of every credential is announced and measured",
    the_end_is_announced_and_measured,
)];

/// A Secret of the user's, the hours until it ends, and what is said of it: the reason and a part of the message.
type End = (&'static str, i64, Option<(&'static str, &'static str)>);

const ENDS: [End; 6] = [
    (
        "skupper-site-server",
        20,
        Some(("Expiring", "ends in less than a day")),
    ),
    (
        "link-in-a-week",
        6 * 24,
        Some(("Expiring", "ends in less than 7 days")),
    ),
    (
        "link-in-a-month",
        29 * 24,
        Some(("Expiring", "ends in less than 30 days")),
    ),
    ("link-later", 40 * 24, None),
    ("link-over", -24, Some(("Expired", "has ended"))),
    (
        "certificate",
        6 * 24,
        Some(("Expiring", "ends in less than 7 days")),
    ),
];

fn the_end_is_announced_and_measured(stage: &Stage) -> Result<()> {
    let controller = Controller::ready(stage, Start::default())?;
    let namespace = "ending";
    stage.namespace(namespace)?;
    let now = Timestamp::now();
    let born = now - SignedDuration::from_hours(10 * 24);
    let ca = CaRequest {
        subject: "Corporate CA".to_owned(),
        lifetime: SignedDuration::from_hours(1000 * 24),
        algorithm: KeyAlgorithm::default(),
    };
    let ca = issue_ca(&ca, born)?;
    let mut objects = Vec::new();
    let mut wanted_ends = BTreeMap::new();
    for (name, hours, _) in ENDS {
        let ends = now + SignedDuration::from_hours(hours);
        let request = LeafRequest {
            subject: name.to_owned(),
            hosts: vec!["skupper-router".to_owned()],
            server: true,
            client: true,
            lifetime: ends.duration_since(born),
            algorithm: KeyAlgorithm::default(),
        };
        let issued = Issuer::of(&ca).issue(&request, born)?;
        let credential = issued.credential();
        let end = credential.leaf().context("no leaf")?.not_after;
        wanted_ends.insert(name, end.as_second());
        let data: serde_json::Map<String, Value> = credential
            .data()
            .map(|(key, bytes)| (key.to_owned(), String::from_utf8_lossy(bytes).into()))
            .collect();
        objects.push(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}));
        if name.starts_with("link-") {
            let endpoint = json!({"name": "inter-router", "host": "10.1.1.1", "port": "55671"});
            objects.push(json!({"apiVersion": "skupper.io/v2alpha1", "kind": "Link", "metadata": {"name": name},
                "spec": {"tlsCredentials": name, "endpoints": [endpoint]}}));
        }
    }
    objects.push(json!({"apiVersion": "skupper.io/v2alpha1", "kind": "Certificate", "metadata": {"name": "certificate"},
        "spec": {"ca": "skupper-site-ca", "client": true, "subject": "certificate"}}));
    objects.push(
        json!({"apiVersion": "skupper.io/v2alpha1", "kind": "Site", "metadata": {"name": "west"},
        "spec": {"linkAccess": "local"}}),
    );
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    stage.feed(&["-n", namespace, "apply", "-f", "-"], &list)?;

    let events = || -> Result<Vec<Value>> {
        let text = stage.kubectl(&["-n", namespace, "get", "events", "-o", "json"])?;
        let mut list: Value = serde_json::from_str(&text)?;
        let items = list["items"].as_array_mut().context("no list")?;
        items.retain(|event| event["reason"] == "Expiring" || event["reason"] == "Expired");
        Ok(std::mem::take(items))
    };
    let mut seen = Vec::new();
    wait::until("an Event for every credential that ends", LIMIT, || {
        seen = events()?;
        let told = |secret: &str, (reason, said): (&str, &str)| {
            let wanted = format!("the certificate in Secret {secret}, used by ");
            seen.iter().any(|event| {
                let message = event["message"].as_str().unwrap_or_default();
                event["reason"] == reason
                    && event["type"] == "Warning"
                    && message.starts_with(&wanted)
                    && message.contains(said)
            })
        };
        let all = ENDS
            .iter()
            .all(|(secret, _, wanted)| wanted.is_none_or(|wanted| told(secret, wanted)));
        // One for each that uses a Secret: the server's is both the RouterAccess's and its Certificate's.
        Ok((all && seen.len() == 6).then_some(()))
    })
    .with_context(|| format!("last seen: {seen:#?}"))?;
    ensure!(
        seen.iter()
            .all(|event| !event["message"].to_string().contains("link-later")),
        "{seen:#?}"
    );
    for (secret, end) in wanted_ends {
        let mut metrics = String::new();
        wait::until(
            &format!("the metric of {secret} to be {end}"),
            LIMIT,
            || {
                metrics = controller.metrics()?;
                let measured = metrics.lines().any(|line| {
                    line.starts_with("skupper_credential_expiration_timestamp_seconds{")
                        && line.contains(&format!("namespace=\"{namespace}\""))
                        && line.contains(&format!("secret=\"{secret}\""))
                        && line.ends_with(&format!(" {end}"))
                });
                Ok(measured.then_some(()))
            },
        )
        .with_context(|| metrics)?;
    }

    // What was announced is not announced again by the next controller.
    controller.stop()?;
    let before = events()?.len();
    let controller = Controller::ready(stage, Start::default())?;
    stage.kubectl(&["-n", namespace, "delete", "link", "link-over"])?;
    wait::until("the metric to go with the Link", LIMIT, || {
        Ok((!controller.metrics()?.contains("secret=\"link-over\"")
            && controller.metrics()?.contains("secret=\"link-later\""))
        .then_some(()))
    })?;
    let after = events()?;
    ensure!(
        after.len() == before && after.iter().all(|event| event["count"] == 1),
        "{after:#?}"
    );
    controller.stop()?;
    stage
        .kubectl(&["delete", "namespace", namespace, "--wait=false"])
        .map(drop)
}
