//! Links by the ways in that have no test elsewhere: within the cluster, a node's port, and a Route.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use skupper_tests::passthrough::PassThrough;
use skupper_tests::space::{LIMIT, Space};
use skupper_tests::stage::Stage;
use xtask::wait;

use crate::Scenario;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::shared("links_within_the_cluster_and_by_a_nodes_port", near).own_cluster(),
    // Routes change what `linkAccess: default` means for everybody.
    Scenario::shared("links_by_routes", routes)
        .own_cluster()
        .alone(),
];

const ROUTE_CRD: &str = "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, \
  metadata: {name: routes.route.openshift.io}, spec: {group: route.openshift.io, scope: Namespaced, \
  names: {kind: Route, listKind: RouteList, plural: routes, singular: route}, versions: [{name: v1, served: true, storage: true, \
  subresources: {status: {}}, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}";

/// Generates a link in one namespace and applies it in another.
fn hand_over(from: &Space, to: &Space) -> Result<()> {
    to.apply_text(&from.shell("skupper link generate")?)
}

fn near(stage: &Stage) -> Result<()> {
    let east = stage.space("near-east")?;
    east.site("east", None)?;
    let spaces = ["local", "nodeport"]
        .into_iter()
        .map(|access| {
            let space = stage.space(&format!("near-{access}"))?;
            space.site(access, Some(access))?;
            Ok((access, space))
        })
        .collect::<Result<Vec<_>>>()?;
    let node = stage
        .cluster
        .plan()
        .context("no cluster of our own")?
        .node();
    for (access, space) in &spaces {
        let endpoints = space.endpoints(access)?;
        let host = endpoints[0]["host"].as_str().unwrap_or_default();
        let wanted = match *access {
            "local" => format!("skupper-router.{}", space.name),
            _ => node.to_string(),
        };
        ensure!(host == wanted, "{endpoints}");
        space.await_ready("site", access)?;
        hand_over(space, &east)?;
    }
    for (access, _) in &spaces {
        east.await_ready("link", &format!("link-{access}-skupper-router"))?;
    }
    Ok(())
}

/// The names under which a pass-through on the node is reached from pods, by the port of the router that they are for.
fn name_of(port: &str, space: &Space) -> String {
    format!("{port}-host.{}.svc.cluster.local", space.name)
}

fn routes(stage: &Stage) -> Result<()> {
    stage.cluster.apply(ROUTE_CRD)?;
    let (west, east) = (stage.space("route-west")?, stage.space("route-east")?);
    east.site("east", None)?;
    // The controller runs already: it finds Routes when they come.
    west.site("west", Some("route"))?;
    let mut names = BTreeMap::new();
    for port in ["inter-router", "edge"] {
        let route = west.await_object("route", &format!("skupper-router-{port}"), "", |_| true)?;
        ensure!(
            route["spec"]["tls"]["termination"] == "passthrough",
            "{route}"
        );
        names.insert(name_of(port, &west), server_of(&west, &route)?);
    }
    let node = stage
        .cluster
        .plan()
        .context("no cluster of our own")?
        .node();
    let passthrough = PassThrough::start(&stage.cluster, (node, 0).into(), names)?;
    for port in ["inter-router", "edge"] {
        // OpenShift resolves its names and listens at port 443; here a Service does both.
        let address = passthrough.address;
        west.apply(&json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": format!("{port}-host")},
             "spec": {"ports": [{"name": "tls", "port": 443}]}},
            {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": format!("{port}-host"),
             "labels": {"kubernetes.io/service-name": format!("{port}-host")}}, "addressType": "IPv4",
             "endpoints": [{"addresses": [address.ip().to_string()]}], "ports": [{"name": "tls", "port": address.port()}]},
        ]}))?;
        let status = json!({"status": {"ingress": [{"host": name_of(port, &west)}]}}).to_string();
        let route = format!("skupper-router-{port}");
        west.kubectl(&[
            "patch",
            "route",
            &route,
            "--subresource=status",
            "--type=merge",
            "-p",
            &status,
        ])?;
    }
    west.await_object("site", "west", "has both endpoints", |site| {
        site["status"]["endpoints"].as_array().map(Vec::len) == Some(2)
    })?;
    west.await_ready("site", "west")?;
    hand_over(&west, &east)?;
    east.await_ready("link", "link-west-skupper-router")?;
    let asked = passthrough.asked();
    ensure!(asked.contains(&name_of("inter-router", &west)), "{asked:?}");

    // They go as they came.
    stage
        .cluster
        .kubectl(["delete", "crd", "routes.route.openshift.io"])?;
    west.await_message(
        "securedaccess",
        "skupper-router",
        "Configured",
        &["access type route needs OpenShift"],
    )
    .map(drop)
}

/// Where the Service behind a Route serves the port that it names.
fn server_of(space: &Space, route: &Value) -> Result<SocketAddr> {
    let name = route["spec"]["to"]["name"].as_str().unwrap_or_default();
    let service = wait::until("the Service of a Route", LIMIT, || {
        space.get("service", name).map(Some)
    })?;
    let ports = service["spec"]["ports"].as_array();
    let port = ports
        .into_iter()
        .flatten()
        .find(|port| port["name"] == route["spec"]["port"]["targetPort"])
        .with_context(|| format!("{name} has no port for {route}"))?;
    let address = service["spec"]["clusterIP"].as_str().unwrap_or_default();
    Ok(SocketAddr::new(
        address.parse()?,
        u16::try_from(port["port"].as_u64().unwrap_or_default())?,
    ))
}
