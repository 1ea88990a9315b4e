//! What makes no sense, is too large or too long, or is forbidden: told where it stands, and nobody else suffers from it.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use skupper_pki::KeyAlgorithm;
use skupper_pki::issue::{CaRequest, issue_ca};
use xtask::wait;

use super::process::{Controller, Start};
use super::rights::accounts;
use crate::Scenario;
use crate::stage::{LIMIT, Stage, said};

pub const SCENARIOS: &[Scenario] = &[
    (
        "garbled, oversized and endless things are told where they stand",
        garbled_and_oversized,
    ),
    ("a verb that was not granted is named", a_missing_verb),
];

/// A kind, a name, and what its condition `Configured` or `Ready` has to say.
type Told = (&'static str, String, &'static str);

fn ours(kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "skupper.io/v2alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn secret(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
}

fn link(name: &str) -> Value {
    let endpoint = json!({"name": "inter-router", "host": "10.1.1.1", "port": "55671"});
    ours(
        "Link",
        name,
        json!({"tlsCredentials": name, "endpoints": [endpoint]}),
    )
}

fn certificate(name: &str, ca: &str) -> Value {
    ours(
        "Certificate",
        name,
        json!({"ca": ca, "client": true, "subject": name}),
    )
}

fn garbled_and_oversized(stage: &Stage) -> Result<()> {
    let namespace = "nonsense";
    stage.namespace(namespace)?;
    let controller = Controller::ready(stage, Start::default())?;
    let noise = "-----BEGIN CERTIFICATE-----\n\u{1}\u{7f}ä\r\n".repeat(20_000);
    let cut = "-----BEGIN CERTIFICATE-----\nMIIB".to_owned();
    // A Secret's name may have 253 characters, a label 63; a subject's common name 64.
    let long = [
        "a".repeat(63),
        "b".repeat(63),
        "c".repeat(63),
        "d".repeat(60),
    ]
    .join(".");
    let request = CaRequest {
        subject: "Corporate CA".to_owned(),
        lifetime: jiff::SignedDuration::from_hours(24),
        algorithm: KeyAlgorithm::default(),
    };
    let ca = issue_ca(&request, jiff::Timestamp::now())?.credential();
    let ca = String::from_utf8_lossy(&ca.tls_crt).into_owned();
    let objects = [
        secret(
            "noise",
            json!({"tls.crt": noise, "tls.key": cut, "ca.crt": "\n\n"}),
        ),
        secret("empty", json!({})),
        secret(
            "binary",
            json!({"tls.crt": "\u{0}\u{1}", "tls.key": "\u{0}", "ca.crt": "-----"}),
        ),
        secret(
            "ca-without-key",
            json!({"tls.crt": ca, "tls.key": "", "ca.crt": ca}),
        ),
        link("noise"),
        link("empty"),
        link("binary"),
        link(&long),
        certificate("from-noise", "noise"),
        certificate("from-empty", "empty"),
        certificate("from-a-ca-without-key", "ca-without-key"),
        certificate("from-nothing", "no-such-secret"),
        certificate(&long, "skupper-site-ca"),
        ours(
            "Listener",
            &long,
            json!({"routingKey": "k".repeat(2_000), "host": "h".repeat(63), "port": 1}),
        ),
        ours(
            "Connector",
            "selector",
            json!({"routingKey": "k", "selector": "a in (((", "port": 1}),
        ),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "template", "labels": {"skupper.io/label-template": "true"}},
            "data": {"labelSelector": "!!!", "kind": "\u{7f}"}}),
        ours(
            "Site",
            "west",
            json!({"linkAccess": "local", "settings": {"tls-ca-lifetime": "-1", "tls-key-algorithm": "rot13"}}),
        ),
    ];
    // One after the other: what the API server itself does not admit is told by it, and is no matter of ours.
    for object in &objects {
        if let Err(error) = stage.feed(&["-n", namespace, "create", "-f", "-"], &object.to_string())
        {
            let said = format!("{error:#}");
            ensure!(
                said.contains("is invalid") || said.contains("is forbidden"),
                "{said}"
            );
        }
    }
    let tells: [Told; 10] = [
        (
            "link",
            "noise".to_owned(),
            "tls.crt cannot be read: line 1: ",
        ),
        ("link", "empty".to_owned(), "tls.crt is missing or empty"),
        (
            "link",
            "binary".to_owned(),
            "TLS credentials secret \"binary\" cannot be used: ",
        ),
        // The longest name there may be is no fault: the Certificate's Secret is the Link's.
        ("link", long.clone(), "OK"),
        ("certificates.skupper.io", long.clone(), "OK"),
        ("certificates.skupper.io", "from-noise".to_owned(), "noise"),
        ("certificates.skupper.io", "from-empty".to_owned(), "empty"),
        (
            "certificates.skupper.io",
            "from-a-ca-without-key".to_owned(),
            "ca-without-key",
        ),
        (
            "certificates.skupper.io",
            "from-nothing".to_owned(),
            "no-such-secret",
        ),
        ("connector", "selector".to_owned(), "selector"),
    ];
    let all_told = |what: &str| -> Result<()> {
        for (kind, name, wanted) in &tells {
            let condition = if kind.starts_with("certificates") {
                "Ready"
            } else {
                "Configured"
            };
            let object = stage.until(namespace, kind, name, what, |object| {
                said(object, condition).contains(wanted)
            })?;
            let said = said(&object, condition);
            ensure!(said.len() < 4_000 && !said.contains('\u{1}'), "{said:?}");
        }
        Ok(())
    };
    all_told("tells what is wrong")?;

    // Everybody else is served, and whatever is sent to its ports it goes on.
    for port in [19191, 19000] {
        stage.annoy(port)?;
    }
    let beside = "beside-nonsense";
    stage.namespace(beside)?;
    for object in [
        ours("Site", "west", json!({})),
        certificate("spare", "skupper-site-ca"),
    ] {
        stage.feed(&["-n", beside, "create", "-f", "-"], &object.to_string())?;
    }
    stage.until_said(beside, "certificates.skupper.io", "spare", "Ready", "OK")?;
    let (status, said) = controller.readiness()?;
    ensure!(status == 200, "{said}");
    ensure!(
        !controller.log().contains("panicked"),
        "{}",
        controller.log()
    );
    controller.stop()?;

    // And so does the next one, which finds all of it at its start.
    let controller = Controller::ready(stage, Start::default())?;
    all_told("still tells what is wrong")?;
    ensure!(
        !controller.log().contains("panicked"),
        "{}",
        controller.log()
    );
    controller.stop()?;
    stage
        .kubectl(&["delete", "namespace", namespace, beside, "--wait=false"])
        .map(drop)
}

