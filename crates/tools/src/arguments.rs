//! The words of the commands.

use clap::{ArgAction, Args, Parser};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Shows what a router is, has and does.
#[derive(Debug, Parser)]
#[command(name = "skstat", version = VERSION, disable_version_flag = true)]
pub(crate) struct Skstat {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) display: DisplayFlags,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Show the entities of all routers of the network
    #[arg(long, conflicts_with_all = ["router", "edge_router"])]
    pub(crate) all_routers: bool,
    /// Show at most so many rows; all if zero
    #[arg(long, value_name = "LIMIT", default_value_t = 0)]
    pub(crate) limit: usize,
    /// Print tables as comma-separated values
    #[arg(long)]
    pub(crate) csv: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// What to show; the router's statistics if nothing is said.
#[derive(Args, Debug, Default)]
#[group(multiple = false)]
pub(crate) struct DisplayFlags {
    /// Show general router statistics
    #[arg(short = 'g', long)]
    general: bool,
    /// Show connections
    #[arg(short = 'c', long)]
    connections: bool,
    /// Show links
    #[arg(short = 'l', long)]
    links: bool,
    /// Show the routers of the network
    #[arg(short = 'n', long)]
    nodes: bool,
    /// Show connections to edge routers
    #[arg(short = 'e', long)]
    edge: bool,
    /// Show addresses
    #[arg(short = 'a', long)]
    address: bool,
    /// Show memory
    #[arg(short = 'm', long)]
    memory: bool,
    /// Show policy
    #[arg(short = 'p', long)]
    policy: bool,
    /// Show auto links
    #[arg(long)]
    autolinks: bool,
    /// Show virtual hosts
    #[arg(long)]
    vhosts: bool,
    /// Show groups of users of virtual hosts
    #[arg(long)]
    vhostgroups: bool,
    /// Show counters of virtual hosts
    #[arg(long)]
    vhoststats: bool,
    /// Show the last log entries
    #[arg(long)]
    log: bool,
    /// Show all of it
    #[arg(long)]
    all_entities: bool,
}

impl DisplayFlags {
    pub(crate) fn display(&self) -> skupper_management::tools::stat::Display {
        use skupper_management::tools::stat::Display;
        let flags = [
            (self.connections, Display::Connections),
            (self.links, Display::Links),
            (self.nodes, Display::Nodes),
            (self.edge, Display::Edge),
            (self.address, Display::Addresses),
            (self.memory, Display::Memory),
            (self.policy, Display::Policy),
            (self.autolinks, Display::AutoLinks),
            (self.vhosts, Display::Vhosts),
            (self.vhostgroups, Display::VhostGroups),
            (self.vhoststats, Display::VhostStats),
            (self.log, Display::Log),
            (self.all_entities, Display::All),
        ];
        flags
            .into_iter()
            .find_map(|(flag, display)| flag.then_some(display))
            .unwrap_or_default()
    }
}

/// Reads and changes the entities of a router.
///
/// Operations: QUERY, CREATE, READ, UPDATE, DELETE, GET-TYPES, GET-OPERATIONS, GET-ATTRIBUTES, GET-ANNOTATIONS,
/// GET-MGMT-NODES, GET-SCHEMA, GET-LOG, and any other that a type of entity knows.
#[derive(Debug, Parser)]
#[command(name = "skmanage", version = VERSION, disable_version_flag = true)]
pub(crate) struct Skmanage {
    /// The operation, and what it takes: columns of a query, else ATTRIBUTE=VALUE
    #[arg(value_name = "OPERATION [ATTRIBUTE[=VALUE]]")]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Type of the entities
    #[arg(long, value_name = "TYPE")]
    pub(crate) r#type: Option<String>,
    /// Name of the entity
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Identity of the entity
    #[arg(long, value_name = "ID")]
    pub(crate) identity: Option<String>,
    /// Blanks by which JSON is indented; -1 prints it on one line
    #[arg(
        long,
        value_name = "INDENT",
        default_value_t = 2,
        allow_negative_numbers = true
    )]
    pub(crate) indent: i64,
    /// Read attributes from standard input: a JSON map, or a list of maps
    #[arg(long)]
    pub(crate) stdin: bool,
    /// Body of an operation of your own, as JSON
    #[arg(long, value_name = "JSON")]
    pub(crate) body: Option<String>,
    /// Properties of an operation of your own, as a JSON map
    #[arg(long, value_name = "JSON")]
    pub(crate) properties: Option<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// What both commands know.
