//! One reconcile under way: what is known, and the plan as far as it has grown.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde::Serialize;
use serde_json::{Value, json};

use crate::names::APPLIED;
use crate::plan::{Event, EventType};
use crate::templates::Templates;
use crate::{Memo, ObjectKind, Observed, Plan, Settings, Write, compare, profiles};

/// One reconcile under way. The rooms add to it in the order of [`crate::reconcile`].
pub(crate) struct Pass<'a> {
    pub(crate) observed: &'a Observed,
    pub(crate) settings: &'a Settings,
    pub(crate) now: Timestamp,
    pub(crate) memo: &'a mut Memo,
    pub(crate) plan: Plan,
    templates: Templates,
    /// Statuses wait to the end: they tell of what is written before them.
    statuses: Vec<Write>,
    /// Secrets as they will be once the plan is carried out, where that differs from what was observed.
    issued: BTreeMap<String, Secret>,
}

impl<'a> Pass<'a> {
    pub(crate) fn new(
        observed: &'a Observed,
        settings: &'a Settings,
        now: Timestamp,
        memo: &'a mut Memo,
    ) -> Self {
        let (templates, notes) = Templates::read(observed);
        Pass {
            observed,
            settings,
            now,
            memo,
            plan: Plan {
                notes,
                ..Plan::default()
            },
            templates,
            statuses: Vec::new(),
            issued: BTreeMap::new(),
        }
    }

    /// The plan, statuses last.
    pub(crate) fn finish(mut self) -> Plan {
        self.plan.writes.append(&mut self.statuses);
        self.plan
    }

    /// The Secret as it will be once the plan is carried out.
    pub(crate) fn secret(&self, name: &str) -> Option<&Secret> {
        self.issued
            .get(name)
            .or_else(|| self.observed.secrets.get(name).map(|secret| &**secret))
    }

    /// Brings a Secret to what is wanted, and remembers it. `wanted` is complete for one that does not exist.
    pub(crate) fn write_secret(&mut self, name: &str, wanted: Value) {
        let seen = self.observed.secrets.get(name).map(|seen| &**seen);
        let Some(after) = self.change(ObjectKind::Secret, seen, wanted) else {
            return;
        };
        if let Ok(secret) = serde_json::from_value(after) {
            self.issued.insert(name.to_owned(), secret);
        }
    }

    /// Sets (or removes) one annotation of a Secret, whoever's it is, and nothing else of it.
    pub(crate) fn annotate_secret(&mut self, name: &str, key: &str, value: Option<String>) {
        let value = value.map_or(Value::Null, Value::String);
        if let Some(Write::Create { body, .. } | Write::Patch { patch: body, .. }) =
            self.plan.writes.iter_mut().find(|write| {
                matches!(write, Write::Create { .. } | Write::Patch { .. })
                    && write.target() == (ObjectKind::Secret, name)
            })
        {
            // It is written in this plan anyhow.
            body["metadata"]["annotations"][key] = value;
        } else if let Some(seen) = self.observed.secrets.get(name) {
            let mut patch = json!({"metadata": {"annotations": {key: value}}});
            set_version(&mut patch, &seen.metadata);
            self.plan.writes.push(Write::Patch {
                kind: ObjectKind::Secret,
                name: name.to_owned(),
                patch,
            });
        }
    }

    /// Wants an object to be there with the fields of `wanted`; what else it has is left alone. Writes if it differs.
    ///
    /// `wanted` has no namespace and no resource version; both are filled in.
    pub(crate) fn want<K: Serialize>(&mut self, kind: ObjectKind, seen: Option<&K>, wanted: Value) {
        self.change(kind, seen, wanted);
    }

    /// The same for an object whose whole `spec` is ours: what it has beyond the wanted one goes.
    pub(crate) fn want_exactly<K: Serialize>(
        &mut self,
        kind: ObjectKind,
        seen: Option<&K>,
        mut wanted: Value,
    ) {
        let seen_spec = seen
            .and_then(|seen| serde_json::to_value(seen).ok())
            .map(|mut seen| seen["spec"].take());
        if let (Some(Value::Object(seen)), Some(Value::Object(spec))) =
            (seen_spec, wanted.get_mut("spec"))
        {
            for key in seen
                .keys()
                .filter(|key| !spec.contains_key(*key))
                .cloned()
                .collect::<Vec<_>>()
            {
                spec.insert(key, Value::Null);
            }
        }
        self.change(kind, seen, wanted);
    }

    /// Adds the write that brings an object to what is wanted; returns what it is then, if there is something to write.
    fn change<K: Serialize>(
        &mut self,
        kind: ObjectKind,
        seen: Option<&K>,
        wanted: Value,
    ) -> Option<Value> {
        let body = self.complete(kind, wanted);
        let name = text(&body, "name").to_owned();
        let Some(seen) = seen.and_then(|seen| serde_json::to_value(seen).ok()) else {
            self.plan.writes.push(Write::Create {
                kind,
                name,
                body: body.clone(),
            });
            return Some(body);
        };
        let mut patch = compare::patch(&seen, &strip(body))?;
        let mut after = seen;
        apply_patch(&mut after, &patch);
        if let Some(version) = after["metadata"]["resourceVersion"].as_str() {
            patch["metadata"]["resourceVersion"] = version.into();
        }
        // What it will be is known by content, not by a version that somebody else's change might get.
        if let Some(meta) = after["metadata"].as_object_mut() {
            meta.remove("resourceVersion");
        }
        self.plan.writes.push(Write::Patch { kind, name, patch });
        Some(after)
    }

