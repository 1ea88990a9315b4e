//! One namespace as an API server, a garbage collector and a cloud would keep it, and the controller's shell round the model.

mod cluster;
mod looks;
mod shell;
mod users;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use skupper_pki::KeyAlgorithm;
use skupper_site::access::AccessType;
use skupper_site::{
    AccessSettings, CertificateSettings, ControllerIdentity, Event, Expiration, Images, Memo,
    ObjectKind, Settings, Write,
};

pub(crate) const NAMESPACE: &str = "west-ns";
pub(crate) const ADDRESS: &str = "10.71.80.20";

pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) now: Timestamp,
    pub(crate) namespace: String,
    pub(crate) objects: BTreeMap<(ObjectKind, String), Value>,
    /// Uids that objects get, where they matter.
    pub(crate) uids: BTreeMap<(ObjectKind, String), String>,
    /// What a cloud answers to a Service of type LoadBalancer.
    pub(crate) address: Option<String>,
    pub(crate) outside: skupper_site::Outside,
    pub(crate) failures: BTreeMap<(ObjectKind, String), String>,
    pub(crate) events: Vec<Event>,
    pub(crate) expirations: Vec<Expiration>,
    pub(crate) wake_at: Option<Timestamp>,
    /// All writes so far.
    pub(crate) writes: Vec<Write>,
    memo: Memo,
    version: u64,
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn settings() -> Settings {
    Settings {
        controller: ControllerIdentity {
            name: "skupper-controller".to_owned(),
            namespace: "skupper".to_owned(),
            version: "undefined".to_owned(),
        },
        images: Images {
            router: "localhost/skupper-router:stub".to_owned(),
            router_pull_policy: "Never".to_owned(),
            adaptor: "localhost/kube-adaptor:stub".to_owned(),
            adaptor_pull_policy: "Never".to_owned(),
            adaptor_is_ours: true,
        },
        access: AccessSettings {
            enabled: vec![
                AccessType::Local,
                AccessType::LoadBalancer,
                AccessType::NodePort,
                AccessType::Route,
            ],
            default: None,
            cluster_host: Some("10.71.0.1".to_owned()),
        },
        certificates: CertificateSettings {
            algorithm: KeyAlgorithm::EcdsaP256,
            ..CertificateSettings::default()
        },
        disable_security_context: false,
    }
}

impl World {
    pub(crate) fn new() -> Self {
        World {
            settings: settings(),
            now: at("2026-11-25T00:00:00Z"),
            namespace: NAMESPACE.to_owned(),
            objects: BTreeMap::new(),
            uids: BTreeMap::new(),
            address: Some(ADDRESS.to_owned()),
            outside: skupper_site::Outside::default(),
            failures: BTreeMap::new(),
            events: Vec::new(),
            expirations: Vec::new(),
            wake_at: None,
            writes: Vec::new(),
            memo: Memo::default(),
            version: 0,
        }
    }

    /// A site with link access by a load balancer, settled.
    pub(crate) fn with_site() -> Self {
        let mut world = World::new();
        world.create(
            ObjectKind::Site,
            "west",
            json!({"spec": {"linkAccess": "loadbalancer"}}),
        );
        world.settle();
        world
    }
}

fn seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap().to_string()
}

/// What a cloud and kube-controller-manager do to a Service.
fn answer_service(service: &mut Value, address: Option<&str>) {
    let type_ = service["spec"]["type"]
        .as_str()
        .unwrap_or("ClusterIP")
        .to_owned();
    if type_ != "ClusterIP" {
        for (index, port) in service["spec"]["ports"]
            .as_array_mut()
            .into_iter()
            .flatten()
            .enumerate()
        {
            if port.get("nodePort").is_none() {
                port["nodePort"] = (30000 + index).into();
            }
        }
    }
    match address.filter(|_| type_ == "LoadBalancer") {
        Some(address) => {
            service["status"] = json!({"loadBalancer": {"ingress": [{"ip": address}]}})
        }
        None => service["status"] = json!({"loadBalancer": {}}),
    }
}

/// RFC 7396.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut target[key], value);
        }
    }
}

/// The API server does not keep nulls and empty metadata.
fn drop_nulls(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, value| !value.is_null());
        fields.values_mut().for_each(drop_nulls);
    }
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    serde_json::to_value(k8s_openapi::ByteString(bytes.to_vec()))
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}
