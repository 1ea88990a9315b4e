//! The resources of `skupper.io/v2alpha1`: their types, their conditions, and how conditions become a status.
//!
//! All twelve kinds are here, field for field as upstream has them, together with the CRDs that describe them to
//! the API server ([`crds`]). The crate does no I/O and has no clock: whoever sets a condition says what time it is.
//!
//! Three rules run through all types:
//!
//! * **What upstream accepts is accepted.** A field that is missing reads as empty, a status written by somebody else
//!   is never a reason to refuse the object; what the API server requires stands in the schema alone.
//! * **Empty is absent.** An empty string, list or map and a `false` are not written out, as upstream does not, so
//!   that a document goes through unchanged. Fields that upstream always writes are always written.
//! * **A status is made by [`Kind::set_condition`]**, which keeps `status.status`, `status.message` and the `Ready`
//!   condition in step and says whether anything changed.

mod access_grant;
mod access_token;
mod attached;
mod certificate;
mod connector;
mod crd;
mod endpoint;
mod kind;
mod link;
mod listener;
mod multi_key_listener;
mod router_access;
mod secured_access;
mod site;
mod status;
mod wire;

pub use access_grant::{AccessGrant, AccessGrantSpec, AccessGrantStatus};
pub use access_token::{AccessToken, AccessTokenSpec, AccessTokenStatus};
pub use attached::{
    AttachedConnector, AttachedConnectorBinding, AttachedConnectorBindingSpec,
    AttachedConnectorBindingStatus, AttachedConnectorSpec, AttachedConnectorStatus,
};
pub use certificate::{Certificate, CertificateSpec, CertificateStatus};
pub use connector::{Connector, ConnectorSpec, ConnectorStatus, PodDetails, Target};
pub use crd::{crd, crds};
pub use endpoint::Endpoint;
pub use kind::{Column, ColumnType, Kind};
pub use link::{Link, LinkSpec, LinkStatus};
pub use listener::{Listener, ListenerSpec, ListenerStatus, Observer};
pub use multi_key_listener::{
    MultiKeyListener, MultiKeyListenerSpec, MultiKeyListenerStatus, PriorityStrategySpec,
    PriorityStrategyStatus, Strategy, StrategyStatus, WeightedStrategySpec, WeightedStrategyStatus,
};
pub use router_access::{RouterAccess, RouterAccessRole, RouterAccessSpec, RouterAccessStatus};
pub use secured_access::{
    SecuredAccess, SecuredAccessPort, SecuredAccessSpec, SecuredAccessStatus,
};
pub use site::{Controller, LinkRecord, ServiceRecord, Site, SiteRecord, SiteSpec, SiteStatus};
pub use status::{Condition, ConditionStatus, State, StatusFields, StatusType, condition};

/// API group of all kinds.
pub const GROUP: &str = "skupper.io";
/// The version that is served and stored.
pub const VERSION: &str = "v2alpha1";
/// [`GROUP`] and [`VERSION`] as they stand in `apiVersion`.
pub const API_VERSION: &str = "skupper.io/v2alpha1";

/// `spec.settings` of every kind: names and values, both text.
pub type Settings = std::collections::BTreeMap<String, String>;
