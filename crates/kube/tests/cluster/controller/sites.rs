//! What the controller makes of resources, as far as only a real API server can tell: owners, merges, refusals, watches.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::wait;

use super::process::{Controller, Start};
use crate::Scenario;
use crate::stage::{LIMIT, Stage, said};

pub const SCENARIOS: &[Scenario] = &[
    ("a site with a load balancer", a_site_with_a_load_balancer),
    ("a link before its secret", a_link_before_its_secret),
    (
        "a user's secret over a managed one",
        a_users_secret_over_a_managed_one,
    ),
    ("a deleted secret", a_deleted_secret),
    (
        "what the api server refuses is told",
        what_the_api_server_refuses_is_told,
    ),
    ("routes as on openshift", routes_as_on_openshift),
    (
        "a site goes and leaves what is not ours",
        a_site_goes_and_leaves_what_is_not_ours,
    ),
    (
        "the log level is changed while running",
        the_log_level_is_changed_while_running,
    ),
];

fn site(namespace: &str, spec: &str) -> String {
    format!(
        "{{apiVersion: skupper.io/v2alpha1, kind: Site, metadata: {{name: west, namespace: {namespace}}}, spec: {spec}}}"
    )
}

fn ready(object: &Value) -> bool {
    object["status"]["status"] == "Ready"
}

/// The issuing of a client credential, which gives a Secret as a user may have one.
fn credential(stage: &Stage, namespace: &str, name: &str) -> Result<Value> {
    stage.apply(&format!(
        "{{apiVersion: skupper.io/v2alpha1, kind: Certificate, metadata: {{name: {name}, namespace: {namespace}}}, \
         spec: {{ca: skupper-site-ca, client: true, subject: {name}}}}}"
    ))?;
    stage.until(
        namespace,
        "certificates.skupper.io",
        name,
        "is ready",
        ready,
    )?;
    stage.get(namespace, "secret", name)
}

/// A Secret of the user's own with the data of another one.
fn users(namespace: &str, name: &str, data: &Value) -> String {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "data": data})
        .to_string()
}

fn a_site_with_a_load_balancer(stage: &Stage) -> Result<()> {
    let controller = Controller::ready(stage, Start::default())?;
    stage.namespace("lb")?;
    stage.apply(&site("lb", "{linkAccess: loadbalancer}"))?;
    stage.until_said("lb", "site", "west", "Configured", "OK")?;
    let uid = stage.get("lb", "site", "west")?["metadata"]["uid"].clone();
    for (kind, name) in [
        ("deployment", "skupper-router"),
        ("configmap", "skupper-router"),
        ("role", "skupper-router"),
        ("rolebinding", "skupper-router"),
        ("serviceaccount", "skupper-router"),
        ("service", "skupper-router-local"),
        ("routeraccess", "skupper-router"),
        ("certificates.skupper.io", "skupper-site-ca"),
        ("certificates.skupper.io", "skupper-local-server"),
    ] {
        let object = stage.until("lb", kind, name, "is the site's", |object| {
            object["metadata"]["ownerReferences"][0]["uid"] == uid
        })?;
        ensure!(
            object["metadata"]["ownerReferences"]
                .as_array()
                .map(Vec::len)
                == Some(1),
            "{object}"
        );
    }
    // A cluster of our own has somebody who gives Services addresses: he is done before another one is written, else his
    // would come later.
    stage.until(
        "lb",
        "service",
        "skupper-router",
        "has been given an address",
        |service| {
            !stage.cluster.is_own()
                || service["status"]["loadBalancer"]["ingress"][0]["ip"].is_string()
        },
    )?;
    let address =
        json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}}).to_string();
    stage.kubectl(&[
        "-n",
        "lb",
        "patch",
        "service",
        "skupper-router",
        "--subresource=status",
        "-p",
        &address,
    ])?;
    stage.until("lb", "site", "west", "has endpoints there", |site| {
        let endpoints = site["status"]["endpoints"].as_array();
        endpoints.is_some_and(|endpoints| {
            let there = |endpoint: &Value| endpoint["host"] == "192.0.2.7";
            endpoints.len() == 2 && endpoints.iter().all(there)
        })
    })?;
    let certificate = stage.until(
        "lb",
        "certificates.skupper.io",
        "skupper-site-server",
        "has the address",
        |c| {
            c["spec"]["hosts"]
                .as_array()
                .is_some_and(|hosts| hosts.contains(&json!("192.0.2.7")))
                && ready(c)
        },
    )?;
    ensure!(
        certificate["status"]["conditions"].as_array().map(Vec::len) == Some(1),
        "{certificate}"
    );
    ensure!(
        certificate["status"]["expiration"].is_string(),
        "{certificate}"
    );

    // A second Site is told of the first.
    stage.apply(&site("lb", "{}").replace("name: west", "name: second"))?;
    stage.until_said(
        "lb",
        "site",
        "second",
        "Configured",
        "An active site already exists in the namespace (west)",
    )?;
    controller.stop()
}

