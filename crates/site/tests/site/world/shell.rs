//! What the controller's shell does round the model.

use std::sync::Arc;

use jiff::SignedDuration;
use serde::de::DeserializeOwned;
use skupper_site::{Memo, ObjectKind, Objects, Observed, Plan, Write, reconcile};

use super::{World, merge};

impl World {
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
}