#[derive(Args, Debug, Default)]
pub(crate) struct Common {
    /// Print the version
    #[arg(long, action = ArgAction::Version)]
    version: Option<bool>,
    /// Show more
    #[arg(short = 'v', long, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// Whom to ask; the router that is connected to if nobody is named.
#[derive(Args, Debug, Default)]
#[group(multiple = false)]
pub(crate) struct Target {
    /// Ask this router of the network
    #[arg(short = 'r', long, value_name = "ROUTER-ID")]
    pub(crate) router: Option<String>,
    /// Ask this edge router
    #[arg(short = 'd', long, value_name = "EDGE-ROUTER-ID")]
    pub(crate) edge_router: Option<String>,
}

/// How to connect.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connection options")]
pub(crate) struct Connection {
    /// Router to connect to
    #[arg(short = 'b', long, value_name = "URL", default_value = "0.0.0.0")]
    pub(crate) bus: String,
    /// How long to wait for the connection and for each answer
    #[arg(short = 't', long, value_name = "SECS", default_value_t = 5.0)]
    pub(crate) timeout: f64,
    /// Client certificate (PEM)
    #[arg(long, value_name = "CERT")]
    pub(crate) ssl_certificate: Option<String>,
    /// Private key of the client certificate (PEM)
    #[arg(long, value_name = "KEY")]
    pub(crate) ssl_key: Option<String>,
    /// Trust anchors (PEM)
    #[arg(long, value_name = "TRUSTED-CA-DB")]
    pub(crate) ssl_trustfile: Option<String>,
    /// Password of the private key
    #[arg(long, value_name = "PASSWORD")]
    pub(crate) ssl_password: Option<String>,
    /// File with the password of the private key
    #[arg(long, value_name = "FILE")]
    pub(crate) ssl_password_file: Option<String>,
    /// Do not look for the router's name in its certificate. INSECURE
    #[arg(long)]
    pub(crate) ssl_disable_peer_name_verify: bool,
    /// SASL mechanisms to allow
    #[arg(long, value_name = "MECHANISMS")]
    pub(crate) sasl_mechanisms: Option<String>,
    /// User name for SASL
    #[arg(long, value_name = "NAME")]
    pub(crate) sasl_username: Option<String>,
    /// Password for SASL
    #[arg(long, value_name = "PASSWORD")]
    pub(crate) sasl_password: Option<String>,
    /// File with the password for SASL
    #[arg(long, value_name = "FILE")]
    pub(crate) sasl_password_file: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use skupper_management::tools::stat::Display;

    use super::*;

    #[test]
    fn the_words_are_consistent() {
        Skstat::command().debug_assert();
        Skmanage::command().debug_assert();
    }

    #[test]
    fn upstreams_words_are_taken() {
        let skstat = |words: &str| Skstat::try_parse_from(words.split(' '));
        assert_eq!(
            skstat("skstat").unwrap().display.display(),
            Display::General
        );
        let all = skstat(
            "skstat -c -b amqps://127.0.0.1:5671 --ssl-certificate c --ssl-key k --ssl-trustfile t -v --limit 5",
        );
        let all = all.unwrap();
        assert_eq!(
            (all.display.display(), all.limit, all.common.verbose),
            (Display::Connections, 5, 1)
        );
        assert!(skstat("skstat -c -l").is_err(), "one display at a time");
        assert!(skstat("skstat -r A --all-routers").is_err());

        let words = "skmanage create --type listener --name l port=5672 http=true --indent -1 -r A";
        let skmanage = Skmanage::try_parse_from(words.split(' ')).unwrap();
        assert_eq!(skmanage.words, ["create", "port=5672", "http=true"]);
        assert_eq!(
            (skmanage.indent, skmanage.target.router.as_deref()),
            (-1, Some("A"))
        );
    }
}
