//! The order of operations: what is referred to is there before what refers to it, and goes after it.

use std::collections::{BTreeMap, BTreeSet};

use super::compare::differences;
use super::{Change, Running};
use crate::config::{ListenerAddress, LogConfig, PROTECTED_LISTENERS, TcpConnector, TcpListener};
use crate::field::{Record, scalar};
use crate::{Attributes, Kind, RouterConfig, Value};

/// Connectors with such names are made by the router's image and not by a site.
pub const KEPT_CONNECTOR_PREFIX: &str = "auto-mesh";

pub(super) fn plan(running: &Running, wanted: &RouterConfig) -> Vec<Change> {
    let bridges = Bridges::new(running, wanted);
    let connectors = Replacement::new(running, &wanted.connectors, |name| {
        name.starts_with(KEPT_CONNECTOR_PREFIX)
    });
    let listeners = Replacement::new(running, &wanted.listeners, |name| {
        PROTECTED_LISTENERS.contains(&name)
    });

    let mut changes = Vec::new();
    changes.extend(profiles(running, &wanted.ssl_profiles));
    changes.extend(profiles(running, &wanted.proxy_profiles));
    changes.extend(bridges.changes());
    changes.extend(connectors.deletes.into_iter().chain(connectors.creates));
    changes.extend(listeners.deletes.into_iter().chain(listeners.creates));
    changes.extend(logs(running, wanted));
    changes.extend(unwanted(
        running,
        &wanted.proxy_profiles,
        &kept(running, "proxyProfile"),
    ));
    changes.extend(unwanted(
        running,
        &wanted.ssl_profiles,
        &kept(running, "sslProfile"),
    ));
    changes
}

/// Profiles are changed in place, so that connections live on.
fn profiles<T: Record>(running: &Running, wanted: &BTreeMap<String, T>) -> Vec<Change> {
    let change = |(name, record): (&String, &T)| {
        let attributes = record.attributes();
        let Some(existing) = running.get(T::KIND, name) else {
            return Some(create::<T>(name, attributes));
        };
        let because = differences(T::KIND, existing, &attributes, T::ATTRIBUTES);
        // Every attribute that differs is named, one that is no longer wanted with null.
        let changed = |attribute: &&str| {
            let value = attributes.get(*attribute).cloned().unwrap_or(Value::Null);
            ((*attribute).to_owned(), value)
        };
        (!because.is_empty()).then(|| Change::Update {
            kind: T::KIND,
            name: name.clone(),
            attributes: update_of(&attributes, because.iter().map(changed)),
            because,
        })
    };
    wanted.iter().filter_map(change).collect()
}

/// The whole wanted profile, so that a router which compares nothing still gets all of it, and what goes away.
fn update_of(wanted: &Attributes, changed: impl Iterator<Item = (String, Value)>) -> Attributes {
    let mut attributes = wanted.clone();
    attributes.extend(changed);
    for ordinal in ["ordinal", "oldestValidOrdinal"] {
        if attributes.get(ordinal).is_some_and(Value::is_null) {
            attributes.insert(ordinal.to_owned(), 0.into());
        }
    }
    attributes
}

fn create<T: Record>(name: &str, attributes: Attributes) -> Change {
    Change::Create {
        kind: T::KIND,
        name: name.to_owned(),
        attributes,
    }
}

/// What is deleted and made anew because it cannot be changed in place.
struct Replacement {
    deletes: Vec<Change>,
    creates: Vec<Change>,
}

impl Replacement {
    /// `keep` tells which entities are nobody's business here, wanted or not.
    fn new<T: Record>(
        running: &Running,
        wanted: &BTreeMap<String, T>,
        keep: impl Fn(&str) -> bool,
    ) -> Self {
        let mut replacement = Replacement {
            deletes: Vec::new(),
            creates: Vec::new(),
        };
        for (name, existing) in running.of(T::KIND) {
            let because = match wanted.get(name) {
                _ if keep(name) => continue,
                None => Vec::new(),
                Some(record) => {
                    let because =
                        differences(T::KIND, existing, &record.attributes(), T::ATTRIBUTES);
                    if because.is_empty() {
                        continue;
                    }
                    because
                }
            };
            replacement.deletes.push(Change::Delete {
                kind: T::KIND,
                name: name.to_owned(),
                because,
            });
        }
        let deleted: BTreeSet<&str> = replacement.deletes.iter().map(Change::name).collect();
        for (name, record) in wanted {
            if running.get(T::KIND, name).is_none() || deleted.contains(name.as_str()) {
                replacement
                    .creates
                    .push(create::<T>(name, record.attributes()));
            }
        }
        replacement
    }
}

