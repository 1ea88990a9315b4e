//! What the adaptor tells of its router: refusals and problems, the network, and by a Lease who tells it.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::pod::Pod;
use super::{HEALTH, METRICS, NOBODY, REPORT, Scenario, link};

pub const SCENARIOS: &[Scenario] = &[
    ("what the router refuses is reported", reports),
    (
        "the leader writes the network's status, until it is told to stop",
        tells,
    ),
];

/// What the network looks like.
const NETWORK: (&str, &str) = ("skupper-network-status", "NetworkStatus");

fn reports(pod: &Pod<'_>, router: Option<&OsString>) -> Result<()> {
    let checksum = pod.secret("link", &pod.issue()?)?;
    pod.configure(
        &[pod.profile("link-profile", 0), link(NOBODY)],
        &[("link-profile", "link", 0, &checksum)],
    )?;
    pod.init()?;
    let _router = pod.router(router)?;
    let _adaptor = pod.adaptor()?;
    let report = pod.until_document(REPORT, "tells of the link", |report| {
        let link = &report["west-pod"]["connectors"]["link"];
        let said = if router.is_none() {
            link["refusals"][0]["message"].as_str()
        } else {
            link["connectionMsg"].as_str()
        };
        said.is_some_and(|said| said.contains(&NOBODY.to_string()) || said.contains("failed"))
    })?;
    if router.is_none() {
        let link = &report["west-pod"]["connectors"]["link"];
        let message = link["refusals"][0]["message"].as_str().unwrap_or_default();
        ensure!(message.contains(&NOBODY.to_string()), "{link}");
    }
    let owner = pod.owner(REPORT.0)?;
    ensure!(
        owner["kind"] == "Deployment" && owner["name"] == "skupper-router",
        "{owner}"
    );

    // The same again and again is not written again and again: the router tries every second at first.
    let mut versions = Vec::new();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        let report = pod.stage.get(&pod.namespace, "configmap", REPORT.0)?;
        versions.push(report["metadata"]["resourceVersion"].clone());
        std::thread::sleep(Duration::from_millis(200));
    }
    versions.dedup();
    ensure!(versions.len() <= 3, "{} writes in 5 s", versions.len() - 1);
    Ok(())
}

fn tells(pod: &Pod<'_>, router: Option<&OsString>) -> Result<()> {
    let (stage, namespace) = (pod.stage, pod.namespace.as_str());
    let site = stage.get(namespace, "sites.skupper.io", "west")?["metadata"]["uid"].clone();
    let connector = json!(["tcpConnector", {"name": "connector/backend@10.0.0.7", "host": "10.0.0.7", "port": "8080",
        "address": "backend", "siteId": site, "processId": ""}]);
    let listener =
        json!(["tcpListener", {"name": "listener/backend", "port": "21024", "address": "backend"}]);
    pod.configure(&[listener.clone(), connector], &[])?;
    pod.init()?;
    // The router is told whose it is by its environment, which the Deployment sets.
    let _router = pod.router_of(router, site.as_str().unwrap_or_default())?;
    let mut adaptor = pod.adaptor()?;
    let tells_all = |document: &Value| {
        let status = &document["siteStatus"][0];
        let router = &status["routerStatus"][0];
        status["site"]["name"] == "west"
            && router["listeners"][0]["address"] == "backend"
            && router["connectors"][0]["destHost"] == "10.0.0.7"
            && document["addresses"][0]["listenerCount"] == 1
            && document["addresses"][0]["connectorCount"] == 1
    };
    let document = pod
        .until_document(NETWORK, "tells of the site", tells_all)
        .map_err(|error| error.context(adaptor.log()))?;
    let status = &document["siteStatus"][0];
    let described = &status["site"];
    ensure!(
        described["identity"] == site && described["platform"] == "kubernetes",
        "{status}"
    );
    ensure!(described["namespace"] == namespace, "{status}");
    ensure!(
        status["routerStatus"][0]["router"]["name"] == "0/west-pod",
        "{status}"
    );
    let owner = pod.owner(NETWORK.0)?;
    ensure!(owner["kind"] == "Site", "{owner}");
    let holder = || -> Result<Value> {
        let lease = stage.get(namespace, "lease", "skupper-site-leader")?;
        Ok(lease["spec"]["holderIdentity"].clone())
    };
    ensure!(holder()? == "west-pod", "{}", holder()?);

    // What goes is gone from it.
    pod.configure(&[listener], &[])?;
    pod.until_document(NETWORK, "tells of no connector", |document| {
        let status = &document["siteStatus"][0]["routerStatus"][0];
        let none = status["connectors"].as_array().is_some_and(Vec::is_empty);
        none && !status["listeners"][0].is_null()
    })?;

    // Whatever is sent to its ports, it goes on answering.
    for port in [HEALTH, METRICS] {
        stage.annoy(port)?;
    }
    adaptor.alive()?;
    ensure!(stage.ask(HEALTH, "/healthz")?.0 == 200);
    let (_, metrics) = stage.ask(METRICS, "/metrics")?;
    ensure!(metrics.contains("http_requests_total{"), "{metrics}");

    // Told to stop, it lets another pod lead at once.
    adaptor.stop()?;
    let holder = holder()?;
    ensure!(holder.as_str().unwrap_or_default().is_empty(), "{holder}");
    Ok(())
}
