//! The kinds that are watched, and what is kept of their objects.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::NamespaceResourceScope;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use skupper_api::{
    AccessGrant, AccessToken, AttachedConnector, AttachedConnectorBinding, Certificate, Connector,
    Link, Listener, MultiKeyListener, RouterAccess, SecuredAccess, Site,
};
use skupper_site::access::Route;
use skupper_site::{ObjectKind, Objects, Observed, names};

/// ConfigMap that says which controller a namespace belongs to (reference §7.3).
pub(super) const CONTROL: &str = "skupper";
/// ConfigMap of the controller's namespace with its log level (reference §7.4).
pub(super) const LOG_CONFIG: &str = "skupper-log-config";

/// A kind that is watched, as the API server sends it.
pub(super) trait Watched:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + DeserializeOwned
    + Clone
    + Debug
    + Send
    + Sync
    + 'static
{
    /// The kind.
    const KIND: ObjectKind;
    /// A label selector for those that matter, or nothing.
    const LABELS: &'static str = "";
    /// A field selector for those that matter, or nothing.
    const FIELDS: &'static str = "";
    /// Objects as the model of a site wants them.
    type Object: Send + Sync + 'static;

    /// Where they stand.
    fn objects(observed: &mut Observed) -> &mut Objects<Self::Object>;
    /// Metadata of one.
    fn metadata(object: &Self::Object) -> &ObjectMeta;
    /// Whether an object matters at all.
    fn matters(&self) -> bool {
        true
    }
    /// What is kept of it.
    fn reduce(self) -> Self::Object;
}

/// A change to what is known of a namespace. Tells whether it was news.
pub(super) type Change = Box<dyn FnOnce(&mut Observed) -> bool + Send>;

/// An object that was seen. An older version than the one that is known is no news.
pub(super) fn seen<K: Watched>(object: K) -> Change {
    let name = object.meta().name.clone().unwrap_or_default();
    if !object.matters() {
        return Box::new(move |observed| K::objects(observed).remove(&name).is_some());
    }
    let object = Arc::new(object.reduce());
    Box::new(move |observed| {
        let objects = K::objects(observed);
        let known = objects.get(&name).map(|known| K::metadata(known));
        if known.is_some_and(|known| !newer(K::metadata(&object), known)) {
            return false;
        }
        objects.insert(name, object);
        true
    })
}

/// An object that was deleted, in its last version. If a newer one of the same name is known, that stays.
pub(super) fn gone<K: Watched>(object: &K) -> Change {
    let name = object.meta().name.clone().unwrap_or_default();
    let last = ObjectMeta {
        resource_version: object.meta().resource_version.clone(),
        ..Default::default()
    };
    Box::new(move |observed| {
        let objects = K::objects(observed);
        if objects
            .get(&name)
            .is_some_and(|known| newer(K::metadata(known), &last))
        {
            return false;
        }
        objects.remove(&name).is_some()
    })
}

/// All names of a kind that a complete list had: others are gone.
pub(super) fn only<K: Watched>(names: HashSet<String>) -> Change {
    Box::new(move |observed| {
        let objects = K::objects(observed);
        let before = objects.len();
        objects.retain(|name, _| names.contains(name));
        objects.len() != before
    })
}

/// Whether a namespace has resources of ours.
pub(super) fn has_resources(observed: &Observed) -> bool {
    !(observed.sites.is_empty()
        && observed.links.is_empty()
        && observed.listeners.is_empty()
        && observed.connectors.is_empty()
        && observed.multi_key_listeners.is_empty()
        && observed.attached_connectors.is_empty()
        && observed.attached_connector_bindings.is_empty()
        && observed.access_grants.is_empty()
        && observed.access_tokens.is_empty()
        && observed.router_accesses.is_empty()
        && observed.secured_accesses.is_empty()
        && observed.certificates.is_empty())
}

/// Whether nothing at all is known of a namespace.
pub(super) fn is_blank(observed: &Observed) -> bool {
    !has_resources(observed)
        && observed.secrets.is_empty()
        && observed.config_maps.is_empty()
        && observed.services.is_empty()
        && observed.service_accounts.is_empty()
        && observed.pods.is_empty()
        && observed.deployments.is_empty()
        && observed.roles.is_empty()
        && observed.role_bindings.is_empty()
        && observed.routes.is_empty()
}

/// Whether a version is newer than another. Resource versions are increasing numbers (Kubernetes promises it since 1.35,
/// and it was so before); where they are not, the one that comes later counts.
fn newer(this: &ObjectMeta, known: &ObjectMeta) -> bool {
    let number = |meta: &ObjectMeta| {
        meta.resource_version
            .as_deref()
            .and_then(|version| version.parse::<u64>().ok())
    };
    match (number(this), number(known)) {
        (Some(this), Some(known)) => this > known,
        _ => this.resource_version != known.resource_version,
    }
}