/// Services: listener addresses stand on TCP listeners, and must go before them.
struct Bridges {
    addresses: Replacement,
    connectors: Replacement,
    listeners: Replacement,
    observers: Vec<Change>,
}

impl Bridges {
    fn new(running: &Running, wanted: &RouterConfig) -> Self {
        let connectors =
            Replacement::new::<TcpConnector>(running, &wanted.tcp_connectors, |_| false);
        let observers = observers(running, wanted);
        let in_place = |name: &str| observers.iter().any(|change| change.name() == name);
        let listeners = Replacement::new::<TcpListener>(running, &wanted.tcp_listeners, in_place);
        let replaced: BTreeSet<&str> = listeners.deletes.iter().map(Change::name).collect();

        let mut addresses =
            Replacement::new::<ListenerAddress>(running, &wanted.listener_addresses, |_| false);
        for (name, existing) in running.of(Kind::ListenerAddress) {
            let listener = existing
                .get("listener")
                .and_then(scalar)
                .unwrap_or_default();
            let already = addresses.deletes.iter().any(|change| change.name() == name);
            if replaced.contains(listener.as_str()) && !already {
                let delete = Change::Delete {
                    kind: Kind::ListenerAddress,
                    name: name.to_owned(),
                    because: vec!["listener"],
                };
                addresses.deletes.push(delete);
                if let Some(record) = wanted.listener_addresses.get(name) {
                    addresses
                        .creates
                        .push(create::<ListenerAddress>(name, record.attributes()));
                }
            }
        }
        Bridges {
            addresses,
            connectors,
            listeners,
            observers,
        }
    }

    fn changes(self) -> impl Iterator<Item = Change> {
        let Bridges {
            addresses,
            connectors,
            listeners,
            observers,
        } = self;
        let deletes = addresses
            .deletes
            .into_iter()
            .chain(connectors.deletes)
            .chain(listeners.deletes);
        let creates = connectors
            .creates
            .into_iter()
            .chain(listeners.creates)
            .chain(observers)
            .chain(addresses.creates);
        deletes.chain(creates)
    }
}

/// TCP listeners of which only the observer differs: it is all that can be changed in place.
fn observers(running: &Running, wanted: &RouterConfig) -> Vec<Change> {
    let change = |(name, record): (&String, &TcpListener)| {
        let existing = running.get(Kind::TcpListener, name)?;
        let attributes = record.attributes();
        let because = differences(
            Kind::TcpListener,
            existing,
            &attributes,
            TcpListener::ATTRIBUTES,
        );
        let observer = if record.observer.is_empty() {
            "auto"
        } else {
            &record.observer
        };
        (because == ["observer"]).then(|| Change::Update {
            kind: Kind::TcpListener,
            name: name.clone(),
            attributes: std::iter::once(("observer".to_owned(), Value::from(observer))).collect(),
            because,
        })
    };
    wanted.tcp_listeners.iter().filter_map(change).collect()
}

/// Modules whose levels differ; modules of which nothing is said keep theirs.
fn logs(running: &Running, wanted: &RouterConfig) -> Vec<Change> {
    let change = |(module, record): (&String, &LogConfig)| {
        let existing = running.get(Kind::Log, module)?;
        let because = differences(Kind::Log, existing, &record.attributes(), &["enable"]);
        (!because.is_empty()).then(|| Change::Update {
            kind: Kind::Log,
            name: module.clone(),
            attributes: std::iter::once(("enable".to_owned(), Value::from(record.enable.as_str())))
                .collect(),
            because,
        })
    };
    wanted.logs.iter().filter_map(change).collect()
}

/// Profiles that are neither wanted nor used by what is left alone.
fn unwanted<T: Record>(
    running: &Running,
    wanted: &BTreeMap<String, T>,
    kept: &BTreeSet<String>,
) -> Vec<Change> {
    let gone = |name: &&str| !wanted.contains_key(*name) && !kept.contains(*name);
    let delete = |name: &str| Change::Delete {
        kind: T::KIND,
        name: name.to_owned(),
        because: Vec::new(),
    };
    running
        .of(T::KIND)
        .map(|(name, _)| name)
        .filter(gone)
        .map(delete)
        .collect()
}

/// The values of an attribute among the listeners and connectors that are left alone.
fn kept(running: &Running, attribute: &str) -> BTreeSet<String> {
    let listeners = running
        .of(Kind::Listener)
        .filter(|(name, _)| PROTECTED_LISTENERS.contains(name));
    let connectors = running
        .of(Kind::Connector)
        .filter(|(name, _)| name.starts_with(KEPT_CONNECTOR_PREFIX));
    listeners
        .chain(connectors)
        .filter_map(|(_, entity)| entity.get(attribute).and_then(scalar))
        .collect()
}
