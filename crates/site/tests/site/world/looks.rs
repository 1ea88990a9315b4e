//! What tests look at.

use serde::de::DeserializeOwned;
use serde_json::Value;
use skupper_api::{Certificate, Condition, Kind, StatusFields};
use skupper_pki::Credential;
use skupper_site::{Event, ObjectKind};

use super::World;

impl World {
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
