//! What was seen of a namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use skupper_api::{
    AccessGrant, AccessToken, AttachedConnector, AttachedConnectorBinding, Certificate, Connector,
    Link, Listener, MultiKeyListener, RouterAccess, SecuredAccess, Site,
};

use crate::access::Route;
use crate::object::ObjectKind;

/// Objects of one kind in one namespace, by name.
pub type Objects<K> = BTreeMap<String, Arc<K>>;

/// All that a reconcile looks at: the objects of one namespace as last seen, and what comes from outside it.
///
/// All maps must be complete (the caches have synced) before the first reconcile: an object that is missing here is taken
/// for one that does not exist. `metadata.managedFields` is never read and may be dropped.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The namespace.
    pub namespace: String,
    /// Sites; one of them is active.
    pub sites: Objects<Site>,
    /// Links.
    pub links: Objects<Link>,
    /// Listeners.
    pub listeners: Objects<Listener>,
    /// Connectors.
    pub connectors: Objects<Connector>,
    /// MultiKeyListeners (empty where the CRD is absent).
    pub multi_key_listeners: Objects<MultiKeyListener>,
    /// AttachedConnectors.
    pub attached_connectors: Objects<AttachedConnector>,
    /// AttachedConnectorBindings.
    pub attached_connector_bindings: Objects<AttachedConnectorBinding>,
    /// AccessGrants.
    pub access_grants: Objects<AccessGrant>,
    /// AccessTokens.
    pub access_tokens: Objects<AccessToken>,
    /// RouterAccesses.
    pub router_accesses: Objects<RouterAccess>,
    /// SecuredAccesses.
    pub secured_accesses: Objects<SecuredAccess>,
    /// Certificates.
    pub certificates: Objects<Certificate>,
    /// Secrets of every type.
    pub secrets: Objects<Secret>,
    /// ConfigMaps: needed are those labelled `internal.skupper.io/router-config` or `skupper.io/label-template`,
    /// [`NETWORK_STATUS`](crate::names::NETWORK_STATUS) and [`ROUTER_REPORT`](crate::names::ROUTER_REPORT).
    pub config_maps: Objects<ConfigMap>,
    /// Services, all of them: a Listener must not take over somebody's.
    pub services: Objects<Service>,
    /// Deployments labelled `skupper.io/component=router` (others are not looked at).
    pub deployments: Objects<Deployment>,
    /// Roles; only `skupper-router` is looked at.
    pub roles: Objects<Role>,
    /// RoleBindings; only `skupper-router` is looked at.
    pub role_bindings: Objects<RoleBinding>,
    /// ServiceAccounts; only `skupper-router` is looked at.
    pub service_accounts: Objects<ServiceAccount>,
    /// Pods: the router's, and those that Connectors may select. Needed of each are name, uid, labels, deletion
    /// timestamp, `status.phase`, `status.podIP` and `status.conditions`.
    pub pods: Objects<Pod>,
    /// OpenShift Routes labelled `internal.skupper.io/secured-access` (empty where the API is absent).
    pub routes: Objects<Route>,
    /// What stands outside the namespace and matters inside it.
    pub outside: Outside,
    /// Writes of earlier plans that the API server refused, by what they were for.
    pub failures: BTreeMap<(ObjectKind, String), String>,
}

/// What stands outside the namespace and matters inside it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outside {
    /// Whether the API server serves `route.openshift.io/v1`.
    pub has_routes: bool,
    /// ConfigMaps of the controller's namespace labelled `skupper.io/site-sizing`, by name.
    pub sizings: Objects<ConfigMap>,
    /// ConfigMaps of the controller's namespace labelled `skupper.io/label-template`, by name.
    pub templates: Objects<ConfigMap>,
}
