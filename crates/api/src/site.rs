//! A site: the parent of all else in its namespace.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::kind;
use crate::status::{condition, status_fields};
use crate::{Condition, Endpoint, Settings, StatusType, wire};

kind! {
    /// A site is a place in the network where workloads run: a namespace, or a Linux host. Links join sites.
    ///
    /// A Site is the parent of every other Skupper resource in its namespace, and makes a router run there. A
    /// namespace has one active Site; a second one is refused in its status.
    Site {
        spec: SiteSpec,
        status: SiteStatus,
        plural: "sites",
        singular: "site",
        short: ["st"],
        required: |spec| {
            if spec.accepts_links() {
                &[condition::CONFIGURED, condition::RUNNING, condition::RESOLVED]
            } else {
                &[condition::CONFIGURED, condition::RUNNING]
            }
        },
        ready_condition: true,
        columns: [
            Text "Status" ".status.status" "The state in one word",
            Integer "Sites In Network" ".status.sitesInNetwork" "How many sites the network has, this one included",
            Text "Message" ".status.message" "The state in a sentence",
        ],
    }
}

/// What a site is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SiteSpec {
    /// The service account of the router pod. If empty, skupper-router, which is made together with its role;
    /// one that is named here is used as it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_account: String,
    /// How other sites reach this one to link to it.
    ///
    /// - empty or none: they cannot; this site can still link to others.
    /// - default: the way that suits the platform (route on OpenShift, otherwise loadbalancer).
    /// - route: an OpenShift Route.
    /// - loadbalancer: a Service of type LoadBalancer.
    /// - nodeport: a Service of type NodePort, reached at the address the controller was given for the cluster.
    /// - local: a Service inside the cluster.
    /// - ingress, ingress-nginx, contour-http-proxy, gateway: where the controller enables them.
    ///
    /// Any value but none makes a RouterAccess named skupper-router.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub link_access: String,
    /// The Secret with the CA that signs certificates where no other is named. If empty, skupper-site-ca, which is
    /// made unless it exists.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub default_issuer: String,
    /// Runs the router in edge mode: it links to other sites, but none can link to it. For networks of very many
    /// sites. Not together with ha.
    #[serde(skip_serializing_if = "wire::is_false")]
    pub edge: bool,
    /// Runs two routers, so that one may be lost without a gap. Not together with edge.
    #[serde(skip_serializing_if = "wire::is_false")]
    pub ha: bool,
    /// Further settings: names and values, both text. They are seldom needed.
    ///
    /// - tls-ca-lifetime, tls-server-lifetime, tls-client-lifetime: how long certificates live that are issued here.
    /// - tls-key-algorithm: the kind of their keys.
    /// - tls-prior-valid-revisions: how many earlier revisions of a link's credentials stay good for connections
    ///   that are open (2 unless set).
    /// - router-data-connection-count: connections for data beside each link's control connection.
    /// - router-logging: levels, as in ROUTER_CORE:debug,info.
    /// - size: name of a sizing profile for the router pod.
    /// - disable-anti-affinity: true lets both routers of a site with ha run on one node.
    /// - ingressClassName: the class of the Ingress where link access goes through one.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
}

/// What has become of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SiteStatus {
    /// The state in one word: Ready, Pending (waiting for something that is expected to come) or Error
    /// (somebody has to act; see message).
    #[schemars(with = "String")]
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "wire::or_default"
    )]
    pub status: Option<StatusType>,
    /// The state in a sentence: OK, or what is missing, where, and what to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The aspects of the state.
    ///
    /// - Configured: everything the site consists of has been written.
    /// - Running: a router pod runs and is ready.
    /// - Resolved: the addresses for links are known (needed only with link access).
    /// - Ready: all of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Where other sites reach this one. The host is the name or address that the server certificate must be valid
    /// for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// How many sites the network has, this one included.
    #[serde(skip_serializing_if = "wire::is_zero")]
    pub sites_in_network: i64,
    /// The sites of the network with their links and services.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<SiteRecord>,
    /// The Secret with the CA that signs where no other is named.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub default_issuer: String,
    /// The controller in charge of the site.
    #[schemars(with = "Controller")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<Controller>,
}

status_fields!(SiteStatus);

/// The controller in charge of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Controller {
    /// The name of its Deployment.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The namespace it runs in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
}

/// A site of the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SiteRecord {
    /// Its id: the uid of its Site.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The name of its Site.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The namespace of its Site.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// What it runs on, for example kubernetes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub platform: String,
    /// The version of its controller.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The links it has made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<LinkRecord>,
    /// The services it offers or uses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceRecord>,
}

/// A link of a site of the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LinkRecord {
    /// The name of the Link.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The id of the site it leads to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remote_site_id: String,
    /// The name of the site it leads to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remote_site_name: String,
    /// Whether it works now.
    #[serde(skip_serializing_if = "wire::is_false")]
    pub operational: bool,
}

/// What one routing key has at a site of the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceRecord {
    /// The routing key.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub routing_key: String,
    /// The hosts that serve it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connectors: Vec<String>,
    /// The names under which clients use it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<String>,
}

impl SiteSpec {
    /// The service account of a router that does not name its own.
    pub const ROUTER_SERVICE_ACCOUNT: &'static str = "skupper-router";

    /// Whether other sites may link to this one: `linkAccess` is neither empty nor `none`.
    pub fn accepts_links(&self) -> bool {
        !self.link_access.is_empty() && self.link_access != "none"
    }
}

impl Site {
    /// The CA that signs where neither spec nor status names one.
    pub const DEFAULT_ISSUER: &'static str = "skupper-site-ca";

    /// The id of the site, everywhere and on the wire too: its uid. Empty for an object that never saw the server.
    pub fn id(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }
}
