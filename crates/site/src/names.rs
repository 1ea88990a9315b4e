//! Names that are interface: what upstream's controller, adaptor, router and command line expect to find.

/// Name of the router's Deployment, ConfigMap, Role, RoleBinding, ServiceAccount, and of the default RouterAccess.
pub const ROUTER: &str = "skupper-router";
/// Service for AMQPS within the cluster.
pub const ROUTER_LOCAL: &str = "skupper-router-local";
/// The CA of link certificates.
pub const SITE_CA: &str = "skupper-site-ca";
/// The server certificate for incoming links.
pub const SITE_SERVER: &str = "skupper-site-server";
/// The CA for access from within the cluster.
pub const LOCAL_CA: &str = "skupper-local-ca";
/// The server certificate for access from within the cluster.
pub const LOCAL_SERVER: &str = "skupper-local-server";
/// ConfigMap with what the adaptor learned of the network, key [`NETWORK_STATUS_KEY`].
pub const NETWORK_STATUS: &str = "skupper-network-status";
/// Its key.
pub const NETWORK_STATUS_KEY: &str = "NetworkStatus";
/// ConfigMap in which our adaptor says what its router reports: refusals and unusable credentials ([`crate::refusals`]).
pub const ROUTER_REPORT: &str = "skupper-router-report";
/// Its key.
pub const ROUTER_REPORT_KEY: &str = "report.json";
/// Key of the router's configuration in ConfigMap [`ROUTER`].
pub const ROUTER_CONFIG_KEY: &str = "skrouterd.json";

/// Annotation: the object is the controller's. Its presence counts.
pub const CONTROLLED: &str = "internal.skupper.io/controlled";
/// Label of Certificates and annotation of Secrets made for certificate management.
pub const CERTIFICATE: &str = "internal.skupper.io/certificate";
/// Annotation of Secrets: the hosts at the time of issue.
pub const HOSTS: &str = "internal.skupper.io/hosts";
/// Annotation prefix of Certificates: the hosts wanted by the owner whose uid follows.
pub const HOSTS_OF: &str = "internal.skupper.io/hosts-";
/// Annotation of Secrets that we issued: what their content was then.
pub const FINGERPRINT: &str = "internal.skupper.io/fingerprint";
/// Annotation of Secrets that we issued: trust anchors of earlier issuers that `ca.crt` still holds, and until when.
pub const FORMER_ISSUERS: &str = "internal.skupper.io/former-issuers";
/// Annotation of what is applied: a digest of what was wanted then.
pub const APPLIED: &str = "internal.skupper.io/applied";
/// Annotation of Secrets: profiles and ordinals, for upstream's adaptor.
pub const TLS_PROFILE_CONTEXT: &str = "internal.skupper.io/tls-profile-context";
/// Annotation of Secrets, the user's: how many earlier revisions stay valid.
pub const TLS_PRIOR_VALID_REVISIONS: &str = "skupper.io/tls-prior-valid-revisions";
/// Label of ConfigMaps with a router's configuration.
pub const ROUTER_CONFIG: &str = "internal.skupper.io/router-config";
/// Label of Services made for Listeners; the value is the name of one of them.
pub const LISTENER: &str = "internal.skupper.io/listener";
/// Label of what was made for a SecuredAccess.
pub const SECURED_ACCESS: &str = "internal.skupper.io/secured-access";
/// Annotation of SecuredAccesses: the RouterAccess they were made for.
pub const ROUTER_ACCESS: &str = "internal.skupper.io/routeraccess";
/// Label of label templates.
pub const LABEL_TEMPLATE: &str = "skupper.io/label-template";
/// Label of sizing profiles; the value is the profile's name.
pub const SITE_SIZING: &str = "skupper.io/site-sizing";
/// Annotation of the sizing profile that applies by default.
pub const DEFAULT_SITE_SIZING: &str = "skupper.io/default-site-sizing";

/// Key of the CA bundle in a Secret.
pub const CA_CRT: &str = "ca.crt";
/// Key of the certificate chain in a Secret.
pub const TLS_CRT: &str = "tls.crt";
/// Key of the private key in a Secret.
pub const TLS_KEY: &str = "tls.key";

/// What a Certificate says of a Secret that is not ours. Interface: the documented procedure prints it.
pub const NOT_CONTROLLED: &str = "Secret exists but is not controlled by skupper";
