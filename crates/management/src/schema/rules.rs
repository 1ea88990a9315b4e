//! What must hold between attributes, and between an entity and the router it stands in (reference §2.3, §3).

use unicode_general_category::{GeneralCategory, get_general_category};

use super::Invalid;
use crate::config::{Mode, Role};
use crate::field::{Field, scalar, whole};
use crate::{Attributes, Kind, Value};

/// Keys of the AMQP open's properties that are the router's own.
const RESERVED_KEYS: [&str; 7] = [
    "product",
    "version",
    "failover-server-list",
    "network-host",
    "port",
    "scheme",
    "hostname",
];
const RESERVED_PREFIXES: [&str; 2] = ["qd.", "x-opt-qd."];
/// Roles of connections between routers.
const ROUTER_ROLES: [Role; 4] = [
    Role::InterRouter,
    Role::Edge,
    Role::InterEdge,
    Role::InterNetwork,
];
/// Octets of a network's name: upstream's router has room for no more.
const MAX_NETWORK: usize = 61;
/// The greatest priority of a message in this router.
const MAX_PRIORITY: i64 = 9;

/// Checks validated attributes. `mode` is the router's; none means that it is not known yet.
///
/// # Errors
/// What does not hold, in upstream's words where upstream has some.
pub fn check(kind: Kind, attributes: &Attributes, mode: Option<Mode>) -> Result<(), Invalid> {
    match kind {
        Kind::Router => router(attributes),
        Kind::Network => network(attributes),
        Kind::Listener | Kind::Connector => {
            messaging(attributes)?;
            open_properties(attributes)?;
            mode.map_or(Ok(()), |mode| role_fits(kind, attributes, mode))
        }
        Kind::TcpListener => tcp_listener(attributes),
        Kind::ListenerAddress => address(attributes),
        Kind::TcpConnector => tcp_connector(attributes),
        Kind::SslProfile => ssl_profile(attributes),
        Kind::ProxyProfile => ["host", "port"].into_iter().try_for_each(|name| {
            if text(attributes, name).is_empty() {
                return Err(Invalid::attribute(
                    name,
                    format!("Missing required attribute '{name}'"),
                ));
            }
            Ok(())
        }),
        Kind::ConfigAddress => config_address(attributes),
        Kind::AutoLink => auto_link(attributes),
        Kind::Log => log(attributes),
        Kind::Vhost => vhost(attributes),
        _ => Ok(()),
    }
}

fn text(attributes: &Attributes, name: &str) -> String {
    attributes.get(name).and_then(scalar).unwrap_or_default()
}

fn number(attributes: &Attributes, name: &str) -> Option<i64> {
    attributes.get(name).and_then(whole)
}

fn router(attributes: &Attributes) -> Result<(), Invalid> {
    let id = text(attributes, "id");
    if id.contains(['|', '$']) {
        // Upstream's spelling, which scripts may look for.
        let message =
            format!("Router ID \"{id}\" containes at least one illegal character (\"|$\").");
        return Err(Invalid::attribute("id", message));
    }
    if let Some(letter) = id.chars().find(|letter| is_unseen(*letter)) {
        let message = format!(
            "Router id attribute containing character '{}' in id '{}' is disallowed.",
            letter.escape_default(),
            id.escape_default()
        );
        return Err(Invalid::attribute("id", message));
    }
    let longest = number(attributes, "remoteLsMaxAgeSeconds").unwrap_or(60);
    range(attributes, "unreachableHoldoffSeconds", 0, longest)?;
    range(attributes, "workerThreads", 1, 1024)?;
    for name in [
        "helloIntervalSeconds",
        "helloMaxAgeSeconds",
        "raIntervalSeconds",
        "raIntervalFluxSeconds",
        "remoteLsMaxAgeSeconds",
    ] {
        range(attributes, name, 1, i64::from(i32::MAX))?;
    }
    Ok(())
}

/// Whether a character is of Unicode's categories C (control, format, private use, not assigned) or Z (separators).
fn is_unseen(letter: char) -> bool {
    use GeneralCategory as Is;
    matches!(
        get_general_category(letter),
        Is::Control
            | Is::Format
            | Is::PrivateUse
            | Is::Surrogate
            | Is::Unassigned
            | Is::LineSeparator
            | Is::ParagraphSeparator
            | Is::SpaceSeparator
    )
}

