//! Credentials replaced under traffic.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use skupper_tests::application::{ECHO, LARGE, WEB};
use skupper_tests::flows::{Download, Flows};
use skupper_tests::ground::Ground;
use skupper_tests::material::Leaf;
use skupper_tests::space::{LIMIT, Space};
use skupper_tests::stage::Stage;
use xtask::wait;

use crate::Scenario;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::shared(
        "certificates_replaced_under_200_open_flows_and_a_download",
        under_traffic,
    )
    .own_cluster(),
    Scenario::shared(
        "row_13_without_prior_revisions_old_connections_are_closed",
        without_prior_revisions,
    ),
];

/// How many flows are open meanwhile.
const FLOWS: usize = 200;

/// A flow through the link: servers in the accepting site, Listeners in the connecting one.
fn application(ground: &Ground) -> Result<(SocketAddr, SocketAddr)> {
    let (west, east) = (&ground.west, &ground.east);
    west.echo_server("echo")?;
    west.web_server("web", "hello")?;
    for (name, port) in [("echo", ECHO), ("web", WEB)] {
        west.connector(name, port)?;
        east.listener(name, port)?;
        east.await_ready("listener", name)?;
    }
    Ok((
        east.service_address("echo", ECHO)?,
        east.service_address("web", WEB)?,
    ))
}

fn under_traffic(stage: &Stage) -> Result<()> {
    let ground = Ground::new(stage, "rotate")?;
    let (echo, web) = application(&ground)?;
    let mut flows = Flows::open(&stage.cluster, echo, FLOWS)?;
    ground.east.fetch(web)?;
    let download = Download::start(&stage.cluster, web)?;
    let (pods, first) = (router_pods(&ground)?, inter_router(&ground.west)?);

    let server = ground.good_server()?.secret("skupper-site-server");
    ground.west.replace_secret(&server)?;
    stage.await_presented(&ground.west, &ground.host, &server)?;
    flows.all_answer("a new server certificate")?;
    ensure!(
        first.is_subset(&inter_router(&ground.west)?),
        "the connection that carried the flows is gone"
    );

    // The other side's turn: its router connects anew, and what is open stays on the earlier connection.
    let client = ground.ca.issue(&Leaf::client("east, renewed"))?;
    ground.east.replace_secret(&client.secret("good"))?;
    let second = wait::until(
        "a connection with the new client certificate",
        LIMIT,
        || {
            let now = inter_router(&ground.west)?;
            Ok((now.difference(&first).next().is_some()).then_some(now))
        },
    )?;
    ensure!(
        first.is_subset(&second),
        "the connection that carried the flows is gone: {first:?}, now {second:?}"
    );
    flows.all_answer("a new client certificate")?;
    Flows::open(&stage.cluster, echo, 10)?.all_answer("opened afterwards")?;

    ensure!(
        download.read() < LARGE,
        "the download was over before the certificates were replaced"
    );
    download.finish()?;
    flows.all_answer("after the download")?;
    ground.east.await_ready("link", "good")?;
    ensure!(
        router_pods(&ground)? == pods,
        "a router was started anew: {pods:?}, now {:?}",
        router_pods(&ground)?
    );
    Ok(())
}

fn without_prior_revisions(stage: &Stage) -> Result<()> {
    let ground = Ground::new(stage, "row-13")?;
    ground.west.apply(
        &json!({"apiVersion": "skupper.io/v2alpha1", "kind": "Site", "metadata": {"name": "west"},
        "spec": {"linkAccess": "default", "settings": {"tls-prior-valid-revisions": "0"}}}),
    )?;
    let old = inter_router(&ground.west)?;
    ensure!(!old.is_empty(), "the link has no connection");
    let server = ground.good_server()?.secret("skupper-site-server");
    ground.west.replace_secret(&server)?;
    stage.await_presented(&ground.west, &ground.host, &server)?;
    wait::until(
        "other connections in the place of the old ones",
        LIMIT,
        || {
            let now = inter_router(&ground.west)?;
            Ok((!now.is_empty() && now.is_disjoint(&old)).then_some(()))
        },
    )?;
    ground.east.await_ready("link", "good")?;
    Ok(())
}

/// Names and restarts of both sites' router pods.
fn router_pods(ground: &Ground) -> Result<String> {
    let ask = |space: &Space| {
        space.kubectl(&[
            "get",
            "pods",
            "-l",
            "skupper.io/component=router",
            "-o",
            "jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[*].restartCount} {end}",
        ])
    };
    Ok(ask(&ground.west)? + &ask(&ground.east)?)
}

/// Which connections of other routers a site's router has, as its own management tells.
fn inter_router(space: &Space) -> Result<BTreeSet<String>> {
    let said = space.kubectl(&[
        "exec",
        "deployment/skupper-router",
        "-c",
        "router",
        "--",
        "skmanage",
        "query",
        "--type",
        "connection",
    ])?;
    let connections: Vec<Value> =
        serde_json::from_str(&said).with_context(|| format!("skmanage says: {said}"))?;
    Ok(connections
        .iter()
        .filter(|connection| connection["role"] == "inter-router")
        .map(|connection| format!("{} {}", connection["identity"], connection["user"]))
        .collect())
}
