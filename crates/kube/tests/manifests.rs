//! The rights of the controller stand in three places, because kubectl and Helm each want a file of their own. They are
//! the same, and they are the ones that the controller needs: the scenarios on a cluster run with them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::path::Path;

use serde_json::Value;

fn documents(path: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../deploy")
        .join(path);
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
