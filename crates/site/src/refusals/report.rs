//! The seam to our adaptor: the ConfigMap in which it says what its router reports.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde::{Deserialize, Serialize};
use skupper_management::{Attributes, Kind};

use crate::names::ROUTER_REPORT_KEY;

/// What the routers of a site report, by pod name. Each adaptor writes the entry of its own pod and removes those of pods
/// that are gone.
///
/// The adaptor writes it when it differs from what it wrote last, at once for a new kind of refusal, and otherwise (a count
/// that went up) at most once in ten seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Report {
    /// The routers by the names of their pods.
    pub routers: BTreeMap<String, RouterReport>,
}

/// What one router reports: of each entity, by name, the attributes that are [of interest](RouterReport::add).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RouterReport {
    /// `connector`s.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub connectors: BTreeMap<String, Attributes>,
    /// `listener`s.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub listeners: BTreeMap<String, Attributes>,
    /// `sslProfile`s.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ssl_profiles: BTreeMap<String, Attributes>,
    /// `tcpListener`s that cannot listen.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tcp_listeners: BTreeMap<String, Attributes>,
    /// What the adaptor could not do for its router, in sentences: a profile without files, a request that was refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// More than this of a report is not read, so that no ConfigMap makes the controller grow.
const MAX_BYTES: usize = 512 * 1024;

impl Report {
    /// Reads the ConfigMap. One that is no report reads as an empty one.
    pub fn of(config_map: &ConfigMap) -> Self {
        let text = config_map
            .data
            .as_ref()
            .and_then(|data| data.get(ROUTER_REPORT_KEY));
        text.filter(|text| text.len() <= MAX_BYTES)
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    /// The text for key [`ROUTER_REPORT_KEY`] of the ConfigMap; equal reports give equal texts.
    pub fn to_json(&self) -> String {
        // Maps with text keys and JSON values always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl RouterReport {
    /// Takes note of an entity as the router's management described it. Only what a status is made of is kept: of a
    /// connector `connectionStatus`, `connectionMsg`, `refusals`, `refusalCount`; of a listener the last two; of an
    /// sslProfile `credential`; of a tcpListener `operStatus` and `connectionMsg` where it has one.
    pub fn add(&mut self, kind: Kind, name: &str, attributes: &Attributes) {
        let (entities, of_interest): (_, &[&str]) = match kind {
            Kind::Connector => (
                &mut self.connectors,
                &[
                    "connectionStatus",
                    "connectionMsg",
                    "refusals",
                    "refusalCount",
                ],
            ),
            Kind::Listener => (&mut self.listeners, &["refusals", "refusalCount"]),
            Kind::SslProfile => (&mut self.ssl_profiles, &["credential"]),
            Kind::TcpListener
                if attributes
                    .get("connectionMsg")
                    .and_then(|text| text.as_str())
                    .is_some_and(|text| !text.is_empty()) =>
            {
                (&mut self.tcp_listeners, &["operStatus", "connectionMsg"])
            }
            _ => return,
        };
        let kept: Attributes = of_interest
            .iter()
            .filter_map(|key| Some(((*key).to_owned(), attributes.get(*key)?.clone())))
            .filter(|(_, value)| !value.is_null())
            .collect();
        if !kept.is_empty() {
            entities.insert(name.to_owned(), kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_reads_back_and_keeps_only_what_is_of_interest() {
        let attributes = json!({"name": "link1", "host": "h", "connectionStatus": "FAILED", "connectionMsg": "no", "refusals": null});
        let mut router = RouterReport::default();
        router.add(Kind::Connector, "link1", attributes.as_object().unwrap());
        router.add(Kind::Router, "x", attributes.as_object().unwrap());
        assert_eq!(router.connectors["link1"].len(), 2);
        let report = Report {
            routers: BTreeMap::from([("pod".to_owned(), router)]),
        };
        let config_map = ConfigMap {
            data: Some(BTreeMap::from([(
                ROUTER_REPORT_KEY.to_owned(),
                report.to_json(),
            )])),
            ..ConfigMap::default()
        };
        assert_eq!(Report::of(&config_map), report);
        assert_eq!(Report::of(&ConfigMap::default()), Report::default());
    }
}
