//! What the adaptor does while a side of it is not there, or makes no sense.

use std::ffi::OsString;

use anyhow::{Result, ensure};
use skupper_management::Kind;
use xtask::cluster::Component;
use xtask::wait;

use super::pod::Pod;
use super::{HEALTH, REPORT, Scenario, tcp_listener};
use crate::stage::LIMIT;

pub const SCENARIOS: &[Scenario] = &[
    ("a router that is not there, and one that was killed", waits),
    ("a ConfigMap that makes no sense changes nothing", keeps),
    ("the API server goes and comes back", outlives),
];

fn waits(pod: &Pod<'_>, router: Option<&OsString>) -> Result<()> {
    pod.configure(&[tcp_listener("listener/a", 21024)], &[])?;
    pod.init()?;
    let mut adaptor = pod.begin_adaptor()?;
    wait::until("the adaptor to miss its router", LIMIT, || {
        adaptor.alive()?;
        let (ready, why) = pod.stage.ask(HEALTH, "/readyz")?;
        let (healthy, _) = pod.stage.ask(HEALTH, "/healthz")?;
        Ok(
            ((ready, healthy) == (503, 503) && why.contains("no connection to the router"))
                .then_some(()),
        )
    })?;
    let running = pod.router(router)?;
    pod.until_ready(&mut adaptor)?;
    pod.configure(&[tcp_listener("listener/b", 21025)], &[])?;
    pod.until_names(Kind::TcpListener, &["listener/b"])?;
    // It starts with the file that it started with, in which there is a and not b.
    drop(running);
    let _running = pod.router(router)?;
    pod.until_names(Kind::TcpListener, &["listener/b"])?;
    adaptor.alive()
}

fn keeps(pod: &Pod<'_>, router: Option<&OsString>) -> Result<()> {
    // A pod that starts meanwhile waits, and starts when it makes sense.
    pod.write_config("[[\"router\", {\"id\": ", &[])?;
    let mut init = pod.begin_init()?;
    wait::until("init to say what it waits for", LIMIT, || {
        init.alive()?;
        Ok(init.log().contains("skrouterd.json").then_some(()))
    })?;
    pod.configure(&[tcp_listener("listener/a", 21024)], &[])?;
    init.end()?;

    let _router = pod.router(router)?;
    let mut adaptor = pod.adaptor()?;
    pod.until_names(Kind::TcpListener, &["listener/a"])?;
    let nonsense = [
        "\u{0}\u{7f}{{{".to_owned(),
        "[".repeat(100_000),
        "[[\"tcpListener\", {\"name\": [], \"port\": {}}]]".to_owned(),
    ];
    let mut listener = "listener/a".to_owned();
    for (number, text) in (21025..).zip(&nonsense) {
        pod.write_config(text, &[])?;
        let said = pod.until_document(REPORT, "says what makes no sense", |report| {
            let problems = report["west-pod"]["problems"].to_string();
            problems.contains("in ConfigMap \\\"skupper-router\\\"")
        })?;
        ensure!(said.to_string().len() < 10_000, "{said}");
        adaptor.alive()?;
        pod.until_names(Kind::TcpListener, &[&listener])?;
        listener = format!("listener/{number}");
        pod.configure(&[tcp_listener(&listener, number)], &[])?;
        pod.until_names(Kind::TcpListener, &[&listener])?;
        pod.until_document(REPORT, "has no problems", |report| {
            report["west-pod"]["problems"].is_null()
        })?;
    }

    // Without its ConfigMap a router goes on, too.
    let namespace = &pod.namespace;
    pod.stage
        .kubectl(&["-n", namespace, "delete", "configmap", "skupper-router"])?;
    pod.until_document(REPORT, "misses the ConfigMap", |report| {
        let problems = report["west-pod"]["problems"].to_string();
        problems.contains("there is no ConfigMap \\\"skupper-router\\\"")
    })?;
    pod.until_names(Kind::TcpListener, &[&listener])?;
    adaptor.alive()
}

fn outlives(pod: &Pod<'_>, router: Option<&OsString>) -> Result<()> {
    let stage = pod.stage;
    if !stage.cluster.is_own() {
        // Somebody else's API server is not to be stopped.
        return Ok(());
    }
    pod.configure(&[tcp_listener("listener/a", 21024)], &[])?;
    pod.init()?;
    let _router = pod.router(router)?;
    let mut adaptor = pod.adaptor()?;
    stage.cluster.kill(Component::ApiServer)?;
    wait::until("it to notice", LIMIT, || {
        adaptor.alive()?;
        Ok(adaptor.log().contains("cannot watch").then_some(()))
    })?;
    // The router is looked after all the while, and nothing is taken from it.
    ensure!(stage.ask(HEALTH, "/readyz")?.0 == 200, "{}", adaptor.log());
    pod.until_names(Kind::TcpListener, &["listener/a"])?;
    stage.cluster.start(Component::ApiServer)?;
    wait::until("the API server to answer", LIMIT, || {
        stage.kubectl(&["get", "--raw", "/readyz"]).map(Some)
    })?;
    pod.configure(&[tcp_listener("listener/b", 21025)], &[])?;
    pod.until_names(Kind::TcpListener, &["listener/b"])?;
    adaptor.alive()
}
