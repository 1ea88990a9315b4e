//! What attributes each type of entity has, who may set them, and what may be done with the entities (reference §3).
//!
//! The tables are interface: names, types, defaults and the order of columns are what scripts and control planes expect of
//! this router's kind. Attributes marked *ours* do not exist upstream; they are only ever read.

mod attribute;
mod identity;
mod live;
mod log;
mod messaging;
mod notes;
mod policy;
mod router;
mod rules;
mod services;
mod validate;

pub use attribute::{Attribute, Type};
pub use identity::identity;
pub use log::{LEVELS, MODULES};
pub use notes::{plain_password, without_effect};
pub use rules::check;
pub use validate::{Invalid, validate};

use std::sync::OnceLock;

use crate::{Attributes, Kind, Value};
use attribute::{boolean, text};

/// A type of entity.
#[derive(Clone, Debug)]
pub struct EntityType {
    /// Which one.
    pub kind: Kind,
    /// Its attributes, inherited ones included, in the order in which they are answered.
    pub attributes: Vec<Attribute>,
    /// What may be asked of its entities.
    pub operations: Vec<&'static str>,
    /// What it is, in a sentence.
    pub description: &'static str,
}

impl EntityType {
    /// The attribute of a name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name == name)
    }

    /// Whether an operation, in upper case, may be asked of the entities.
    pub fn allows(&self, operation: &str) -> bool {
        self.operations.contains(&operation)
    }

    /// The type as GET-SCHEMA tells it; empty members are left out.
    pub fn describe(&self) -> Value {
        let attributes: Attributes = self
            .attributes
            .iter()
            .filter(|attribute| attribute.name != "type")
            .map(|attribute| (attribute.name.to_owned(), attribute.describe()))
            .collect();
        let mut about = Attributes::new();
        about.insert("attributes".to_owned(), Value::Object(attributes));
        about.insert("operations".to_owned(), self.operations.clone().into());
        about.insert("description".to_owned(), self.description.into());
        about.insert("fullyQualifiedType".to_owned(), self.kind.full().into());
        if self.kind.is_singleton() {
            about.insert("singleton".to_owned(), Value::Bool(true));
        }
        about.retain(|_, value| !matches!(value, Value::Array(items) if items.is_empty()));
        Value::Object(about)
    }
}

/// The type of a kind.
pub fn entity_type(kind: Kind) -> &'static EntityType {
    static TYPES: OnceLock<Vec<EntityType>> = OnceLock::new();
    let types = TYPES.get_or_init(|| Kind::ALL.iter().map(|kind| build(*kind)).collect());
    &types[kind as usize]
}

/// The schema as GET-SCHEMA tells it.
pub fn describe() -> Value {
    let types: Attributes = Kind::ALL
        .iter()
        .map(|kind| (kind.short().to_owned(), entity_type(*kind).describe()))
        .collect();
    let mut schema = Attributes::new();
    schema.insert(
        "prefix".to_owned(),
        crate::kind::PREFIX.trim_end_matches('.').into(),
    );
    schema.insert("entityTypes".to_owned(), Value::Object(types));
    Value::Object(schema)
}

/// What every entity has.
const BASE: &[Attribute] = &[
    text("name").create(),
    text("identity"),
    text("type").required().create(),
];

fn build(kind: Kind) -> EntityType {
    let (description, own, operations) = own(kind);
    let mut attributes = own.to_vec();
    attributes.extend(
        BASE.iter()
            .filter(|base| own.iter().all(|attribute| attribute.name != base.name)),
    );
    let mut operations = operations.to_vec();
    for base in kind.bases() {
        operations.extend_from_slice(self::own(*base).2);
    }
    EntityType {
        kind,
        attributes,
        operations,
        description,
    }
}

type Own = (&'static str, &'static [Attribute], &'static [&'static str]);

/// Operations of entities that a client may make and remove.
const CREATE_DELETE: &[&str] = &["CREATE", "DELETE"];
/// Operations of entities that a client may also change.
const CREATE_UPDATE_DELETE: &[&str] = &["CREATE", "UPDATE", "DELETE"];

