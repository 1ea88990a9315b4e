//! What this router says of itself when it opens a connection (router protocol reference §1.3, §1.4).

use std::sync::Arc;
use std::time::Duration;

use skupper_amqp::connection::{Config, Mechanism};
use skupper_amqp::sasl::{ANONYMOUS, EXTERNAL};
use skupper_amqp::{Map, Open, Symbol, Value};
use skupper_management::Attributes;
use skupper_management::entity::{Connector, FailoverItem, Listener, Role};

use super::describe::{EARLY_OCTETS, PRODUCT, STREAMING_LINKS, TRUNKING};
use super::failover;
use crate::password::{PasswordError, read_password};

/// Value of `qd.inter-router-role` on data connections.
const DATA_ROLE: i32 = 4;
/// Frames to peers that take larger ones.
const MOST_FRAME: u32 = 64 * 1024;
/// A peer has so long to open the connection, whatever is configured.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(30);

/// What is particular to one connection of a connector.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// Names the connector's connections.
    pub(crate) correlator: Arc<str>,
    /// Generation of the credential, with TLS.
    pub(crate) ordinal: Option<u64>,
    /// It carries streams only.
    pub(crate) data: bool,
}

/// A listener's side of a connection. `external`: TLS has verified who the peer is. `policed`: who a peer of another role than
/// `inter-router` is decides what it is told.
pub(crate) fn accept(
    router: &str,
    listener: &Listener,
    number: u64,
    access_id: Option<&str>,
    external: bool,
    policed: bool,
) -> Config {
    let mut open = open(
        router,
        number,
        listener.role,
        listener.cost,
        &listener.open_properties,
    );
    open.max_frame_size = listener.frame_size();
    open.channel_max = (listener.sessions() - 1).min(u32::from(u16::MAX)) as u16;
    if let Some(access_id) = access_id {
        open.properties = open.properties.with_symbol("qd.access-id", access_id);
    }
    let elsewhere = FailoverItem::parse_list(&listener.failover_urls).unwrap_or_default();
    if let Some(elsewhere) = failover::property(&elsewhere) {
        open.properties = open.properties.with_symbol(failover::PROPERTY, elsewhere);
    }
    finish(&mut open, listener.role);
    let configured: Vec<&str> = listener.mechanisms().collect();
    let allowed =
        |mechanism: &Symbol| configured.is_empty() || configured.contains(&mechanism.as_str());
    let mut offered = Vec::new();
    if external && allowed(&EXTERNAL) {
        offered.push(EXTERNAL);
    }
    if allowed(&ANONYMOUS) && !listener.authenticate_peer {
        offered.push(ANONYMOUS);
    }
    let mut config = Config::listener(open, offered, listener.authenticate_peer);
    config.idle_timeout = timeout(listener.idle_timeout_seconds);
    config.handshake_timeout = Some(patience(listener));
    limits(&mut config, listener.session_frames());
    config.open_second =
        !listener.role.is_between_routers() || (policed && listener.role != Role::InterRouter);
    config
}

/// How long a listener waits for a peer to shake hands, and then to open.
pub(crate) fn patience(listener: &Listener) -> Duration {
    match listener.initial_handshake_timeout_seconds {
        0 => HANDSHAKE,
        seconds => Duration::from_secs(seconds.into()),
    }
}

/// The password of a connector's user, if it is to use one.
///
/// # Errors
/// It is not where the connector says.
pub(crate) fn password(connector: &Connector) -> Result<Option<String>, PasswordError> {
    let mut allowed = connector.mechanisms().peekable();
    let plain = allowed.peek().is_none() || allowed.any(|mechanism| mechanism == "PLAIN");
    if connector.sasl_username.is_empty() || !plain {
        return Ok(None);
    }
    let source = connector.user_password();
    source.as_ref().map(read_password).transpose()
}

