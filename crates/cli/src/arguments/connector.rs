//! `skupper connector …`

use clap::{Args, Subcommand};

use super::{GoDuration, Removed, Shown, Toggle};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a connector
    Create(Create),
    /// Changes what is given, and leaves the rest as it is
    Update(Update),
    /// Shows connectors
    Status(Shown),
    /// Removes a connector
    Delete(Removed),
    /// Prints the resource that create would make
    Generate(Generate),
}

/// What a connector is made of.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Shape {
    /// What ties listeners to connectors; the name unless given
    #[arg(short, long, value_name = "KEY")]
    pub(crate) routing_key: Option<String>,
    /// Host name or address of the workload
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// Labels of the workload's pods; app=<name> where neither host nor workload is given
    #[arg(long, value_name = "LABELS")]
    pub(crate) selector: Option<String>,
    /// Workload whose pods are meant: deployment/<name>, service/<name>, daemonset/<name> or statefulset/<name>
    #[arg(long, value_name = "TYPE/NAME")]
    pub(crate) workload: Option<String>,
    /// Name of the Secret with the CA by which the workload's certificate is verified
    #[arg(long, value_name = "SECRET")]
    pub(crate) tls_credentials: Option<String>,
    /// Transport: tcp
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// Use running pods that are not ready too
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) include_not_ready: Option<Toggle>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Create {
    /// Name of the connector, and the port of the workload
    #[arg(value_names = ["NAME", "PORT"], num_args = 0..)]
    pub(crate) arguments: Vec<String>,
    #[command(flatten)]
    pub(crate) shape: Shape,
    /// How long to wait
    #[arg(long, default_value = "60s")]
    pub(crate) timeout: GoDuration,
    /// What to wait for: ready, configured or none
    #[arg(long, default_value = "configured")]
    pub(crate) wait: String,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Update {
    /// Name of the connector
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) shape: Shape,
    /// Port of the workload
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) port: Option<i64>,
    /// How long to wait
    #[arg(long, default_value = "60s")]
    pub(crate) timeout: GoDuration,
    /// What to wait for: ready, configured or none
    #[arg(long, default_value = "configured")]
    pub(crate) wait: String,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Generate {
    /// Name of the connector, and the port of the workload
    #[arg(value_names = ["NAME", "PORT"], num_args = 0..)]
    pub(crate) arguments: Vec<String>,
    #[command(flatten)]
    pub(crate) shape: Shape,
    /// Format: json or yaml
    #[arg(short, long, default_value = "yaml", value_name = "FORMAT")]
    pub(crate) output: String,
}
