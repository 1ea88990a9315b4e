//! Whether a running entity is the wanted one.

use std::net::IpAddr;

use crate::field::{scalar, truth, whole};
use crate::schema::{Type, entity_type};
use crate::{Attributes, Kind, Value};

/// Attributes for which the router chooses a value where none is wanted: what it chose is never wrong.
const ROUTERS_CHOICE: [&str; 7] = [
    "linkCapacity",
    "maxFrameSize",
    "maxSessionFrames",
    "httpRootDir",
    "websockets",
    "healthz",
    "metrics",
];

/// The attributes of `compared` in which a running entity differs from a wanted one. A wanted entity has what the schema
/// has by default where it says nothing.
pub(super) fn differences(
    kind: Kind,
    running: &Attributes,
    wanted: &Attributes,
    compared: &'static [&'static str],
) -> Vec<&'static str> {
    compared
        .iter()
        .copied()
        .filter(|name| *name != "name" && differs(kind, name, running, wanted))
        .collect()
}

fn differs(kind: Kind, name: &str, running: &Attributes, wanted: &Attributes) -> bool {
    let default = entity_type(kind)
        .attribute(name)
        .and_then(|attribute| attribute.default_value());
    let wanted_value = wanted.get(name).filter(|value| !value.is_null());
    if wanted_value.is_none() && ROUTERS_CHOICE.contains(&name) {
        return false;
    }
    canonical(kind, name, running.get(name).or(default.as_ref()))
        != canonical(kind, name, wanted_value.or(default.as_ref()))
}

/// A value such that values which mean the same are equal.
fn canonical(kind: Kind, name: &str, value: Option<&Value>) -> Value {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return nothing(kind, name);
    };
    let text = || scalar(value).unwrap_or_default();
    match (kind, name) {
        (Kind::TcpListener | Kind::TcpConnector, "host") => canonical_host(&text()).into(),
        (Kind::Log, "enable") => text().replace("trace", "debug").into(),
        _ => match attribute_type(kind, name) {
            Some(Type::Integer) => whole(value).map_or_else(|| value.clone(), Value::from),
            Some(Type::Boolean) => truth(value).map_or_else(|| value.clone(), Value::from),
            Some(Type::Map | Type::List | Type::Properties) => value.clone(),
            _ => text().into(),
        },
    }
}

/// What an attribute without value and default means.
fn nothing(kind: Kind, name: &str) -> Value {
    match attribute_type(kind, name) {
        Some(Type::Integer) => 0.into(),
        Some(Type::Boolean) => false.into(),
        _ => "".into(),
    }
}

fn attribute_type(kind: Kind, name: &str) -> Option<Type> {
    entity_type(kind)
        .attribute(name)
        .map(|attribute| attribute.kind)
}

/// Every address of the machine is one host, however it is written.
fn canonical_host(host: &str) -> String {
    match host.parse::<IpAddr>() {
        Ok(address) if address.is_unspecified() => String::new(),
        _ => host.to_owned(),
    }
}
