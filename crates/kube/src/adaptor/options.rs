//! The adaptor's flags and environment: upstream's, and what its Deployment sets.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;

use crate::flags::{boolean, two_dashes};

/// Keeps a router's files and entities equal to what the site wants, and tells the site what the router says.
///
/// Flags take one dash or two; the environment variable gives the default.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "skupper adaptor",
    disable_version_flag = true,
    no_binary_name = true
)]
pub(super) struct Options {
    /// The site's namespace [default: that of the service account or kubeconfig]
    #[arg(long, env = "NAMESPACE", default_value = "", hide_default_value = true)]
    pub(super) namespace: String,
    /// A kubeconfig file [default: the pod's service account]
    #[arg(long, env = "KUBECONFIG")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// Directory for the router's configuration and certificates
    #[arg(
        long,
        env = "SKUPPER_CONFIG_DIR",
        default_value = "/etc/skupper-router-certs"
    )]
    pub(super) config_dir: PathBuf,
    /// ConfigMap with the router's configuration
    #[arg(long, env = "SKUPPER_ROUTER_CONFIG", default_value = "skupper-router")]
    pub(super) router_config: String,
    /// Write the router's configuration and certificates, then exit
    #[arg(long, default_value = "false", value_parser = boolean,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) init: bool,
    /// Print the version and exit
    #[arg(long, default_value = "false", value_parser = boolean,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) version: bool,
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
    /// Directory for the passwords of proxies
    #[arg(
        long,
        env = "SKUPPER_PROXY_DIR",
        default_value = "/etc/skupper-router-proxies"
    )]
    pub(super) proxy_dir: PathBuf,
    /// The router's AMQP port on this host
    // Not SKUPPER_ROUTER_PORT: Kubernetes sets that one for the Service skupper-router, to tcp://….
    #[arg(long, env = "SKUPPER_ROUTER_AMQP_PORT", default_value = "5672")]
    pub(super) router_port: u16,
    #[command(flatten)]
    pub(super) pod: Pod,
}

/// What the Deployment says of the pod.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Pod {
    /// The Deployment that the pod belongs to.
    #[arg(
        long,
        hide = true,
        env = "SKUPPER_ROUTER_DEPLOYMENT",
        default_value = "skupper-router"
    )]
    pub(super) router_deployment: String,
    /// The namespace, by the downward API.
    #[arg(long, hide = true, env = "SKUPPER_NAMESPACE", default_value = "")]
    pub(super) pod_namespace: String,
    /// The pod's name.
    #[arg(long, hide = true, env = "HOSTNAME", default_value = "")]
    pub(super) pod_name: String,
}

impl Options {
    /// Reads command line and environment.
    pub(super) fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Options::try_parse_from(args.into_iter().map(two_dashes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[&str]) -> Result<Options, clap::Error> {
        Options::read(line.iter().map(OsString::from))
    }

    #[test]
    fn flags_are_those_of_upstream_in_its_style() {
        let options = read(&[
            "-init",
            "-namespace",
            "west",
            "-config-dir=/tmp/x",
            "-router-config",
            "skupper-router-2",
        ])
        .unwrap();
        assert!(options.init);
        assert_eq!(options.namespace, "west");
        assert_eq!(options.config_dir, PathBuf::from("/tmp/x"));
        assert_eq!(options.router_config, "skupper-router-2");
        assert!(
            read(&["-disable-metrics", "-metrics-address", ":9001"])
                .unwrap()
                .disable_metrics
        );
        assert!(!read(&["-init=false"]).unwrap().init);
        assert!(read(&["-unknown"]).is_err());
    }
}
