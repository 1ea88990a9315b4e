//! The CRDs: that those on disk are those of the types, that they admit what upstream's admit, and that
//! `kubectl explain` has something to say everywhere.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds")
}

fn yaml(crd: &CustomResourceDefinition) -> String {
    let body = serde_saphyr::to_string(crd).unwrap();
    format!("# Made from the types: UPDATE_CRDS=1 cargo test -p skupper-api --test crds\n{body}")
}

#[test]
fn the_files_under_deploy_are_those_of_the_types() {
    let update = std::env::var_os("UPDATE_CRDS").is_some();
    let crds = skupper_api::crds();
    let mut expected: Vec<String> = Vec::new();
    for crd in &crds {
        let name = format!("{}.yaml", crd.spec.names.plural);
        let path = folder().join(&name);
        if update {
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(&path, yaml(crd)).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == yaml(crd),
            "deploy/crds/{name} is not what the types say; run UPDATE_CRDS=1 cargo test -p skupper-api --test crds"
        );
        let read: CustomResourceDefinition = serde_saphyr::from_str(&found).unwrap();
        assert_eq!(
            &read, crd,
            "deploy/crds/{name} reads back as something else"
        );
        expected.push(name);
    }
    let mut found: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(
        found, expected,
        "deploy/crds holds a file for each kind and no other"
    );
}

/// `tests/data/upstream-shape.txt` holds the names, columns, fields, types and validations of upstream's CRDs, a line
/// each. Ours are the same, so what upstream accepts is accepted, and what it refuses is refused.
#[test]
fn every_field_and_validation_is_upstreams() {
    let upstream = include_str!("data/upstream-shape.txt");
    let mut upstream: Vec<&str> = upstream
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    let mut ours = String::new();
    for crd in skupper_api::crds() {
        shape_of_crd(&crd, &mut ours);
    }
    let mut ours: Vec<&str> = ours.lines().collect();
    // Columns keep their order, since people see it; the files come in another order.
    let columns = |lines: &[&str]| -> Vec<String> {
        let mut kinds: Vec<String> = lines
            .iter()
            .filter(|l| l.contains(" column "))
            .map(|l| (*l).to_owned())
            .collect();
        kinds.sort_by_key(|line| line.split(' ').next().map(ToOwned::to_owned));
        kinds
    };
    assert_eq!(columns(&ours), columns(&upstream));
    ours.sort_unstable();
    upstream.sort_unstable();
    let missing: Vec<_> = upstream
        .iter()
        .filter(|line| !ours.contains(line))
        .collect();
    let added: Vec<_> = ours
        .iter()
        .filter(|line| !upstream.contains(line))
        .collect();
    assert!(
        missing.is_empty() && added.is_empty(),
        "missing: {missing:#?}\nadded: {added:#?}"
    );
    assert_eq!(ours.len(), upstream.len());
}

#[test]
fn every_field_is_explained() {
    for crd in skupper_api::crds() {
        let crd = serde_json::to_value(&crd).unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        explained(schema, crd["spec"]["names"]["kind"].as_str().unwrap());
        for column in crd["spec"]["versions"][0]["additionalPrinterColumns"]
            .as_array()
            .unwrap()
        {
            assert!(
                column["description"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty())
            );
        }
    }
}

fn explained(schema: &Value, path: &str) {
    let text = schema["description"].as_str().unwrap_or_default();
    assert!(text.len() > 3, "{path} is not explained");
    assert!(
        !text.contains("[`") && !text.contains("::"),
        "{path} is explained to Rust programmers: {text}"
    );
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        explained(property, &format!("{path}.{name}"));
    }
    if schema["items"]["type"] == "object" {
        explained(&schema["items"], &format!("{path}[]"));
    }
}

fn shape_of_crd(crd: &CustomResourceDefinition, out: &mut String) {
    let value = serde_json::to_value(crd).unwrap();
    let (spec, version) = (&value["spec"], &value["spec"]["versions"][0]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kind = text(&spec["names"]["kind"]);
    assert_eq!(spec["versions"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        value["metadata"]["name"],
        format!(
            "{}.{}",
            text(&spec["names"]["plural"]),
            text(&spec["group"])
        )
    );
    let short: Vec<String> = spec["names"]["shortNames"]
        .as_array()
        .into_iter()
        .flatten()
        .map(text)
        .collect();
    writeln!(
        out,
        "{kind} {} {} short={} {} {} {} served={} storage={} status={}",
        text(&spec["names"]["plural"]),
        text(&spec["names"]["singular"]),
        short.join(","),
        text(&spec["scope"]),
        text(&spec["group"]),
        text(&version["name"]),
        version["served"],
        version["storage"],
        version["subresources"]["status"].is_object(),
    )
    .unwrap();
    for column in version["additionalPrinterColumns"].as_array().unwrap() {
        let (name, type_, path) = (
            text(&column["name"]),
            text(&column["type"]),
            text(&column["jsonPath"]),
        );
        writeln!(out, "{kind} column {name} {type_} {path}").unwrap();
    }
    shape_of_schema(&version["schema"]["openAPIV3Schema"], &kind, out);
}

fn shape_of_schema(schema: &Value, path: &str, out: &mut String) {
    let words = |value: &Value| -> Vec<String> {
        value
            .as_array()
            .into_iter()
            .flatten()
            .map(|word| word.as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let mut facts = Vec::new();
    let mut keys: Vec<(&String, &Value)> = schema.as_object().unwrap().iter().collect();
    keys.sort_by_key(|(key, _)| *key);
    for (key, value) in keys {
        match key.as_str() {
            "type" | "description" | "properties" | "items" => {}
            "additionalProperties" => {
                facts.push(format!("values={}", value["type"].as_str().unwrap()))
            }
            "required" => {
                let mut required = words(value);
                required.sort();
                facts.push(format!("required={}", required.join(",")));
            }
            "enum" => facts.push(format!("enum={}", words(value).join(","))),
            "oneOf" => {
                let choices: Vec<String> = value
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|choice| words(&choice["required"]).join(","))
                    .collect();
                facts.push(format!("oneOf={}", choices.join("|")));
            }
            "x-kubernetes-validations" => {
                let mut rules: Vec<String> = value
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|rule| {
                        format!(
                            "rule={} -> {}",
                            rule["rule"].as_str().unwrap(),
                            rule["message"].as_str().unwrap()
                        )
                    })
                    .collect();
                rules.sort();
                facts.extend(rules);
            }
            _ => match value {
                Value::String(text) => facts.push(format!("{key}={text}")),
                // Bounds are floating-point numbers in the API's types.
                Value::Number(number) => facts.push(format!("{key}={}", number.as_f64().unwrap())),
                other => facts.push(format!("{key}={other}")),
            },
        }
    }
    let line = format!(
        "{path} {} {}",
        schema["type"].as_str().unwrap_or("?"),
        facts.join(" ; ")
    );
    writeln!(out, "{}", line.trim_end()).unwrap();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        shape_of_schema(property, &format!("{path}.{name}"), out);
    }
    if schema["items"].is_object() {
        shape_of_schema(&schema["items"], &format!("{path}[]"), out);
    }
}
