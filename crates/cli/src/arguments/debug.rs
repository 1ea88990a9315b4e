//! `skupper debug …`

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Judges every credential and link of the site, with a TLS handshake to each endpoint
    Check(Check),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Check {
    /// Fail also where a credential ends within this time, for instance 30d
    #[arg(long, value_name = "TIME")]
    pub(crate) fail_within: Option<String>,
    /// Try each endpoint with a TLS handshake from here
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", value_name = "BOOL")]
    pub(crate) handshake: super::Toggle,
}
