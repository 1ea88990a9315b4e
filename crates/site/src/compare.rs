//! Whether an object is as it is wanted, and what to send if it is not.
//!
//! Wanted objects name only the fields that matter; the API server and others add theirs. Lists whose items have names
//! (or uids, as owner references do) are compared item by item whatever their order.

use serde_json::{Map, Value};

use crate::quantity::nanos;

/// The lists in which more items than the wanted ones are wrong. Elsewhere (containers, volumes, owners) others may add.
const EXCLUSIVE: [&str; 2] = ["ports", "roles"];

/// The maps in which more keys than the wanted ones are wrong.
const EXACT: [&str; 2] = ["selector", "settings"];

/// The fields that hold quantities, of which one value has several spellings.
const QUANTITIES: [&str; 2] = ["cpu", "memory"];

/// Whether `seen` has everything that is wanted, and nothing that must not be.
pub(crate) fn fulfils(seen: &Value, wanted: &Value) -> bool {
    same(wanted, seen, "")
}

fn same(wanted: &Value, seen: &Value, field: &str) -> bool {
    match (wanted, seen) {
        (Value::Object(wanted), Value::Object(seen)) => {
            let exact = !EXACT.contains(&field) || seen.keys().all(|key| wanted.contains_key(key));
            exact
                && wanted.iter().all(|(key, wanted)| match seen.get(key) {
                    Some(seen) => same(wanted, seen, key),
                    None => is_empty(wanted),
                })
        }
        (Value::Array(wanted), Value::Array(seen)) => same_list(wanted, seen, field),
        (Value::String(wanted), Value::String(seen)) if QUANTITIES.contains(&field) => {
            wanted == seen || nanos(wanted).is_some_and(|wanted| Some(wanted) == nanos(seen))
        }
        (wanted, Value::Null) => is_empty(wanted),
        (wanted, seen) => wanted == seen,
    }
}

fn same_list(wanted: &[Value], seen: &[Value], field: &str) -> bool {
    let Some(key) = merge_key(wanted) else {
        return wanted.len() == seen.len()
            && wanted
                .iter()
                .zip(seen)
                .all(|(wanted, seen)| same(wanted, seen, ""));
    };
    let item = |wanted: &Value| seen.iter().find(|seen| seen.get(key) == wanted.get(key));
    (!EXCLUSIVE.contains(&field) || seen.len() == wanted.len())
        && wanted
            .iter()
            .all(|wanted| item(wanted).is_some_and(|seen| same(wanted, seen, "")))
}

/// The field by which the items of a list are told apart.
fn merge_key(items: &[Value]) -> Option<&'static str> {
    ["uid", "name"]
        .into_iter()
        .find(|key| !items.is_empty() && items.iter().all(|item| item.get(key).is_some()))
}

/// An empty value is the same as none: the API server drops it.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Number(_) => false,
    }
}

/// The merge patch that makes `seen` fulfil what is wanted; `None` if it does.
pub(crate) fn patch(seen: &Value, wanted: &Value) -> Option<Value> {
    if fulfils(seen, wanted) {
        return None;
    }
    let mut imposed = seen.clone();
    impose(wanted, &mut imposed, "");
    merge_patch(seen, &imposed)
}

/// Brings what was seen to what is wanted.
fn impose(wanted: &Value, seen: &mut Value, field: &str) {
    match (wanted, seen) {
        (Value::Object(wanted), Value::Object(seen)) => {
            if EXACT.contains(&field) {
                seen.retain(|key, _| wanted.contains_key(key));
            }
            for (key, wanted) in wanted {
                match wanted {
                    Value::Null => {
                        seen.remove(key);
                    }
                    wanted => impose(wanted, seen.entry(key.clone()).or_insert(Value::Null), key),
                }
            }
        }
        (Value::Array(wanted), Value::Array(seen)) => match merge_key(wanted) {
            None => seen.clone_from(wanted),
            Some(key) => {
                let is_wanted =
                    |seen: &Value| wanted.iter().any(|wanted| seen.get(key) == wanted.get(key));
                if EXCLUSIVE.contains(&field) {
                    seen.retain(is_wanted);
                }
                for wanted in wanted {
                    match seen
                        .iter_mut()
                        .find(|seen| seen.get(key) == wanted.get(key))
                    {
                        Some(seen) => impose(wanted, seen, ""),
                        None => seen.push(wanted.clone()),
                    }
                }
            }
        },
        (wanted, seen) => seen.clone_from(wanted),
    }
}