/// The name is an element of addresses.
fn network(attributes: &Attributes) -> Result<(), Invalid> {
    let id = text(attributes, "networkId");
    let wrong = |letter: char| letter == '/' || letter.is_control() || letter.is_whitespace();
    let fault = match id.chars().find(|letter| wrong(*letter)) {
        Some(letter) => format!("the character '{}'", letter.escape_default()),
        None if id.ends_with('.') => "a '.' at its end".to_owned(),
        None if id.len() > MAX_NETWORK => format!("{} octets", id.len()),
        None => return Ok(()),
    };
    let message = format!(
        "Invalid networkId '{}': a name of at most {MAX_NETWORK} octets without '/', blanks and control characters and not ending in '.' is expected, it has {fault}: choose another",
        id.escape_default()
    );
    Err(Invalid::attribute("networkId", message))
}

fn range(attributes: &Attributes, name: &str, least: i64, most: i64) -> Result<(), Invalid> {
    match number(attributes, name) {
        Some(value) if !(least..=most).contains(&value) => Err(Invalid::attribute(
            name,
            format!(
                "Invalid {name} specified ({value}). Minimum value is {least} and maximum value is {most}"
            ),
        )),
        _ => Ok(()),
    }
}

/// Zero stands for the default of the frame and session limits.
fn range_or_zero(
    attributes: &Attributes,
    name: &str,
    least: i64,
    most: i64,
) -> Result<(), Invalid> {
    if number(attributes, name) == Some(0) {
        Ok(())
    } else {
        range(attributes, name, least, most)
    }
}

fn messaging(attributes: &Attributes) -> Result<(), Invalid> {
    let largest = i64::from(i32::MAX);
    if let Some(cost) = number(attributes, "cost")
        && !(1..=largest).contains(&cost)
    {
        let message = format!(
            "Invalid cost ({cost}) specified. Minimum value for cost is 1 and maximum value is {largest}"
        );
        return Err(Invalid::attribute("cost", message));
    }
    range_or_zero(attributes, "maxFrameSize", 512, largest)?;
    range_or_zero(attributes, "maxSessions", 1, 32768)?;
    range_or_zero(attributes, "maxSessionFrames", 2, largest)?;
    range(attributes, "idleTimeoutSeconds", 0, largest)?;
    range(attributes, "initialHandshakeTimeoutSeconds", 0, largest)?;
    range(attributes, "linkCapacity", 0, largest)?;
    failover_urls(attributes)
}

fn failover_urls(attributes: &Attributes) -> Result<(), Invalid> {
    let items = crate::entity::FailoverItem::parse_list(&text(attributes, "failoverUrls"));
    items
        .map(drop)
        .map_err(|message| Invalid::attribute("failoverUrls", message.to_owned()))
}

fn open_properties(attributes: &Attributes) -> Result<(), Invalid> {
    let Some(Value::Object(properties)) = attributes.get("openProperties") else {
        return Ok(());
    };
    let reserved = |key: &&String| {
        RESERVED_KEYS.contains(&key.as_str())
            || RESERVED_PREFIXES
                .iter()
                .any(|prefix| key.starts_with(prefix))
    };
    if let Some(key) = properties.keys().find(reserved) {
        let message = format!("Reserved key '{key}' not allowed in openProperties");
        return Err(Invalid::attribute("openProperties", message));
    }
    let role = role(attributes);
    if !properties.is_empty() && ROUTER_ROLES.contains(&role) {
        return Err(Invalid::attribute(
            "openProperties",
            format!("openProperties not allowed for role {role}"),
        ));
    }
    Ok(())
}

fn role(attributes: &Attributes) -> Role {
    attributes
        .get("role")
        .and_then(|role| Role::read(role).ok())
        .unwrap_or_default()
}

fn role_fits(kind: Kind, attributes: &Attributes, mode: Mode) -> Result<(), Invalid> {
    let role = role(attributes);
    let misfit = match mode {
        Mode::Standalone if matches!(role, Role::InterRouter | Role::Edge) => {
            "role='standalone' not allowed to connect to or accept connections from other routers."
                .to_owned()
        }
        Mode::Standalone | Mode::Edge if role == Role::InterRouter => {
            only_interior(kind, attributes, role)
        }
        Mode::Edge if role == Role::Edge && kind == Kind::Listener => {
            only_interior(kind, attributes, role)
        }
        _ => return Ok(()),
    };
    Err(Invalid::attribute("role", misfit))
}

fn only_interior(kind: Kind, attributes: &Attributes, role: Role) -> String {
    format!(
        "role='{role}' only allowed with router mode='interior' for {kind} '{}'",
        text(attributes, "name")
    )
}

