//! The running router kept equal to the ConfigMap: files first, then its entities over AMQP management.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use skupper_client::{Client, ClientError};
use skupper_management::Kind;
use skupper_management::plan::{Change, KINDS, Running};
use skupper_management::protocol::Status;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, error, info};

use super::desired::{Desired, changes};
use super::files::Directory;
use super::settle::{Settled, settle};
use super::store::Store;

/// News come in groups: a Secret and the configuration that names it.
const GATHER: Duration = Duration::from_millis(20);
/// The router is looked at without news so often, in case somebody else has changed it.
const ANEW: Duration = Duration::from_secs(300);
/// The first pause before what failed is tried again, and the longest.
const RETRIES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long a router that is not there is waited for before that is told: it may be about to start, as this process is.
const STARTING: Duration = Duration::from_secs(3);
/// Problems told at most.
const MAX_PROBLEMS: usize = 20;

/// Keeps a router in line.
pub(super) struct Sync {
    pub(super) store: Arc<Store>,
    pub(super) router: Client,
    pub(super) config_map: String,
    pub(super) certificates: Directory,
    pub(super) proxies: Directory,
    /// What could not be done, in sentences.
    pub(super) problems: watch::Sender<Vec<String>>,
    /// Whether the router has been brought in line once.
    pub(super) synced: watch::Sender<bool>,
    /// Profiles whose files the router has not been told of.
    reload: BTreeSet<String>,
    /// Files written by an adaptor before this one may be news to the router.
    started: bool,
    /// How long a router that is not there is waited for.
    starting: Duration,
}

/// How a pass ended.
enum Pass {
    /// All is as wanted.
    Done,
    /// Something was refused.
    Refused,
    /// There is nothing to work with yet.
    Waits,
}

impl Sync {
    pub(super) fn new(
        store: Arc<Store>,
        router: Client,
        config_map: &str,
        certificates: Directory,
        proxies: Directory,
    ) -> Self {
        Self {
            store,
            router,
            config_map: config_map.to_owned(),
            certificates,
            proxies,
            problems: watch::Sender::new(Vec::new()),
            synced: watch::Sender::new(false),
            reload: BTreeSet::new(),
            started: false,
            starting: STARTING,
        }
    }

    /// Works for ever.
    pub(super) async fn run(mut self) {
        let mut news = self.store.changes();
        let mut router = self.router.state();
        let mut retry = RETRIES.0;
        loop {
            news.borrow_and_update();
            let generation = router.borrow_and_update().generation;
            let pass = self.pass().await;
            let again = match pass {
                Pass::Done => {
                    retry = RETRIES.0;
                    self.synced
                        .send_if_modified(|synced| !std::mem::replace(synced, true));
                    Instant::now() + ANEW
                }
                Pass::Refused => {
                    let at = Instant::now() + retry;
                    retry = (retry * 2).min(RETRIES.1);
                    at
                }
                Pass::Waits => Instant::now() + ANEW,
            };
            // A router that came back, or is another one, runs what its file says.
            let router_is_new = router.wait_for(|state| state.generation > generation);
            tokio::select! {
                _ = news.changed() => sleep(GATHER).await,
                _ = router_is_new => {}
                () = sleep_until(again) => {}
            }
        }
    }

    async fn pass(&mut self) -> Pass {
        let Some((config_map, secrets)) = self.store.snapshot() else {
            return Pass::Waits;
        };
        let desired = match Desired::of(&self.config_map, config_map.as_deref()) {
            Ok(desired) => desired,
            Err(problem) => {
                self.tell(vec![problem]);
                return Pass::Waits;
            }
        };
        let settled = settle(&desired, &secrets, &self.certificates, &self.proxies);
        for profile in &settled.written {
            info!(profile, "credential written");
        }
        self.reload.extend(settled.written.iter().cloned());
        if !std::mem::replace(&mut self.started, true) {
            self.reload
                .extend(desired.config.ssl_profiles.keys().cloned());
        }
        self.reload
            .retain(|profile| desired.config.ssl_profiles.contains_key(profile));
        let told = match self.router_is_there().await {
            Ok(()) => {
                let told = self.tell_router(&desired, &settled).await;
                told.map_err(|error| error.to_string())
            }
            Err(why) => Err(why),
        };
        match told {
            Ok(refused) => {
                let all_done = refused.is_empty();
                self.tell(settled.problems.into_iter().chain(refused).collect());
                if all_done { Pass::Done } else { Pass::Refused }
            }
            Err(error) => {
                debug!("the router cannot be told: {error}");
                let problem = format!("the router cannot be told what to run: {error}");
                self.tell(settled.problems.into_iter().chain([problem]).collect());
                Pass::Refused
            }
        }
    }

