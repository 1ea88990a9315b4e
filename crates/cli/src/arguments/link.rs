//! `skupper link …`

use clap::{Args, Subcommand};

use super::{GoDuration, Removed, Shown, Toggle};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Prints what another site needs to link to this one: apply it there
    Generate(Generate),
    /// Shows the links that this site makes
    Status(Shown),
    /// Changes what is given, and leaves the rest as it is
    Update(Update),
    /// Removes a link; its Secret stays
    Delete(Removed),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Generate {
    #[arg(hide = true)]
    pub(crate) extra: Vec<String>,
    /// Name of the Secret with the credential: one that exists is used, else one is issued under this name
    #[arg(
        long,
        default_value = "",
        value_name = "SECRET",
        hide_default_value = true
    )]
    pub(crate) tls_credentials: String,
    /// Print the credential too, and have it issued if need be; false prints the Link alone
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", value_name = "BOOL")]
    pub(crate) generate_credential: Toggle,
    /// What Links and credential are called; link-<site> unless given. A name for each remote site gives each a credential
    /// of its own
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Cost of sending traffic over the link
    #[arg(long, default_value = "1", allow_hyphen_values = true)]
    pub(crate) cost: String,
    /// Format: json or yaml
    #[arg(short, long, default_value = "yaml", value_name = "FORMAT")]
    pub(crate) output: String,
    /// How long to wait for the credential
    #[arg(long, default_value = "60s")]
    pub(crate) timeout: GoDuration,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Update {
    /// Name of the link
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Name of the Secret with the credential
    #[arg(long, value_name = "SECRET")]
    pub(crate) tls_credentials: Option<String>,
    /// Cost of sending traffic over the link
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) cost: Option<String>,
    /// How long to wait
    #[arg(long, default_value = "60s")]
    pub(crate) timeout: GoDuration,
    /// What to wait for: ready, configured or none
    #[arg(long, default_value = "ready")]
    pub(crate) wait: String,
}
