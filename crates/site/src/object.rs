//! The kinds of objects that a site consists of, and how to find them in the API.

use std::fmt;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $group:literal $version:literal $plural:literal,)*) => {
        /// A kind of object that a reconcile reads or writes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ObjectKind {
            $($(#[$doc])* $name,)*
        }

        impl ObjectKind {
            /// All of them.
            pub const ALL: &'static [ObjectKind] = &[$(ObjectKind::$name),*];

            /// API group; empty for the core.
            pub fn group(self) -> &'static str {
                match self { $(ObjectKind::$name => $group,)* }
            }

            /// Version within the group.
            pub fn version(self) -> &'static str {
                match self { $(ObjectKind::$name => $version,)* }
            }

            /// Name of the kind, as in `kind:`.
            pub fn kind(self) -> &'static str {
                match self { $(ObjectKind::$name => stringify!($name),)* }
            }

            /// Plural, as in URLs.
            pub fn plural(self) -> &'static str {
                match self { $(ObjectKind::$name => $plural,)* }
            }
        }
    };
}

kinds! {
    /// `skupper.io` Site.
    Site = "skupper.io" "v2alpha1" "sites",
    /// `skupper.io` Link.
    Link = "skupper.io" "v2alpha1" "links",
    /// `skupper.io` Listener.
    Listener = "skupper.io" "v2alpha1" "listeners",
    /// `skupper.io` Connector.
    Connector = "skupper.io" "v2alpha1" "connectors",
    /// `skupper.io` MultiKeyListener.
    MultiKeyListener = "skupper.io" "v2alpha1" "multikeylisteners",
    /// `skupper.io` AttachedConnector.
    AttachedConnector = "skupper.io" "v2alpha1" "attachedconnectors",
    /// `skupper.io` AttachedConnectorBinding.
    AttachedConnectorBinding = "skupper.io" "v2alpha1" "attachedconnectorbindings",
    /// `skupper.io` AccessGrant.
    AccessGrant = "skupper.io" "v2alpha1" "accessgrants",
    /// `skupper.io` AccessToken.
    AccessToken = "skupper.io" "v2alpha1" "accesstokens",
    /// `skupper.io` RouterAccess.
    RouterAccess = "skupper.io" "v2alpha1" "routeraccesses",
    /// `skupper.io` SecuredAccess.
    SecuredAccess = "skupper.io" "v2alpha1" "securedaccesses",
    /// `skupper.io` Certificate.
    Certificate = "skupper.io" "v2alpha1" "certificates",
    /// Secret.
    Secret = "" "v1" "secrets",
    /// ConfigMap.
    ConfigMap = "" "v1" "configmaps",
    /// Service.
    Service = "" "v1" "services",
    /// ServiceAccount.
    ServiceAccount = "" "v1" "serviceaccounts",
    /// Pod.
    Pod = "" "v1" "pods",
    /// Deployment.
    Deployment = "apps" "v1" "deployments",
    /// Role.
    Role = "rbac.authorization.k8s.io" "v1" "roles",
    /// RoleBinding.
    RoleBinding = "rbac.authorization.k8s.io" "v1" "rolebindings",
    /// OpenShift Route.
    Route = "route.openshift.io" "v1" "routes",
}

impl ObjectKind {
    /// As in `apiVersion:`.
    pub fn api_version(self) -> String {
        match self.group() {
            "" => self.version().to_owned(),
            group => format!("{group}/{}", self.version()),
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}