/// A controller that may not create Deployments: the Site says so, and is Configured as soon as it may.
fn a_missing_verb(stage: &Stage) -> Result<()> {
    let namespace = "unverbed";
    stage.namespace(namespace)?;
    accounts(stage, namespace, "namespace.yaml")?;
    let role = stage.get(namespace, "role", "skupper-controller")?;
    let mut fewer = role["rules"].clone();
    for rule in fewer.as_array_mut().into_iter().flatten() {
        let of_deployments = rule["resources"]
            .as_array()
            .is_some_and(|resources| resources.contains(&json!("deployments")));
        if let (true, Some(verbs)) = (of_deployments, rule["verbs"].as_array_mut()) {
            verbs.retain(|verb| verb != "create" && verb != "patch");
        }
    }
    let put = |rules: &Value| {
        let patch = json!({"rules": rules}).to_string();
        stage.kubectl(&[
            "-n",
            namespace,
            "patch",
            "role",
            "skupper-controller",
            "--type=merge",
            "-p",
            &patch,
        ])
    };
    put(&fewer)?;
    let start = Start {
        account: (namespace, "skupper-controller"),
        watch: namespace,
        host: "unverbed",
        ..Start::default()
    };
    let controller = Controller::ready(stage, start)?;
    stage.feed(
        &["-n", namespace, "apply", "-f", "-"],
        &ours("Site", "west", json!({})).to_string(),
    )?;
    let site = stage.until(namespace, "site", "west", "names the verb", |site| {
        let said = said(site, "Configured");
        said.contains("deployments.apps") && said.contains("forbidden")
    })?;
    ensure!(site["status"]["status"] == "Error", "{site}");
    put(&role["rules"])?;
    stage.until_said(namespace, "site", "west", "Configured", "OK")?;
    wait::until("the Deployment", LIMIT, || {
        stage
            .get(namespace, "deployment", "skupper-router")
            .map(Some)
    })?;
    controller.stop()?;
    stage
        .kubectl(&["delete", "namespace", namespace, "--wait=false"])
        .map(drop)
}
