//! The ConfigMap `skupper-network-status`.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Client;
use kube::api::{Api, PostParams};
use serde::Deserialize;
use skupper_site::names::{NETWORK_STATUS, NETWORK_STATUS_KEY};
use skupper_vanflow::network_status::NetworkStatus;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, warn};

use crate::client::text;

/// The document is written no more often than this.
const APART: Duration = Duration::from_secs(1);
/// A new leader hears of all sites within this time: until then it takes nothing away that its predecessor has written.
const SETTLING: Duration = Duration::from_secs(15);
/// Pause after trouble with the API server.
const TROUBLE: Duration = Duration::from_secs(2);
/// An object cannot be much larger.
const MAX_BYTES: usize = 1_000_000;

/// Writes each document that comes, the last one where they come fast.
pub(super) async fn write_all(
    client: &Client,
    namespace: &str,
    owner: Option<OwnerReference>,
    mut documents: watch::Receiver<Option<NetworkStatus>>,
) {
    let began = Instant::now();
    let mut said = false;
    loop {
        let document = documents.borrow_and_update().clone();
        let again = match document {
            None => None,
            Some(document) => {
                let settling = began.elapsed() < SETTLING;
                match write(client, namespace, owner.as_ref(), &document, settling).await {
                    Ok(true) => {
                        said = false;
                        sleep(APART).await;
                        None
                    }
                    Ok(false) => Some(began + SETTLING),
                    Err(error) => {
                        if !std::mem::replace(&mut said, true) {
                            warn!(
                                "the network's status cannot be written to ConfigMap \"{NETWORK_STATUS}\": {error}"
                            );
                        }
                        Some(Instant::now() + TROUBLE)
                    }
                }
            }
        };
        tokio::select! {
            changed = documents.changed() => if changed.is_err() { return },
            () = sleep_until(again.unwrap_or(began)), if again.is_some() => {}
        }
    }
}

/// Writes a document, unless it says what is there already. False if it is too early for it.
async fn write(
    client: &Client,
    namespace: &str,
    owner: Option<&OwnerReference>,
    document: &NetworkStatus,
    settling: bool,
) -> Result<bool, String> {
    let wanted = serde_json::to_string(document).map_err(|error| error.to_string())?;
    if wanted.len() > MAX_BYTES {
        return Err(format!(
            "it would have {} bytes, more than the {MAX_BYTES} that fit: the network has too many listeners and connectors for it",
            wanted.len()
        ));
    }
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let existing = api
        .get_opt(NETWORK_STATUS)
        .await
        .map_err(|error| text(&error))?;
    let Some(mut existing) = existing else {
        let config_map = ConfigMap {
            metadata: ObjectMeta {
                name: Some(NETWORK_STATUS.to_owned()),
                owner_references: owner.map(|owner| vec![owner.clone()]),
                ..ObjectMeta::default()
            },
            data: Some([(NETWORK_STATUS_KEY.to_owned(), wanted)].into()),
            ..ConfigMap::default()
        };
        let created = api.create(&PostParams::default(), &config_map).await;
        return created.map(|_| true).map_err(|error| text(&error));
    };
    let data = existing.data.get_or_insert_default();
    let before = data
        .get(NETWORK_STATUS_KEY)
        .map(String::as_str)
        .unwrap_or_default();
    if before == wanted {
        return Ok(true);
    }
    if settling && loses_sites(before, document) {
        debug!("not all sites have been heard of yet: the network's status stays for a while");
        return Ok(false);
    }
    // The whole of it is ours.
    *data = [(NETWORK_STATUS_KEY.to_owned(), wanted)].into();
    api.replace(NETWORK_STATUS, &PostParams::default(), &existing)
        .await
        .map(|_| true)
        .map_err(|error| text(&error))
}

/// Whether a document lacks a site, or routers of a site, that the one before had.
fn loses_sites(before: &str, now: &NetworkStatus) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Before {
        site_status: Option<Vec<Site>>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Site {
        site: Identity,
        router_status: Option<Vec<serde::de::IgnoredAny>>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Identity {
        identity: String,
    }
    let before: Before = serde_json::from_str(before).unwrap_or_default();
    let heard: BTreeSet<&str> = now
        .site_status
        .iter()
        .filter(|site| !site.router_status.is_empty())
        .map(|site| site.site.identity.as_str())
        .collect();
    before
        .site_status
        .into_iter()
        .flatten()
        .filter(|site| {
            site.router_status
                .as_ref()
                .is_some_and(|routers| !routers.is_empty())
        })
        .any(|site| !heard.contains(site.site.identity.as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_new_leader_knows_when_it_has_not_heard_of_all() {
        let document = |sites: &[(&str, usize)]| {
            let site = |(id, routers): &(&str, usize)| {
                let routers: Vec<_> = (0..*routers)
                    .map(|_| json!({"router": {"name": "0/r"}}))
                    .collect();
                json!({"site": {"identity": id}, "routerStatus": routers})
            };
            let sites: Vec<_> = sites.iter().map(site).collect();
            json!({"addresses": [], "siteStatus": sites})
        };
        let now: NetworkStatus = serde_json::from_value(document(&[("a", 1), ("b", 0)])).unwrap();
        let loses = |sites: &[(&str, usize)]| loses_sites(&document(sites).to_string(), &now);
        assert!(!loses(&[]));
        assert!(!loses(&[("a", 2)]));
        assert!(!loses(&[("a", 1), ("b", 0)]));
        assert!(loses(&[("a", 1), ("b", 1)]));
        assert!(loses(&[("c", 1)]));
        assert!(!loses_sites("garbage", &now));
        assert!(!loses_sites(
            r#"{"addresses":null,"siteStatus":null}"#,
            &now
        ));
    }
}
