//! What a controller needs before it can work, and that it says what is missing. The manifests.

use anyhow::{Result, ensure};
use serde_json::json;
use xtask::wait;

use super::process::{Controller, Start};
use crate::Scenario;
use crate::stage::{LIMIT, Stage, until_logged, workspace};

pub const SCENARIOS: &[Scenario] = &[
    ("the manifests are admitted", the_manifests_are_admitted),
    (
        "missing definitions and rights are named",
        missing_definitions_and_rights_are_named,
    ),
    (
        "the rights of the namespace manifest suffice",
        the_rights_of_the_namespace_manifest_suffice,
    ),
];

fn manifest(name: &str) -> Result<String> {
    Ok(std::fs::read_to_string(
        workspace().join("deploy/manifests").join(name),
    )?)
}

fn the_manifests_are_admitted(stage: &Stage) -> Result<()> {
    stage.namespace("skupper")?;
    for name in ["cluster.yaml", "namespace.yaml"] {
        stage.feed(
            &[
                "-n",
                "skupper",
                "apply",
                "--server-side",
                "--dry-run=server",
                "-f",
                "-",
            ],
            &manifest(name)?,
        )?;
    }
    accounts(stage, "skupper", "cluster.yaml")
}

/// Applies all of a manifest but its Deployment: controllers run beside the cluster here.
pub fn accounts(stage: &Stage, namespace: &str, name: &str) -> Result<()> {
    let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(&manifest(name)?)?;
    let items: Vec<_> = documents
        .into_iter()
        .filter(|document| document["kind"] != "Deployment")
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    stage
        .feed(
            &[
                "-n",
                namespace,
                "apply",
                "--server-side",
                "--force-conflicts",
                "-f",
                "-",
            ],
            &list,
        )
        .map(drop)
}

fn missing_definitions_and_rights_are_named(stage: &Stage) -> Result<()> {
    stage.namespace("powerless")?;
    stage.kubectl(&["-n", "powerless", "create", "serviceaccount", "nobody"])?;
    let start = Start {
        account: ("powerless", "nobody"),
        host: "powerless",
        ..Start::default()
    };
    let controller = Controller::start(stage, start)?;
    let names_it = |text: &str| {
        text.contains("secrets: ") && text.contains("grant get, list and watch on secrets")
    };
    wait::until("the missing rights to be named", LIMIT, || {
        let (status, said) = controller.readiness()?;
        Ok((status == 503 && names_it(&said)).then_some(()))
    })?;
    until_logged(
        || controller.log(),
        &["grant get, create and update on leases", "cannot watch"],
    )?;
    controller.stop()?;

    stage.kubectl(&[
        "delete",
        "crd",
        "connectors.skupper.io",
        "multikeylisteners.skupper.io",
    ])?;
    let controller = Controller::start(
        stage,
        Start {
            host: "undefined",
            ..Start::default()
        },
    )?;
    wait::until("the missing definition to be named", LIMIT, || {
        let (status, said) = controller.readiness()?;
        let named = said.contains("does not serve connectors.skupper.io; apply the CRDs");
        // MultiKeyListeners need not be there, for upstream neither.
        Ok((status == 503 && named && !said.contains("multikeylisteners: ")).then_some(()))
    })?;
    stage.crds()?;
    controller.await_ready()?;
    controller.stop()
}

/// A namespace's own controller serves it and nothing else, with the rights that its manifest gives; and one for the
/// cluster leaves it alone.
fn the_rights_of_the_namespace_manifest_suffice(stage: &Stage) -> Result<()> {
    stage.namespace("own")?;
    stage.namespace("other")?;
    accounts(stage, "own", "namespace.yaml")?;
    let start = Start {
        account: ("own", "skupper-controller"),
        watch: "own",
        host: "own",
        ..Start::default()
    };
    let own = Controller::ready(stage, start)?;
    for namespace in ["own", "other"] {
        stage.apply(&format!(
            "{{apiVersion: skupper.io/v2alpha1, kind: Site, metadata: {{name: s, namespace: {namespace}}}, spec: {{linkAccess: local}}}}"
        ))?;
    }
    let site = stage.until_said("own", "site", "s", "Configured", "OK")?;
    ensure!(site["status"]["controller"]["namespace"] == "own", "{site}");
    stage.until_said("own", "routeraccess", "skupper-router", "Configured", "OK")?;
    ensure!(!own.log().contains("refuses"), "{}", own.log());

    let start = Start {
        host: "cluster",
        ports: (19192, 19001),
        ..Start::default()
    };
    let cluster = Controller::ready(stage, start)?;
    let site = stage.until_said("other", "site", "s", "Configured", "OK")?;
    ensure!(
        site["status"]["controller"]["namespace"] == "skupper",
        "{site}"
    );
    until_logged(
        || cluster.log(),
        &["controlled by another controller (own/skupper-controller)"],
    )?;
    let site = stage.get("own", "site", "s")?;
    ensure!(site["status"]["controller"]["namespace"] == "own", "{site}");
    own.stop()?;
    cluster.stop()?;
    stage
        .kubectl(&[
            "delete",
            "namespace",
            "own",
            "other",
            "powerless",
            "--wait=false",
        ])
        .map(drop)
}
