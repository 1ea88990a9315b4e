//! What upstream's controller was seen to make (server-set fields dropped), compared with what we make of the same input.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use skupper_management::RouterConfig;
use skupper_site::ObjectKind;
use skupper_site::ObjectKind::{
    Certificate, ConfigMap, Connector, Listener, Pod, Secret, Service, Site,
};

use crate::material::Ca;
use crate::world::World;

type Documents = BTreeMap<(ObjectKind, String), Value>;

fn read(text: &str) -> Documents {
    let all: Vec<Value> = serde_json::from_str(text).unwrap();
    let key = |object: &Value| {
        let kind = object["kind"].as_str().unwrap();
        let kind = ObjectKind::ALL
            .iter()
            .copied()
            .find(|one| one.kind() == kind);
        Some((
            kind?,
            object["metadata"]["name"].as_str().unwrap().to_owned(),
        ))
    };
    all.into_iter()
        .filter_map(|object| Some((key(&object)?, object)))
        .collect()
}

/// Sets a world up with what users and the cluster contributed, and lets the model work.
fn remade(documents: &Documents) -> World {
    let mut world = World::new();
    let site = documents
        .iter()
        .find(|((kind, _), _)| *kind == Site)
        .unwrap()
        .1;
    world.namespace = site["metadata"]["namespace"].as_str().unwrap().to_owned();
    for (key, object) in documents {
        world.uids.insert(
            key.clone(),
            object["metadata"]["uid"].as_str().unwrap().to_owned(),
        );
    }
    let ingress = documents
        .get(&(Service, "skupper-router".to_owned()))
        .map(|service| service["status"]["loadBalancer"]["ingress"][0]["ip"].clone());
    world.address = ingress.and_then(|ip| ip.as_str().map(str::to_owned));
    for ((kind, name), object) in documents {
        let users = match kind {
            Site | Listener | Connector => true,
            Certificate => object["metadata"].get("annotations").is_none(),
            _ => false,
        };
        if users {
            world.create(*kind, name, json!({"spec": object["spec"]}));
        }
    }
    // The pod that upstream's connector found.
    let config = documents[&(ConfigMap, "skupper-router".to_owned())]["data"]["skrouterd.json"]
        .as_str()
        .unwrap();
    for connector in RouterConfig::parse(config).unwrap().tcp_connectors.values() {
        world
            .uids
            .insert((Pod, "backend-1".to_owned()), connector.process_id.clone());
        let status = json!({"phase": "Running", "podIP": connector.host, "conditions": [{"type": "Ready", "status": "True"}]});
        world.create(
            Pod,
            "backend-1",
            json!({"metadata": {"labels": {"app": "backend"}}, "status": status}),
        );
    }
    let mut router = crate::acceptance::router_pod();
    router["metadata"]["name"] = "router".into();
    world.create(Pod, "router", router);
    world
}

/// Node ports are the cluster's to choose: those of upstream's Service.
fn choose_node_ports(world: &mut World, documents: &Documents) {
    let Some(seen) = documents.get(&(Service, "skupper-router".to_owned())) else {
        return;
    };
    let ports = seen["spec"]["ports"].clone();
    world.edit(&(Service, "skupper-router".to_owned()), |service| {
        for port in service["spec"]["ports"].as_array_mut().unwrap() {
            let chosen = ports
                .as_array()
                .unwrap()
                .iter()
                .find(|one| one["name"] == port["name"])
                .unwrap();
            if let Some(node_port) = chosen.get("nodePort") {
                port["nodePort"] = node_port.clone();
            }
        }
    });
    world.settle();
}

/// Fields that ours and theirs are compared by; what is left out is said here.
fn comparable(kind: ObjectKind, object: &Value) -> Value {
    let mut object = object.clone();
    let meta = object["metadata"].as_object_mut().unwrap();
    for field in ["creationTimestamp", "generation", "resourceVersion", "uid"] {
        meta.remove(field);
    }
    if let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) {
        // Ours alone.
        annotations.remove("internal.skupper.io/applied");
        if annotations.is_empty() {
            meta.remove("annotations");
        }
    }
    sort(&mut object);
    drop_empty(&mut object);
    let fields = object.as_object_mut().unwrap();
    match kind {
        // Node ports and addresses are the cluster's; its type is left out where it is the usual one.
        Service => {
            fields.remove("status");
            if fields["spec"]["type"] == "ClusterIP" {
                fields["spec"].as_object_mut().unwrap().remove("type");
            }
        }
        ConfigMap => {
            let config = fields["data"]["skrouterd.json"].as_str().unwrap();
            let config = RouterConfig::parse(config).unwrap();
            fields.insert("data".to_owned(), config.to_json().into());
        }
        _ => {
            let conditions = fields
                .get_mut("status")
                .and_then(|status| status.get_mut("conditions"))
                .and_then(Value::as_array_mut);
            for condition in conditions.into_iter().flatten() {
                let condition = condition.as_object_mut().unwrap();
                condition.remove("lastTransitionTime");
                condition.remove("observedGeneration");
            }
        }
    }
    object
}

