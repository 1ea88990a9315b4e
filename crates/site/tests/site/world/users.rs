//! What users do, with kubectl.

use serde_json::{Value, json};
use skupper_pki::Credential;
use skupper_site::ObjectKind;

use super::{World, base64, merge, seconds};

impl World {
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
}