/// The JSON merge patch (RFC 7396) from one value to another; `None` if they are equal.
pub(crate) fn merge_patch(from: &Value, to: &Value) -> Option<Value> {
    if from == to {
        return None;
    }
    let Value::Object(to) = to else {
        return Some(to.clone());
    };
    let none = Map::new();
    let from = from.as_object().unwrap_or(&none);
    let mut patch = Map::new();
    for (key, value) in to {
        match from.get(key) {
            None => {
                patch.insert(key.clone(), value.clone());
            }
            Some(before) => {
                if let Some(change) = merge_patch(before, value) {
                    patch.insert(key.clone(), change);
                }
            }
        }
    }
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    Some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_add_is_no_difference() {
        let wanted = json!({"spec": {"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}], "x": "", "y": false}});
        let seen = json!({"spec": {"clusterIP": "10.0.0.1", "ports": [
            {"name": "b", "port": 2, "nodePort": 30000}, {"name": "a", "port": 1, "protocol": "TCP"}]}});
        assert_eq!(patch(&seen, &wanted), None);
    }

    #[test]
    fn a_port_too_many_goes_and_the_others_keep_what_they_have() {
        let wanted =
            json!({"spec": {"ports": [{"name": "a", "port": 1}, {"name": "c", "port": 3}]}});
        let seen = json!({"spec": {"ports": [{"name": "a", "port": 1, "nodePort": 3}, {"name": "b", "port": 2}]}});
        let expected = json!({"spec": {"ports": [{"name": "a", "port": 1, "nodePort": 3}, {"name": "c", "port": 3}]}});
        assert_eq!(patch(&seen, &wanted), Some(expected));
    }

    #[test]
    fn owners_of_others_stay() {
        let wanted = json!({"metadata": {"ownerReferences": [{"uid": "1", "name": "a"}]}});
        let seen = json!({"metadata": {"ownerReferences": [{"uid": "2", "name": "a"}]}});
        let expected = json!({"metadata": {"ownerReferences": [{"uid": "2", "name": "a"}, {"uid": "1", "name": "a"}]}});
        assert_eq!(patch(&seen, &wanted), Some(expected));
    }

    #[test]
    fn lists_without_names_are_compared_as_a_whole() {
        let wanted = json!({"rules": [{"verbs": ["get", "list"]}]});
        assert_eq!(
            patch(&json!({"rules": [{"verbs": ["get", "list"]}]}), &wanted),
            None
        );
        assert_eq!(
            patch(&json!({"rules": [{"verbs": ["get"]}]}), &wanted),
            Some(wanted.clone())
        );
        let more = json!({"rules": [{"verbs": ["get", "list"]}, {"verbs": ["*"]}]});
        assert_eq!(patch(&more, &wanted), Some(wanted));
    }

    #[test]
    fn null_and_exact_maps_remove() {
        let wanted = json!({"spec": {"a": null, "settings": {"x": "1"}}});
        let seen = json!({"spec": {"a": "1", "b": "2", "settings": {"x": "1", "y": "2"}}});
        assert_eq!(
            patch(&seen, &wanted),
            Some(json!({"spec": {"a": null, "settings": {"y": null}}}))
        );
    }

    #[test]
    fn quantities_are_compared_by_value() {
        let seen = json!({"requests": {"cpu": "500m", "memory": "1Gi"}});
        assert_eq!(
            patch(
                &seen,
                &json!({"requests": {"cpu": "0.5", "memory": "1024Mi"}})
            ),
            None
        );
        assert!(patch(&seen, &json!({"requests": {"cpu": "0.6"}})).is_some());
    }

    #[test]
    fn a_merge_patch_removes_what_is_gone() {
        let patch = merge_patch(
            &json!({"a": 1, "b": {"c": 1, "d": 2}}),
            &json!({"b": {"c": 1, "e": 3}}),
        );
        assert_eq!(patch, Some(json!({"a": null, "b": {"d": null, "e": 3}})));
        assert_eq!(merge_patch(&json!({"a": 1}), &json!({"a": 1})), None);
    }
}
