//! One namespace as an API server, a garbage collector and a cloud would keep it, and the controller's shell round the model.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use skupper_api::{Certificate, Condition, Kind, StatusFields};
use skupper_pki::{Credential, KeyAlgorithm};
use skupper_site::access::AccessType;
use skupper_site::{
    AccessSettings, CertificateSettings, ControllerIdentity, Event, Expiration, Images, Memo,
    ObjectKind, Objects, Observed, Plan, Settings, Write, reconcile,
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
            has_routes: false,
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

    // What users do.

    /// `kubectl create`.
    pub(crate) fn create(&mut self, kind: ObjectKind, name: &str, body: Value) {
        let key = (kind, name.to_owned());
        assert!(
            !self.objects.contains_key(&key),
            "{kind} {name} already exists"
        );
        let mut object = body;
        object["metadata"]["name"] = name.into();
        object["metadata"]["namespace"] = self.namespace.as_str().into();
        object["metadata"]["uid"] = self.uid(&key).into();
        object["metadata"]["creationTimestamp"] = seconds(self.now).into();
        object["metadata"]["generation"] = 1.into();
        self.objects.insert(key.clone(), object);
        self.changed(&key);
    }

    /// `kubectl apply`: fields are set, others stay.
    pub(crate) fn apply(&mut self, kind: ObjectKind, name: &str, body: Value) {
        let key = (kind, name.to_owned());
        if !self.objects.contains_key(&key) {
            return self.create(kind, name, body);
        }
        self.edit(&key, |object| merge(object, &body));
    }

    /// `kubectl replace`: the object becomes what is given, but keeps its identity.
    pub(crate) fn replace(&mut self, kind: ObjectKind, name: &str, body: Value) {
        let key = (kind, name.to_owned());
        self.edit(&key, |object| {
            let meta = object["metadata"].take();
            let mut new = body;
            for field in [
                "uid",
                "creationTimestamp",
                "generation",
                "name",
                "namespace",
            ] {
                new["metadata"][field] = meta[field].clone();
            }
            *object = new;
        });
    }

    /// `kubectl delete`.
    pub(crate) fn delete(&mut self, kind: ObjectKind, name: &str) {
        self.objects
            .remove(&(kind, name.to_owned()))
            .unwrap_or_else(|| panic!("{kind} {name} is not there"));
        self.collect_garbage();
    }

    /// Creates or applies a user's credential, without any metadata.
    pub(crate) fn apply_credential(&mut self, name: &str, credential: &Credential) {
        let data: serde_json::Map<String, Value> = [
            ("tls.crt", &credential.tls_crt),
            ("tls.key", &credential.tls_key),
            ("ca.crt", &credential.ca_crt),
        ]
        .into_iter()
        .map(|(key, bytes)| {
            (
                key.to_owned(),
                if bytes.is_empty() {
                    Value::Null
                } else {
                    base64(bytes).into()
                },
            )
        })
        .collect();
        let mut body = json!({"data": data});
        if !self.has(ObjectKind::Secret, name) {
            body["type"] = "Opaque".into();
            body["data"]
                .as_object_mut()
                .unwrap()
                .retain(|_, value| !value.is_null());
        }
        self.apply(ObjectKind::Secret, name, body);
    }

    pub(crate) fn edit(&mut self, key: &(ObjectKind, String), change: impl FnOnce(&mut Value)) {
        let object = self
            .objects
            .get_mut(key)
            .unwrap_or_else(|| panic!("{} {} is not there", key.0, key.1));
        let before = object.clone();
        change(object);
        if object["spec"] != before["spec"] {
            let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
            object["metadata"]["generation"] = (generation + 1).into();
        }
        if *object != before {
            self.changed(key);
        }
    }

    // What the cluster does.

    fn uid(&mut self, key: &(ObjectKind, String)) -> String {
        self.version += 1;
        self.uids
            .get(key)
            .cloned()
            .unwrap_or_else(|| format!("uid-{}-{}-{}", key.0, key.1, self.version).to_lowercase())
    }

    fn changed(&mut self, key: &(ObjectKind, String)) {
        self.version += 1;
        let version = self.version.to_string();
        let address = self.address.clone();
        let Some(object) = self.objects.get_mut(key) else {
            return;
        };
        object["metadata"]["resourceVersion"] = version.into();
        drop_nulls(object);
        if key.0 == ObjectKind::Service {
            answer_service(object, address.as_deref());
        }
        self.collect_garbage();
    }

    /// Deletes what has owners, none of which is there.
    fn collect_garbage(&mut self) {
        loop {
            let uids: Vec<String> = self
                .objects
                .values()
                .filter_map(|object| object["metadata"]["uid"].as_str().map(str::to_owned))
                .collect();
            let before = self.objects.len();
            self.objects.retain(|_, object| {
                let owners = object["metadata"]["ownerReferences"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default();
                owners.is_empty()
                    || owners
                        .iter()
                        .any(|owner| uids.iter().any(|uid| owner["uid"] == uid.as_str()))
            });
            if self.objects.len() == before {
                return;
            }
        }
    }

    /// The cloud gives all load balancers another address.
    pub(crate) fn set_address(&mut self, address: Option<&str>) {
        self.address = address.map(str::to_owned);
        let services: Vec<_> = self
            .objects
            .keys()
            .filter(|key| key.0 == ObjectKind::Service)
            .cloned()
            .collect();
        for key in services {
            self.edit(&key, |service| {
                if let Some(fields) = service.as_object_mut() {
                    fields.remove("status");
                }
            });
            let address = self.address.clone();
            let mut changed = false;
            if let Some(service) = self.objects.get_mut(&key) {
                let before = service.clone();
                answer_service(service, address.as_deref());
                changed = *service != before;
            }
            if changed {
                self.changed(&key);
            }
        }
    }

    // What the shell does.

    pub(crate) fn observed(&self) -> Observed {
        Observed {
            namespace: self.namespace.clone(),
            sites: self.all(ObjectKind::Site),
            links: self.all(ObjectKind::Link),
            listeners: self.all(ObjectKind::Listener),
            connectors: self.all(ObjectKind::Connector),
            multi_key_listeners: self.all(ObjectKind::MultiKeyListener),
            attached_connectors: self.all(ObjectKind::AttachedConnector),
            attached_connector_bindings: self.all(ObjectKind::AttachedConnectorBinding),
            access_grants: self.all(ObjectKind::AccessGrant),
            access_tokens: self.all(ObjectKind::AccessToken),
            router_accesses: self.all(ObjectKind::RouterAccess),
            secured_accesses: self.all(ObjectKind::SecuredAccess),
            certificates: self.all(ObjectKind::Certificate),
            secrets: self.all(ObjectKind::Secret),
            config_maps: self.all(ObjectKind::ConfigMap),
            services: self.all(ObjectKind::Service),
            deployments: self.all(ObjectKind::Deployment),
            roles: self.all(ObjectKind::Role),
            role_bindings: self.all(ObjectKind::RoleBinding),
            service_accounts: self.all(ObjectKind::ServiceAccount),
            pods: self.all(ObjectKind::Pod),
            routes: self.all(ObjectKind::Route),
            outside: self.outside.clone(),
            failures: self.failures.clone(),
        }
    }

    fn all<K: DeserializeOwned>(&self, kind: ObjectKind) -> Objects<K> {
        let of_kind = self.objects.iter().filter(|((one, _), _)| *one == kind);
        of_kind
            .map(|((_, name), object)| {
                (
                    name.clone(),
                    Arc::new(serde_json::from_value(object.clone()).unwrap()),
                )
            })
            .collect()
    }

    /// Reconciles without carrying anything out.
    pub(crate) fn plan(&mut self) -> Plan {
        let observed = self.observed();
        reconcile(&observed, &self.settings, self.now, &mut self.memo)
    }

    /// Reconciles until there is nothing to do, and returns how many writes that took.
    pub(crate) fn settle(&mut self) -> usize {
        let before = self.writes.len();
        for _ in 0..40 {
            let mut plan = self.plan();
            self.wake_at = plan.wake_at;
            self.expirations = std::mem::take(&mut plan.expirations);
            if plan.is_empty() {
                return self.writes.len() - before;
            }
            self.events.append(&mut plan.events);
            self.carry_out(plan);
        }
        panic!(
            "does not come to rest; the last writes were {:#?}",
            &self.writes[self.writes.len().saturating_sub(6)..]
        );
    }

    /// Makes the writes of a plan.
    pub(crate) fn carry_out(&mut self, plan: Plan) {
        for write in plan.writes {
            self.execute(&write);
            self.writes.push(write);
        }
    }

    /// A controller that starts anew: nothing is remembered.
    pub(crate) fn restart(&mut self) {
        self.memo = Memo::default();
    }

    /// Lets time pass, and the controller act whenever it wants to be woken.
    pub(crate) fn advance(&mut self, span: SignedDuration) {
        let end = self.now.checked_add(span).unwrap();
        while let Some(wake) = self.wake_at.filter(|wake| *wake <= end) {
            assert!(
                wake > self.now,
                "woken again at {wake}, now is {}",
                self.now
            );
            self.now = wake;
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    fn execute(&mut self, write: &Write) {
        let (kind, name) = write.target();
        let key = (kind, name.to_owned());
        match write {
            Write::Create { body, .. } => {
                // 409 AlreadyExists otherwise: the object stays as it is.
                if !self.objects.contains_key(&key) {
                    self.create(kind, name, body.clone());
                }
            }
            Write::Apply { body, .. } => self.apply(kind, name, body.clone()),
            Write::Patch { patch, .. } => {
                let seen = self
                    .objects
                    .get(&key)
                    .unwrap_or_else(|| panic!("{kind} {name} to be patched is not there"));
                let wanted = &patch["metadata"]["resourceVersion"];
                assert_eq!(
                    *wanted, seen["metadata"]["resourceVersion"],
                    "{kind} {name}: stale patch {patch}"
                );
                let mut patch = patch.clone();
                patch["metadata"]
                    .as_object_mut()
                    .unwrap()
                    .remove("resourceVersion");
                let before = seen.clone();
                self.edit(&key, |object| merge(object, &patch));
                if let Some(after) = self.objects.get(&key) {
                    assert!(
                        *after != before,
                        "{kind} {name}: a patch that changes nothing: {patch}"
                    );
                }
            }
            Write::Status { patch, .. } => {
                let before = self.objects.get(&key).cloned();
                self.edit(&key, |object| merge(object, patch));
                assert!(
                    self.objects.get(&key) != before.as_ref(),
                    "{kind} {name}: a status that changes nothing: {patch}"
                );
            }
            Write::Delete {
                uid,
                resource_version,
                ..
            } => {
                let seen = &self.objects[&key]["metadata"];
                assert_eq!(
                    (seen["uid"].as_str(), seen["resourceVersion"].as_str()),
                    (Some(uid.as_str()), Some(resource_version.as_str()))
                );
                self.delete(kind, name);
            }
        }
    }

    // What a test looks at.

    pub(crate) fn has(&self, kind: ObjectKind, name: &str) -> bool {
        self.objects.contains_key(&(kind, name.to_owned()))
    }

    pub(crate) fn object(&self, kind: ObjectKind, name: &str) -> &Value {
        self.objects
            .get(&(kind, name.to_owned()))
            .unwrap_or_else(|| panic!("{kind} {name} is not there"))
    }

    pub(crate) fn typed<K: DeserializeOwned>(&self, kind: ObjectKind, name: &str) -> K {
        serde_json::from_value(self.object(kind, name).clone()).unwrap()
    }

    /// The one condition of a Certificate, as `jq -r .status.conditions[].message` prints it.
    pub(crate) fn certificate(&self, name: &str) -> Condition {
        let certificate: Certificate = self.typed(ObjectKind::Certificate, name);
        let status = certificate.status().cloned().unwrap_or_default();
        let [only] = status.conditions() else {
            panic!(
                "Certificate {name} has the conditions {:?}",
                status.conditions
            )
        };
        assert_eq!(status.message, only.message);
        only.clone()
    }

    /// A condition as `status/reason/message`.
    pub(crate) fn condition(&self, kind: ObjectKind, name: &str, type_: &str) -> String {
        let conditions = self.object(kind, name)["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let text = |condition: &Value, field: &str| {
            condition[field].as_str().unwrap_or_default().to_owned()
        };
        let found = conditions
            .iter()
            .find(|condition| condition["type"] == type_);
        found.map_or_else(
            || "absent".to_owned(),
            |found| {
                format!(
                    "{}/{}/{}",
                    text(found, "status"),
                    text(found, "reason"),
                    text(found, "message")
                )
            },
        )
    }

    /// `status.status/status.message`.
    pub(crate) fn summary(&self, kind: ObjectKind, name: &str) -> String {
        let status = &self.object(kind, name)["status"];
        format!(
            "{}/{}",
            status["status"].as_str().unwrap_or_default(),
            status["message"].as_str().unwrap_or_default()
        )
    }

    pub(crate) fn credential(&self, secret: &str) -> Credential {
        let secret: k8s_openapi::api::core::v1::Secret = self.typed(ObjectKind::Secret, secret);
        let data = secret.data.unwrap_or_default();
        Credential::from_data(|key| data.get(key).map(|value| value.0.as_slice()))
    }

    pub(crate) fn router_config(&self) -> skupper_management::RouterConfig {
        let text = self.object(ObjectKind::ConfigMap, "skupper-router")["data"]["skrouterd.json"]
            .as_str()
            .unwrap();
        skupper_management::RouterConfig::parse(text).unwrap()
    }

    pub(crate) fn profiles(&self) -> skupper_site::profiles::Profiles {
        skupper_site::profiles::of(&self.typed(ObjectKind::ConfigMap, "skupper-router"))
    }

    pub(crate) fn told(&self, reason: &str) -> Vec<&Event> {
        self.events
            .iter()
            .filter(|event| event.reason == reason)
            .collect()
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