macro_rules! watched {
    ($($kind:ident => $field:ident $({ $($more:tt)* })?;)+) => {$(
        impl Watched for $kind {
            const KIND: ObjectKind = ObjectKind::$kind;
            type Object = $kind;

            fn objects(observed: &mut Observed) -> &mut Objects<$kind> {
                &mut observed.$field
            }
            fn metadata(object: &$kind) -> &ObjectMeta {
                &object.metadata
            }
            watched!(@rest $({ $($more)* })?);
        }
    )+};
    (@rest { $($more:tt)* }) => { $($more)* };
    (@rest) => {
        fn reduce(mut self) -> Self {
            self.metadata.managed_fields = None;
            self
        }
    };
}

watched! {
    Site => sites;
    Link => links;
    Listener => listeners;
    Connector => connectors;
    MultiKeyListener => multi_key_listeners;
    AttachedConnector => attached_connectors;
    AttachedConnectorBinding => attached_connector_bindings;
    AccessGrant => access_grants;
    AccessToken => access_tokens;
    RouterAccess => router_accesses;
    SecuredAccess => secured_accesses;
    Certificate => certificates;
    Secret => secrets {
        // Helm keeps whole releases in Secrets, up to a megabyte each.
        const FIELDS: &'static str = "type!=helm.sh/release.v1";
        fn reduce(mut self) -> Self {
            self.metadata.managed_fields = None;
            self
        }
    };
    ConfigMap => config_maps {
        fn matters(&self) -> bool {
            let name = self.metadata.name.as_deref().unwrap_or_default();
            let labels = self.metadata.labels.as_ref();
            let labelled = |label: &str| labels.is_some_and(|labels| labels.contains_key(label));
            [names::NETWORK_STATUS, names::ROUTER_REPORT, names::ROUTER, CONTROL, LOG_CONFIG].contains(&name)
                || [names::ROUTER_CONFIG, names::LABEL_TEMPLATE, names::SITE_SIZING].into_iter().any(labelled)
        }
        fn reduce(mut self) -> Self {
            self.metadata.managed_fields = None;
            self
        }
    };
    Service => services;
    ServiceAccount => service_accounts {
        const FIELDS: &'static str = "metadata.name=skupper-router";
        fn reduce(mut self) -> Self {
            self.metadata.managed_fields = None;
            self
        }
    };
    Role => roles {
        const FIELDS: &'static str = "metadata.name=skupper-router";
        fn reduce(mut self) -> Self {
            self.metadata.managed_fields = None;
            self
        }
    };
    RoleBinding => role_bindings {
        const FIELDS: &'static str = "metadata.name=skupper-router";
        fn reduce(mut self) -> Self {
            self.metadata.managed_fields = None;
            self
        }
    };
    Deployment => deployments {
        const LABELS: &'static str = "skupper.io/component=router";
        fn reduce(mut self) -> Self {
            self.metadata.managed_fields = None;
            self
        }
    };
    Pod => pods {
        // A cluster has many pods, and a pod has much to say.
        fn reduce(self) -> Self {
            let ObjectMeta { name, namespace, uid, labels, deletion_timestamp, resource_version, .. } = self.metadata;
            let status = self.status.map(|status| k8s_openapi::api::core::v1::PodStatus {
                phase: status.phase,
                pod_ip: status.pod_ip,
                conditions: status.conditions,
                ..Default::default()
            });
            Pod {
                metadata: ObjectMeta {
                    name, namespace, uid, labels, deletion_timestamp, resource_version, ..Default::default()
                },
                spec: None,
                status,
            }
        }
    };
}

/// An OpenShift Route as it comes from the API server.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct WatchedRoute(Route);

impl Resource for WatchedRoute {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(_: &()) -> std::borrow::Cow<'_, str> {
        ObjectKind::Route.kind().into()
    }
    fn group(_: &()) -> std::borrow::Cow<'_, str> {
        ObjectKind::Route.group().into()
    }
    fn version(_: &()) -> std::borrow::Cow<'_, str> {
        ObjectKind::Route.version().into()
    }
    fn plural(_: &()) -> std::borrow::Cow<'_, str> {
        ObjectKind::Route.plural().into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.0.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.0.metadata
    }
}

impl Watched for WatchedRoute {
    const KIND: ObjectKind = ObjectKind::Route;
    const LABELS: &'static str = names::SECURED_ACCESS;
    type Object = Route;

    fn objects(observed: &mut Observed) -> &mut Objects<Route> {
        &mut observed.routes
    }
    fn metadata(object: &Route) -> &ObjectMeta {
        &object.metadata
    }
    fn reduce(mut self) -> Route {
        self.0.metadata.managed_fields = None;
        self.0
    }
}

