//! Sizing profiles: CPU and memory of the router's pod (reference §3.6).

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};
use skupper_api::Site;

use crate::Objects;
use crate::names::{DEFAULT_SITE_SIZING, SITE_SIZING};
use crate::quantity::nanos;

/// `resources` of the containers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Resources {
    pub(super) router: Value,
    pub(super) adaptor: Value,
}

const KEYS: [&str; 8] = [
    "router-cpu-request",
    "router-cpu-limit",
    "router-memory-request",
    "router-memory-limit",
    "adaptor-cpu-request",
    "adaptor-cpu-limit",
    "adaptor-memory-request",
    "adaptor-memory-limit",
];

/// The resources of a Site, and what there is to log of the profile.
pub(super) fn of(site: &Site, sizings: &Objects<ConfigMap>) -> (Resources, Vec<String>) {
    let mut resources = Resources {
        router: json!({}),
        adaptor: json!({}),
    };
    let mut notes = Vec::new();
    let Some(profile) = profile(site, sizings) else {
        return (resources, notes);
    };
    let place = || {
        let meta = &profile.metadata;
        format!(
            "{}/{}",
            meta.namespace.as_deref().unwrap_or_default(),
            meta.name.as_deref().unwrap_or_default()
        )
    };
    for (key, value) in profile.data.iter().flatten() {
        if !KEYS.contains(&key.as_str()) {
            notes.push(format!("Ignoring key {key} in {}", place()));
            continue;
        }
        if nanos(value).is_none() {
            notes.push(format!(
                "Bad value for {key} in {}: \"{value}\" is not a quantity, such as 500m or 1Gi",
                place()
            ));
            continue;
        }
        let mut parts = key.split('-');
        if let (Some(container), Some(resource), Some(kind)) =
            (parts.next(), parts.next(), parts.next())
        {
            let of = if container == "router" {
                &mut resources.router
            } else {
                &mut resources.adaptor
            };
            of[format!("{kind}s")][resource] = value.as_str().into();
        }
    }
    (resources, notes)
}

/// The profile that the Site names, or the default one.
fn profile<'a>(site: &Site, sizings: &'a Objects<ConfigMap>) -> Option<&'a ConfigMap> {
    let label = |sizing: &ConfigMap| {
        sizing
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(SITE_SIZING).cloned())
    };
    let named = site.spec.settings.get("size").and_then(|size| {
        sizings
            .values()
            .find(|one| label(one).as_ref() == Some(size))
    });
    let is_default = |sizing: &&std::sync::Arc<ConfigMap>| {
        sizing
            .metadata
            .annotations
            .as_ref()
            .is_some_and(|annotations| annotations.contains_key(DEFAULT_SITE_SIZING))
    };
    named
        .or_else(|| sizings.values().find(is_default))
        .map(|sizing| &**sizing)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_profile_sets_what_can_be_read_and_says_what_cannot() {
        let sizing: ConfigMap = serde_json::from_value(json!({
            "metadata": {"name": "big", "namespace": "skupper", "labels": {SITE_SIZING: "big"}},
            "data": {"router-cpu-request": "2", "adaptor-memory-limit": "64Mi", "router-memory-limit": "much", "colour": "red"},
        }))
        .unwrap();
        let mut sizings = Objects::new();
        sizings.insert("big".to_owned(), Arc::new(sizing));
        let mut site = Site::default();
        assert_eq!(
            of(&site, &sizings).0,
            Resources {
                router: json!({}),
                adaptor: json!({})
            }
        );
        site.spec
            .settings
            .insert("size".to_owned(), "big".to_owned());
        let (resources, notes) = of(&site, &sizings);
        assert_eq!(resources.router, json!({"requests": {"cpu": "2"}}));
        assert_eq!(resources.adaptor, json!({"limits": {"memory": "64Mi"}}));
        assert_eq!(notes.len(), 2);
        assert!(
            notes
                .iter()
                .any(|note| note.starts_with("Bad value for router-memory-limit in skupper/big: ")),
            "{notes:?}"
        );
        assert!(
            notes
                .iter()
                .any(|note| note == "Ignoring key colour in skupper/big"),
            "{notes:?}"
        );
    }
}
