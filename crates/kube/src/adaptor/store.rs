//! The ConfigMap and the Secrets as they are in the API server, kept by watches.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::Api;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt as _};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::warn;

use super::credentials::Secrets;
use crate::client::text;

/// How many objects are fetched at once.
const PAGE: u32 = 250;
/// The first pause after trouble, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// What is known. Changes are told by [`Store::changes`].
pub(super) struct Store {
    known: Mutex<Known>,
    version: watch::Sender<u64>,
}

#[derive(Clone, Default)]
struct Known {
    config_map: Option<Arc<ConfigMap>>,
    secrets: Secrets,
    /// Whether the ConfigMap and the Secrets have been listed.
    listed: [bool; 2],
}

/// A kind that is kept, and how.
trait Kept:
    kube::Resource<DynamicType = ()>
    + Clone
    + std::fmt::Debug
    + serde::de::DeserializeOwned
    + Send
    + 'static
{
    const PLURAL: &'static str;
    const LISTED: usize;
    fn set(self, known: &mut Known);
    fn forget(&self, known: &mut Known);
    /// After a list: what was not in it is gone.
    fn retain(known: &mut Known, names: &[String]);
}

impl Kept for ConfigMap {
    const PLURAL: &'static str = "configmaps";
    const LISTED: usize = 0;
    fn set(self, known: &mut Known) {
        known.config_map = Some(Arc::new(self));
    }
    fn forget(&self, known: &mut Known) {
        known.config_map = None;
    }
    fn retain(known: &mut Known, names: &[String]) {
        if names.is_empty() {
            known.config_map = None;
        }
    }
}

impl Kept for Secret {
    const PLURAL: &'static str = "secrets";
    const LISTED: usize = 1;
    fn set(mut self, known: &mut Known) {
        self.metadata.managed_fields = None;
        known.secrets.insert(self.name_any(), Arc::new(self));
    }
    fn forget(&self, known: &mut Known) {
        known.secrets.remove(&self.name_any());
    }
    fn retain(known: &mut Known, names: &[String]) {
        known.secrets.retain(|name, _| names.contains(name));
    }
}

impl Store {
    pub(super) fn new() -> Self {
        Self {
            known: Mutex::default(),
            version: watch::Sender::new(0),
        }
    }

    /// One that knows a ConfigMap, and that there are no Secrets.
    #[cfg(test)]
    pub(super) fn of(config_map: ConfigMap) -> Self {
        let known = Known {
            config_map: Some(Arc::new(config_map)),
            listed: [true; 2],
            ..Known::default()
        };
        Self {
            known: Mutex::new(known),
            version: watch::Sender::new(0),
        }
    }

    /// A number that rises with every change.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// The ConfigMap and the Secrets, once both have been listed.
    pub(super) fn snapshot(&self) -> Option<(Option<Arc<ConfigMap>>, Secrets)> {
        let known = self.known();
        (known.listed == [true; 2]).then(|| (known.config_map.clone(), known.secrets.clone()))
    }

    /// Keeps the ConfigMap of that name and all Secrets of the namespace, for ever.
    pub(super) async fn keep(&self, client: &Client, namespace: &str, config_map: &str) {
        let name = format!("metadata.name={config_map}");
        let config_maps = watcher::Config::default().fields(&name);
        // Tokens are none of a router's business; there can be many.
        let secrets = watcher::Config::default()
            .page_size(PAGE)
            .fields("type!=kubernetes.io/service-account-token");
        tokio::join!(
            self.keep_kind::<ConfigMap>(Api::namespaced(client.clone(), namespace), config_maps),
            self.keep_kind::<Secret>(Api::namespaced(client.clone(), namespace), secrets),
        );
    }

    async fn keep_kind<K: Kept>(&self, api: Api<K>, config: watcher::Config) {
        let mut pause = PAUSES.0;
        let mut said = false;
        let mut listing: Vec<String> = Vec::new();
        let mut events = pin!(watcher(api, config));
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listing.clear(),
                Ok(Event::InitApply(object)) => {
                    listing.push(object.name_any());
                    self.change(|known| object.set(known));
                }
                Ok(Event::InitDone) => self.change(|known| {
                    K::retain(known, &listing);
                    known.listed[K::LISTED] = true;
                }),
                Ok(Event::Apply(object)) => self.change(|known| object.set(known)),
                Ok(Event::Delete(object)) => self.change(|known| object.forget(known)),
                Err(error) => {
                    if !said {
                        warn!("cannot watch {}: {}", K::PLURAL, say(&error));
                        said = true;
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSES.1);
                    continue;
                }
            }
            pause = PAUSES.0;
            said = false;
        }
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known());
        self.version.send_modify(|version| *version += 1);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing that holds the lock can leave it half changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn say(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => text(error),
        watcher::Error::WatchError(status) => status.message.clone(),
        watcher::Error::NoResourceVersion => error.to_string(),
    }
}

/// The names of the router pods of a site, as they are now.
pub(super) async fn router_pods(
    client: &Client,
    namespace: &str,
) -> Result<Vec<String>, kube::Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let routers = kube::api::ListParams::default().labels("skupper.io/component=router");
    let pods = api.list_metadata(&routers).await?;
    Ok(pods.into_iter().map(|pod| pod.name_any()).collect())
}