fn a_link_before_its_secret(stage: &Stage) -> Result<()> {
    let controller = Controller::ready(stage, Start::default())?;
    stage.namespace("links")?;
    stage.apply(&site("links", "{}"))?;
    stage.until_said("links", "site", "west", "Configured", "OK")?;
    let secret = credential(stage, "links", "spare")?;
    stage.apply(
        "{apiVersion: skupper.io/v2alpha1, kind: Link, metadata: {name: east, namespace: links}, spec: {tlsCredentials: east, \
         endpoints: [{name: inter-router, host: east.example, port: '55671'}]}}",
    )?;
    stage.until_said(
        "links",
        "link",
        "east",
        "Configured",
        "TLS credentials secret \"east\" not found",
    )?;
    stage.feed(
        &["apply", "-f", "-"],
        &users("links", "east", &secret["data"]),
    )?;
    stage.until_said("links", "link", "east", "Configured", "OK")?;
    let config = stage.get("links", "configmap", "skupper-router")?;
    let config = config["data"]["skrouterd.json"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    ensure!(
        config.contains("east-profile") && config.contains("east.example"),
        "{config}"
    );
    controller.stop()
}

fn a_users_secret_over_a_managed_one(stage: &Stage) -> Result<()> {
    let controller = Controller::ready(stage, Start::default())?;
    let spare = credential(stage, "lb", "spare")?;
    stage.feed(
        &["apply", "--server-side", "--force-conflicts", "-f", "-"],
        &users("lb", "skupper-site-server", &spare["data"]),
    )?;
    let message = "Secret exists but is not controlled by skupper";
    let certificate = stage.until(
        "lb",
        "certificates.skupper.io",
        "skupper-site-server",
        "is the user's",
        |c| said(c, "Ready").starts_with(message),
    )?;
    ensure!(
        certificate["status"]["conditions"].as_array().map(Vec::len) == Some(1),
        "{certificate}"
    );
    let secret = stage.get("lb", "secret", "skupper-site-server")?;
    ensure!(
        secret["data"] == spare["data"],
        "the user's Secret was changed"
    );
    controller.stop()
}

/// After the grace, ours is issued again; for one that was the user's, people are told.
fn a_deleted_secret(stage: &Stage) -> Result<()> {
    let controller = Controller::ready(stage, Start::default())?;
    let before = stage.get("lb", "secret", "skupper-local-server")?;
    stage.kubectl(&[
        "-n",
        "lb",
        "delete",
        "secret",
        "skupper-local-server",
        "skupper-site-server",
    ])?;
    stage.until(
        "lb",
        "secret",
        "skupper-local-server",
        "is issued again",
        |secret| secret["data"] != before["data"],
    )?;
    stage.until(
        "lb",
        "certificates.skupper.io",
        "skupper-site-server",
        "is ours again",
        |certificate| said(certificate, "Ready") == "OK",
    )?;
    wait::until("a Warning about the user's Secret", LIMIT, || {
        let events = stage.kubectl(&[
            "-n",
            "lb",
            "get",
            "events",
            "--field-selector=type=Warning",
            "-o",
            "json",
        ])?;
        let events: Value = serde_json::from_str(&events)?;
        let about = |event: &Value| {
            event["message"]
                .as_str()
                .is_some_and(|text| text.contains("skupper-site-server"))
        };
        Ok(events["items"]
            .as_array()
            .context("no list")?
            .iter()
            .any(about)
            .then_some(()))
    })?;
    controller.stop()
}

/// A Service whose name the API server does not admit: the Listener says so, and another one is served all the same.
fn what_the_api_server_refuses_is_told(stage: &Stage) -> Result<()> {
    let controller = Controller::ready(stage, Start::default())?;
    stage.namespace("refused")?;
    stage.apply(&site("refused", "{}"))?;
    for (name, host) in [("good", "backend"), ("bad", "Not_A_Name")] {
        stage.apply(&format!(
            "{{apiVersion: skupper.io/v2alpha1, kind: Listener, metadata: {{name: {name}, namespace: refused}}, \
             spec: {{routingKey: k, host: {host}, port: 80}}}}"
        ))?;
    }
    stage.until(
        "refused",
        "listener",
        "bad",
        "tells of the refusal",
        |listener| {
            let said = said(listener, "Configured");
            listener["status"]["status"] == "Error" && said.contains("Not_A_Name")
        },
    )?;
    stage.until_said("refused", "listener", "good", "Configured", "OK")?;
    // It is tried again, but not again and again.
    stage.kubectl(&["-n", "refused", "delete", "listener", "bad"])?;
    stage.until_said("refused", "site", "west", "Configured", "OK")?;
    controller.stop()
}

const ROUTE_CRD: &str = "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, \
  metadata: {name: routes.route.openshift.io}, spec: {group: route.openshift.io, scope: Namespaced, \
  names: {kind: Route, listKind: RouteList, plural: routes, singular: route}, versions: [{name: v1, served: true, storage: true, \
  subresources: {status: {}}, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}";

/// Routes come when their operator is installed, which may be later than the controller. With them, the default access type
/// is `route`. The status is written as OpenShift would.
fn routes_as_on_openshift(stage: &Stage) -> Result<()> {
    let controller = Controller::ready(stage, Start::default())?;
    stage.namespace("routes")?;
    stage.apply(&site("routes", "{linkAccess: route}"))?;
    stage.until(
        "routes",
        "securedaccess",
        "skupper-router",
        "misses Routes",
        |access| said(access, "Configured").contains("access type route needs OpenShift"),
    )?;
    stage.apply(ROUTE_CRD)?;
    stage.until("routes", "route", "skupper-router-edge", "is there", |_| {
        true
    })?;
    stage.apply(&site("routes", "{linkAccess: default}"))?;
    for port in ["inter-router", "edge"] {
        let name = format!("skupper-router-{port}");
        let route = stage.until("routes", "route", &name, "is there", |_| true)?;
        ensure!(
            route["spec"]["tls"]["termination"] == "passthrough",
            "{route}"
        );
        let status =
            json!({"status": {"ingress": [{"host": format!("{port}.apps.example")}]}}).to_string();
        stage.kubectl(&[
            "-n",
            "routes",
            "patch",
            "route",
            &name,
            "--subresource=status",
            "--type=merge",
            "-p",
            &status,
        ])?;
    }
    let site = stage.until("routes", "site", "west", "has endpoints", |site| {
        site["status"]["endpoints"].as_array().map(Vec::len) == Some(2)
    })?;
    for endpoint in site["status"]["endpoints"].as_array().unwrap() {
        let host = format!("{}.apps.example", endpoint["name"].as_str().unwrap());
        ensure!(
            endpoint["port"] == "443" && endpoint["host"] == host.as_str(),
            "{endpoint}"
        );
    }
    controller.stop()?;
    stage.kubectl(&["delete", "namespace", "routes"])?;
    stage
        .kubectl(&["delete", "crd", "routes.route.openshift.io"])
        .map(drop)
}

fn a_site_goes_and_leaves_what_is_not_ours(stage: &Stage) -> Result<()> {
    let controller = Controller::ready(stage, Start::default())?;
    stage.namespace("going")?;
    let ca = stage.get("lb", "secret", "skupper-site-ca")?;
    stage.feed(
        &["apply", "-f", "-"],
        &users("going", "skupper-site-ca", &ca["data"]),
    )?;
    stage.apply(&site("going", "{linkAccess: local}"))?;
    stage.until(
        "going",
        "certificates.skupper.io",
        "skupper-site-server",
        "is ready",
        ready,
    )?;
    stage.kubectl(&["-n", "going", "delete", "site", "west"])?;
    wait::until("all that was ours to go", LIMIT, || {
        let left = stage.kubectl(&[
            "-n",
            "going",
            "get",
            "secrets,services,deployments,certificates.skupper.io",
            "-o",
            "name",
        ])?;
        Ok((left.trim() == "secret/skupper-site-ca").then_some(()))
    })?;
    let kept = stage.get("going", "secret", "skupper-site-ca")?;
    ensure!(
        kept["data"] == ca["data"] && kept["metadata"].get("ownerReferences").is_none(),
        "{kept}"
    );
    controller.stop()
}

fn the_log_level_is_changed_while_running(stage: &Stage) -> Result<()> {
    let controller = Controller::ready(
        stage,
        Start {
            host: "talkative",
            ..Start::default()
        },
    )?;
    ensure!(
        !controller.log().contains("level=DEBUG"),
        "{}",
        controller.log()
    );
    stage.kubectl(&[
        "-n",
        "skupper",
        "create",
        "configmap",
        "skupper-log-config",
        "--from-literal=CONTROLLER_LOG_LEVEL=debug",
    ])?;
    stage.namespace("loud")?;
    wait::until("the log to say more", LIMIT, || {
        Ok(controller.log().contains("level=DEBUG").then_some(()))
    })?;
    stage.kubectl(&["-n", "skupper", "delete", "configmap", "skupper-log-config"])?;
    controller.stop()
}