/// A connector's side of a connection. `external`: this side presents a certificate. `password` is its [user's](password).
pub(crate) fn connect(
    router: &str,
    connector: &Connector,
    number: u64,
    group: Option<&Group>,
    external: bool,
    password: Option<String>,
) -> Config {
    let mut open = open(
        router,
        number,
        connector.role,
        connector.cost,
        &connector.open_properties,
    );
    open.hostname = Some(connector.host.clone());
    open.max_frame_size = connector.frame_size();
    open.channel_max = (connector.sessions() - 1).min(u32::from(u16::MAX)) as u16;
    if let Some(group) = group {
        if group.data {
            open.properties = open
                .properties
                .with_symbol("qd.inter-router-role", DATA_ROLE);
        }
        open.properties = open
            .properties
            .with_symbol("qd.group-correlator", &*group.correlator);
        if let Some(ordinal) = group.ordinal {
            open.properties = open.properties.with_symbol("qd.group-ordinal", ordinal);
        }
    }
    finish(&mut open, connector.role);
    let configured: Vec<&str> = connector.mechanisms().collect();
    let mut mechanisms = Vec::new();
    if external {
        mechanisms.push(Mechanism::External);
    }
    if let Some(password) = password {
        mechanisms.push(Mechanism::Plain {
            user: connector.sasl_username.clone(),
            password,
        });
    }
    mechanisms.push(Mechanism::Anonymous(format!("anonymous@{router}")));
    if !configured.is_empty() {
        mechanisms.retain(|mechanism| {
            let name = match mechanism {
                Mechanism::External => "EXTERNAL",
                Mechanism::Plain { .. } => "PLAIN",
                Mechanism::Anonymous(_) => "ANONYMOUS",
            };
            configured.contains(&name)
        });
    }
    let mut config = Config::connector(open, mechanisms);
    config.idle_timeout = timeout(connector.idle_timeout_seconds);
    config.handshake_timeout = Some(HANDSHAKE);
    limits(&mut config, connector.session_frames());
    config
}

fn open(router: &str, number: u64, role: Role, cost: u32, own: &Attributes) -> Open {
    let mut open = Open::new(router);
    let mut capabilities = vec!["ANONYMOUS-RELAY", STREAMING_LINKS, TRUNKING];
    if role.is_between_routers() {
        capabilities.push(EARLY_OCTETS);
    }
    if role == Role::InterEdge {
        capabilities.push("qd.router-inter-edge");
    }
    let capabilities: Vec<Symbol> = capabilities.into_iter().map(Symbol::from).collect();
    open.offered_capabilities = capabilities.clone();
    open.desired_capabilities = capabilities;
    let mut properties = Map::new()
        .with_symbol("product", PRODUCT)
        .with_symbol("version", env!("CARGO_PKG_VERSION"))
        .with_symbol("qd.conn-id", i32::try_from(number).unwrap_or(i32::MAX));
    if cost > 1 {
        let cost = i32::try_from(cost).unwrap_or(i32::MAX);
        properties = properties.with_symbol("qd.inter-router-cost", cost);
    }
    if role == Role::Normal {
        for (key, value) in own {
            properties.push(Symbol::from(key.as_str()), json(value));
        }
    }
    open.properties = properties;
    open
}

fn finish(open: &mut Open, role: Role) {
    if matches!(role, Role::InterRouter | Role::Edge) {
        let properties = std::mem::take(&mut open.properties);
        open.properties = properties.with_symbol("qd.annotations-version", 2_i32);
    }
}

fn timeout(seconds: u32) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}

fn limits(config: &mut Config, session_frames: u32) {
    config.max_send_frame = MOST_FRAME;
    config.session_window = session_frames;
    config.release = skupper_amqp::connection::Release::Manual;
}

fn json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => i32::try_from(number).map_or(Value::Long(number), Value::Int),
            (None, Some(number)) => Value::Double(number),
            (None, None) => Value::Null,
        },
        serde_json::Value::String(text) => Value::String(text.clone()),
        serde_json::Value::Array(values) => Value::List(values.iter().map(json).collect()),
        serde_json::Value::Object(map) => {
            let mut pairs = Map::new();
            for (key, value) in map {
                pairs.push(Value::String(key.clone()), json(value));
            }
            Value::Map(pairs)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_connects_has_a_while_to_open() {
        let listener = |seconds| Listener {
            initial_handshake_timeout_seconds: seconds,
            ..Listener::default()
        };
        assert_eq!(patience(&listener(0)), HANDSHAKE);
        assert_eq!(patience(&listener(7)), Duration::from_secs(7));
    }
}