/// The API server does not keep `resources: {}` and the like.
fn drop_empty(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(drop_empty);
            fields.retain(|key, value| *value != json!({}) || key == "emptyDir");
        }
        Value::Array(items) => items.iter_mut().for_each(drop_empty),
        _ => {}
    }
}

/// Lists of things with names, in the order of those: upstream's order changes from run to run.
fn sort(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(sort),
        Value::Array(items) => {
            items.iter_mut().for_each(sort);
            let key = |item: &Value| {
                let text = |field: &str| item[field].as_str().unwrap_or_default().to_owned();
                (text("name"), text("type"), text("group"))
            };
            if items.iter().all(Value::is_object) {
                items.sort_by_key(key);
            }
        }
        _ => {}
    }
}

fn differences(
    ours: &World,
    documents: &Documents,
    allowed: impl Fn(ObjectKind, &str, &mut Value, &mut Value),
) -> Vec<String> {
    let mut found = Vec::new();
    for ((kind, name), theirs) in documents {
        let Some(ours) = ours.objects.get(&(*kind, name.clone())) else {
            found.push(format!("{kind} {name} is missing"));
            continue;
        };
        let (mut ours, mut theirs) = (comparable(*kind, ours), comparable(*kind, theirs));
        allowed(*kind, name, &mut ours, &mut theirs);
        if ours != theirs {
            tell(&ours, &theirs, &format!("{kind} {name}"), &mut found);
        }
    }
    for (kind, name) in ours
        .objects
        .keys()
        .filter(|key| !documents.contains_key(*key) && ![Secret, Pod].contains(&key.0))
    {
        found.push(format!("{kind} {name} is ours alone"));
    }
    found
}

/// Tells where two values differ.
fn tell(ours: &Value, theirs: &Value, path: &str, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let keys: std::collections::BTreeSet<&String> =
                ours.keys().chain(theirs.keys()).collect();
            for key in keys {
                let of = |fields: &serde_json::Map<String, Value>| {
                    fields.get(key).cloned().unwrap_or_default()
                };
                tell(&of(ours), &of(theirs), &format!("{path}.{key}"), found);
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                tell(ours, theirs, &format!("{path}[{index}]"), found);
            }
        }
        (ours, theirs) if ours == theirs => {}
        (ours, theirs) => found.push(format!("{path}: ours {ours}, theirs {theirs}")),
    }
}

/// Where ours says more, on purpose: the summary and the end of a Certificate, the pods of a Connector.
fn says_more(kind: ObjectKind, _: &str, ours: &mut Value, theirs: &mut Value) {
    for field in match kind {
        Certificate => &["status", "message", "expiration"][..],
        Connector => &["selectedPods"],
        _ => &[],
    } {
        if theirs["status"].get(*field).is_none() {
            ours["status"].as_object_mut().unwrap().remove(*field);
        }
    }
    // Their API server adds these to what they send.
    for object in [ours, theirs] {
        if let Some(fields) = object.as_object_mut() {
            fields.remove("apiVersion");
            fields.remove("kind");
        }
    }
}

fn compare(text: &str) {
    let documents = read(text);
    let mut world = remade(&documents);
    world.settle();
    choose_node_ports(&mut world, &documents);
    let found = differences(&world, &documents, says_more);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn loadbalancer() {
    compare(include_str!("observed/loadbalancer.json"));
}

#[test]
fn nodeport() {
    compare(include_str!("observed/nodeport.json"));
}

#[test]
fn local() {
    compare(include_str!("observed/local.json"));
}

#[test]
fn certificate_client() {
    compare(include_str!("observed/certificate-client.json"));
}

#[test]
fn accessgrant() {
    compare(include_str!("observed/accessgrant.json"));
}

#[test]
fn custom_server_first() {
    let documents = read(include_str!("observed/custom-server-first.json"));
    let mut world = remade(&documents);
    let ca = Ca::new("the user's CA", world.now);
    let address = world.address.clone().unwrap();
    world.apply_credential("skupper-site-server", &ca.server(&[&address], world.now));
    world.settle();
    choose_node_ports(&mut world, &documents);
    let found = differences(&world, &documents, |kind, name, ours, theirs| {
        says_more(kind, name, ours, theirs);
        // A user's certificate: theirs is not ready, and in lower case. Ours tells, besides, that the client credential which
        // was generated here is not trusted by it.
        if (kind, name) == (Certificate, "skupper-site-server") {
            let message = |object: &Value| {
                object["status"]["conditions"][0]["message"]
                    .as_str()
                    .unwrap()
                    .to_lowercase()
            };
            assert!(message(ours).starts_with(&message(theirs)), "{ours}");
            ours["status"] = theirs["status"].clone();
        }
        if kind == ObjectKind::RouterAccess {
            ours["status"]["conditions"]
                .as_array_mut()
                .unwrap()
                .retain(|condition| condition["type"] != "CredentialsFit");
        }
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}