    /// Wants an object as upstream's controller applies it.
    ///
    /// A digest of what is wanted stands in an annotation, so that a field which is not wanted any more is noticed (and goes
    /// with the next apply, since it was ours).
    pub(crate) fn apply<K: Serialize>(
        &mut self,
        kind: ObjectKind,
        seen: Option<&K>,
        wanted: Value,
    ) {
        let mut body = self.complete(kind, wanted);
        body["metadata"]["annotations"][APPLIED] =
            profiles::digest(&[&body.to_string()])[..16].into();
        let seen = seen.and_then(|seen| serde_json::to_value(seen).ok());
        if seen.is_some_and(|seen| compare::fulfils(&seen, &strip(body.clone()))) {
            return;
        }
        let name = text(&body, "name").to_owned();
        self.plan.writes.push(Write::Apply { kind, name, body });
    }

    /// Fills in what every object has.
    fn complete(&self, kind: ObjectKind, mut body: Value) -> Value {
        let name = text(&body, "name").to_owned();
        body["apiVersion"] = kind.api_version().into();
        body["kind"] = kind.kind().into();
        body["metadata"]["namespace"] = self.observed.namespace.as_str().into();
        self.templates.apply(kind, &name, &mut body["metadata"]);
        body
    }

    /// Adds a write as it is.
    pub(crate) fn write(&mut self, write: Write) {
        self.plan.writes.push(write);
    }

    /// Deletes an object if it still is the one that was observed.
    pub(crate) fn delete(&mut self, kind: ObjectKind, meta: &ObjectMeta) {
        if meta.deletion_timestamp.is_some() {
            return;
        }
        self.plan.writes.push(Write::Delete {
            kind,
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            resource_version: meta.resource_version.clone().unwrap_or_default(),
        });
    }

    /// Writes a status if it differs from the one that was seen.
    pub(crate) fn set_status<S: Serialize + PartialEq>(
        &mut self,
        kind: ObjectKind,
        name: &str,
        seen: Option<&S>,
        wanted: &S,
    ) {
        if seen == Some(wanted) {
            return;
        }
        let wanted = serde_json::to_value(wanted).unwrap_or_default();
        let seen = seen
            .and_then(|seen| serde_json::to_value(seen).ok())
            .unwrap_or_default();
        // Times have whole seconds in the API: what differs only below that is the same there.
        let Some(patch) = compare::merge_patch(&seen, &wanted) else {
            return;
        };
        self.statuses.push(Write::Status {
            kind,
            name: name.to_owned(),
            patch: json!({"status": patch}),
        });
    }

    /// Tells people of something, once.
    ///
    /// `occurrence` makes the difference between two Events of the same reason about the same object.
    pub(crate) fn tell(
        &mut self,
        kind: ObjectKind,
        meta: &ObjectMeta,
        type_: EventType,
        reason: &'static str,
        occurrence: &str,
        message: String,
    ) {
        let object = meta.name.clone().unwrap_or_default();
        let uid = meta.uid.clone().unwrap_or_default();
        let digest = profiles::digest(&[kind.kind(), &object, &uid, reason, occurrence]);
        // An object's name may have 253 characters, as the Event's.
        let name = format!(
            "{}.{}",
            object
                .chars()
                .take(200)
                .collect::<String>()
                .trim_end_matches('.'),
            &digest[..16]
        );
        if self.memo.told.insert(name.clone()) {
            self.plan.events.push(Event {
                name,
                kind,
                object,
                uid,
                type_,
                reason,
                message,
            });
        }
    }

    /// What the API server said when an object was last written, if it refused.
    pub(crate) fn failure(&self, kind: ObjectKind, name: &str) -> Option<&'a str> {
        if self.observed.failures.is_empty() {
            return None;
        }
        self.observed
            .failures
            .get(&(kind, name.to_owned()))
            .map(String::as_str)
    }
}

/// A field of `metadata`.
fn text<'v>(body: &'v Value, field: &str) -> &'v str {
    body["metadata"][field].as_str().unwrap_or_default()
}

/// Without what identifies the object: kinds without `apiVersion` in their type would seem to differ.
fn strip(mut body: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.remove("apiVersion");
        fields.remove("kind");
        if let Some(meta) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.remove("name");
            meta.remove("namespace");
        }
    }
    body
}

fn set_version(patch: &mut Value, meta: &ObjectMeta) {
    if let Some(version) = &meta.resource_version {
        patch["metadata"]["resourceVersion"] = version.as_str().into();
    }
}

/// Applies a JSON merge patch (RFC 7396).
pub(crate) fn apply_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(fields) = target.as_object_mut() else {
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            fields.remove(key);
        } else {
            apply_patch(fields.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// The owner reference to an object, as upstream writes it; `None` while it has no uid.
pub(crate) fn owner(kind: ObjectKind, meta: &ObjectMeta) -> Option<OwnerReference> {
    Some(OwnerReference {
        api_version: kind.api_version(),
        kind: kind.kind().to_owned(),
        name: meta.name.clone()?,
        uid: meta.uid.clone()?,
        ..OwnerReference::default()
    })
}