    /// Waits for the connection to the router, but not for long; says why there is none.
    async fn router_is_there(&self) -> Result<(), String> {
        let mut state = self.router.state();
        let there = state.wait_for(|state| state.router.is_some());
        let there = timeout(self.starting, there);
        if matches!(there.await, Ok(Ok(_))) {
            return Ok(());
        }
        let why = state.borrow().error.clone();
        Err(why.unwrap_or_else(|| format!("it has not answered within {:?}", self.starting)))
    }

    /// Brings the router's entities in line; returns what it refused.
    async fn tell_router(
        &mut self,
        desired: &Desired,
        settled: &Settled,
    ) -> Result<Vec<String>, ClientError> {
        let mut running = Running::new();
        for kind in KINDS {
            running.insert(kind, self.router.query(kind, &[]).await?);
        }
        let mut refused = Vec::new();
        for change in changes(&desired.config, &settled.held, &running, &self.reload) {
            match self.make(&change).await? {
                Ok(()) if change.kind() == Kind::SslProfile => {
                    self.reload.remove(change.name());
                }
                Ok(()) => {}
                Err(problem) => refused.push(problem),
            }
        }
        // Profiles that do not run have no files that anybody would have to be told of.
        self.reload.retain(|profile| {
            running
                .of(Kind::SslProfile)
                .any(|(name, _)| name == profile)
        });
        Ok(refused)
    }

    async fn make(&self, change: &Change) -> Result<Result<(), String>, ClientError> {
        let (kind, name) = (change.kind().short(), change.name());
        let request = change.request();
        let reply = self.router.ask(&request).await?;
        let gone = matches!(change, Change::Delete { .. }) && reply.status == Status::NOT_FOUND;
        if !reply.status.is_success() && !gone {
            let operation = request.operation.as_str();
            let problem = format!(
                "the router refused {operation} of {kind} \"{name}\" (status {}): {}",
                reply.status, reply.description
            );
            return Ok(Err(problem));
        }
        match change {
            Change::Create { .. } => info!(kind, name, "created in the router"),
            Change::Update { because, .. } => {
                info!(
                    kind,
                    name,
                    because = because.join(", "),
                    "updated in the router"
                );
            }
            Change::Delete { because, .. } if because.is_empty() => {
                info!(kind, name, "deleted from the router")
            }
            Change::Delete { because, .. } => {
                info!(
                    kind,
                    name,
                    because = because.join(", "),
                    "deleted from the router, to be made anew"
                );
            }
        }
        Ok(Ok(()))
    }

    /// Tells what is wrong, and logs what is new of it.
    fn tell(&self, mut problems: Vec<String>) {
        problems.truncate(MAX_PROBLEMS);
        let new: Vec<String> = {
            let before = self.problems.borrow();
            problems
                .iter()
                .filter(|problem| !before.contains(problem))
                .cloned()
                .collect()
        };
        for problem in &new {
            error!("{problem}");
        }
        let solved = self.problems.send_if_modified(|before| {
            let changed = *before != problems;
            *before = problems;
            changed
        });
        if solved && self.problems.borrow().is_empty() {
            info!("all that was wrong with the router's configuration is solved");
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use skupper_client::Endpoint;
    use skupper_site::names::ROUTER_CONFIG_KEY;
    use tokio::net::TcpSocket;

    use super::*;

    /// Far longer than anything takes on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_router_that_is_not_there_is_told_soon() {
        let config = r#"[["router", {"id": "a", "mode": "interior"}]]"#;
        let config_map = ConfigMap {
            data: Some([(ROUTER_CONFIG_KEY.to_owned(), config.to_owned())].into()),
            ..ConfigMap::default()
        };
        // Bound, so that it is nobody else's, and not listened at.
        let port = TcpSocket::new_v4().unwrap();
        port.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let endpoint = Endpoint::tcp("127.0.0.1", port.local_addr().unwrap().port());
        let directory = tempfile::tempdir().unwrap();
        // A pass that asked a router that is not there would take longer than this test does.
        let router = Client::new(endpoint, "test").with_timeout(10 * PATIENCE);
        let mut state = router.state();
        let mut sync = Sync::new(
            Arc::new(Store::of(config_map)),
            router,
            "skupper-router",
            Directory::new(directory.path()),
            Directory::new(directory.path()),
        );
        sync.starting = Duration::from_millis(10);
        let failed = timeout(PATIENCE, state.wait_for(|state| state.error.is_some()));
        assert!(failed.await.unwrap().is_ok());
        let pass = timeout(PATIENCE, sync.pass()).await.unwrap();
        assert!(matches!(pass, Pass::Refused));
        let problems = sync.problems.borrow().clone();
        let problem = "the router cannot be told what to run: cannot connect to amqp://127.0.0.1:";
        assert!(problems[0].starts_with(problem), "{problems:?}");
    }
}