fn tcp_listener(attributes: &Attributes) -> Result<(), Invalid> {
    let several = !matches!(
        text(attributes, "multiAddressStrategy").as_str(),
        "" | "none"
    );
    if several != text(attributes, "address").is_empty() {
        let message = "Exactly one of the 'address' or 'multiAddressStrategy' field must be set";
        return Err(Invalid::attribute("address", message.to_owned()));
    }
    port(attributes)
}

fn tcp_connector(attributes: &Attributes) -> Result<(), Invalid> {
    address(attributes)?;
    port(attributes)
}

fn address(attributes: &Attributes) -> Result<(), Invalid> {
    if text(attributes, "address").is_empty() {
        return Err(Invalid::attribute(
            "address",
            "Address must be set".to_owned(),
        ));
    }
    Ok(())
}

fn port(attributes: &Attributes) -> Result<(), Invalid> {
    if text(attributes, "port").is_empty() {
        return Err(Invalid::attribute("port", "Port must be set".to_owned()));
    }
    Ok(())
}

fn ssl_profile(attributes: &Attributes) -> Result<(), Invalid> {
    let name = text(attributes, "name");
    let ordinal = number(attributes, "ordinal").unwrap_or(0);
    let oldest = number(attributes, "oldestValidOrdinal").unwrap_or(0);
    if ordinal < 0 || oldest < 0 {
        let message = format!("Negative ordinal field values are invalid (sslProfile '{name}')");
        return Err(Invalid::attribute("ordinal", message));
    }
    if ordinal < oldest {
        let message = format!("ordinal must be >= oldestValidOrdinal (sslProfile '{name}')");
        return Err(Invalid::attribute("oldestValidOrdinal", message));
    }
    let format = text(attributes, "uidFormat");
    if !uid_format_is_valid(&format) {
        let message =
            format!("Invalid format for uidFormat field in sslProfile '{name}': {format}");
        return Err(Invalid::attribute("uidFormat", message));
    }
    Ok(())
}

/// At most seven letters of `csloun125`, of the digests at most one.
fn uid_format_is_valid(format: &str) -> bool {
    let digests = format
        .chars()
        .filter(|letter| matches!(letter, '1' | '2' | '5'))
        .count();
    format.chars().count() <= 7
        && digests <= 1
        && format.chars().all(|letter| "csloun125".contains(letter))
}

fn config_address(attributes: &Attributes) -> Result<(), Invalid> {
    let given = |name: &str| attributes.get(name).is_some();
    let error = |name: &str, message: &str| Err(Invalid::attribute(name, message.to_owned()));
    match (given("prefix"), given("pattern")) {
        (false, false) => {
            return error(
                "prefix",
                "Either a 'prefix' or 'pattern' attribute must be provided",
            );
        }
        (true, true) => {
            return error(
                "pattern",
                "Cannot specify both a 'prefix' and a 'pattern' attribute",
            );
        }
        _ => {}
    }
    for (name, title) in [("prefix", "Prefix"), ("pattern", "Pattern")] {
        if !given(name) {
            continue;
        }
        let value = text(attributes, name);
        if value.is_empty() {
            return error(name, &format!("{title} must be a non-empty string type"));
        }
        if value.split(['/', '.']).all(str::is_empty) {
            return error(name, &format!("{title} invalid - no tokens"));
        }
    }
    match number(attributes, "priority") {
        Some(priority) if !(0..=MAX_PRIORITY).contains(&priority) => error(
            "priority",
            "Priority value, if present, must be between 0 and QDR_MAX_PRIORITY",
        ),
        _ => Ok(()),
    }
}

fn auto_link(attributes: &Attributes) -> Result<(), Invalid> {
    let error = |name: &str, message: &str| Err(Invalid::attribute(name, message.to_owned()));
    if !text(attributes, "connection").is_empty() && !text(attributes, "containerId").is_empty() {
        return error(
            "connection",
            "Both connection and containerId cannot be specified. Specify only one",
        );
    }
    if text(attributes, "address").is_empty() && text(attributes, "direction") != "in" {
        return error(
            "address",
            "address field is only optional if direction is incoming",
        );
    }
    Ok(())
}

fn log(attributes: &Attributes) -> Result<(), Invalid> {
    let enable = text(attributes, "enable");
    match crate::entity::LogLevels::parse(&enable) {
        Ok(_) => Ok(()),
        Err(message) => Err(Invalid::attribute("enable", message)),
    }
}

fn vhost(attributes: &Attributes) -> Result<(), Invalid> {
    crate::entity::Vhost::read(attributes)
        .map(drop)
        .map_err(|message| Invalid {
            attribute: None,
            message,
        })
}
