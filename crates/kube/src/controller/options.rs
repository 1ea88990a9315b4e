//! The controller's flags and environment: upstream's, and a few of our own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use skupper_pki::KeyAlgorithm;
use skupper_site::access::AccessType;

use crate::flags::{boolean, two_dashes};

/// Watches the skupper.io resources of a cluster or a namespace and makes sites of them.
///
/// Flags take one dash or two; the environment variable gives the default.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "skupper controller",
    disable_version_flag = true,
    no_binary_name = true
)]
pub(super) struct Options {
    /// The controller's own namespace [default: that of the service account or kubeconfig]
    #[arg(long, env = "NAMESPACE", default_value = "", hide_default_value = true)]
    pub(super) namespace: String,
    /// A kubeconfig file [default: the pod's service account]
    #[arg(long)]
    pub(super) kubeconfig: Option<PathBuf>,
    /// The only namespace to look at [default: all]
    #[arg(
        long,
        env = "WATCH_NAMESPACE",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) watch_namespace: String,
    /// The controller's name [default: that of its Deployment]
    #[arg(
        long,
        env = "CONTROLLER_NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) name: String,
    /// Leave alone namespaces whose ConfigMap "skupper" does not name this controller
    #[arg(long, env = "REQUIRE_EXPLICIT_CONTROL", default_value = "false", value_parser = boolean,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) require_explicit_control: bool,
    /// Leave security contexts out of router pods
    #[arg(long, env = "DISABLE_SECURITY_CONTEXT", default_value = "false", value_parser = boolean,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) disable_security_context: bool,
    /// Serve no metrics
    #[arg(long, env = "SKUPPER_METRICS_DISABLE", default_value = "false", value_parser = boolean,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) disable_metrics: bool,
    /// Where /metrics is served
    #[arg(long, env = "SKUPPER_METRICS_ADDRESS", default_value = ":9000")]
    pub(super) metrics_address: String,
    /// Where /healthz and /readyz are served
    #[arg(long, env = "SKUPPER_HEALTH_ADDRESS", default_value = ":9191")]
    pub(super) health_address: String,
    /// Act only while holding a lease, so that several replicas may run
    #[arg(long, env = "SKUPPER_LEADER_ELECTION", default_value = "true", value_parser = boolean,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) leader_election: bool,
    /// The access types that may be used
    #[arg(
        long,
        env = "SKUPPER_ENABLED_ACCESS_TYPES",
        default_value = "local,loadbalancer,route"
    )]
    pub(super) enabled_access_types: String,
    /// The access type where none is named
    #[arg(
        long,
        env = "SKUPPER_DEFAULT_ACCESS_TYPE",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) default_access_type: String,
    /// The host at which node ports are reached
    #[arg(
        long,
        env = "SKUPPER_CLUSTER_HOST",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) cluster_host: String,
    /// How long CAs live that are issued here, as in 10y, 365d, 12h
    #[arg(long, env = "SKUPPER_TLS_CA_LIFETIME", default_value = "10y", value_parser = skupper_site::parse_lifetime)]
    pub(super) tls_ca_lifetime: Duration,
    /// How long server certificates live
    #[arg(long, env = "SKUPPER_TLS_SERVER_LIFETIME", default_value = "1y", value_parser = skupper_site::parse_lifetime)]
    pub(super) tls_server_lifetime: Duration,
    /// How long client certificates live, which are handed out to other sites
    #[arg(long, env = "SKUPPER_TLS_CLIENT_LIFETIME", default_value = "5y", value_parser = skupper_site::parse_lifetime)]
    pub(super) tls_client_lifetime: Duration,
    /// The kind of keys: ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096, ed25519
    #[arg(long, env = "SKUPPER_TLS_KEY_ALGORITHM", default_value = "ecdsa-p256")]
    pub(super) tls_key_algorithm: KeyAlgorithm,
    /// Print the version and exit
    #[arg(long, default_value = "false", value_parser = boolean,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) version: bool,
    #[command(flatten)]
    pub(super) images: Images,
    #[command(flatten)]
    pub(super) without_effect: WithoutEffect,
}

/// Images of the router's pod: upstream has environment variables for them and no flags.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Images {
    #[arg(
        long,
        hide = true,
        env = "SKUPPER_IMAGE_REGISTRY",
        default_value = "quay.io/skupper"
    )]
    pub(super) image_registry: String,
    #[arg(long, hide = true, env = "SKUPPER_ROUTER_IMAGE", default_value = "")]
    pub(super) router_image: String,
    #[arg(
        long,
        hide = true,
        env = "SKUPPER_ROUTER_IMAGE_PULL_POLICY",
        default_value = "Always"
    )]
    pub(super) router_image_pull_policy: String,
    #[arg(
        long,
        hide = true,
        env = "SKUPPER_KUBE_ADAPTOR_IMAGE",
        default_value = ""
    )]
    pub(super) kube_adaptor_image: String,
    #[arg(
        long,
        hide = true,
        env = "SKUPPER_KUBE_ADAPTOR_IMAGE_PULL_POLICY",
        default_value = "Always"
    )]
    pub(super) kube_adaptor_image_pull_policy: String,
    /// The controller's own image. An adaptor from the same registry and with the same tag is ours.
    #[arg(
        long,
        hide = true,
        env = "SKUPPER_CONTROLLER_IMAGE",
        default_value = ""
    )]
    pub(super) controller_image: String,
}

