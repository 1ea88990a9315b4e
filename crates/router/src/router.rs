//! A running router.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use skupper_management::document::{Document, DocumentErrors, LoadedEntity, load};
use skupper_management::entity::{Distribution, Mode, Network, Policy, Record, Router as Settings};
use skupper_management::{Attributes, Kind, agent};
use skupper_routing::{RouterId, Treatment};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::connection::Registry;
use crate::context::{Context, Numbers};
use crate::core::dispatch::Dispatch;
use crate::core::{self, Core, CoreHandle};
use crate::descriptors::Descriptors;
use crate::entities::Entities;
use crate::event::Events;
use crate::listen::Ports;
use crate::memory::{self, Memory};
use crate::policy::directory;
use crate::record::RecordIds;
use crate::stuck::{self, StuckAfter};
use crate::telemetry;
use crate::tls::Profiles;
use crate::worker::Workers;

/// Characters of a router id that no router accepts: they separate ids elsewhere.
const FORBIDDEN: [char; 2] = ['|', '$'];

/// Why a router did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The document cannot be read.
    #[error("{0}")]
    Document(#[from] DocumentErrors),
    /// Parts of the document cannot be applied.
    #[error("Configuration: {0}")]
    Configuration(String),
    /// The router's id cannot be.
    #[error("{0}")]
    Id(String),
    /// Threads could not be started.
    #[error("Run Time: threads cannot be started: {0}")]
    Threads(#[from] io::Error),
}

/// How a router is started, beside its configuration.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// It takes over from another, or lets another take over: both may have the same ports for a time.
    pub share_ports: bool,
    /// When a delivery counts as stuck.
    pub stuck_after: StuckAfter,
}

