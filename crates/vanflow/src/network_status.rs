//! The document `NetworkStatus` of the ConfigMap `skupper-network-status` (reference: observability §7.1, Kubernetes §8.4).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::{Attribute, Record, RecordType};

/// The whole network as one collector sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkStatus {
    /// Routing keys, sorted.
    #[serde(default, deserialize_with = "or_none")]
    pub addresses: Vec<Address>,
    /// Sites, sorted by identity.
    #[serde(default, deserialize_with = "or_none")]
    pub site_status: Vec<SiteStatus>,
}

/// A routing key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Address {
    /// The key.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Not filled.
    pub start_time: u64,
    /// Not filled.
    pub end_time: u64,
    /// Of the first connector that has one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// Listeners in the whole network.
    pub listener_count: u64,
    /// Connectors in the whole network.
    pub connector_count: u64,
}

/// A site with its routers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SiteStatus {
    /// The site.
    pub site: SiteInfo,
    /// Its routers, sorted by identity.
    #[serde(deserialize_with = "or_none")]
    pub router_status: Vec<RouterStatus>,
}

macro_rules! texts {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name {
            $($(#[$doc])* #[serde(skip_serializing_if = "String::is_empty")] pub $field: String,)*
        }
    };
}

texts! {
    /// A site.
    SiteInfo {
        /// Its id.
        identity,
        /// Its name.
        name,
        /// Its namespace.
        namespace,
        /// Its platform.
        platform,
        /// Version of what runs it.
        site_version,
    }
}

texts! {
    /// A router.
    RouterInfo {
        /// `0/<id>`.
        name,
        /// Its namespace.
        namespace,
        /// `interior` or `edge`.
        mode,
        /// Its image.
        image_name,
        /// Version of its image.
        image_version,
        /// Its host, in Kubernetes its pod.
        hostname,
    }
}

texts! {
    /// A listener for links.
    RouterAccess {
        /// Identity of its record.
        identity,
    }
}

texts! {
    /// A TCP listener.
    ListenerInfo {
        /// Its name.
        name,
        /// Host on which it listens.
        dest_host,
        /// Port on which it listens.
        dest_port,
        /// Protocol.
        protocol,
        /// Routing key.
        address,
    }
}

texts! {
    /// A TCP connector.
    ConnectorInfo {
        /// Host to which it connects.
        dest_host,
        /// Port to which it connects.
        dest_port,
        /// Routing key.
        address,
        /// Identity of the process behind it.
        process,
        /// Name of that process.
        target,
    }
}

/// A router with what it has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RouterStatus {
    /// The router.
    pub router: RouterInfo,
    /// Its links, sorted by identity.
    #[serde(deserialize_with = "or_none")]
    pub links: Vec<LinkInfo>,
    /// Its listeners for links, sorted by identity.
    #[serde(deserialize_with = "or_none")]
    pub router_access: Vec<RouterAccess>,
    /// Its TCP listeners, sorted by identity.
    #[serde(deserialize_with = "or_none")]
    pub listeners: Vec<ListenerInfo>,
    /// Its TCP connectors, sorted by identity.
    #[serde(deserialize_with = "or_none")]
    pub connectors: Vec<ConnectorInfo>,
}

/// A link to another router.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LinkInfo {
    /// Name of its connector.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its cost.
    #[serde(skip_serializing_if = "is_zero")]
    pub link_cost: u64,
    /// `up` or `down`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// Its role.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// Identity of the listener at the other end.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub peer: String,
}

/// Upstream writes an empty list as null.
fn or_none<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    list: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(list)?.unwrap_or_default())
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Makes the document of a collector's records. Equal sets of records make equal documents.
pub fn network_status<'a>(records: impl Iterator<Item = &'a Record>) -> NetworkStatus {
    let mut network = Network::default();
    for record in records {
        network.add(record);
    }
    network.document()
}

/// Records by type and identity, so that everything comes out sorted.
#[derive(Default)]
struct Network<'a> {
    sites: BTreeMap<&'a str, &'a Record>,
    routers: BTreeMap<&'a str, &'a Record>,
    /// Links, listeners and so on by their router and identity.
    children: BTreeMap<(&'a str, &'a str), &'a Record>,
    processes: BTreeMap<&'a str, &'a Record>,
}

impl<'a> Network<'a> {
    fn add(&mut self, record: &'a Record) {
        match record.kind {
            RecordType::Site => drop(self.sites.insert(&record.id, record)),
            RecordType::Router => drop(self.routers.insert(&record.id, record)),
            RecordType::Process => drop(self.processes.insert(&record.id, record)),
            RecordType::Link
            | RecordType::RouterAccess
            | RecordType::Listener
            | RecordType::Connector => {
                self.children
                    .insert((record.text(Attribute::PARENT), &record.id), record);
            }
            _ => {}
        }
    }

