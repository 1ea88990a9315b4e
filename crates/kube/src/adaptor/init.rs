//! `-init`: the router's configuration and its files, written before the router starts.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::bail;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt as _};
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::credentials::Secrets;
use super::desired::Desired;
use super::files::Directory;
use super::settle::{Settled, settle};
use crate::client::text;

/// How long all may take, as upstream's takes.
const IN_ALL: Duration = Duration::from_secs(60);
/// How long credentials are waited for which the router can start without: what uses them is added when they come.
const FOR_THE_REST: Duration = Duration::from_secs(10);
/// The first pause between looks, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Where things are.
pub(super) struct Place<'p> {
    pub(super) client: &'p Client,
    pub(super) namespace: &'p str,
    pub(super) config_map: &'p str,
    pub(super) certificates: &'p Directory,
    pub(super) proxies: &'p Directory,
}

/// Looks until the router can start, then writes its configuration.
pub(super) async fn run(place: &Place<'_>) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut pause = PAUSES.0;
    loop {
        let left = IN_ALL.saturating_sub(began.elapsed());
        let why = match timeout(left.max(PAUSES.1), look(place)).await {
            Err(_) => "the API server does not answer".to_owned(),
            Ok(Err(why)) => why,
            Ok(Ok((desired, settled))) => {
                let missing = &settled.held.missing;
                let needed: BTreeSet<&str> = desired.indispensable().collect();
                let lacks_needed = missing.iter().any(|name| needed.contains(name.as_str()));
                let waited = began.elapsed() >= FOR_THE_REST && !lacks_needed;
                if missing.is_empty() || waited {
                    for problem in &settled.problems {
                        warn!("{problem}");
                    }
                    if !missing.is_empty() {
                        warn!(
                            profiles = missing
                                .iter()
                                .map(String::as_str)
                                .collect::<Vec<_>>()
                                .join(", "),
                            "the router starts without what uses these profiles; it is added when they come"
                        );
                    }
                    place.certificates.write_config(&desired.without(missing))?;
                    info!(
                        directory = %place.certificates.path().display(),
                        profiles = desired.config.ssl_profiles.len(),
                        "configuration written"
                    );
                    return Ok(());
                }
                settled.problems.join("; ")
            }
        };
        if began.elapsed() + pause > IN_ALL {
            bail!("the router cannot start: {why}");
        }
        if pause == PAUSES.1 {
            warn!("waiting: {why}");
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Looks once and writes what can be written.
async fn look(place: &Place<'_>) -> Result<(Desired, Settled), String> {
    let config_maps: Api<ConfigMap> = Api::namespaced(place.client.clone(), place.namespace);
    let secrets: Api<Secret> = Api::namespaced(place.client.clone(), place.namespace);
    let listed = ListParams::default().fields("type!=kubernetes.io/service-account-token");
    let (config_map, secrets) =
        tokio::try_join!(config_maps.get_opt(place.config_map), secrets.list(&listed))
            .map_err(|error| text(&error))?;
    let desired = Desired::of(place.config_map, config_map.as_ref())?;
    let secrets: Secrets = secrets
        .into_iter()
        .map(|secret| (secret.name_any(), secret.into()))
        .collect();
    let settled = settle(&desired, &secrets, place.certificates, place.proxies);
    Ok((desired, settled))
}
