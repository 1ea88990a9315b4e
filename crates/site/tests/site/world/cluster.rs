//! What the API server, the garbage collector and a cloud do.

use skupper_site::ObjectKind;

use super::{World, answer_service, drop_nulls};

impl World {
    pub(super) fn uid(&mut self, key: &(ObjectKind, String)) -> String {
        self.version += 1;
        self.uids
            .get(key)
            .cloned()
            .unwrap_or_else(|| format!("uid-{}-{}-{}", key.0, key.1, self.version).to_lowercase())
    }

    pub(super) fn changed(&mut self, key: &(ObjectKind, String)) {
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
    pub(super) fn collect_garbage(&mut self) {
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
}