/// Flags of upstream that have no effect here yet. They are accepted, so that its manifests work, and logged.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct WithoutEffect {
    #[arg(long, hide = true, env = "SKUPPER_ENABLE_GRANTS", default_value = "false", value_parser = boolean,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enable_grants: bool,
    #[arg(long, hide = true, env = "SKUPPER_GRANT_SERVER_AUTOCONFIGURE", default_value = "false", value_parser = boolean,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    grant_server_autoconfigure: bool,
    #[arg(long, hide = true, env = "SKUPPER_GRANT_SERVER_BASE_URL")]
    grant_server_base_url: Option<String>,
    // A Service called skupper-grant-server would make Kubernetes set the variable to an URL; so it is not read.
    #[arg(long, hide = true)]
    grant_server_port: Option<String>,
    #[arg(long, hide = true, env = "SKUPPER_GRANT_SERVER_TLS_CREDENTIALS")]
    grant_server_tls_credentials: Option<String>,
    #[arg(long, hide = true)]
    grant_server_podname: Option<String>,
    #[arg(long, hide = true, env = "SKUPPER_ALLOW_REDEEM_BY_KEY", default_value = "false", value_parser = boolean,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    allow_redeem_by_key: bool,
    #[arg(long, hide = true, env = "SKUPPER_INGRESS_DOMAIN")]
    ingress_domain: Option<String>,
    #[arg(long, hide = true, env = "SKUPPER_INGRESS_CLASS_NAME")]
    ingress_class_name: Option<String>,
    #[arg(long, hide = true, env = "SKUPPER_HTTP_PROXY_DOMAIN")]
    http_proxy_domain: Option<String>,
    #[arg(long, hide = true, env = "SKUPPER_GATEWAY_CLASS")]
    gateway_class: Option<String>,
    #[arg(long, hide = true, env = "SKUPPER_GATEWAY_DOMAIN")]
    gateway_domain: Option<String>,
    #[arg(long, hide = true, env = "SKUPPER_GATEWAY_PORT")]
    gateway_port: Option<String>,
    #[arg(long, hide = true, env = "SKUPPER_KUBE_CLIENT_QPS")]
    kube_client_qps: Option<String>,
    #[arg(long, hide = true, env = "SKUPPER_KUBE_CLIENT_BURST")]
    kube_client_burst: Option<String>,
}

impl WithoutEffect {
    /// The names of those that were given.
    pub(super) fn given(&self) -> Vec<&'static str> {
        let text = |value: &Option<String>| value.as_deref().is_some_and(|value| !value.is_empty());
        [
            ("enable-grants", self.enable_grants),
            (
                "grant-server-autoconfigure",
                self.grant_server_autoconfigure,
            ),
            ("grant-server-base-url", text(&self.grant_server_base_url)),
            ("grant-server-port", text(&self.grant_server_port)),
            (
                "grant-server-tls-credentials",
                text(&self.grant_server_tls_credentials),
            ),
            ("grant-server-podname", text(&self.grant_server_podname)),
            ("allow-redeem-by-key", self.allow_redeem_by_key),
            ("ingress-domain", text(&self.ingress_domain)),
            ("ingress-class-name", text(&self.ingress_class_name)),
            ("http-proxy-domain", text(&self.http_proxy_domain)),
            ("gateway-class", text(&self.gateway_class)),
            ("gateway-domain", text(&self.gateway_domain)),
            ("gateway-port", text(&self.gateway_port)),
            ("SKUPPER_KUBE_CLIENT_QPS", text(&self.kube_client_qps)),
            ("SKUPPER_KUBE_CLIENT_BURST", text(&self.kube_client_burst)),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }
}

impl Options {
    /// Reads command line and environment.
    pub(super) fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Options::try_parse_from(args.into_iter().map(two_dashes))
    }

    /// The access types that are enabled, and those that upstream knows and this controller does not.
    pub(super) fn enabled_access_types(&self) -> (Vec<AccessType>, Vec<String>) {
        let mut known = Vec::new();
        let mut unknown = Vec::new();
        for word in self
            .enabled_access_types
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            match word.parse() {
                Ok(access_type) => known.push(access_type),
                Err(_) => unknown.push(word.to_owned()),
            }
        }
        (known, unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str]) -> Result<Options, clap::Error> {
        Options::read(args.iter().map(OsString::from))
    }

    #[test]
    fn flags_in_gos_style() {
        let options = read(&[
            "-enable-grants",
            "-grant-server-autoconfigure",
            "-watch-namespace",
            "west",
        ])
        .unwrap();
        assert_eq!(options.watch_namespace, "west");
        assert_eq!(
            options.without_effect.given(),
            ["enable-grants", "grant-server-autoconfigure"]
        );
        let options = read(&[
            "--enable-grants=false",
            "-disable-security-context=T",
            "-name=x",
        ])
        .unwrap();
        assert!(options.disable_security_context);
        assert_eq!(options.name, "x");
        assert!(options.without_effect.given().is_empty());
        assert!(read(&["-disable-security-context=perhaps"]).is_err());
        assert!(read(&["-no-such-flag"]).is_err());
    }

    #[test]
    fn access_types_known_and_unknown() {
        let options = read(&["-enabled-access-types=local, nodeport,gateway,"]).unwrap();
        let (known, unknown) = options.enabled_access_types();
        assert_eq!(known, [AccessType::Local, AccessType::NodePort]);
        assert_eq!(unknown, ["gateway"]);
    }

    #[test]
    fn lifetimes() {
        assert_eq!(
            read(&[]).unwrap().tls_ca_lifetime,
            Duration::from_secs(3650 * 86_400)
        );
        let options = read(&["-tls-server-lifetime", "90d"]).unwrap();
        assert_eq!(
            options.tls_server_lifetime,
            Duration::from_secs(90 * 86_400)
        );
        assert!(read(&["-tls-server-lifetime=soon"]).is_err());
    }
}
