//! How an entity is identified within its router (reference §6.5).

use crate::field::scalar;
use crate::{Attributes, Kind};

/// The identity of an entity with these validated attributes. `number` serves the types whose entities have nothing
/// else to be told apart by; the caller gives each new entity of such a type a number of its own.
pub fn identity(kind: Kind, attributes: &Attributes, number: u64) -> String {
    let value = |attribute: &str| {
        attributes
            .get(attribute)
            .and_then(scalar)
            .unwrap_or_default()
    };
    let rest = match kind {
        Kind::Listener | Kind::Connector | Kind::TcpListener | Kind::TcpConnector => with_name(
            format!("{}:{}", value("host"), value("port")),
            &value("name"),
        ),
        Kind::ListenerAddress => with_name(
            format!("{}:{}", value("listener"), value("address")),
            &value("name"),
        ),
        Kind::SslProfile | Kind::ProxyProfile => value("name"),
        Kind::Router | Kind::Node => value("id"),
        Kind::Log => value("module"),
        Kind::Vhost | Kind::VhostStats => value("hostname"),
        Kind::Allocator => value("typeName"),
        Kind::Address => return value("key"),
        Kind::RouterMetrics => return "1".to_owned(),
        Kind::Management => return "self".to_owned(),
        Kind::ConfigAddress | Kind::AutoLink => return number.to_string(),
        _ => number.to_string(),
    };
    format!("{}/{rest}", kind.short())
}

fn with_name(place: String, name: &str) -> String {
    if name.is_empty() {
        place
    } else {
        format!("{place}:{name}")
    }
}
