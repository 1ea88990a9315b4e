//! `skupper site …`

use clap::{Args, Subcommand};

use super::{GoDuration, Output, Toggle};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a site of this namespace
    Create(Create),
    /// Changes what is given, and leaves the rest as it is
    Update(Update),
    /// Shows how the site is
    Status(Status),
    /// Removes the site
    Delete(Delete),
    /// Prints the resource that create would make
    Generate(Generate),
}

/// How other sites reach this one, and how many routers there are.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Features {
    /// Let other sites link to this one
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) enable_link_access: Option<Toggle>,
    /// How other sites reach this one: route, loadbalancer or default (route on OpenShift, loadbalancer elsewhere)
    #[arg(long, value_name = "TYPE")]
    pub(crate) link_access_type: Option<String>,
    /// Run two routers, so that one may be lost
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) enable_ha: Option<Toggle>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Create {
    /// Name of the site
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) features: Features,
    /// How long to wait
    #[arg(long, default_value = "3m")]
    pub(crate) timeout: GoDuration,
    /// What to wait for: ready, configured or none
    #[arg(long, default_value = "ready")]
    pub(crate) wait: String,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Update {
    /// Name of the site; not needed where there is only one
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) features: Features,
    /// How long to wait
    #[arg(long, default_value = "30s")]
    pub(crate) timeout: GoDuration,
    /// What to wait for: ready, configured or none
    #[arg(long, default_value = "ready")]
    pub(crate) wait: String,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Status {
    #[arg(hide = true)]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Delete {
    /// Name of the site; not needed where there is only one
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Remove all other Skupper resources of the namespace too
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_name = "BOOL")]
    pub(crate) all: Toggle,
    /// How long to wait
    #[arg(long, default_value = "60s")]
    pub(crate) timeout: GoDuration,
    /// Wait until it is gone
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", value_name = "BOOL")]
    pub(crate) wait: Toggle,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Generate {
    /// Name of the site
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) features: Features,
    /// Format: json or yaml
    #[arg(short, long, default_value = "yaml", value_name = "FORMAT")]
    pub(crate) output: String,
}
