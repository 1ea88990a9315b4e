//! Listeners and Connectors: ports and workloads of the router, Services, and their statuses.

mod connectors;
mod listeners;
mod pods;
mod ports;
mod service;

pub(crate) use connectors::{
    add as add_connectors, report as report_connectors, view as view_connectors,
};
pub(crate) use listeners::{
    ListenerView, add as add_listeners, report as report_listeners, view as view_listeners,
};
pub(crate) use pods::{is_ready, runs};
pub(crate) use service::want as want_services;

/// A port number as the API has it, if it is one.
pub(crate) fn port(number: i64) -> Result<u16, String> {
    u16::try_from(number)
        .ok()
        .filter(|port| *port != 0)
        .ok_or_else(|| format!("port {number} is not possible: expected a number from 1 to 65535"))
}

/// Whether a text is a DNS label (RFC 1123) as Services and ports must be named.
pub(crate) fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte != b'-');
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && ends(text.bytes().next())
        && ends(text.bytes().next_back())
}