    fn document(&self) -> NetworkStatus {
        let site_status = self.sites.values().map(|site| self.site(site)).collect();
        NetworkStatus {
            addresses: self.addresses(),
            site_status,
        }
    }

    fn addresses(&self) -> Vec<Address> {
        let mut addresses: BTreeMap<&str, Address> = BTreeMap::new();
        for record in self.children.values() {
            let (name, protocol) = (
                record.text(Attribute::VAN_ADDRESS),
                record.text(Attribute::PROTOCOL),
            );
            let (listeners, connectors) = match record.kind {
                RecordType::Listener => (1, 0),
                RecordType::Connector => (0, 1),
                _ => continue,
            };
            if name.is_empty() {
                continue;
            }
            let address = addresses.entry(name).or_insert_with(|| Address {
                name: name.to_owned(),
                ..Address::default()
            });
            address.listener_count += listeners;
            address.connector_count += connectors;
            if connectors > 0 && address.protocol.is_empty() {
                protocol.clone_into(&mut address.protocol);
            }
        }
        addresses.into_values().collect()
    }

    fn site(&self, site: &Record) -> SiteStatus {
        let text = |attribute| site.text(attribute).to_owned();
        let routers = self
            .routers
            .values()
            .filter(|router| router.text(Attribute::PARENT) == site.id);
        SiteStatus {
            site: SiteInfo {
                identity: site.id.clone(),
                name: text(Attribute::NAME),
                namespace: text(Attribute::NAMESPACE),
                platform: text(Attribute::PLATFORM),
                site_version: text(Attribute::BUILD_VERSION),
            },
            router_status: routers.map(|router| self.router(router, site)).collect(),
        }
    }

    fn router(&self, router: &Record, site: &Record) -> RouterStatus {
        let text = |attribute| router.text(attribute).to_owned();
        let mut status = RouterStatus {
            router: RouterInfo {
                name: text(Attribute::NAME),
                namespace: text(Attribute::NAMESPACE),
                mode: text(Attribute::MODE),
                image_name: text(Attribute::IMAGE_NAME),
                image_version: text(Attribute::IMAGE_VERSION),
                hostname: text(Attribute::HOSTNAME),
            },
            ..RouterStatus::default()
        };
        let children = self
            .children
            .range((router.id.as_str(), "")..)
            .take_while(|((parent, _), _)| *parent == router.id);
        for (_, child) in children {
            let text = |attribute| child.text(attribute).to_owned();
            match child.kind {
                RecordType::Link => status.links.push(LinkInfo {
                    name: text(Attribute::NAME),
                    link_cost: child.number(Attribute::LINK_COST),
                    status: text(Attribute::OPER_STATUS),
                    role: text(Attribute::ROLE),
                    peer: text(Attribute::PEER),
                }),
                RecordType::RouterAccess => status.router_access.push(RouterAccess {
                    identity: child.id.clone(),
                }),
                RecordType::Listener => status.listeners.push(ListenerInfo {
                    name: text(Attribute::NAME),
                    dest_host: text(Attribute::DEST_HOST),
                    dest_port: text(Attribute::DEST_PORT),
                    protocol: text(Attribute::PROTOCOL),
                    address: text(Attribute::VAN_ADDRESS),
                }),
                RecordType::Connector => status.connectors.push(self.connector(child, site)),
                _ => {}
            }
        }
        status
    }

    fn connector(&self, connector: &Record, site: &Record) -> ConnectorInfo {
        let host = connector.text(Attribute::DEST_HOST);
        let process = self
            .processes
            .get(connector.text(Attribute::PROCESS))
            .or_else(|| {
                self.processes.values().find(|process| {
                    !host.is_empty()
                        && process.text(Attribute::PARENT) == site.id
                        && process.text(Attribute::SOURCE_HOST) == host
                })
            });
        ConnectorInfo {
            dest_host: host.to_owned(),
            dest_port: connector.text(Attribute::DEST_PORT).to_owned(),
            address: connector.text(Attribute::VAN_ADDRESS).to_owned(),
            // A process that is named and not known (yet) is named all the same.
            process: process
                .map_or(connector.text(Attribute::PROCESS), |process| &process.id)
                .to_owned(),
            target: process
                .map(|process| process.text(Attribute::NAME).to_owned())
                .unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests;
