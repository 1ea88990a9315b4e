//! The command line as it is typed. Names, defaults and meanings of upstream's flags are interface (cli.md §§1–6); what is
//! typed is only read here, and judged by the commands.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) mod connector;
pub(crate) mod debug;
pub(crate) mod link;
pub(crate) mod listener;
pub(crate) mod site;
mod value;

pub(crate) use value::{GoDuration, Toggle};

/// Links sites into an application network: no VPN, no cluster-wide rights, no change to the application.
#[derive(Debug, Parser)]
#[command(
    name = "skupper",
    disable_help_subcommand = true,
    disable_version_flag = true,
    subcommand_required = false
)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Flags of every command.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Global {
    /// Platform to act on [kubernetes]
    #[arg(short, long, global = true, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    /// Namespace; that of the kubeconfig context unless given
    #[arg(short, long, global = true)]
    pub(crate) namespace: Option<String>,
    /// Context of the kubeconfig
    #[arg(short, long, global = true)]
    pub(crate) context: Option<String>,
    /// Kubeconfig file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// A site: the place where workloads of the application run
    Site {
        #[command(subcommand)]
        command: Option<site::Command>,
    },
    /// Links to other sites, and what other sites need to link to this one
    Link {
        #[command(subcommand)]
        command: Option<link::Command>,
    },
    /// Listeners: where clients in this site reach workloads of the network
    Listener {
        #[command(subcommand)]
        command: Option<listener::Command>,
    },
    /// Connectors: the workloads in this site that the network reaches
    Connector {
        #[command(subcommand)]
        command: Option<connector::Command>,
    },
    /// Finds out what is wrong
    Debug {
        #[command(subcommand)]
        command: Option<debug::Command>,
    },
    /// Prints the version
    Version,
    /// Prints the versions of the parts that are installed
    #[command(hide = true)]
    Manifest {
        /// Print all that is known of the images: json or yaml
        #[arg(
            short,
            long,
            default_value = "",
            value_name = "FORMAT",
            hide_default_value = true
        )]
        output: String,
    },
    /// Prints a script that completes commands and flags in a shell
    Completion {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
    /// Runs the router; its own flags follow
    #[command(hide = true, disable_help_flag = true)]
    Router(Raw),
    /// Runs the controller; its own flags follow
    #[command(hide = true, disable_help_flag = true)]
    Controller(Raw),
    /// Runs the adaptor; its own flags follow
    #[command(hide = true, disable_help_flag = true)]
    Adaptor(Raw),
}

/// Arguments of a role: listed here for completion and help alone; roles are dispatched before they are parsed.
#[derive(Args, Debug)]
pub(crate) struct Raw {
    /// Flags of the role
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<std::ffi::OsString>,
}

/// How to print.
#[derive(Args, Clone, Debug)]
pub(crate) struct Output {
    /// Print the resource instead of a table: json or yaml
    #[arg(
        short,
        long,
        default_value = "",
        value_name = "FORMAT",
        hide_default_value = true
    )]
    pub(crate) output: String,
}

/// What `status` shows of listeners, connectors and links.
#[derive(Args, Clone, Debug)]
pub(crate) struct Shown {
    /// Name of the one to show; all unless given
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// What `delete` removes of listeners, connectors and links.
#[derive(Args, Clone, Debug)]
pub(crate) struct Removed {
    /// Name of the one to remove
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// How long to wait
    #[arg(long, default_value = "60s")]
    pub(crate) timeout: GoDuration,
    /// Wait until it is gone
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", value_name = "BOOL")]
    pub(crate) wait: Toggle,
}
