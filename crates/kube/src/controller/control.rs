//! Which controller a namespace belongs to (reference §7.3).

use skupper_site::{ControllerIdentity, Observed};

use super::kinds::CONTROL;

/// How this controller finds out which namespaces are its own.
#[derive(Clone, Debug)]
pub(super) struct Control {
    /// `<namespace>/<name>` of this controller.
    identity: String,
    /// Namespaces that name no controller are not its own either.
    explicit: bool,
}

/// Whose a namespace is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ownership {
    /// This controller's.
    Ours,
    /// Not this controller's; why.
    NotOurs(String),
}

impl Control {
    /// Namespaces have to name this controller if it watches only one or if `-require-explicit-control` is given.
    pub(super) fn new(controller: &ControllerIdentity, explicit: bool) -> Self {
        Control {
            identity: format!("{}/{}", controller.namespace, controller.name),
            explicit,
        }
    }

    /// Whose a namespace is, by the entry `controller` of its ConfigMap `skupper`.
    pub(super) fn ownership(&self, observed: &Observed) -> Ownership {
        let data = observed
            .config_maps
            .get(CONTROL)
            .and_then(|map| map.data.as_ref());
        match data
            .and_then(|data| data.get("controller"))
            .map(|named| named.trim())
        {
            None | Some("") if self.explicit => {
                Ownership::NotOurs("Ignoring resources in uncontrolled namespace".to_owned())
            }
            None | Some("") => Ownership::Ours,
            Some(named) => {
                let named = if named.contains('/') {
                    named.to_owned()
                } else {
                    format!("{}/{named}", observed.namespace)
                };
                if named == self.identity {
                    Ownership::Ours
                } else {
                    Ownership::NotOurs(format!(
                        "Ignoring resources in namespace controlled by another controller ({named})"
                    ))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn ours(explicit: bool, named: Option<&str>) -> bool {
        let controller = ControllerIdentity {
            name: "ctl".into(),
            namespace: "skupper".into(),
            version: String::new(),
        };
        let mut observed = Observed {
            namespace: "west".into(),
            ..Default::default()
        };
        if let Some(named) = named {
            let data = [("controller".to_owned(), named.to_owned())].into();
            observed.config_maps.insert(
                CONTROL.into(),
                Arc::new(ConfigMap {
                    data: Some(data),
                    ..Default::default()
                }),
            );
        }
        Control::new(&controller, explicit).ownership(&observed) == Ownership::Ours
    }

    #[test]
    fn the_table_of_the_reference() {
        for explicit in [false, true] {
            assert!(ours(explicit, Some("skupper/ctl")));
            assert!(!ours(explicit, Some("skupper/other")));
            // A bare name means the namespace's own.
            assert!(!ours(explicit, Some("ctl")));
            assert_eq!(ours(explicit, None), !explicit);
            assert_eq!(ours(explicit, Some("")), !explicit);
        }
    }
}
