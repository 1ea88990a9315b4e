//! The CRDs on a real API server: they are served, explained, and admit what a running upstream left behind.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::wait;

use crate::Scenario;
use crate::stage::{LIMIT, Stage, workspace};

pub const SCENARIOS: &[Scenario] = &[
    (
        "crds are served and explained",
        crds_are_served_and_explained,
    ),
    (
        "observed documents are admitted and read back",
        observed_documents_are_admitted_and_read_back,
    ),
    (
        "what upstream refuses is refused",
        what_upstream_refuses_is_refused,
    ),
];

fn crds_are_served_and_explained(stage: &Stage) -> Result<()> {
    stage.crds()?;
    // The OpenAPI documents behind `explain` follow the definitions after a moment.
    wait::until("an explanation of spec.linkAccess", LIMIT, || {
        let text = stage.kubectl(&["explain", "site.spec.linkAccess"])?;
        Ok(text
            .contains("How other sites reach this one")
            .then_some(()))
    })?;
    for short in [
        "st", "ln", "lnr", "cnr", "acnr", "acnrb", "grant", "gr", "token", "to",
    ] {
        stage.kubectl(&["get", short])?;
    }
    Ok(())
}

fn observed_documents_are_admitted_and_read_back(stage: &Stage) -> Result<()> {
    let folder = workspace().join("crates/api/tests/data/observed");
    let mut compared = 0;
    for file in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let text = std::fs::read_to_string(file?.path())?;
        let mut documents: Vec<Value> = serde_saphyr::from_multiple(&text)?;
        let namespace = documents[0]["metadata"]["namespace"]
            .as_str()
            .unwrap_or("observed-cli")
            .to_owned();
        stage.namespace(&namespace)?;
        for document in &mut documents {
            document["metadata"]["namespace"] = json!(namespace);
            // Their owners are not here; the garbage collector would tidy them up.
            document["metadata"]
                .as_object_mut()
                .unwrap()
                .remove("ownerReferences");
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": documents}).to_string();
        stage.feed(&["apply", "--server-side", "-f", "-"], &list)?;
        let with_status: Vec<&Value> = documents
            .iter()
            .filter(|document| document.get("status").is_some())
            .collect();
        if !with_status.is_empty() {
            let list =
                json!({"apiVersion": "v1", "kind": "List", "items": with_status}).to_string();
            stage.feed(
                &[
                    "apply",
                    "--server-side",
                    "--force-conflicts",
                    "--subresource=status",
                    "-f",
                    "-",
                ],
                &list,
            )?;
        }
        for document in &documents {
            let kind = format!("{}.skupper.io", document["kind"].as_str().unwrap());
            let found = stage.get(
                &namespace,
                &kind,
                document["metadata"]["name"].as_str().unwrap(),
            )?;
            ensure!(
                found["spec"] == document["spec"],
                "{found} is not {document}"
            );
            ensure!(
                found.get("status") == document.get("status"),
                "{found} is not {document}"
            );
            compared += 1;
        }
        stage.kubectl(&["delete", "namespace", &namespace, "--wait=false"])?;
    }
    ensure!(compared == 71, "{compared} documents were compared");
    Ok(())
}

/// A document without what the schema requires, and one with what it does not admit. And `spec` may be missing.
fn what_upstream_refuses_is_refused(stage: &Stage) -> Result<()> {
    let dry_run = |kind: &str, spec: Value| {
        let document = json!({"apiVersion": "skupper.io/v2alpha1", "kind": kind, "metadata": {"name": "x"}, "spec": spec});
        stage.feed(
            &["apply", "--dry-run=server", "-f", "-"],
            &document.to_string(),
        )
    };
    let refused = [
        ("Listener", json!({"routingKey": "k", "host": "h"}), "port"),
        (
            "Listener",
            json!({"routingKey": "k", "host": "h", "port": 1, "observer": "smtp"}),
            "observer",
        ),
        ("Connector", json!({"routingKey": "k", "port": 1}), "oneOf"),
        (
            "Connector",
            json!({"routingKey": "k", "port": 1, "host": "h", "selector": "s=t"}),
            "oneOf",
        ),
        (
            "MultiKeyListener",
            json!({"host": "h", "port": 1, "strategy": {}}),
            "exactly one of the fields",
        ),
        (
            "AccessGrant",
            json!({"expirationWindow": "soon"}),
            "duration",
        ),
        ("Link", json!({"endpoints": "none"}), "endpoints"),
    ];
    for (kind, spec, why) in refused {
        let error = dry_run(kind, spec.clone())
            .err()
            .with_context(|| format!("{kind} {spec} was admitted"))?;
        ensure!(
            format!("{error:#}").contains(why),
            "{error:#} does not speak of {why}"
        );
    }
    dry_run(
        "Connector",
        json!({"routingKey": "k", "port": 1, "selector": ""}),
    )?;
    for kind in [
        "Site",
        "Link",
        "Listener",
        "Connector",
        "Certificate",
        "RouterAccess",
        "AccessToken",
        "AccessGrant",
    ] {
        let document =
            json!({"apiVersion": "skupper.io/v2alpha1", "kind": kind, "metadata": {"name": "x"}});
        stage.feed(
            &["create", "--dry-run=server", "-f", "-"],
            &document.to_string(),
        )?;
    }
    Ok(())
}