/// A router: it runs until it is dropped.
pub struct Router {
    context: Arc<Context>,
    entities: Arc<Mutex<Entities>>,
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Router {
    /// Starts a router by its configuration document.
    pub fn start(document: &Document) -> Result<Self, StartError> {
        Self::start_with(document, Options::default())
    }

    /// Starts a router by its configuration document, and in another way than usual.
    pub fn start_with(document: &Document, options: Options) -> Result<Self, StartError> {
        let mut loaded = load(document);
        if let Some(fault) = loaded.faults.first() {
            return Err(StartError::Configuration(fault.to_string()));
        }
        add_policies(&mut loaded.entities)?;
        let view = |kind| {
            loaded
                .entities
                .iter()
                .find(|entity: &&LoadedEntity| entity.kind == kind)
        };
        let settings = view(Kind::Router).map(|entity| &entity.attributes);
        let settings = settings.cloned().unwrap_or_default();
        let mut settings = read::<Settings>(&settings)?;
        let network = view(Kind::Network).map(|entity| entity.attributes.clone());
        let network = read::<Network>(&network.unwrap_or_default())?;
        if settings.id.is_empty() {
            settings.id = format!(
                "{}_{}",
                made_up(settings.mode),
                RecordIds::new(None).router()
            );
        }
        let id = identity(&settings.id)?;
        let mut router = Router::build(id, settings, &network, options)?;
        let site = view(Kind::Site).map(|entity| &entity.attributes);
        telemetry::start(router.context(), site, router.runtime());
        let applied = router.apply(&loaded.entities);
        if let Err(error) = applied {
            router.shut_down();
            return Err(error);
        }
        stuck::start(router.context(), &router.entities, router.runtime());
        memory::start(router.context(), &router.entities, router.runtime());
        Ok(router)
    }

    fn build(
        id: RouterId,
        settings: Settings,
        network: &Network,
        options: Options,
    ) -> Result<Self, StartError> {
        let workers = Workers::start(worker_count(&settings))?;
        let started = SystemTime::now();
        let (context, core) = assemble(id, settings, network, options, workers, started)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let runtime_handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("core".to_owned())
            .spawn(move || {
                runtime.spawn(core);
                // An error means that the sender was dropped, which says the same.
                let _ = runtime.block_on(stopped);
            })?;
        let entities = Arc::new(Mutex::new(Entities::new(context.clone())));
        Ok(Router {
            context,
            entities,
            runtime: runtime_handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Makes the entities of the configuration.
    fn apply(&mut self, loaded: &[LoadedEntity]) -> Result<(), StartError> {
        let mut entities = self.entities();
        entities.set_starting(true);
        for entity in loaded {
            let made = agent::create(entity.kind, entity.attributes.clone(), &mut *entities);
            made.map_err(|failure| {
                let line = entity
                    .line
                    .map_or_else(String::new, |line| format!("line {line}: "));
                StartError::Configuration(format!("{line}{}: {failure}", entity.kind))
            })?;
        }
        entities.set_starting(false);
        Ok(())
    }

    /// What all parts of the router share.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// The router's entities, to be looked at and changed.
    pub fn entities(&self) -> MutexGuard<'_, Entities> {
        self.entities.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entities, for an agent.
    pub fn shared_entities(&self) -> Arc<Mutex<Entities>> {
        self.entities.clone()
    }

    /// The runtime of everything that is not traffic: agent, telemetry, HTTP.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Has other routers send elsewhere what they can; what comes here all the same is still taken.
    pub fn withdraw(&self) {
        self.context.core.tell(core::CoreCommand::Withdraw);
    }

    /// Closes the ports of clients, services and other routers to who is new, and returns when they are closed: who had come
    /// was taken. What is there goes on.
    pub async fn close_ports(&self) {
        let closed = self.entities().close_ports();
        for port in closed {
            port.stopped().await;
        }
    }

    /// Whether there are routers that could have news of this one.
    pub fn has_neighbours(&self) -> bool {
        let connections = self.context.connections.all();
        connections
            .iter()
            .any(|connection| connection.role.is_between_routers())
    }

    /// Streams under way: of flows that begin or end here, and in transit.
    pub fn streams(&self) -> usize {
        let connections = self.context.connections.all();
        let sent: usize = connections.iter().map(|one| one.streams()).sum();
        self.context.workers.flows() + sent
    }

    fn shut_down(&mut self) {
        self.entities().stop();
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It ends at once; that it had panicked changes nothing.
            let _ = thread.join();
        }
        self.context.workers.stop();
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// What all parts of a router share, and its core, which is to be run.
pub(crate) fn assemble(
    id: RouterId,
    settings: Settings,
    network: &Network,
    options: Options,
    workers: Arc<Workers>,
    started: SystemTime,
) -> Result<(Arc<Context>, impl Future<Output = ()> + use<>), StartError> {
    let memory = Memory::new().map_err(StartError::Configuration)?;
    let dispatch = Arc::new(Dispatch::new(
        id.clone(),
        &network.network_id,
        settings.mode == Mode::Edge,
        treatment(settings.default_distribution),
    ));
    let (handle, commands) = CoreHandle::new();
    let config = engine_config(id, &settings, started);
    let instance = config.instance;
    let numbers = Arc::<Numbers>::default();
    let core = Core::new(&handle, dispatch.clone(), config, numbers.clone());
    let hostname = std::env::var("HOSTNAME").ok();
    let context = Arc::new(Context {
        started,
        instance,
        settings,
        dispatch,
        workers,
        core: handle,
        connections: Registry::default(),
        events: Events::default(),
        records: RecordIds::new(hostname.as_deref()),
        ports: Ports::new(options.share_ports),
        profiles: Profiles::default(),
        proxies: Default::default(),
        policy: Default::default(),
        auto_links: Default::default(),
        numbers,
        past_links: Default::default(),
        stuck_after: options.stuck_after,
        memory,
        descriptors: Arc::new(Descriptors::new()),
        observed: Arc::default(),
    });
    Ok((context, core::run(core, commands)))
}

/// Adds the virtual hosts in the policy's directory, before what opens ports.
fn add_policies(entities: &mut Vec<LoadedEntity>) -> Result<(), StartError> {
    let policy = entities.iter().find(|entity| entity.kind == Kind::Policy);
    let Some(policy) = policy else { return Ok(()) };
    let policy = read::<Policy>(&policy.attributes)?;
    let vhosts = directory::vhosts(&policy.policy_dir).map_err(StartError::Configuration)?;
    let ports = [Kind::Connector, Kind::Listener, Kind::TcpListener];
    let before = entities
        .iter()
        .position(|entity| ports.contains(&entity.kind));
    let at = before.unwrap_or(entities.len());
    entities.splice(at..at, vhosts);
    Ok(())
}

fn read<R: Record>(attributes: &Attributes) -> Result<R, StartError> {
    R::from_attributes(attributes).map_err(|error| StartError::Configuration(error.to_string()))
}

fn made_up(mode: Mode) -> &'static str {
    match mode {
        Mode::Interior => "Interior",
        Mode::Edge => "Edge",
        Mode::Standalone => "Standalone",
    }
}

fn identity(id: &str) -> Result<RouterId, StartError> {
    if id.contains(FORBIDDEN) {
        let text = format!("Router ID \"{id}\" containes at least one illegal character (\"|$\").");
        return Err(StartError::Id(text));
    }
    if let Some(character) = id.chars().find(|c| c.is_control() || c.is_whitespace()) {
        let text = format!(
            "Router id attribute containing character '{}' in id '{}' is disallowed.",
            character.escape_default(),
            id.escape_default()
        );
        return Err(StartError::Id(text));
    }
    RouterId::new(id).ok_or_else(|| {
        StartError::Id(format!(
            "a router id has 1 to {} octets, found {}",
            RouterId::MAX_LEN,
            id.len()
        ))
    })
}

pub(crate) fn treatment(distribution: Distribution) -> Treatment {
    Treatment::from_distribution(distribution.as_str()).unwrap_or(Treatment::Balanced)
}

/// As many as the configuration says, but no more than there are processors: a thread without one only costs.
fn worker_count(settings: &Settings) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    match settings.worker_threads {
        0 => processors,
        configured => (configured as usize).min(processors),
    }
}

/// What tells a run of a router from its last: milliseconds, since a supervisor starts one that has died again within the second,
/// and others would take the new run's addresses for those that they know. On the wire it is an `int`, of which only the
/// equality is looked at; so it begins anew every 25 days.
fn instance(started: SystemTime) -> i64 {
    let since = started.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64 & i64::from(i32::MAX))
}

fn engine_config(
    id: RouterId,
    settings: &Settings,
    started: SystemTime,
) -> skupper_routing::Config {
    let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds.max(1)));
    skupper_routing::Config {
        hello_interval: seconds(settings.hello_interval_seconds),
        hello_max_age: seconds(settings.hello_max_age_seconds),
        ra_interval: seconds(settings.ra_interval_seconds),
        ra_interval_flux: seconds(settings.ra_interval_flux_seconds),
        remote_ls_max_age: seconds(settings.remote_ls_max_age_seconds),
        unreachable_holdoff: Duration::from_secs(settings.unreachable_holdoff_seconds.into()),
        ..skupper_routing::Config::new(id, instance(started))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_within_a_second_differ() {
        let started = SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_000);
        let first = instance(started);
        assert_ne!(instance(started + Duration::from_millis(1)), first);
        for later in [0, 1 << 31, 1 << 40] {
            let fits = i32::try_from(instance(started + Duration::from_millis(later)));
            assert!(fits.is_ok_and(|instance| instance >= 0));
        }
    }
}
