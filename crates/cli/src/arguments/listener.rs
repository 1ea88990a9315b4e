//! `skupper listener …`

use clap::{Args, Subcommand};

use super::{GoDuration, Removed, Shown};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a listener
    Create(Create),
    /// Changes what is given, and leaves the rest as it is
    Update(Update),
    /// Shows listeners
    Status(Shown),
    /// Removes a listener
    Delete(Removed),
    /// Prints the resource that create would make
    Generate(Generate),
}

/// What a listener is made of.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Shape {
    /// What ties listeners to connectors; the name unless given
    #[arg(long, value_name = "KEY")]
    pub(crate) routing_key: Option<String>,
    /// Host name that clients use; the name unless given
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// Name of the Secret with the certificate that is presented to clients
    #[arg(long, value_name = "SECRET")]
    pub(crate) tls_credentials: Option<String>,
    /// Transport: tcp
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Create {
    /// Name of the listener, and the port that clients use
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
    /// Name of the listener
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) shape: Shape,
    /// Port that clients use
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
    /// Name of the listener, and the port that clients use
    #[arg(value_names = ["NAME", "PORT"], num_args = 0..)]
    pub(crate) arguments: Vec<String>,
    #[command(flatten)]
    pub(crate) shape: Shape,
    /// Format: json or yaml
    #[arg(short, long, default_value = "yaml", value_name = "FORMAT")]
    pub(crate) output: String,
}
