//! The rights of the controller stand in three places, because kubectl and Helm each want a file of their own. They are
//! the same, and they are the ones that the controller needs: the scenarios on a cluster run with them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../deploy")
        .join(path)
}

fn documents(path: &str) -> Vec<Value> {
    let path = deploy(path);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_multiple(&text).unwrap()
}

fn rules(path: &str) -> Value {
    let role = documents(path).into_iter().find(|document| {
        document["kind"]
            .as_str()
            .is_some_and(|kind| kind == "Role" || kind == "ClusterRole")
    });
    role.unwrap_or_else(|| panic!("{path} has no role"))["rules"].clone()
}

#[test]
fn the_rights_are_the_same_everywhere() {
    let cluster = rules("manifests/cluster.yaml");
    assert!(cluster.as_array().is_some_and(|rules| !rules.is_empty()));
    assert_eq!(cluster, rules("manifests/namespace.yaml"));
    assert_eq!(cluster, documents("chart/rules.yaml").remove(0));
}

/// A role may only be granted by who has its rights (reference §3.3 and §7.7).
#[test]
fn the_controller_has_what_it_grants() {
    let granted = [
        ("", "secrets", "get list watch update delete"),
        ("", "pods", "get list watch"),
        ("", "configmaps", "get list watch create update delete"),
        ("apps", "deployments", "get"),
        ("", "services", "get list watch"),
        (
            "coordination.k8s.io",
            "leases",
            "get list watch create update delete",
        ),
    ];
    let rules = rules("manifests/cluster.yaml");
    let has = |list: &Value, word: &str| list.as_array().unwrap().iter().any(|found| found == word);
    for (group, resource, verbs) in granted {
        for verb in verbs.split(' ') {
            let given = rules.as_array().unwrap().iter().any(|rule| {
                has(&rule["apiGroups"], group)
                    && has(&rule["resources"], resource)
                    && has(&rule["verbs"], verb)
            });
            assert!(given, "{verb} {resource} is granted but not had");
        }
    }
}

#[test]
fn nothing_is_asked_for_wholesale() {
    let text = rules("manifests/cluster.yaml").to_string();
    assert!(!text.contains('*'), "{text}");
}

/// What Helm makes of the chart; `SKUPPER_HELM` names it where it is not in the search path.
fn helm(namespace: &str, scope: &str) -> Result<String, String> {
    let program = std::env::var_os("SKUPPER_HELM").unwrap_or_else(|| "helm".into());
    let output = Command::new(program)
        .args(["template", "skupper"])
        .arg(deploy("chart"))
        .args(["--namespace", namespace, "--set", &format!("scope={scope}")])
        .output()
        .unwrap_or_else(|error| panic!("helm cannot be run: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

/// By kind and name, without what only one of the two sets: Helm's labels, the namespace, the default that is spelt out.
fn comparable(documents: Vec<Value>, namespace: &str) -> BTreeMap<(String, String), Value> {
    let mut found = BTreeMap::new();
    for mut document in documents {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let key = (text(&document["kind"]), text(&document["metadata"]["name"]));
        // Helm makes it with --create-namespace.
        if document.is_null() || key.0 == "Namespace" {
            continue;
        }
        let template = "/spec/template/metadata";
        for pointer in ["/metadata", template] {
            let Some(metadata) = document.pointer_mut(pointer).and_then(Value::as_object_mut)
            else {
                continue;
            };
            metadata.remove("namespace");
            if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
                labels.remove("helm.sh/chart");
                labels.remove("app.kubernetes.io/managed-by");
                labels.remove("app.kubernetes.io/name");
            }
            if key.0 == "ConfigMap" {
                metadata.remove("labels");
            }
        }
        for subject in document["subjects"].as_array_mut().into_iter().flatten() {
            let own = subject
                .as_object_mut()
                .and_then(|subject| subject.remove("namespace"));
            assert!(own.is_none_or(|own| own == namespace));
        }
        let env = document.pointer_mut("/spec/template/spec/containers/0/env");
        if let Some(env) = env.and_then(Value::as_array_mut) {
            env.retain(|variable| variable["name"] != "SKUPPER_ENABLED_ACCESS_TYPES");
        }
        found.insert(key, document);
    }
    found
}

#[test]
#[ignore = "needs Helm: go install helm.sh/helm/v3/cmd/helm@latest, in PATH or named by SKUPPER_HELM"]
fn the_chart_makes_what_the_manifests_are() {
    for (scope, namespace, manifest) in [
        ("cluster", "skupper", "manifests/cluster.yaml"),
        ("namespace", "west", "manifests/namespace.yaml"),
    ] {
        let rendered = helm(namespace, scope).unwrap_or_else(|error| panic!("{error}"));
        let rendered: Vec<Value> = serde_saphyr::from_multiple(&rendered).unwrap();
        let rendered = comparable(rendered, namespace);
        assert_eq!(rendered, comparable(documents(manifest), namespace));
        assert!(rendered.len() >= 4, "{rendered:?}");
    }
    let error = helm("skupper", "moon").unwrap_err();
    assert!(
        error.contains("scope is \"moon\", expected cluster or namespace"),
        "{error}"
    );
}