/// Description, own attributes and own operations.
const fn own(kind: Kind) -> Own {
    const READ: &[&str] = &["READ"];
    const NODE: &[&str] = &[
        "QUERY",
        "GET-TYPES",
        "GET-ANNOTATIONS",
        "GET-OPERATIONS",
        "GET-ATTRIBUTES",
        "GET-MGMT-NODES",
    ];
    match kind {
        Kind::Entity => ("What all entities have.", BASE, &[]),
        Kind::ManagementNode => ("A management node of the AMQP management draft.", &[], NODE),
        Kind::Management => (
            "The agent of this router.",
            &[],
            &["GET-SCHEMA", "GET-JSON-SCHEMA", "GET-LOG"],
        ),
        Kind::ConfigurationEntity => ("An entity that a configuration file may hold.", &[], READ),
        Kind::OperationalEntity => ("An entity that exists because the router runs.", &[], READ),
        Kind::RouterMetrics => ("Counters of the whole router.", live::ROUTER_METRICS, &[]),
        Kind::Router => ("The router.", router::ROUTER, &[]),
        Kind::Network => (
            "The network that the router belongs to.",
            router::NETWORK,
            &["UPDATE"],
        ),
        Kind::Site => ("The site that the router serves.", router::SITE, &[]),
        Kind::SslProfile => (
            "A TLS credential in files.",
            router::SSL_PROFILE,
            CREATE_UPDATE_DELETE,
        ),
        Kind::ProxyProfile => (
            "An HTTP CONNECT proxy.",
            router::PROXY_PROFILE,
            CREATE_UPDATE_DELETE,
        ),
        Kind::Listener => (
            "A port on which AMQP or HTTP peers are accepted.",
            messaging::LISTENER,
            CREATE_DELETE,
        ),
        Kind::Connector => (
            "A connection that the router makes and keeps.",
            messaging::CONNECTOR,
            CREATE_DELETE,
        ),
        Kind::TcpListener => (
            "A port on which clients of a service are accepted.",
            services::TCP_LISTENER,
            CREATE_UPDATE_DELETE,
        ),
        Kind::TcpConnector => (
            "A server of a service.",
            services::TCP_CONNECTOR,
            CREATE_DELETE,
        ),
        Kind::ListenerAddress => (
            "One of several addresses of a tcpListener.",
            services::LISTENER_ADDRESS,
            CREATE_DELETE,
        ),
        Kind::Log => ("What a module logs, and where to.", log::LOG, &["UPDATE"]),
        Kind::LogStats => ("How often a module logged.", log::LOG_STATS, &[]),
        Kind::ConfigAddress => (
            "How messages to addresses of a shape are distributed.",
            router::CONFIG_ADDRESS,
            CREATE_DELETE,
        ),
        Kind::AutoLink => (
            "A link that the router makes by itself.",
            router::AUTO_LINK,
            CREATE_DELETE,
        ),
        Kind::Link => ("A live link.", live::LINK, &[]),
        Kind::Address => ("An address known to the router.", live::ADDRESS, &[]),
        Kind::Node => ("A router known to this router.", live::NODE, &[]),
        // UPDATE closes a connection or traces it, although upstream's schema does not list it.
        Kind::Connection => ("A live connection.", live::CONNECTION, &["UPDATE"]),
        Kind::TcpConnection => (
            "A live TCP connection of a service.",
            services::TCP_CONNECTION,
            &[],
        ),
        Kind::Allocator => ("A pool of memory.", live::ALLOCATOR, &[]),
        Kind::Policy => ("Limits for connections.", policy::POLICY, &[]),
        Kind::Vhost => (
            "Limits for the users of a virtual host.",
            policy::VHOST,
            CREATE_UPDATE_DELETE,
        ),
        Kind::VhostUserGroupSettings => (
            "Settings of a group of users.",
            policy::VHOST_USER_GROUP_SETTINGS,
            &[],
        ),
        Kind::VhostStats => ("Counters of a virtual host.", policy::VHOST_STATS, &[]),
        Kind::Dummy => (
            "For trying the protocol.",
            DUMMY,
            &["CREATE", "READ", "UPDATE", "DELETE", "CALLME"],
        ),
    }
}

const DUMMY: &[Attribute] = &[
    text("arg1").create().update(),
    text("arg2").create().update(),
    attribute::integer("num1").create().update(),
    attribute::integer("num2").create().update(),
];

/// A port's TLS and authentication flags differ little between kinds; this one is common to most.
const fn flag(name: &'static str, default: bool) -> Attribute {
    boolean(name).default_flag(default).create()
}

#[cfg(test)]
mod tests;
