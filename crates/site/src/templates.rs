//! Label templates: ConfigMaps whose labels and annotations are copied onto what is made (reference §7.6).

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

use crate::names::LABEL_TEMPLATE;
use crate::selector::Selector;
use crate::{ObjectKind, Observed};

/// The templates that apply in a namespace, those of the controller's namespace last, so that they win.
#[derive(Debug, Default)]
pub(crate) struct Templates(Vec<Template>);

#[derive(Debug)]
struct Template {
    kind: Option<String>,
    name: Option<String>,
    selector: Selector,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// Never copied.
const NEVER: [&str; 2] = [
    LABEL_TEMPLATE,
    "kubectl.kubernetes.io/last-applied-configuration",
];

impl Templates {
    /// Reads them; what cannot be read is left out and told.
    pub(crate) fn read(observed: &Observed) -> (Self, Vec<String>) {
        let is_template = |map: &&std::sync::Arc<ConfigMap>| {
            map.metadata
                .labels
                .as_ref()
                .is_some_and(|labels| labels.contains_key(LABEL_TEMPLATE))
        };
        let own = observed.config_maps.values().filter(is_template);
        let (mut templates, mut notes) = (Vec::new(), Vec::new());
        for map in own.chain(observed.outside.templates.values()) {
            match Template::read(map) {
                Ok(template) => templates.push(template),
                Err(error) => notes.push(format!(
                    "label template {} is ignored: {error}",
                    map.metadata.name.as_deref().unwrap_or_default()
                )),
            }
        }
        (Templates(templates), notes)
    }

    /// Copies labels and annotations onto the metadata of an object that is made.
    pub(crate) fn apply(&self, kind: ObjectKind, name: &str, meta: &mut Value) {
        for template in &self.0 {
            let matches = template
                .kind
                .as_deref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(kind.kind()))
                && template.name.as_deref().is_none_or(|wanted| wanted == name)
                && template.selector.matches(labels(meta).as_ref());
            if !matches {
                continue;
            }
            for (field, values) in [
                ("labels", &template.labels),
                ("annotations", &template.annotations),
            ] {
                for (key, value) in values {
                    meta[field][key] = value.as_str().into();
                }
            }
        }
    }
}

fn labels(meta: &Value) -> Option<BTreeMap<String, String>> {
    serde_json::from_value(meta.get("labels")?.clone()).ok()
}

impl Template {
    fn read(map: &ConfigMap) -> Result<Self, crate::selector::SelectorError> {
        let data = |key: &str| {
            map.data
                .as_ref()
                .and_then(|data| data.get(key))
                .filter(|value| !value.is_empty())
        };
        let excluded: BTreeSet<&str> = data("exclude")
            .into_iter()
            .flat_map(|keys| keys.split(',').map(str::trim))
            .collect();
        let copied = |all: &Option<BTreeMap<String, String>>| {
            let mut all = all.clone().unwrap_or_default();
            all.retain(|key, _| !NEVER.contains(&key.as_str()) && !excluded.contains(key.as_str()));
            all
        };
        Ok(Template {
            kind: data("kind").cloned(),
            name: data("name").cloned(),
            selector: Selector::parse(data("labelSelector").map_or("", String::as_str))?,
            labels: copied(&map.metadata.labels),
            annotations: copied(&map.metadata.annotations),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    #[test]
    fn what_matches_gets_labels_and_annotations() {
        let map = |name: &str, data: Value| -> Arc<ConfigMap> {
            let meta = json!({"name": name, "labels": {LABEL_TEMPLATE: "", "team": name}, "annotations": {"note": "x", "other": "y"}});
            Arc::new(serde_json::from_value(json!({"metadata": meta, "data": data})).unwrap())
        };
        let mut observed = Observed::default();
        observed.config_maps.insert(
            "a".to_owned(),
            map("a", json!({"kind": "Service", "exclude": "other"})),
        );
        observed
            .config_maps
            .insert("b".to_owned(), map("b", json!({"labelSelector": "(("})));
        observed
            .outside
            .templates
            .insert("c".to_owned(), map("c", json!({"labelSelector": "x=1"})));
        let (templates, notes) = Templates::read(&observed);
        assert_eq!(notes.len(), 1, "{notes:?}");
        let mut meta = json!({"name": "s"});
        templates.apply(ObjectKind::Service, "s", &mut meta);
        assert_eq!(
            meta,
            json!({"name": "s", "labels": {"team": "a"}, "annotations": {"note": "x"}})
        );
        let mut meta = json!({"name": "s", "labels": {"x": "1"}});
        templates.apply(ObjectKind::Secret, "s", &mut meta);
        assert_eq!(meta["labels"], json!({"x": "1", "team": "c"}));
    }
}
