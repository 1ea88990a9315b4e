//! Watches: whatever happens to the objects that matter goes to the [`World`].

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::Client;
use kube::api::Api;
use kube::runtime::watcher::{self, Event, watcher};
use skupper_api::MultiKeyListener;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{debug, error, info};

use super::kinds::{Watched, WatchedRoute};
use super::world::World;
use crate::client::text;

/// How many objects are fetched at once, which bounds the memory that a start takes.
const PAGE: u32 = 100;
/// The first pause after trouble, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));
/// The pause where the API server does not know a kind that need not be there. It may come any time: no tiding tells of it.
const ABSENT: Duration = Duration::from_secs(10);

/// The watches of a controller.
pub(super) struct Watches {
    client: Client,
    world: Arc<World>,
    namespace: Option<String>,
    tasks: JoinSet<()>,
    count: usize,
}

impl Watches {
    /// Watches over one namespace, or all.
    pub(super) fn new(client: Client, world: Arc<World>, namespace: Option<String>) -> Self {
        Watches {
            client,
            world,
            namespace,
            tasks: JoinSet::new(),
            count: 0,
        }
    }

    /// Watches all that a site is made of.
    pub(super) fn start(&mut self) {
        use k8s_openapi::api::apps::v1::Deployment;
        use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service, ServiceAccount};
        use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
        use skupper_api::{
            AccessGrant, AccessToken, AttachedConnector, AttachedConnectorBinding, Certificate,
            Connector, Link, Listener, RouterAccess, SecuredAccess, Site,
        };
        self.kind::<Site>();
        self.kind::<Link>();
        self.kind::<Listener>();
        self.kind::<Connector>();
        self.kind::<MultiKeyListener>();
        self.kind::<AttachedConnector>();
        self.kind::<AttachedConnectorBinding>();
        self.kind::<AccessGrant>();
        self.kind::<AccessToken>();
        self.kind::<RouterAccess>();
        self.kind::<SecuredAccess>();
        self.kind::<Certificate>();
        self.kind::<Secret>();
        self.kind::<ConfigMap>();
        self.kind::<Service>();
        self.kind::<ServiceAccount>();
        self.kind::<Pod>();
        self.kind::<Deployment>();
        self.kind::<Role>();
        self.kind::<RoleBinding>();
        self.kind::<WatchedRoute>();
    }

    /// Watches one kind.
    fn kind<K: Watched>(&mut self) {
        let namespace = self.namespace.clone();
        self.kind_in::<K>(namespace);
    }

    /// Watches one kind in a namespace, or all.
    pub(super) fn kind_in<K: Watched>(&mut self, namespace: Option<String>) {
        let id = self.count;
        self.count += 1;
        self.world.expect::<K>(id);
        let api = match &namespace {
            Some(namespace) => Api::<K>::namespaced(self.client.clone(), namespace),
            None => Api::<K>::all(self.client.clone()),
        };
        self.tasks
            .spawn(watch_kind(Arc::clone(&self.world), api, id, namespace));
    }
}

async fn watch_kind<K: Watched>(
    world: Arc<World>,
    api: Api<K>,
    id: usize,
    namespace: Option<String>,
) {
    let mut config = watcher::Config::default().page_size(PAGE);
    if !K::LABELS.is_empty() {
        config = config.labels(K::LABELS);
    }
    if !K::FIELDS.is_empty() {
        config = config.fields(K::FIELDS);
    }
    let plural = K::KIND.plural();
    let mut pause = PAUSES.0;
    let mut said_absent = false;
    let mut events = pin!(watcher(api, config));
    while let Some(event) = events.next().await {
        let error = match event {
            Ok(event) => {
                match event {
                    Event::Apply(object) => world.seen(object),
                    Event::Delete(object) => world.gone(&object),
                    Event::Init => {
                        world.list_begins::<K>(id);
                        continue;
                    }
                    Event::InitApply(object) => world.listed(id, object),
                    Event::InitDone => {
                        debug!(kind = plural, "listed");
                        served::<K>(&world, true);
                        world.list_ends::<K>(id, namespace.as_deref());
                    }
                }
                pause = PAUSES.0;
                said_absent = false;
                world.trouble(id, None);
                continue;
            }
            Err(error) => error,
        };
        let status = code(&error);
        if absent::<K>(status) {
            // Nothing can be missing where there cannot be anything.
            if !std::mem::replace(&mut said_absent, true) {
                info!(
                    kind = plural,
                    "not served to us by the API server: looked for again every 10 s"
                );
            }
            served::<K>(&world, false);
            world.list_begins::<K>(id);
            world.list_ends::<K>(id, namespace.as_deref());
            sleep(ABSENT).await;
            continue;
        }
        let trouble = say(&error, plural, K::KIND.group());
        if status == Some(410) {
            debug!(kind = plural, "{trouble}");
        } else if world.trouble(id, Some(trouble.clone())) {
            error!(kind = plural, "cannot watch: {trouble}");
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Whether an answer means that there is nothing of a kind that upstream, too, can do without. Of Routes nobody without the
/// right to see them learns whether there are any: for him there are none.
fn absent<K: Watched>(status: Option<u16>) -> bool {
    match status {
        Some(404) => K::KIND == MultiKeyListener::KIND || K::KIND == WatchedRoute::KIND,
        Some(403) => K::KIND == WatchedRoute::KIND,
        _ => false,
    }
}

/// A kind is there, or is not: of some that is all that matters.
fn served<K: Watched>(world: &World, served: bool) {
    if K::KIND == WatchedRoute::KIND {
        world.change_outside(|outside| outside.has_routes = served);
    }
}

fn code(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}

/// What is wrong with a watch, and what to do about it.
fn say(error: &watcher::Error, plural: &str, group: &str) -> String {
    let said = match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => text(error),
        watcher::Error::WatchError(status) => status.message.clone(),
        watcher::Error::NoResourceVersion => error.to_string(),
    };
    match code(error) {
        Some(403) => format!(
            "{said}; grant get, list and watch on {plural}, as the manifests under deploy/ do"
        ),
        Some(404) if group == skupper_api::GROUP => {
            format!("the API server does not serve {plural}.{group}; apply the CRDs (deploy/crds)")
        }
        _ => said,
    }
}