/// Calls a generic function with the type behind an [`ObjectKind`].
macro_rules! for_kind {
    ($kind:expr, $function:ident ( $($argument:expr),* )) => {{
        use k8s_openapi::api::apps::v1::Deployment;
        use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service, ServiceAccount};
        use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
        use skupper_site::ObjectKind;
        match $kind {
            ObjectKind::Site => $function::<skupper_api::Site>($($argument),*).await,
            ObjectKind::Link => $function::<skupper_api::Link>($($argument),*).await,
            ObjectKind::Listener => $function::<skupper_api::Listener>($($argument),*).await,
            ObjectKind::Connector => $function::<skupper_api::Connector>($($argument),*).await,
            ObjectKind::MultiKeyListener => $function::<skupper_api::MultiKeyListener>($($argument),*).await,
            ObjectKind::AttachedConnector => $function::<skupper_api::AttachedConnector>($($argument),*).await,
            ObjectKind::AttachedConnectorBinding => {
                $function::<skupper_api::AttachedConnectorBinding>($($argument),*).await
            }
            ObjectKind::AccessGrant => $function::<skupper_api::AccessGrant>($($argument),*).await,
            ObjectKind::AccessToken => $function::<skupper_api::AccessToken>($($argument),*).await,
            ObjectKind::RouterAccess => $function::<skupper_api::RouterAccess>($($argument),*).await,
            ObjectKind::SecuredAccess => $function::<skupper_api::SecuredAccess>($($argument),*).await,
            ObjectKind::Certificate => $function::<skupper_api::Certificate>($($argument),*).await,
            ObjectKind::Secret => $function::<Secret>($($argument),*).await,
            ObjectKind::ConfigMap => $function::<ConfigMap>($($argument),*).await,
            ObjectKind::Service => $function::<Service>($($argument),*).await,
            ObjectKind::ServiceAccount => $function::<ServiceAccount>($($argument),*).await,
            ObjectKind::Pod => $function::<Pod>($($argument),*).await,
            ObjectKind::Deployment => $function::<Deployment>($($argument),*).await,
            ObjectKind::Role => $function::<Role>($($argument),*).await,
            ObjectKind::RoleBinding => $function::<RoleBinding>($($argument),*).await,
            ObjectKind::Route => $function::<$crate::controller::kinds::WatchedRoute>($($argument),*).await,
        }
    }};
}
pub(super) use for_kind;

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(version: &str, key: &str) -> Secret {
        Secret {
            metadata: ObjectMeta {
                name: Some("s".into()),
                resource_version: Some(version.into()),
                ..Default::default()
            },
            type_: Some(key.into()),
            ..Default::default()
        }
    }

    fn known(observed: &Observed) -> Option<&str> {
        observed
            .secrets
            .get("s")
            .and_then(|secret| secret.type_.as_deref())
    }

    #[test]
    fn what_we_wrote_outlives_an_older_event() {
        let mut observed = Observed::default();
        assert!(seen(secret("12", "written"))(&mut observed));
        assert!(!seen(secret("9", "older"))(&mut observed));
        assert!(!seen(secret("12", "echo"))(&mut observed));
        assert!(!gone(&secret("11", "its predecessor"))(&mut observed));
        assert_eq!(known(&observed), Some("written"));
        assert!(seen(secret("13", "newer"))(&mut observed));
        assert!(gone(&secret("14", "deleted"))(&mut observed));
        assert_eq!(known(&observed), None);
        assert!(!gone(&secret("14", "deleted"))(&mut observed));
    }

    #[test]
    fn versions_that_are_no_numbers_follow_their_order_of_arrival() {
        let mut observed = Observed::default();
        assert!(seen(secret("b", "first"))(&mut observed));
        assert!(seen(secret("a", "second"))(&mut observed));
        assert!(!seen(secret("a", "echo"))(&mut observed));
        assert_eq!(known(&observed), Some("second"));
    }

    #[test]
    fn a_complete_list_ends_what_it_lacks() {
        let mut observed = Observed::default();
        seen(secret("1", "x"))(&mut observed);
        assert!(!only::<Secret>(["s".to_owned()].into())(&mut observed));
        assert!(only::<Secret>(HashSet::new())(&mut observed));
        assert_eq!(known(&observed), None);
    }

    #[test]
    fn config_maps_of_others_are_not_kept() {
        let mut observed = Observed::default();
        let mut map = ConfigMap::default();
        map.metadata.name = Some("somebody's".into());
        assert!(!seen(map.clone())(&mut observed));
        map.metadata.labels = Some([(names::ROUTER_CONFIG.to_owned(), String::new())].into());
        assert!(seen(map.clone())(&mut observed));
        map.metadata.labels = None;
        assert!(seen(map)(&mut observed));
        assert!(observed.config_maps.is_empty());
    }
}
