//! ConfigMap `skupper-network-status`: the network as the adaptor sees it (reference §§3.13, 8.4).

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use serde::Deserialize;
use skupper_api::{LinkRecord, ServiceRecord, SiteRecord};

use crate::names::NETWORK_STATUS_KEY;

/// The network, reduced to what statuses are made of, in an order that never changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Network {
    pub(crate) sites: Vec<SiteRecord>,
    /// Links that are up to a router of no known site: ids of their sites, and names of their Links.
    to_no_site: BTreeSet<(String, String)>,
    with_connector: BTreeSet<String>,
    with_listener: BTreeSet<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Document {
    #[serde(deserialize_with = "or_empty")]
    site_status: Vec<SiteStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SiteStatus {
    site: SiteInfo,
    #[serde(deserialize_with = "or_empty")]
    router_status: Vec<RouterStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SiteInfo {
    identity: String,
    name: String,
    namespace: String,
    platform: String,
    site_version: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RouterStatus {
    #[serde(deserialize_with = "or_empty")]
    links: Vec<LinkInfo>,
    #[serde(deserialize_with = "or_empty")]
    router_access: Vec<AccessInfo>,
    #[serde(deserialize_with = "or_empty")]
    listeners: Vec<ListenerInfo>,
    #[serde(deserialize_with = "or_empty")]
    connectors: Vec<ConnectorInfo>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LinkInfo {
    name: String,
    status: String,
    peer: String,
}

impl LinkInfo {
    fn is_up(&self) -> bool {
        self.status.eq_ignore_ascii_case("up")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AccessInfo {
    identity: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListenerInfo {
    name: String,
    address: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ConnectorInfo {
    dest_host: String,
    address: String,
}

/// A list that upstream writes as `null` when it is empty.
fn or_empty<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Option::<Vec<T>>::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Network {
    /// Reads the ConfigMap; `None` if there is nothing in it that can be read.
    pub(crate) fn of(config_map: &ConfigMap) -> Option<Self> {
        let text = config_map.data.as_ref()?.get(NETWORK_STATUS_KEY)?;
        Some(Self::from_document(&serde_json::from_str(text).ok()?))
    }

    fn from_document(document: &Document) -> Self {
        let mut site_of_access: BTreeMap<&str, &SiteInfo> = BTreeMap::new();
        for site in &document.site_status {
            for access in site
                .router_status
                .iter()
                .flat_map(|router| &router.router_access)
            {
                site_of_access.insert(&access.identity, &site.site);
            }
        }
        let mut network = Network::default();
        for site in &document.site_status {
            let services = services(site);
            for service in &services {
                if !service.connectors.is_empty() {
                    network.with_connector.insert(service.routing_key.clone());
                }
                if !service.listeners.is_empty() {
                    network.with_listener.insert(service.routing_key.clone());
                }
            }
            let info = &site.site;
            network.to_no_site.extend(
                site.router_status
                    .iter()
                    .flat_map(|router| &router.links)
                    .filter(|link| !site_of_access.contains_key(link.peer.as_str()))
                    .filter(|link| link.is_up())
                    .map(|link| (info.identity.clone(), link.name.clone())),
            );
            network.sites.push(SiteRecord {
                id: info.identity.clone(),
                name: info.name.clone(),
                namespace: info.namespace.clone(),
                platform: info.platform.clone(),
                version: info.site_version.clone(),
                links: links(site, &site_of_access),
                services,
            });
        }
        network.sites.sort_by(|one, other| one.id.cmp(&other.id));
        network
    }

    /// What is known of a link of a site, by the name of its Link.
    pub(crate) fn link(&self, site_id: &str, name: &str) -> Option<&LinkRecord> {
        let sites = self.sites.iter().filter(|site| site.id == site_id);
        sites
            .flat_map(|site| &site.links)
            .find(|link| link.name == name)
    }

    /// Whether a link of a site is up, and the router at its other end belongs to no site that is known.
    pub(crate) fn leads_to_no_site(&self, site_id: &str, name: &str) -> bool {
        self.to_no_site
            .iter()
            .any(|(site, link)| site == site_id && link == name)
    }

    /// Whether somebody in the network offers a routing key.
    pub(crate) fn has_connector(&self, routing_key: &str) -> bool {
        self.with_connector.contains(routing_key)
    }

    /// Whether somebody in the network listens for a routing key.
    pub(crate) fn has_listener(&self, routing_key: &str) -> bool {
        self.with_listener.contains(routing_key)
    }

    /// The routing keys that somebody offers.
    pub(crate) fn keys_with_connectors(&self) -> impl Iterator<Item = &str> {
        self.with_connector.iter().map(String::as_str)
    }
}

/// Links whose peer is known, by name; of several routers' one that is up counts.
fn links(site: &SiteStatus, site_of_access: &BTreeMap<&str, &SiteInfo>) -> Vec<LinkRecord> {
    let mut links: BTreeMap<&str, LinkRecord> = BTreeMap::new();
    for link in site.router_status.iter().flat_map(|router| &router.links) {
        let Some(peer) = site_of_access
            .get(link.peer.as_str())
            .filter(|_| !link.name.is_empty())
        else {
            continue;
        };
        let record = LinkRecord {
            name: link.name.clone(),
            remote_site_id: peer.identity.clone(),
            remote_site_name: peer.name.clone(),
            operational: link.is_up(),
        };
        let known = links.entry(&link.name).or_insert_with(|| record.clone());
        if record.operational {
            *known = record;
        }
    }
    links.into_values().collect()
}

fn services(site: &SiteStatus) -> Vec<ServiceRecord> {
    let mut services: BTreeMap<&str, ServiceRecord> = BTreeMap::new();
    fn of<'a, 's>(
        services: &'a mut BTreeMap<&'s str, ServiceRecord>,
        address: &'s str,
    ) -> &'a mut ServiceRecord {
        services.entry(address).or_insert_with(|| ServiceRecord {
            routing_key: address.to_owned(),
            ..Default::default()
        })
    }
    for router in &site.router_status {
        for connector in router
            .connectors
            .iter()
            .filter(|one| !one.address.is_empty() && !one.dest_host.is_empty())
        {
            of(&mut services, &connector.address)
                .connectors
                .push(connector.dest_host.clone());
        }
        for listener in router
            .listeners
            .iter()
            .filter(|one| !one.address.is_empty() && !one.name.is_empty())
        {
            of(&mut services, &listener.address)
                .listeners
                .push(listener.name.clone());
        }
    }
    for service in services.values_mut() {
        service.connectors.sort();
        service.listeners.sort();
    }
    services.into_values().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn network(value: serde_json::Value) -> Network {
        let data = BTreeMap::from([(NETWORK_STATUS_KEY.to_owned(), value.to_string())]);
        Network::of(&ConfigMap {
            data: Some(data),
            ..ConfigMap::default()
        })
        .unwrap()
    }

    #[test]
    fn the_document_of_the_reference_is_reduced() {
        let network = network(json!({"addresses": null, "siteStatus": [
            {"site": {"identity": "w", "name": "west", "namespace": "west", "platform": "kubernetes", "siteVersion": "2.2.1"},
             "routerStatus": [{"router": {"name": "0/west"}, "routerAccess": [{"identity": "abc:4"}], "links": null,
                "listeners": [{"name": "listener/backend", "address": "backend"}], "connectors": []}]},
            {"site": {"identity": "e", "name": "east"},
             "routerStatus": [{"links": [{"name": "l", "status": "UP", "peer": "abc:4"}, {"name": "x", "status": "up", "peer": "?"}],
                "routerAccess": [], "listeners": [],
                "connectors": [{"destHost": "10.0.0.8", "address": "backend"}, {"destHost": "10.0.0.7", "address": "backend"}]}]}]}));
        assert_eq!(
            network
                .sites
                .iter()
                .map(|site| site.name.as_str())
                .collect::<Vec<_>>(),
            ["east", "west"]
        );
        let link = network.link("e", "l").unwrap();
        assert_eq!(
            (link.remote_site_name.as_str(), link.operational),
            ("west", true)
        );
        assert_eq!(network.sites[0].links.len(), 1);
        assert_eq!(
            network.sites[0].services[0].connectors,
            ["10.0.0.7", "10.0.0.8"]
        );
        assert!(
            network.has_connector("backend")
                && network.has_listener("backend")
                && !network.has_listener("other")
        );
        assert_eq!(network.link("w", "l"), None);
    }

    #[test]
    fn nulls_and_garbage_are_no_trouble() {
        assert_eq!(
            network(json!({"addresses": null, "siteStatus": null})),
            Network::default()
        );
        let data = BTreeMap::from([(NETWORK_STATUS_KEY.to_owned(), "{".to_owned())]);
        assert_eq!(
            Network::of(&ConfigMap {
                data: Some(data),
                ..ConfigMap::default()
            }),
            None
        );
    }
}
